"""One process's share of limits that several processes keep together, for as long as they cannot hear of each other.

A process's share is its part of the calls that were made of late. To a third of the calls belongs a third of each limit,
and a third of what was used of it; so what is left is shared alike. A share is never so small that nothing at all could be sent: one request, one call at a time. A request of more
tokens than a share holds, but no more than the limit itself, takes the whole of the share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import Final

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Option, OptionReading
from rotor_core._model import BoundLimit, Limit
from rotor_core.stores._meters import at_a_time

UNTOLD: Final = 0.5
"""The share of a process that has not made enough calls to tell: right for two, which is the least a shared store is for."""

ENOUGH: Final = 8
"""Calls from which on a share can be told."""

SPAN: Final = 64
"""Own calls to one option, after which older ones count no more than the last so many."""


class Traffic:
    """Which part of all calls was this process's, of late. If each keeps to its part, all together keep to the whole.

    The store counts everybody's grants of an option; so its count is looked at now and then, as last seen.
    """

    def __init__(self, served: Callable[[Option], int]) -> None:
        self._served = served
        self._marks: dict[str, _Mark] = {}

    def grant(self, ask: Ask, option_id: str) -> None:
        """A grant of the store's, just now."""
        mark = self._marks.get(option_id)
        if mark is None:
            option = next(o for o in ask.plan.options if o.id == option_id)
            self._marks[option_id] = _Mark(option, self._served(option) - 1)
        else:
            mark.own += 1
            if mark.own >= SPAN:
                mark.before = mark.own, self._since(mark)
                mark.own, mark.began = 0, self._served(mark.option)

    def share(self) -> float:
        own = everybody = 0
        for mark in list(self._marks.values()):
            own += mark.own + mark.before[0]
            everybody += self._since(mark) + mark.before[1]
        return own / everybody if own >= ENOUGH else UNTOLD

    def _since(self, mark: _Mark) -> int:
        """Everybody's grants of an option since the mark. A store that was emptied has counted less than that."""
        return max(mark.own, self._served(mark.option) - mark.began)


@dataclass(slots=True)
class _Mark:
    """`began`: the store's count before the first of `own` grants. `before`: own and everybody's in the span before."""

    option: Option
    began: int
    own: int = 1
    before: tuple[int, int] = (0, 0)


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
