"""What a call takes of which limit once it is known, and which limits count calls at a time."""

from __future__ import annotations

from rotor_core._demand import Demand
from rotor_core._ledger import Option, Used
from rotor_core._model import BoundLimit, Limit, Price


def amount_used(limit: Limit, price: Price | None, reserved: Demand, charged: float, used: Used) -> float:
    """What a call took of a limit, in its unit. What was not told is as it was charged."""
    if used.requests == 0:
        return 0.0
    given = reserved.input_tokens if used.input_tokens is None else used.input_tokens
    got = reserved.output_tokens if used.output_tokens is None else used.output_tokens
    if limit.counts == "requested" and reserved.max_tokens and limit.unit in {"tokens", "output_tokens"}:
        got = reserved.max_tokens
    tokens = used.input_tokens is not None or used.output_tokens is not None
    if limit.unit == "usd" and used != Used():
        return used.usd if used.usd is not None else price.cost(given, got) if price else 0.0
    amounts = {
        "requests": None if used.requests is None else float(used.requests),
        "input_tokens": None if used.input_tokens is None else given,
        "output_tokens": None if used.output_tokens is None else got,
        "tokens": given + got if tokens else None,
    }
    amount = amounts.get(limit.unit)
    return charged if amount is None else amount


def counts_calls(limit: Limit) -> bool:
    """Whether it limits calls at a time."""
    return limit.window == "concurrency" or limit.unit == "concurrent"


def timed(option: Option) -> list[BoundLimit]:
    """Its limits with a period."""
    return [bound for bound in option.limits if not counts_calls(bound.limit)]


def at_a_time(option: Option) -> list[BoundLimit]:
    """Its limits on calls at a time."""
    return [bound for bound in option.limits if counts_calls(bound.limit)]
