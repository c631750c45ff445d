"""Times and numbers as providers write them. Pure; what cannot be read is None, never an error.

Seen: Go's durations (`1h23m31s`, `7m12s`, `120ms`, `17.399999999s`), bare numbers, words (`20 seconds`), protobuf's
(`48s`), HTTP dates, numbers with commas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_UNITS: Final[Mapping[str, float]] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "millisecond": 1e-3, "second": 1.0, "sec": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip

# Two letters look like µ and are written for it. To ignore a letter's case would admit others that look like s and i.
_UNIT: Final = r"(?a:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|days?|ns|us|µs|\u03bcs|ms|s|m|h|d)"
_PART: Final = rf"\d{{1,12}}(?:\.\d{{1,12}})?\s?(?:{_UNIT})(?![a-z])"
# `1h23m31s` has no boundary between its parts, so a unit may be followed by a digit but not by a letter.
DURATION: Final = rf"(?:{_PART}[\s,]{{0,2}}){{1,6}}"
"""A regular expression for a duration with its unit, to be matched without regard to case."""

_WHOLE: Final = re.compile(DURATION, re.IGNORECASE)
_PARTS: Final = re.compile(rf"(\d+(?:\.\d+)?)\s?({_UNIT})(?![a-z])", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
_LONGEST: Final = 366 * 86400.0


def parse_duration(text: str) -> float | None:
    """Seconds, from a duration with units or a bare number of seconds. None if it is neither, or above a year."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _WHOLE.fullmatch(text):
        seconds = sum(float(number) * _unit(unit.lower()) for number, unit in _PARTS.findall(text))
    else:
        return None
    return seconds if seconds <= _LONGEST else None


def _unit(name: str) -> float:
    return _UNITS[name] if name in _UNITS else _UNITS[name.removesuffix("s")]


def parse_number(text: str) -> float | None:
    """`30,000` or `30000`, and `~12903` as some write an estimate."""
    text = text.strip().lstrip("~").replace(",", "").rstrip(".")
    return float(text) if _NUMBER.fullmatch(text) else None


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (names in lower case).

    A date is measured against the answer's own `date`, so no clock is needed and a wrong one does no harm.
    """
    milliseconds = parse_number(headers.get("retry-after-ms", ""))
    if milliseconds:  # 0 stands beside a true `retry-after` in Azure's answers
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = parse_duration(value)
    return seconds if seconds is not None else _until(value, headers.get("date", ""))


def _until(then: str, now: str) -> float | None:
    try:
        seconds = (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return max(0.0, seconds) if seconds <= _LONGEST else None
