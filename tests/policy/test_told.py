"""What refusals tell of limits; texts are made up, in the forms that are really sent."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._ledger import Told
from rotor_core._outcome import FailedUnit, Failure, FailureKind
from rotor_core._policy.classify import classify_failure
from rotor_core._policy.headers import told_by_headers
from rotor_core._policy.told import told_by_refusal

ERRORS = Path(__file__).parents[3] / "shared" / "data" / "wire" / "errors.jsonl"
DATE = "Tue, 20 Oct 2026 10:00:00 GMT"
AT = 1792490400


def refused(body: object, status: int | None = 429, provider: str = "lab", **headers: str) -> list[Told]:
    """By a body that is classified first, as an adapter does, and headers whose names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, str) else json.dumps(body)
    failure = classify_failure(provider, status, sent, text)
    told = told_by_refusal(provider, failure, sent)
    assert told == told_by_refusal(provider, failure, sent, told_by_headers(provider, sent)[0])
    return list(told)


def said(one: Told) -> dict[str, object]:
    """What was said of a limit, without the evidence."""
    usual = {field.name: field.default for field in fields(Told)}
    return {name: getattr(one, name) for name in usual if name != "text" and getattr(one, name) != usual[name]}


def groq(text: str) -> dict:
    message = f"Rate limit reached for model `m` in organization `org_X` service tier `on_demand` on {text}"
    return {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tokens per minute (TPM): Limit 6000, Used 5000, Requested 1500. Please try again in 5s.",
         {"unit": "tokens", "per": "minute", "limit": 6000, "used": 5000, "requested": 1500, "retry_in": 5, "window": "bucket"}),
        ("requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 1.6s.",
         {"unit": "requests", "per": "minute", "limit": 30, "used": 30, "requested": 1, "retry_in": 1.6, "window": "bucket"}),
        ("requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 31.6s.",
         {"unit": "requests", "per": "minute", "limit": 30, "used": 30, "requested": 1, "retry_in": 31.6}),
        ("requests per minute (RPM): Limit 3, Used 3, Requested 1. Please try again in 18s.",
         {"unit": "requests", "per": "minute", "limit": 3, "used": 3, "requested": 1, "retry_in": 18}),
        ("tokens per day (TPD): Limit 200000, Used 199000, Requested 2000. Please try again in 7m12s.",
         {"unit": "tokens", "per": "day", "limit": 200000, "used": 199000, "requested": 2000, "retry_in": 432, "window": "bucket"}),
        ("seconds of audio per hour (ASPH): Limit 7200, Used 7000, Requested 600. Please try again in 3m20s.",
         {"unit": "audio_seconds", "per": "hour", "limit": 7200, "used": 7000, "requested": 600, "retry_in": 200, "window": "bucket"}),
    ],
)  # fmt: skip
def test_a_text_with_all_its_figures(text, expected):
    (one,) = refused(groq(text))
    assert said(one) == {"source": "error", "refused": True, **expected}


def test_the_evidence_is_in_our_words():
    (one,) = refused(groq("tokens per minute (TPM): Limit 6000, Used 5000, Requested 1500. Please try again in 5s."))
    assert one.text == "HTTP 429: tokens per minute: limit 6000, used 5000, requested 1500"
    assert refused("sk-secret", status=None) == []
    assert [one.text for one in refused("too many requests sk-secret", status=None)] == ["a limit"]


def test_the_headers_of_the_same_limit_join_and_those_of_others_stand_beside():
    found = refused(
        groq("tokens per minute (TPM): Limit 6000, Used 5000, Requested 1500. Please try again in 5s."),
        x_ratelimit_limit_tokens="6000", x_ratelimit_remaining_tokens="1000", x_ratelimit_reset_tokens="50s",
        x_ratelimit_limit_requests="1000", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="23h59m59s",
        retry_after="5",
    )  # fmt: skip
    assert [(one.unit, one.per, one.refused, one.remaining, one.resets_in) for one in found] == [
        ("tokens", "minute", True, 1000, 50),
        ("requests", "day", False, 0, 86399),
    ]


def test_a_period_that_only_the_words_tell_is_given_to_the_header_of_that_figure():
    (one,) = refused(
        {"error": {"message": "Rate limit exceeded: limited to 2 requests per minute"}},
        x_ratelimit_limit="2", x_ratelimit_remaining="0", x_ratelimit_reset=f"{AT + 40}000", date=DATE,
    )  # fmt: skip
    assert said(one) == {
        "source": "error", "unit": "requests", "per": "minute", "limit": 2, "remaining": 0, "resets_in": 40, "refused": True,
    }  # fmt: skip


def test_a_limit_that_only_a_header_tells_is_given_to_the_words():
    (one,) = refused("Tokens per minute limit exceeded", x_ratelimit_limit_tokens_minute="900")
    assert (one.unit, one.per, one.limit, one.refused) == ("tokens", "minute", 900, True)


# ---- what was too large -------------------------------------------------------------------------------------------


def test_a_request_above_the_whole_limit_teaches_it_without_a_refusal_for_room():
    body = groq("tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.")
    (one,) = refused(body, 413, retry_after="9")
    assert said(one) == {"source": "error", "unit": "tokens", "per": "minute", "limit": 6000, "requested": 7000}


@pytest.mark.parametrize("text", ["Request body too large. Max size: 8000 tokens", "Request Entity Too Large"])
def test_what_is_too_large_for_no_window_teaches_none(text):
    assert refused({"error": {"message": text}}, 413) == []
    (one,) = refused({"error": {"message": text}}, 413, x_ratelimit_limit_requests_day="50")
    assert (one.source, one.limit) == ("header", 50)


# ---- vendors whose windows are known ------------------------------------------------------------------------------


def gemini(*violations: tuple[str, str], text: str = "Please retry in 7.5s.", delay: str = "7s") -> list:
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google.dev"}]},
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": name, "quotaValue": value} for name, value in violations],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    message = f"You exceeded your current quota, please check your plan and billing details. {text}"
    return [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}]


def test_geminis_minute_is_the_clocks():
    (one,) = refused(gemini(("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "12")))
    assert said(one) == {
        "source": "error", "unit": "requests", "per": "minute", "limit": 12, "retry_in": 7.5, "refused": True,
        "window": "calendar", "tz": "UTC",
    }  # fmt: skip


def test_geminis_day_ends_in_california_and_the_wait_beside_it_is_the_minutes():
    body = gemini(
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "12"),
        ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "25"),
        ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "250000"),
    )
    failure = classify_failure("lab", 429, {}, json.dumps(body))
    assert (failure.kind, failure.unit, failure.per, failure.limit) == ("quota_exhausted", "requests", "day", 25)
    (one,) = refused(body)
    assert said(one) == {
        "source": "error", "unit": "requests", "per": "day", "limit": 25, "refused": True,
        "window": "calendar", "tz": "America/Los_Angeles",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("GenerateContentPaidTierInputTokensPerModelPerMinute", "input_tokens"),
        ("GenerateContentOutputTokensPerModelPerMinute", "output_tokens"),
        ("GenerateTokensPerMinutePerProject", "tokens"),
    ],
)
def test_geminis_tokens(name, unit):
    (one,) = refused(gemini((name, "250000")))
    assert (one.unit, one.per, one.limit, one.window) == (unit, "minute", 250000, "calendar")


def test_a_quota_that_only_the_delay_and_the_name_are_left_of():
    (one,) = refused(gemini(("GenerateRequestsPerMinutePerProject", "x"), text="", delay="31s"))
    assert (one.unit, one.per, one.limit, one.retry_in) == ("requests", "minute", None, 31)


def test_a_body_that_another_error_quotes_as_text():
    (one,) = refused("RateLimitError: " + json.dumps(gemini(("GenerateRequestsPerMinutePerProject", "9"))))
    assert (one.unit, one.per, one.limit, one.retry_in) == ("requests", "minute", 9, 7.5)
    nested = {"error": {"message": json.dumps(gemini(("GenerateRequestsPerMinutePerProject", "9")))}}
    (one,) = refused(nested)
    assert (one.unit, one.per, one.limit, one.retry_in) == ("requests", "minute", 9, 7.5)


@pytest.mark.parametrize(("limit", "kind"), [(20, "rate_limit"), (0, "quota_exhausted")])
def test_geminis_prose_alone_tells_unit_and_figure(limit, kind):
    text = f"Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: {limit}, model: m\nPlease retry in 2.5s."
    assert classify_failure("lab", 429, {}, text).kind == kind
    (one,) = refused(text)
    assert said(one) == {"source": "error", "unit": "requests", "limit": limit, "retry_in": 2.5, "refused": True}
    assert refused(text.replace("_requests", "_input_token_count"))[0].unit == "input_tokens"


def test_coheres_trial_counts_any_sixty_seconds_and_its_month_nobody_knows_how():
    text = "You are using a Trial key, which is limited to {} API calls / {}. You can continue to use the Trial key"
    (minute,) = refused({"message": text.format(20, "minute")})
    (month,) = refused({"message": text.format(1000, "month")})
    assert said(minute) == {"source": "error", "unit": "requests", "per": "minute", "limit": 20, "refused": True, "window": "rolling"}  # fmt: skip
    assert said(month) == {"source": "error", "unit": "requests", "per": "month", "limit": 1000, "refused": True}


@pytest.mark.parametrize("where", ["headers", "body"])
def test_openrouters_day_is_utcs_and_its_reset_an_instant_in_headers_or_body(where):
    own = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{AT + 600}000"}
    quoted = {"headers": own} if where == "body" else {}
    sent = {name.lower().replace("-", "_"): value for name, value in own.items()} if where == "headers" else {}
    body = {"error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429, "metadata": quoted}}
    (one,) = refused(body, date=DATE, **sent)
    assert (one.unit, one.per, one.limit, one.window, one.tz) == ("requests", "day", 50, "calendar", "UTC")
    assert one.retry_in == 600 if where == "body" else one.resets_in == 600


def test_an_instant_that_a_body_quotes_needs_a_date_to_be_a_wait():
    body = {
        "error": {
            "message": "Rate limit exceeded",
            "code": 429,
            "metadata": {"headers": {"X-RateLimit-Reset": f"{AT}000"}},
        }
    }
    assert classify_failure("lab", 429, {}, json.dumps(body)).retry_after is None
    body["error"]["metadata"]["headers"]["X-RateLimit-Reset"] = "9s"
    assert classify_failure("lab", 429, {"date": DATE}, json.dumps(body)).retry_after is None


def test_what_openrouter_notes_beside_its_message():
    body = {"error": {"message": "Provider returned error", "code": 429,
            "metadata": {"limit_source": "openrouter_free_tier_daily", "retry_after_seconds": 29}}}  # fmt: skip
    (one,) = refused(body)
    assert (one.unit, one.per, one.retry_in, one.window, one.tz) == ("requests", "day", 29, "calendar", "UTC")


@pytest.mark.parametrize(
    ("kind", "unit", "per"),
    [
        ("UserByModelByDay", "requests", "day"),
        ("UserByModelByMinute", "requests", "minute"),
        ("UserConcurrentRequests", "concurrent", None),
    ],
)
def test_githubs_type_tells_what_its_text_does_not(kind, unit, per):
    (one,) = refused("Too many requests", x_ratelimit_type=kind, retry_after="30")
    assert (one.unit, one.per, one.retry_in, one.refused) == (unit, per, 30, True)


# ---- what names little --------------------------------------------------------------------------------------------


def test_a_refusal_that_names_nothing_is_told_once():
    (one,) = refused({"message": "Rate limit exceeded"}, retry_after="2")
    assert said(one) == {"source": "error", "retry_in": 2, "refused": True}


def test_a_unit_alone():
    (one,) = refused({"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited"})
    assert said(one) == {"source": "error", "unit": "requests", "refused": True}


def test_a_refusal_that_names_nothing_is_pinned_on_the_only_limit_at_its_end():
    left = {"x_ratelimit_limit_req_minute": "60", "x_ratelimit_limit_tokens_minute": "9000"}
    found = refused(
        "Rate limit exceeded", **left, x_ratelimit_remaining_req_minute="0", x_ratelimit_remaining_tokens_minute="500"
    )
    assert [(one.unit, one.per, one.limit, one.refused) for one in found] == [
        ("requests", "minute", 60, True),
        ("tokens", "minute", 9000, False),
    ]
    both = refused(
        "Rate limit exceeded", **left, x_ratelimit_remaining_req_minute="0", x_ratelimit_remaining_tokens_minute="0"
    )
    assert [(one.unit, one.refused) for one in both] == [(None, True), ("requests", False), ("tokens", False)]
    other = refused("Requests rate limit exceeded", **left, x_ratelimit_remaining_tokens_minute="0")
    assert [(one.unit, one.per, one.refused) for one in other] == [
        ("requests", None, True),
        ("requests", "minute", False),
        ("tokens", "minute", False),
    ]


def test_an_allotment_of_something_else_has_a_period_and_no_figures():
    (one,) = refused("you have used up your daily free allocation of 10,000 neurons")
    assert said(one) == {"source": "error", "per": "day", "refused": True}


def test_money_is_no_limit():
    body = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}}
    assert refused(body) == []
    assert [one.source for one in refused(body, x_ratelimit_limit_requests_day="5")] == ["header"]


def test_other_failures_tell_what_their_headers_do():
    assert refused("", 404) == []
    assert [one.limit for one in refused("", 404, x_ratelimit_limit_requests_day="5")] == [5]


# ---- whatever is sent ---------------------------------------------------------------------------------------------

FIGURES = st.none() | st.floats() | st.integers(-5, 10**18).map(float)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(get_args(FailureKind)),
    unit=st.none() | st.sampled_from(get_args(FailedUnit)),
    per=st.sampled_from(["second", "minute", "hour", "day", "month", None]),
    limit=FIGURES, used=FIGURES, requested=FIGURES, retry_after=FIGURES,
    status=st.none() | st.just(429),
    message=st.text(max_size=40) | st.just("generativelanguage.googleapis.com") | st.just("free-models-per-day"),
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-limit-tokens-minute",
                     "x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"]),
    st.sampled_from(["0", "1", "30", "6ms", "-1", "nan", "1792490400000"]) | st.text(max_size=10),
)  # fmt: skip


@given(st.text(max_size=10), FAILURES, HEADERS)
def test_no_failure_upsets_it_and_all_it_tells_is_finite(provider, failure, headers):
    found = told_by_refusal(provider, failure, headers)
    assert found == told_by_refusal(provider, failure, headers)
    assert sum(one.refused for one in found) == sum(one.refused for one in found[:1])
    for one in found:
        figures = (one.limit, one.remaining, one.used, one.requested, one.resets_in, one.retry_in)
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures if figure is not None)
        assert one.unit is not None or one.limit is None
        assert len(one.text) < 250


BODIES = st.text(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "code", "details", "violations", "quotaId", "quotaValue", "retryDelay", "metadata", "headers", "X-RateLimit-Reset", "x-ratelimit-limit"]),
        inner, max_size=4),
    max_leaves=12,
).map(json.dumps)  # fmt: skip


@given(BODIES, HEADERS)
def test_no_body_upsets_it(body, headers):
    failure = classify_failure("lab", 429, headers, body)
    for one in told_by_refusal("lab", failure, headers):
        assert one.limit is None or math.isfinite(one.limit)


@pytest.mark.parametrize("monster", ["Generate" + "Per" * 6000, "GenerateRequests" * 1200, "quotaId PerDay " * 1300, "A" * 20_000])  # fmt: skip
def test_monsters_are_read_in_no_time(monster):
    assert len(refused(monster)) == 1


# ---- what was recorded --------------------------------------------------------------------------------------------


def test_every_recorded_refusal_with_a_named_limit_teaches_it():
    if not ERRORS.exists():
        pytest.skip(f"recorded errors are not at hand: there is no {ERRORS}")
    dimensions = {"RPM": ("requests", "minute"), "TPM": ("tokens", "minute"), "ITPM": ("input_tokens", "minute"),
                  "RPD": ("requests", "day"), "TPD": ("tokens", "day")}  # fmt: skip
    taught = 0
    with ERRORS.open() as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        headers = row["headers"] or {}
        failure = classify_failure(row["provider"], row["status"], headers, row["body_or_message"])
        expected = row["expected"]
        dimension = dimensions.get(expected.get("limit_dimension"))
        if dimension is None or failure.kind not in ("rate_limit", "quota_exhausted", "too_large"):
            continue
        first = told_by_refusal("lab", failure, headers)[0]
        assert (first.unit, first.per) == dimension, row["id"]
        assert first.limit == expected["limit"], row["id"]
        assert first.refused == (failure.kind != "too_large"), row["id"]
        taught += 1
    assert taught >= 20
