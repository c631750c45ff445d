"""The rolling window, against a provider that remembers every arrival."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.state.providers import SlidingLog

from rotor_core._state.rolling import CELLS, Rolling

GUARD = 0.025
SPAN = 5.0 + GUARD


def rolling(value: float = 10, seconds: float = 5.0) -> Rolling:
    return Rolling(value, seconds, GUARD)


# --- by example ------------------------------------------------------------------------------------------------------


def test_all_of_it_may_be_taken_at_once_and_not_a_unit_more_for_a_period_and_the_guard():
    window = rolling()
    window.charge(0.0, 0.0, 10)

    assert window.earliest(0.0, 0.0, 1) == SPAN
    assert window.headroom(0.0) == 0.0
    assert window.resets_at(1.0) == SPAN
    assert window.earliest(SPAN, SPAN, 10) == SPAN


def test_more_than_the_limit_itself_never_fits():
    assert rolling().earliest(0.0, 0.0, 11) == inf


def test_three_times_a_tenth_fit_into_three_tenths():
    window = rolling(0.3)
    for at in (0.0, 1.0, 2.0):
        assert window.earliest(at, at, 0.1) == at
        window.charge(at, at, 0.1)

    assert window.earliest(3.0, 3.0, 0.1) == SPAN


def test_an_untouched_window_has_nothing_to_reset():
    window = rolling()

    assert (window.used(1.0), window.headroom(1.0), window.resets_at(1.0)) == (0.0, 1.0, None)


def test_room_returns_charge_by_charge():
    window = rolling()
    for at in (0.0, 1.0, 2.0):
        window.charge(at, at, 3)

    assert window.earliest(2.0, 2.0, 1) == 2.0
    assert window.earliest(2.0, 2.0, 4) == SPAN
    assert window.earliest(2.0, 2.0, 5) == 1.0 + SPAN
    assert window.earliest(2.0, 5.5, 4) == 5.5
    assert window.used(SPAN) == 6


def test_a_grant_to_come_keeps_its_room():
    window = rolling()
    window.charge(0.0, 3.0, 8)

    assert window.earliest(0.0, 0.0, 2) == 0.0
    assert window.earliest(0.0, 0.0, 3) == 3.0 + SPAN


def test_before_a_grant_far_enough_ahead_all_is_free():
    window = rolling()
    window.charge(0.0, 8.0, 10)

    assert window.earliest(0.0, 0.0, 10) == 0.0
    assert window.earliest(0.0, 4.0, 10) == 8.0 + SPAN


def test_cancelling_a_grant_to_come_leaves_no_trace():
    window = rolling()
    window.charge(0.0, 3.0, 8)
    window.change(1.0, 3.0, 8, 0.0, 0.0)

    assert window.ats == []
    assert window.earliest(1.0, 1.0, 10) == 1.0


def test_one_of_two_grants_of_the_same_instant_can_be_cancelled():
    window = rolling()
    window.charge(0.0, 3.0, 4)
    window.charge(0.0, 3.0, 2)
    window.change(1.0, 3.0, 4, 0.0, 0.0)

    assert window.used(1.0) == 2


def test_settling_adjusts_what_was_charged_while_it_counts_and_not_afterwards():
    window = rolling()
    window.charge(0.0, 0.0, 8)
    window.change(1.0, 0.0, 8, 0.0, 5)
    assert window.used(1.0) == 5

    window.change(1.0, 0.0, 5, 0.0, 9)
    assert window.used(1.0) == 9

    window.change(SPAN, 0.0, 9, 0.0, 1)
    assert window.used(SPAN) == 0


def test_what_was_charged_as_nothing_can_turn_out_to_be_something():
    window = rolling()
    window.charge(0.0, 0.0, 0)
    window.charge(0.0, 3.0, 4)
    window.change(1.0, 0.0, 0, 0.0, 6)

    assert window.ats == [0.0, 3.0]
    assert window.used(1.0) == 10


def test_a_charge_that_is_dispatched_later_counts_from_then():
    window = rolling()
    window.charge(0.0, 0.0, 10)
    window.move(2.0, 0.0, 10, 0.0)

    assert window.earliest(2.0, 2.0, 1) == 2.0 + SPAN


def test_another_limit_keeps_what_is_taken():
    window = rolling()
    window.charge(0.0, 0.0, 8)
    window.resize(1.0, 5)
    assert window.headroom(1.0) == 0.0
    assert window.earliest(1.0, 1.0, 1) == SPAN

    window.resize(1.0, 20)
    assert window.earliest(1.0, 1.0, 12) == 1.0


def test_many_charges_are_merged_into_cells_that_end_no_earlier_than_their_parts():
    window = rolling(1000.0)
    for i in range(400):
        window.charge(i * 0.01, i * 0.01, 1)

    assert len(window.ats) <= 2 * CELLS + 1
    assert window.used(4.0) == 400
    for t in (5.1, 6.0, 7.0, 8.0, 8.9):
        exact = sum(1 for i in range(400) if i * 0.01 + SPAN > t)
        width = SPAN / CELLS
        assert exact <= window.used(t) <= exact + width / 0.01 + 1
    assert window.used(3.99 + SPAN) == 0


def test_settling_finds_the_cell_that_a_charge_was_merged_into():
    window = rolling(1000.0)
    for i in range(200):
        window.charge(i * 0.01, i * 0.01, 2)
    for i in range(200):
        window.change(2.0, i * 0.01, 2, 0.0, 0.0)

    assert window.used(2.0) == pytest.approx(0.0)
    assert window.ats == []


def test_grants_to_come_are_never_merged():
    window = rolling(1000.0)
    for i in range(150):
        window.charge(0.0, 1.0 + i * 0.001, 1)

    assert len(window.ats) == 150


# --- by property -----------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.floats(0, 3),  # seconds until the next ask
        st.integers(1, 10),  # units
        st.floats(0, 8),  # how long it would wait
        st.floats(0, GUARD - 1e-6),  # how late the provider counts it
        st.one_of(st.none(), st.sampled_from([0, 0.5, 1])),  # the part that it really uses; None: all, never told
        st.floats(0, 6),  # how long after its instant that is told
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_whatever_is_granted_cancelled_and_refunded_the_provider_never_has_to_refuse(plan):
    window, provider = rolling(), SlidingLog(10, 5.0)
    now, arrivals, told = 0.0, [], []
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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 0.05), st.floats(0, GUARD - 1e-6), st.integers(1, 3)), min_size=150, max_size=400)
)
def test_merged_cells_never_let_the_provider_refuse_either(plan):
    window, provider = rolling(200, 2.0), SlidingLog(200, 2.0)
    now, arrivals = 0.0, []
    for gap, late, amount in plan:
        now += gap
        at = window.earliest(now, now, amount)
        if at <= now + 0.5:
            window.charge(now, at, amount)
            arrivals.append((at + late, amount))

    for t, amount in sorted(arrivals):
        assert provider.count(t, amount) >= 0


def suits(grants, t, amount):
    """At no grant's instant from then on, nor at its own, is more than the limit inside the last period and guard."""
    every = [*grants, (t, amount)]
    return all(sum(a for at, a in every if at <= u and at + SPAN > u) <= 10 for u in [at for at, _ in every] if u >= t)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10), st.floats(0, 12)), max_size=10),
    st.integers(1, 10),
    st.floats(0, 6),
)
def test_the_instant_is_the_smallest_that_suits_everybody(plan, amount, offset):
    window, grants, now = rolling(), [], 0.0
    for gap, a, later in plan:
        now += gap
        at = window.earliest(now, now + later, a)
        window.charge(now, at, a)
        grants.append((at, a))
        assert suits(grants, now, 0)

    start = now + offset
    e = window.earliest(now, start, amount)

    assert suits(grants, e, amount)
    assert window.earliest(now, e, amount) == e
    tried = [start + k * 0.1 for k in range(int((e - start) / 0.1) + 1)]
    tried += [x for at, _ in grants for x in (at, at + SPAN, at + 1e-3) if x >= start]
    assert not [t for t in tried if t < e and suits(grants, t, amount)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(1, 5), st.sampled_from([0.0, 0.5, 1.0, 1.5]), st.floats(0, 6), st.floats(0, 1)
        ),
        min_size=1,
        max_size=25,
    )
)
def test_it_holds_exactly_what_was_sent_in_the_last_period_however_often_it_is_corrected(plan):
    window, now, todo, charges, sent = rolling(1000.0), 0.0, [], {}, {}
    for i, (gap, amount, part, settle, dispatch) in enumerate(plan):
        now += gap
        todo += [(now, 0, i, amount), (now + dispatch, 1, i, 0.0), (now + dispatch + settle, 2, i, amount * part)]
    for t, kind, i, figure in sorted(todo):
        if kind == 0:
            charges[i] = (t, figure)
            window.charge(t, t, figure)
        elif kind == 1:
            at, amount = charges[i]
            window.move(t, at, amount, 0.0)
            charges[i] = (t, amount)
        else:
            at, amount = charges[i]
            window.change(t, at, amount, 0.0, figure)
            charges[i] = (at, figure)
        sent = {j: c for j, c in charges.items() if c[0] + SPAN > t}
        assert window.used(t) == pytest.approx(sum(a for _, a in sent.values()))
