"""Every refusal of the engine's in LiteLLM's words: its class, its status, when it may be asked again, and no retry of it."""

from __future__ import annotations

import time
from typing import Any

import litellm
import pytest

from rotor_core._errors import (
    AttemptsFailed,
    ConfigError,
    NoCandidates,
    ProviderError,
    RotorError,
    StoreError,
    StreamBroken,
)
from rotor_core._ledger import Rejection
from rotor_core._outcome import KINDS, Failure
from rotor_litellm.errors import for_litellm

BY_KIND = {
    "rate_limit": (litellm.RateLimitError, 429),
    "quota_exhausted": (litellm.RateLimitError, 429),
    "auth": (litellm.AuthenticationError, 401),
    "permission": (litellm.PermissionDeniedError, 403),
    "not_found": (litellm.NotFoundError, 404),
    "bad_request": (litellm.BadRequestError, 400),
    "context_length": (litellm.ContextWindowExceededError, 400),
    "too_large": (litellm.ContextWindowExceededError, 400),
    "content_filter": (litellm.ContentPolicyViolationError, 400),
    "overloaded": (litellm.ServiceUnavailableError, 503),
    "server_error": (litellm.InternalServerError, 500),
    "timeout": (litellm.Timeout, 408),
    "connection": (litellm.ServiceUnavailableError, 503),
    "billing": (litellm.PermissionDeniedError, 403),
    "cancelled": (litellm.InternalServerError, 500),
    "unknown": (litellm.InternalServerError, 500),
}


def attempts(kind: Any, retry_at: float | None = None) -> AttemptsFailed:
    return AttemptsFailed("one/m#1 would not", [ProviderError("no", Failure(kind))], (), retry_at)


def nobody(*reasons: str, retry_at: float | None = None, retry_after: float | None = None) -> NoCandidates:
    found = {f"one/m#{n}": Rejection(reason, "that is how it is") for n, reason in enumerate(reasons)}  # type: ignore[arg-type]
    return NoCandidates("nobody can", reasons=found, retry_at=retry_at, retry_after=retry_after)


def test_every_kind_of_failure_is_spoken_for():
    assert BY_KIND.keys() == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_failed_attempts_are_the_error_of_the_last_one(kind: str):
    made = for_litellm(attempts(kind), "fast")

    expected, status = BY_KIND[kind]
    assert type(made) is expected
    assert (made.status_code, made.num_retries) == (status, 0)
    assert "one/m#1 would not" in str(made)


@pytest.mark.parametrize(
    ("error", "expected", "status"),
    [
        (nobody("no_room", retry_at=1e9, retry_after=3), litellm.RateLimitError, 429),
        (nobody("resting", "capability"), litellm.RateLimitError, 429),
        (nobody(), litellm.RateLimitError, 429),
        (nobody("capability"), litellm.BadRequestError, 400),
        (nobody("paid", "capability"), litellm.BadRequestError, 400),
        (nobody("context", "paid"), litellm.ContextWindowExceededError, 400),
        (nobody("never_fits", "output"), litellm.ContextWindowExceededError, 400),
        (StreamBroken("it broke", "half of it"), litellm.ServiceUnavailableError, 503),
        (StoreError("it is away"), litellm.ServiceUnavailableError, 503),
        (ConfigError("there is no such pool", key="model", value="fest"), litellm.NotFoundError, 404),
        (ConfigError("unknown key", key="providrs"), litellm.BadRequestError, 400),
        (RotorError("something else"), litellm.APIError, 500),
    ],
)
def test_what_else_goes_wrong_has_the_class_that_fallbacks_and_clients_look_for(
    error: RotorError, expected: type[Exception], status: int
):
    made = for_litellm(error, "fast")

    assert type(made) is expected
    assert (made.status_code, made.num_retries) == (status, 0)
    assert str(error) in str(made)
    assert made.model == "fast"
    assert made.llm_provider == "rotor"


def test_a_name_that_is_none_is_told_without_the_place_of_the_configuration():
    error = ConfigError(
        "there is no such pool", file="/srv/rotor.yaml", line=3, key="model", value="fest", suggestion="fast"
    )

    made = for_litellm(error, "fest")

    assert str(made).endswith("model: there is no such pool (got 'fest'); did you mean 'fast'?")
    assert "rotor.yaml" not in str(made)


def test_of_a_configuration_that_cannot_be_used_the_place_is_told():
    made = for_litellm(ConfigError("unknown key", file="/srv/rotor.yaml", line=3, key="providrs"), "fast")

    assert "/srv/rotor.yaml:3: providrs" in str(made)


def test_the_instant_of_return_is_told_in_whole_seconds_and_exactly():
    for error in (
        nobody("no_room", retry_at=time.time() + 7.3, retry_after=7.3),
        attempts("rate_limit", time.time() + 7.3),
    ):
        headers = for_litellm(error, "fast").response.headers
        assert headers["retry-after"] == "8"
        assert float(headers["x-rotor-retry-at"]) == pytest.approx(time.time() + 7.3, abs=1)


def test_it_is_told_of_providers_that_are_down_too():
    for kind in ("overloaded", "server_error", "timeout", "connection"):
        assert for_litellm(attempts(kind, time.time() + 2.5), "fast").response.headers["retry-after"] == "3"


def test_what_returns_at_once_is_asked_again_after_a_second_and_what_never_does_without_a_word():
    assert for_litellm(attempts("rate_limit", time.time() - 5), "fast").response.headers["retry-after"] == "1"
    assert "retry-after" not in for_litellm(nobody("resting"), "fast").response.headers
