"""What headers tell of limits, in every dialect; figures are made up, in the forms that are really sent."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._ledger import Told
from rotor_core._model import SECONDS
from rotor_core._policy import _told_names
from rotor_core._policy._told_names import Names, meaning_of
from rotor_core._policy._told_period import Triple
from rotor_core._policy.headers import told_by_headers
from rotor_core._policy.reset_values import read_reset, seconds_until

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"

DATE = "Tue, 20 Oct 2026 10:00:00 GMT"
AT = 1792490400
"""The same instant."""


def told(provider: str = "lab", odd: int = 0, /, **headers: str) -> list[Told]:
    """By headers whose names are written with underscores."""
    found, oddities = told_by_headers(provider, {name.replace("_", "-"): value for name, value in headers.items()})
    assert len(oddities) == odd, oddities
    return list(found)


def trio(of: str, limit: object, remaining: object, reset: str) -> dict[str, str]:
    return {
        f"x_ratelimit_limit_{of}": str(limit),
        f"x_ratelimit_remaining_{of}": str(remaining),
        f"x_ratelimit_reset_{of}": reset,
    }


def windows(found: list[Told]) -> list[tuple]:
    return [(one.unit, one.per, one.limit, one.remaining, one.window) for one in found]


# ---- the dialects -------------------------------------------------------------------------------------------------


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


# ---- oddities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("-5", "-5 is negative"), ("-0", "-0 is negative"), ("1e16", "1e16 is absurdly large"),
        ("9" * 300, "a text is absurdly large"), ("1" + "0" * 16, "1" + "0" * 16 + " is absurdly large"),
        ("nan", "a text is no number"), ("inf", "a text is no number"), ("lots", "a text is no number"),
        ("sk-secret-1234", "a text is no number"), ("", "nothing is no number"), ("²", "a text is no number"),
        ("0", "a limit of 0 would have no answer"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_true_or_read_is_odd_and_not_told(value, why):
    found, odd = told_by_headers("lab", {"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": "3"})
    assert [(one.limit, one.remaining) for one in found] == [(None, 3)]
    assert odd == (f"x-ratelimit-limit-requests: {why}",)


@pytest.mark.parametrize(
    "value", ["-5s", "soon", "", "400d", "1e9s", "99999999", "123456789012345", "33011382867000.5", "99999999.5", "1.2.3",
              "2026-10-20T10:00:05", "0999-10-20T10:00:05Z", "9999-12-31T23:59:59-23:59", "9" * 400, "٣s", "12,5"]
)  # fmt: skip
def test_a_reset_that_cannot_be_true_or_read_is_odd_and_not_told(value):
    (found,) = told("lab", 1, x_ratelimit_limit_minute="5", x_ratelimit_reset_minute=value, date=DATE)
    assert (found.limit, found.resets_in) == (5, None)


def test_a_standards_header_that_says_nothing_is_odd():
    assert told_by_headers("lab", {"ratelimit": "please be kind"}) == ((), ("ratelimit: a text is no limit",))


def test_a_remainder_above_its_limit_is_odd_and_not_believed():
    found, odd = told_by_headers("lab", {"x-ratelimit-limit-requests-day": "30", "x-ratelimit-remaining-requests-day": "59"})  # fmt: skip
    assert [(one.limit, one.remaining) for one in found] == [(30, None)]
    assert odd == ("x-ratelimit-remaining-requests-day: 59 left of a limit of 30",)


# ---- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "content-type", "x-ratelimit-key", "x-ratelimit-type", "x-ratelimit-over-limit", "x-ratelimit-limit-input-images",
        "x-ratelimit-limit-input-requests", "x-ratelimit-limit-remaining", "x-ratelimit-limit-requests-7", "ratelimit-",
        "x-ratelimit-limit-minute-hour", "x-ratelimit-limit-" + "requests" * 20, "x-ratelimitbysize", "x-tokenlimit",
    ],
)  # fmt: skip
def test_a_name_with_a_word_that_no_limit_of_ours_has_is_passed_over(name):
    assert meaning_of(name) is None
    assert told_by_headers("lab", {name: "5"}) == ((), ())


def test_names_are_kept_up_to_a_number_and_a_length(monkeypatch):
    monkeypatch.setattr(_told_names, "_MOST_NAMES", 2)
    names = Names()
    assert [names[name] for name in ("a", "b" * 200, "c", "X-RateLimit-Limit-Requests", "x-ratelimit-limit-requests")][
        -2:
    ] == [meaning_of("x-ratelimit-limit-requests")] * 2
    assert list(names) == ["a", "c"]


def test_a_tokenlimit_is_tokens():
    (found,) = told("together", x_tokenlimit_limit="3000", x_tokenlimit_reset="2")
    assert (found.unit, found.per, found.limit, found.resets_in) == ("tokens", "second", 3000, 2)


# ---- the period of a bucket ---------------------------------------------------------------------------------------

PERS = st.sampled_from(["second", "minute", "hour", "day"])


def go(seconds: float) -> str:
    """As Go writes a duration, cut to the millisecond."""
    thousandths = int(seconds * 1000 + 1e-6)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest / 1000:g}s"


@given(
    st.sampled_from(["minute", "day"]), st.integers(20, 200_000), st.floats(0, 0.999), st.sampled_from([math.floor, round]),
)  # fmt: skip
def test_the_triple_of_an_openai_like_bucket_tells_its_period(per, limit, share, rounded):
    spent = max(1.0, share * limit)
    reset = spent / limit * SECONDS[per]
    remaining = max(0, rounded(limit - spent))
    if remaining >= limit or abs(reset - round(reset / 60) * 60) < 0.02 or limit - remaining < 1:
        return
    headers = {"x-ratelimit-limit-requests": str(limit), "x-ratelimit-remaining-requests": str(remaining), "x-ratelimit-reset-requests": go(reset)}  # fmt: skip
    ((found,), odd) = told_by_headers("openai", headers)
    assert not odd
    if per == "day" or reset > 0.01:
        assert found.per == per
    assert found.per in (per, None)
    assert found.window in ("bucket", None)


@given(PERS, st.integers(20, 100_000), st.floats(0.0, 0.99))
def test_the_triple_of_any_bucket_tells_its_period_or_nothing(per, limit, share):
    spent = max(1, int(share * limit))
    period = SECONDS[per]
    triple = Triple(limit, limit - spent, spent / limit * period, 0.001)
    assert triple.period() in (per, None)
    if spent / limit * period > 0.05 and all(abs(triple.reset - p) > 0.02 for p in (60, 3600, 86400)):
        assert triple.period() == per
        assert triple.is_bucket(period) or limit < 60 or period == 1


@given(PERS, st.integers(20, 5000), st.data())
def test_a_window_with_a_fixed_end_is_rarely_taken_for_a_bucket(per, limit, data):
    period = SECONDS[per]
    remaining = data.draw(st.integers(0, limit - 1))
    resets = [(i + 0.5) / 200 * period for i in range(200)]
    taken = sum(Triple(limit, remaining, reset, 0.001).is_bucket(period) for reset in resets)
    assert taken / 200 <= 0.085


def test_a_triple_in_which_nothing_was_spent_tells_nothing():
    triple = Triple(10, 10, 0.0, 0.001)
    assert (triple.period(), triple.is_bucket(60), triple.is_telling()) == (None, False, False)


def test_a_reset_too_coarse_to_tell_a_second_from_a_minute_tells_nothing():
    assert Triple(50000, 49999, 0.001, 0.001).period() is None
    assert Triple(50000, 49999, 0.001, 0.001).period(("minute", "day")) == "minute"


def test_a_limit_too_small_to_tell_chance_from_a_bucket_tells_nothing():
    assert Triple(3, 2, 20.0, 0.001).period() is None
    assert not Triple(3, 2, 20.0, 0.001).is_bucket(60)


@pytest.mark.parametrize(
    ("value", "form", "seconds"),
    [
        ("6ms", "duration", 0.006), ("1.25s", "duration", 1.25), ("17.599999999s", "duration", 17.599999999),
        ("14m24s", "duration", 864), ("1h3m31s", "duration", 3811), ("5m", "duration", 300), (" 0s ", "duration", 0),
        ("19", "whole", 19), ("30011.375", "fraction", 30011.375), ("1776197158", "instant", 1776197158),
        ("1755000060000", "instant", 1755000060), ("1776197158.5", "instant", 1776197158.5),
        ("2026-10-20T12:00:00+02:00", "instant", AT),
    ],
)  # fmt: skip
def test_a_reset_is_read_by_its_form(value, form, seconds):
    reset = read_reset(value)
    assert reset is not None
    assert (reset.form, reset.seconds) == (form, pytest.approx(seconds))
    assert seconds_until(reset, {"date": DATE}) == (None if form == "instant" and seconds != AT else pytest.approx(0 if seconds == AT else seconds))  # fmt: skip


@pytest.mark.parametrize("value", ["5000d2s", "99999999s", "s"])
def test_a_duration_beyond_belief_is_none(value):
    assert read_reset(value) is None


# ---- whatever is sent ---------------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "ratelimit",
                     "ratelimit-policy", "ratelimit-limit", "x-ratelimit-reset", "date", "retry-after", "x-ratelimit",
                     "x-trial-endpoint-call-limit", "x-ratelimit-limit-tokens-minute", "x-ratelimit-renewalperiod-requests"]),
    st.lists(st.sampled_from(["limit", "remaining", "reset", "requests", "tokens", "input", "audio", "seconds", "10", "minute", "day", "project", "x"]), min_size=1, max_size=5).map(lambda words: "x-ratelimit-" + "-".join(words)),
    st.text(max_size=30),
)  # fmt: skip
VALUES = st.one_of(
    st.integers(-10, 10**20).map(str), st.floats().map(str), st.text(max_size=30),
    st.from_regex(r"[0-9]{1,20}(ms|s|m|h)?", fullmatch=True), st.from_regex(r'("a";)?[rqtw]=[0-9]{1,9}', fullmatch=True),
    st.sampled_from([DATE, "0", "nan", "-1", "2026-10-20T10:00:05Z", "30, 30"]),
)  # fmt: skip


def figures(one: Told) -> list[float]:
    found = (one.limit, one.remaining, one.used, one.requested, one.resets_in, one.retry_in)
    return [figure for figure in found if figure is not None]


@given(st.text(max_size=20), st.dictionaries(NAMES, VALUES, max_size=12))
def test_no_headers_upset_it_and_all_it_tells_is_finite(provider, headers):
    found, odd = told_by_headers(provider, MappingProxyType(headers))
    assert (found, odd) == told_by_headers(provider, headers)
    for one in found:
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures(one))
        assert one.limit is None or one.limit > 0
        assert not isinstance(one.per, float) or one.per > 0
        assert one.source == "header"
        assert not one.refused
    assert all("\n" not in line.replace(line.split(":")[0], "") and len(line) < 250 for line in odd)


# ---- what was recorded --------------------------------------------------------------------------------------------

UNCOUNTED = re.compile(r"images|query-cost|max-retry|pages|characters")
"""Counts of what no limit of ours has, and the cost of one call."""


def recorded() -> list[tuple[str, dict[str, str]]]:
    if not WIRE.exists():
        pytest.skip(f"recorded exchanges are not at hand: there is no {WIRE}")
    rows = []
    for file in sorted(WIRE.glob("*.jsonl")):
        with file.open() as lines:
            rows += [(row["provider"], row["response_headers"]) for row in map(json.loads, lines) if "response_headers" in row]  # fmt: skip
    return rows


def test_every_recorded_limit_is_told_and_no_other():
    seen = 0
    for provider, headers in recorded():
        for name in (provider, "lab"):
            found, odd = told_by_headers(name, headers)
            said = {
                float(v)
                for k, v in headers.items()
                if "limit" in k.replace("ratelimit", "").replace("rate-limit", "")
                and v.isdigit()
                and not UNCOUNTED.search(k)  # fmt: skip
            }
            assert {one.limit for one in found} - {None} <= said, (name, headers)
            told_or_stricter = {one.limit for one in found}
            for limit in said - told_or_stricter:  # a looser one of two pools
                assert any(one.limit is not None and one.limit < limit for one in found), (name, headers)
            assert all(one.per is not None for one in found) or name == "lab" or provider in ("openrouter", "openai")
            assert len(odd) <= 1
            seen += len(said)
    assert seen > 300


def test_every_recorded_reset_of_openai_and_groq_tells_the_period():
    told_of = 0
    for provider, headers in recorded():
        if provider not in ("openai", "groq"):
            continue
        for one in told_by_headers("lab", headers)[0]:
            if one.unit == "tokens":
                assert one.per == "minute"
            elif provider == "groq":
                assert (one.per, one.window) == ("day", "bucket")
            else:
                assert one.per in ("minute", "day"), headers
            told_of += 1
    assert told_of > 70
