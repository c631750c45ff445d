"""Headers that cannot be true, that nobody knows, or that make no sense: said to be odd, passed over, never believed."""

from __future__ import annotations

import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.answer_headers import DATE, told

from rotor_core._ledger import Told
from rotor_core._policy import _told_names
from rotor_core._policy._told_names import Names, meaning_of
from rotor_core._policy.headers import told_by_headers

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
