"""Groq for Rotor. The hook returns data; the adapter is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_core import ProviderSpec, hookimpl


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Groq's OpenAI-compatible endpoint. Its errors and headers are in the core's own tables, under its name."""
    return [
        ProviderSpec(
            "groq",
            adapter="rotor_groq.adapter:Groq",
            base_url="https://api.groq.com/openai/v1",
            env=("GROQ_API_KEY",),
            catalog=files("rotor_groq") / "catalog.toml",
        )
    ]
