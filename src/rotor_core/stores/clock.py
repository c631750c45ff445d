"""The ledger's clock: wall time that never goes back.

Windows are kept in wall time, for calendar periods and for people; but a wall clock may be set back, and a ledger in
which time goes back frees capacity twice. So the monotonic clock drives it. That one may stand still while a machine
sleeps, so when the wall is ahead by more than a second, the clock jumps there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP = 1.0
"""Seconds that the wall has to be ahead for the clock to follow it."""


class Clock:
    """Call it for the instant, in seconds since the epoch. Safe from any thread."""

    __slots__ = ("_monotonic", "_offset", "_wall")

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> float:
        running, wall = self._monotonic(), self._wall()
        if wall - running - self._offset > JUMP:
            self._offset = wall - running
        return running + self._offset
