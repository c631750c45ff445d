"""Why each option of a plan was out, in words, and when it is in again."""

from __future__ import annotations

from math import inf

from rotor_core._ledger import Rejection
from rotor_core._model import Limit
from rotor_core.stores._demand import Want
from rotor_core.stores._index import Entry, PlanIndex
from rotor_core.stores._meters import Meter

_UNITS = {
    "requests": ("requests", "request"),
    "tokens": ("tokens", "token"),
    "input_tokens": ("input tokens", "input token"),
    "output_tokens": ("output tokens", "output token"),
    "audio_seconds": ("seconds of audio", "second of audio"),
    "concurrent": ("calls at a time", "call at a time"),
}


def reasons(index: PlanIndex, want: Want) -> dict[str, Rejection]:
    """One rejection per option, by id."""
    return {entry.option.id: _reason(entry, want) for tier in index.tiers for entry in tier.entries}


def _reason(entry: Entry, want: Want) -> Rejection:
    if entry.option.id in want.exclude:
        return Rejection("excluded", "this request has been there already")
    at = want.instant(entry)
    if at == inf:
        return Rejection("never_fits", _never(entry, want))
    rest = entry.resting(want.rests, want.now)
    if rest is not None:
        return Rejection("resting", rest.reason, at)
    for gate in entry.gates:
        if not gate.slots.fits(want.demand.requests):
            guess = want.now + gate.slots.estimate(1.0 + want.waiting)
            detail = f"{_number(gate.slots.held)} under way; the limit is {describe(gate.limit)}"
            return Rejection("busy", detail, max(at, guess))
    return Rejection("no_room", _no_room(entry, want), at)


def _never(entry: Entry, want: Want) -> str:
    """Which limit is too small for this."""
    for gate in entry.gates:
        if want.demand.requests > gate.slots.value:
            return f"needs {want.demand.requests} slots; the limit is {describe(gate.limit)}"
    meter, amount = _tightest(entry, want)
    return f"needs {_figure(amount, meter.limit)}; the limit is {describe(meter.limit)}"


def _no_room(entry: Entry, want: Want) -> str:
    """Which limit holds this back longest."""
    if want.instant(entry) <= want.now:
        return "has room, but only after the request's deadline"
    meter, amount = _tightest(entry, want)
    left = max(0.0, meter.window.value - meter.window.used(want.now))
    shown = _figure(left, meter.limit) if meter.limit.unit == "usd" else _number(left)
    return f"needs {_figure(amount, meter.limit)}; {shown} left of {describe(meter.limit)}"


def _tightest(entry: Entry, want: Want) -> tuple[Meter, float]:
    """The meter that alone would hold the ask back longest, and the amount wanted of it."""
    pairs = [pair for pair in zip(entry.meters, want.amounts.of(entry), strict=True) if pair[1]]
    return max(pairs, key=lambda pair: pair[0].window.earliest(want.now, want.now, pair[1]))


def describe(limit: Limit) -> str:
    """`8,000 tokens per minute`, `4 calls at a time`."""
    text = _figure(limit.value, limit)
    if limit.per is None or limit.window == "concurrency" or limit.unit == "concurrent":
        return text
    return f"{text} per {limit.per}" if isinstance(limit.per, str) else f"{text} per {limit.per:g} s"


def _figure(amount: float, limit: Limit) -> str:
    if limit.unit == "usd":
        return f"${amount:,.4f}".rstrip("0").rstrip(".")
    many, one = _UNITS[limit.unit]
    return f"{_number(amount)} {one if amount == 1 else many}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
