"""The first instant that suits several windows at once.

Feasibility is not monotone in time (a period ends, a promised grant stands in the way), so the largest of the windows'
own answers need not suit the others: each is asked again from there, until nobody moves. As every answer is the
smallest feasible instant from the one asked about, what it comes to rest at is the smallest for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from rotor_core._state.window import Window


def earliest(now: float, t: float, windows: Sequence[Window], amounts: Sequence[float]) -> float:
    """The smallest instant from `t` at which each window has room for its amount; infinite if there is none.

    An amount of 0 takes nothing and is not held up by a window.
    """
    while True:
        start = t
        for window, amount in zip(windows, amounts, strict=True):
            if amount:
                t = window.earliest(now, t, amount)
                if t == inf:
                    return inf
        if t == start:
            return t
