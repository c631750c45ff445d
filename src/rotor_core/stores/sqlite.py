"""The ledger in a file, for several processes of one machine: it survives a restart, with windows and learned limits.

Every process holds the whole ledger in memory and decides there, as fast as one alone; a journal in an SQLite database
(WAL) keeps them the same (`_sqlite_turn`, `_journal`). So an operation is one transaction, of about a tenth of a
millisecond. Power may fail: then the last operations may be lost, never the file. All processes go by one machine's
clock (`_sqlite_clock`), so the file must not be shared between machines; nor would SQLite's locks hold there.

The async face does at once what can be done at once, and leaves the event loop alone while other processes are in the
middle of something.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rotor_core._errors import ConfigError, StoreError
from rotor_core._ledger import NOTHING_USED, Ask, Grant, Learnt, Option, OptionReading, Told, Used
from rotor_core._state.window import Guards
from rotor_core.stores._book import Book
from rotor_core.stores._fork import LOCK, outlive_forks
from rotor_core.stores._sqlite_clock import SharedClock
from rotor_core.stores._sqlite_file import Busy, LedgerFile
from rotor_core.stores._sqlite_turn import Doing, FileTurns, made_with
from rotor_core.stores._wake import Bell
from rotor_core.stores.clock import Clock

T = TypeVar("T")

_log = logging.getLogger("rotor_core")

PATIENCE = 2.0
"""Seconds to wait for other processes. A turn of theirs takes a fraction of a millisecond."""

CHECK_EVERY = 5.0
"""Seconds after which who waits for a slot asks again uncalled: another process may have been killed before it called."""


class SqliteStore:
    """A `Store` in the file `path`, which is made where it is not there; its directory is not.

    `clock`, `guard`, `edge`, `lease`: as in `MemoryStore`. `patience`: seconds to wait for other processes. The file is
    opened when first needed. Every operation but `now`, `sent`, `watch` and `glance` may raise `StoreError`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] | None = None,
        guard: float = 0.025,
        edge: float = 0.150,
        lease: float = 600.0,
        patience: float = PATIENCE,
    ) -> None:
        self.path = Path(path)
        self._file = LedgerFile(self.path, patience)
        self._clock = SharedClock(clock or Clock(), clock or time.monotonic)
        self._bell = Bell(_weakly(self._rung))
        self._turns = FileTurns(self._file, self._clock, made_with(Guards(guard, edge), lease, CHECK_EVERY), self._bell)
        self._unsaid: deque[str] = deque()
        self._saying = threading.Lock()
        self._sayer: threading.Thread | None = None
        self._aside = _aside()
        weakref.finalize(self, _let_go, self._file, self._bell)
        outlive_forks(self)

    @classmethod
    def named(cls, url: str) -> SqliteStore:
        """The ledger of a URL, one per file in a process. `sqlite:///` precedes a path, so an absolute one makes four.

        Raises `ConfigError`.
        """
        path = os.path.realpath(_path(url))
        with LOCK:
            store = _by_path.get(path)
            if store is None:
                store = _by_path[path] = cls(path)
            return store

    # --- the ledger --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._clock()

    def reserve(self, ask: Ask) -> Grant:
        return self._turns.turn(self._reserving(ask))

    def dispatched(self, reservation_id: str) -> float | None:
        return self._turns.turn(lambda book, now: book.dispatched(reservation_id, now))

    def sent(self, reservation_id: str) -> None:
        if self._turns.sent_in_time(reservation_id):
            return
        sending = _sending(reservation_id)
        try:
            if not self._turns.later(sending):
                self._turns.turn(sending, wait=False)
        except Busy:
            self._say_later(reservation_id)
        except StoreError:
            _log.debug("the instant of dispatch was not noted", exc_info=True)

    def settle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        settling = _settling(reservation_id, used, latency, told)
        return () if self._turns.later(settling) else self._turns.turn(settling)

    def rest(self, scope: str, until: float, reason: str) -> None:
        self._turns.turn(lambda book, now: book.rest(scope, until, reason, now))

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        # What the journal has said of it before, the bell's thread has read; what it says later, that will.
        with self._turns.seen:
            self._turns.book.watch(ticket_id, called)
        if self._turns.book.called:
            self._turns.told()

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        return self._turns.turn(lambda book, now: book.read(options, now))

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        with self._turns.seen:
            return self._turns.book.read(options, self._clock())

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self._turns.turn(lambda book, now: book.reset(options, now, windows=windows))

    # --- without keeping an event loop -------------------------------------------------------------------------------

    async def areserve(self, ask: Ask) -> Grant:
        try:
            return self._turns.turn(self._reserving(ask), wait=False)
        except Busy:
            given_up = threading.Event()
            try:
                return await self._waiting(self._reserve_for, ask, given_up)
            except asyncio.CancelledError:
                given_up.set()
                raise

    async def adispatched(self, reservation_id: str) -> float | None:
        return await self._soon(lambda book, now: book.dispatched(reservation_id, now))

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        settling = _settling(reservation_id, used, latency, told)
        return () if self._turns.later(settling) else await self._soon(settling)

    async def arest(self, scope: str, until: float, reason: str) -> None:
        await self._soon(lambda book, now: book.rest(scope, until, reason, now))

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        return await self._soon(lambda book, now: book.read(options, now))

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        await self._soon(lambda book, now: book.reset(options, now, windows=windows))

    async def _soon(self, do: Doing[T]) -> T:
        try:
            return self._turns.turn(do, wait=False)
        except Busy:
            return await self._waiting(lambda: self._turns.turn(do))

    async def _waiting(self, do: Callable[..., T], *args: object) -> T:
        """In a thread of the ledger's own: turns go one by one, and the loop's threads are for others (names to look up)."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, do, *args)

    def _reserve_for(self, ask: Ask, given_up: threading.Event) -> Grant:
        """In a thread. Whoever has given up meanwhile may have cancelled before there was anything to cancel."""
        if given_up.is_set():
            raise Busy
        grant = self.reserve(ask)
        if given_up.is_set():
            self.settle(ask.id, NOTHING_USED)
        return grant

    # --- its life in a process ---------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file. Others may hold the same ledger: whoever uses it next opens it again."""
        self._turns.close()
        with self._turns.seen:
            if not len(self._turns.book.queue):
                self._bell.close()
                self._turns.book.address = ""

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def hold(self) -> None:
        """Before a fork: let the turn under way end, begin none, and let go of the file."""
        self._turns.hold()

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._turns.go_on()

    def start_over(self) -> None:
        """After a fork, in the child: another lock, no connection, and no waiters. The file says what is in flight."""
        self._bell.drop()
        self._unsaid.clear()
        self._saying, self._sayer = threading.Lock(), None
        self._aside = _aside()
        self._turns.start_over()

    # --- within ------------------------------------------------------------------------------------------------------

    def _reserving(self, ask: Ask) -> Doing[Grant]:
        def reserving(book: Book, now: float) -> Grant:
            if not book.address and book.shelf.gates:
                book.address = self._bell.open()  # it may have to wait for a slot, and be woken
            return book.reserve(ask, now)

        return reserving

    def _say_later(self, reservation_id: str) -> None:
        """Note a dispatch as soon as others let us, from a thread that ends with its work."""
        with self._saying:
            self._unsaid.append(reservation_id)
            if self._sayer is None:
                self._sayer = threading.Thread(target=self._say, name="rotor-sent", daemon=True)
                self._sayer.start()

    def _say(self) -> None:
        while True:
            with self._saying:
                if not self._unsaid:
                    self._sayer = None
                    return
                reservation_id = self._unsaid.popleft()
            try:
                self._turns.turn(_sending(reservation_id))
            except StoreError:
                _log.debug("the instant of dispatch was not noted", exc_info=True)

    def _rung(self, ticket_id: str) -> None:
        """Another process says that a ticket's turn has come: the journal says so too, and whom to call."""
        waiter = self._turns.book.queue.get(ticket_id)
        if waiter is not None and not waiter.held:
            self._turns.look()


def _aside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "rotor-sqlite")


def _settling(ident: str, used: Used, latency: float | None, told: Sequence[Told]) -> Doing[Sequence[Learnt]]:
    return lambda book, now: book.settle(ident, used, latency, told, now)


def _sending(ident: str) -> Doing[None]:
    return lambda book, now: book.sent(ident, now)


def _weakly(method: Callable[[str], None]) -> Callable[[str], None]:
    """A thread that may call it must not keep a store alive that nobody uses."""
    there = weakref.WeakMethod(method)

    def rung(ticket_id: str) -> None:
        method = there()
        if method is not None:
            method(ticket_id)

    return rung


def _let_go(file: LedgerFile, bell: Bell) -> None:
    file.close()
    bell.close()


def _path(url: str) -> str:
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path or "?" in path or path == ":memory:" or path.endswith("/"):
        raise ConfigError(
            "not the URL of a ledger in a file",
            key="store",
            value=url,
            expected="sqlite:///relative.db or sqlite:////absolute/path.db",
        )
    return str(Path(path).expanduser())


_by_path: dict[str, SqliteStore] = {}

open_sqlite_store = SqliteStore.named
"""The factory that stands for `sqlite://` in configurations."""
