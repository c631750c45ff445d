"""The provider's door as a user opens it, and the same endpoint by LiteLLM's own way beside it."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import litellm
import pytest

from rotor_core.sandbox import Sandbox
from rotor_litellm.provider import RotorProvider

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
TOWN = {
    "type": "json_schema",
    "json_schema": {
        "name": "town",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}
tools_work = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None,
    reason="LiteLLM 1.106.2 cannot send tools without the package mcp (litellm[proxy])",
)


@contextmanager
def opened(config: Any) -> Iterator[RotorProvider]:
    """The door over a configuration; closed again afterwards."""
    before = litellm.custom_provider_map
    provider = RotorProvider(config)
    litellm.custom_provider_map = [{"provider": "rotor", "custom_handler": provider}]
    try:
        yield provider
    finally:
        provider.close()
        litellm.custom_provider_map = before


def over(box: Sandbox, **more: Any) -> dict[str, Any]:
    """A configuration over the sandbox's two providers, with a store of its own."""
    return box.config(**{"store": f"memory://{uuid.uuid4().hex}", "pools": {"fast": ["one/m", "two/m"]}, **more})


def directly(box: Sandbox, provider: str = "one") -> dict[str, Any]:
    """What LiteLLM is told to ask the same endpoint by itself."""
    return {"model": "openai/m", "api_base": box.url(provider), "api_key": box.key(provider)}


def held_by(provider: RotorProvider) -> tuple[int, float]:
    """Calls under way, and what is reserved and not settled, over all of the engine's limits."""
    engine = provider.engine._engine
    assert engine is not None
    reserved = sum(limit["reserved"] for row in provider.engine.status()["deployments"] for limit in row["limits"])
    return engine.health.in_flight, reserved
