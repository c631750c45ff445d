"""The ledger in Redis: many machines, one round trip to reserve and one to settle.

Decisions and arithmetic are scripts on the server (`lua/`), which follow `_state` and `_choose` line by line; instants are
on the server's clock. This client orders the options, puts into words, learns, and remembers what it saw last. Every key of
a namespace has the same hash tag, `{rotor:NAMESPACE}`, so a namespace lies on one node of a cluster. Nothing that is kept
there is a secret: limits and scopes name keys by fingerprint.

`redis://host:port/db`, `rediss://` for TLS, `unix:///path/to/socket?db=0`; `?namespace=` (default `rotor`) for another ledger
on the same server; other options are the `redis` package's own.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Generator, Sequence
from queue import SimpleQueue
from typing import TypeVar

from rotor_core._errors import StoreError
from rotor_core._ledger import Ask, Grant, Learnt, Option, OptionReading, Ticket, Told, Used
from rotor_core.stores._fork import LOCK, outlive_forks
from rotor_core.stores._redis_calls import Calls
from rotor_core.stores._redis_errors import split
from rotor_core.stores._redis_ledger import RedisLedger
from rotor_core.stores._redis_transport import Call, Transport
from rotor_core.stores.clock import Clock

_log = logging.getLogger("rotor_core")

T = TypeVar("T")

LISTENS = 0.25
"""Seconds for which the blocking face waits at most, with its first ticket, until it listens."""

_KEYS = ("state", "open", "leases", "queue", "tickets", "learned", "coming")


class RedisStore:
    """A `Store` on a Redis server of version 6 or later.

    `guard`, `edge`, `lease`: as for `MemoryStore`. `clock`: instants in place of the server's own, for tests. Raises
    `ConfigError` for a URL that cannot be used, and where the package `redis` is not installed; no connection is made before
    the first operation.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] | None = None,
        guard: float = 0.025,
        edge: float = 0.150,
        lease: float = 600.0,
    ) -> None:
        driver_url, self.namespace, self.shown = split(url)
        tag = f"{{rotor:{self.namespace}}}"
        self._ledger = RedisLedger(guard=guard, edge=edge, lease=lease, clock=clock, local=Clock())
        self._transport = Transport(driver_url, self.shown, [f"{tag}:{name}" for name in _KEYS])
        self._tag = tag
        self._new_threads()
        outlive_forks(self)

    @classmethod
    def named(cls, url: str) -> RedisStore:
        """The ledger of a URL: one in a process. Raises `ConfigError`."""
        with LOCK:
            store = _by_url.get(url)
            if store is None:
                store = _by_url[url] = cls(url)
            return store

    @property
    def restarts(self) -> int:
        """How often the server was found to have lost everything, and was told what was last seen here."""
        return self._ledger.restarts

    # --- the ledger --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._ledger.now()

    def reserve(self, ask: Ask) -> Grant:
        sure = self._calls.ready.is_set()
        grant = self._granted(self._run(self._ledger.reserve(ask)), sure=sure)
        if isinstance(grant, Ticket) and not sure and self._calls.ready.wait(LISTENS):
            # Asked again by a client that listens, it can be handed the slot, and cannot have missed that.
            grant = self._granted(self._run(self._ledger.reserve(ask)), sure=True)
        return grant

    async def areserve(self, ask: Ask) -> Grant:
        sure = self._calls.ready.is_set()
        return self._granted(await self._arun(self._ledger.reserve(ask)), sure=sure)

    def dispatched(self, reservation_id: str) -> float | None:
        return self._run(self._ledger.dispatched(reservation_id))

    async def adispatched(self, reservation_id: str) -> float | None:
        return await self._arun(self._ledger.dispatched(reservation_id))

    def sent(self, reservation_id: str) -> None:
        at = self._ledger.sent(reservation_id)
        if at is not None:
            self._late.put((reservation_id, at))
            self._send_late()

    def settle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        self._calls.forget(reservation_id)
        return self._run(self._ledger.settle(reservation_id, used, latency, told))

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        self._calls.forget(reservation_id)
        return await self._arun(self._ledger.settle(reservation_id, used, latency, told))

    def rest(self, scope: str, until: float, reason: str) -> None:
        self._run(self._ledger.rest(scope, until, reason))

    async def arest(self, scope: str, until: float, reason: str) -> None:
        await self._arun(self._ledger.rest(scope, until, reason))

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        sure = self._sure.pop(ticket_id, False)
        self._calls.listen()
        self._calls.watch(ticket_id, called, sure=sure)

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        return self._run(self._ledger.read(options))

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        return await self._arun(self._ledger.read(options))

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        return self._ledger.glance(options)

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self._run(self._ledger.reset(options, windows=windows))

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        await self._arun(self._ledger.reset(options, windows=windows))

    def close(self) -> None:
        """Close connections. The store can be used again: others may hold the same one."""
        self._calls.close()
        self._stop_sending()
        self._transport.close()

    async def aclose(self) -> None:
        self._calls.close()
        self._stop_sending()
        await self._transport.aclose()

    # --- forks -------------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Before a fork."""

    def go_on(self) -> None:
        """After a fork, in the parent."""

    def start_over(self) -> None:
        """After a fork, in the child: nothing in flight, no connection, no thread."""
        self._transport.start_over()
        self._ledger.forget()
        self._new_threads()

    # --- how it is done ----------------------------------------------------------------------------------------------

    def _run(self, talk: Generator[Call, bytes, T]) -> T:
        try:
            call = next(talk)
            while True:
                try:
                    reply = self._transport.call(call)
                except StoreError as error:
                    call = talk.throw(error)
                else:
                    call = talk.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _arun(self, talk: Generator[Call, bytes, T]) -> T:
        try:
            call = next(talk)
            while True:
                try:
                    reply = await self._transport.acall(call)
                except BaseException as error:  # noqa: BLE001  a cancellation is the talk's to hear as well
                    call = talk.throw(error)
                else:
                    call = talk.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    def _granted(self, grant: Grant, *, sure: bool) -> Grant:
        if isinstance(grant, Ticket):
            # Whether this client listened before the ticket was drawn, so that nothing said of it can have been missed.
            self._sure[grant.id] = sure
            self._calls.listen()
        return grant

    def _new_threads(self) -> None:
        channel = f"{self._tag}:called:{secrets.token_hex(8)}"
        self._ledger.channel = channel
        self._calls = Calls(self._transport.client, channel)
        self._sure: dict[str, bool] = {}
        self._late: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        self._sender: threading.Thread | None = None
        self._starting = threading.Lock()

    def _send_late(self) -> None:
        """Have a thread tell the ledger of late dispatches: whoever sends must not wait for that."""
        with self._starting:
            if self._sender is None:
                self._sender = threading.Thread(target=self._tell_late, name="rotor-redis-sent", daemon=True)
                self._sender.start()

    def _tell_late(self) -> None:
        while (told := self._late.get()) is not None:
            try:
                self._run(self._ledger.tell_sent(*told))
            except StoreError as error:
                _log.debug("a late dispatch will be told when it is settled: %s", error)

    def _stop_sending(self) -> None:
        with self._starting:
            sender, self._sender = self._sender, None
        if sender is not None:
            self._late.put(None)
            sender.join(1.0)


_by_url: dict[str, RedisStore] = {}

open_redis_store = RedisStore.named
"""The factory that stands for `redis://`, `rediss://` and `unix://` in configurations."""
