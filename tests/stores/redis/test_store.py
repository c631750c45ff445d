"""What a store in Redis has besides a ledger's answers: several clients, one queue, few round trips, one clock."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from tests.stores.made import START, Hands, ask, at_a_time, option, plan, rpm, tpm
from tests.stores.redis.clients import calls_of, listening
from tests.waiting import until_blocking

from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Ticket, Used
from rotor_core._model import Limit


def test_what_one_client_takes_another_cannot(make, hands):
    one, two = make(clock=hands), make(clock=hands)
    of = plan(option("a", rpm(1)))

    assert isinstance(one.reserve(ask(of)), Reservation)
    assert isinstance(two.reserve(ask(of, max_wait=0.0)), Refusal)


def test_asking_twice_takes_once_from_whichever_client(make, hands):
    one, two = make(clock=hands), make(clock=hands)
    a = option("a", rpm(2))
    mine = ask(plan(a))
    first, again = one.reserve(mine), two.reserve(mine)

    assert first == again
    assert two.read([a])[0].limits[0].reserved == 1


def test_a_second_settle_changes_nothing(make, hands):
    store = make(clock=hands)
    a = option("a", tpm(100, "calendar"))
    grant = store.reserve(ask(plan(a), tokens=40))
    store.settle(grant.id, Used(1, 10, 0))
    store.settle(grant.id, Used(1, 90, 0))

    assert store.read([a])[0].limits[0].used == 10


def test_a_reservation_that_nobody_settles_keeps_its_charge_and_gives_its_slot_back(make, hands):
    store = make(clock=hands, lease=5.0)
    a = option("a", at_a_time(1), rpm(5, "calendar"))
    store.reserve(ask(plan(a)))
    hands.at += 5.1

    slots, requests = store.read([a])[0].limits
    assert (slots.reserved, requests.used, requests.reserved) == (0, 1, 0)


def test_one_round_trip_to_reserve_and_one_to_settle(make, server, hands):
    store = make(clock=hands)
    of = plan((option("a", rpm(1e6), tpm(1e9, "rolling")), option("b", rpm(1e6, "calendar"))))
    store.settle(store.reserve(ask(of)).id, NOTHING_USED)
    before = calls_of(server)
    for _ in range(1000):
        store.settle(store.reserve(ask(of)).id, Used(1, 5, 2), 0.2)

    assert calls_of(server) - before == 2000


def test_a_slot_that_is_freed_elsewhere_is_handed_to_the_first_who_waits(make, hands):
    holder, first, second = make(clock=hands), listening(make(clock=hands)), listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = holder.reserve(ask(of))
    called = threading.Event()
    early, late = ask(of), ask(of)
    for store, mine, call in ((first, early, called.set), (second, late, lambda: None)):
        assert isinstance(store.reserve(mine), Ticket)
        store.watch(mine.id, call)
    hands.at += 1.0
    holder.settle(held.id, AS_RESERVED)

    assert called.wait(10)
    assert isinstance(second.reserve(late), Ticket)
    grant = first.reserve(early)
    assert (grant.at, grant.asked_at) == (START + 1.0, START)


def test_a_higher_priority_is_called_first_and_nobody_is_overtaken_for_ever(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    asks = {
        name: ask(of, id=f"{name}-{hands.at}", priority=5 * (name != "calm")) for name in ("calm", "u1", "u2", "u3")
    }
    for mine in asks.values():
        assert isinstance(store.reserve(mine), Ticket)
    served = []
    for _ in range(4):
        store.settle(held.id, AS_RESERVED)
        grants = {name: store.reserve(mine) for name, mine in asks.items() if name not in served}
        name, held = next((name, grant) for name, grant in grants.items() if isinstance(grant, Reservation))
        served.append(name)

    assert served == ["u1", "u2", "calm", "u3"]


def test_who_is_gone_is_passed_over_and_a_slot_that_was_not_fetched_goes_on(make, hands):
    store, gone, waits = make(clock=hands), make(clock=hands), listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    gone._calls.listen = lambda: None  # it never hears of anything
    assert isinstance(gone.reserve(ask(of)), Ticket)
    hands.at += 3.0
    mine, later = ask(of), ask(of)
    assert isinstance(waits.reserve(mine), Ticket)
    assert isinstance(waits.reserve(later), Ticket)
    store.settle(held.id, AS_RESERVED)
    hands.at += 6.0

    assert isinstance(waits.reserve(later), Reservation)  # `mine` was handed it and did not come
    assert isinstance(waits.reserve(mine), Ticket)


def test_whoever_watches_before_the_connection_stands_is_called_when_it_does(make, hands):
    store = make(clock=hands)
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    mine, called = ask(of), threading.Event()
    assert isinstance(asyncio.run(store.areserve(mine)), Ticket)
    store.watch(mine.id, called.set)

    assert called.wait(10)
    called.clear()
    assert isinstance(store.reserve(mine), Ticket)
    store.watch(mine.id, called.set)
    store.settle(held.id, AS_RESERVED)
    assert called.wait(10)
    assert isinstance(store.reserve(mine), Reservation)


def test_a_call_that_comes_before_the_watch_is_not_lost(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    mine, called = ask(of), threading.Event()
    store.reserve(mine)
    store.settle(held.id, AS_RESERVED)
    until_blocking(lambda: store._calls._early)
    store.watch(mine.id, called.set)

    assert called.is_set()


def test_a_ticket_that_is_settled_leaves_the_queue(make, server, hands):
    store = make(clock=hands)
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    mine = ask(of)
    assert isinstance(store.reserve(mine), Ticket)
    store.settle(mine.id, NOTHING_USED)

    assert server.client().zcard(f"{{rotor:{store.namespace}}}:queue") == 0


def test_of_two_configurations_that_disagree_the_one_read_last_holds(make, hands, caplog):
    one, two = make(clock=hands), make(clock=hands)
    small, large = option("a", rpm(1)), option("a", rpm(5))
    one.reserve(ask(plan(small)))
    with caplog.at_level(logging.WARNING):
        two.reserve(ask(plan(large)))

    assert caplog.text.count("was declared otherwise") == 1
    assert one.read([large])[0].limits[0].limit.value == 5


async def test_both_faces_are_one_ledger(make, hands):
    store = make(clock=hands)
    a = option("a", rpm(3), scopes=("provider:p",))
    of = plan(a)
    grant = await store.areserve(ask(of))
    await store.asettle(grant.id, Used(1, 3, 4), 0.5)
    await store.arest("provider:p", hands.at + 3.0, "tired")
    later = store.reserve(ask(of))
    hands.at = later.at
    assert await store.adispatched(later.id) == later.at
    assert await store.aread([a]) == store.read([a])
    await store.areset([a], windows=True)
    assert (await store.aread([a]))[0].resting is None
    await store.aclose()


def test_a_late_dispatch_moves_the_charge_when_it_is_said(make, hands):
    store = make(clock=hands)
    a = option("a", rpm(1, "rolling"))
    grant = store.reserve(ask(plan(a)))
    hands.at += 2.0
    store.sent(grant.id)
    store._stop_sending()

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(hands.at + 60.0, abs=0.1)


def test_a_dispatch_that_could_not_be_said_is_part_of_settling(make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(1, "rolling"))
    grant = store.reserve(ask(plan(a)))
    hands.at += 2.0
    monkeypatch.setattr(store, "_send_late", lambda: None)
    store.sent(grant.id)
    store.settle(grant.id, AS_RESERVED)

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(hands.at + 60.0, abs=0.1)


def test_the_servers_own_clock_is_learned_from_replies(make):
    store = make()
    a = option("a", rpm(5))
    grant = store.reserve(ask(plan(a)))

    assert abs(store.now() - grant.at) < 1.0
    store.sent(grant.id)
    store.settle(grant.id, AS_RESERVED)


def test_the_hands_may_be_turned_back(make):
    hands = Hands()
    store = make(clock=hands)
    of = plan(option("a", Limit("requests", 1, 10.0)))
    store.reserve(ask(of))
    hands.at -= 50.0

    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)
