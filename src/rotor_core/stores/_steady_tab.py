"""What this process used while the shared ledger was away, counted by the whole limits, to be entered there later.

Each limit has a window as the provider has one: so what has aged out by the time of the return is not carried over, and
what is left of a day or a budget is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from rotor_core._demand import Demand
from rotor_core._ledger import Option, Plan, Reservation, Standing, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core._state.window import Guards
from rotor_core.stores._open import Open, actual_amounts
from rotor_core.stores._shelf import Shelf, nobody

_PER_MICRO: Final = Price(1.0, 0.0)
"""A price at which one token costs one millionth of a USD: so tokens can stand for any sum."""

_CRUMBS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Debt:
    """What one limit is still owed: something to reserve, and to settle as reserved."""

    key: str
    limit: Limit
    plan: Plan
    demand: Demand


class Tab:
    """Reservations of this process, by id, and the windows that they count in."""

    def __init__(self) -> None:
        self._shelf = Shelf(Guards(), nobody)
        self._open: dict[str, tuple[Option, Open]] = {}

    def __bool__(self) -> bool:
        """Whether something is under way, or was counted."""
        return bool(self._open) or bool(self._shelf.meters)

    def grant(self, reservation: Reservation, option: Option, now: float) -> None:
        """`option`: as the shared ledger knows it, with the whole limits."""
        meters, _ = self._shelf.of(option, now)
        known = Open(reservation, "", option.price, meters, ())
        amounts = [reservation.demand.charge(meter.limit, option.price, option.model)[0] for meter in meters]
        known.charge(now, max(now, reservation.at), amounts, 0.0)
        self._open[reservation.id] = option, known

    def settle(self, reservation_id: str, used: Used, now: float) -> None:
        found = self._open.pop(reservation_id, None)
        if found is not None:
            found[1].settle(now, actual_amounts(found[1], used))

    def take_under_way(self, now: float) -> list[tuple[Option, Reservation]]:
        """What is under way, which counts here no more: the shared ledger will have it as it is."""
        taken = [(option, known.reservation) for option, known in self._open.values()]
        for _, known in self._open.values():
            known.settle(now, [0.0] * len(known.amounts))
        self._open.clear()
        return taken

    def debts(self, now: float) -> list[Debt]:
        """What still counts now of what was used. Nothing may be under way."""
        return [
            _debt(meter.key, meter.limit, used)
            for meter in self._shelf.meters.values()
            if (used := meter.window.used(now)) > _CRUMBS
        ]

    def paid(self, key: str) -> None:
        self._shelf.meters.pop(key, None)


def _debt(key: str, limit: Limit, used: float) -> Debt:
    option = Option("carried over", (BoundLimit(key, limit),), (), price=_PER_MICRO)
    return Debt(key, limit, alone(option), _amounting_to(limit, min(used, limit.value)))


def alone(option: Option) -> Plan:
    """A plan of this option and no other."""
    return Plan((Tier((option,)),), _alike)


def _alike(_: Standing) -> float:
    return 0.0


def _amounting_to(limit: Limit, amount: float) -> Demand:
    """A demand that takes so much of this limit."""
    match limit.unit:
        case "usd":
            return Demand(input_tokens=min(ceil(amount * 1e6 - _CRUMBS), floor(limit.value * 1e6 + _CRUMBS)))
        case "audio_seconds":
            return Demand(audio_seconds=amount)
        case "output_tokens":
            return Demand(output_tokens=_whole(amount, limit))
        case "tokens" | "input_tokens":
            return Demand(input_tokens=_whole(amount, limit))
        case _:
            return Demand(requests=_whole(amount, limit))


def _whole(amount: float, limit: Limit) -> int:
    return min(ceil(amount - _CRUMBS), int(limit.value))
