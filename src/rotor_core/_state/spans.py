"""Where a calendar period begins and ends, in seconds since the epoch.

Days and months are local: they begin at local midnight, so a day has 23 or 25 hours when clocks change. Minutes and
hours are aligned to the zone's offset (hours of Asia/Kathmandu begin at :15 UTC). Seconds, and periods given as a
number of seconds, are counted from the epoch.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from rotor_core._model import SECONDS, Per


def span(per: Per, tz: str, t: float) -> tuple[float, float]:
    """The period that holds `t`, as `(start, end)` with `start <= t < end`; `per` is not None."""
    match per:
        case "day":
            day = _local(tz, t).date()
            return _midnight(day, tz), _midnight(day + timedelta(days=1), tz)
        case "month":
            first = _local(tz, t).date().replace(day=1)
            return _midnight(first, tz), _midnight((first + timedelta(days=31)).replace(day=1), tz)
        case "minute" | "hour":
            offset = _local(tz, t).utcoffset() or timedelta(0)
            return _multiple(SECONDS[per], t, offset.total_seconds())
        case "second":
            return _multiple(1.0, t, 0.0)
        case _:
            return _multiple(float(per or 0), t, 0.0)


def _local(tz: str, t: float) -> datetime:
    # Whole seconds: rounding to the nearest microsecond could step into the next period.
    return datetime.fromtimestamp(floor(t), ZoneInfo(tz))


def _midnight(day: date, tz: str) -> float:
    """The first instant of a local day. Where clocks skip midnight, that is the instant of the change."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(tz)).timestamp()


def _multiple(length: float, t: float, offset: float) -> tuple[float, float]:
    k = floor((t + offset) / length)
    # The quotient may round across a boundary.
    if (k + 1) * length - offset <= t:
        k += 1
    elif k * length - offset > t:
        k -= 1
    return k * length - offset, (k + 1) * length - offset
