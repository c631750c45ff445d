"""How long calls take: a smoothed mean, and a histogram whose copies can be added up. Pure; seconds in, seconds out.

The histogram has buckets of equal ratio (DDSketch's idea: Masson, Rim and Lee, VLDB 2019), so a quantile is right to
within 5 % whatever the scale, and two histograms merge by adding counts.

What counts is the newest generation of answers and the one before it. A generation ends after `GENERATION` answers, or
with the first answer after `LASTS` seconds if it has `ENOUGH` by then: so a slow hour is forgotten within some hundred
answers or some minutes, and what is seldom asked is not forgotten for want of anything newer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Final

ALPHA: Final = 0.3
GENERATION: Final = 200
"""Answers; up to twice as many count."""
LASTS: Final = 300.0
"""Seconds."""
ENOUGH: Final = 8
"""Answers that a generation needs before time alone ends it, and below which nothing should be concluded."""
_GAMMA: Final = 1.1  # neighbouring buckets' ratio: an error of at most 5 %
_LOG: Final = math.log(_GAMMA)
_LEAST: Final = 1e-6


class Latency:
    """Not safe from several threads at once: whoever holds it has the lock.

    `ewma`: None before the first answer. `buckets`: how many answers count, by bucket; `count`: altogether.
    """

    __slots__ = ("_new", "_newest", "_since", "buckets", "count", "ewma")

    def __init__(self) -> None:
        self.ewma: float | None = None
        self.buckets: dict[int, int] = {}
        self.count = 0
        self._newest: dict[int, int] = {}  # the part of `buckets` that the newest generation is
        self._new = 0
        self._since: float | None = None

    def add(self, seconds: float, at: float | None = None) -> None:
        """An answer took so long. `at`: the instant of its end; None: only the number of answers ages what is known."""
        if self._new >= ENOUGH and self._has_ended(at):
            self.buckets, self.count = self._newest, self._new
            self._newest, self._new, self._since = {}, 0, None
        if self._since is None:
            self._since = at
        self.ewma = seconds if self.ewma is None else self.ewma + ALPHA * (seconds - self.ewma)
        index = math.ceil(math.log(max(seconds, _LEAST)) / _LOG)
        self.buckets[index] = self.buckets.get(index, 0) + 1
        self._newest[index] = self._newest.get(index, 0) + 1
        self.count += 1
        self._new += 1

    def merge(self, other: Latency) -> None:
        """Count what `other` counts as well, generation by generation; its mean weighs as much as its answers."""
        if other.ewma is None:
            return
        mine = 0.0 if self.ewma is None else self.ewma * self.count
        self.count += other.count
        self.ewma = (mine + other.ewma * other.count) / self.count
        self._new += other._new
        _put(self.buckets, other.buckets)
        _put(self._newest, other._newest)
        if self._since is None or (other._since is not None and other._since > self._since):
            self._since = other._since

    def quantile(self, q: float) -> float | None:
        """The `q`-quantile (0 to 1) in seconds, or None before the first call."""
        return self.quantiles(q)[0] if self.count else None

    def quantiles(self, *wanted: float) -> list[float]:
        """Several by one walk over the histogram, which is most of the work. Only after the first call."""
        indices = sorted(self.buckets)
        up_to = list(accumulate(map(self.buckets.__getitem__, indices)))
        last = self.count - 1
        return [2 * _GAMMA ** indices[bisect_right(up_to, q * last)] / (1 + _GAMMA) for q in wanted]

    def _has_ended(self, at: float | None) -> bool:
        """Whether the newest generation is full, or old."""
        return self._new >= GENERATION or (at is not None and self._since is not None and at - self._since >= LASTS)


def _put(buckets: dict[int, int], more: dict[int, int]) -> None:
    for index, count in more.items():
        buckets[index] = buckets.get(index, 0) + count
