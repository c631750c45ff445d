"""A shared ledger that comes back, again and again, empty or half: nothing is granted twice, nothing is lost."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.away import NOW, OPERATIONS, Heard, Shared, process, taken
from tests.stores.made import START, Hands, ask, at_a_time, option, plan, rpm

from rotor_core import StoreRegained
from rotor_core._ledger import AS_RESERVED, Reservation
from rotor_core._model import Limit
from rotor_core.stores import _steady_post
from rotor_core.stores.steady import Steady


def test_a_dead_store_is_asked_ever_more_rarely(shared: Shared):
    steady, _ = process(shared)
    shared.down()
    steady.reserve(ask(plan(option("a"))))

    assert [steady.attempt() for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    shared.up()
    assert steady.attempt() is None
    assert steady.attempt() is None


def test_a_store_that_flaps_is_not_trusted_at_once(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    for expected in (2.0, 4.0):
        shared.down()
        steady.reserve(ask(of))
        assert steady.attempt() == expected
        shared.up()
        steady.attempt()
    shared.hands.at += 61
    shared.down()
    steady.reserve(ask(of))

    assert steady.attempt() == 2


def test_nothing_is_granted_twice_however_often_the_store_flaps(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"), at_a_time(100))
    of = plan(a)
    open_, granted = list[str](), 0
    for round_ in range(40):
        shared.fails = ("reserve", "settle", "rest") if round_ % 3 == 1 else ()
        shared.lossy = ("settle",) if round_ % 5 == 2 else ("reserve",) if round_ % 5 == 4 else ()
        steady.attempt()
        for _ in range(2):
            grant = steady.reserve(ask(of, **NOW))
            if isinstance(grant, Reservation):
                granted += 1
                open_.append(grant.id)
        if len(open_) > 3:
            steady.settle(open_.pop(0), AS_RESERVED)
    shared.fails = shared.lossy = ()
    while steady.attempt() is not None:
        pass
    for ident in open_:
        steady.settle(ident, AS_RESERVED)

    assert 20 <= granted <= 40
    assert taken(shared, a) >= granted
    assert taken(shared, a, "concurrent") == 0


def test_a_hanging_store_delays_one_request_once(shared: Shared):
    steady, heard = process(shared)
    of = plan(option("a", rpm(10, "rolling")))
    shared.hangs = True
    grant = steady.reserve(ask(of))
    steady.dispatched(grant.id)
    steady.settle(grant.id, AS_RESERVED)
    steady.reserve(ask(of))
    steady.read([])

    assert shared.hands.at == START + 0.5
    assert heard.names == ["store_lost"]


def test_a_store_that_only_reads_stays_away_until_it_writes(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    shared.fails = {"reserve", "settle", "rest", "reset"}
    steady.reserve(ask(of))
    assert steady.attempt() == 2
    assert steady.state.startswith("local since")
    shared.up()
    steady.attempt()

    assert steady.state == "ok"


def test_a_store_that_returns_empty_has_what_this_process_used_meanwhile(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(5))
    of = plan(a)
    before = steady.reserve(ask(of))
    shared.down()
    steady.reserve(ask(of))
    shared.emptied()
    shared.up()
    steady.attempt()
    steady.settle(before.id, AS_RESERVED)

    assert taken(shared, a) == 1
    assert taken(shared, a, "concurrent") == 1


def test_a_store_that_goes_again_in_the_middle_of_its_return_loses_nothing(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"), Limit("tokens", 4000, "day", "calendar"), at_a_time(9))
    of = plan(a)
    shared.down()
    grants = [steady.reserve(ask(of)) for _ in range(4)]
    for grant in grants[:2]:
        steady.settle(grant.id, AS_RESERVED)
    for lasting in range(1, 12):
        left = [lasting]

        def fail(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                shared.down()

        shared.up()
        shared.after = fail
        if steady.attempt() is None:
            break
    shared.after = lambda _: None
    shared.up()
    steady.attempt()
    for grant in grants:
        steady.settle(grant.id, AS_RESERVED)

    assert taken(shared, a) == 4
    assert taken(shared, a, "tokens") == 40
    assert taken(shared, a, "concurrent") == 0


def test_what_happens_during_the_return_is_told_as_well(shared: Shared):
    steady, heard = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    busy = [3]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and busy[0]:
            busy[0] -= 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    shared.after = meanwhile
    shared.up()
    steady.attempt()

    assert taken(shared, a) == 4
    assert heard.names == ["store_lost", "store_regained"]


def test_a_load_that_never_lets_up_does_not_keep_the_store_away(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 400, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    made = [1]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and steady.state != "ok":
            made[0] += 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    shared.after = meanwhile
    shared.up()

    assert steady.attempt() is None
    assert steady.state == "ok"
    assert taken(shared, a) == made[0] > 5


def test_a_store_that_goes_as_the_last_is_told_is_told_it_the_next_time(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 400, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    made = [1]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and steady.state != "ok":
            made[0] += 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    class Ear(Heard):
        def hear(self, event: Any) -> None:
            if isinstance(event, StoreRegained):
                shared.down()

    ear = Ear()
    steady.listen(ear.hear)
    shared.after = meanwhile
    shared.up()
    steady.attempt()
    assert steady.state != "ok"
    shared.after = lambda _: None
    del ear
    gc.collect()
    shared.up()
    steady.attempt()

    assert taken(shared, a) == made[0]


def test_a_store_of_which_the_clock_is_ahead_is_followed_without_it(shared: Shared):
    shared.ledger = Shared(Hands(START + 100)).ledger
    steady, _ = process(shared)
    assert steady.now() == START + 100
    shared.down()
    shared.hands.at += 5

    assert steady.now() == START + 105
    grant = steady.reserve(ask(plan(option("a"))))
    assert isinstance(grant, Reservation)
    assert grant.at == START + 105


def test_ends_that_wait_are_bounded_and_those_dropped_are_counted(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_steady_post, "MOST", 3)
    steady, heard = process(shared)
    of = plan(option("a"))
    grants = [steady.reserve(ask(of)) for _ in range(5)]
    shared.down()
    for grant in grants:
        steady.settle(grant.id, AS_RESERVED)
    shared.up()
    steady.attempt()

    (regained,) = [e for e in heard.events if isinstance(e, StoreRegained)]
    assert (regained.settled, regained.dropped) == (3, 2)


def test_reservations_that_nobody_settled_are_forgotten_once_they_expired(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    for n in range(1100):
        shared.hands.at += 1
        steady.reserve(ask(of, id=f"left-{n}"))

    assert len(steady._under_way()) < 800


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_however_it_fails_no_slot_is_lost_and_nothing_used_is_forgotten(data: st.DataObject):
    shared = Shared(Hands())
    first, second = process(shared)[0], process(shared)[0]
    a = option("a", Limit("requests", 24, "day", "calendar"), at_a_time(50))
    of = plan(a)
    under_way: list[tuple[Steady, str]] = []
    granted, alone = 0, 0
    for _ in range(data.draw(st.integers(5, 40), "turns")):
        shared.fails = data.draw(st.sampled_from([(), (), OPERATIONS, {"settle", "rest"}, {"reserve"}]), "fails")
        steady = data.draw(st.sampled_from([first, second]), "process")
        match data.draw(st.sampled_from(["reserve", "reserve", "settle", "attempt", "wait"]), "turn"):
            case "reserve":
                grant = steady.reserve(ask(of, **NOW))
                if isinstance(grant, Reservation):
                    granted += 1
                    alone += steady.state != "ok"
                    under_way.append((steady, grant.id))
            case "settle" if under_way:
                of_whom, ident = under_way.pop(data.draw(st.integers(0, len(under_way) - 1), "which"))
                of_whom.settle(ident, AS_RESERVED)
            case "attempt":
                steady.attempt()
            case _:
                shared.hands.at += 1
    shared.up()
    for steady in (first, second):
        assert steady.attempt() is None
    for of_whom, ident in under_way:
        of_whom.settle(ident, AS_RESERVED)

    assert taken(shared, a, "concurrent") == 0
    assert taken(shared, a) >= min(granted, 24)
    assert granted - alone <= 24
    assert granted <= 2 * 24
