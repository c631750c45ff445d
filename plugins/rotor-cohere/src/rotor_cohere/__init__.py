"""Cohere: its chat API v2, not its endpoint for OpenAI's dialect, which knows neither plans nor token counts of its own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_cohere.errors import ERRORS
from rotor_core.hookspecs import ProviderSpec, hookimpl


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Cohere, under its usual name. The SDK of the vendor reads `CO_API_KEY`, so that one does too."""
    return [
        ProviderSpec(
            "cohere",
            adapter="rotor_cohere.adapter:Cohere",
            base_url="https://api.cohere.com",
            env=("COHERE_API_KEY", "CO_API_KEY"),
            catalog=files("rotor_cohere") / "catalog.toml",
            errors=ERRORS,
        )
    ]
