"""What a store is: the ledger behind one atomic operation, with a sync and an async face.

A store never blocks for capacity: `reserve` answers at once, with a reservation (perhaps for a later instant), a
ticket, or a refusal. `StoreSuite` in `rotor_core.testing` holds every store to the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rotor_core._ledger import Ask, Grant, Learnt, Option, OptionReading, Told, Used


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

    def dispatched(self, reservation_id: str) -> float | None:
        """Whoever waited for a reservation is awake and about to send. The instant from which it may: mostly now past.

        Charges move to now if that is later than they stood. A later instant: the grant was exchanged for a more urgent
        one meanwhile (at most twice), so sleep until then. None: it no longer holds (expired, or debts that came after
        it was promised have eaten its room, or the option was put to rest since): settle it and ask again.
        """
        ...

    async def adispatched(self, reservation_id: str) -> float | None: ...

    def sent(self, reservation_id: str) -> None:
        """The request goes out at this very instant. Adapters say it from the middle of a call: never blocks, never raises."""
        ...

    def settle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        """Replace what was reserved by what was used, free the slot, and learn from what the answer told.

        A second or late settle changes nothing. An id of a waiting ticket is taken out of its queue. Returns the limits
        that are held otherwise from now on.
        """
        ...

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]: ...

    def rest(self, scope: str, until: float, reason: str) -> None:
        """Keep every option of `scope` out until an instant; the longest rest wins, but for `until` 0, which ends it."""
        ...

    async def arest(self, scope: str, until: float, reason: str) -> None: ...

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        """Have `called` run, once, from whatever thread, when the ticket is worth redeeming; at once if it already is."""
        ...

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        """How options stand now, for people and programs that look; takes nothing."""
        ...

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]: ...

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        """As `read`, but as last seen: at once, from whatever thread or loop, without asking anyone. Never raises."""
        ...

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        """Forget rests and what was learned of these options; with `windows`, also what was counted in their limits."""
        ...

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...
