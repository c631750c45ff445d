"""Streams that LiteLLM reads for its callers: when their first chunk came is known, and one that flows stands in nobody's way."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from tests.litellm.made import HELLO, PAID, by, entry, free, router
from tests.waiting import until, until_blocking

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm.trail import sweep

USAGE = {"stream": True, "stream_options": {"include_usage": True}}
ENOUGH = 12


async def read(r: Any) -> None:
    async for _ in await r.acompletion(model="lab", messages=HELLO, max_tokens=5, **USAGE):
        pass


def overdue(engine: Any) -> bool:
    """Whether a call under way takes longer than it should."""
    health = engine.health
    return any(at < engine.store.now() and call in health._flights for at, call in health._due)


async def test_a_stream_that_flows_for_long_keeps_nobody_from_its_deployment(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    strategy = rotor_litellm.install(r)
    engine = strategy.rotor._live
    for _ in range(ENOUGH):
        await read(r)
    await until(lambda: engine.health.in_flight == 0)
    long = await r.acompletion(model="lab", messages=HELLO, max_tokens=50, **USAGE)
    await anext(long)
    await until(lambda: overdue(engine))
    waits: list[Any] = []
    strategy.rotor.on("exhausted", waits.append)

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    assert waits == []  # an overdue one is waited for
    assert [c async for c in long]


async def test_a_stream_whose_first_chunk_is_overdue_sends_others_elsewhere(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    strategy = rotor_litellm.install(r)
    engine = strategy.rotor._live
    for _ in range(ENOUGH):
        await read(r)
    await until(lambda: engine.health.in_flight == 0)
    box.fault("hang", provider="one", times=1)
    hung = asyncio.create_task(read(r))
    await until(lambda: overdue(engine))

    assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) == "two-1"
    box.release()
    await hung


def test_blocking_streams_teach_how_long_a_first_chunk_takes(box: Sandbox):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)

    assert list(r.completion(model="lab", messages=HELLO, max_tokens=5, **USAGE))
    settled(strategy)

    first = strategy.rotor.health("one-1")["one-1"]["first_chunk_ms"]["p50"]
    assert first is not None
    assert 0 < first < 5000


def test_how_long_a_first_chunk_took_is_no_matter_of_the_stores_clock(box: Sandbox, monkeypatch: Any):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    store = strategy.rotor._live.store
    ahead, now = 3600.0, store._clock  # type: ignore[attr-defined]
    monkeypatch.setattr(store, "_clock", lambda: now() + ahead)
    monkeypatch.setattr(store._turn, "_clock", lambda: now() + ahead)  # type: ignore[attr-defined]

    assert list(r.completion(model="lab", messages=HELLO, max_tokens=5, **USAGE))
    settled(strategy)

    assert strategy.rotor.health("one-1")["one-1"]["first_chunk_ms"]["p50"] > 0


def test_a_blocking_stream_holds_its_seat_while_its_thread_makes_other_calls(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"concurrent": 2}])))
    strategy = rotor_litellm.install(r)
    stream = r.completion(model="lab", messages=HELLO, max_tokens=50, **USAGE)
    next(stream)

    for _ in range(3):
        r.completion(model="lab", messages=HELLO, max_tokens=5)

    settled(strategy, but=1)
    assert strategy.rotor.status()["deployments"][0]["limits"][0]["remaining"] == 1
    assert list(stream)
    settled(strategy)


def test_a_blocking_stream_that_is_left_is_let_go_when_litellm_has_let_go_of_it(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"concurrent": 2}])))
    strategy = rotor_litellm.install(r)
    stream = r.completion(model="lab", messages=HELLO, max_tokens=50, **USAGE)
    next(stream)
    del stream

    for _ in range(3):  # LiteLLM keeps the last one until another call is made; it and its record hold each other
        assert by(r.completion(model="lab", messages=HELLO, max_tokens=5)) == "one-1"
        gc.collect()
    sweep()

    settled(strategy)


def test_a_blocking_stream_that_flows_for_long_keeps_nobody_from_its_deployment(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    strategy = rotor_litellm.install(r)
    engine = strategy.rotor._live
    for _ in range(ENOUGH):
        assert list(r.completion(model="lab", messages=HELLO, max_tokens=5, **USAGE))
    settled(strategy)
    long = r.completion(model="lab", messages=HELLO, max_tokens=50, **USAGE)
    next(long)
    until_blocking(lambda: overdue(engine))

    answer = r.completion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    assert list(long)


def settled(strategy: rotor_litellm.RotorStrategy, *, but: int = 0) -> None:
    """LiteLLM tells of blocking calls' ends from a thread of its own."""
    engine, book = strategy.rotor._live, strategy.rotor._live.store._book  # type: ignore[attr-defined]
    until_blocking(lambda: engine.health.in_flight == len(book.open) == but)
