"""OpenAI for Rotor. The hook returns data; the adapter is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_core import ProviderSpec, hookimpl


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """OpenAI's own chat completions. Its errors and headers are in the core's own tables, under its name."""
    return [
        ProviderSpec(
            "openai",
            adapter="rotor_openai.adapter:OpenAI",
            base_url="https://api.openai.com/v1",
            env=("OPENAI_API_KEY",),
            catalog=files("rotor_openai") / "catalog.toml",
        )
    ]
