"""A grant that is not due yet gives way to a more urgent caller: at most twice, and never beyond what its asker would wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.made import START, ask, at_a_time, option, plan, world

from rotor_core._ledger import NOTHING_USED, Refusal, Reservation, Ticket
from rotor_core._model import Limit

ONCE = Limit("requests", 1, "minute", "rolling")


def queued(store, of, count, **more):
    """One grant for now, and others a minute apart."""
    return [store.reserve(ask(of, max_wait=1e4, **more)) for _ in range(count)]


def test_the_urgent_caller_has_the_earlier_instant_and_the_other_one_the_next():
    store, hands = world()
    of = plan(option("a", ONCE))
    _, patient = queued(store, of, 2)

    urgent = store.reserve(ask(of, max_wait=1e4, priority=10))

    assert urgent.at == pytest.approx(patient.at)
    hands.at = patient.at
    later = store.dispatched(patient.id)
    assert later == pytest.approx(patient.at + 60.025)
    assert store.dispatched(urgent.id) == pytest.approx(urgent.at)
    hands.at = later
    assert store.dispatched(patient.id) == later


def test_nobody_is_moved_for_a_caller_of_the_same_or_a_lower_priority():
    store, _ = world()
    of = plan(option("a", ONCE))
    _, first = queued(store, of, 2, priority=5)

    assert store.reserve(ask(of, max_wait=1e4, priority=5)).at > first.at
    assert store.reserve(ask(of, max_wait=1e4, priority=1)).at > first.at
    assert store.reserve(ask(of, max_wait=1e4, priority=6)).at == pytest.approx(first.at)


def test_nobody_is_moved_more_than_twice():
    store, hands = world()
    of = plan(option("a", ONCE))
    _, patient = queued(store, of, 2)

    instants = [store.reserve(ask(of, max_wait=1e4, priority=10)).at - START for _ in range(4)]

    assert instants == pytest.approx([60.025, 120.05, 240.1, 300.125])
    hands.at = patient.at
    assert store.dispatched(patient.id) == pytest.approx(START + 180.075)


def test_nobody_is_moved_beyond_what_its_asker_would_wait():
    store, hands = world()
    of = plan(option("a", ONCE))
    queued(store, of, 1)
    hurried = store.reserve(ask(of, max_wait=70.0))

    urgent = store.reserve(ask(of, max_wait=1e4, priority=10))

    assert urgent.at == pytest.approx(hurried.at + 60.025)
    hands.at = hurried.at
    assert store.dispatched(hurried.id) == pytest.approx(hurried.at)


def test_nobody_is_moved_beyond_its_deadline():
    store, _ = world()
    of = plan(option("a", ONCE))
    queued(store, of, 1)
    hurried = store.reserve(ask(of, max_wait=1e4, deadline=START + 100))

    assert store.reserve(ask(of, max_wait=1e4, priority=10)).at > hurried.at


def test_an_urgent_caller_in_a_hurry_is_served_instead_of_refused():
    store, _ = world()
    of = plan(option("a", ONCE))
    _, patient = queued(store, of, 2)

    urgent = store.reserve(ask(of, deadline=patient.at + 1, max_wait=1e4, priority=1))

    assert isinstance(urgent, Reservation)
    assert urgent.at == pytest.approx(patient.at)


def test_a_grant_for_now_is_nobodys_to_take():
    store, _ = world()
    of = plan(option("a", ONCE))
    queued(store, of, 1)

    assert isinstance(store.reserve(ask(of, max_wait=0.0, priority=10)), Refusal)


def test_a_grant_that_holds_a_slot_or_is_of_another_option_is_let_be():
    store, _ = world()
    slots, other = option("a", ONCE, at_a_time(5)), option("b", ONCE)
    of = plan((slots,))
    _, held = queued(store, of, 2)
    elsewhere = queued(store, plan((other,)), 2)[1]

    assert store.reserve(ask(of, max_wait=1e4, priority=10)).at > held.at
    store.dispatched(elsewhere.id)


def test_an_option_that_the_urgent_caller_has_ruled_out_is_let_be():
    store, hands = world()
    a, b = option("a", ONCE), option("b", ONCE)
    queued(store, plan((a,)), 1)
    patient = queued(store, plan((a,)), 1)[0]
    queued(store, plan((b,)), 3)

    urgent = store.reserve(ask(plan((a, b)), max_wait=1e4, priority=10, exclude=frozenset({"a"})))

    hands.at = patient.at
    assert urgent.deployment == "b"
    assert store.dispatched(patient.id) == patient.at


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(0.0, 40.0), st.integers(1, 3), st.booleans()), min_size=3, max_size=25
    ),
    st.sampled_from(["bucket", "rolling", "calendar"]),
)
def test_whoever_is_exchanged_the_limit_holds_and_everybody_is_served_in_time(asks, window):
    store, hands = world()
    limit = Limit("requests", 3, "minute", window)
    of = plan(option("a", limit))
    waiting: dict[str, tuple[float, float]] = {}
    sent: list[float] = []

    def pass_until(t):
        while waiting:
            ident, (due, give_up) = min(waiting.items(), key=lambda item: item[1][0])
            if due > t:
                break
            hands.at = max(hands.at, due)
            answer = store.dispatched(ident)
            assert answer is not None
            if answer > hands.at:
                assert answer <= give_up + 1e-6
                waiting[ident] = (answer, give_up)
            else:
                sent.append(hands.at)
                del waiting[ident]
        hands.at = max(hands.at, t)

    for priority, pause, minutes, cancelled in asks:
        pass_until(hands.at + pause)
        mine = ask(of, priority=priority, max_wait=minutes * 60.0)
        grant = store.reserve(mine)
        if isinstance(grant, Reservation):
            if cancelled and grant.at > hands.at:
                store.settle(grant.id, NOTHING_USED)
            elif grant.at <= hands.at + 0.03:
                sent.append(grant.at)
            else:
                waiting[grant.id] = (grant.at, hands.at + mine.max_wait)
    pass_until(hands.at + 1e4)

    sent.sort()
    assert not waiting
    if window == "rolling":
        assert all(later - earlier > 60.0 for earlier, later in zip(sent, sent[3:], strict=False))
    elif window == "calendar":
        assert all(sum(s // 60 == t // 60 for s in sent) <= 3 for t in sent)
    else:
        level, at = 3.0, START
        for t in sent:
            level, at = min(3.0, level + (t - at) * 3 / 60) - 1, t
            assert level > -0.01


def test_who_waits_for_a_slot_is_overtaken_at_most_twice():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    patient = ask(of, max_wait=1e4)
    assert isinstance(store.reserve(patient), Ticket)
    urgent = [ask(of, max_wait=1e4, priority=10) for _ in range(5)]
    for one in urgent:
        assert isinstance(store.reserve(one), Ticket)

    served = []
    waiting = {one.id: one for one in [patient, *urgent]}
    while waiting:
        store.settle(holder.id, NOTHING_USED)
        holder = next(g for one in waiting.values() if isinstance(g := store.reserve(one), Reservation))
        served.append(holder.id)
        del waiting[holder.id]

    assert served == [urgent[0].id, urgent[1].id, patient.id, urgent[2].id, urgent[3].id, urgent[4].id]
