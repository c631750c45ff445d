"""Why each option of a plan was out, in words, and when it is in again."""

from __future__ import annotations

from math import inf

from rotor_core._ledger import Rejection
from rotor_core._model import Limit
from rotor_core.stores._demand import Want
from rotor_core.stores._index import Entry, PlanIndex
from rotor_core.stores._meters import Meter

_UNITS = {
    "requests": "requests", "tokens": "tokens", "input_tokens": "input tokens", "output_tokens": "output tokens",
    "audio_seconds": "audio seconds", "usd": "USD", "concurrent": "calls at a time",
}  # fmt: skip


def reasons(index: PlanIndex, want: Want) -> dict[str, Rejection]:
    """One rejection per option, by id."""
    return {entry.option.id: _reason(entry, want) for tier in index.tiers for entry in tier.entries}


def _reason(entry: Entry, want: Want) -> Rejection:
    if entry.option.id in want.exclude:
        return Rejection("excluded", "this request has been there already")
    amounts = want.amounts.of(entry)
    for meter, amount in zip(entry.meters, amounts, strict=True):
        if amount and meter.window.earliest(want.now, want.now, amount) == inf:
            return Rejection(
                "never_fits", f"needs {_figure(amount, meter.limit)}; the limit is {describe(meter.limit)}"
            )
    for gate in entry.gates:
        if want.demand.requests > gate.slots.value:
            return Rejection("never_fits", f"needs a slot; the limit is {describe(gate.limit)}")
    at = want.instant(entry)
    rest = entry.resting(want.rests, want.now)
    if rest is not None:
        return Rejection("resting", rest.reason, at)
    for gate in entry.gates:
        if not gate.slots.fits(want.demand.requests):
            return Rejection(
                "busy",
                f"all of {describe(gate.limit)} are taken",
                max(at, want.now + gate.slots.estimate(1.0 + want.waiting)),
            )
    return Rejection("no_room", _no_room(_tightest(entry, amounts, want), want), at)


def _tightest(entry: Entry, amounts: list[float], want: Want) -> tuple[Meter, float] | None:
    """The meter that alone would hold the ask back longest, and the amount wanted of it."""
    found, latest = None, want.now
    for meter, amount in zip(entry.meters, amounts, strict=True):
        at = meter.window.earliest(want.now, want.now, amount) if amount else want.now
        if at > latest:
            found, latest = (meter, amount), at
    return found


def _no_room(tightest: tuple[Meter, float] | None, want: Want) -> str:
    if tightest is None:
        return "has room, but later than the request can wait"
    meter, amount = tightest
    left = max(0.0, meter.window.value - meter.window.used(want.now))
    return f"needs {_figure(amount, meter.limit)}; {_number(left)} left of {describe(meter.limit)}"


def describe(limit: Limit) -> str:
    """`8,000 tokens per minute`, `4 calls at a time`."""
    text = _figure(limit.value, limit)
    if limit.per is None or limit.window == "concurrency" or limit.unit == "concurrent":
        return text
    return f"{text} per {limit.per}" if isinstance(limit.per, str) else f"{text} per {limit.per:g} s"


def _figure(amount: float, limit: Limit) -> str:
    if limit.unit == "usd":
        return f"${amount:,.4f}".rstrip("0").rstrip(".")
    unit = _UNITS[limit.unit]
    return f"{_number(amount)} {unit[:-1] if amount == 1 and unit.endswith('s') and ' ' not in unit else unit}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
