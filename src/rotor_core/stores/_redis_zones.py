"""Where calendar periods begin, computed here and sent to Redis, whose Lua knows no time zones.

A zone is the boundaries of days or months around an instant, or, for shorter periods, the offsets of its time zone:
Lua then divides. It is sent when a ledger has none that reaches far enough.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from math import floor, inf
from typing import Any, Final
from zoneinfo import ZoneInfo

from rotor_core._model import SECONDS, Limit, Per
from rotor_core._state.spans import span

DAY: Final = 86400.0

REACH: Final = 35 * DAY
"""Seconds ahead for which a zone is sent at least."""

MARGIN: Final = 2 * DAY
"""Seconds ahead of what is asked for that a ledger's zone has to reach, or it is sent anew."""


def zone(limit: Limit, now: float, till: float) -> dict[str, Any]:
    """What a script needs to find the periods of a calendar limit, for all instants from a period ago up to `till`."""
    till = max(till, now) + REACH
    if limit.per in {"day", "month"}:
        bounds = _bounds(limit.per, limit.tz, now, till)
        return {"len": SECONDS[str(limit.per)], "b": bounds, "first": bounds[1], "last": bounds[-1]}
    since, offsets = [-1e18], [_offset(limit.tz, now - DAY)]
    if limit.per in {"minute", "hour"}:
        t = now - DAY
        while t < till:
            if _offset(limit.tz, t + DAY) != offsets[-1]:
                since.append(_change(limit.tz, t, t + DAY))
                offsets.append(_offset(limit.tz, t + DAY))
            t += DAY
    else:
        offsets, till = [0.0], inf
    return {"len": float(limit.seconds), "from": since, "off": offsets, "first": now - DAY, "last": min(till, 1e18)}


def reaches(told: dict[str, Any], now: float, till: float) -> bool:
    """Whether a zone that was sent covers what is asked about."""
    return bool(told["first"] <= now and max(till, now) + MARGIN <= told["last"])


def _bounds(per: Per, tz: str, now: float, till: float) -> list[float]:
    start, end = span(per, tz, now)
    before, _ = span(per, tz, start - 1.0)
    bounds = [span(per, tz, before - 1.0)[0], before, start, end]
    while bounds[-1] < till or len(bounds) < 6:
        bounds.append(span(per, tz, bounds[-1])[1])
    return bounds


def _offset(tz: str, t: float) -> float:
    offset = datetime.fromtimestamp(floor(t), ZoneInfo(tz)).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _change(tz: str, low: float, high: float) -> float:
    """The second from which the offset of `high` holds, which is not that of `low`."""
    after = _offset(tz, high)
    seconds = range(floor(low), floor(high) + 1)
    return float(seconds[bisect_right(seconds, 0, key=lambda t: _offset(tz, t) == after)])
