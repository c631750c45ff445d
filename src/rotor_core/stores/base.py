"""What a store is: the ledger behind one atomic operation, with a sync and an async face.

A store never blocks for capacity: `reserve` answers at once, with a reservation (perhaps for a later instant), a
ticket, or a refusal. `StoreSuite` in `rotor_core.testing` holds every store to the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rotor_core._ledger import Ask, Grant, Option, OptionReading, Used


class Store(Protocol):
    """All instants are on the store's clock, which `now` reads, in seconds since the epoch.

    The blocking face may be called from any thread; the `a` face from any event loop. Every operation may raise
    `StoreError`.
    """

    def now(self) -> float: ...

    def reserve(self, ask: Ask) -> Grant:
        """The first option with room in every limit, all or none, now or at the earliest instant within the ask's waits.

        Idempotent by `ask.id` while that reservation is open.
        """
        ...

    async def areserve(self, ask: Ask) -> Grant: ...

    def dispatched(self, reservation_id: str) -> bool:
        """The request goes out now: charges move to this instant if it is later than the reservation's.

        False when it had better not: the reservation is no longer open, or debts that came after it was promised have
        eaten its room. Adapters report from the middle of a call, so this must not block for long.
        """
        ...

    async def adispatched(self, reservation_id: str) -> bool: ...

    def settle(self, reservation_id: str, used: Used, latency: float | None = None) -> None:
        """Replace what was reserved by what was used and free the slot. A second or late settle changes nothing.

        An id of a waiting ticket is taken out of its queue.
        """
        ...

    async def asettle(self, reservation_id: str, used: Used, latency: float | None = None) -> None: ...

    def rest(self, scope: str, until: float, reason: str) -> None:
        """Keep every option of `scope` out until an instant; the longest rest wins."""
        ...

    async def arest(self, scope: str, until: float, reason: str) -> None: ...

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        """Have `called` run, once, from whatever thread, when the ticket is worth redeeming; at once if it already is."""
        ...

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        """How options stand now, for people and programs that look; takes nothing."""
        ...

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...
