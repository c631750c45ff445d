"""A ledger as if its clock had been right: everything in it so many seconds earlier.

When a machine's clock was ahead and is set back, what was taken lies in the future of whoever opens the ledger next.
Elapsed time is what windows that refill or roll count by, so all their instants move alike. A period of the calendar is
another one on the right clock: what was taken in it was taken in that.
"""

from __future__ import annotations

from typing import Any, Final

from rotor_core._model import Per
from rotor_core._state.spans import span

_WINDOW: Final = 3
"""Where `_replica` writes a limit's kind of window."""


def shifted(book: dict[str, Any], by: float, was: float) -> dict[str, Any]:
    """What `Book.dump` wrote at the instant `was`, `by` seconds earlier."""
    return {
        **book,
        "meters": [_meter(row, by, was) for row in book["meters"]],
        "rests": [[scope, until - by, reason, told] for scope, until, reason, told in book["rests"]],
        "open": [_open(row, by) for row in book["open"]],
        "queue": [_waiter(row, by) for row in book["queue"]],
    }


def _meter(row: list[Any], by: float, was: float) -> list[Any]:
    record, window, *more = row
    key, limit, declared, seen_at, expires_at, confidence, evidence, raise_at, *rest = record
    times = [None if at is None else at - by for at in (seen_at, expires_at, raise_at)]
    record = [key, limit, declared, times[0], times[1], confidence, evidence, times[2], *rest]
    match limit[_WINDOW]:
        case "rolling":
            ats, amounts = window
            window = [[at - by for at in ats], amounts]
        case "calendar":
            window = _calendar(window, limit[2], limit[4], by, was)
        case _:
            tat, cum, coming = window
            window = [tat - by, cum, [[at - by, amount] for at, amount in coming]]
    return [record, window, *more]


def _calendar(periods: list[list[float]], per: Per, tz: str, by: float, was: float) -> list[list[float]]:
    """What was taken in the period of `was` belongs to the period of that instant now; of others, to those of their beginnings."""
    moved: dict[tuple[float, float], float] = {}
    for start, end, used in periods:
        at = max(start, min(was, end - 1e-3))
        where = span(per, tz, at - by)
        moved[where] = moved.get(where, 0.0) + used
    return [[start, end, used] for (start, end), used in sorted(moved.items())]


def _open(row: list[Any], by: float) -> list[Any]:
    written, granted, at, since, *more = row
    ident, deployment, asked_at, expires_at, *rest = written
    return [[ident, deployment, asked_at - by, expires_at - by, *rest], granted - by, at - by, since - by, *more]


def _waiter(row: list[Any], by: float) -> list[Any]:
    ident, gates, priority, requests, asked_at, give_up_at, address, passed, held, held_until, missed = row
    times = (asked_at - by, give_up_at - by)
    return [ident, gates, priority, requests, *times, address, passed, held, held_until - by, missed]
