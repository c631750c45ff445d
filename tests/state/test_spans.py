"""Where calendar periods begin and end."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._state.spans import span

ANGELES, BERLIN, KATHMANDU = "America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu"
HOUR = 3600.0


def instant(text: str, tz: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()


def test_a_day_begins_at_midnight_where_the_provider_lives():
    start, end = span("day", ANGELES, instant("2026-01-10T05:00"))

    assert datetime.fromtimestamp(start, UTC).isoformat() == "2026-01-09T08:00:00+00:00"
    assert end - start == 24 * HOUR


@pytest.mark.parametrize(
    ("tz", "day", "hours"),
    [
        (ANGELES, "2026-03-08T12:00", 23),
        (ANGELES, "2026-11-01T12:00", 25),
        (BERLIN, "2026-03-29T12:00", 23),
        (BERLIN, "2026-10-25T12:00", 25),
        (KATHMANDU, "2026-03-29T12:00", 24),
    ],
)
def test_the_day_on_which_clocks_change_has_its_real_length(tz, day, hours):
    start, end = span("day", tz, instant(day, tz))

    assert (end - start) / HOUR == hours
    assert datetime.fromtimestamp(start, ZoneInfo(tz)).strftime("%H:%M") == "00:00"
    assert datetime.fromtimestamp(end, ZoneInfo(tz)).strftime("%H:%M") == "00:00"


def test_where_clocks_skip_midnight_the_day_begins_at_the_change():
    # Santiago, 6 September 2026: 00:00 becomes 01:00.
    start, end = span("day", "America/Santiago", instant("2026-09-06T12:00", "America/Santiago"))

    assert datetime.fromtimestamp(start, UTC).isoformat() == "2026-09-06T04:00:00+00:00"
    assert end - start == 23 * HOUR


def test_a_month_has_its_own_days_in_its_own_zone():
    start, end = span("month", BERLIN, instant("2026-03-31T22:30"))  # in Berlin it is April already

    assert datetime.fromtimestamp(start, ZoneInfo(BERLIN)).isoformat() == "2026-04-01T00:00:00+02:00"
    assert datetime.fromtimestamp(end, ZoneInfo(BERLIN)).isoformat() == "2026-05-01T00:00:00+02:00"
    feb = span("month", "UTC", instant("2028-02-29T23:59"))
    assert (feb[1] - feb[0]) / (24 * HOUR) == 29


def test_hours_are_aligned_to_the_local_clock():
    start, end = span("hour", KATHMANDU, instant("2026-05-01T10:20"))

    assert datetime.fromtimestamp(start, UTC).strftime("%H:%M") == "10:15"
    assert end - start == HOUR
    assert span("minute", KATHMANDU, 1_000_000_030.0) == span("minute", "UTC", 1_000_000_030.0)


def test_the_hour_that_comes_twice_is_two_hours():
    first = span("hour", BERLIN, instant("2026-10-25T00:30"))  # 02:30 summer time
    second = span("hour", BERLIN, instant("2026-10-25T01:30"))  # 02:30 again

    assert first[1] == second[0]


def test_seconds_and_numbers_of_seconds_are_counted_from_the_epoch():
    assert span("second", ANGELES, 12.75) == (12.0, 13.0)
    assert span(90.0, ANGELES, 100.0) == (90.0, 180.0)
    assert span(0.25, "UTC", 0.6) == (0.5, 0.75)


def test_a_hair_before_midnight_is_still_today():
    midnight = instant("2026-06-01T00:00", BERLIN)

    assert span("day", BERLIN, midnight - 2e-7)[1] == midnight
    assert span("day", BERLIN, midnight)[0] == midnight


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["second", "minute", "hour", "day", "month", 0.1, 0.7, 7.0, 90.5, 10_000.0]),
    st.sampled_from(["UTC", ANGELES, BERLIN, KATHMANDU, "America/Santiago", "Pacific/Auckland", "America/St_Johns"]),
    st.floats(1.5e9, 2.2e9),
)
def test_every_instant_is_in_its_period_and_periods_join(per, tz, t):
    start, end = span(per, tz, t)

    assert start <= t < end
    assert span(per, tz, end)[0] == end
    assert span(per, tz, start) == (start, end)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 20_000_000_000), st.sampled_from([0.1, 0.3, 0.7, 1.1]))
def test_boundaries_that_no_float_can_hold_still_divide_time(k, length):
    boundary = k * length
    for t in (boundary, boundary * (1 - 2**-52), boundary * (1 + 2**-52)):
        start, end = span(length, "UTC", t)
        assert start <= t < end
