"""What headers tell of limits, in every dialect; figures are made up, in the forms that are really sent."""

from __future__ import annotations

import pytest
from tests.policy.answer_headers import AT, DATE, told, trio, windows

from rotor_core._policy.headers import told_by_headers


@pytest.mark.parametrize("provider", ["openai", "lab"])
def test_openais_requests_are_a_minutes_or_a_days_as_their_reset_tells(provider):
    minutes = told(
        provider, **trio("requests", 600, 599, "100ms"), **trio("tokens", 90000, 89940, "40ms"), openai_version="2020"
    )
    days = told(provider, **trio("requests", 300, 297, "14m2s"))
    assert windows(minutes) == [
        ("requests", "minute", 600, 599, "bucket"),
        ("tokens", "minute", 90000, 89940, "bucket"),
    ]
    assert minutes[0].resets_in == pytest.approx(0.1)
    assert windows(days) == [("requests", "day", 300, 297, "bucket")]
    assert days[0].resets_in == pytest.approx(842)


@pytest.mark.parametrize(("limit", "left", "reset"), [(12000, 11999, "5ms"), (40000, 39999, "1ms"), (7000, 6998, "17ms"), (90000, 89997, "0s")])  # fmt: skip
def test_a_reset_cut_to_milliseconds_still_tells_a_minute_from_a_day(limit, left, reset):
    assert told("openai", **trio("requests", limit, left, reset))[0].per == "minute"


def test_a_full_bucket_tells_no_period_but_the_vendors_own():
    full = {**trio("requests", 500, 500, "0s"), **trio("tokens", 30000, 30000, "0s")}
    assert [one.per for one in told("openai", **full)] == [None, "minute"]
    assert [one.per for one in told("lab-groq", **full)] == ["day", "minute"]
    assert [one.per for one in told("lab", **full)] == [None, "minute"]
    assert [one.per for one in told("lab", **full, x_groq_region="fra")] == ["day", "minute"]


@pytest.mark.parametrize("provider", ["groq", "lab"])
def test_groqs_requests_are_a_days_its_tokens_a_minutes_its_audio_an_hours(provider):
    found = told(
        provider,
        **trio("requests", 7200, 7199, "12s"),
        **trio("tokens", 6000, 5950, "500ms"),
        **trio("audio-seconds", 3600, 3597, "3s"),
    )
    assert windows(found) == [
        ("requests", "day", 7200, 7199, "bucket"),
        ("tokens", "minute", 6000, 5950, "bucket"),
        ("audio_seconds", "hour", 3600, 3597, "bucket"),
    ]


def test_a_groq_that_shows_the_minutes_requests_is_believed_over_what_is_known_of_it():
    assert told("groq", **trio("requests", 30, 28, "3.4s"))[0].per == "minute"


def test_where_a_triple_contradicts_what_is_known_nothing_is_assumed():
    assert told("groq", **trio("requests", 30, 25, "1m0.000s"))[0].per is None
    assert told("openai", **trio("tokens", 30000, 15000, "5m0s"))[0].per is None


def test_a_reset_that_is_always_a_whole_period_is_no_buckets():
    requests, tokens = told("openai", **trio("requests", 60, 59, "1m0.000s"), **trio("tokens", 2000, 1800, "1m0.000s"))
    assert (requests.per, requests.window) == (None, None)
    assert (tokens.per, tokens.window) == ("minute", None)


def test_azures_bare_resets_are_not_trusted_and_its_renewal_period_is():
    headers = {**trio("requests", 120, 119, "500"), "x_ratelimit_renewalperiod_requests": "60"}
    (found,) = told("lab", **headers)
    assert (found.per, found.limit, found.remaining, found.resets_in) == ("minute", 120, 119, None)
    (found,) = told("lab", **trio("requests", 120, 119, "500"))
    assert (found.per, found.resets_in) == (None, None)
    (found,) = told("work-azure_openai", **trio("tokens", 50000, 49000, "7"))
    assert (found.per, found.resets_in) == ("minute", None)
    (found,) = told("openai", x_ratelimit_remaining_requests="7", apim_request_id="x")
    assert (found.per, found.limit, found.remaining) == ("minute", None, 7)
    assert told("lab", x_ratelimit_renewalperiod_requests="60", x_ratelimit_key="m") == []


def test_a_renewal_period_of_its_own_is_a_number_of_seconds():
    base = {"x_ratelimit_limit_requests": "9"}
    assert told("lab", **base, x_ratelimit_renewalperiod_requests="90")[0].per == 90.0
    for unbelievable in ("0", "99999999"):
        assert told("lab", **base, x_ratelimit_renewalperiod_requests=unbelievable)[0].per is None


def test_mistrals_names_say_the_period():
    found = told(
        "lab",
        x_ratelimit_limit_req_minute="90",
        x_ratelimit_remaining_req_minute="88",
        x_ratelimit_limit_req_10_second="40",
        x_ratelimit_limit_tokens_month="4000000000",
        x_ratelimit_limit_audio_seconds_minute="3600",
        x_ratelimit_tokens_query_cost="31",
        x_ratelimit_limit_ocr_pages_minute="5",
        x_ratelimit_limit_input_characters_minute="5",
    )
    assert windows(found) == [
        ("requests", "minute", 90, 88, None),
        ("requests", 10.0, 40, None, None),
        ("tokens", "month", 4e9, None, None),
        ("audio_seconds", "minute", 3600, None, None),
    ]


def test_mistrals_older_names_count_tokens():
    found = told(
        "lab",
        ratelimitbysize_limit="500000", ratelimitbysize_remaining="400000", ratelimitbysize_reset="21",
        ratelimitbysize_query_cost="32000", x_ratelimitbysize_limit_month="1000000000",
    )  # fmt: skip
    assert windows(found) == [("tokens", "minute", 500000, 400000, None), ("tokens", "month", 1e9, None, None)]
    assert found[0].resets_in == 21


@pytest.mark.parametrize(("provider", "sign"), [("my-together", {}), ("lab", {"x_ratelimit": "false"})])
def test_togethers_limits_are_a_seconds_and_its_remainder_may_be_beyond_belief(provider, sign):
    found = told(
        provider, 1, **sign, x_ratelimit_limit="15", x_ratelimit_remaining="29", x_ratelimit_reset="2",
        x_ratelimit_limit_tokens="4000", x_ratelimit_remaining_tokens="3900", retry_after="2",
    )  # fmt: skip
    assert windows(found) == [("requests", "second", 15, None, None), ("tokens", "second", 4000, 3900, None)]
    assert all(one.retry_in is None and not one.refused for one in found)


def test_a_retry_after_alone_tells_nothing():
    assert told_by_headers("together", {"retry-after": "30", "content-type": "text/plain"}) == ((), ())


def test_coheres_trial_counts_calls_per_minute_and_month():
    found = told("lab", x_trial_endpoint_call_limit="30", x_trial_endpoint_call_remaining="28", x_endpoint_monthly_call_limit="900", x_endpoint_monthly_call_remaining="5")  # fmt: skip
    assert windows(found) == [("requests", "minute", 30, 28, None), ("requests", "month", 900, 5, None)]


def test_xais_are_of_the_minute_by_its_name_and_of_no_known_period_without():
    headers = {"x_ratelimit_limit_requests": "700", "x_ratelimit_limit_tokens": "80000"}
    assert [one.per for one in told("xai", **headers)] == ["minute", "minute"]
    assert [one.per for one in told("lab", **headers)] == [None, None]
    assert [one.per for one in told("maxair", **headers)] == [None, None]


def test_anthropics_names_and_instants():
    (found,) = told(
        "lab",
        anthropic_ratelimit_input_tokens_limit="40000", anthropic_ratelimit_input_tokens_remaining="39000",
        anthropic_ratelimit_input_tokens_reset="2026-10-20T10:00:05Z", date=DATE,
    )  # fmt: skip
    assert (found.unit, found.per, found.limit, found.remaining, found.resets_in) == (
        "input_tokens",
        "minute",
        40000,
        39000,
        5,
    )


def test_halves_of_tokens_under_other_names():
    found = told("lab", x_ratelimit_limit_tokens_prompt="100", x_ratelimit_limit_tokens_generated="50")
    assert [one.unit for one in found] == ["input_tokens", "output_tokens"]


@pytest.mark.parametrize("value", [f"{AT + 26}000", str(AT + 26), f"{AT + 26}.0"])
def test_an_instant_is_measured_by_the_answers_own_date(value):
    headers = {"x_ratelimit_limit": "2", "x_ratelimit_remaining": "0", "x_ratelimit_reset": value}
    (found,) = told("lab", **headers, date=DATE)
    assert (found.per, found.limit, found.remaining, found.resets_in) == (None, 2, 0, 26)
    assert told("lab", **headers)[0].resets_in is None
    assert told("lab", **headers, date="soon")[0].resets_in is None
    assert told("lab", **headers, date="Tue, 20 Oct 2026 11:00:00 GMT")[0].resets_in is None
    assert told("lab", **headers, date="Tue, 20 Oct 2026 10:00:40 -0000")[0].resets_in == 0


def test_an_instant_on_the_stroke_of_a_day_is_a_calendars():
    midnight = AT - AT % 86400 + 86400
    (found,) = told("lab", x_ratelimit_limit_requests_day="20", x_ratelimit_reset_requests_day=str(midnight), date=DATE)
    assert (found.window, found.tz, found.resets_in) == ("calendar", "UTC", midnight - AT)
    (found,) = told("lab", x_ratelimit_limit_requests_day="20", x_ratelimit_reset_requests_day=str(midnight + 7))
    assert (found.window, found.tz) == (None, None)


def test_unlimited_is_no_limit_and_nothing_odd():
    (found,) = told(
        "lab",
        x_ratelimit_remaining_requests_hour="90", x_ratelimit_remaining_tokens_hour="9223372036854767616",
        x_ratelimit_limit_tokens_day="9223372036854775807",
    )  # fmt: skip
    assert (found.unit, found.per, found.limit, found.remaining) == ("requests", "hour", None, 90)


def test_a_reset_in_seconds_with_a_fraction():
    headers = {f"x_ratelimit_{k}_requests_day": v for k, v in {"limit": "2400", "remaining": "1566.5", "reset": "30011.375"}.items()}  # fmt: skip
    (found,) = told("lab", **headers)
    assert (found.per, found.resets_in, found.window) == ("day", 30011.375, "bucket")


def test_one_limit_under_two_names_is_told_once_with_what_either_adds():
    (found,) = told(
        "lab",
        ratelimit_limit="400", ratelimit_remaining="398", ratelimit_reset="18",
        x_ratelimit_limit_minute="400", x_ratelimit_remaining_minute="397",
    )  # fmt: skip
    assert windows([found]) == [("requests", "minute", 400, 397, None)]
    assert found.resets_in == 18


def test_of_several_pools_the_strictest_is_told():
    (found,) = told("openai", **trio("tokens", 9000, 100, "59.3s"), **trio("project-tokens", 6000, 5900, "1s"), **trio("tokens-usage-based", 9000, 8000, "6.6s"))  # fmt: skip
    assert (found.limit, found.remaining, found.resets_in) == (6000, 100, 59.3)
    (found,) = told("lab", x_ratelimit_remaining_tokens_minute="7", x_ratelimit_limit_project_tokens_minute="50")
    assert (found.limit, found.remaining) == (50, 7)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, [("requests", None, 100, 50, 5)]),
        ({"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60'}, [("requests", "minute", 100, 50, 30)]),
        ({"ratelimit-policy": '"burst";q=10;w=1, "daily";q=500;w=86400'}, [("requests", "second", 10, None, None), ("requests", "day", 500, None, None)]),
        ({"ratelimit-limit": "60, 60;w=60", "ratelimit-remaining": "3", "ratelimit-policy": "60;w=60"}, [("requests", "minute", 60, 3, None)]),
        ({"x-ratelimit-limit": "1,000", "x-ratelimit-remaining": "1,000.0"}, [("requests", None, 1000, 1000, None)]),
    ],
)  # fmt: skip
def test_the_drafts_of_the_standard(headers, expected):
    found, _ = told_by_headers("lab", headers)
    assert [(one.unit, one.per, one.limit, one.remaining, one.resets_in) for one in found] == expected


def test_what_a_proxy_hands_on_under_its_own_prefix_is_read_too():
    (found,) = told("lab", llm_provider_x_ratelimit_limit_requests="30", x_ratelimit_limit_requests="30")
    assert found.limit == 30


def test_the_evidence_is_the_header():
    found = told("lab", x_ratelimit_limit_requests_day="20", x_ratelimit_remaining_tokens_day="1000000")
    assert [one.text for one in found] == ["x-ratelimit-limit-requests-day: 20", "x-ratelimit-remaining-tokens-day: 1000000"]  # fmt: skip
    assert {one.source for one in found} == {"header"}
