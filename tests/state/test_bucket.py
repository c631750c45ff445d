"""The refilling bucket, against a provider that counts in levels."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.state.providers import RefillingBucket

from rotor_core._state.bucket import Bucket

GUARD = 0.025
NOISE = 1e-6
"""Units: what rounding may do."""


def full(value: float = 10, seconds: float = 10.0, at: float = 0.0, guard: float = GUARD) -> Bucket:
    return Bucket(value, seconds, guard, at)


# --- by example ------------------------------------------------------------------------------------------------------


def test_a_fresh_bucket_is_full_and_gives_all_of_it_at_once():
    assert full().earliest(0.0, 0.0, 10) == 0.0


def test_more_than_the_limit_itself_never_fits():
    assert full().earliest(0.0, 0.0, 10.5) == inf


def test_an_empty_bucket_answers_with_the_instant_at_which_it_has_refilled_and_the_guard_has_passed():
    bucket = full()
    bucket.charge(0.0, 0.0, 10)

    assert bucket.earliest(0.0, 0.0, 3) == pytest.approx(3.0 + GUARD)
    assert bucket.headroom(4.0) == pytest.approx(0.4)
    assert bucket.used(4.0) == pytest.approx(6)
    assert bucket.resets_at(4.0) == pytest.approx(10.0)


def test_an_untouched_bucket_has_nothing_to_reset():
    bucket = full()

    assert (bucket.used(5.0), bucket.headroom(5.0), bucket.resets_at(5.0)) == (0.0, 1.0, None)


def test_headroom_is_never_below_zero():
    bucket = full()
    bucket.charge(0.0, 0.0, 10)
    bucket.change(0.0, 0.0, 10, bucket.cum, 30)

    assert bucket.headroom(0.0) == 0.0


def test_a_grant_to_come_does_not_use_up_the_refill_before_it():
    bucket = full()
    bucket.charge(0.0, 0.0, 10)
    bucket.charge(0.0, bucket.earliest(0.0, 0.0, 10), 10)  # at 10 s

    assert bucket.used(0.0) == 20
    assert bucket.headroom(0.0) == 0.0
    # Nothing fits before it without moving it, and behind it the refill starts at its instant.
    assert bucket.earliest(0.0, 0.0, 1) == pytest.approx(11.0 + 2 * GUARD)
    assert bucket.resets_at(0.0) == pytest.approx(20.0 + GUARD)


def test_a_small_grant_goes_before_a_later_one_that_keeps_its_instant():
    bucket = full()
    bucket.charge(0.0, 0.0, 10)
    bucket.charge(0.0, 12.0, 5)  # somebody whose other limits let it in at 12 s only

    assert bucket.earliest(0.0, 0.0, 3) == pytest.approx(3.0 + GUARD)
    assert bucket.earliest(0.0, 0.0, 8) > 12.0


def test_who_asks_about_a_later_instant_is_answered_from_there():
    bucket = full()
    bucket.charge(0.0, 0.0, 10)
    bucket.charge(0.0, 12.0, 5)
    bucket.charge(0.0, 20.0, 5)

    assert bucket.earliest(0.0, 14.0, 1) == 14.0
    assert bucket.earliest(0.0, 25.0, 1) == 25.0


def test_cancelling_a_grant_to_come_leaves_no_trace():
    bucket = full()
    bucket.charge(0.0, 0.0, 4)
    mark = bucket.charge(0.0, 5.0, 10)
    bucket.change(1.0, 5.0, 10, mark, 0.0)

    assert bucket.earliest(1.0, 1.0, 6.9) == 1.0


def test_a_grant_to_come_can_shrink_and_grow_before_it_is_due():
    bucket = full()
    mark = bucket.charge(0.0, 5.0, 4)
    bucket.change(1.0, 5.0, 4, mark, 2.0)
    assert bucket.used(1.0) == 2

    bucket.change(1.0, 5.0, 2.0, mark, 7.0)
    assert bucket.used(1.0) == 7


def test_changing_a_grant_that_is_not_there_changes_nothing():
    bucket = full()
    bucket.charge(0.0, 5.0, 4)
    bucket.change(1.0, 5.0, 3, 3.0, 0.0)
    bucket.change(1.0, 6.0, 3, 3.0, 0.0)

    assert bucket.used(1.0) == 4


def test_a_cancelled_grant_does_not_blur_how_much_was_charged_since_a_later_one():
    bucket = full()
    cancelled = bucket.charge(0.0, 2.0, 4)
    mark = bucket.charge(0.0, 3.0, 6)  # reckons with the four before it
    bucket.change(1.0, 2.0, 4, cancelled, 0.0)
    bucket.charge(20.0, 20.0, 3)  # the bucket had been full again
    bucket.change(20.0, 3.0, 6, mark, 0.0)

    assert bucket.used(20.0) == pytest.approx(3)


def test_a_refund_gives_back_what_was_not_used():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 8)
    bucket.charge(0.5, 0.5, 2)
    bucket.change(1.0, 0.0, 8, mark, 3.0)

    assert bucket.used(1.0) == pytest.approx(4.0)


def test_a_refund_of_what_has_refilled_long_ago_mints_nothing():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 8)
    bucket.charge(50.0, 50.0, 6)  # the bucket had been full again
    bucket.change(51.0, 0.0, 8, mark, 0.0)

    assert bucket.used(51.0) == pytest.approx(5.0)


def test_a_refund_into_a_full_bucket_changes_nothing():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 8)
    bucket.change(60.0, 0.0, 8, mark, 0.0)

    assert bucket.used(60.0) == 0
    assert bucket.earliest(60.0, 60.0, 10) == 60.0


def test_what_used_more_than_was_reserved_is_a_debt():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 8)
    bucket.change(1.0, 0.0, 8, mark, 12.0)

    assert bucket.earliest(1.0, 1.0, 1) == pytest.approx(3.0 + GUARD)


def test_with_a_debt_nothing_goes_before_the_grants_that_it_has_already_endangered():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 10)
    bucket.charge(0.0, 10.0 + GUARD, 10)
    bucket.charge(0.0, 10.5, 4)  # pretend that it was promised
    bucket.change(1.0, 0.0, 10, mark, 12.0)

    assert bucket.earliest(1.0, 1.0, 0.5) > 10.5


def test_a_charge_that_is_dispatched_later_counts_from_then():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 10)
    mark = bucket.move(2.0, 0.0, 10, mark)

    assert bucket.used(2.0) == pytest.approx(10.0)
    bucket.change(3.0, 2.0, 10, mark, 0.0)
    assert bucket.used(3.0) == pytest.approx(0.0)


def test_dispatching_nothing_later_takes_nothing():
    bucket = full()
    mark = bucket.charge(0.0, 0.0, 0)
    bucket.charge(1.0, 1.0, 4)

    assert bucket.move(2.0, 0.0, 0, mark) == mark
    assert bucket.used(2.0) == pytest.approx(3)


def test_a_smaller_limit_keeps_what_is_taken():
    bucket = full()
    bucket.charge(0.0, 0.0, 4)
    bucket.charge(0.0, 2.0, 1)
    bucket.resize(0.0, 5)

    assert bucket.used(0.0) == pytest.approx(5)
    assert bucket.earliest(0.0, 0.0, 6) == inf
    bucket.resize(30.0, 20)
    assert bucket.earliest(30.0, 30.0, 20) == 30.0


# --- by property -----------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.floats(0, 3),  # seconds until the next ask
        st.integers(1, 10),  # units
        st.floats(0, 8),  # how long it would wait
        st.floats(0, GUARD - 1e-6),  # how late the provider counts it
        st.one_of(st.none(), st.floats(0, 1)),  # the part that it really uses, told later; None: all of it, never told
        st.floats(0, 6),  # how long after its instant that is told
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(steps)
@example([(0, 10, 0, 0.0, None, 0), (0, 10, 8, GUARD, None, 0), (0, 1, 8, 0.0, None, 0)])
def test_whatever_is_granted_cancelled_and_refunded_the_provider_never_has_to_refuse(plan):
    bucket, provider = full(seconds=5.0), RefillingBucket(10, 5.0, 0.0)
    now, arrivals, told = 0.0, [], []
    for gap, amount, patience, late, part, after in plan:
        now += gap
        for due in sorted(t for t in told if t[0] <= now):
            told.remove(due)
            bucket.change(*due)
        at = bucket.earliest(now, now, amount)
        if at > now + patience:
            continue
        assert at >= now
        mark = bucket.charge(now, at, amount)
        used = amount if part is None else amount * part
        if used:
            arrivals.append((at + late, used))
        if part is not None:
            # What is not sent at all may be given back at any time; the rest once it was counted.
            settled = at + late + after if used else now + after
            told.append((settled, at, amount, mark, used))

    for t, amount in sorted(arrivals):
        assert provider.count(t, amount) >= -NOISE


events = st.lists(
    st.tuples(
        st.floats(0, 2),
        st.integers(1, 10),
        st.floats(0, 1.5),  # the part used; above 1 it is a debt
        st.floats(0, 6),  # seconds until it is settled
        st.floats(0, 1),  # seconds until it is dispatched
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_neither_refunds_nor_debts_nor_late_dispatches_ever_mint_capacity(plan):
    """The bucket believes in at most what a provider has left that counted every request as it was really sent."""
    bucket = full(seconds=5.0, guard=0.0)
    now, sent, todo = 0.0, [], []
    for i, (gap, amount, part, settle, dispatch) in enumerate(plan):
        now += gap
        todo.append((now, 0, i, amount))
        todo.append((now + dispatch, 1, i, amount * part))
        todo.append((now + dispatch + settle, 2, i, amount * part))
    charges = {}
    for t, kind, i, figure in sorted(todo):
        if kind == 0:
            charges[i] = (t, figure, bucket.charge(t, t, figure))
        elif kind == 1:
            at, amount, mark = charges[i]
            if t > at:
                charges[i] = (t, amount, bucket.move(t, at, amount, mark))
            sent.append((charges[i][0], figure, i))
        else:
            at, amount, mark = charges.pop(i)
            bucket.change(t, at, amount, mark, figure)
        # Settled ones count as used; the others at least as they are used, for what is reserved is not less then.
        provider = RefillingBucket(10, 5.0, 0.0)
        for at, used, j in sent:
            provider.count(at, used if j not in charges else min(used, charges[j][1]))
        assert bucket.used(t) >= 10 - provider.level_at(t) - NOISE


def available(grants, t):
    """What a provider surely has at `t`, if it may have counted everything before up to GUARD late."""
    provider = RefillingBucket(10, 5.0, 0.0)
    for at, amount in grants:
        provider.count(at, amount)
    return min(10.0, provider.level + (t - GUARD - provider.at) * provider.rate) if grants else 10.0


def suits(grants, t, amount):
    before = [g for g in grants if g[0] <= t]
    after = [g for g in grants if g[0] > t]
    if available(before, t) < amount - NOISE:
        return False
    before.append((t, amount))
    for at, a in after:
        if available(before, at) < a - NOISE:
            return False
        before.append((at, a))
    return True


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10), st.floats(0, 10)), max_size=10),
    st.integers(1, 10),
    st.floats(0, 3),
)
def test_the_instant_is_the_smallest_that_suits_everybody(plan, amount, offset):
    bucket, grants, now = full(seconds=5.0), [], 0.0
    for gap, a, later in plan:
        now += gap
        at = bucket.earliest(now, now + later, a)
        bucket.charge(now, at, a)
        grants.append((at, a))
        grants.sort(key=lambda g: g[0])

    start = now + offset
    e = bucket.earliest(now, start, amount)

    assert suits(grants, e, amount)
    assert bucket.earliest(now, e, amount) == e
    step, t = 0.05, start
    while t < e - 1e-3:
        # A hair's breadth inside, so that rounding on either side does not matter.
        assert not suits(grants, t, amount + 1e-3)
        t += step


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10), st.floats(0, 5)), min_size=2, max_size=12))
def test_a_promise_made_is_kept_whoever_comes_after(plan):
    """No later grant, however it is squeezed in, leaves an earlier promise without room."""
    bucket, grants, now = full(seconds=5.0), [], 0.0
    for gap, a, later in plan:
        now += gap
        at = bucket.earliest(now, now + later, a)
        bucket.charge(now, at, a)
        grants.append((at, a))

    grants.sort(key=lambda g: g[0])
    for i, (at, a) in enumerate(grants):
        assert available(grants[:i], at) >= a - NOISE


def test_of_two_grants_for_one_instant_each_can_be_given_back():
    bucket = full()
    bucket.charge(0.0, 5.0, 4)
    mark = bucket.charge(0.0, 5.0, 1)

    bucket.change(1.0, 5.0, 1, mark, 0.0)

    assert bucket.coming == [(5.0, 4)]
