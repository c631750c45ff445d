"""Plans and asks made by hand, and a clock that a test turns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Option, Plan, Score, Tier
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core._policy.rank import most_headroom
from rotor_core.stores.memory import MemoryStore

START = 1_000_000_020.0
"""A full minute; half past nine in the morning, in no hurry."""

FREE = Price(0.0, 0.0)


class Hands:
    """A clock's hands: `at` is the instant."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def world(**options: Any) -> tuple[MemoryStore, Hands]:
    hands = Hands()
    return MemoryStore(clock=hands, **options), hands


def option(name: str, *limits: Limit | BoundLimit, scopes: tuple[str, ...] = (), **more: Any) -> Option:
    """An option with limits of its own, but for those that are bound already."""
    bound = tuple(
        x if isinstance(x, BoundLimit) else BoundLimit(f"{name}/{x.unit}/{x.per}/{x.window}", x) for x in limits
    )
    return Option(name, bound, (f"deployment:{name}", *scopes), **{"price": FREE, **more})


def in_order() -> Score:
    """Everybody alike: ties go by the plan's order."""
    return lambda standing: 0.0


def plan(*tiers: Tier | tuple[Option, ...] | Option, score: Score = most_headroom) -> Plan:
    made = [t if isinstance(t, Tier) else Tier((t,)) if isinstance(t, Option) else Tier(t) for t in tiers]
    return Plan(tuple(made), score)


_ids = count()


def ask(of: Plan, tokens: int = 10, **more: Any) -> Ask:
    """An ask with an id of its own for `tokens` of input."""
    demand = more.pop("demand", None) or Demand(input_tokens=tokens)
    return Ask(more.pop("id", None) or f"ask-{next(_ids)}", of, demand, **more)


def rpm(value: float, window: Any = "bucket", **more: Any) -> Limit:
    return Limit("requests", value, "minute", window, **more)


def tpm(value: float, window: Any = "bucket", **more: Any) -> Limit:
    return Limit("tokens", value, "minute", window, **more)


def at_a_time(value: float) -> Limit:
    return Limit("concurrent", value, None, "concurrency")


Called = Callable[[], None]


def used_of(store, one, n=0):
    return store.read([one])[0].limits[n].used + store.read([one])[0].limits[n].reserved
