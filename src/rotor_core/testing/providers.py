"""Limits as providers keep them: exactly, by when each request arrives, with no guard and no mercy.

A provider here knows from the start what each call will have used, as if it could see the future: whoever stays within
its limits so, stays within those of one that learns it later and had reserved more until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rotor_core._model import Limit
from rotor_core.testing.naive import period

CRUMBS = 1e-6
"""Units: sums of fractions are exact to so much."""


class Arrival(NamedTuple):
    """A request that was counted at an instant, and what it took of the limit."""

    at: float
    amount: float


def overdrawn(limit: Limit, arrivals: Sequence[Arrival], skew: float = 0.0) -> float:
    """By how many units the limit was exceeded at worst; 0 when it was kept. `skew`: of the provider's wall clock."""
    arrivals = sorted(arrivals)
    match limit.window:
        case "bucket":
            worst = _bucket(limit, arrivals)
        case "rolling":
            worst = _rolling(limit, arrivals)
        case _:
            worst = _calendar(limit, arrivals, skew)
    return worst if worst > CRUMBS else 0.0


def _bucket(limit: Limit, arrivals: Sequence[Arrival]) -> float:
    level, last, worst = limit.value, float("-inf"), 0.0
    for at, amount in arrivals:
        level = min(limit.value, level + (at - last) * limit.value / limit.seconds) - amount
        last, worst = at, max(worst, -level)
    return worst


def _rolling(limit: Limit, arrivals: Sequence[Arrival]) -> float:
    totals = [sum(a for u, a in arrivals if at - limit.seconds < u <= at) for at, _ in arrivals]
    return max(totals, default=0.0) - limit.value


def _calendar(limit: Limit, arrivals: Sequence[Arrival], skew: float) -> float:
    totals: dict[float, float] = {}
    for at, amount in arrivals:
        start, _ = period(limit, at + skew)
        totals[start] = totals.get(start, 0.0) + amount
    return max(totals.values(), default=0.0) - limit.value
