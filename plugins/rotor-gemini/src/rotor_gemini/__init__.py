"""Gemini for Rotor, by Google's own `generateContent`. The hook returns data; the adapter is imported when first needed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_core import ProviderSpec, hookimpl
from rotor_gemini.errors import ERRORS


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """The Gemini API with a key of Google AI Studio."""
    return [
        ProviderSpec(
            "gemini",
            adapter="rotor_gemini.adapter:Gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta",
            env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            catalog=files("rotor_gemini") / "catalog.toml",
            errors=ERRORS,
        )
    ]
