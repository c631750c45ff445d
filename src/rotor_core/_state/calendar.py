"""Not more than `value` in each period of the calendar: one counter per period.

A request claimed just before the turn of a period may be counted after it, and clocks are skewed. So a charge within
`edge` seconds of a turn, on either side, needs room in both periods and is charged to both; when the way out of that
stretch is within `soon`, it waits instead. A full period is over `edge` seconds after its end.

A period is touched by `t` when `start - edge <= t < end + edge`, in that form everywhere, for the sake of rounding.
"""

from __future__ import annotations

from math import inf, nextafter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotor_core._state.window import Guards

from rotor_core._model import Per
from rotor_core._state.spans import span

_SLACK = 1e-9


class Period:
    """One period of the calendar and what was taken in it."""

    __slots__ = ("end", "start", "used")

    def __init__(self, start: float, end: float, used: float = 0.0) -> None:
        self.start, self.end, self.used = start, end, used


_NOWHERE = Period(inf, -inf)


class Calendar:
    """`periods`: those that matter still, by time. `_here`: the one last looked into, for most questions are about it."""

    __slots__ = ("_here", "cap", "edge", "per", "periods", "soon", "tz", "value")

    def __init__(self, value: float, per: Per, tz: str, edge: float, soon: float) -> None:
        self.value, self.tz, self.edge, self.soon = value, tz, edge, soon
        self.per: Per = per
        self.cap = value * (1 + _SLACK)  # so that three times 0.1 fit into 0.3
        self.periods: list[Period] = []
        self._here = _NOWHERE

    def earliest(self, now: float, t: float, amount: float) -> float:
        """The smallest instant from `t` (not before `now`) at which `amount` fits; infinite if it never will."""
        if amount > self.cap:
            return inf
        room, here = self.cap - amount, self._here
        if here.start + self.edge <= t < here.end - self.edge and here.used <= room:
            return t
        self._forget(now)
        while True:
            touched = self._touched(t)
            turn = touched[-1].start + self.edge
            if t < turn <= t + self.soon:
                t = turn
                continue
            full = [period for period in touched if period.used > room]
            if not full:
                return t
            t = full[-1].end + self.edge

    def charge(self, now: float, at: float, amount: float) -> float:
        """Take `amount` at `at`, not before `now`. The mark is not needed here: 0."""
        self._forget(now)
        for period in self._touched(at):
            period.used += amount
        return 0.0

    def change(self, now: float, at: float, amount: float, _mark: float, actual: float) -> None:
        """Replace a charge of `amount` by `actual`, in every period that it was charged to."""
        self._forget(now)
        for period in self._touched(at):
            period.used = max(0.0, period.used + actual - amount)

    def move(self, now: float, at: float, amount: float, _mark: float) -> float:
        """Let a charge count from `now` instead of an earlier `at`."""
        self.change(now, at, amount, _mark, 0.0)
        return self.charge(now, now, amount)

    def holds(self, now: float) -> bool:
        """Whether what was taken in the period that holds `now` is within the limit."""
        return self._period(now).used <= self.cap

    def resize(self, now: float, value: float) -> None:
        """Go on with another limit; what is taken stays taken."""
        self._forget(now)
        self.value, self.cap = value, value * (1 + _SLACK)

    def block(self, now: float, amount: float, until: float | None) -> None:
        """Let `amount` not fit before `until` (not known: the period that holds `now`): its periods are that full."""
        self._forget(now)
        t = now
        while True:
            period = self._period(t)
            period.used = max(period.used, self.value - min(amount, self.value) + min(amount, 1.0))
            t = period.end
            if until is None or t + self.edge >= until:
                return

    def used(self, now: float) -> float:
        """Units taken in the period that holds `now`."""
        return self._period(now).used

    def lasting(self, now: float, until: float) -> float:
        """Units taken in the period that holds `now`, if it holds `until` as well."""
        here = self._period(now)
        return here.used if until < here.end else 0.0

    def headroom(self, now: float) -> float:
        """The fraction left of the period that holds `now`, 0 to 1."""
        left = 1.0 - self._period(now).used / self.value
        return left if left > 0 else 0.0

    def resets_at(self, now: float) -> float | None:
        """The end of the period that holds `now`."""
        return self._period(now).end

    def guarded(self, guards: Guards) -> None:
        """Go on with other guards."""
        self.edge, self.soon = guards.edge, guards.soon

    def dump(self) -> list[Any]:
        """What `load` needs to go on from here, in values that JSON can carry."""
        return [[period.start, period.end, period.used] for period in self.periods if period.used]

    def load(self, data: Any) -> None:
        self.periods = [Period(start, end, used) for start, end, used in data]
        self._here = _NOWHERE

    def _forget(self, now: float) -> None:
        """Drop the periods that no instant from `now` on touches."""
        while self.periods and self.periods[0].end + self.edge <= now:
            del self.periods[0]
            self._here = _NOWHERE

    def _period(self, t: float) -> Period:
        here = self._here
        if here.start <= t < here.end:
            return here
        for period in self.periods:
            if period.start <= t < period.end:
                self._here = period
                return period
        found = self._here = Period(*span(self.per, self.tz, t))
        self.periods.append(found)
        self.periods.sort(key=lambda period: period.start)
        return found

    def _touched(self, t: float) -> list[Period]:
        """The periods that a charge at `t` may be counted in, by time."""
        touched = [self._period(t)]
        if touched[0].start + self.edge <= t < touched[0].end - self.edge:
            return touched
        while t < touched[0].start + self.edge:
            touched.insert(0, self._period(nextafter(touched[0].start, -inf)))
        while t >= touched[-1].end - self.edge:
            touched.append(self._period(touched[-1].end))
        return touched
