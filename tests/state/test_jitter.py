"""The guard follows how late requests leave, and what providers refuse a moment too early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._model import Limit
from rotor_core._state.jitter import EVERY, HOLD, LEAST, MOST, WIRE, Jitter
from rotor_core._state.window import Guards, window_for

START = 1_000_000_020.0


def test_before_enough_was_seen_the_guard_is_what_it_was_set_to():
    jitter = Jitter(0.025)

    assert not any(jitter.late(0.2, START) for _ in range(EVERY - 1))
    assert jitter.delay == 0.025


def test_who_leaves_on_time_needs_little_guard_and_never_less_than_the_least():
    jitter = Jitter(0.040)

    assert [jitter.late(0.0, START) for _ in range(EVERY)][-1]
    assert jitter.delay == LEAST


def test_the_guard_covers_all_but_the_latest_hundredth():
    jitter = Jitter(0.025)
    for n in range(2 * EVERY):
        jitter.late(0.5 if n == 40 else 0.020, START + 2 * n)

    assert jitter.delay == pytest.approx(0.020 + WIRE)


def test_a_refusal_a_moment_too_early_widens_the_guard_and_time_narrows_it_again():
    jitter = Jitter(0.025)
    for _ in range(EVERY):
        jitter.late(0.0, START)

    assert jitter.refused(0.010, START)
    assert jitter.delay == pytest.approx(LEAST + 0.011)
    for n in range(40 * EVERY):
        jitter.late(0.0, START + n)
    assert jitter.delay == pytest.approx(LEAST, abs=0.002)


def test_a_refusal_for_longer_than_any_guard_is_not_jitter():
    jitter = Jitter(0.025)

    assert not jitter.refused(3.0, START)
    assert not jitter.refused(-1.0, START)
    assert jitter.delay == 0.025


def test_a_guard_stays_until_what_was_charged_under_it_is_free_again():
    jitter, busy = Jitter(0.025), MOST - WIRE
    for n in range(EVERY):
        jitter.late(busy, START + n / EVERY)
    quiet = [jitter.late(0.0, START + 1 + HOLD * n / (8 * EVERY)) for n in range(8 * EVERY)]

    assert not any(quiet[:-EVERY])
    assert jitter.delay == pytest.approx(MOST)
    assert any(jitter.late(0.0, START + 2 * HOLD + n) for n in range(EVERY))
    assert jitter.delay == LEAST


@given(st.lists(st.tuples(st.booleans(), st.floats(-1.0, 5.0), st.floats(0.0, 5.0)), max_size=400))
def test_the_guard_stays_within_its_bounds(seen):
    jitter, now = Jitter(0.025), START
    for early, seconds, later in seen:
        now += later
        jitter.refused(seconds, now) if early else jitter.late(seconds, now)

        assert LEAST <= jitter.delay <= MOST


@pytest.mark.parametrize("window", ["bucket", "rolling", "calendar"])
def test_a_window_goes_on_with_another_guard(window):
    limit = Limit("requests", 1, 10.0, window)
    guarded = window_for(limit, Guards(), START)
    guarded.charge(START + 1, START + 1, 1)
    wide = window_for(limit, Guards(0.05, 0.3), START)
    wide.charge(START + 1, START + 1, 1)

    guarded.guarded(Guards(0.05, 0.3))

    assert guarded.earliest(START + 2, START + 2, 1) == pytest.approx(wide.earliest(START + 2, START + 2, 1), abs=0.03)
