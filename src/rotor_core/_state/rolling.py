"""Not more than `value` in any period, wherever it begins.

A charge at `at` occupies until `at + seconds + guard`, as its provider may count it up to `guard` seconds late. That
test is written in one form everywhere, `at + span > t`: a second form would round differently, and the search for an
instant that suits several windows would not come to rest.

A grant at `t` must leave room at every later grant's instant too, for those were promised. Up to `CELLS` charges are
kept one by one; when there are twice as many, past ones are merged into cells of `span / CELLS`, each cell as late as
the latest of its parts. That never frees capacity early, and only past charges are merged, so it hides none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import floor, inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotor_core._state.window import Guards

CELLS = 64
_SLACK = 1e-9
_DUST = 1e-12


class Rolling:
    """`ats` and `amounts`: what was charged when, by time, future grants included; `total` is their sum."""

    __slots__ = ("amounts", "ats", "cap", "guard", "span", "total", "value")

    def __init__(self, value: float, seconds: float, guard: float) -> None:
        self.value, self.guard, self.span = value, guard, seconds + guard
        self.cap = value * (1 + _SLACK)  # so that three times 0.1 fit into 0.3
        self.ats: list[float] = []
        self.amounts: list[float] = []
        self.total = 0.0

    def earliest(self, now: float, t: float, amount: float) -> float:
        """The smallest instant from `t` (not before `now`) at which `amount` fits; infinite if it never will."""
        if amount > self.cap:
            return inf
        self._forget(now)
        if self.total + amount <= self.cap:
            return t
        if self.ats and self.ats[-1] > t:
            return self._among_grants(t, amount)
        freed = list(accumulate(self.amounts))
        last = min(bisect_left(freed, self.total + amount - self.cap), len(freed) - 1)
        return max(t, self.ats[last] + self.span)

    def charge(self, now: float, at: float, amount: float) -> float:
        """Take `amount` at `at`, not before `now`. The mark is not needed here: 0."""
        self._forget(now)
        if amount:
            self._add(at, amount)
            if len(self.ats) > 2 * CELLS:
                self._merge(now)
        return 0.0

    def change(self, now: float, at: float, amount: float, _mark: float, actual: float) -> None:
        """Replace a charge of `amount` by `actual`. One that no longer counts is left alone."""
        self._forget(now)
        if at + self.span > now and actual != amount:
            i = bisect_left(self.ats, at)
            # A past charge may have been merged into a later cell; a grant to come never is.
            self._add(self.ats[i] if i < len(self.ats) and self.ats[i] <= now else at, actual - amount)

    def move(self, now: float, at: float, amount: float, _mark: float) -> float:
        """Let a charge count from `now` instead of an earlier `at`."""
        self.change(now, at, amount, _mark, 0.0)
        return self.charge(now, now, amount)

    def holds(self, now: float) -> bool:
        """Whether what is due is within the limit."""
        self._forget(now)
        return sum(self.amounts[: bisect_right(self.ats, now)]) <= self.cap

    def resize(self, now: float, value: float) -> None:
        """Go on with another limit; what is taken stays taken."""
        self._forget(now)
        self.value, self.cap = value, value * (1 + _SLACK)

    def stretch(self, seconds: float) -> None:
        """Go on with another period; what is taken stays where it is, grants to come included."""
        self.span = seconds + self.guard

    def block(self, now: float, amount: float, until: float | None) -> None:
        """Let `amount` not fit before `until` (not known: a tenth of the period): something else was counted until then."""
        self._forget(now)
        until = now + self.span / 10 if until is None else until
        begun = min(now, until - self.span)
        missing = self.value - min(amount, self.value) + min(amount, 1.0) - self._after(begun)
        if missing > 0 and begun + self.span > now:
            self._add(begun, missing)

    def _after(self, t: float) -> float:
        """Units that count for longer than those taken at `t`."""
        return sum(self.amounts[bisect_right(self.ats, t) :])

    def used(self, now: float) -> float:
        """Units taken as of `now`, grants to come included."""
        self._forget(now)
        return self.total

    def lasting(self, now: float, until: float) -> float:
        """Units taken as of `now` that still count at `until`, grants to come included."""
        self._forget(now)
        return self._after(until - self.span)

    def headroom(self, now: float) -> float:
        """The fraction left, 0 to 1."""
        self._forget(now)
        left = 1.0 - self.total / self.value
        return left if left > 0 else 0.0

    def resets_at(self, now: float) -> float | None:
        """When all of it is free again; None if it is."""
        self._forget(now)
        return self.ats[-1] + self.span if self.ats else None

    def guarded(self, guards: Guards) -> None:
        """Go on with another guard."""
        self.span += guards.delay - self.guard
        self.guard = guards.delay

    def dump(self) -> list[Any]:
        """What `load` needs to go on from here, in values that JSON can carry."""
        return [list(self.ats), list(self.amounts)]

    def load(self, data: Any) -> None:
        self.ats, self.amounts = list(data[0]), list(data[1])
        self.total = sum(self.amounts)

    def _forget(self, now: float) -> None:
        ats = self.ats
        if ats and ats[0] + self.span <= now:
            gone = 1
            while gone < len(ats) and ats[gone] + self.span <= now:
                gone += 1
            self.total = self.total - sum(self.amounts[:gone]) if gone < len(ats) else 0.0
            del ats[:gone], self.amounts[:gone]

    def _add(self, at: float, amount: float) -> None:
        i = bisect_left(self.ats, at)
        if i == len(self.ats) or self.ats[i] != at:
            self.ats.insert(i, at)
            self.amounts.insert(i, 0.0)
        self.amounts[i] += amount
        self.total += amount
        if self.amounts[i] <= _DUST:
            self.total -= self.amounts[i]
            del self.ats[i], self.amounts[i]

    def _merge(self, now: float) -> None:
        past = bisect_right(self.ats, now)
        if past <= CELLS:
            return
        width = self.span / CELLS
        ats, amounts, last = list[float](), list[float](), -1
        for at, amount in zip(self.ats[:past], self.amounts[:past], strict=True):
            cell = floor(at / width)
            if cell == last:
                ats[-1] = at
                amounts[-1] += amount
            else:
                ats.append(at)
                amounts.append(amount)
                last = cell
        self.ats[:past], self.amounts[:past] = ats, amounts

    def _among_grants(self, t: float, amount: float) -> float:
        """`earliest` with grants to come. Room is gained only when a charge ends, so only those instants are tried."""
        room = self.cap - amount
        sums = [0.0, *accumulate(self.amounts)]
        ends = [at + self.span for at in self.ats]
        tight = [at for k, at in enumerate(self.ats) if at >= t and sums[k + 1] - sums[bisect_right(ends, at)] > room]
        while True:
            ended = bisect_right(ends, t)
            if sums[bisect_right(self.ats, t)] - sums[ended] > room:
                t = ends[ended]
                continue
            # A grant at t is still there at the instants of those that come before it ends.
            k = bisect_left(tight, t + self.span) - 1
            if k < 0 or tight[k] < t:
                return t
            t = ends[bisect_right(ends, tight[k])]
