"""Waiting for a slot: who is called, when, and that nobody is forgotten."""

from __future__ import annotations

import threading
import time

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Reservation, Ticket
from rotor_core._model import BoundLimit, Limit
from rotor_core.stores.memory import MemoryStore


def waiting(store, of, *names, **more):
    """Tickets by name, and a list that fills with the names of those who are called."""
    called = []
    asks = {name: ask(of, id=name, **more) for name in names}
    for name, one in asks.items():
        assert isinstance(store.reserve(one), Ticket)
        store.watch(name, lambda name=name: called.append(name))
    return asks, called


def test_with_all_slots_taken_the_answer_is_a_ticket_that_takes_nothing():
    store, _ = world()
    one = option("a", at_a_time(1), rpm(10, "calendar"))
    of = plan(one)
    store.reserve(ask(of))
    ticket = store.reserve(ask(of, id="t", max_wait=20.0))

    assert ticket == Ticket("t", START, START + 20.0, START + 20.0)
    slots, requests = store.read([one])[0].limits
    assert (slots.reserved, requests.reserved) == (1, 1)


def test_when_a_slot_is_freed_the_first_in_the_queue_is_called_and_has_its_reservation():
    store, hands = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "first", "second")
    hands.at += 2.0
    store.settle(holder.id, AS_RESERVED)

    assert called == ["first"]
    grant = store.reserve(asks["first"])
    assert (grant.at, grant.asked_at) == (START + 2.0, START)
    assert isinstance(store.reserve(asks["second"]), Ticket)


def test_who_came_later_does_not_overtake():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "first")
    store.settle(holder.id, AS_RESERVED)

    assert isinstance(store.reserve(ask(of)), Ticket)
    assert isinstance(store.reserve(asks["first"]), Reservation)


def test_the_queue_is_first_come_first_served_but_for_priority():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "one", "two")
    more, urgent = waiting(store, of, "three", "four", priority=5)
    asks |= more
    for _ in range(5):
        store.settle(holder.id, AS_RESERVED)
        done = called + urgent
        holder = next((store.reserve(a) for n, a in asks.items() if n in done and store._book.open.get(n)), holder)

    assert urgent == ["three", "four"]
    assert called == ["one", "two"]


def test_waiters_of_several_plans_stand_in_one_line():
    store, _ = world()
    gpu = BoundLimit("gpu", at_a_time(1))
    mine, theirs, other = plan(option("a", gpu)), plan(option("b", gpu)), plan(option("c", at_a_time(1)))
    holder, elsewhere = store.reserve(ask(mine)), store.reserve(ask(other))
    _, called = waiting(store, theirs, "first")
    _, later = waiting(store, mine, "second")
    _, apart = waiting(store, other, "apart")
    store.settle(holder.id, AS_RESERVED)
    assert (called, later, apart) == (["first"], [], [])

    store.settle("first", AS_RESERVED)
    assert (called, later, apart) == (["first"], ["second"], [])
    store.settle(elsewhere.id, AS_RESERVED)
    assert apart == ["apart"]


def test_a_waiter_is_chosen_for_again_over_its_whole_plan():
    store, _ = world()
    a, b = option("a", at_a_time(1)), option("b", at_a_time(1))
    of = plan((a, b), score=in_order())
    store.reserve(ask(of))
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "mine")
    store.settle(holder.id, AS_RESERVED)

    assert called == ["mine"]
    assert store.reserve(asks["mine"]).deployment == "b"


def test_one_that_cannot_use_the_slot_leaves_it_to_the_next():
    store, _ = world()
    small, large = option("small", at_a_time(1), tpm(100, "calendar")), option("large", at_a_time(1))
    of = plan((small, large), score=in_order())
    first, _ = store.reserve(ask(of)), store.reserve(ask(of))
    _, called = waiting(store, of, "big", tokens=500)
    _, also = waiting(store, of, "little", tokens=5)
    store.settle(first.id, AS_RESERVED)

    assert (called, also) == ([], ["little"])


def test_a_slot_whose_window_has_no_room_yet_is_granted_for_the_instant_at_which_it_has():
    store, hands = world()
    of = plan(option("a", at_a_time(1), rpm(2, "rolling")))
    holder = store.reserve(ask(of))
    store.settle(holder.id, AS_RESERVED)
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "mine", max_wait=100.0)
    hands.at += 5
    store.settle(holder.id, AS_RESERVED)

    assert called == ["mine"]
    assert store.reserve(asks["mine"]).at == START + 60.025


def test_a_refund_may_call_a_waiter_too():
    store, _ = world()
    slot, window = option("slot", at_a_time(1)), option("window", rpm(1, "calendar"))
    of = plan((slot, window), score=in_order())
    store.reserve(ask(of))
    full = store.reserve(ask(of))
    assert full.deployment == "window"
    asks, called = waiting(store, of, "mine", "yours", max_wait=20.0)
    store.settle(full.id, NOTHING_USED)

    assert called == ["mine"]
    assert store.reserve(asks["mine"]).deployment == "window"


def test_what_needs_two_slots_waits_for_two():
    store, _ = world()
    of = plan(option("a", at_a_time(2)))
    holders = [store.reserve(ask(of)) for _ in range(2)]
    asks, called = waiting(store, of, "pair", demand=Demand(requests=2))
    store.settle(holders[0].id, AS_RESERVED)
    assert called == []

    store.settle(holders[1].id, AS_RESERVED)
    assert called == ["pair"]


def test_cancelling_a_ticket_takes_it_out_of_the_queue():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    asks, called = waiting(store, of, "gone", "next")
    store.settle("gone", NOTHING_USED)
    store.settle(holder.id, AS_RESERVED)

    assert called == ["next"]


def test_cancelling_after_being_called_passes_the_slot_on():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    _, called = waiting(store, of, "gone", "next")
    store.settle(holder.id, AS_RESERVED)
    store.settle("gone", NOTHING_USED)

    assert called == ["gone", "next"]


def test_who_has_given_up_is_passed_over():
    store, hands = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    _, hasty = waiting(store, of, "hasty", max_wait=1.0)
    _, called = waiting(store, of, "patient")
    hands.at += 2
    store.settle(holder.id, AS_RESERVED)

    assert (hasty, called) == ([], ["patient"])


def test_who_is_long_gone_is_forgotten():
    store, hands = world(lease=5.0)
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    waiting(store, of, "gone", max_wait=1.0)
    hands.at += 3
    store.settle(holder.id, AS_RESERVED)
    assert len(store._book.queue) == 1

    holder = store.reserve(ask(of))
    hands.at += 4
    store.settle(holder.id, AS_RESERVED)
    assert len(store._book.queue) == 0


def test_watching_a_ticket_that_was_called_already_calls_at_once():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    holder = store.reserve(ask(of))
    store.reserve(ask(of, id="mine"))
    store.settle(holder.id, AS_RESERVED)
    called = []
    store.watch("mine", lambda: called.append("mine"))
    store.watch("never heard of", lambda: called.append("other"))

    assert called == ["mine", "other"]


def test_when_a_lease_ends_the_first_in_the_queue_is_called_by_whoever_comes_by():
    store, hands = world(lease=5.0)
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    asks, called = waiting(store, of, "first", "second", max_wait=100.0)
    ticket = store.reserve(asks["second"])
    assert ticket.check_at == START + 5.0

    hands.at = ticket.check_at
    assert isinstance(store.reserve(asks["second"]), Ticket)
    assert called == ["first"]
    assert isinstance(store.reserve(asks["first"]), Reservation)


def test_a_callback_that_fails_fails_nobody_else(caplog):
    store, _ = world()
    of = plan(option("a", at_a_time(2)))
    holders = [store.reserve(ask(of)) for _ in range(2)]
    for name in ("closed", "open"):
        store.reserve(ask(of, id=name))
    called = []

    def fail():
        raise RuntimeError("Event loop is closed")

    store.watch("closed", fail)
    store.watch("open", lambda: called.append("open"))
    for holder in holders:
        store.settle(holder.id, AS_RESERVED)

    assert called == ["open"]
    assert "could not be called" in caplog.text


def test_a_pool_of_a_thousand_busy_options_answers_with_a_ticket():
    store, _ = world()
    of = plan(tuple(option(f"o{n}", at_a_time(1), rpm(1000)) for n in range(1000)))
    holders = [store.reserve(ask(of)) for _ in range(1000)]
    assert len({h.deployment for h in holders}) == 1000

    asks, called = waiting(store, of, "mine")
    store.settle(holders[777].id, AS_RESERVED)
    assert called == ["mine"]
    assert store.reserve(asks["mine"]).deployment == holders[777].deployment


@pytest.mark.parametrize("slots", [1, 3])
def test_under_threads_no_wake_up_is_lost_and_no_slot_is_taken_twice(slots):
    store = MemoryStore()
    of = plan((option("a", at_a_time(slots)), option("b", at_a_time(slots))))
    running, most, served, wrong = 0, 0, [], []
    guard = threading.Lock()

    def work(worker):
        nonlocal running, most
        for n in range(25):
            mine = ask(of, id=f"{worker}.{n}", max_wait=60.0)
            grant = store.reserve(mine)
            while isinstance(grant, Ticket):
                called = threading.Event()
                store.watch(grant.id, called.set)
                # Long before the ticket is worth checking: who is not called by then was forgotten.
                if not called.wait(30):
                    wrong.append(grant)
                    return
                grant = store.reserve(mine)
            if not isinstance(grant, Reservation):
                wrong.append(grant)
                return
            with guard:
                running += 1
                most = max(most, running)
            time.sleep(0.0005)
            with guard:
                running -= 1
            store.settle(mine.id, AS_RESERVED)
            served.append(mine.id)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert wrong == []
    assert len(served) == 300
    assert most <= 2 * slots
    assert len(store._book.queue) == 0
    assert store._book.open == {}


def test_a_slot_that_is_freed_before_its_window_opens_has_the_waiter_ask_again_at_that_instant():
    store, hands = world()
    of = plan((option("a", at_a_time(1), Limit("requests", 1, 10.0, "rolling")), option("b", at_a_time(1))))
    held = {grant.deployment: grant.id for grant in (store.reserve(ask(of)), store.reserve(ask(of)))}
    asks, called = waiting(store, of, "waiter", max_wait=60.0)

    hands.at += 2.0
    store.settle(held["a"], AS_RESERVED)

    assert called == ["waiter"]
    again = store.reserve(asks["waiter"])
    assert isinstance(again, Ticket)
    assert again.check_at == pytest.approx(START + 10.0, abs=0.1)
    hands.at = again.check_at
    assert store.reserve(asks["waiter"]).deployment == "a"


def test_room_that_is_given_back_goes_to_the_first_for_whom_it_is_enough():
    store, _ = world()
    slot, window = option("slot", at_a_time(1)), option("window", tpm(100, "rolling"))
    store.reserve(ask(plan(slot)))
    held = [store.reserve(ask(plan(window), tokens=50)) for _ in range(2)]
    of = plan((slot, window))
    large, called = waiting(store, of, "large", tokens=90)
    small, called_too = waiting(store, of, "small", tokens=10)

    store.settle(held[0].id, NOTHING_USED)

    assert (called, called_too) == ([], ["small"])
    assert store.reserve(small["small"]).deployment == "window"
    assert isinstance(store.reserve(large["large"]), Ticket)


def test_a_reset_calls_those_for_whom_it_opens_something():
    store, hands = world()
    options = option("a", at_a_time(1)), option("b", at_a_time(1))
    of = plan(options)
    held = store.reserve(ask(of))
    other = next(one for one in options if one.id != held.deployment)
    store.rest(other.scopes[0], hands.at + 3_600, "rate_limit")
    ticket, called = store.reserve(ask(of, max_wait=60.0)), []
    assert isinstance(ticket, Ticket)
    store.watch(ticket.id, lambda: called.append(True))

    store.reset(options)

    assert called == [True]
