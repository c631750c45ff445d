"""How a provider counts: what is taken, what still fits, and how long until something does. Pure; time is an argument.

This is the judge of Rotor's own ledger, so it shares no code with it and knows no reservations: a request is counted
at the instant at which it arrives. One microsecond is forgiven, since instants are seconds since the epoch, which a
float holds to a quarter of that. Instants may not go back; one that does is taken as the latest seen.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from rotor_core._model import Limit, Per

_FORGIVEN: Final = 1e-6
_DAY: Final = 86400


class Window(Protocol):
    """What a limit is counted by. `value`: the limit itself."""

    value: float

    def wait(self, now: float, amount: float) -> float:
        """Seconds until `amount` fits: 0 when it does now, infinite when it never will."""
        ...

    def take(self, now: float, amount: float) -> None:
        """Count `amount`, which fits."""
        ...

    def used(self, now: float) -> float:
        """What counts at `now`."""
        ...

    def empty_in(self, now: float) -> float:
        """Seconds until nothing counts any more, if nothing else comes."""
        ...


class Bucket:
    """A bucket of `value` units that refills continuously, `value / seconds` units a second (Groq, OpenAI)."""

    __slots__ = ("_at", "_rate", "_taken", "value")

    def __init__(self, value: float, seconds: float) -> None:
        self.value = value
        self._rate = value / seconds
        self._taken = 0.0
        self._at = -math.inf

    def wait(self, now: float, amount: float) -> float:
        if amount > self.value:
            return math.inf
        seconds = (self.used(now) + amount - self.value) / self._rate
        return seconds if seconds > _FORGIVEN else 0.0

    def take(self, now: float, amount: float) -> None:
        self._taken = self.used(now) + amount

    def used(self, now: float) -> float:
        if now > self._at:
            left = self._taken - (now - self._at) * self._rate
            self._taken = left if left > 0 else 0.0
            self._at = now
        return self._taken

    def empty_in(self, now: float) -> float:
        return self.used(now) / self._rate


class Rolling:
    """Not more than `value` in any `seconds` (Cohere): every request is remembered until it is that old."""

    __slots__ = ("_cap", "_log", "_seconds", "_total", "value")

    def __init__(self, value: float, seconds: float) -> None:
        self.value = value
        self._cap = value * (1 + 1e-9)  # so that three times 0.1 fit into 0.3
        self._seconds = seconds
        self._log: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def wait(self, now: float, amount: float) -> float:
        over = self.used(now) + amount - self._cap
        if over <= 0:
            return 0.0
        for at, taken in self._log:
            over -= taken
            if over <= 0:
                return at + self._seconds - now
        return math.inf

    def take(self, now: float, amount: float) -> None:
        self._total = self.used(now) + amount
        self._log.append((max(now, self._log[-1][0]) if self._log else now, amount))

    def used(self, now: float) -> float:
        log, gone = self._log, now + _FORGIVEN - self._seconds
        while log and log[0][0] <= gone:
            self._total -= log.popleft()[1]
        if not log:
            self._total = 0.0  # what rounding left behind
        return self._total

    def empty_in(self, now: float) -> float:
        return self._log[-1][0] + self._seconds - now if self.used(now) else 0.0


class Calendar:
    """Not more than `value` in each period of the wall clock in the zone `tz` (Gemini, OpenRouter)."""

    __slots__ = ("_cap", "_end", "_per", "_taken", "_zone", "value")

    def __init__(self, value: float, per: Per, tz: str) -> None:
        self.value = value
        self._cap = value * (1 + 1e-9)
        self._per: Per = per
        self._zone = ZoneInfo(tz)
        self._taken = 0.0
        self._end = -math.inf

    def wait(self, now: float, amount: float) -> float:
        if amount > self._cap:
            return math.inf
        return 0.0 if self.used(now) + amount <= self._cap else self._end - now

    def take(self, now: float, amount: float) -> None:
        self._taken = self.used(now) + amount

    def used(self, now: float) -> float:
        if now + _FORGIVEN >= self._end:
            self._end = _end_of_period(now + _FORGIVEN, self._per, self._zone)
            self._taken = 0.0
        return self._taken

    def empty_in(self, now: float) -> float:
        return self._end - now if self.used(now) else 0.0


class Slots:
    """At most `value` calls in flight. Each is known by a number, so that giving one back twice changes nothing."""

    __slots__ = ("_open", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self._open: set[int] = set()

    @property
    def in_use(self) -> int:
        return len(self._open)

    @property
    def free(self) -> bool:
        return len(self._open) < self.value

    def take(self, number: int) -> None:
        self._open.add(number)

    def give_back(self, number: int) -> None:
        self._open.discard(number)


def window_of(limit: Limit) -> Window:
    """The window that a limit other than concurrency is counted by."""
    match limit.window:
        case "rolling":
            return Rolling(limit.value, limit.seconds)
        case "calendar":
            return Calendar(limit.value, limit.per, limit.tz)
        case _:
            return Bucket(limit.value, limit.seconds)


def _end_of_period(t: float, per: Per, zone: ZoneInfo) -> float:
    """Where the period that holds `t` ends. Days and months are local; the rest is aligned to the zone's offset."""
    if per in {"day", "month"}:
        return _first_second_after(t, zone, months=per == "month")
    if per in {"minute", "hour"}:
        length = 60 if per == "minute" else 3600
        offset = _local(t, zone).utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        return (math.floor((t + shift) / length) + 1) * length - shift
    length_ = 1.0 if per == "second" else float(per or 1)
    return (math.floor(t / length_) + 1) * length_


def _first_second_after(t: float, zone: ZoneInfo, *, months: bool) -> float:
    """The first second whose local date is of a later day (or month) than that of `t`, by bisection over the clock."""

    def still(second: int) -> bool:
        there = _local(second, zone).date()
        return (there.year, there.month) == (here.year, here.month) if months else there == here

    here: date = _local(t, zone).date()
    low, high = math.floor(t), math.floor(t) + (33 if months else 2) * _DAY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if still(middle) else (low, middle)
    return float(high)


def _local(t: float, zone: ZoneInfo) -> datetime:
    # Whole seconds: a datetime would round up to the next microsecond, and perhaps into the next period.
    return datetime.fromtimestamp(math.floor(t), zone)
