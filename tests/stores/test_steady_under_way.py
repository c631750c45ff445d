"""Calls that were under way and requests that stood in a queue when a shared ledger went away or came back."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.stores.away import Shared, process, served, taken
from tests.stores.made import START, ask, at_a_time, option, plan, rpm, tpm

from rotor_core import StoreRegained
from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Reservation, Ticket, Used
from rotor_core._model import Limit
from rotor_core.stores.steady import Steady

# --- calls that were under way ---------------------------------------------------------------------------------------


def test_the_end_of_a_call_made_before_reaches_the_store_when_it_is_back(shared: Shared):
    steady, heard = process(shared)
    a = option("a", tpm(1000, "rolling"), at_a_time(1))
    of = plan(a)
    grant = steady.reserve(ask(of, 400))
    shared.fails = {"settle", "rest"}
    assert list(steady.settle(grant.id, Used(1, 100, 0))) == []
    assert taken(shared, a, "concurrent") == 1
    shared.up()
    assert steady.attempt() is None

    assert taken(shared, a, "concurrent") == 0
    assert taken(shared, a, "tokens") == 100
    assert [e.settled for e in heard.events if isinstance(e, StoreRegained)] == [1]


def test_a_slot_taken_before_is_taken_here_too_and_given_back_at_the_end(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(4))
    of = plan(a)
    grants = [steady.reserve(ask(of)) for _ in range(2)]
    shared.down()
    waiting = ask(of)
    calls: list[int] = []
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append(1))
    steady.settle(grants[0].id, AS_RESERVED)

    assert calls == [1]
    assert isinstance(steady.reserve(waiting), Reservation)


def test_a_grant_that_was_promised_stays_promised(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", rpm(1, "rolling")))
    steady.reserve(ask(of))
    later = steady.reserve(ask(of, max_wait=90))
    assert isinstance(later, Reservation)
    assert later.at > START + 59
    shared.down()
    shared.hands.at = later.at

    assert steady.dispatched(later.id) == later.at
    assert steady.dispatched("made elsewhere") == later.at
    steady.sent(later.id)


def test_a_call_made_here_is_settled_here_and_there_whenever_it_ends(shared: Shared):
    steady, _ = process(shared)
    a = option("a", tpm(1000, "rolling"), at_a_time(4))
    of = plan(a)
    shared.down()
    early, late = steady.reserve(ask(of, 100)), steady.reserve(ask(of, 100))
    steady.settle(early.id, Used(1, 30, 0))
    shared.up()
    steady.attempt()
    assert taken(shared, a, "tokens") == 130
    assert taken(shared, a, "concurrent") == 1
    assert steady.dispatched(late.id) == START
    steady.sent(late.id)
    steady.settle(late.id, Used(1, 70, 0))

    assert taken(shared, a, "tokens") == 100
    assert taken(shared, a, "concurrent") == 0
    steady.settle(late.id, Used(1, 500, 0))
    steady.settle(early.id, Used(1, 500, 0))
    assert taken(shared, a, "tokens") == 100


def test_a_call_under_way_for_which_the_store_has_no_slot_goes_without(shared: Shared):
    first, _ = process(shared)
    second, _ = process(shared)
    a = option("a", at_a_time(2))
    of = plan(a)
    shared.down()
    mine = first.reserve(ask(of))
    shared.up()
    assert served(second, of, 2) == 2
    assert first.attempt() is None
    assert list(first.settle(mine.id, AS_RESERVED)) == []

    assert taken(shared, a, "concurrent") == 2


def test_only_what_still_counts_is_carried_over(shared: Shared):
    steady, heard = process(shared)
    a = option("a", rpm(10, "rolling"), Limit("requests", 100, "day", "calendar"))
    of = plan(a)
    shared.down()
    for _ in range(4):
        grant = steady.reserve(ask(of))
        steady.settle(grant.id, AS_RESERVED)
    shared.hands.at += 61
    shared.up()
    steady.attempt()

    minute, day = shared.ledger.read([a])[0].limits
    assert (minute.used, day.used) == (0, 4)
    assert heard.events[-1] == StoreRegained(START + 61, "", "", 0, "redis://db:6379/0", 61.0, 4, 0, 0)


@pytest.mark.parametrize(
    ("limit", "demand", "amount"),
    [
        (Limit("input_tokens", 100, "hour", "rolling"), Demand(7, 3), 7),
        (Limit("output_tokens", 100, "hour", "rolling"), Demand(7, 3), 3),
        (Limit("audio_seconds", 100, "hour", "rolling"), Demand(audio_seconds=2.5), 2.5),
        (Limit("tokens", 100, "hour", "bucket"), Demand(7, 3), 10),
    ],
)
def test_every_unit_is_carried_over(shared: Shared, limit: Limit, demand: Demand, amount: float):
    steady, _ = process(shared)
    a = option("a", limit)
    shared.down()
    grant = steady.reserve(ask(plan(a), demand=demand))
    steady.settle(grant.id, AS_RESERVED)
    shared.up()
    steady.attempt()

    assert taken(shared, a, limit.unit) == pytest.approx(amount)


def test_what_was_used_counts_for_everybody_afterwards(shared: Shared):
    a = option("a", rpm(10, "rolling"))
    of = plan(a)
    first, _ = process(shared)
    second, _ = process(shared)
    shared.down()
    assert served(first, of, 10) + served(second, of, 10) == 10
    shared.up()
    first.attempt()
    second.attempt()

    assert served(first, of, 5) + served(second, of, 5) == 0


def test_a_reservation_whose_answer_was_lost_is_given_back(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(2))
    of = plan(a)
    shared.lossy = {"reserve"}
    grant = steady.reserve(ask(of))
    assert isinstance(grant, Reservation)
    assert taken(shared, a) == 1
    shared.lossy = ()
    steady.attempt()

    assert taken(shared, a) == 1
    assert taken(shared, a, "concurrent") == 1
    steady.settle(grant.id, AS_RESERVED)
    assert (taken(shared, a), taken(shared, a, "concurrent")) == (1, 0)


def test_those_who_wait_for_a_slot_there_wait_here_and_there_again(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(2))
    of = plan(a)
    grants = [steady.reserve(ask(of)) for _ in range(2)]
    waiting, calls = ask(of), list[str]()
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append("lost"))
    shared.down()
    steady.rest("somebody", START + 1, "x")
    assert calls == ["lost"]
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append("regained"))
    shared.up()
    steady.attempt()
    assert calls == ["lost", "regained"]
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.settle(grants[0].id, AS_RESERVED)

    assert isinstance(steady.reserve(waiting), Reservation)
    assert taken(shared, a, "concurrent") == 2


def test_who_cannot_be_watched_is_called_to_ask_again(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", at_a_time(1)))
    steady.reserve(ask(of))
    one, two = ask(of), ask(of)
    calls: list[str] = []
    assert isinstance(steady.reserve(one), Ticket)
    assert isinstance(steady.reserve(two), Ticket)
    shared.fails = {"watch", "rest"}
    steady.watch(one.id, lambda: calls.append("one"))
    steady.watch(two.id, lambda: calls.append("two"))

    assert calls == ["one", "two"]


def test_a_place_in_a_queue_here_can_be_given_up(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", at_a_time(1)))
    shared.down()
    steady.reserve(ask(of))
    waiting = ask(of)
    assert isinstance(steady.reserve(waiting), Ticket)
    assert list(steady.settle(waiting.id, NOTHING_USED)) == []
    shared.up()

    assert steady.attempt() is None


# --- between the two states ------------------------------------------------------------------------------------------


def test_an_instant_can_be_had_though_the_store_has_no_clock_to_ask(shared: Shared):
    steady, heard = process(shared)
    shared.down()

    assert steady.now() == START
    assert heard.names == ["store_lost"]


def test_a_grant_made_here_as_the_store_came_back_is_made_there_instead(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(3))
    of = plan(a)
    shared.down()
    steady.rest("x", START + 1, "x")
    outage = steady._outage
    assert outage is not None
    here = outage.reserve

    def late(wish: Any) -> Any:
        grant = here(wish)
        shared.up()
        steady.attempt()
        return grant

    outage.reserve = late  # type: ignore[method-assign]
    grant = steady.reserve(ask(of))
    shared.down()
    steady.rest("x", START + 1, "x")
    shared.up()
    steady.attempt()
    steady.settle(grant.id, AS_RESERVED)

    assert (taken(shared, a), taken(shared, a, "concurrent")) == (1, 0)


async def test_a_grant_made_here_as_the_store_came_back_is_made_there_asynchronously(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(3))
    shared.down()
    await steady.arest("x", START + 1, "x")
    outage = steady._outage
    assert outage is not None
    here = outage.reserve

    def late(wish: Any) -> Any:
        grant = here(wish)
        shared.up()
        steady.attempt()
        return grant

    outage.reserve = late  # type: ignore[method-assign]
    grant = await steady.areserve(ask(plan(a)))
    assert isinstance(grant, Reservation)
    assert shared.ledger.dispatched(grant.id) == START


def test_an_end_written_down_as_the_store_came_back_is_told_at_once(shared: Shared):
    steady = Steady(shared, "redis://db", clock=shared.hands)
    a = option("a", at_a_time(1))
    grant = steady.reserve(ask(plan(a)))
    steady._settle_later(grant.id, AS_RESERVED, None, ())
    for thread in threading.enumerate():
        if thread.name == "rotor-store-post":
            thread.join(20)

    assert taken(shared, a, "concurrent") == 0
    shared.fails = {"settle"}
    assert steady._deliver() == 0
    assert steady.state == "ok"
    steady._post.settle("x", AS_RESERVED, None, ())
    assert steady._deliver() == 0
    assert steady.state != "ok"
    steady.close()


def test_what_turned_out_to_be_granted_is_not_given_back(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(1))
    wish = ask(plan(a))
    steady._post.doubt(wish.id)
    assert isinstance(steady.reserve(wish), Reservation)
    assert not steady._post
    steady._post.rest("x", START + 1, "x")
    steady._post.rest("y", START - 1, "y")
    assert steady._post.deliver(shared, START) == 0
    assert not steady._post

    assert taken(shared, a, "concurrent") == 1
