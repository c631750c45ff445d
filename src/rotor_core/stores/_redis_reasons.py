"""Why each option was out, in words, from what a script has found out; the same words as `_reasons` has for a ledger here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rotor_core._ledger import Refusal, Rejection
from rotor_core._model import Limit
from rotor_core._policy.rests import rejection
from rotor_core.stores._reasons import describe, renewal
from rotor_core.stores._redis_view import View
from rotor_core.stores._redis_words import Known, valued


def refusal(
    knowns: Sequence[Known],
    view: View,
    asked_at: float,
    retry_at: float | None,
    told: Sequence[Sequence[Any]],
    now: float,
) -> Refusal:
    """`told`: see `lua/reserve.lua`. One rejection per option, by id."""
    found = {view.options[row[0]].option.id: _rejection(view.options[row[0]], view, row, now) for row in told}
    out = Rejection("excluded", "this request has been there already")
    return Refusal(asked_at, retry_at, {one.option.id: found.get(one.option.id, out) for one in knowns})


def _rejection(known: Known, view: View, row: Sequence[Any], now: float) -> Rejection:
    _, what, at, *more = row
    match what:
        case "never":
            key, amount, value = more
            limit = _limit(known, view, key, value)
            return Rejection("never_fits", _never(limit, amount, gate=key in known.gates))
        case "resting":
            return replace(rejection(str(more[0]), float(more[1]), now), retry_at=at)
        case "busy":
            key, held, value = more
            limit = _limit(known, view, key, value)
            text = f"{_number(held)} under way; the limit is {describe(limit)}"
            return Rejection("busy", text, at)
        case "no_room":
            key, amount, value, left = more
            limit = _limit(known, view, key, value)
            shown = _figure(left, limit) if limit.unit == "usd" else _number(left)
            text = f"needs {_figure(amount, limit)}; {shown} left of {describe(limit)}{renewal(limit, now)}"
            return Rejection("no_room", text, at)
        case _:
            return Rejection("no_room", "has room, but only after the request's deadline", at)


def _never(limit: Limit, amount: float, *, gate: bool) -> str:
    needs = f"{amount} slots" if gate else _figure(amount, limit)
    return f"needs {needs}; the limit is {describe(limit)}"


def _limit(known: Known, view: View, key: str, value: float) -> Limit:
    """The limit as the ledger held it when it refused."""
    declared: Mapping[str, Limit] = known.limits
    record = view.record(key, declared.get(key))
    return valued(record.limit if record else declared[key], value)


def _figure(amount: float, limit: Limit) -> str:
    """`8,000 tokens`."""
    return describe(replace(limit, value=amount, per=None, source=""))


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
