"""Figures as people read them: amounts, durations, money, limits, bars. Pure; knows nothing of a terminal but its width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

_PARTS: Final = " ▏▎▍▌▋▊▉"  # eighths of a cell
_UNITS: Final = {
    "requests": "req",
    "tokens": "tok",
    "input_tokens": "tok in",
    "output_tokens": "tok out",
    "audio_seconds": "s audio",
    "usd": "USD",
}
_PERIODS: Final = {"second": "s", "minute": "min", "hour": "h", "day": "day", "month": "month"}


def amount(value: float) -> str:
    """`0`, `7`, `0.25`, `1,250`, `12k`, `1.5M`: at most five characters or so."""
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if mark == 'k' else size):.3g}{mark}"
    if value != int(value) and abs(value) < 10:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`: one unit, rounded."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    for size, unit in ((100, "s"), (6000, "min"), (172800, "h")):
        if seconds < size:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def milliseconds(value: float | None) -> str:
    """`41 ms`, `1.2 s`, or `-` where nothing was measured."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def money(usd: float | None) -> str:
    """`$0`, `$0.0021`, `$12.40`, or `cost unknown`: cents, or as many digits as show two that are not 0."""
    if usd is None:
        return "cost unknown"
    if usd == 0:
        return "$0"
    return f"${usd:.{max(2, 1 - math.floor(math.log10(usd)))}f}"


def count(number: int, noun: str) -> str:
    """`1 attempt`, `2 attempts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def period(per: str | float | None) -> str:
    """`/min`, `/90 s`, and ` at once` for what has no period."""
    if per is None:
        return " at once"
    return f"/{_PERIODS.get(per, per)}" if isinstance(per, str) else f"/{per:g} s"


def limit_name(limit: Mapping[str, Any]) -> str:
    """`req/min`, `tok/day`, `at once`, of one limit of a status mapping."""
    return "at once" if limit["unit"] == "concurrent" else _UNITS[limit["unit"]] + period(limit["per"])


def fraction(limit: Mapping[str, Any]) -> float:
    """How full one limit of a status mapping is, 0 to 1: what is used and what is in flight."""
    if limit["limit"] <= 0:
        return 1.0
    taken = max(limit["used"] + limit["reserved"], limit["limit"] - limit["remaining"])
    return float(min(1.0, max(0.0, taken / limit["limit"])))


def bar(full: float, width: int = 8, *, ascii_only: bool = False) -> str:
    """A bar of `width` cells, `full` of it (0 to 1) filled. What is not empty never looks empty."""
    if ascii_only:
        filled = max(1, round(full * width)) if full > 0 else 0
        return "#" * filled + "." * (width - filled)
    eighths = max(1, round(full * width * 8)) if full > 0 else 0
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_PARTS[rest] if rest else "")).ljust(width, "·")
