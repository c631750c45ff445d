"""Windows as a reference counts them: a plain list of charges, and the first instant found by trying.

An instant is tried by asking what every window promises: this charge and those that were granted before it are all
within the limit, at its own instant and at theirs. Only a few instants need be tried, as room appears only when
something ends. The conventions are the ledger's:

- a guard, the seconds by which the provider may count a call late: a rolling charge occupies `period + guard`, a bucket
  is taken as `guard` seconds behind;
- near the turn of a calendar period, `edge` seconds on either side, a charge counts in both periods; where that stretch
  is left within `soon` seconds, it waits for that instead;
- a limit is kept but for a billionth, so that three times 0.1 fit into 0.3.

A bucket's refunds are counted as the ledger counts them, which errs on the safe side: `since` bounds them by what was
charged since, and that includes what has been cancelled since. `exact` is the same bucket if every amount had been
known from the start: what is counted is never less, so no grant is earlier than it may be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from math import floor, inf, nextafter
from zoneinfo import ZoneInfo

from rotor_core._model import SECONDS, Limit, Per
from rotor_core._state.window import Guards

SLACK = 1e-9
ROUNDING = 1e-6
"""Seconds. An instant that was promised is kept but for this."""


class Charge:
    """`amount` of a limit, counted from `at`. `mark` is a bucket's: the sum of all charges when this one is counted."""

    __slots__ = ("amount", "at", "mark")

    def __init__(self, at: float, amount: float) -> None:
        self.at, self.amount, self.mark = at, amount, 0.0


class Naive(ABC):
    """A window of time: the list of charges, and what all kinds do alike."""

    def __init__(self, limit: Limit, guards: Guards) -> None:
        self.limit, self.guards = limit, guards
        self.charges: list[Charge] = []

    def earliest(self, now: float, t: float, amount: float) -> float:
        """The first instant from `t` on at which there is room, by trying."""
        if amount > self.limit.value * (1 + SLACK):
            return inf
        for instant in sorted({t, *(other for other in self.instants(now, t, amount) if other > t)}):
            if self.room(now, instant, amount):
                return instant
        raise AssertionError("every window has room some day")

    @abstractmethod
    def instants(self, now: float, t: float, amount: float) -> Iterable[float]:
        """Every instant after `t` at which room may appear."""

    @abstractmethod
    def room(self, now: float, t: float, amount: float) -> bool: ...

    def charge(self, now: float, at: float, amount: float) -> Charge:  # noqa: ARG002  a bucket looks at the time
        found = Charge(at, amount)
        self.charges.append(found)
        return found

    def change(self, now: float, charge: Charge, actual: float) -> None:  # noqa: ARG002  likewise
        charge.amount = actual

    def move(self, now: float, charge: Charge) -> None:
        charge.at = now

    @abstractmethod
    def holds(self, now: float) -> bool: ...

    @abstractmethod
    def used(self, now: float) -> float: ...

    @abstractmethod
    def resets_at(self, now: float) -> float | None: ...


class Rolling(Naive):
    """Not more than the limit in any period and its guard."""

    @property
    def span(self) -> float:
        return self.limit.seconds + self.guards.delay

    def instants(self, now: float, t: float, amount: float) -> Iterable[float]:  # noqa: ARG002
        return [charge.at + self.span for charge in self.charges]

    def room(self, now: float, t: float, amount: float) -> bool:  # noqa: ARG002
        promised = [charge.at for charge in self.charges if t < charge.at < t + self.span]
        return all(self._taken(u) + amount <= self.limit.value * (1 + SLACK) for u in (t, *promised))

    def holds(self, now: float) -> bool:
        return self._taken(now) <= self.limit.value * (1 + SLACK)

    def used(self, now: float) -> float:
        return sum(charge.amount for charge in self.charges if charge.at + self.span > now)

    def resets_at(self, now: float) -> float | None:
        counted = [charge.at for charge in self.charges if charge.at + self.span > now and charge.amount > 0]
        return max(counted) + self.span if counted else None

    def _taken(self, t: float) -> float:
        return sum(charge.amount for charge in self.charges if charge.at <= t < charge.at + self.span)


class Calendar(Naive):
    """Not more than the limit in each period, nor in two at once where it is unsure which one counts."""

    def instants(self, now: float, t: float, amount: float) -> Iterable[float]:  # noqa: ARG002
        last = max([t, *(charge.at for charge in self.charges)])
        turns = [period(self.limit, t)[0]]
        while turns[-1] <= last + self.guards.edge:
            turns.append(period(self.limit, turns[-1])[1])
        return [turn + self.guards.edge for turn in (*turns, period(self.limit, turns[-1])[1])]

    def room(self, now: float, t: float, amount: float) -> bool:  # noqa: ARG002
        touched = self._touched(t)
        left = touched[-1][0] + self.guards.edge
        if t < left <= t + self.guards.soon:
            return False
        return all(self._taken(span) + amount <= self.limit.value * (1 + SLACK) for span in touched)

    def holds(self, now: float) -> bool:
        return self.used(now) <= self.limit.value * (1 + SLACK)

    def used(self, now: float) -> float:
        return self._taken(period(self.limit, now))

    def resets_at(self, now: float) -> float | None:
        return period(self.limit, now)[1]

    def _taken(self, span: tuple[float, float]) -> float:
        edge = self.guards.edge
        return sum(charge.amount for charge in self.charges if span[0] - edge <= charge.at < span[1] + edge)

    def _touched(self, t: float) -> list[tuple[float, float]]:
        """The periods with `start - edge <= t < end + edge`, by time."""
        touched = [period(self.limit, t)]
        while t < touched[0][0] + self.guards.edge:
            touched.insert(0, period(self.limit, nextafter(touched[0][0], -inf)))
        while t >= touched[-1][1] - self.guards.edge:
            touched.append(period(self.limit, touched[-1][1]))
        return touched


class Bucket(Naive):
    """Refills continuously. `tat`: when what is counted will be full again; the charges kept are those still to come."""

    def __init__(self, limit: Limit, guards: Guards) -> None:
        super().__init__(limit, guards)
        self.pace = limit.seconds / limit.value
        self.tat = -inf
        self.cum = 0.0
        self.past: list[Charge] = []

    def instants(self, now: float, t: float, amount: float) -> Iterable[float]:  # noqa: ARG002
        self._count(now)
        need = (amount - self.limit.value) * self.pace + self.guards.delay
        tat, found = self.tat, [self.tat + need]
        for charge in self._coming():
            tat = max(tat, charge.at) + charge.amount * self.pace
            found += [charge.at, tat + need]
        return found

    def room(self, now: float, t: float, amount: float) -> bool:
        self._count(now)
        tat = self.tat
        before = [charge for charge in self._coming() if charge.at <= t]
        for charge in before:
            tat = max(tat, charge.at) + charge.amount * self.pace
        if not self._within(tat, t, amount, 0.0):
            return False
        tat = max(tat, t) + amount * self.pace
        for charge in self._coming()[len(before) :]:
            if not self._within(tat, charge.at, charge.amount, ROUNDING):
                return False
            tat = max(tat, charge.at) + charge.amount * self.pace
        return True

    def charge(self, now: float, at: float, amount: float) -> Charge:
        self._count(now)
        found = super().charge(now, at, amount)
        found.mark = self.cum + sum(charge.amount for charge in self._coming() if charge.at <= at)
        self._count(now)
        return found

    def change(self, now: float, charge: Charge, actual: float) -> None:
        self._count(now)
        was, charge.amount = charge.amount, actual
        if charge in self.charges:
            self.cum += max(0.0, was - actual)
            if not actual:
                self.charges.remove(charge)
        elif actual > was:
            self.tat += (actual - was) * self.pace
            self.cum += actual - was
        elif self.tat > now:
            since = (self.cum - charge.mark) * self.pace
            self.tat = max(self.tat - (was - actual) * self.pace, now + min(self.tat - now, since))

    def move(self, now: float, charge: Charge) -> None:
        self._count(now)
        if charge.amount:
            since = (self.cum - charge.mark + charge.amount) * self.pace
            self.tat = max(self.tat, min(self.tat + now - charge.at, now + since))
            self.cum += charge.amount
            charge.mark = self.cum
        charge.at = now

    def holds(self, now: float) -> bool:
        self._count(now)
        return self.tat - now <= self.limit.seconds + ROUNDING

    def used(self, now: float) -> float:
        self._count(now)
        return max(0.0, self.tat - now) / self.pace + sum(charge.amount for charge in self.charges)

    def resets_at(self, now: float) -> float | None:
        self._count(now)
        tat = self.tat
        for charge in self._coming():
            tat = max(tat, charge.at) + charge.amount * self.pace
        return tat if tat > now else None

    def exact(self) -> float:
        """When the bucket would be full, had every charge been known at its instant and in its final amount."""
        tat = -inf
        for charge in sorted(self.past, key=lambda charge: charge.at):
            tat = max(tat, charge.at) + charge.amount * self.pace
        return tat

    def _count(self, now: float) -> None:
        """Let what is due be counted, by time."""
        for charge in self._coming():
            if charge.at <= now:
                self.tat = max(self.tat, charge.at) + charge.amount * self.pace
                self.cum += charge.amount
                self.charges.remove(charge)
                self.past.append(charge)

    def _coming(self) -> list[Charge]:
        return sorted(self.charges, key=lambda charge: charge.at)

    def _within(self, tat: float, t: float, amount: float, rounding: float) -> bool:
        return tat + (amount - self.limit.value) * self.pace + self.guards.delay <= t + rounding


KINDS: dict[str, Callable[[Limit, Guards], Naive]] = {"bucket": Bucket, "rolling": Rolling, "calendar": Calendar}


def period(limit: Limit, t: float) -> tuple[float, float]:
    """The calendar period that holds `t`, as `(start, end)`: the stretch of whole seconds with the same name on the wall."""
    if not isinstance(limit.per, str) or limit.per == "second":
        length = limit.seconds
        return floor(t / length) * length, (floor(t / length) + 1) * length
    return _stretch(limit.per, limit.tz, floor(t))


@lru_cache(maxsize=4096)
def _stretch(per: Per, tz: str, second: int) -> tuple[float, float]:
    name = _name(per, tz, second)
    reach = 4 * int(SECONDS[str(per)])
    # The last second before it that has another name, and the first one after it.
    before, start = second - reach, second
    while start - before > 1:
        middle = (before + start) // 2
        before, start = (before, middle) if _name(per, tz, middle) == name else (middle, start)
    end, after = second, second + reach
    while after - end > 1:
        middle = (end + after) // 2
        end, after = (middle, after) if _name(per, tz, middle) == name else (end, middle)
    return float(start), float(after)


def _name(per: Per, tz: str, second: int) -> object:
    """What the period that holds a second is called by a clock on the wall, its offset included where clocks change."""
    local = datetime.fromtimestamp(second, ZoneInfo(tz))
    match per:
        case "month":
            return local.year, local.month
        case "day":
            return local.date()
        case _:
            offset = local.utcoffset() or timedelta(0)
            return offset, floor((second + offset.total_seconds()) / SECONDS[str(per)])
