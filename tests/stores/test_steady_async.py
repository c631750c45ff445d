"""A shared ledger that goes away, for those who await it: nobody waits for a dead store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.stores.away import Shared, process, taken
from tests.stores.made import START, ask, at_a_time, option, plan, rpm
from tests.virtual_time import held_up, in_virtual_time

from rotor_core import StoreError, StoreLost
from rotor_core._ledger import AS_RESERVED, Reservation


async def test_the_asynchronous_face_gives_the_stores_own_answers(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(2, "rolling"))
    first = await steady.areserve(ask(plan(a)))

    assert await steady.adispatched(first.id) == START
    assert list(await steady.asettle(first.id, AS_RESERVED)) == []
    await steady.arest(a.scopes[0], START + 5, "x")
    assert await steady.aread([a]) == shared.ledger.read([a])
    await steady.areset([a], windows=True)
    await steady.aclose()
    assert shared.asked[-1] == "aclose"


async def test_the_asynchronous_face_goes_on_without_the_store(shared: Shared):
    steady, heard = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(4))
    of = plan(a)
    before = await steady.areserve(ask(of))
    shared.down()
    during = await steady.areserve(ask(of))
    assert isinstance(during, Reservation)
    assert await steady.adispatched(during.id) == START
    assert await steady.adispatched(before.id) == START
    assert list(await steady.asettle(before.id, AS_RESERVED)) == []
    assert list(await steady.asettle(during.id, AS_RESERVED)) == []
    await steady.arest("x", START + 1, "x")
    assert (await steady.aread([a]))[0].limits[0].limit.value == 5
    with pytest.raises(StoreError, match="can be reset"):
        await steady.areset([a])
    shared.up()
    steady.attempt()

    assert (taken(shared, a), taken(shared, a, "concurrent")) == (2, 0)
    assert heard.names == ["store_lost", "store_regained"]


@pytest.mark.parametrize("operation", ["areserve", "adispatched", "asettle", "arest", "aread", "areset"])
async def test_each_asynchronous_operation_finds_out_that_the_store_is_away(shared: Shared, operation: str):
    steady, heard = process(shared)
    a = option("a")
    grant = await steady.areserve(ask(plan(a)))
    shared.down()
    arguments: dict[str, tuple[Any, ...]] = {
        "areserve": (ask(plan(a)),),
        "adispatched": (grant.id,),
        "asettle": (grant.id, AS_RESERVED),
        "arest": ("x", START + 1, "x"),
        "aread": ([a],),
        "areset": ([a],),
    }
    try:
        await getattr(steady, operation)(*arguments[operation])
    except StoreError:
        assert operation == "areset"

    assert heard.names == ["store_lost"]


@in_virtual_time
async def test_a_hanging_store_is_given_up_and_the_loop_goes_on_meanwhile(shared: Shared):
    steady, heard = process(shared, patience=0.05)
    shared.hangs = True
    turns = [0]

    async def others() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0.005)

    task = asyncio.create_task(others())
    grant = await steady.areserve(ask(plan(option("a"))))
    task.cancel()

    assert isinstance(grant, Reservation)
    assert turns[0] >= 3
    assert asyncio.get_running_loop().time() == pytest.approx(0.05)
    assert [e.reason for e in heard.events if isinstance(e, StoreLost)] == ["no answer within 0.05 s"]


@in_virtual_time
async def test_a_loop_that_was_held_up_does_not_make_the_store_lost(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    steady, heard = process(shared, patience=0.05)
    times = [0]
    there = shared.areserve

    async def slow(wish: Any) -> Any:
        times[0] += 1
        for _ in range(3):  # a round trip each, between others' blocking work
            held_up(0.04)
            await asyncio.sleep(0.001)
        return await there(wish)

    monkeypatch.setattr(shared, "areserve", slow)
    grant = await steady.areserve(ask(plan(option("a"))))

    assert isinstance(grant, Reservation)
    assert times == [1]
    assert heard.events == []


@in_virtual_time
async def test_a_loop_that_is_held_up_without_end_gives_up_at_last(shared: Shared):
    steady, heard = process(shared, patience=0.05)
    shared.hangs = True

    async def others() -> None:
        while True:
            held_up(0.03)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    grant = await steady.areserve(ask(plan(option("a"))))
    task.cancel()

    assert isinstance(grant, Reservation)
    assert heard.names == ["store_lost"]
