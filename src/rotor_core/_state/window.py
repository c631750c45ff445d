"""What every window of time can do, and which one a limit needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rotor_core._model import Limit
from rotor_core._state.bucket import Bucket
from rotor_core._state.calendar import Calendar
from rotor_core._state.rolling import Rolling


@dataclass(frozen=True, slots=True)
class Guards:
    """Seconds of uncertainty between a decision here and the provider's count.

    `delay`: the spread of the time from decision to count. `edge`: the same at the turn of a calendar period, clock
    skew included.
    """

    delay: float = 0.025
    edge: float = 0.150
    slip: float = field(init=False, repr=False, compare=False)
    """A dispatch no later than this after its instant is what the guard is for, and moves no charge."""
    soon: float = field(init=False, repr=False, compare=False)
    """An instant within so many seconds counts as now."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slip", self.delay / 5)
        object.__setattr__(self, "soon", max(0.020, self.delay))


class Window(Protocol):
    """One limit's state. `earliest` is the smallest feasible instant from `t` on, and feasible again when asked at it.

    `holds`: what counts as of `now` is within the limit; a debt (a late dispatch, an answer longer than reserved) may
    have broken that after grants to come were promised. `block`: a provider says that `amount` has no room before
    `until`; where it does not say until when, for as long as such a refusal tells at least. `lasting`: what
    is used now and still counts then. `guarded`: go on with other guards.
    """

    value: float

    def earliest(self, now: float, t: float, amount: float) -> float: ...
    def charge(self, now: float, at: float, amount: float) -> float: ...
    def change(self, now: float, at: float, amount: float, mark: float, actual: float, /) -> None: ...
    def move(self, now: float, at: float, amount: float, mark: float, /) -> float: ...
    def holds(self, now: float) -> bool: ...
    def resize(self, now: float, value: float) -> None: ...
    def block(self, now: float, amount: float, until: float | None, /) -> None: ...
    def used(self, now: float) -> float: ...
    def lasting(self, now: float, until: float, /) -> float: ...
    def headroom(self, now: float) -> float: ...
    def resets_at(self, now: float) -> float | None: ...
    def guarded(self, guards: Guards, /) -> None: ...
    def dump(self) -> list[Any]: ...
    def load(self, data: Any, /) -> None: ...


def window_for(limit: Limit, guards: Guards, now: float) -> Window:
    """A fresh window for a limit with a period."""
    match limit.window:
        case "rolling":
            return Rolling(limit.value, limit.seconds, guards.delay)
        case "calendar":
            return Calendar(limit.value, limit.per, limit.tz, guards.edge, guards.soon)
        case _:
            return Bucket(limit.value, limit.seconds, guards.delay, now)
