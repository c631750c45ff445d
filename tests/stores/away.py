"""A shared ledger that fails on demand, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from tests.stores.made import Hands, ask

from rotor_core import Event, StoreError
from rotor_core._ledger import Ask, Grant, Option, OptionReading, Reservation, Told, Used
from rotor_core.stores.memory import MemoryStore
from rotor_core.stores.steady import Steady

NOW = {"max_wait": 0.0}
OPERATIONS = frozenset({"now", "reserve", "dispatched", "settle", "rest", "watch", "read", "reset"})


class Shared:
    """What the processes of a test share. `fails`: operations that raise; `lossy`: that do their work and raise then.

    `hangs`: asynchronous operations never answer; blocking ones take 0.5 s and raise. `asked`: all that was asked of it.
    """

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.ledger = MemoryStore(clock=hands)
        self.fails: Collection[str] = ()
        self.lossy: Collection[str] = ()
        self.hangs = False
        self.words = "connection refused"
        self.asked: list[str] = []
        self.after: Callable[[str], None] = lambda _: None

    def down(self) -> None:
        self.fails = OPERATIONS

    def up(self) -> None:
        self.fails = ()

    def emptied(self) -> None:
        self.ledger = MemoryStore(clock=self.hands)

    def _do(self, operation: str, *arguments: Any, **more: Any) -> Any:
        if operation != "now":
            self.asked.append(operation)
        if self.hangs:
            self.hands.at += 0.5
            raise StoreError("no answer within 0.5 s")
        if operation in self.fails:
            raise StoreError(self.words)
        answer = getattr(self.ledger, operation)(*arguments, **more)
        self.after(operation)
        if operation in self.lossy:
            raise StoreError("the connection was lost")
        return answer

    async def _ado(self, operation: str, *arguments: Any, **more: Any) -> Any:
        if self.hangs:
            self.asked.append(operation)
            await asyncio.Event().wait()
        return self._do(operation, *arguments, **more)

    def now(self) -> float:
        return self._do("now")

    def reserve(self, ask: Ask) -> Grant:
        return self._do("reserve", ask)

    def dispatched(self, reservation_id: str) -> float | None:
        return self._do("dispatched", reservation_id)

    def sent(self, reservation_id: str) -> None:
        self.ledger.sent(reservation_id)

    def settle(self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()) -> Any:
        return self._do("settle", reservation_id, used, latency, told)

    def rest(self, scope: str, until: float, reason: str) -> None:
        self._do("rest", scope, until, reason)

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        self._do("watch", ticket_id, called)

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        return self._do("read", options)

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        return self.ledger.glance(options)

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self._do("reset", options, windows=windows)

    def close(self) -> None:
        self.asked.append("close")

    async def areserve(self, ask: Ask) -> Grant:
        return await self._ado("reserve", ask)

    async def adispatched(self, reservation_id: str) -> float | None:
        return await self._ado("dispatched", reservation_id)

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Any:
        return await self._ado("settle", reservation_id, used, latency, told)

    async def arest(self, scope: str, until: float, reason: str) -> None:
        await self._ado("rest", scope, until, reason)

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        return await self._ado("read", options)

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        await self._ado("reset", options, windows=windows)

    async def aclose(self) -> None:
        self.asked.append("aclose")


class Heard:
    """A listener's object: what was said, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def hear(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]


def process(shared: Shared, policy: Any = "local", *, share: float | None = 0.5, **more: Any) -> tuple[Steady, Heard]:
    """One process that shares it. Whether it is back is tried when the test says so, by `attempt`."""
    steady, heard = (
        Steady(shared, "redis://db:6379/0", policy, clock=shared.hands, share=share, tries=False, **more),
        Heard(),
    )
    steady.listen(heard.hear)
    return steady, heard


def served(steady: Steady, of: Any, times: int, **more: Any) -> int:
    """How many of so many asks are granted at once."""
    grants = [steady.reserve(ask(of, **NOW, **more)) for _ in range(times)]
    return sum(isinstance(g, Reservation) for g in grants)


def taken(shared: Shared, of: Option, key: str = "requests") -> float:
    """What the shared ledger counts as taken of one limit."""
    (reading,) = shared.ledger.read([of])
    return sum(r.used + r.reserved for r in reading.limits if r.limit.unit == key)
