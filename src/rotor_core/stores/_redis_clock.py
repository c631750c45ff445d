"""The server's clock, read here: a local clock and how far the server's is ahead, learned from every reply.

A reply's instant lies between the asking and the hearing; the quicker the round trip, the closer. So the offset is that
of the quickest of the last `ROUNDS` round trips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

ROUNDS: Final = 32


class ServerClock:
    """Call it for the server's instant, in seconds since the epoch. Never waits. Safe from any thread."""

    def __init__(self, local: Callable[[], float]) -> None:
        self.local = local
        self._offset = 0.0
        self._rounds: deque[tuple[float, float]] = deque(maxlen=ROUNDS)

    def __call__(self) -> float:
        return self.local() + self._offset

    def heard(self, asked: float, heard: float, server: float) -> None:
        """A reply to what was asked and heard at local instants says what time it is there."""
        self._rounds.append((heard - asked, server - (asked + heard) / 2))
        _, self._offset = min(list(self._rounds))
