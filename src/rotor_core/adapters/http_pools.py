"""Who owns open connections: one thing per event loop, or one per key across threads, and what ends them.

A connection belongs to the loop that opened it and dies with it. What holds connections also holds its loop, so weak
references to loops would never be cleared; instead an async generator waits in each loop, and when the loop shuts its
generators down (`asyncio.run` and every runner do), that one closes the loop's connections. After a fork the child
starts empty: the parent's sockets are the parent's.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")

_living: weakref.WeakSet[PerLoop[Any] | PerKey[Any, Any]] = weakref.WeakSet()
_left_behind: list[object] = []
"""What a forked child inherited. Never closed there: that would reach into the parent's selector."""
_closing: set[asyncio.Task[None]] = set()
"""A loop alone would let go of them."""


class PerLoop(Generic[T]):
    """One `T` for each event loop, made in it when first asked for.

    `end` closes one inside its loop; `drop` lets go of one whose loop is closed already and can run nothing more.
    All are closed when `owner` is collected; none of the three may hold it.
    """

    def __init__(
        self, owner: object, make: Callable[[], T], end: Callable[[T], Awaitable[None]], drop: Callable[[T], None]
    ) -> None:
        self._make, self._end, self._drop = make, end, drop
        self._held: dict[asyncio.AbstractEventLoop, T] = {}
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._lock = threading.Lock()
        weakref.finalize(owner, self._let_go).atexit = False
        _living.add(self)

    def find(self, running: asyncio.AbstractEventLoop | None = None) -> T | None:
        """The running loop's, if it has one yet. `running`: that loop, by who knows it."""
        return self._held.get(running or asyncio.get_running_loop())

    async def get(self) -> T:
        """The running loop's, made now if need be."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is not None:
            return held
        held = self._make()
        keeper = self._keep(loop, held)
        with self._lock:
            gone = [other for other in self._held if other.is_closed()]
            dropped = [self._held.pop(other) for other in gone]
            for other in gone:
                self._keepers.pop(other, None)
            self._held[loop], self._keepers[loop] = held, keeper
        for one in dropped:
            self._drop(one)
        await anext(keeper)
        return held

    async def _keep(self, loop: asyncio.AbstractEventLoop, held: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            ending = self._ending.get(id(held))
            if self._taken(loop, held):
                await self._end(held)
            elif ending is not None and ending is not asyncio.current_task():
                await asyncio.wait([ending])  # the loop is being shut down

    async def aclose(self) -> None:
        """Close the running loop's, and have other loops close theirs."""
        own = self._keepers.get(asyncio.get_running_loop())
        if own is not None:
            await own.aclose()
        self.close()

    def close(self) -> None:
        """Have every loop close its own: at once where the loop is at rest, soon where it runs."""
        for loop, keeper in list(self._keepers.items()):
            # The public form of the question raises instead of answering.
            at_rest = not (loop.is_closed() or loop.is_running()) and asyncio._get_running_loop() is None  # noqa: SLF001
            if at_rest:
                with suppress(RuntimeError):  # another thread runs it since
                    loop.run_until_complete(keeper.aclose())
        self._let_go()

    def _let_go(self) -> None:
        """Have every loop close its own when it next runs: all that a finalizer, which may run anywhere, can do."""
        for loop, keeper in list(self._keepers.items()):
            if loop.is_closed():
                self._forget(loop)
            else:
                with suppress(RuntimeError):  # it has closed in this instant
                    loop.call_soon_threadsafe(self._end_soon, loop, keeper)

    def _end_soon(self, loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None, None]) -> None:
        """In its loop. Not by the keeper itself: a loop that is shut down closes that too, and cannot while it is closing."""
        held = self._held.get(loop)
        if held is not None and self._keepers.get(loop) is keeper and self._taken(loop, held):
            task = self._ending[id(held)] = loop.create_task(self._end_now(held, keeper))
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    async def _end_now(self, held: T, keeper: AsyncGenerator[None, None]) -> None:
        try:
            await self._end(held)
            with suppress(RuntimeError):  # it is waiting for this to end
                await keeper.aclose()
        finally:
            self._ending.pop(id(held), None)

    def _taken(self, loop: asyncio.AbstractEventLoop, held: T) -> bool:
        """Whether it is for the asker to end this, which the loop may hold no more."""
        with self._lock:
            if self._held.get(loop) is not held:
                return False
            del self._held[loop]
            self._keepers.pop(loop, None)
            return True

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        held = self._held.get(loop)
        if held is not None and self._taken(loop, held):
            self._drop(held)

    def after_fork(self) -> None:
        _left_behind.append((self._held, self._keepers, self._ending))
        self._held, self._keepers, self._ending, self._lock = {}, {}, {}, threading.Lock()

    def __len__(self) -> int:
        return len(self._held)


class PerKey(Generic[K, T]):
    """One `T` for each key, for all threads; closed by `close`, or when this is collected."""

    def __init__(self, make: Callable[[K], T], end: Callable[[T], None]) -> None:
        self._make, self._end = make, end
        self._held: dict[K, T] = {}
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _end_all, self._held, end)
        _living.add(self)

    def get(self, key: K) -> T:
        held = self._held.get(key)
        if held is None:
            with self._lock:
                held = self._held.get(key)
                if held is None:
                    held = self._held[key] = self._make(key)
        return held

    def close(self) -> None:
        with self._lock:
            _end_all(self._held, self._end)

    def after_fork(self) -> None:
        self._finalizer.detach()
        _left_behind.append(self._held)
        self._held, self._lock = {}, threading.Lock()
        self._finalizer = weakref.finalize(self, _end_all, self._held, self._end)

    def __len__(self) -> int:
        return len(self._held)


def _end_all(held: dict[Any, Any], end: Callable[[Any], None]) -> None:
    while held:
        end(held.popitem()[1])


def _after_fork() -> None:
    for pool in list(_living):
        pool.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
