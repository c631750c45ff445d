"""How many retries an engine may make, so that a failing provider is not met by three times the requests.

The budget is Finagle's (twitter.github.io/finagle, "Retry Budget"): a share of the requests, and some a second besides,
so that an engine with few requests may retry at all. Pure; time is an argument.
"""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.2
"""Retries for each request."""
A_SECOND: Final = 10.0
"""Retries a second, besides."""
SAVED: Final = 10.0
"""Seconds whose retries can be saved up."""


class RetryBudget:
    """Not safe from several threads at once: whoever holds it has the lock."""

    __slots__ = ("_at", "_level")

    def __init__(self) -> None:
        self._level = A_SECOND * SAVED
        self._at: float | None = None

    def sent(self) -> None:
        """A request was sent."""
        self._level += SHARE

    def take(self, at: float) -> bool:
        """Whether one retry more may be made; it is taken then."""
        if self._at is not None:
            self._level += A_SECOND * max(0.0, at - self._at)
        self._at = at
        self._level = min(self._level, 2 * A_SECOND * SAVED)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
