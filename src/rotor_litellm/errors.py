"""The engine's refusals as LiteLLM's errors, each with the instant at which capacity returns, so fallbacks and clients know them."""

from __future__ import annotations

import math
from typing import Any

import httpx

from rotor_core._errors import AttemptsFailed, ConfigError, NoCandidates, RotorError, StoreError
from rotor_litellm.host import litellm

_SIZE = frozenset({"context", "never_fits", "output"})
_PROVIDER = "rotor"


def for_litellm(error: RotorError, model: str) -> Exception:
    """The same error in LiteLLM's terms; to be raised `from` the engine's own. Never retried: the engine has waited already."""
    if isinstance(error, NoCandidates):
        return _refusal(error, model)
    if isinstance(error, AttemptsFailed):
        return _attempts(error, model)
    if isinstance(error, StoreError):
        return _made(litellm.ServiceUnavailableError, str(error), model, 503)
    if isinstance(error, ConfigError):
        return _made(litellm.BadRequestError, str(error), model, 400)
    return _made(litellm.APIError, str(error), model, 500)


def _refusal(error: NoCandidates, model: str) -> Exception:
    reasons = {r.reason for r in error.reasons.values()}
    if error.retry_at is None and reasons:
        if reasons <= {"capability"}:
            return _made(litellm.BadRequestError, str(error), model, 400)
        if reasons <= _SIZE | {"capability", "paid"} and reasons & _SIZE:
            return _made(litellm.ContextWindowExceededError, str(error), model, 400)
    return limited(str(error), model, error.retry_at, error.retry_after)


def limited(text: str, model: str, retry_at: float | None, retry_after: float | None) -> Exception:
    """No capacity in time: a 429 of LiteLLM's, with `retry-after`."""
    headers: dict[str, str] = {}
    if retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after)))
    if retry_at is not None:
        headers["x-rotor-retry-at"] = f"{retry_at:.3f}"
    response = httpx.Response(429, headers=headers, request=httpx.Request("POST", "http://rotor.invalid"))
    made: Exception = litellm.RateLimitError(
        text, _PROVIDER, model, response=response, num_retries=0, category="litellm_rate_limit", headers=headers
    )
    return made


def _attempts(error: AttemptsFailed, model: str) -> Exception:
    last: Any = error.exceptions[-1]
    failure = getattr(last, "failure", None)
    kind = getattr(failure, "kind", "unknown")
    if kind in {"rate_limit", "quota_exhausted"}:
        return limited(str(error), model, error.retry_at, None)
    kinds: dict[str, tuple[Any, int]] = {
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
    }
    made, status = kinds.get(kind, (litellm.InternalServerError, 500))
    return _made(made, str(error), model, status)


def _made(kind: Any, text: str, model: str, status: int) -> Exception:
    """One of LiteLLM's errors. Their constructors differ in what they insist on."""
    response = httpx.Response(status, request=httpx.Request("POST", "http://rotor.invalid"))
    try:
        error: Exception = kind(message=text, llm_provider=_PROVIDER, model=model, response=response)
    except TypeError:
        try:
            error = kind(message=text, llm_provider=_PROVIDER, model=model)
        except TypeError:
            error = kind(status_code=status, message=text, llm_provider=_PROVIDER, model=model)
    error.num_retries = 0  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  as LiteLLM itself does
    return error
