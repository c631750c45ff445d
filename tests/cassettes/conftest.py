"""A provider of our own to record: OpenAI's dialect, at an address that nobody has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rotor_core import ProviderSpec
from rotor_core.testing import CassetteSuite

ACME = ProviderSpec(
    "acme",
    adapter="rotor_core.adapters.openai_compatible:OpenAICompatible",
    base_url="https://api.acme.test/v1",
    env=("ACME_TEST_KEY",),
)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[CassetteSuite]:
    """A suite that is not collected, with an empty folder."""
    monkeypatch.delenv("ACME_TEST_KEY", raising=False)

    class Acme(CassetteSuite):
        provider = "acme"
        folder = tmp_path / "acme"
        model = "large"
        dialect = "openai"
        hosts = ("openai.com",)  # of whom the imitation speaks

        @classmethod
        def spec(cls) -> ProviderSpec:
            return ACME

    return Acme


@pytest.fixture
def document() -> Callable[..., dict[str, Any]]:
    """A cassette with nothing wrong, to put something wrong into."""

    def made(*, body: str = "{}", uri: str = "https://api.acme.test/v1/chat", **headers: str) -> dict[str, Any]:
        return {
            "recorded": {"against": "the provider's API", "date": "2026-11-21", "by": "a test"},
            "version": 1,
            "interactions": [
                {
                    "request": {"method": "POST", "uri": uri, "headers": {"accept": ["*/*"]}, "body": "{}"},
                    "response": {
                        "status": {"code": 200, "message": "OK"},
                        "headers": {name.replace("_", "-"): [value] for name, value in headers.items()},
                        "body": {"string": body},
                    },
                }
            ],
        }

    return made
