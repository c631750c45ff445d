"""Together for Rotor. The hook returns data; the adapter is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rotor_core import ErrorRule, ProviderSpec, hookimpl

ERRORS = (ErrorRule("rate_limit", codes=("dynamic_request_limited", "dynamic_token_limited")),)
"""Its limits follow what one sends and what it has; a 503 is its own lack of capacity, as with everybody."""


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Together's OpenAI-compatible endpoint."""
    return [
        ProviderSpec(
            "together",
            adapter="rotor_together.adapter:Together",
            base_url="https://api.together.ai/v1",
            env=("TOGETHER_API_KEY",),
            catalog=files("rotor_together") / "catalog.toml",
            errors=ERRORS,
        )
    ]
