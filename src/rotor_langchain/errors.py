"""The engine's errors as LangChain's: each class here is both, so that code which catches either keeps working.

LangChain's retry middleware asks `is_retryable`, and retries what it does not know. So every failure gets the class
that LangChain has for it, and a refusal whose capacity returns too late for a retry to help says that it is final.
The engine's own error stays in `__cause__`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from rotor_core._errors import AttemptsFailed, ConfigError, NoCandidates, RotorError, StoreError, StreamBroken
from rotor_core._outcome import Failure, FailureKind

FAR: Final = 60.0
"""Seconds. When capacity returns later than this, a retry within one agent's run is a waste of its patience."""


# -- refusals: nothing was open, and nothing was taken


class NoModelsAvailable(NoCandidates, ModelRateLimitError):
    """No model had room in time. `retry_after`: seconds until one has, None for never. Retryable when that is soon."""


class NoContextLargeEnough(NoCandidates, ContextOverflowError):
    """No candidate's context, or none of its limits, can ever hold this request. Shorten it, or add a larger model."""


class NoModelCapable(NoCandidates, ModelInvalidRequestError):
    """No candidate can do what the request needs (tools, images, a JSON schema ...)."""


# -- attempts that failed: the group holds each one's own error


class AttemptsRateLimited(AttemptsFailed, ModelRateLimitError):
    """Providers refused for rate, against what was known of their limits."""


class AttemptsUnauthenticated(AttemptsFailed, ModelAuthenticationError):
    """No key was accepted."""


class AttemptsDenied(AttemptsFailed, ModelPermissionDeniedError):
    """The keys are known, and may not do this (or their account has run dry)."""


class AttemptsNotFound(AttemptsFailed, ModelNotFoundError):
    """The providers know no such model."""


class AttemptsInvalid(AttemptsFailed, ModelInvalidRequestError):
    """The request itself is wrong, or was refused for its content: no other model would help."""


class AttemptsOverflowed(AttemptsFailed, ContextOverflowError):
    """The request is longer than the models that were tried can hold."""


class AttemptsErrored(AttemptsFailed, ModelAPIError):
    """The providers failed by themselves."""


class AttemptsDisconnected(AttemptsFailed, ModelConnectionError):
    """The providers could not be reached."""


class AttemptsTimedOut(AttemptsFailed, ModelTimeoutError):
    """The providers took too long."""


# -- streams that broke: the caller has `partial`


class StreamErrored(StreamBroken, ModelAPIError):
    """The provider ended a stream early. `partial` is what the caller has of it."""


class StreamDisconnected(StreamBroken, ModelConnectionError):
    """The connection broke within a stream. `partial` is what the caller has of it."""


class StreamTimedOut(StreamBroken, ModelTimeoutError):
    """A stream fell silent. `partial` is what the caller has of it."""


# -- the rest


class UnknownModel(ConfigError, ModelNotFoundError):
    """There is no such pool or model."""


class Misconfigured(ConfigError, ModelInvalidRequestError):
    """A configuration that cannot be used, found out by a call."""


class StoreUnavailable(StoreError, ModelAPIError):
    """The ledger's store is out of reach."""


_ATTEMPTS: Final[Mapping[FailureKind, type[AttemptsFailed]]] = MappingProxyType(
    {
        "rate_limit": AttemptsRateLimited,
        "quota_exhausted": AttemptsRateLimited,
        "auth": AttemptsUnauthenticated,
        "permission": AttemptsDenied,
        "billing": AttemptsDenied,
        "not_found": AttemptsNotFound,
        "bad_request": AttemptsInvalid,
        "content_filter": AttemptsInvalid,
        "context_length": AttemptsOverflowed,
        "too_large": AttemptsOverflowed,
        "overloaded": AttemptsErrored,
        "server_error": AttemptsErrored,
        "unknown": AttemptsErrored,
        "cancelled": AttemptsErrored,
        "timeout": AttemptsTimedOut,
        "connection": AttemptsDisconnected,
    }
)

_STREAMS: Final[Mapping[FailureKind, type[StreamBroken]]] = MappingProxyType(
    {"connection": StreamDisconnected, "timeout": StreamTimedOut}
)

_FINAL: Final[frozenset[FailureKind]] = frozenset({"bad_request", "content_filter", "context_length", "too_large"})
"""Kinds that speak of the request: whoever says so last has said it all."""

_TRANSIENT: Final[frozenset[FailureKind]] = frozenset(
    {"rate_limit", "overloaded", "server_error", "timeout", "connection", "unknown"}
)
"""Kinds that an agent's retry may outlast, unless they were told to last."""


def for_langchain(error: RotorError) -> Exception:
    """The same error in LangChain's terms; to be raised `from` the engine's own."""
    for kind, translate in _TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error)
    return error


def _as(kind: type[RotorError], error: RotorError, **more: Any) -> Exception:
    """`error` as one of the classes above, which add no data of their own."""
    made = kind.__new__(kind, *error.args)
    made.args = error.args
    made.__dict__.update({**error.__dict__, **more})
    return made


def _refusal(error: NoCandidates) -> Exception:
    if error.retry_at is not None or error.retry_after is not None:
        return _as(NoModelsAvailable, error, is_retryable=_soon(error.retry_after))
    reasons = {r.reason for r in error.reasons.values()}
    if reasons == {"capability"}:
        return _as(NoModelCapable, error)
    if reasons - {"capability", "paid"} and reasons <= {"context", "never_fits", "capability", "paid"}:
        return _as(NoContextLargeEnough, error)
    return _as(NoModelsAvailable, error, is_retryable=False)


def _broken(error: StreamBroken) -> Exception:
    """Asked again from its beginning, the request may be served: a retry replaces `partial`, it does not go on from it."""
    failure = error.failure or Failure("unknown")
    kind = _STREAMS.get(failure.kind, StreamErrored)
    return _as(kind, error, is_retryable=_may_pass(failure), retry_after=failure.retry_after)


def _misconfigured(error: ConfigError) -> Exception:
    return _as(UnknownModel if error.key == "model" else Misconfigured, error)


def _soon(retry_after: float | None) -> bool:
    return retry_after is not None and retry_after <= FAR


def _may_pass(failure: Failure) -> bool:
    return failure.kind in _TRANSIENT and (failure.retry_after is None or _soon(failure.retry_after))


def _attempts(error: AttemptsFailed) -> Exception:
    failures = [a.failure for a in error.attempts if a.failure is not None]
    kind = dominating(f.kind for f in failures)
    # One failure among others that may pass is reason enough to try again.
    retryable = kind not in _FINAL and any(_may_pass(f) for f in failures)
    waits = [f.retry_after for f in failures if f.retry_after is not None and f.kind not in _FINAL]
    return _as(_ATTEMPTS[kind], error, is_retryable=retryable, retry_after=min(waits, default=None))


def dominating(kinds: Iterable[FailureKind]) -> FailureKind:
    """The kind that tells the story of several attempts: a final one, else the most frequent, of equals the latest."""
    kinds = list(kinds)
    if not kinds:
        return "unknown"
    if kinds[-1] in _FINAL:
        return kinds[-1]
    counts = Counter(kinds)
    most = max(counts.values())
    return next(kind for kind in reversed(kinds) if counts[kind] == most)


_TRANSLATIONS: Final[tuple[tuple[type[RotorError], Callable[[Any], Exception]], ...]] = (
    (NoCandidates, _refusal),
    (AttemptsFailed, _attempts),
    (StreamBroken, _broken),
    (ConfigError, _misconfigured),
    (StoreError, lambda error: _as(StoreUnavailable, error)),
)


class _Translated:
    """A block in which the engine's errors become LangChain's. Stateless, so one serves all calls at once."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, RotorError):
            translated = for_langchain(error)
            if translated is not error:
                raise translated from error


TRANSLATED: Final = _Translated()

__all__ = [
    "TRANSLATED",
    "AttemptsDenied",
    "AttemptsDisconnected",
    "AttemptsErrored",
    "AttemptsInvalid",
    "AttemptsNotFound",
    "AttemptsOverflowed",
    "AttemptsRateLimited",
    "AttemptsTimedOut",
    "AttemptsUnauthenticated",
    "Misconfigured",
    "NoContextLargeEnough",
    "NoModelCapable",
    "NoModelsAvailable",
    "StoreUnavailable",
    "StreamDisconnected",
    "StreamErrored",
    "StreamTimedOut",
    "UnknownModel",
    "for_langchain",
]
