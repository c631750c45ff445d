"""A sandbox that speaks Gemini's own format, and deployments in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rotor_core.sandbox import Sandbox

MODEL, OLDER = "gemini-3.6-flash", "gemini-2.5-flash"
SPEC = {
    "providers": {
        "google": {
            "dialect": "gemini",
            "keys": ["google-key-0001-secret"],
            "models": {
                MODEL: {"capabilities": ["tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning"]},
                OLDER: {"capabilities": ["tools", "parallel_tools", "json_schema", "json_mode", "vision"]},
            },
        },
        "tight": {
            "dialect": "gemini",
            "keys": ["tight-key-0001-secret"],
            "models": {MODEL: {"limits": [{"requests": 1, "per": "minute", "window": "calendar"}]}},
        },
        "other": {
            "keys": ["other-key-0001-secret"],
            "models": {"plain": {"capabilities": ["tools", "parallel_tools"]}},
        },
    }
}


@pytest.fixture(scope="session")
def _box() -> Iterator[Sandbox]:
    with Sandbox(SPEC, clock=lambda: 1_700_000_000.0) as box:
        yield box


@pytest.fixture
def box(_box: Sandbox) -> Sandbox:
    _box.reset()
    return _box
