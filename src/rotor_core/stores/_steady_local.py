"""The ledger in memory that stands in for one that is away. It begins with what was last seen of that one."""

from __future__ import annotations

from collections.abc import Iterable

from rotor_core._health import FAILING, HEALTH
from rotor_core._ledger import Option, OptionReading, Reservation
from rotor_core.stores._open import Open
from rotor_core.stores.memory import MemoryStore


class StandIn(MemoryStore):
    """A ledger in memory for this process's share of limits."""

    def seed(self, option: Option, reading: OptionReading, share: float, under_way: Iterable[Reservation]) -> None:
        """Begin to keep an option's limits. `option`: held to its share; `reading`: of the whole, as last seen.

        `under_way`: this process's calls to it. Their charges are part of the reading; their slots are taken here, to
        be given back when they end.
        """
        with self._turn as now:
            shelf = self._book.shelf
            known = frozenset(shelf.meters)
            meters, gates = shelf.of(option, now)
            last = {r.key: r for r in reading.limits}
            stats = shelf.stats_of(option.id)
            if stats.latency is None:
                stats.latency = reading.latency  # who has answered there is not on trial here
            for meter in meters:
                if meter.key in known:
                    continue
                seen = last[meter.key]
                at = now
                if meter.limit.window == "rolling" and seen.resets_at is not None:
                    at = min(now, seen.resets_at - meter.limit.seconds)  # the last of it leaves the window then
                meter.window.charge(at, at, (seen.used + seen.reserved) * share)
            scope = None if reading.resting is None else _scope(option, reading.resting)
            if scope is not None and reading.resting is not None and reading.rests_until is not None:
                self._book.rest(scope, reading.rests_until, reading.resting, now)
            for reservation in under_way:
                if gates and reservation.id not in self._book.open and reservation.expires_at > now:
                    self._book.put(Open(reservation, "", None, (), gates), now, now, [])
                    stats.served -= 1  # it was served there


def _scope(option: Option, reason: str) -> str | None:
    """Where a rest belongs of which only the option is known: at its narrowest. None: nowhere, for an ask that it does not bind."""
    failing = reason.startswith(FAILING)
    return next((scope for scope in option.scopes if scope.startswith(HEALTH) == failing), None)
