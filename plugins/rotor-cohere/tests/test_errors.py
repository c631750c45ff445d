"""What Cohere's prose means, with the rules of this plugin before the general ones."""

from __future__ import annotations

import json

import pytest

from rotor_cohere.errors import ERRORS
from rotor_core._policy import classify
from rotor_core._policy.classify import classify_failure
from rotor_core._policy.error_rules import dialect_of

MINUTE = "You are using a Trial key, which is limited to 20 API calls / minute. You can continue to use the Trial key for free"
MONTH = "You are using a Trial key, which is limited to 1000 API calls / month. You can continue to use the Trial key for free"


@pytest.fixture(autouse=True)
def _loaded(monkeypatch):
    """As after the loading of this plugin, and as before afterwards."""
    monkeypatch.setattr(classify, "_added", {**classify._added, "cohere": dialect_of(ERRORS)})
    classify._remembered.cache_clear()
    yield
    classify._remembered.cache_clear()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "no api key supplied", "auth"),
        (401, "invalid api token", "auth"),
        (498, "invalid token", "auth"),
        (402, "Please add or update your payment method", "billing"),
        (499, "request cancelled", "timeout"),
        (400, "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192.", "too_large"),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.", "context_length"),
        (400, "too many tokens: size limit exceeded by 11326 tokens.", "context_length"),
        (400, "blocked input: please adjust your prompt and try again, as it may be a potential violation of our Usage Guidelines", "content_filter"),
        (400, "invalid request: temperature must be between 0 and 1.0 inclusive.", "bad_request"),
        (422, "unknown field: parameter 'strict' is not a valid field.", "bad_request"),
        (400, "invalid request: model 'embed-x' is not supported by the chat API", "not_found"),
        (404, "model 'x' not found, make sure the correct model ID was used and that you have access to the model.", "not_found"),
        (429, MINUTE, "rate_limit"),
        (429, MONTH, "quota_exhausted"),
        (429, "trial token rate limit exceeded, limit is 100000 tokens per minute", "rate_limit"),
        (429, "Please wait and try again later", "rate_limit"),
        (500, "internal server error", "server_error"),
        (503, "service unavailable", "overloaded"),
    ],
)  # fmt: skip
def test_what_cohere_says_is_understood(status, message, kind):
    assert classify_failure("cohere", status, {}, json.dumps({"id": "1", "message": message})).kind == kind


def test_figures_are_read_out_of_the_prose():
    found = classify_failure("cohere", 429, {}, json.dumps({"message": MONTH}))
    assert (found.unit, found.per, found.limit) == ("requests", "month", 1000)


def test_the_rules_are_well_formed():
    assert len(dialect_of(ERRORS)) == len(ERRORS)
