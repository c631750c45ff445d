"""Per which period a limit is, as its reset and what is left of it tell."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.answer_headers import AT, DATE

from rotor_core._model import SECONDS
from rotor_core._policy._told_period import Triple
from rotor_core._policy.headers import told_by_headers
from rotor_core._policy.reset_values import read_reset, seconds_until

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
