"""A breaker: whether somebody whose failures nobody explained is worth asking. Pure; time is an argument.

    closed      served                the failures before it were chance, and are remembered as such
    closed      failed                open, when so many in a row are no chance any more
    open        its rest is over      half_open: one call may try
    open        served                half_open: a call that was under way, or that was forced, got through
    half_open   served                twice as many calls may try; closed after `TRUSTED`
    half_open   failed                open again, for longer

How many failures in a row open it depends on how reliable it has been: for one that fails now and then by chance, a few
in a row are no news. A rest doubles from `FIRST_REST`, up to `LONG_REST` at first and to an eighth of what the outage
has lasted later on: so after its end at most that much more is lost, and a long outage is asked about ever less often.
Who fails again soon after it had recovered rests twice as long at first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from rotor_core._health import BreakerState

Happening = Literal["served", "failed", "rested"]

COINCIDENCE: Final = 1e-4
"""How unlikely a row of failures has to be, were it chance, to open the breaker."""
FEWEST: Final = 2
MOST: Final = 8
"""Failures in a row that open it, at least and at most."""
_PRIOR: Final = (0.1, 10.0)
"""Failures by chance and calls that are taken as seen before the first one: one in a hundred."""
_REMEMBERED: Final = 400.0
"""Calls after which what was seen counts half."""

FIRST_REST: Final = 3.0
LONG_REST: Final = 6.0
LONGEST_REST: Final = 60.0
"""Seconds."""
SHARE_OF_OUTAGE: Final = 1 / 8
FORGIVEN: Final = 300.0
"""Seconds after a recovery for which it is remembered that there was one."""
JITTER: Final = 0.25
"""A rest varies by a quarter either way, so that processes do not come back together."""

TRUSTED: Final = 8
"""Calls at a time that a half-open breaker lets through at last, before it is closed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What follows. `after` holds where the breaker's own count says so, else it stays as it is."""

    after: BreakerState
    when: Literal["always", "no_chance", "trusted"] = "always"


TABLE: Final[Mapping[tuple[BreakerState, Happening], Step]] = MappingProxyType(
    {
        ("closed", "served"): Step("closed"),
        ("closed", "failed"): Step("open", "no_chance"),
        ("open", "rested"): Step("half_open"),
        ("open", "served"): Step("half_open"),
        ("half_open", "served"): Step("closed", "trusted"),
        ("half_open", "failed"): Step("open"),
    }
)
"""What is not here does not happen: a failure while it is open says nothing new."""


class Breaker:
    """One breaker. `wide`: of a provider; it opens only when at least two of its deployments fail.

    Not safe from several threads at once: whoever holds it has the lock. `flying`: calls that a half-open one let in.
    """

    __slots__ = (
        "_calls", "_chances", "_closed_at", "_failing", "_rests", "_since", "allowed", "flying", "opened_at", "state", "streak", "until", "wide",
    )  # fmt: skip

    def __init__(self, *, wide: bool = False) -> None:
        self.wide = wide
        self.state: BreakerState = "closed"
        self.until = 0.0
        self.opened_at = -math.inf
        self.allowed = 1
        self.flying = 0
        self.streak = 0
        self._chances, self._calls = _PRIOR
        self._failing: set[str] = set()
        self._since = 0.0
        self._rests = 0
        self._closed_at = -math.inf

    @property
    def enough(self) -> int:
        """How many failures in a row are no chance any more."""
        likely = min(0.5, max(0.01, self._chances / self._calls))
        return min(MOST, max(FEWEST, math.ceil(math.log(COINCIDENCE) / math.log(likely))))

    def admits(self, at: float) -> bool:
        """Whether one more call may be sent now. An open one whose rest is over becomes half-open by it."""
        if self.state == "closed":
            return True
        if self.state == "open" and at >= self.until:
            self._turn("rested", at)
        return self.state == "half_open" and self.flying < self.allowed

    def served(self, at: float) -> bool:
        """A call was answered. Whether the state changed by it."""
        before = self.state
        if before == "closed":
            self._calls += 1 + self.streak
            self._chances += self.streak
            if self._calls > _REMEMBERED:
                self._calls, self._chances = self._calls / 2, self._chances / 2
        self.streak = 0
        self._failing.clear()
        self._turn("served", at)
        return self.state != before

    def failed(self, at: float, began: float, who: str, chance: float = 0.5) -> bool:
        """A call that was sent at `began` failed. Whether the state changed by it. `chance`: from [0, 1), for the rest's length.

        A call from before the last opening says nothing new.
        """
        if began < self.opened_at or self.state == "open":
            return False
        if self.streak == 0 and self.state == "closed":
            self._since = at
        self.streak += 1
        self._failing.add(who)
        before = self.state
        if before == "closed" and self.streak < FEWEST:  # as nearly always: the next one asked answers
            return False
        self._turn("failed", at, chance)
        return self.state != before

    def _turn(self, happening: Happening, at: float, chance: float = 0.5) -> None:
        step = TABLE[self.state, happening]
        if self.state == "half_open" and happening == "served":
            self.allowed *= 2
        if step.when == "no_chance" and not self._no_chance():
            return
        if step.when == "trusted" and self.allowed <= TRUSTED:
            return
        if step.after == "open":
            self._open(at, chance)
        elif step.after == "half_open":
            self.allowed, self.flying = 1, 0
        elif self.state != "closed":
            self._rests, self._closed_at = 1, at
        self.state = step.after

    def _no_chance(self) -> bool:
        if self.wide and len(self._failing) < 2:
            return False
        return self.streak >= self.enough

    def _open(self, at: float, chance: float) -> None:
        if self.state == "closed" and at - self._closed_at > FORGIVEN:
            self._rests = 0
        longest = min(LONGEST_REST, max(LONG_REST, (at - self._since) * SHARE_OF_OUTAGE))
        rest = min(longest, FIRST_REST * 2.0 ** min(self._rests, 10))
        self._rests += 1
        self.opened_at = at
        self.until = at + rest * (1 + JITTER * (2 * chance - 1))
