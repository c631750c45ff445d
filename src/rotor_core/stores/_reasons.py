"""Why each option of a plan was out, in words, and when it is in again."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import gmtime, strftime

from rotor_core._ledger import Rejection
from rotor_core._model import Limit
from rotor_core._policy.rests import rejection
from rotor_core._state.spans import span
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
    tight, now = _tightest(entry, want), want.now
    at = want.instant(entry)
    if at == inf:
        return Rejection("never_fits", _never(entry, tight, want.demand.requests))
    rest = entry.resting(want.rests, now) if want.rests else None
    if rest is not None:
        return replace(rejection(rest.reason, rest.until, now), retry_at=at)
    for gate in entry.gates:
        if not gate.slots.fits(want.demand.requests):
            detail = f"{_number(gate.slots.held)} under way; the limit is {describe(gate.limit)}"
            return Rejection("busy", detail, max(at, now + gate.slots.estimate(1.0 + want.waiting)))
    if tight is None:
        return Rejection("no_room", "has room, but only after the request's deadline", at)
    return Rejection("no_room", _no_room(tight[1], tight[2], now), at)


def _never(entry: Entry, tight: tuple[float, Meter, float] | None, requests: int) -> str:
    """Which limit is too small for this."""
    for gate in entry.gates:
        if requests > gate.slots.value:
            return f"needs {requests} slots; the limit is {describe(gate.limit)}"
    assert tight is not None
    _, meter, amount = tight
    return f"needs {_figure(amount, meter.limit)}; the limit is {describe(meter.limit)}"


def _tightest(entry: Entry, want: Want) -> tuple[float, Meter, float] | None:
    """The meter that alone would hold the ask back longest: until when, and the amount wanted of it. None: none does."""
    found, latest = None, want.now
    for meter, amount in zip(entry.meters, want.of(entry), strict=True):
        if amount:
            at = meter.opens_at(want.now, amount)
            if at > latest:
                found, latest = (at, meter, amount), at
    return found


def _no_room(meter: Meter, amount: float, now: float) -> str:
    left = max(0.0, meter.window.value - meter.window.used(now))
    shown = _figure(left, meter.limit) if meter.limit.unit == "usd" else _number(left)
    return f"needs {_figure(amount, meter.limit)}; {shown} left of {describe(meter.limit)}{renewal(meter.limit, now)}"


def describe(limit: Limit) -> str:
    """`8,000 tokens per minute`, `4 calls at a time`, `the budget of caller team-a, $1 per day`."""
    text = _figure(limit.value, limit)
    if _is_budget(limit):
        text = f"the {limit.source}, {text}"
    if limit.per is None or limit.window == "concurrency" or limit.unit == "concurrent":
        return text
    return f"{text} per {limit.per}" if isinstance(limit.per, str) else f"{text} per {limit.per:g} s"


def renewal(limit: Limit, now: float) -> str:
    """When a budget begins anew, `, which renews at 2026-11-22 00:00:00 UTC`; nothing for any other limit."""
    if not _is_budget(limit):
        return ""
    at = span(limit.per, limit.tz, now)[1]
    return strftime(", which renews at %Y-%m-%d %H:%M:%S UTC", gmtime(at))


def _is_budget(limit: Limit) -> bool:
    """Whether this is what the user allows to be spent, and not what a provider allows."""
    return limit.unit == "usd" and limit.source.startswith("budget")


def _figure(amount: float, limit: Limit) -> str:
    if limit.unit == "usd":
        return f"${amount:,.{4 if amount >= 0.01 else 7}f}".rstrip("0").rstrip(".")
    many, one = _UNITS[limit.unit]
    return f"{_number(amount)} {one if amount == 1 else many}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
