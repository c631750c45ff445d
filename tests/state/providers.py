"""Providers as they count: naive, exact, and written without a look at the ledger's own arithmetic."""

from __future__ import annotations


class RefillingBucket:
    """Counts in levels: full at first, refilled continuously, never more than full."""

    def __init__(self, value: float, seconds: float, at: float) -> None:
        self.value, self.rate, self.level, self.at = value, value / seconds, float(value), at

    def level_at(self, t: float) -> float:
        return min(self.value, self.level + (t - self.at) * self.rate)

    def count(self, t: float, amount: float) -> float:
        """Take it whatever the level; return what is left, below zero if it should have been refused."""
        self.level, self.at = self.level_at(t) - amount, t
        return self.level


class SlidingLog:
    """Remembers every arrival; not more than `value` in any period."""

    def __init__(self, value: float, seconds: float) -> None:
        self.value, self.seconds = value, seconds
        self.log: list[tuple[float, float]] = []

    def count(self, t: float, amount: float) -> float:
        self.log.append((t, amount))
        return self.value - sum(a for at, a in self.log if at > t - self.seconds)


class FixedPeriods:
    """One counter for each period of so many seconds, by a clock that may be off by `skew`."""

    def __init__(self, value: float, seconds: float, skew: float) -> None:
        self.value, self.seconds, self.skew = value, seconds, skew
        self.counters: dict[int, float] = {}

    def count(self, t: float, amount: float) -> float:
        number = int((t + self.skew) // self.seconds)
        self.counters[number] = self.counters.get(number, 0.0) + amount
        return self.value - self.counters[number]
