"""Which period a provider means when it does not say. Pure.

In this order: what its own figures imply, a period that is held with that very figure, the period in which just so much
had gone out, the only period that is held for the unit, and else a minute, which is what most limits are per.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rotor_core._ledger import LimitRecord, Told
from rotor_core._model import SECONDS, Per, PeriodName, Unit
from rotor_core._state.trail import Trail

_NEAR: Final = 0.1
"""Implied periods are as exact as waits and figures in whole numbers are; named periods lie far apart."""

_NAMES: Final[tuple[PeriodName, ...]] = ("second", "minute", "hour", "day", "month")


def period_told(told: Told, unit: Unit, limit: float, records: Iterable[LimitRecord], trail: Trail, at: float) -> Per:
    """The period of a `limit` on `unit` that a call sent at `at` was told of."""
    if told.per is not None:
        return told.per
    mine = [record.limit for record in records if record.limit.unit == unit]
    implied = _implied(told, limit)
    if implied is not None:
        return implied
    for known in mine:
        if known.value == limit:
            return known.per
    if told.refused:
        for name in _NAMES:
            if 0.8 * limit <= trail.passed(unit, at - SECONDS[name], at) <= 1.2 * limit:
                return name
    return mine[0].per if len(mine) == 1 else "minute"


def seconds_of(per: Per) -> float | None:
    """A period's length, 0 where none was told; None for what cannot be a period."""
    if per is None:
        return 0.0
    if isinstance(per, str):
        return SECONDS.get(per)
    return float(per) if 1e-3 <= per <= 1e9 else None


def _implied(told: Told, limit: float) -> PeriodName | None:
    """The named period in which a bucket of `limit` would refill what is missing in the wait that was told."""
    if told.refused:
        wait = told.retry_in
        missing = None if told.used is None or told.requested is None else told.used + told.requested - limit
    else:
        wait, missing = told.resets_in, None if told.remaining is None else limit - told.remaining
    if wait is None or missing is None or missing <= 0 or not wait > 0:
        return None
    if any(SECONDS[name] * 0.95 <= wait <= SECONDS[name] for name in _NAMES):
        return None  # or else it is the period itself, as windows other than buckets tell it
    # What is missing is known to one unit, cut off.
    shortest, longest = wait * limit / (missing + 1), wait * limit / max(missing - 1, 0.5)
    near: list[PeriodName] = [n for n in _NAMES if shortest * (1 - _NEAR) <= SECONDS[n] <= longest * (1 + _NEAR)]
    return near[0] if len(near) == 1 else None
