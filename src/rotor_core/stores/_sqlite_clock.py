"""The clock of a ledger that several processes share: each its own, but never behind what the journal has seen.

Clocks of one machine differ little, as long as its wall clock is not set. When it is set back, processes that ran before
stay with the time they had, and who comes later joins them: it goes on from the journal's last instant, at a clock's
pace, until its own time has caught up. So time goes back for nobody and stands still for nobody.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

_log = logging.getLogger("rotor_core")

AHEAD: Final = 2.0
"""Seconds by which the journal may be ahead before anybody needs to hear of it."""


class SharedClock:
    """Call it for the instant, in seconds since the epoch. Safe from any thread."""

    __slots__ = ("_ahead", "_own", "_running", "_said")

    def __init__(self, own: Callable[[], float], running: Callable[[], float] = time.monotonic) -> None:
        self._own, self._running = own, running
        self._ahead: tuple[float, float] | None = None
        self._said = False

    def __call__(self) -> float:
        own, ahead = self._own(), self._ahead
        if ahead is None:
            return own
        at = ahead[0] + self._running() - ahead[1]
        if own < at:
            return at
        self._ahead = None
        return own

    def follow(self, at: float, what: object) -> None:
        """Somebody who shares `what` has seen the instant `at`."""
        behind = at - self()
        if behind <= 0:
            return
        self._ahead = (at, self._running())
        if behind > AHEAD and not self._said:
            self._said = True
            _log.warning(
                "the clock of those who use the ledger %s is %.1f s ahead of this process's: it goes by theirs. Was the"
                " machine's clock set back? Windows of the calendar turn too early until all of them are restarted",
                what,
                behind,
            )
