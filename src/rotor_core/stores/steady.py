"""A shared ledger that may be away: what is asked of it is answered all the same, or refused at once, as policy says.

While it is present, everything is its own answer. While it is away nothing is asked of it but, from a thread of its own
and after 1, 2, 4 .. 30 seconds, whether it takes a write: so a request waits for it once, for as long as its operations
may take, and a dead server meets no storm. `local`: requests go on with a stand-in (`_steady_outage`). `refuse`: asking
for capacity raises `StoreError`. Either way the end of a call is never lost: it waits in a queue of bounded length, and
looking goes on with what was last seen.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, TypeVar

from rotor_core._errors import StoreError
from rotor_core._ledger import (
    Ask,
    Grant,
    Learnt,
    Option,
    OptionReading,
    Told,
    Used,
)
from rotor_core.stores._fork import LOCK
from rotor_core.stores._steady_machine import PROBE, Machine
from rotor_core.stores.base import Store

__all__ = ("PROBE", "Steady")

T = TypeVar("T")

BEATS: Final = 8
"""How often the loop's own pace is looked at within `patience`."""
HELD_UP: Final = 5
"""Patiences after which even a loop that is held up all the time gives up."""


class Steady(Machine):
    """A `Store` around one that may be away.

    `name`: the store's URL as it may be shown. `share`: this process's part of the limits while the store is away; None:
    its part of the calls of late. `patience`: seconds after which an asynchronous operation counts as
    failed; a blocking one ends by the store's own timeouts. `tries`: False leaves trying to whoever calls `attempt`.
    """

    _holders = 0

    @classmethod
    def around(cls, remote: Store, name: str, policy: Literal["local", "refuse"]) -> Steady:
        """The one of this process around a store: whoever shares the store shares what stands in for it. Closed by each."""
        with LOCK:
            steady = _around.get((id(remote), policy))
            if steady is None:
                steady = _around[id(remote), policy] = cls(remote, name, policy)
            steady._holders += 1
            return steady

    def _let_go(self) -> None:
        """The last who lets go ends all trying."""
        with LOCK:
            self._holders -= 1
            if self._holders > 0:
                return
            if _around.get((id(self._remote), self._policy)) is self:
                del _around[id(self._remote), self._policy]
        self._closed.set()

    # --- the ledger, blocking ----------------------------------------------------------------------------------------

    def now(self) -> float:
        if self._outage is None:
            try:
                at = self._remote.now()
            except StoreError as error:
                self._lose(error)
            else:
                self._ahead = at - self._clock()
                return at
        return self._here()

    def reserve(self, ask: Ask) -> Grant:
        while True:
            outage = self._outage
            if outage is not None:
                grant = self._stand_in(outage, ask)
                if grant is not None:
                    return grant
                continue
            try:
                return self._granted(ask, self._remote.reserve(ask))
            except StoreError as error:
                self._lose(error, in_doubt=ask.id)

    def dispatched(self, reservation_id: str) -> float | None:
        local = self._of(reservation_id)
        if local is not None:
            return local.local.dispatched(reservation_id)
        if self._outage is None:
            try:
                return self._remote.dispatched(reservation_id)
            except StoreError as error:
                self._lose(error)
        return self._firm(reservation_id)

    def sent(self, reservation_id: str) -> None:
        local = self._of(reservation_id)
        if local is not None:
            local.local.sent(reservation_id)
        elif self._outage is None:
            self._remote.sent(reservation_id)

    def settle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        ident = self._settled_here(reservation_id, used, latency)
        if ident is None:
            return ()
        if self._outage is None:
            try:
                lessons = self._remote.settle(ident, used, latency, told)
            except StoreError as error:
                self._lose(error)
            else:
                self._over(ident)
                return lessons
        return self._settle_later(ident, used, latency, told)

    def rest(self, scope: str, until: float, reason: str) -> None:
        if self._outage is None:
            try:
                self._remote.rest(scope, until, reason)
            except StoreError as error:
                self._lose(error)
            else:
                return
        self._rest_later(scope, until, reason)

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        with self._lock:
            self._watching[ticket_id] = called
            outage = self._outage
        if outage is None:
            try:
                self._remote.watch(ticket_id, lambda: self._call(ticket_id))
            except StoreError as error:
                self._lose(error)
        elif outage.knows(ticket_id):
            outage.local.watch(ticket_id, lambda: self._call(ticket_id))
        else:
            self._call(ticket_id)  # it waits where nobody can be asked: let it wait here

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        if self._outage is None:
            try:
                return self._remote.read(options)
            except StoreError as error:
                self._lose(error)
        return self.glance(options)

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        outage = self._outage
        if outage is None or self._policy == "refuse":
            return self._remote.glance(options)
        return outage.read(options)

    def reset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self._refuse_away("nothing can be reset")
        try:
            self._remote.reset(options, windows=windows)
        except StoreError as error:
            self._lose(error, raised=True)
            self._refuse_away("nothing can be reset")

    def close(self) -> None:
        self._let_go()
        self._remote.close()

    # --- the ledger, asynchronous: the same, with other people's waiting ---------------------------------------------

    async def areserve(self, ask: Ask) -> Grant:
        while True:
            outage = self._outage
            if outage is not None:
                grant = self._stand_in(outage, ask)
                if grant is not None:
                    return grant
                continue
            try:
                return self._granted(ask, await self._in_time(lambda: self._remote.areserve(ask)))
            except StoreError as error:
                self._lose(error, in_doubt=ask.id)

    async def adispatched(self, reservation_id: str) -> float | None:
        local = self._of(reservation_id)
        if local is not None:
            return local.local.dispatched(reservation_id)
        if self._outage is None:
            try:
                return await self._in_time(lambda: self._remote.adispatched(reservation_id))
            except StoreError as error:
                self._lose(error)
        return self._firm(reservation_id)

    async def asettle(
        self, reservation_id: str, used: Used, latency: float | None = None, told: Sequence[Told] = ()
    ) -> Sequence[Learnt]:
        ident = self._settled_here(reservation_id, used, latency)
        if ident is None:
            return ()
        if self._outage is None:
            try:
                lessons = await self._in_time(lambda: self._remote.asettle(ident, used, latency, told))
            except StoreError as error:
                self._lose(error)
            else:
                self._over(ident)
                return lessons
        return self._settle_later(ident, used, latency, told)

    async def arest(self, scope: str, until: float, reason: str) -> None:
        if self._outage is None:
            try:
                await self._in_time(lambda: self._remote.arest(scope, until, reason))
            except StoreError as error:
                self._lose(error)
            else:
                return
        self._rest_later(scope, until, reason)

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        if self._outage is None:
            try:
                return await self._in_time(lambda: self._remote.aread(options))
            except StoreError as error:
                self._lose(error)
        return self.glance(options)

    async def areset(self, options: Sequence[Option], *, windows: bool = False) -> None:
        self._refuse_away("nothing can be reset")
        try:
            await self._in_time(lambda: self._remote.areset(options, windows=windows))
        except StoreError as error:
            self._lose(error, raised=True)
            self._refuse_away("nothing can be reset")

    async def aclose(self) -> None:
        self._let_go()
        await self._remote.aclose()

    async def _in_time(self, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the store answers, or `StoreError` where it does not within `patience`.

        Time in which the loop was held up by others' work was no time of the store's, and does not count; up to `HELD_UP`
        times as long as `patience`, for a loop that never gets better.
        """
        import asyncio  # noqa: PLC0415  it takes 8 ms, which who never waits on a loop need not pay

        loop, beat = asyncio.get_running_loop(), self._patience / BEATS
        last = loop.time() + HELD_UP * self._patience
        heart: asyncio.TimerHandle | None = None

        def beats(due: float) -> None:
            nonlocal heart
            late = loop.time() - due
            if late > beat and (when := guard.when()) is not None:
                guard.reschedule(min(when + late, last))
            heart = loop.call_later(beat, beats, loop.time() + beat)

        try:
            async with asyncio.timeout(self._patience) as guard:
                beats(loop.time())
                return await operation()
        except TimeoutError as error:
            raise StoreError(f"no answer within {self._patience:g} s") from error
        finally:
            if heart is not None:
                heart.cancel()


_around: dict[tuple[int, str], Steady] = {}
