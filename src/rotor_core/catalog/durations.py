"""Durations as people write them: `500ms`, `30s`, `2m`, `1h30m`, `1d`, or a number of seconds. Pure."""

from __future__ import annotations

import math
import re
from typing import Final

EXPECTED: Final = "a duration such as 500ms, 30s, 2m or 1h30m, or a number of seconds"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")


def parse_duration(value: object) -> float:
    """Seconds. Raises `ValueError` for whatever is not a duration, is negative, or is not finite."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and _WHOLE.fullmatch(text := value.strip().lower()):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError(EXPECTED)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(EXPECTED)
    return seconds
