"""How long an exchange is waited for: at any moment one deadline, moved on by what comes.

    first      from the beginning of the call to the first chunk with content
    between    from there on, from one event that carries something to the next
    total      from the beginning to the end, whoever is slow: the caller's own time counts too

A call that is not streamed has a total alone. The nearer of two is the deadline, and is named when it has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from rotor_core._health import Timeouts

LONGEST: Final = 86400.0
"""Seconds in a day: more than anyone waits, and less than a socket can count."""
SHORTEST: Final = 0.001
"""Seconds. To some libraries 0 means no timeout at all."""

Bound = Literal["first", "between", "total"]
_PROBLEMS: Final[dict[Bound, str]] = {
    "first": "sent no content within {0:g} s (first-chunk timeout)",
    "between": "sent nothing but silence or comments for {0:g} s (timeout between chunks)",
    "total": "did not answer within {0:g} s (total timeout)",
}


def bounded(timeout: float) -> float:
    """A timeout that every library takes: neither nothing nor infinity. What is no number is the shortest."""
    return timeout if SHORTEST <= timeout <= LONGEST else min(max(SHORTEST, timeout), LONGEST)


class Patience:
    """One exchange's. `clock` never goes back; `until` is one of its instants."""

    bound: Bound
    seconds: float
    until: float
    __slots__ = ("_begun", "_between", "_total", "_total_at", "bound", "clock", "seconds", "until")

    def __init__(self, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.clock: Callable[[], float] = clock
        self._begun = False
        began = clock()
        self._between, self._total = bounded(timeouts.between), bounded(timeouts.total)
        self._total_at = began + self._total
        self._await("first", bounded(timeouts.first), began)

    @classmethod
    def whole(cls, timeout: float, clock: Callable[[], float]) -> Patience:
        """For an answer that comes in one."""
        return cls(Timeouts(LONGEST, LONGEST, timeout), clock)

    def heard(self, *, content: bool = True) -> None:
        """Something came. What is not content is a sign of life only after content."""
        self._begun = self._begun or content
        if self._begun:
            self._await("between", self._between, self.clock())

    def left(self) -> float:
        """Seconds to the deadline; not above 0 when it has passed."""
        return self.until - self.clock()

    def shorten(self, seconds: float) -> None:
        """Wait so long at most, from now on."""
        self.until = min(self.until, self.clock() + seconds)

    @property
    def problem(self) -> str:
        """What is to be said when the deadline has passed."""
        return _PROBLEMS[self.bound].format(self.seconds)

    def _await(self, bound: Bound, seconds: float, now: float) -> None:
        if now + seconds < self._total_at:
            self.bound, self.seconds, self.until = bound, seconds, now + seconds
        else:
            self.bound, self.seconds, self.until = "total", self._total, self._total_at
