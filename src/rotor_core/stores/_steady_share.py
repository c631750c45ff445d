"""One process's share of limits that several processes keep together, for as long as they cannot hear of each other.

A limit of 30 shared by three is one of 10 for each, and of what was used a third counts here: what is left is shared
alike. A share is never so small that nothing at all could be sent: one request, one call at a time. A request of more
tokens than a share holds, but no more than the limit itself, takes the whole of the share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import floor
from typing import Final, Protocol, runtime_checkable

from rotor_core._ledger import Ask, Demand, Option, OptionReading
from rotor_core._model import BoundLimit, Limit
from rotor_core.stores._meters import at_a_time

UNTOLD: Final = 0.5
"""The share where a store cannot tell how many use it: right for two, which is the least that a shared store is for.

One alone loses half of its limits for the time of the outage; of four, each takes twice its part, and refusals teach it.
"""


@runtime_checkable
class Counting(Protocol):
    """A store that knows how many processes lately used it, this one included; from memory, without asking anyone."""

    def sharers(self) -> int: ...


def share_of(store: object) -> float:
    """The share of one process in the limits that `store` keeps."""
    return 1.0 / max(1, store.sharers()) if isinstance(store, Counting) else UNTOLD


def part(limit: Limit, share: float) -> Limit:
    """A share of a limit."""
    value = limit.value * share
    if at_a_time(limit):
        value = max(1.0, floor(value))
    elif limit.unit == "requests":
        value = max(1.0, value)
    return limit if value >= limit.value else replace(limit, value=value)


def part_of(option: Option, reading: OptionReading, share: float) -> Option:
    """An option held to a share of each limit as last read, learned ones included.

    It learns nothing: a provider's figures are about the whole.
    """
    limits = tuple(BoundLimit(r.key, part(r.limit, share)) for r in reading.limits)
    return replace(option, limits=limits, subject="")


def fitted(ask: Ask, whole: Mapping[str, tuple[Option, OptionReading]]) -> Ask | None:
    """The same ask for as much of it as fits into a share, where it fits into a limit. None: it does not.

    `whole`: by option id, the option held to its share, and the limits as they are.
    """
    most: dict[str, float] = {}
    for ident, (held, reading) in whole.items():
        if ident in ask.exclude:
            continue
        factor = 1.0
        for bound, known in zip(held.limits, reading.limits, strict=True):
            amount = ask.demand.amount(bound.limit, held.price)
            if amount > known.limit.value:
                break
            if amount > bound.limit.value:
                factor = min(factor, bound.limit.value / amount)
        else:
            most[ident] = factor
    best = max(most.values(), default=0.0)
    if not 0.0 < best < 1.0:
        return None
    out = {ident for ident in whole if most.get(ident, 0.0) < best}
    return replace(ask, demand=_less(ask.demand, best), exclude=ask.exclude | out)


def _less(demand: Demand, factor: float) -> Demand:
    return replace(
        demand,
        input_tokens=int(demand.input_tokens * factor),
        output_tokens=int(demand.output_tokens * factor),
        max_tokens=None if demand.max_tokens is None else int(demand.max_tokens * factor),
        audio_seconds=demand.audio_seconds * factor,
    )
