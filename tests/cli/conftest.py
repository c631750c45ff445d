"""A sandbox to ask, and an environment that says nothing to Rotor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotor_core.sandbox import Sandbox

SPEC: dict[str, Any] = {
    "providers": {
        "lab-free": {
            "keys": ["lab-key-free-1"],
            "models": {
                "small": {
                    "context": 8192,
                    "price": {"input": 0, "output": 0},
                    "limits": [{"requests": 3, "per": "hour", "window": "rolling"}, {"concurrent": 4}],
                }
            },
        },
        "lab-paid": {
            "keys": ["lab-key-paid-1"],
            "models": {
                "large": {
                    "context": 32768,
                    "price": {"input": 1, "output": 2},
                    "limits": [{"requests": 500, "per": "minute", "window": "bucket"}],
                }
            },
        },
    },
    "pools": {"main": ["lab-free/small", "lab-paid/large"], "free": ["lab-free/small"]},
    "default_pool": "main",
    "policy": {"max_wait": "1s"},
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, no configuration of the user's, no key in the environment, no colour."""
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.endswith("_API_KEY") or n.startswith("ROTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SPEC) as box:
        yield box


@pytest.fixture
def config_file(sandbox: Sandbox, nowhere: Path) -> Path:
    """A rotor.yaml in the working directory, for that sandbox."""
    path = nowhere / "rotor.yaml"
    path.write_text(yaml.safe_dump(dict(sandbox.config())))
    return path


@pytest.fixture(autouse=True)
def as_wide_as_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the terminal is that these tests are run from."""
    monkeypatch.delenv("COLUMNS", raising=False)
