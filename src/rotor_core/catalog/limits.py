"""Limits as they are written, as values, and bound to whom they count. Pure; knows the schema only by its attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, cast

from rotor_core._model import BoundLimit, Counts, Limit, Per, PeriodName, Unit, Window

UNITS: Final[tuple[Unit, ...]] = (
    "requests", "tokens", "input_tokens", "output_tokens", "audio_seconds", "usd", "concurrent",
)  # fmt: skip
TOKEN_UNITS: Final = frozenset({"tokens", "input_tokens", "output_tokens"})
SHORTHANDS: Final[dict[str, tuple[Unit, PeriodName]]] = {
    "rps": ("requests", "second"),
    "rpm": ("requests", "minute"),
    "rpd": ("requests", "day"),
    "tpm": ("tokens", "minute"),
    "tpd": ("tokens", "day"),
}
ALL_MODELS: Final = "*"


class Counting(Protocol):
    """How a limit counts, wherever it is written: in an entry of `limits`, or beside the shorthands."""

    @property
    def window(self) -> Window | None: ...
    @property
    def tz(self) -> str | None: ...
    @property
    def counts(self) -> Counts | None: ...


class Entry(Counting, Protocol):
    """One entry of `limits`: one unit with its period, or shorthands."""

    @property
    def per(self) -> Per: ...
    @property
    def source(self) -> str | None: ...


class Holder(Counting, Protocol):
    """A section that may have `limits` and shorthands: a provider, a model, a plan."""

    @property
    def limits(self) -> Sequence[Entry] | None: ...


def units_in(entry: object) -> list[Unit]:
    """The units that an entry gives a figure for."""
    return [unit for unit in UNITS if getattr(entry, unit, None) is not None]


def shorthands_in(section: object) -> list[str]:
    """The shorthands that a section gives a figure for."""
    return [name for name in SHORTHANDS if getattr(section, name, None) is not None]


def limits_of(section: Holder, source: str) -> tuple[Limit, ...] | None:
    """All limits of a section; None where it says nothing of them. `source` for those that do not name their own."""
    short = short_limits(section, source)
    if section.limits is None:
        return tuple(short) or None
    return tuple(limit for entry in section.limits for limit in expand(entry, source)) + tuple(short)


def expand(entry: Entry, source: str) -> list[Limit]:
    """The limits of one entry of `limits`."""
    source = entry.source or source
    if units := units_in(entry):
        return [_limit(units[0], cast("float", getattr(entry, units[0])), entry.per, entry, source)]
    return short_limits(entry, source)


def short_limits(section: Counting, source: str) -> list[Limit]:
    """The limits that a section's shorthands stand for, in the order of `shorthands_in`."""
    found: list[Limit] = []
    for name in shorthands_in(section):
        unit, per = SHORTHANDS[name]
        found.append(_limit(unit, cast("float", getattr(section, name)), per, section, source))
    return found


def _limit(unit: Unit, value: float, per: Per, counting: Counting, source: str) -> Limit:
    if unit == "concurrent":
        return Limit(unit, float(value), None, "concurrency", source=source)
    # Only a wall clock has a time zone, so whoever names one means a calendar window.
    window: Window = counting.window or ("calendar" if counting.tz else "bucket")
    counts: Counts = (counting.counts if unit in TOKEN_UNITS else None) or "usage"
    return Limit(unit, float(value), per, window, counting.tz or "UTC", counts, source)


def bind(limits: Iterable[Limit], quota: str, model: str) -> tuple[BoundLimit, ...]:
    """Limits that all keys of `quota` share, for one model, or for `ALL_MODELS` together."""
    return tuple(BoundLimit(f"{quota}|{model}|{limit.identity}", limit) for limit in limits)
