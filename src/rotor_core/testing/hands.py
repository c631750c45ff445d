"""A clock that a test turns: so an hour takes no time, and what happens at an instant happens at that instant."""

from __future__ import annotations

START = 1_000_000_020.0
"""A full minute, half a minute into no hour: nothing turns for a while but minutes."""


class Hands:
    """A clock's hands: `at` is the instant, in seconds since the epoch. Call it as a store calls its clock."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at
