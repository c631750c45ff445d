"""A limit's period, and whether it is a bucket, from one answer's three figures: limit, remaining, reset.

A bucket of `limit` that refills in `period` seconds and lacks `spent` is full again after `spent / limit * period`. So
`period = reset / spent * limit`. The figures are rounded: a server that has 29.3 left says 29, and one that needs 1.2 ms
says `1ms`. Hence bounds, not points, and an answer only where the bounds hold one period of the usual ones and hardly
any other reset would have done as well: a window with a fixed end may show such a triple by chance.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rotor_core._model import SECONDS, PeriodName

USUAL: Final[tuple[PeriodName, ...]] = ("second", "minute", "hour", "day")
SLACK: Final = 0.05
"""How far a period may lie from a usual one: servers count their own delay in, or leave it out."""
LIKELY: Final = 0.2
"""A period is believed when at most this share of the resets of a window with a fixed end would suggest it."""
PROVEN: Final = 0.05
"""A bucket is believed when at most this share would."""

CONSTANT: Final = 0.01
"""Seconds by which a reset that is always a whole period may be off."""


class Triple(NamedTuple):
    """`limit` and `remaining` in the limit's unit, `reset` in seconds and how far off that may be."""

    limit: float
    remaining: float
    reset: float
    grain: float

    def is_telling(self) -> bool:
        """Whether anything was spent: a full bucket resets at once, whatever its period."""
        return 0 <= self.remaining < self.limit

    def period(self, candidates: tuple[PeriodName, ...] = USUAL) -> PeriodName | None:
        """The only one of `candidates` in which such a bucket refills. Fewer than the usual ones are what a vendor has at all."""
        limit, remaining, reset, grain = self
        if not 0 <= remaining < limit or _is_constant(reset):
            return None
        least, most = _spent(limit - remaining)
        low = (reset - grain) / most * limit * (1 - SLACK)
        high = (reset + grain) / least * limit * (1 + SLACK)
        fitting: PeriodName | None = None
        for per in candidates:
            if low <= SECONDS[per] <= high:
                if fitting is not None:
                    return None
                fitting = per
        if fitting is not None and candidates is USUAL:
            by_chance = (most - least) / limit + 2 * grain / SECONDS[fitting]
            return None if low <= 0 or by_chance > LIKELY else fitting
        return fitting

    def is_bucket(self, period: float) -> bool:
        """Whether a bucket with this period would show just this reset, and a window with a fixed end hardly."""
        limit, remaining, reset, grain = self
        if not 0 <= remaining < limit or reset <= grain or _is_constant(reset):
            return False
        least, most = _spent(limit - remaining)
        slot = period / limit
        by_chance = (most - least) / limit + 2 * grain / period
        return by_chance <= PROVEN and least * slot - grain <= reset <= most * slot + grain


def _spent(missing: float) -> tuple[float, float]:
    """The least and the most that may be missing. The call that was just counted is: a first request is one in full."""
    return (missing - 1 if missing > 1.9 else min(missing, 0.9)), missing + 0.5


def _is_constant(reset: float) -> bool:
    """A reset of a whole minute, hour or day is what servers say that do not count down."""
    return abs(reset - 60) <= CONSTANT or abs(reset - 3600) <= CONSTANT or abs(reset - 86400) <= CONSTANT
