"""Virtual time: everything that is to happen, in one heap, and the instant that it has come to."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol


class Owner(Protocol):
    """What an entry of the heap belongs to: it is passed over when that is over."""

    over: bool


class Timer:
    """An owner of its own."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class Timeline:
    """`now`: seconds since the epoch. Of what is to happen at one instant, what was said first comes first."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._heap: list[tuple[float, int, Callable[[], None], Owner | None]] = []
        self._order = 0

    def at(self, instant: float, happen: Callable[[], None], owner: Owner | None = None) -> None:
        """Let something happen at an instant; at once, where that is past."""
        self._order += 1
        heapq.heappush(self._heap, (instant, self._order, happen, owner))

    def run(self) -> None:
        """Until nothing more is to happen."""
        heap = self._heap
        while heap:
            instant, _, happen, owner = heapq.heappop(heap)
            if owner is None or not owner.over:
                self.now = max(self.now, instant)
                happen()
