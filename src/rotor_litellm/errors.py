"""The engine's refusals as LiteLLM's errors, each with the instant at which capacity returns, so fallbacks and clients know them.

None is to be retried (`num_retries` 0): the engine has waited and tried already, so another try would only do that again.
Fallbacks of LiteLLM's go by the class, as with any provider's error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx

from rotor_core._errors import AttemptsFailed, ConfigError, NoCandidates, RotorError, StoreError, StreamBroken
from rotor_litellm.host import litellm

PROVIDER: Final = "rotor"
"""Whose models they are, as LiteLLM calls it."""
_SIZE: Final = frozenset({"context", "never_fits", "output"})
_UNFIT: Final = frozenset({"capability", "paid"})
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_SERVER_ERROR: Final = (litellm.InternalServerError, 500)
_KINDS: Final[Mapping[str, tuple[Any, int]]] = {
    "auth": (litellm.AuthenticationError, 401),
    "permission": (litellm.PermissionDeniedError, 403),
    "billing": (litellm.PermissionDeniedError, 403),
    "not_found": (litellm.NotFoundError, 404),
    "bad_request": (litellm.BadRequestError, 400),
    "content_filter": (litellm.ContentPolicyViolationError, 400),
    "context_length": (litellm.ContextWindowExceededError, 400),
    "too_large": (litellm.ContextWindowExceededError, 400),
    "timeout": (litellm.Timeout, 408),
    "overloaded": (litellm.ServiceUnavailableError, 503),
    "connection": (litellm.ServiceUnavailableError, 503),
    "server_error": _SERVER_ERROR,
}
"""By the kind of the last attempt's failure."""


def for_litellm(error: RotorError, model: str) -> Exception:
    """The same error in LiteLLM's terms; to be raised `from` the engine's own."""
    if isinstance(error, NoCandidates):
        return _refusal(error, model)
    if isinstance(error, AttemptsFailed):
        return _attempts(error, model)
    if isinstance(error, StreamBroken | StoreError):
        return _made(litellm.ServiceUnavailableError, str(error), model, 503)
    if isinstance(error, ConfigError):
        if error.key == "model":
            return _made(litellm.NotFoundError, _unplaced(error), model, 404)
        return _made(litellm.BadRequestError, str(error), model, 400)  # for its owner to mend
    return _made(litellm.APIError, str(error), model, 500)


def bad_request(text: str, model: str) -> Exception:
    """A request that cannot be meant: LiteLLM's BadRequestError."""
    return _made(litellm.BadRequestError, text, model, 400)


def limited(text: str, model: str, retry_at: float | None, retry_after: float | None) -> Exception:
    """No capacity in time: a 429 of LiteLLM's, with `retry-after`."""
    headers = _when(retry_at, retry_after)
    made: Exception = litellm.RateLimitError(
        text, PROVIDER, model, response=_response(429, headers), num_retries=0, category="litellm_rate_limit",
        headers=headers,
    )  # fmt: skip
    return made


def _refusal(error: NoCandidates, model: str) -> Exception:
    reasons = {r.reason for r in error.reasons.values()}
    if error.retry_at is None and reasons:
        if reasons <= _UNFIT:
            return _made(litellm.BadRequestError, str(error), model, 400)
        if reasons <= _SIZE | _UNFIT:
            return _made(litellm.ContextWindowExceededError, str(error), model, 400)
    return limited(str(error), model, error.retry_at, error.retry_after)


def _unplaced(error: ConfigError) -> str:
    """A name that is none, without the configuration's place: who asked for it may be anybody, and has no part in that file."""
    return str(
        ConfigError(
            error.problem, key=error.key, value=error.value, expected=error.expected, suggestion=error.suggestion
        )
    )


def _attempts(error: AttemptsFailed, model: str) -> Exception:
    failure = getattr(error.exceptions[-1], "failure", None)
    kind = getattr(failure, "kind", "unknown")
    if kind in {"rate_limit", "quota_exhausted"}:
        return limited(str(error), model, error.retry_at, None)
    made, status = _KINDS.get(kind, _SERVER_ERROR)
    return _made(made, str(error), model, status, _when(error.retry_at, None))


def _when(retry_at: float | None, retry_after: float | None) -> dict[str, str]:
    """Headers that say when it may be asked again: `retry-after` in whole seconds, as LiteLLM reads no others, and the instant."""
    if retry_after is None and retry_at is not None:
        retry_after = retry_at - time.time()
    headers: dict[str, str] = {}
    if retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after)))
    if retry_at is not None:
        headers["x-rotor-retry-at"] = f"{retry_at:.3f}"
    return headers


def _response(status: int, headers: Mapping[str, str]) -> httpx.Response:
    return httpx.Response(status, headers=headers, request=httpx.Request("POST", "http://rotor.invalid"))


def _made(kind: Any, text: str, model: str, status: int, headers: Mapping[str, str] = _NO_HEADERS) -> Exception:
    """One of LiteLLM's errors. Their constructors differ in what they insist on."""
    response = _response(status, headers)
    if kind is litellm.APIError:
        error: Exception = kind(status_code=status, message=text, llm_provider=PROVIDER, model=model)
    else:
        error = kind(message=text, llm_provider=PROVIDER, model=model, response=response)
    error.response = response  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  some put another in its place
    error.num_retries = 0  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  as LiteLLM itself does
    return error
