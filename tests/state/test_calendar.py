"""The calendar window, against a provider that counts by the number of the period, on a clock of its own."""

from __future__ import annotations

from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.state.providers import FixedPeriods

from rotor_core._state.calendar import Calendar

EDGE, SOON = 0.15, 0.025
START = 1_000_000_020.0  # a full minute


def minute(value: float = 10, edge: float = EDGE) -> Calendar:
    return Calendar(value, "minute", "UTC", edge, SOON)


# --- by example ------------------------------------------------------------------------------------------------------


def test_a_full_period_is_over_a_guard_after_its_end():
    window = minute()
    window.charge(START + 30, START + 30, 10)

    assert window.earliest(START + 30, START + 30, 1) == START + 60 + EDGE
    assert window.headroom(START + 30) == 0.0
    assert window.resets_at(START + 30) == START + 60


def test_more_than_the_limit_itself_never_fits():
    assert minute().earliest(START, START, 11) == inf


def test_three_times_a_tenth_fit_into_three_tenths():
    window = minute(0.3)
    for at in (START + 1, START + 2, START + 3):
        assert window.earliest(at, at, 0.1) == at
        window.charge(at, at, 0.1)

    assert window.earliest(START + 4, START + 4, 0.1) > START + 60


def test_a_charge_near_the_end_counts_in_both_periods():
    window = minute()
    window.charge(START + 59.9, START + 59.9, 6)

    assert window.used(START + 59.9) == 6
    assert window.used(START + 60.5) == 6
    assert window.earliest(START + 60.5, START + 60.5, 5) == START + 120 + EDGE


def test_a_charge_just_after_the_start_counts_in_both_periods():
    window = minute()
    window.charge(START + 59.0, START + 59.0, 6)
    assert window.earliest(START + 60.1, START + 60.1, 5) == START + 60 + EDGE

    window.charge(START + 60.1, START + 60.1, 4)
    assert window.earliest(START + 60.1, START + 60.1, 1) == START + 60 + EDGE
    assert window.used(START + 60.2) == 4


def test_near_the_end_both_periods_must_have_room():
    window = minute()
    window.charge(START + 30, START + 61, 8)  # a grant to come, in the next minute

    assert window.earliest(START + 30, START + 30, 5) == START + 30
    assert window.earliest(START + 30, START + 59.9, 5) == START + 120 + EDGE


def test_when_the_way_past_an_edge_is_short_it_waits_rather_than_pay_twice():
    window = minute()

    assert window.earliest(START + 0.14, START + 0.14, 1) == START + EDGE
    assert window.earliest(START + 0.10, START + 0.10, 1) == START + 0.10


def test_without_an_edge_a_period_is_over_at_its_end():
    window = minute(edge=0.0)
    window.charge(START + 30, START + 30, 10)

    assert window.earliest(START + 30, START + 30, 1) == START + 60
    assert window.earliest(START + 60, START + 60, 10) == START + 60


def test_periods_shorter_than_the_guard_are_charged_all_together():
    window = Calendar(10, 0.1, "UTC", EDGE, SOON)
    window.charge(1000.05, 1000.05, 7)

    assert len([p for p in window.periods if p.used == 7]) == 4
    assert window.earliest(1000.05, 1000.05, 4) > 1000.05 + 2 * EDGE


def test_settling_adjusts_every_period_that_was_charged():
    window = minute()
    window.charge(START + 59.9, START + 59.9, 6)
    window.change(START + 60.2, START + 59.9, 6, 0.0, 2)

    assert window.used(START + 60.2) == 2
    window.change(START + 61, START + 59.9, 2, 0.0, 5)
    assert window.used(START + 61) == 5


def test_settling_a_charge_of_long_ago_changes_nothing_now():
    window = minute()
    window.charge(START, START + 30, 6)
    window.charge(START + 70, START + 70, 3)
    window.change(START + 71, START + 30, 6, 0.0, 0.0)

    assert window.used(START + 71) == 3


def test_a_charge_that_is_dispatched_in_the_next_period_counts_there():
    window = minute()
    window.charge(START + 58, START + 58, 10)
    window.move(START + 61, START + 58, 10, 0.0)

    assert window.used(START + 61) == 10


def test_another_limit_keeps_what_is_taken():
    window = minute()
    window.charge(START + 30, START + 30, 8)
    window.resize(START + 31, 5)
    assert window.earliest(START + 31, START + 31, 1) == START + 60 + EDGE
    assert window.headroom(START + 31) == 0.0

    window.resize(START + 31, 20)
    assert window.earliest(START + 31, START + 31, 12) == START + 31


def test_a_day_of_twenty_three_hours_is_over_when_the_provider_says_so():
    zone = ZoneInfo("America/Los_Angeles")
    noon = datetime(2026, 3, 8, 1, 0, tzinfo=zone).timestamp()  # before the change, which is at two
    window = Calendar(10, "day", "America/Los_Angeles", EDGE, SOON)
    window.charge(noon, noon, 10)

    assert window.earliest(noon, noon, 1) == noon + 22 * 3600 + EDGE


def test_old_periods_are_forgotten():
    window = minute()
    for k in range(50):
        at = START + 60 * k + 30
        window.charge(at, at, 1)

    assert len(window.periods) == 1


# --- by property -----------------------------------------------------------------------------------------------------

BASE = 1_000_000_000.0


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-EDGE, EDGE - 0.03),
    st.lists(
        st.tuples(
            st.floats(0, 1.5),
            st.integers(1, 6),
            st.floats(0, 6),
            st.floats(0, 0.025),
            st.one_of(st.none(), st.sampled_from([0, 0.5, 1])),
            st.floats(0, 6),
        ),
        min_size=1,
        max_size=25,
    ),
)
def test_whatever_is_granted_cancelled_and_refunded_the_provider_never_has_to_refuse(skew, plan):
    window, provider = Calendar(10, 4.0, "UTC", EDGE, SOON), FixedPeriods(10, 4.0, skew)
    now, arrivals, told = BASE, [], []
    for gap, amount, patience, late, part, after in plan:
        now += gap
        for due in sorted(t for t in told if t[0] <= now):
            told.remove(due)
            window.change(*due)
        at = window.earliest(now, now, amount)
        if at > now + patience:
            continue
        assert at >= now
        window.charge(now, at, amount)
        used = amount if part is None else amount * part
        if used:
            arrivals.append((at + late, used))
        if part is not None:
            told.append((at + late + after if used else now + after, at, amount, 0.0, used))

    for t, amount in sorted(arrivals):
        assert provider.count(t, amount) >= -1e-6


def suits(grants, t, amount):
    """Each period of 4 s that `t` is near to has room beside all grants near to it."""

    def near(at):
        return {int((at - EDGE) // 4), int((at + EDGE) // 4)}

    return all(sum(a for at, a in grants if period in near(at)) + amount <= 10 for period in near(t))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10), st.floats(0, 9)), max_size=10),
    st.integers(1, 10),
    st.floats(0, 6),
)
def test_the_instant_is_the_smallest_that_suits_but_for_the_last_stretch_before_an_edge_is_past(plan, amount, offset):
    window, grants, now = Calendar(10, 4.0, "UTC", EDGE, SOON), [], BASE
    for gap, a, later in plan:
        now += gap
        at = window.earliest(now, now + later, a)
        window.charge(now, at, a)
        grants.append((at, a))

    start = now + offset
    e = window.earliest(now, start, amount)

    # A grant at the very edge of the guard is on either side of it, by rounding.
    assert suits(grants, e + 1e-6, amount)
    assert window.earliest(now, e, amount) == e
    tried = [start + k * 0.05 for k in range(int((e - start) / 0.05) + 1)]
    skipped = {t for t in tried if EDGE - SOON - 1e-6 <= t % 4 <= EDGE}
    assert not [t for t in tried if t < e - 1e-6 and t not in skipped and suits(grants, t, amount)]
