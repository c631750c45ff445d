"""A bucket that refills continuously: `value` units deep, `value / seconds` units a second.

What is due is one number, the instant `tat` at which the bucket would be full again (the generic cell rate algorithm's
"theoretical arrival time"; ITU-T I.371). Grants still to come are kept apart, in order, and are poured into `tat` when
due: pouring them in at once would charge the refill of the gap before them as well.

A provider counts a request up to `guard` seconds after its instant, so its own `tat` is at most `tat + guard`; hence
an amount fits at `t` when `tat + (amount - value) / rate + guard <= t`. Three rules keep that true:

- A grant may go before later ones only if each of them keeps its instant.
- A refund of `d` takes `d / rate` off `tat`, but never below what was charged since the refunded charge: refill that
  overflowed in between is gone, and giving it back would mint capacity. `cum`, all that was ever charged, tells.
- A charge that turns out larger, or is moved to a later instant, may only raise `tat`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rotor_core._state.window import Guards

_ROUNDING: Final = 1e-6
"""Seconds. Instants since the epoch are exact to a quarter of that, and promises are often met to the instant."""


class Bucket:
    """`coming`: grants not yet due, as `(at, amount)` in order. A charge's mark is `cum` just after it."""

    __slots__ = ("_latest", "coming", "cum", "guard", "pace", "seconds", "tat", "value")

    def __init__(self, value: float, seconds: float, guard: float, at: float) -> None:
        self.value, self.seconds, self.guard = value, seconds, guard
        self.pace = seconds / value  # seconds to refill one unit
        self.tat = at - guard  # full
        self.cum = 0.0
        self.coming: list[tuple[float, float]] = []
        self._latest: list[float] | None = None

    def earliest(self, now: float, t: float, amount: float) -> float:
        """The smallest instant from `t` (not before `now`) at which `amount` fits; infinite if it never will."""
        if amount > self.value:
            return inf
        if self.coming:
            self._pour(now)
            if self.coming:
                return self._between(t, amount)
        e = self.tat + (amount - self.value) * self.pace + self.guard
        if e > t:
            return e
        return t

    def charge(self, now: float, at: float, amount: float) -> float:
        """Take `amount` at `at`, not before `now`; return the charge's mark."""
        self._pour(now)
        if at > now:
            i = bisect_right(self.coming, (at, inf))
            # What `cum` will be when this is poured, unless others are put before it, which errs on the safe side.
            mark = self.cum + sum(a for _, a in self.coming[:i]) + amount
            insort(self.coming, (at, amount))  # by amount too, so that it is found again among those of one instant
            self._latest = None
            return mark
        self._take(at, amount)
        return self.cum

    def change(self, now: float, at: float, amount: float, mark: float, actual: float) -> None:
        """Replace a charge of `amount` by `actual`."""
        self._pour(now)
        if at > now:
            self._replace(at, amount, actual)
        elif actual > amount:
            self.tat += (actual - amount) * self.pace
            self.cum += actual - amount
        elif self.tat > now:
            since = (self.cum - mark) * self.pace
            self.tat = max(self.tat - (amount - actual) * self.pace, now + min(self.tat - now, since))

    def move(self, now: float, at: float, amount: float, mark: float) -> float:
        """Let a charge count from `now` instead of an earlier `at`; return its new mark."""
        self._pour(now)
        if not amount:
            return mark
        since = (self.cum - mark + amount) * self.pace
        self.tat = max(self.tat, min(self.tat + now - at, now + since))
        self.cum += amount
        return self.cum

    def holds(self, now: float) -> bool:
        """Whether what is due is within the limit."""
        self._pour(now)
        return self.tat - now <= self.seconds + _ROUNDING

    def resize(self, now: float, value: float) -> None:
        """Go on with another limit; what is taken stays taken."""
        self._pour(now)
        taken = max(0.0, self.tat - now) / self.pace
        self.value, self.pace = value, self.seconds / value
        self.tat = min(self.tat, now) + taken * self.pace
        self._latest = None

    def block(self, now: float, amount: float, until: float | None) -> None:
        """Let `amount` not fit before `until` (not known: until one unit has come back)."""
        self._pour(now)
        until = now + self.pace if until is None else until
        full = max(0.0, self.value - min(amount, self.value)) * self.pace
        # Twice the period is as far as anything that was taken can reach.
        self.tat = max(self.tat, min(until - self.guard + full, now + 2 * self.seconds))
        self._latest = None

    def used(self, now: float) -> float:
        """Units taken as of `now`, grants to come included."""
        return self.lasting(now, now)

    def lasting(self, now: float, until: float) -> float:
        """Units taken as of `now` that still count at `until`, grants to come included."""
        self._pour(now)
        return max(0.0, self.tat - until) / self.pace + sum(a for _, a in self.coming)

    def headroom(self, now: float) -> float:
        """The fraction left, 0 to 1."""
        if self.coming:
            return max(0.0, 1.0 - self.used(now) / self.value)
        taken = self.tat - now
        return 1.0 if taken <= 0 else 1.0 - taken / self.seconds if taken < self.seconds else 0.0

    def resets_at(self, now: float) -> float | None:
        """When all of it is free again; None if it is."""
        self._pour(now)
        tat = self.tat
        for at, amount in self.coming:
            tat = max(tat, at) + amount * self.pace
        return tat if tat > now else None

    def guarded(self, guards: Guards) -> None:
        """Go on with another guard."""
        self.guard = guards.delay
        self._latest = None

    def dump(self) -> list[Any]:
        """What `load` needs to go on from here, in values that JSON can carry."""
        return [self.tat, self.cum, [list(grant) for grant in self.coming]]

    def load(self, data: Any) -> None:
        self.tat, self.cum, coming = data
        self.coming = [(at, amount) for at, amount in coming]
        self._latest = None

    def _take(self, at: float, amount: float) -> None:
        self.tat = max(at, self.tat) + amount * self.pace
        self.cum += amount

    def _pour(self, now: float) -> None:
        """Charge what has become due."""
        if self.coming and self.coming[0][0] <= now:
            due = bisect_right(self.coming, (now, inf))
            for at, amount in self.coming[:due]:
                self._take(at, amount)
            del self.coming[:due]
            self._latest = None

    def _replace(self, at: float, amount: float, actual: float) -> None:
        """Change a grant still to come; nothing used means that it never was."""
        i = bisect_left(self.coming, (at, amount))
        if i == len(self.coming) or self.coming[i] != (at, amount):
            return
        if actual:
            self.coming[i] = (at, actual)
            self.coming.sort()
        else:
            del self.coming[i]
        # Later grants' marks have counted on `amount` being poured before them.
        self.cum += max(0.0, amount - actual)
        self._latest = None

    def _between(self, t: float, amount: float) -> float:
        """`earliest` with grants to come: the first gap that has room and leaves the grants behind it their instants."""
        latest = self._latest_tat()
        need, take, tat = (amount - self.value) * self.pace + self.guard, amount * self.pace, self.tat
        for k, (at, a) in enumerate(self.coming):
            if at > t:
                e = max(t, tat + need)
                if e < at and max(tat, e) + take <= latest[k] + _ROUNDING:
                    return e
                t = at
            tat = max(tat, at) + a * self.pace
        return max(t, tat + need)

    def _latest_tat(self) -> list[float]:
        """For each grant to come: the largest `tat` before it with which it and all after it keep their instants."""
        if self._latest is None:
            latest, bound = [0.0] * len(self.coming), inf
            for k in range(len(self.coming) - 1, -1, -1):
                at, amount = self.coming[k]
                take = amount * self.pace
                if at + take > bound + _ROUNDING:
                    bound = -inf  # a debt has already broken those behind: let nothing go before them
                else:
                    bound = min(at + (self.value - amount) * self.pace - self.guard, bound - take)
                latest[k] = bound
            self._latest = latest
        return self._latest
