"""Several limits at once, and the window that each kind of limit gets."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._model import Limit
from rotor_core._state.bucket import Bucket
from rotor_core._state.calendar import Calendar
from rotor_core._state.fit import earliest
from rotor_core._state.rolling import Rolling
from rotor_core._state.window import Guards, window_for

GUARDS = Guards()
NOW = 1_000_000_000.0


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        (Limit("requests", 30), Bucket),
        (Limit("requests", 30, "minute", "rolling"), Rolling),
        (Limit("requests", 30, "day", "calendar", "America/Los_Angeles"), Calendar),
        (Limit("tokens", 30, 12.5, "calendar"), Calendar),
    ],
)
def test_each_kind_of_limit_has_its_window(limit, kind):
    window = window_for(limit, GUARDS, NOW)

    assert type(window) is kind
    assert window.value == 30
    assert window.earliest(NOW, NOW, 30) == NOW
    assert window.earliest(NOW, NOW, 31) == inf


def test_what_counts_as_now_grows_with_the_guard():
    assert Guards(delay=0.001).soon == 0.020
    assert Guards(delay=0.040).soon == 0.040


def test_without_limits_now_is_the_instant():
    assert earliest(NOW, NOW + 1, [], []) == NOW + 1


def test_an_amount_of_nothing_is_not_held_up():
    bucket = window_for(Limit("requests", 1), GUARDS, NOW)
    bucket.charge(NOW, NOW, 1)

    assert earliest(NOW, NOW, [bucket], [0]) == NOW


def test_what_never_fits_one_limit_never_fits():
    small, large = (window_for(Limit("tokens", value), GUARDS, NOW) for value in (10, 100))

    assert earliest(NOW, NOW, [large, small], [50, 50]) == inf


def test_the_instant_that_one_limit_offers_may_be_taken_in_another():
    """The bucket is ready in 10 s; the calendar is full then until its next period, whatever comes between."""
    bucket = Bucket(1, 10.0, 0.025, NOW)
    bucket.charge(NOW, NOW, 1)
    minute = Calendar(1, "minute", "UTC", 0.15, 0.025)
    minute.charge(NOW, NOW + 9, 1)

    alone = max(bucket.earliest(NOW, NOW, 1), minute.earliest(NOW, NOW, 1))
    both = earliest(NOW, NOW, [bucket, minute], [1, 1])
    assert both >= alone
    assert bucket.earliest(NOW, both, 1) == both == minute.earliest(NOW, both, 1)


@st.composite
def worlds(draw):
    """Three windows with histories of their own: the same amounts, but other tenants in each."""
    windows = [Bucket(10, 4.0, 0.025, NOW), Rolling(10, 3.0, 0.025), Calendar(10, 2.0, "UTC", 0.15, 0.025)]
    for window in windows:
        t = NOW
        for gap, amount, later in draw(
            st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 10), st.floats(0, 6)), max_size=8)
        ):
            t = min(t + gap, NOW + 2)
            window.charge(t, window.earliest(t, t + later, amount), amount)
    return windows, NOW + 2


@settings(max_examples=200, deadline=None)
@given(worlds(), st.lists(st.integers(0, 10), min_size=3, max_size=3))
def test_what_it_comes_to_rest_at_suits_all_and_nothing_earlier_does(world, amounts):
    windows, now = world

    e = earliest(now, now, windows, amounts)

    asked = [(w, a) for w, a in zip(windows, amounts, strict=True) if a]
    assert all(window.earliest(now, e, amount) == e for window, amount in asked)
    t = now
    while t < e:
        assert any(window.earliest(now, t, amount) > t for window, amount in asked)
        t += 0.02
