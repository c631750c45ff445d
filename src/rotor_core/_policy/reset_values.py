"""When a limit is back, as a header's value puts it. One name has many forms, so the form decides, never the name.

A Go duration (`6ms`, `1.2s`, `28m48s`), seconds with a fraction (`33011.382867`), a bare whole number (seconds here,
milliseconds there), an instant as epoch seconds, as epoch milliseconds or as RFC 3339 writes it. Pure; what cannot be
read is None, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from rotor_core._policy.durations import parse_duration

Form = Literal["duration", "fraction", "whole", "instant"]

FIRST_INSTANT: Final = 1e9
"""Seconds since the epoch in 2001, and as a duration more than 31 years: from here on a number is an instant."""
FIRST_MILLISECOND: Final = 1e11
"""Milliseconds since the epoch in 1973, and as epoch seconds a date some 3,000 years ahead."""
LAST_INSTANT: Final = 1e14
LONGEST: Final = 366 * 86400.0
"""Seconds. No limit is known that takes longer than a month to come back."""
LATE: Final = 60.0
"""Seconds. An instant may lie so far in the past when the answer took its time."""
MILLISECOND: Final = 1e-3


class Reset(NamedTuple):
    """`seconds`: from now, or (an instant) since the epoch. `grain`: how far off the writer's rounding may have put it."""

    form: Form
    seconds: float
    grain: float = 0.0


def read_reset(value: str) -> Reset | None:
    """A reset's value by its form; None: not to be read, negative or absurd."""
    text = value.strip()
    if not text.isascii() or not text:
        return None
    if text.isdigit() and len(text) <= 15:
        return _number(float(text))
    if text[-1].isdigit():
        return _fraction(text) if text[0].isdigit() else None
    if text[-1] == "s" and text[0].isdigit():
        return _duration(text)
    return _duration(text) or _timestamp(text)


def _number(number: float) -> Reset | None:
    if number < FIRST_INSTANT:
        return Reset("whole", number, 1.0) if number <= LONGEST else None
    if number >= LAST_INSTANT:
        return None
    return Reset("instant", number / 1000 if number >= FIRST_MILLISECOND else number)


def _fraction(text: str) -> Reset | None:
    whole, point, rest = text.partition(".")
    if not (point and whole.isdigit() and rest.isdigit() and len(text) <= 40):
        return _timestamp(text)
    seconds = float(text)
    if seconds < FIRST_INSTANT:
        return Reset("fraction", seconds, MILLISECOND) if seconds <= LONGEST else None
    return Reset("instant", seconds) if seconds < FIRST_MILLISECOND else None


def _duration(text: str) -> Reset | None:
    """Durations are cut to the millisecond, or rounded to the second where nothing finer is shown."""
    thousandths = text.endswith("ms")
    figure = text[: -2 if thousandths else -1]
    if (
        text[-1] == "s" and len(figure) <= 20 and figure.replace(".", "", 1).isdigit()
    ):  # `6ms`, `1.182s`: nearly all there are
        seconds = float(figure) / 1000 if thousandths else float(figure)
        if seconds > LONGEST:
            return None
    else:
        said = parse_duration(text) if text[0].isdigit() else None
        if said is None:
            return None
        seconds = said
    return Reset("duration", seconds, MILLISECOND if thousandths or "." in text else 0.5)


def _timestamp(text: str) -> Reset | None:
    try:
        instant = datetime.fromisoformat(text)
        seconds = instant.timestamp() if instant.tzinfo else 0.0
    except (ValueError, OverflowError):
        return None
    return Reset("instant", seconds) if FIRST_INSTANT <= seconds < FIRST_MILLISECOND else None


def sent_at(headers: Mapping[str, str]) -> float | None:
    """When the answer was sent by its own `date`, in seconds since the epoch: on the clock that set its instants."""
    value = headers.get("date")
    return None if value is None else _epoch(str(value))


def seconds_until(reset: Reset, headers: Mapping[str, str]) -> float | None:
    """From the answer to its reset. None: an instant, and nothing or nothing true to measure it by."""
    if reset.form != "instant":
        return reset.seconds
    now = sent_at(headers)
    if now is None or not -LATE <= reset.seconds - now <= LONGEST:
        return None
    return max(0.0, reset.seconds - now)


@lru_cache(maxsize=64)
def _epoch(value: str) -> float | None:
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
