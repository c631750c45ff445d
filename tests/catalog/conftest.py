"""What catalog tests share: two imaginary plugins, and loading without a process around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rotor_core._errors import ConfigError
from rotor_core.catalog.load import LoadReport, load_report
from rotor_core.hookspecs import ProviderSpec

ACME = ProviderSpec(
    "acme",
    "acme.adapter:Acme",
    "https://api.acme.test/v1",
    env=("ACME_KEY", "ACME_API_KEY"),
    catalog={
        "models": {
            "small-7b": {
                "context": 8000,
                "price": {"input": 1, "output": 2},
                "plans": {"free": {"rpm": 30, "tpm": 6000}, "developer": {"rpm": 1000}},
            },
            "huge-400b": {
                "context": 128000,
                "price": {"input": 5, "output": 9},
                "plans": {"free": {"available": False}},
            },
        },
        "pools": {"fast": ["small-7b"], "research": ["huge-400b", "small-7b"]},
    },
)
OTHER = ProviderSpec(
    "other", "other.adapter:Other", "https://other.test/v1", env=("OTHER_API_KEY",), catalog={"models": {"chat": {}}}
)
WIRE = ProviderSpec("openai-compatible", "rotor_core.adapters.openai_compatible:make")
SPECS = {spec.name: spec for spec in (WIRE, ACME, OTHER)}
RANKINGS = ("free-first", "cheapest", "fastest", "spread", "balanced")
SCHEMES = ("memory", "sqlite", "redis")


@pytest.fixture(scope="session")
def read() -> Callable[..., LoadReport]:
    def read(source: Any = None, environ: dict[str, str] | None = None, **kwargs: Any) -> LoadReport:
        options = {"specs": SPECS, "rankings": RANKINGS, "schemes": SCHEMES, **kwargs}
        return load_report(source, environ=environ or {}, **options)

    return read


@pytest.fixture(scope="session")
def refused(read: Callable[..., LoadReport]) -> Callable[..., ConfigError]:
    """The error that a source is refused with."""

    def refused(source: Any = None, environ: dict[str, str] | None = None, **kwargs: Any) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            read(source, environ, **kwargs)
        assert "\n" not in str(caught.value)
        return caught.value

    return refused


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A rotor.yaml with this text."""

    def written(text: str | bytes) -> Path:
        path = tmp_path / "rotor.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.fixture
def local() -> Callable[..., dict[str, Any]]:
    """A mapping of one keyless local provider with one model, with `model` and `provider` laid over."""

    def local(
        model: dict[str, Any] | None = None, provider: dict[str, Any] | None = None, **root: Any
    ) -> dict[str, Any]:
        section = {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:8000/v1",
            "keys": [],
            "models": {"m": model or {}},
            **(provider or {}),
        }
        return {"providers": {"local": section}, **root}

    return local
