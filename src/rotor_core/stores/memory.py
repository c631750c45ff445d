"""The ledger in memory: one process, every thread and event loop in it.

Each operation is one turn (`_turn`) of the book (`_book`) under one lock. Nothing in here waits, so the async face is the
blocking one. Whoever is to be called is called after the lock is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from rotor_core._errors import ConfigError
from rotor_core._ledger import Ask, Grant, Learnt, Option, OptionReading, Told, Used
from rotor_core._state.window import Guards
from rotor_core.stores._book import Book
from rotor_core.stores._fork import LOCK, outlive_forks
from rotor_core.stores._turn import Turns
from rotor_core.stores.clock import Clock


class MemoryStore:
    """A `Store` in this process's memory.

    `clock`: the instant, in seconds since the epoch. `guard`: seconds of spread between a decision and the provider's
    count. `edge`: the same at the turn of a calendar period, clock skew included. `lease`: seconds after its instant at
    which a reservation that nobody settled expires: its slots are freed, its charges stand, for it may have been sent.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] | None = None,
        guard: float = 0.025,
        edge: float = 0.150,
        lease: float = 600.0,
    ) -> None:
        self._clock = clock or Clock().__call__  # bound: that is called at once
        self._book = Book(Guards(guard, edge), lease)
        self._turn = Turns(self._clock, self._book)
        outlive_forks(self)

    @classmethod
    def named(cls, url: str = "memory://") -> MemoryStore:
        """The ledger of a URL: `memory://` is one in a process, `memory://name` another. Raises `ConfigError`."""
        scheme, separator, name = url.partition("://")
        if scheme != "memory" or not separator or "/" in name:
            raise ConfigError(
                "not the URL of a ledger in memory", key="store", value=url, expected="memory:// or memory://name"
            )
        with LOCK:
            store = _by_name.get(name)
            if store is None:
                store = _by_name[name] = cls()
            return store

    # --- the ledger --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._clock()

    def reserve(self, ask: Ask) -> Grant:
        with self._turn as now:
            return self._book.reserve(ask, now)

    def dispatched(self, reservation_id: str) -> float | None:
        with self._turn as now:
            return self._book.dispatched(reservation_id, now)

    def sent(self, reservation_id: str) -> None:
        with self._turn as now:
            self._book.sent(reservation_id, now)

    def settle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        with self._turn as now:
            if self._turn.depth > 1:
                self._turn.later.append(partial(self._book.settle, reservation_id, used, latency, told, now))
                return ()
            return self._book.settle(reservation_id, used, latency, told, now)

    def rest(self, scope: str, until: float, reason: str) -> None:
        with self._turn as now:
            self._book.rest(scope, until, reason, now)

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        with self._turn:
            self._book.watch(ticket_id, called)

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        with self._turn as now:
            return self._book.read(options, now)

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        return self.read(options)

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        with self._turn as now:
            self._book.reset(options, now, windows=windows)

    def hold(self) -> None:
        """Before a fork: let the turn under way end, and none begin."""
        self._turn.hold()

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._turn.go_on()

    def start_over(self) -> None:
        """After a fork, in the child: another lock, and nothing in flight, for the parent settles what is its own."""
        self._turn.start_over()
        self._book.nothing_in_flight()

    def close(self) -> None:
        """Nothing to give back: others may hold the same ledger."""

    async def areserve(self, ask: Ask) -> Grant:
        return self.reserve(ask)

    async def adispatched(self, reservation_id: str) -> float | None:
        return self.dispatched(reservation_id)

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        return self.settle(reservation_id, used, latency, told)

    async def arest(self, scope: str, until: float, reason: str) -> None:
        self.rest(scope, until, reason)

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        return self.read(options)

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self.reset(options, windows=windows)

    async def aclose(self) -> None:
        self.close()


_by_name: dict[str, MemoryStore] = {}

open_memory_store = MemoryStore.named
"""The factory that stands for `memory://` in configurations."""
