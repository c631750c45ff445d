"""Whoever is cut off gives everything back: capacity, places, connections, tasks. At every await, and at any instant.

What cannot be given back at once is what nobody asks to be: a stream that is held and not read keeps its seat until it
is closed, collected, or its lease is over; one whose event loop has ended without its last words, until the lease is.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.kernel.cancelling import (
    POOLS,
    House,
    Interrupted,
    Interrupting,
    Yielding,
    at_random,
    cut_at,
    health_of,
    interrupted_after,
    ledger_of,
    seats_taken,
    until_it_waits,
    ways,
)
from tests.kernel.made import answer, catalog, deployment, failure

from rotor_core import _flow
from rotor_core._adrive import adrive, adrive_stream
from rotor_core._drive import drive, drive_stream
from rotor_core._errors import RotorError, StreamBroken
from rotor_core._model import Limit
from rotor_core._outcome import Chunk
from rotor_core.rotor import Rotor
from rotor_core.stores.memory import MemoryStore


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_unheard(request: pytest.FixtureRequest) -> Iterator[None]:
    with Interrupted() as heard:
        yield
    if request.node.originalname == "test_ctrl_c_while_a_call_waits_leaves_nothing":
        # A socket that is being connected is the interpreter's alone: interrupted, it is closed by its finalizer.
        heard[:] = [what for what in heard if not what.startswith("ResourceWarning: unclosed <socket")]
    assert heard == []


# --- on an event loop, over HTTP


async def test_calls_cancelled_at_random_instants_leave_nothing(house: House):
    rotor, threads = house.rotor(), threading.active_count()

    cut = await at_random(rotor, 300, at_once=60, seed=1)

    assert cut > 150
    assert await house.aleft(rotor) == {}
    await rotor.aclose()
    assert threading.active_count() <= threads + 1  # the loop's own, for what is asked of the house


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("way", ["achat", "astream", "astream closed", "astream dropped", "ChatRotor.astream dropped"])
async def test_a_call_cancelled_at_any_one_of_its_awaits_leaves_nothing(house: House, pool: str, way: str):
    rotor = house.rotor(Yielding())
    ask, step, ended = ways(rotor)[way], 0, False

    while not ended:
        step += 1
        if pool == "queue":
            with seats_taken(rotor, seconds=None):
                asking = asyncio.ensure_future(cut_at(ask, pool, step))
                await until_it_waits(rotor, asking)
            ended = await asking
        else:
            ended = await cut_at(ask, pool, step)
        assert await house.aleft(rotor) == {}, f"cut off at await {step}"
        rotor.reset()

    assert step > 2
    await rotor.aclose()


async def test_a_stream_dropped_without_being_closed_is_settled_by_the_loop_soon(house: House):
    rotor = house.rotor()
    stream = rotor.astream("hi", model="queue")
    await anext(stream)
    assert ledger_of(rotor)["slots"]

    del stream

    assert await house.aleft(rotor) == {}
    await rotor.aclose()


def test_a_stream_left_open_when_its_loop_ends_is_settled_by_the_loops_last_words(house: House):
    rotor = house.rotor()
    kept = []

    async def leave() -> None:
        kept.append(rotor.astream("hi", model="queue"))
        await anext(kept[0])

    asyncio.run(leave())

    assert house.left(rotor) == {}
    rotor.close()


# --- blocking, over HTTP


@pytest.mark.parametrize("leave", ["close", "drop", "throw"])
@pytest.mark.parametrize("pool", ["well", "failover", "queue"])
def test_a_stream_left_after_any_chunk_leaves_nothing(house: House, pool: str, leave: str):
    rotor = house.rotor()
    for chunks in range(7):
        stream = rotor.stream("hi", model=pool)
        got: list[Any] = []
        with suppress(StreamBroken):
            got += (chunk for _, chunk in zip(range(chunks), stream, strict=False))
        if leave == "close":
            stream.close()
        elif leave == "throw":
            with pytest.raises(ZeroDivisionError), stream:
                raise ZeroDivisionError
        del stream
        assert house.left(rotor) == {}, f"left after {len(got)} chunks"
    rotor.close()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("pool", POOLS)
def test_ctrl_c_while_a_call_waits_leaves_nothing(house: House, pool: str, streamed: bool):
    """For a slot, for a window, for an answer, between two chunks."""
    rotor, random = house.rotor(), Random(pool)
    for _ in range(12):
        with (
            seats_taken(rotor) if pool == "queue" else interrupted_after(60),
            interrupted_after(random.random() * 0.02),
        ):
            try:
                if streamed:
                    for _ in rotor.stream("hi", model=pool):
                        pass
                else:
                    rotor.chat("hi", model=pool)
            except RotorError:
                pass
        assert {k: v for k, v in house.left(rotor).items() if k != "connections"} == {}
        rotor.reset()
    rotor.close()


def test_ctrl_c_is_pressed_when_coverages_tracer_has_let_go_of_its_lock():
    tracer: dict[str, Any] = {}
    code = "def work(busy):\n    while busy(): pass\n    return True"
    exec(compile(code, str(Path("site-packages", "coverage", "collector.py")), "exec"), tracer)
    end = time.monotonic() + 0.06
    whole, pressed = False, True

    with interrupted_after(0.02):
        whole = tracer["work"](lambda: time.monotonic() < end)
        while time.monotonic() < end + 10:
            pass
        pressed = False

    assert whole
    assert pressed


# --- at every command, without HTTP


class Broken:
    """The first two deployments fail, the third answers."""

    def call(self, deployment: Any, request: Any, *, timeout: float) -> Any:
        if deployment.provider.name in ("a", "b"):
            raise failure("server_error")
        return answer()

    async def acall(self, deployment: Any, request: Any, *, timeout: float) -> Any:
        return self.call(deployment, request, timeout=timeout)

    def stream(self, deployment: Any, request: Any, *, timeouts: Any) -> Iterator[Chunk]:
        yield Chunk(text=self.call(deployment, request, timeout=1).text)
        yield Chunk(finish_reason="stop")

    async def astream(self, deployment: Any, request: Any, *, timeouts: Any) -> Any:
        for chunk in self.stream(deployment, request, timeouts=timeouts):
            yield chunk

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


LIMITS = (Limit("concurrent", 5, None, "concurrency"), Limit("requests", 6000, "minute", "rolling"))


def engine() -> Rotor:
    names = ("a", "b", "c")
    made = catalog(*(deployment(name, limits=LIMITS) for name in names))
    return Rotor.from_catalog(made, adapters={"made": Broken()}, store=MemoryStore())


def left(rotor: Rotor) -> dict[str, Any]:
    return {**ledger_of(rotor), **health_of(rotor)}


async def _read(chunks: Any) -> None:
    async for _ in chunks:
        pass


DRIVERS = {
    "blocking": lambda flows, ports: drive(flows(_flow.run), ports),
    "blocking stream": lambda flows, ports: [*drive_stream(flows(_flow.stream), ports)],
    "event loop": lambda flows, ports: asyncio.run(adrive(flows(_flow.run), ports)),
    "event loop, stream": lambda flows, ports: asyncio.run(_read(adrive_stream(flows(_flow.stream), ports))),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_interrupt_between_any_two_commands_leaves_nothing(driver: str):
    cut = 0
    while True:
        cut, rotor = cut + 1, engine()
        work, request, ports = rotor._begin("hi", lambda event: None, {})
        interrupting: list[Interrupting] = []

        def flow(story: Any) -> Any:
            interrupting.append(Interrupting(story(work, request), cut))
            return interrupting[0]

        try:
            DRIVERS[driver](flow, ports)
        except KeyboardInterrupt:
            assert left(rotor) == {}, f"interrupted at command {cut}"
        else:
            break
    assert cut > 20


@pytest.mark.parametrize("streamed", [False, True])
def test_a_listener_that_is_interrupted_at_any_event_leaves_nothing(streamed: bool):
    cut, count = 0, [0]

    def listen(event: Any) -> None:
        count[0] += 1
        if count[0] == cut:
            raise KeyboardInterrupt

    while count[0] >= cut:
        cut, count[0], rotor = cut + 1, 0, engine()
        try:
            if streamed:
                list(rotor.stream("hi", listen=listen))
            else:
                rotor.chat("hi", listen=listen)
        except KeyboardInterrupt:
            assert left(rotor) == {}, f"interrupted at event {cut}"
    assert cut > 4


# --- what only the garbage collector closes


def test_a_stream_that_is_never_read_takes_nothing():
    rotor = engine()

    streams = [rotor.stream("hi"), rotor.astream("hi")]

    assert left(rotor) == {}
    del streams
    assert left(rotor) == {}


def test_a_stream_that_only_a_cycle_holds_is_settled_when_it_is_collected():
    rotor = engine()
    stream = rotor.stream("hi")
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    assert left(rotor)["reservations"]

    del stream, cycle
    gc.collect()

    assert left(rotor) == {}


def test_a_stream_that_is_collected_in_the_middle_of_another_call_disturbs_nothing():
    rotor, before = engine(), gc.get_threshold()
    try:
        for n in range(400):
            stream = rotor.stream("hi")
            next(stream)
            cycle: list[Any] = [stream]
            cycle.append(cycle)
            del stream, cycle
            gc.set_threshold(1 + n % 50)
            assert rotor.chat("hi").answer.text == "hello"
            if n % 40 == 0:
                rotor.reset()
    finally:
        gc.set_threshold(*before)
    gc.collect()

    assert left(rotor) == {}


async def test_an_async_stream_that_only_a_cycle_holds_is_settled_when_it_is_collected():
    rotor = engine()
    stream = rotor.astream("hi", deadline=100)
    await anext(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)

    del stream, cycle
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)

    assert left(rotor) == {}


def test_a_reservation_that_nobody_settles_is_over_with_its_lease():
    at = [1_700_000_000.0]
    made = catalog(deployment("a", limits=LIMITS))
    rotor = Rotor.from_catalog(made, adapters={"made": Broken()}, store=MemoryStore(clock=lambda: at[0], lease=60.0))
    rotor.acquire("hi")
    assert ledger_of(rotor)["slots"]

    at[0] += 61.0
    rotor.store.read(())

    assert ledger_of(rotor) == {}
