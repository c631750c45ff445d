"""In which order a plan's options are offered to the ledger, which takes the first with room.

A score is Python, the ledger is Lua: so the client orders by what it has last seen. On every request the options that were
seen anew are scored again, and a few more in turn. The order may be a moment old; the reservation never is.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from math import inf, isnan

from rotor_core._ledger import Plan, Score, Standing, Tier
from rotor_core.stores._redis_view import LOG, Past, View
from rotor_core.stores._redis_words import Known, known

HAND = 5
"""Options scored in turn at each request, besides those that were seen anew: up to so many are all scored each time."""

_UNSEEN = Past()


class Place:
    """An option in its tier."""

    __slots__ = ("known", "number", "order", "price", "score")

    def __init__(self, one: Known, order: int) -> None:
        self.known, self.order = one, order
        self.number = 0
        self.score = 0.0
        price = one.option.price
        self.price = price.blended if price else inf


class TierOrder:
    """One tier's options, best first."""

    def __init__(self, tier: Tier, score: Score, knowns: Sequence[Known]) -> None:
        self.wait = tier.max_wait
        self._score_of = score
        self.places = [Place(one, order) for order, one in enumerate(knowns)]
        self._line = [(-0.0, place.order) for place in self.places]
        self._hand = 0
        self._packed = b""
        self._total = -1
        self._concerned: dict[str, list[Place]] = {}
        for place in self.places:
            for name in (place.known.option.id, *place.known.limits):
                self._concerned.setdefault(name, []).append(place)

    def renumbered(self) -> None:
        self._packed = b""

    def packed(self, view: View, now: float, exclude: frozenset[str]) -> bytes:
        """The options' numbers in order, four bytes each."""
        self._catch_up(view, now)
        if not self._packed:
            self._packed = _numbers([self.places[order].number for _, order in self._line])
        if exclude:
            places = (self.places[order] for _, order in self._line)
            return _numbers([place.number for place in places if place.known.option.id not in exclude])
        return self._packed

    def _catch_up(self, view: View, now: float) -> None:
        count, missed = len(self.places), view.total - self._total
        if self._total < 0 or missed > LOG:
            for place in self.places:
                self._score(place, view, now)
        elif missed:
            for name in set(islice(reversed(view.log), missed)):
                for place in self._concerned.get(name, ()):
                    self._score(place, view, now)
        self._total = view.total
        for _ in range(min(HAND, count)):
            self._score(self.places[self._hand], view, now)
            self._hand = (self._hand + 1) % count

    def _score(self, place: Place, view: View, now: float) -> None:
        past, option = view.pasts.get(place.known.option.id, _UNSEEN), place.known.option
        room = view.headroom(place.known, now)
        on_trial = past.on_trial(now)
        score = self._score_of(Standing(room, past.served, past.latency, option.weight, place.price, on_trial))
        if isnan(score):  # it would break the order
            score = -inf
        if score != place.score:
            del self._line[bisect_left(self._line, (-place.score, place.order))]
            place.score = score
            insort(self._line, (-score, place.order))
            self._packed = b""


class PlanOrder:
    """All tiers of a plan. `epoch`: of which ledger its options' numbers are. `mark`: equal plans have equal ones."""

    def __init__(self, plan: Plan) -> None:
        self.epoch = ""
        self.tiers = [TierOrder(tier, plan.score, [known(option) for option in tier.options]) for tier in plan.tiers]
        self.knowns = [place.known for tier in self.tiers for place in tier.places]
        self.by_id = {one.option.id: one for one in self.knowns}
        self.models = {one.option.model for one in self.knowns}
        marks = "/".join(",".join(place.known.mark for place in tier.places) + f":{tier.wait:g}" for tier in self.tiers)
        self.mark = blake2b(marks.encode(), digest_size=9).hexdigest()
        limits = (limit for one in self.knowns for limit in one.limits.values() if limit.window == "calendar")
        self.calendars = {(limit.per, limit.tz): limit for limit in limits}

    def number(self, numbers: Mapping[str, int], epoch: str) -> bool:
        """Take note of the options' numbers in the ledger; False if it does not know them all."""
        if any(one.mark not in numbers for one in self.knowns):
            return False
        for tier in self.tiers:
            for place in tier.places:
                place.number = numbers[place.known.mark]
            tier.renumbered()
        self.epoch = epoch
        return True


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)
