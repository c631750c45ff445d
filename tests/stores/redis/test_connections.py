"""Connections to a Redis: few for many requests, and none shared between event loops or processes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.stores.made import ask, option, plan, rpm
from tests.stores.redis.clients import listening

from rotor_core._ledger import Reservation
from rotor_core.stores._redis_transport import _OPTIONS
from rotor_core.stores.steady import Steady


@pytest.fixture
def patient(monkeypatch):
    """A busy machine is not what these are about."""
    for name in ("socket_connect_timeout", "socket_timeout"):
        monkeypatch.setitem(_OPTIONS, name, 20.0)


async def test_any_number_of_requests_ask_at_once_over_a_few_connections(make, server, hands, patient):
    store, of = make(clock=hands), plan(option("a", rpm(1000)))

    grants = await asyncio.gather(*(store.areserve(ask(of)) for n in range(500)))

    assert all(isinstance(grant, Reservation) for grant in grants)
    assert server.client().info("clients")["connected_clients"] < 100


def test_any_number_of_threads_ask_at_once_over_a_few_connections(make, hands, patient):
    store, of, together = make(clock=hands), plan(option("a", rpm(1000))), threading.Barrier(150)

    def one(_):
        together.wait(20)
        return store.reserve(ask(of))

    with ThreadPoolExecutor(150) as pool:
        grants = list(pool.map(one, range(150)))

    assert all(isinstance(grant, Reservation) for grant in grants)


@pytest.mark.parametrize("held_up", [1.3, 2.6])
async def test_a_loop_that_was_held_up_does_not_lose_it(make, hands, held_up, monkeypatch):
    """A host's first call imports half of its packages on the loop: no time of the server's was that."""
    store, of = Steady(make(clock=hands), "redis://here", "local"), plan(option("a", rpm(10)))
    asking, loop = asyncio.create_task(store.areserve(ask(of))), asyncio.get_running_loop()
    clock = loop.time
    await asyncio.sleep(0)
    assert not asking.done()
    monkeypatch.setattr(loop, "time", lambda: clock() + held_up)  # what the loop knows of work that took so long

    assert isinstance(await asking, Reservation)
    assert await store.aread([option("a", rpm(10))])
    assert store.state == "ok"
    await store.aclose()


def test_every_event_loop_has_connections_of_its_own(make, hands):
    store = make(clock=hands)
    of = plan(option("a", rpm(10)))

    async def once():
        return await store.areserve(ask(of))

    assert isinstance(asyncio.run(once()), Reservation)
    assert isinstance(asyncio.run(once()), Reservation)
    assert len(store._transport._loops) == 0  # closed with their loops


def test_a_fork_has_nothing_in_flight_and_connections_of_its_own(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", rpm(5)))
    store.reserve(ask(of))
    store.hold()
    store.go_on()
    calls = store._calls
    store.start_over()
    calls.close()

    assert isinstance(store.reserve(ask(of)), Reservation)
