"""Plans and asks for the suite's named tests, made by hand."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Grant, Option, Plan, Refusal, Reservation, Tier
from rotor_core._model import BoundLimit, Limit
from rotor_core.stores.base import Store
from rotor_core.testing.plans import DYADIC, alike
from rotor_core.testing.reference import SAME

_ids = count()


def option(name: str, *limits: Limit | BoundLimit, **more: Any) -> Option:
    """An option with limits of its own, but for those that are bound already."""
    bound = tuple(
        x if isinstance(x, BoundLimit) else BoundLimit(f"{name}/{x.unit}/{x.per}/{x.window}", x) for x in limits
    )
    more.setdefault("price", DYADIC)
    return Option(name, bound, (f"deployment:{name}",), **more)


def plan(*tiers: Tier | Option) -> Plan:
    return Plan(tuple(t if isinstance(t, Tier) else Tier((t,)) for t in tiers), alike)


def ask(of: Plan, tokens: int = 10, **more: Any) -> Ask:
    demand = more.pop("demand", None) or Demand(input_tokens=tokens)
    return Ask(more.pop("id", None) or f"suite-{next(_ids)}", of, demand, **more)


def per_minute(value: float, window: Any = "bucket", unit: Any = "requests") -> Limit:
    return Limit(unit, value, "minute", window)


def at_a_time(value: float) -> Limit:
    return Limit("concurrent", value, None, "concurrency")


def granted(grant: Grant) -> Reservation:
    assert isinstance(grant, Reservation), grant
    return grant


def refused(grant: Grant) -> Refusal:
    assert isinstance(grant, Refusal), grant
    return grant


def instant(t: float, within: float = SAME) -> Any:
    """Equal to an instant but for rounding. Instants are large: a tolerance relative to them would be minutes."""
    return pytest.approx(t, rel=0, abs=within)


def taken(store: Store, of: Option) -> list[float]:
    """How much is used or reserved of each of an option's limits."""
    return [limit.used + limit.reserved for limit in store.read([of])[0].limits]
