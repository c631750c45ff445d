"""One decision's side of the question: what is asked, when, and what it amounts to in each option's limits."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING

from rotor_core._demand import Demand
from rotor_core._ledger import Ask
from rotor_core._state.fit import earliest

if TYPE_CHECKING:
    from rotor_core.stores._index import Entry
    from rotor_core.stores._meters import Rest

_RENEW = 1024


class Amounts:
    """What a demand needs and takes of each of an entry's meters, computed once for all entries whose limits count alike.

    `flying`: calls in flight, any of which may turn out longer than expected; None: only the least of each is wanted.
    """

    __slots__ = ("_by_shape", "demand", "flying")

    def __init__(self, demand: Demand, flying: int | None) -> None:
        self.demand, self.flying = demand, flying
        self._by_shape: dict[int, tuple[list[float], list[float]]] = {}

    def of(self, entry: Entry) -> list[float]:
        """What has to fit."""
        return (self._by_shape.get(entry.shape) or self._both(entry))[1]

    def takes(self, entry: Entry) -> list[float]:
        """What is charged."""
        return (self._by_shape.get(entry.shape) or self._both(entry))[0]

    def _both(self, entry: Entry) -> tuple[list[float], list[float]]:
        demand, flying, price, model = self.demand, self.flying, entry.option.price, entry.option.model
        takes: list[float] = []
        needs: list[float] = []
        for limit in entry.limits:
            if flying is None:
                take = need = demand.amount(limit, price)
            else:
                take, need = demand.charge(limit, price, model, flying)
            takes.append(take)
            needs.append(need)
        found = self._by_shape[entry.shape] = takes, needs
        return found


class Want(Amounts):
    """An ask at an instant. `by`: up to when an instant counts as now. `waiting`: how many wait for a slot already.

    `soon`: by so many seconds an instant counts as now, where the ask has no earlier deadline.
    """

    __slots__ = ("by", "exclude", "now", "rests", "waiting")

    def __init__(
        self, ask: Ask, now: float, soon: float, rests: Mapping[str, Rest], waiting: int, flying: int = 0
    ) -> None:
        by = now + soon
        if ask.deadline is not None and ask.deadline < by:
            by = ask.deadline
        self.demand, self.exclude, self.flying, self._by_shape = ask.demand, ask.exclude, flying, {}
        self.now, self.by, self.rests, self.waiting = now, by, rests, waiting

    def instant(self, entry: Entry) -> float:
        """The first instant at which the entry's windows and rests let this through, whoever holds its slots."""
        if entry.gates and any(self.demand.requests > gate.slots.value for gate in entry.gates):
            return inf
        t = self.now
        if self.rests:
            rest = entry.resting(self.rests, t)
            if rest is not None:
                t = rest.until
        meters = entry.meters
        return earliest(self.now, t, [meter.window for meter in meters], self.of(entry)) if meters else t

    def blocked(self, entry: Entry) -> bool:
        """Whether one of the entry's gates has no slot for this."""
        return bool(entry.gates) and any(not gate.slots.fits(self.demand.requests) for gate in entry.gates)


class Taken:
    """Reserve `entry` from `at` on."""

    __slots__ = ("at", "entry")

    def __init__(self, entry: Entry, at: float) -> None:
        self.entry, self.at = entry, at


class Least:
    """The smallest demand that a plan has lately had, each part rounded down to a power of two.

    Options without room even for this may sleep. A smaller demand lowers it (rounding makes that rare), and every
    `_RENEW` asks it is raised again to what those asks were.
    """

    __slots__ = ("_asks", "_last", "_last_parts", "_recent", "amounts", "parts")

    def __init__(self, demand: Demand) -> None:
        self._asks = 0
        self._recent = self.parts = self._last_parts = _parts(demand.least())
        self._last = demand
        self.amounts = Amounts(_demand(self.parts), None)

    def lowered_by(self, demand: Demand) -> bool:
        """Take note of a demand; whether it is smaller than all lately seen."""
        if demand is not self._last:  # a request that failed somewhere asks again with the same one
            self._last, self._last_parts = demand, _parts(demand.least())
        parts = self._last_parts
        if parts != self._recent:
            self._recent = _smaller(parts, self._recent)
        self._asks += 1
        if self._asks >= _RENEW:
            self._set(self._recent)
            self._asks, self._recent = 0, parts
        if parts == self.parts:
            return False
        smaller = _smaller(parts, self.parts)
        if smaller == self.parts:
            return False
        self._set(smaller)
        return True

    def _set(self, parts: tuple[int, int, int, int]) -> None:
        if parts != self.parts:
            self.parts = parts
            self.amounts = Amounts(_demand(parts), None)


def _parts(demand: Demand) -> tuple[int, int, int, int]:
    output, most = demand.output_tokens, demand.max_tokens
    if most is not None and most < output:
        output = most
    asked = most or output
    return (
        1 << demand.input_tokens.bit_length() >> 1,
        1 << output.bit_length() >> 1,
        1 << asked.bit_length() >> 1,
        int(demand.audio_seconds),
    )


def _smaller(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _demand(parts: tuple[int, int, int, int]) -> Demand:
    """One request of the least size. Without `max_tokens` what is asked for falls back on the output, which is smaller."""
    return Demand(parts[0], min(parts[1], parts[2]), parts[2] or None, 1, parts[3])
