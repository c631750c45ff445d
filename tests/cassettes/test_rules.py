"""What is kept of an exchange, and what the audit says of one that should not be there."""

from __future__ import annotations

import pytest

from rotor_core.testing import cassette_rules as rules

LIMITS = (
    "x-ratelimit-limit-requests", "X-RateLimit-Remaining-Tokens", "x-ratelimitbysize-limit-minute", "RateLimit-Policy",
    "anthropic-ratelimit-tokens-reset", "Retry-After", "retry-after-ms", "x-trial-endpoint-call-limit",
    "x-endpoint-monthly-call-limit", "date", "content-type",
)  # fmt: skip
PRIVATE = (
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie", "openai-organization",
    "anthropic-organization-id", "openai-project", "x-request-id", "cf-ray", "via", "server", "x-ratelimit-api-key",
    "x-anything-new", "content-encoding", "content-length", "user-agent", "host",
)  # fmt: skip
NOBODYS = "0123456789abcdefABCDEF"
"""Makes a key in a test, so that no whole one stands in this file."""
SECRETS = (
    "sk-" + NOBODYS, "sk-proj-" + NOBODYS, "sk-or-v1-" + NOBODYS, "gsk_" + NOBODYS, "xai-" + NOBODYS, "hf_" + NOBODYS,
    "nvapi-" + NOBODYS, "csk-" + NOBODYS, "fw_" + NOBODYS, "tgp_v1_" + NOBODYS, "AIza" + NOBODYS + "0123456789",
    "AKIA" + "0123456789ABCDEF", "eyJ" + NOBODYS + "." + NOBODYS + "." + NOBODYS, "Bearer " + NOBODYS,
    "org-" + NOBODYS, "org_" + NOBODYS, "proj_" + NOBODYS, "projects/123456789012", "project_number:123456789012",
    "ada.lovelace@acme.test", '"organization": "Lovelace and Daughters"', "https://x.acme.test/?key=" + NOBODYS,
    '"account_id":"' + NOBODYS + '"',
)  # fmt: skip
HARMLESS = (
    "chatcmpl-" + NOBODYS, "call_" + NOBODYS, "req_" + NOBODYS, "get_weather_0001b9782c0500", "skip_thought_signature",
    "a sk-y blue day", "key-value", "organization", '"organization":null', "api_version 2", "price_per_key_of_music",
    "You passed ****cdef", "projects and 42 others", "someone@example.com", "3@5", "org-wide", "tokens=12",
)  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_what_a_provider_says_of_limits_and_time_is_kept(name):
    assert rules.kept({name: ["1"]}, rules.KEPT_OF_ANSWERS) == {name.lower(): ["1"]}


@pytest.mark.parametrize("name", PRIVATE)
def test_every_other_header_is_left_out(name):
    assert rules.kept({name: ["1"]}, rules.KEPT_OF_ANSWERS) == {}
    assert rules.kept({name: ["1"]}, rules.KEPT_OF_REQUESTS) == {}


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_found_and_its_scrubbed_form_is_not(secret, document):
    text = f'{{"said": "it is {secret} here"}}' if '"' not in secret else f"{{{secret}}}"

    assert rules.problems(document(body=text))
    assert rules.problems(document(body=rules.scrubbed(text))) == []
    assert rules.problems(document(retry_after=secret))
    assert rules.problems({**document(), "note": secret})


@pytest.mark.parametrize("secret", SECRETS[:12])
def test_the_audit_does_not_repeat_the_secret_that_it_found(secret, document):
    assert secret not in " ".join(rules.problems(document(body=secret)))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_as_it_is(text, document):
    assert rules.scrubbed(text) == text
    assert rules.problems(document(body=text)) == []


def test_a_known_secret_goes_wherever_it_stands_and_a_longer_one_before_its_part():
    assert rules.scrubbed("a hunter2x and a hunter2", ["hunter2", "hunter2x", ""]) == "a REDACTED and a REDACTED"


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "KEY"])
def test_keys_and_passwords_leave_a_url(name):
    url = rules.scrubbed_url(f"https://ada:love@api.acme.test/v1/chat?alt=sse&{name}=hunter2&empty=")

    assert url == f"https://api.acme.test/v1/chat?alt=sse&{name}=REDACTED&empty="


def test_a_foreign_host_is_named_and_the_providers_own_is_not(document):
    body = "see https://docs.acme.test/limits, http://127.0.0.1:1/x and https://mirror.elsewhere.test/simple"

    assert [p for p in rules.problems(document(body=body)) if "host" in p] == [
        "exchange 1: speaks of the host mirror.elsewhere.test, which is not its provider's"
    ]
    assert rules.problems(document(body=body), ["elsewhere.test"]) == []


@pytest.mark.parametrize("host", ["acme.test.evil.test", "notacme.test", "acme.test@evil.test", "user:pw@evil.test"])
def test_a_host_that_only_looks_like_the_providers_is_foreign(host, document):
    assert any("host" in problem for problem in rules.problems(document(body=f"https://{host}/x")))


def test_a_header_put_in_by_hand_is_named(document):
    assert rules.problems(document(x_request_id="7")) == [
        "exchange 1: the response has a header that is not on the list of those that are kept: x-request-id"
    ]


@pytest.mark.parametrize("missing", ["against", "date", "by"])
def test_a_cassette_says_what_it_was_recorded_against_and_when_and_by_what(missing, document):
    cassette = document()
    del cassette["recorded"][missing]

    assert any(f"recorded: {{{missing}: ...}}" in problem for problem in rules.problems(cassette))


@pytest.mark.parametrize("broken", [None, [], "text", {}, {"interactions": []}, {"interactions": [{"request": 1}]}])
def test_what_is_no_cassette_is_a_problem_and_no_crash(broken):
    assert rules.problems(broken)
