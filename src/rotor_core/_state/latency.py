"""How long calls take: a smoothed mean, and a histogram whose copies can be added up. Pure; seconds in, seconds out.

The histogram has buckets of equal ratio (DDSketch's idea: Masson, Rim and Lee, VLDB 2019), so a quantile is right to
within 5 % whatever the scale, and two histograms merge by adding counts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import Final

ALPHA: Final = 0.3
_GAMMA: Final = 1.1  # neighbouring buckets' ratio: an error of at most 5 %
_LOG: Final = math.log(_GAMMA)


class Latency:
    """Not safe from several threads at once: whoever holds it has the lock."""

    __slots__ = ("buckets", "count", "ewma")

    def __init__(self) -> None:
        self.ewma: float | None = None
        self.buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, seconds: float) -> None:
        self.ewma = seconds if self.ewma is None else self.ewma + ALPHA * (seconds - self.ewma)
        self.buckets[math.ceil(math.log(max(seconds, 1e-6)) / _LOG)] += 1
        self.count += 1

    def quantile(self, q: float) -> float | None:
        """The `q`-quantile (0 to 1) in seconds, or None before the first call."""
        if not self.count:
            return None
        indices = sorted(self.buckets)
        up_to = list(accumulate(self.buckets[index] for index in indices))
        index = indices[bisect_right(up_to, q * (self.count - 1))]
        return float(2 * _GAMMA**index / (1 + _GAMMA))
