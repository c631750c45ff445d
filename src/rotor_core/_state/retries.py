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
"""Seconds whose retries are there from the beginning; twice as many can be saved up."""
_MOST: Final = 2 * A_SECOND * SAVED


class RetryBudget:
    """Not safe from several threads at once: whoever holds it has the lock."""

    __slots__ = ("_at", "level")

    def __init__(self) -> None:
        self.level = A_SECOND * SAVED
        """How many may be made, but for what has been saved up since the last question."""
        self._at: float | None = None

    def sent(self) -> None:
        """A request was sent."""
        self.level = min(self.level + SHARE, _MOST)

    def left(self, at: float) -> float:
        """How many may be made now."""
        if self._at is not None and at > self._at:
            self.level += A_SECOND * (at - self._at)
        self._at = at
        self.level = min(self.level, _MOST)
        return self.level

    def take(self, at: float) -> bool:
        """Whether one retry more may be made; it is taken then."""
        if self.left(at) < 1.0:
            return False
        self.level -= 1.0
        return True
