"""How often somebody has served lately, from 0 to 1: a mean in which what is `HALF_LIFE` old counts half. Pure."""

from __future__ import annotations

from typing import Final

HALF_LIFE: Final = 300.0
"""Seconds."""


class Availability:
    """Not safe from several threads at once: whoever holds it has the lock."""

    __slots__ = ("_at", "_calls", "_served")

    def __init__(self) -> None:
        self._at = self._calls = self._served = 0.0

    def add(self, at: float, *, served: bool) -> float:
        """One call, at an instant; the score after it."""
        since = at - self._at
        if since > 0.0:
            self._at = at
        fade = (0.5 ** (since / HALF_LIFE) if since > 0.0 else 1.0) if self._calls else 0.0
        self._calls = self._calls * fade + 1.0
        self._served = self._served * fade + served
        return self._served / self._calls

    @property
    def score(self) -> float:
        """The share that was served; 1 before the first call."""
        return self._served / self._calls if self._calls else 1.0
