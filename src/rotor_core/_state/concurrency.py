"""Not more than `value` at a time. When all slots are held there is no instant to promise, only an estimate.

How long a slot is held is smoothed over past holders, so that a wait here can be compared with waits elsewhere.
"""

from __future__ import annotations

from typing import Any

_FIRST_GUESS = 1.0
_SMOOTHING = 0.3


class Slots:
    """`held`: slots taken now. `hold`: smoothed seconds that one is held."""

    __slots__ = ("held", "hold", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self.held = 0.0
        self.hold = _FIRST_GUESS

    def fits(self, amount: float) -> bool:
        return self.held + amount <= self.value

    def take(self, amount: float) -> None:
        self.held += amount

    def release(self, amount: float, seconds: float) -> None:
        """Give back what was held for `seconds`."""
        self.held = max(0.0, self.held - amount)
        self.hold += _SMOOTHING * (seconds - self.hold)

    def estimate(self, place: float) -> float:
        """Seconds until somebody at `place` in the queue (from 1) may expect a slot."""
        return self.hold * place / max(1.0, self.value)

    def headroom(self) -> float:
        """The fraction left, 0 to 1."""
        return max(0.0, 1.0 - self.held / self.value)

    def dump(self) -> list[Any]:
        """What `load` needs to go on from here, in values that JSON can carry."""
        return [self.held, self.hold]

    def load(self, data: Any) -> None:
        self.held, self.hold = data
