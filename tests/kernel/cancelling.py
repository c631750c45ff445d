"""Calls that are cut off, at every await or at any instant, and what they leave behind: it has to be nothing.

The providers are a sandbox's, in a thread of its own: one with few slots, one with a short window, one that fails, one
that breaks off, one that hangs and then answers. `House.left` looks at everything that a call may have taken.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from types import FrameType, TracebackType
from typing import Any, Self

from tests.waiting import until

import rotor_core.adapters.http_aiohttp
import rotor_core.adapters.http_httpx  # noqa: F401  else a first call imports them, and an import that is cut off is the interpreter's affair
from rotor_core._errors import RotorError
from rotor_core.rotor import Rotor
from rotor_core.sandbox.server import Server
from rotor_core.sandbox.spec import config_of, read_spec
from rotor_core.stores.memory import MemoryStore

FREE = {"input": 0, "output": 0}


def _provider(number: int, *limits: Mapping[str, Any], latency: float = 0.002) -> dict[str, Any]:
    model = {"context": 32000, "price": FREE, "limits": list(limits), "latency": [0, latency], "output": [4, 12]}
    return {"keys": [f"key-of-provider-{number}"], "models": {"m": model}}


SPEC: dict[str, Any] = {
    "providers": {
        "narrow": _provider(1, {"concurrent": 2}, latency=0.008),
        "rated": _provider(2, {"requests": 30, "per": "second", "window": "rolling"}),
        "failing": _provider(3),
        "breaking": _provider(4, {"concurrent": 20}),
        "hanging": _provider(5, {"concurrent": 20}),
        "roomy": _provider(6, {"concurrent": 50}, {"requests": 60000, "per": "minute"}),
    },
    "pools": {
        "queue": ["narrow/m"],
        "window": ["rated/m"],
        "failover": [
            {"model": "failing/m", "priority": 1},
            {"model": "breaking/m", "priority": 2},
            {"model": "roomy/m", "priority": 3},
        ],
        "patience": [{"model": "hanging/m", "priority": 1}, {"model": "narrow/m", "priority": 2}],
        "well": ["roomy/m"],
    },
    "default_pool": "well",
}
POOLS = tuple(SPEC["pools"])
FAULTS = (
    {"kind": "status", "provider": "failing", "status": 500},
    {"kind": "cut", "provider": "breaking", "after": 3},
    {"kind": "hang", "provider": "hanging", "seconds": 0.03},
)


class House:
    """The sandbox's server in a thread, and what it sees of its clients."""

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="house", daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.server = Server(read_spec(SPEC))
        self.address = await self.server.start()
        for fault in FAULTS:
            self.server.fault(fault)
        self._ready.set()
        await self._stop.wait()
        await self.server.stop()

    def config(self) -> dict[str, Any]:
        return config_of(SPEC, self.address) | {"store": f"memory://{uuid.uuid4().hex}"}

    def rotor(self, store: MemoryStore | None = None) -> Rotor:
        """An engine of its own. `store`: in place of a new one in memory."""
        rotor = Rotor.from_config(self.config())
        if store is None:
            return rotor
        catalog = rotor.catalog
        rotor.close()
        return Rotor.from_catalog(catalog, store=store)

    def open_exchanges(self) -> int:
        """Requests that came and are not over for the providers."""
        asked: Any = asyncio.run_coroutine_threadsafe(self._count(), self._loop)
        return asked.result(10)

    async def _count(self) -> int:
        return sum(connection._task is not None for connection in self.server._connections)

    def left(self, rotor: Rotor, patience: float = 2.0) -> dict[str, Any]:
        """What there still is of calls that are over, by name. Providers have a moment to notice that a client has gone.

        One that only now reads what a client sent before it went begins an exchange late, and has that moment too.
        """
        give_up_at = time.monotonic() + patience
        while (exchanges := self.open_exchanges()) and time.monotonic() < give_up_at:
            time.sleep(0.001)
        return {**ledger_of(rotor), **health_of(rotor), **connections_of(rotor), **_if("exchanges", exchanges)}

    async def aleft(self, rotor: Rotor) -> dict[str, Any]:
        """The same, and tasks of this loop other than the one that asks. What its finalizer closes is closed by a task."""
        give_up_at = time.monotonic() + 2.0
        while True:
            for _ in range(10):
                await asyncio.sleep(0)
            tasks = [repr(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            left = {**self.left(rotor, 0.0), **_if("tasks", tasks)}
            if not left or time.monotonic() > give_up_at:
                return left
            gc.collect()
            await asyncio.sleep(0.002)


# --- what is left


def ledger_of(rotor: Rotor) -> dict[str, Any]:
    book: Any = rotor.store._book  # type: ignore[attr-defined]
    slots = {gate.key: gate.slots.held for gate in book.shelf.gates.values() if gate.slots.held}
    flying = {m.key: (m.flying, m.coming) for m in book.shelf.meters.values() if m.flying > 1e-6 or m.coming > 1e-6}
    reserved = sum(limit["reserved"] for row in rotor.limits()["deployments"] for limit in row["limits"])
    return {
        **_if("reservations", sorted(book.open)), **_if("grants to come", sorted(book.coming)),
        **_if("waiters", [w.id for w in book.queue]), **_if("held for waiters", book.holding),
        **_if("slots", slots), **_if("in flight by limit", flying), **_if("reserved", reserved),
    }  # fmt: skip


def health_of(rotor: Rotor) -> dict[str, Any]:
    health: Any = rotor._live.health
    wards = {n: w.flying for n, w in health._wards.items() if w.flying}
    probes = {s: b.flying for s, b in health._shared.items() if b.flying}
    return {**_if("in flight by health", health.in_flight), **_if("wards", wards), **_if("probes", probes)}


def connections_of(rotor: Rotor) -> dict[str, Any]:
    """Of the adapter's pools: those that are neither idle nor closed."""
    found: list[str] = []
    for adapter in rotor._live._adapters.values():
        blocking, by_loop = getattr(adapter, "_blocking", None), getattr(adapter, "_async", None)
        if blocking is not None:
            pools = list(blocking._pools._held.values())
            found += [f"{r!r}" for p in pools for r in p._pool._requests]
            found += [c.info() for p in pools for c in p._pool.connections if not (c.is_idle() or c.is_closed())]
        if hasattr(by_loop, "_clients"):
            found += [repr(c) for held in by_loop._clients._held.values() for c in held.session.connector._acquired]
        elif by_loop is not None:
            pools = [p for held in by_loop._pools._held.values() for p in held.values()]
            found += [c.info() for p in pools for c in p._pool.connections if not (c.is_idle() or c.is_closed())]
    return _if("connections", found)


def _if(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


async def until_it_waits(rotor: Rotor, asking: asyncio.Future[Any]) -> None:
    """Until somebody stands in the queue and listens for a call, or this one is over before it comes to that."""
    book: Any = rotor.store._book  # type: ignore[attr-defined]
    await until(lambda: asking.done() or any(waiter.called for waiter in book.queue))


# --- how calls are made


class Yielding(MemoryStore):
    """A ledger that a call has to await, as it awaits one on another machine: before it is asked, and before the answer."""

    async def areserve(self, *given: Any) -> Any:
        return await self._far(self.reserve, *given)

    async def adispatched(self, *given: Any) -> Any:
        return await self._far(self.dispatched, *given)

    async def asettle(self, *given: Any) -> Any:
        return await self._far(self.settle, *given)

    async def arest(self, *given: Any) -> Any:
        return await self._far(self.rest, *given)

    @staticmethod
    async def _far(do: Callable[..., Any], *given: Any) -> Any:
        await asyncio.sleep(0)
        answer = do(*given)
        await asyncio.sleep(0)
        return answer


Ask = Callable[[str], Coroutine[Any, Any, Any]]


def ways(rotor: Rotor, chunks: int = 3) -> dict[str, Ask]:
    """Each way to ask a pool on an event loop. Streams are left after some chunks, in the ways there are to leave one."""
    from rotor_langchain import ChatRotor

    chat = ChatRotor(rotor=rotor)

    async def whole(pool: str) -> None:
        await rotor.achat("hi", model=pool, max_attempts=3)

    async def read(pool: str) -> None:
        async with rotor.astream("hi", model=pool) as stream:
            async for _ in stream:
                pass

    async def closed(pool: str) -> None:
        async with rotor.astream("hi", model=pool) as stream:
            await _some(stream, chunks)

    async def dropped(pool: str) -> None:
        await _some(rotor.astream("hi", model=pool), chunks)

    async def langchain(pool: str) -> None:
        await chat.ainvoke("hi", model=pool)

    async def langchain_read(pool: str) -> None:
        async for _ in chat.astream("hi", model=pool):
            pass

    async def langchain_dropped(pool: str) -> None:
        await _some(chat.astream("hi", model=pool), chunks)

    return {
        "achat": whole, "astream": read, "astream closed": closed, "astream dropped": dropped,
        "ainvoke": langchain, "ChatRotor.astream": langchain_read, "ChatRotor.astream dropped": langchain_dropped,
    }  # fmt: skip


async def _some(chunks: AsyncIterator[Any], count: int) -> None:
    async for _ in chunks:
        count -= 1
        if count <= 0:
            return


async def quietly(asked: Awaitable[Any]) -> bool:
    """Whether it came to its own end: answered, or refused in our words."""
    try:
        await asked
    except asyncio.CancelledError:
        return False
    except RotorError:
        return True
    return True


class Steps:
    """A coroutine that counts its awaits, and has its task cancelled in the `cut`-th one (from 1)."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], cut: int) -> None:
        self._coroutine, self._cut = coroutine, cut
        self.taken = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return self._stepped(self._coroutine.send(value))

    def throw(self, error: Any, *more: Any) -> Any:
        return self._stepped(self._coroutine.throw(error, *more))

    def close(self) -> None:
        self._coroutine.close()

    def _stepped(self, awaited: Any) -> Any:
        self.taken += 1
        if self.taken == self._cut:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        return awaited


class Interrupting:
    """A flow whose driver is interrupted as it takes the `cut`-th command (from 1): the flow waits for an answer by then."""

    def __init__(self, flow: Any, cut: int) -> None:
        self._flow, self._cut = flow, cut
        self.taken = 0

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, answer: Any) -> Any:
        return self._took(self._flow.send(answer))

    def throw(self, error: BaseException) -> Any:
        return self._took(self._flow.throw(error))

    def close(self) -> None:
        self._flow.close()

    def _took(self, command: Any) -> Any:
        self.taken += 1
        if self.taken == self._cut:
            raise KeyboardInterrupt
        return command


async def cut_at(ask: Ask, pool: str, step: int) -> bool:
    """Ask in a task of its own that is cancelled at its `step`-th await; whether it came to its own end before."""

    async def stepped() -> None:
        await Steps(ask(pool), step)

    return await quietly(asyncio.create_task(stepped()))


async def cut_after(ask: Ask, pool: str, seconds: float) -> bool:
    """Ask in a task of its own that is cancelled after so many seconds; whether it came to its own end before."""
    task = asyncio.create_task(ask(pool))
    asyncio.get_running_loop().call_later(seconds, task.cancel)
    return await quietly(task)


async def at_random(rotor: Rotor, calls: int, at_once: int, seed: int) -> int:
    """So many calls in every way to every pool, each cut off at an instant of its own; how many were."""
    random, asks = Random(seed), ways(rotor)
    gate = asyncio.Semaphore(at_once)

    async def one(way: str, pool: str, seconds: float) -> bool:
        async with gate:
            return await cut_after(asks[way], pool, seconds)

    drawn = [(random.choice([*asks]), random.choice(POOLS), random.random() ** 2 * 0.06) for _ in range(calls)]
    ended = await asyncio.gather(*(one(*d) for d in drawn))
    return ended.count(False)


AGAIN = 0.001
"""Seconds after which a signal that came at a bad moment comes again."""
TRACING = tuple(str(Path("coverage", name)) for name in ("collector.py", "control.py"))
"""The ends of the files in which coverage's tracer asks whether to trace, and holds its lock."""


class interrupted_after:  # noqa: N801  used as a function is
    """`with` it: Ctrl-C in the main thread after so many seconds, unless the block has ended by then; it ends the block.

    A signal that comes in here, before the block has begun or when it has ended, is none. One that comes while coverage's
    tracer is at work comes again a moment later: ended there, the tracer would keep its lock, and everybody else wait for it.
    """

    def __init__(self, seconds: float) -> None:
        self._main = threading.main_thread().ident
        self._lock, self._over = threading.Lock(), False
        self._timer = threading.Timer(seconds, self._strike)

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGUSR1, self._interrupt)
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        with self._lock:
            self._over = True
        self._timer.cancel()
        self._timer.join()
        signal.signal(signal.SIGUSR1, self._before)
        return kind is not None and issubclass(kind, KeyboardInterrupt)

    def _strike(self) -> None:
        while not self._over:
            with self._lock:
                if not self._over:
                    assert self._main is not None
                    signal.pthread_kill(self._main, signal.SIGUSR1)
            self._timer.finished.wait(AGAIN)  # at once where the block has ended

    def _interrupt(self, _: int, frame: FrameType | None) -> None:
        if self._over:
            return
        tracing = False
        while frame is not None:
            if frame.f_code in (interrupted_after.__enter__.__code__, interrupted_after.__exit__.__code__):
                self._over = True
                return
            tracing = tracing or frame.f_code.co_filename.endswith(TRACING)
            frame = frame.f_back
        if not tracing:
            self._over = True
            raise KeyboardInterrupt


@contextmanager
def seats_taken(rotor: Rotor, pool: str = "queue", seconds: float | None = 0.004) -> Iterator[None]:
    """Every seat of a pool is taken, and given back by a thread a moment later: whoever asks now waits in the queue.

    `seconds`: how much later; None: when the block has ended.
    """
    held = []
    with suppress(RotorError):
        while len(held) < 2:
            held.append(rotor.acquire("hi", model=pool, deadline=0.01))

    def free() -> None:
        for reservation in held:
            rotor.settle(reservation)

    timer = threading.Timer(seconds or 0.0, free)
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        if seconds is None:
            timer.start()
        timer.join()


class Interrupted:
    """`with`: what reaches neither the caller nor a test: errors in finalizers, warnings about what was not closed."""

    def __enter__(self) -> list[str]:
        self.heard: list[str] = []
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._hear
        self._warnings = warnings.catch_warnings(record=True)
        self._caught = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self.heard

    def _hear(self, what: Any) -> None:
        """Not a Ctrl-C that arrives while Python runs a weak reference's own callback: nobody can have that, by its rules."""
        callback = getattr(what.object, "__qualname__", "")
        if not (isinstance(what.exc_value, KeyboardInterrupt) and callback.startswith("WeakSet.")):
            self.heard.append(f"{what.err_msg or what.object!r}: {what.exc_value!r}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        gc.collect()
        sys.unraisablehook = self._hook
        self.heard += [f"{w.category.__name__}: {w.message}" for w in self._caught or ()]
        self._warnings.__exit__(kind, error, at)
