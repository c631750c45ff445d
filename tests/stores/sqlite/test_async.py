"""The async face does at once what it can, and never keeps its loop waiting for another process."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time

import pytest
from tests.stores.made import START, ask, option, plan, rpm

from rotor_core._ledger import NOTHING_USED, Reservation, Used
from rotor_core._state.jitter import EVERY

A = option("a", rpm(9, "calendar"))
OF = plan(A)


@contextlib.contextmanager
def somebody_writing(path):
    """Another process in the middle of something."""
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield lambda: holder.execute("ROLLBACK") if holder.in_transaction else None
    finally:
        if holder.in_transaction:
            holder.execute("ROLLBACK")
        holder.close()


def noticed(monkeypatch, store, operation, *, after=False):
    """Set when the store's blocking operation has begun, in whichever thread; `after`: when it is over."""
    there, event = getattr(store, operation), threading.Event()

    def told(*given):
        if not after:
            event.set()
        answer = there(*given)
        event.set()
        return answer

    monkeypatch.setattr(store, operation, told)
    return event


async def test_the_async_face_gives_the_same_answers(site):
    store = site.open()
    grant = await store.areserve(ask(OF))
    assert isinstance(grant, Reservation)
    assert await store.adispatched(grant.id) == START
    assert await store.asettle(grant.id, Used(1, 5, 5), 0.2) == []
    await store.arest("deployment:a", START + 9, "timeout")
    assert (await store.aread([A]))[0].rests_until == START + 9
    await store.areset([A])
    assert (await store.aread([A]))[0].rests_until is None
    await store.aclose()


async def test_what_can_be_done_at_once_needs_no_thread(site, monkeypatch):
    store = site.open()
    store.read([A])
    monkeypatch.setattr(asyncio, "to_thread", None)

    grant = await store.areserve(ask(OF))
    await store.asettle(grant.id, NOTHING_USED)


async def test_while_another_process_writes_the_loop_goes_on(site, monkeypatch):
    store = site.open()
    store.read([A])
    begun = noticed(monkeypatch, store, "reserve")
    with somebody_writing(site.path) as stop:
        tasks = [asyncio.create_task(store.areserve(ask(OF))) for _ in range(3)]
        tasks.append(asyncio.create_task(store.aread([A])))
        assert await asyncio.to_thread(begun.wait, 10)
        ticks = 0
        for _ in range(20):
            await asyncio.sleep(0)
            ticks += 1
        assert not any(task.done() for task in tasks)
        stop()
        grants = await asyncio.gather(*tasks)

    assert ticks == 20
    assert all(isinstance(grant, Reservation) for grant in grants[:3])


async def test_who_gives_up_while_another_process_writes_has_taken_nothing(site, monkeypatch):
    store = site.open()
    store.read([A])
    begun, given_back = noticed(monkeypatch, store, "reserve"), noticed(monkeypatch, store, "settle", after=True)
    with somebody_writing(site.path) as stop:
        task = asyncio.create_task(store.areserve(ask(OF)))
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stop()
        assert await asyncio.to_thread(given_back.wait, 10)

    assert store._turns.book.shelf.stats["a"].served == 1
    assert not store._turns.book.open
    limits = store.read([A])[0].limits[0]
    assert (limits.used, limits.reserved) == (0, 0)


async def test_a_settlement_in_the_middle_of_a_turn_waits_for_its_end_here_too(site):
    store = site.open()
    open_ = store.reserve(ask(OF))

    def score(_):
        with contextlib.suppress(StopIteration):
            store.asettle(open_.id, NOTHING_USED).send(None)
        return 0.0

    await store.areserve(ask(plan(A, score=score)))

    assert store.read([A])[0].limits[0].reserved == 1


def test_the_instant_of_dispatch_is_noted_where_it_is_late(site):
    store = site.open()
    a = option("a", rpm(1))
    grant = store.reserve(ask(plan(a)))
    row = store._turns.seq
    store.sent(grant.id)
    assert store._turns.seq == row, "as granted: nothing to write"

    site.hands.at += 10.0
    store.sent(grant.id)

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(START + 70.0)
    store.sent("nobody's")


def test_the_guard_is_learned_from_dispatches_that_need_no_writing(site):
    store = site.open(guard=0.045)
    store.read([A])
    before = store._turns.book.guards.delay
    of = plan(option("b", rpm(10_000)))
    for _ in range(EVERY):
        grant = store.reserve(ask(of))
        store.sent(grant.id)
        store.settle(grant.id, NOTHING_USED)

    assert store._turns.book.guards.delay < before


def test_noting_a_dispatch_while_somebody_decides_is_done_when_they_have(site):
    store = site.open()
    a = option("a", rpm(1))
    grant = store.reserve(ask(plan(a)))
    site.hands.at += 10.0
    holds, over = threading.Event(), threading.Event()

    def decide():
        store._turns.hold()
        holds.set()
        over.wait(10)
        store._turns.go_on()

    deciding = threading.Thread(target=decide)
    deciding.start()
    holds.wait(10)
    store.sent(grant.id)
    saying = store._sayer
    over.set()
    deciding.join(10)
    saying.join(10)

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(START + 70.0)


def test_noting_a_dispatch_never_waits_and_is_done_when_others_let_us(site):
    store = site.open()
    a = option("a", rpm(1))
    grant = store.reserve(ask(plan(a)))
    site.hands.at += 10.0
    with somebody_writing(site.path) as stop:
        begun = time.perf_counter()
        store.sent(grant.id)
        store.sent(grant.id)
        assert time.perf_counter() - begun < 0.5
        stop()
        for thread in threading.enumerate():
            if thread.name == "rotor-sent":
                thread.join(10)

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(START + 70.0)


def test_noting_a_dispatch_never_raises(site, monkeypatch):
    store = site.open(patience=0.01)
    grant = store.reserve(ask(OF))
    site.hands.at += 10.0
    store._file.execute("PRAGMA query_only = 1")
    store.sent(grant.id)
    with somebody_writing(site.path):
        store._file.open()
        store.sent(grant.id)
        for thread in threading.enumerate():
            if thread.name == "rotor-sent":
                thread.join(10)

    assert store.read([A])[0].limits[0].reserved == 1
    assert store._sayer is None
