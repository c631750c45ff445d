"""Mistral for Rotor. The hook returns data; the adapter is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_core import ProviderSpec, hookimpl


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Mistral's chat completions. Its codes of errors are in the core's general table."""
    return [
        ProviderSpec(
            "mistral",
            adapter="rotor_mistral.adapter:Mistral",
            base_url="https://api.mistral.ai/v1",
            env=("MISTRAL_API_KEY",),
            catalog=files("rotor_mistral") / "catalog.toml",
        )
    ]
