"""Rotor's engine: keeps one chat model answering over many providers, models and keys. Knows neither LangChain nor LiteLLM.

    from rotor_core import Rotor

    with Rotor.from_env() as rotor:
        print(rotor.chat("Why is the sky blue?").answer.text)

Names are imported when first used, so that what a program does not use it does not load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rotor_core._errors import (
        AttemptsFailed,
        ConfigError,
        NoCandidates,
        ProviderError,
        RotorError,
        StoreError,
        StreamBroken,
    )
    from rotor_core._events import (
        Answered,
        BreakerClosed,
        BreakerOpened,
        Event,
        Exhausted,
        Failed,
        HeaderDistrusted,
        LimitLearned,
        QuotaSuspected,
        Recovered,
        Rested,
        Rotated,
        Selected,
        StoreLost,
        StoreRegained,
    )
    from rotor_core._flow import Result
    from rotor_core._health import Timeouts
    from rotor_core._ledger import Rejection, Reservation
    from rotor_core._model import (
        Catalog,
        Credential,
        Deployment,
        Limit,
        Model,
        Policy,
        Pool,
        Price,
        Provider,
        Rule,
        Seat,
        Secret,
    )
    from rotor_core._outcome import Answer, Attempt, Chunk, Failure, Outcome, ToolCall, ToolCallDelta, Usage
    from rotor_core._policy.analyze import analyze
    from rotor_core._policy.classify import classify_failure
    from rotor_core._policy.error_rules import ErrorRule
    from rotor_core._policy.estimate import estimate_tokens
    from rotor_core._policy.rank import Ranking
    from rotor_core._request import Analysis, Estimate, Request
    from rotor_core._snapshot import Explanation
    from rotor_core._streams import AsyncChunkStream, ChunkStream
    from rotor_core._version import __version__
    from rotor_core.hookspecs import ProviderSpec, StoreSpec, hookimpl
    from rotor_core.rotor import Rotor

__all__ = (
    "Analysis",
    "Answer",
    "Answered",
    "AsyncChunkStream",
    "Attempt",
    "AttemptsFailed",
    "BreakerClosed",
    "BreakerOpened",
    "Catalog",
    "Chunk",
    "ChunkStream",
    "ConfigError",
    "Credential",
    "Deployment",
    "ErrorRule",
    "Estimate",
    "Event",
    "Exhausted",
    "Explanation",
    "Failed",
    "Failure",
    "HeaderDistrusted",
    "Limit",
    "LimitLearned",
    "Model",
    "NoCandidates",
    "Outcome",
    "Policy",
    "Pool",
    "Price",
    "Provider",
    "ProviderError",
    "ProviderSpec",
    "QuotaSuspected",
    "Ranking",
    "Recovered",
    "Rejection",
    "Request",
    "Reservation",
    "Rested",
    "Result",
    "Rotated",
    "Rotor",
    "RotorError",
    "Rule",
    "Seat",
    "Secret",
    "Selected",
    "StoreError",
    "StoreLost",
    "StoreRegained",
    "StoreSpec",
    "StreamBroken",
    "Timeouts",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "__version__",
    "analyze",
    "classify_failure",
    "estimate_tokens",
    "hookimpl",
)

_HOME: Final = {
    name: module
    for module, names in {
        "rotor_core.rotor": ("Rotor",),
        "rotor_core._errors": (
            "AttemptsFailed",
            "ConfigError",
            "NoCandidates",
            "ProviderError",
            "RotorError",
            "StoreError",
            "StreamBroken",
        ),
        "rotor_core._events": (
            "Answered",
            "BreakerClosed",
            "BreakerOpened",
            "Event",
            "Exhausted",
            "Failed",
            "HeaderDistrusted",
            "LimitLearned",
            "QuotaSuspected",
            "Recovered",
            "Rested",
            "Rotated",
            "Selected",
            "StoreLost",
            "StoreRegained",
        ),
        "rotor_core._flow": ("Result",),
        "rotor_core._health": ("Timeouts",),
        "rotor_core._ledger": (
            "Rejection",
            "Reservation",
        ),
        "rotor_core._model": (
            "Catalog",
            "Credential",
            "Deployment",
            "Limit",
            "Model",
            "Policy",
            "Pool",
            "Price",
            "Provider",
            "Rule",
            "Seat",
            "Secret",
        ),
        "rotor_core._outcome": (
            "Answer",
            "Attempt",
            "Chunk",
            "Failure",
            "Outcome",
            "ToolCall",
            "ToolCallDelta",
            "Usage",
        ),
        "rotor_core._policy.analyze": ("analyze",),
        "rotor_core._policy.classify": ("classify_failure",),
        "rotor_core._policy.error_rules": ("ErrorRule",),
        "rotor_core._policy.estimate": ("estimate_tokens",),
        "rotor_core._policy.rank": ("Ranking",),
        "rotor_core._request": (
            "Analysis",
            "Estimate",
            "Request",
        ),
        "rotor_core._snapshot": ("Explanation",),
        "rotor_core._streams": (
            "AsyncChunkStream",
            "ChunkStream",
        ),
        "rotor_core._version": ("__version__",),
        "rotor_core.hookspecs": (
            "ProviderSpec",
            "StoreSpec",
            "hookimpl",
        ),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
