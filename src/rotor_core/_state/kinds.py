"""Which kind of window a provider's waits speak for. Pure.

A bucket gives back `limit / period` units a second, so a wait for so many missing units has one length. A calendar
period ends at a turn of some wall clock, whoever asks and whenever. A wait that is neither is a rolling window's.

One wait may fit two kinds by chance, so each is weighed by how unlikely that is, and the sum decides. Without evidence a
window is rolling: the strictest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from rotor_core._ledger import Told
from rotor_core._model import Limit, Window
from rotor_core._state.spans import span

ENOUGH: Final = 12
"""A kind that leads with so much is settled: answers need not be weighed any more, refusals still are."""

_NAMED: Final = ENOUGH  # the provider said it
_HELD: Final = 2  # what is held without evidence; a single wait that may well be chance does not outweigh it
_NEAR_TURN: Final = 1.5
"""Seconds. Waits are often rounded up to whole ones, and clocks differ."""

_ZONES: Final = ("UTC", "America/Los_Angeles")
"""Whose midnight ends a day, as far as providers are known to use it."""

_LONGEST: Final = 0.95
"""Of the period. A wait that is longer says "about a period", which any kind may mean."""


Kind = tuple[Window, str]
"""A window, and the zone that matters to a calendar's."""

Kinds = Mapping[Kind, int]
"""What has spoken for each kind so far."""


class Leaning(NamedTuple):
    """What one wait speaks for: `window`, in zone `tz`, as strongly as `weight`."""

    window: Window
    tz: str
    weight: int


def leaning(told: Told, limit: Limit, now: float) -> Leaning | None:
    """What an answer says of how `limit` is counted, None where it says nothing. `limit` has the figure that was told."""
    if told.window is not None and told.window != "concurrency":
        tz = told.tz or "UTC"
        return Leaning(told.window, tz if _is_zone(tz) else "UTC", _NAMED)
    seconds, wait = limit.seconds, told.retry_in if told.refused else told.resets_in
    if wait is None or not 0 < wait < _LONGEST * seconds:
        return None
    missing = _missing(told, limit.value)
    slack = _bucket_slack(wait, missing, limit) if missing is not None else None
    zone = _turns_in(limit, now + wait)
    if slack is not None and (zone is None or slack < _NEAR_TURN):
        return Leaning("bucket", "UTC", 3 if slack < seconds / 50 else 2 if slack < seconds / 12 else 1)
    if zone is not None:
        return Leaning("calendar", zone, 2)
    # How a bucket waits is known only where the missing units are.
    return Leaning("rolling", "UTC", 1) if missing is not None else None


def weighed(kinds: Kinds, limit: Limit, said: Leaning) -> tuple[Kinds, Limit]:
    """What has spoken for each kind, with one more wait in the scales; and the limit, counted by the kind that leads.

    What speaks for one kind speaks against the others. The one that is held stays among equals.
    """
    key: Kind = (said.window, said.tz)
    held: Kind = (limit.window, limit.tz)
    scales: dict[Kind, int] = {
        kind: max(0, weight - said.weight * (kind != key)) for kind, weight in (kinds or {held: _HELD}).items()
    }
    scales[key] = min(ENOUGH, scales.get(key, 0) + said.weight)
    window, tz = max(scales, key=lambda kind: (scales[kind], kind == held))
    return scales, limit if (window, tz) == held else replace(limit, window=window, tz=tz)


def _is_zone(tz: str) -> bool:
    try:
        span("day", tz, 0.0)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _missing(told: Told, value: float) -> float | None:
    """How many units the wait was for."""
    if told.refused:
        return None if told.used is None or told.requested is None else told.used + told.requested - value
    return None if told.remaining is None else value - told.remaining


def _bucket_slack(wait: float, missing: float, limit: Limit) -> float | None:
    """The seconds by which a bucket's wait for `missing` units may miss `wait`, None if it misses it by more.

    Figures are whole units, cut off, so the wait may be one unit's refill off; a whole number of seconds is rounded up.
    """
    one = limit.seconds / limit.value
    slack = one + 0.05 + (1.0 if wait == int(wait) else 0.0)
    return slack if missing > 0 and abs(wait - missing * one) <= slack else None


def _turns_in(limit: Limit, instant: float) -> str | None:
    """The zone in which a period of `limit` turns about then."""
    if limit.seconds < 4 * _NEAR_TURN:
        return None  # some turn is always near
    for tz in _ZONES if limit.per == "day" else _ZONES[:1]:
        start, end = span(limit.per, tz, instant)
        if min(instant - start, end - instant) <= _NEAR_TURN:
            return tz
    return None
