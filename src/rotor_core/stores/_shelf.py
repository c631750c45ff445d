"""All of a ledger's meters, gates, rests and statistics, by key; and which of them an option draws on.

An option names the limits that its configuration declares. Limits that are learned belong to a subject (`quota|model`)
and bind every option of it, in whatever configuration. What is learned outranks what is declared until it expires.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Any

from rotor_core._ledger import LimitRecord, Option
from rotor_core._model import BoundLimit, Limit
from rotor_core._state.learn import Trail
from rotor_core._state.window import Guards
from rotor_core.stores._meters import Gate, Meter, Rest, Stats, at_a_time

_log = logging.getLogger("rotor_core")


class Shelf:
    """`changed`: the subjects whose options draw on other limits than before, in order. `note` is told what was made.

    `expiring`: when `expired` has something to say, the earliest first. `stands`: which quota stands for another one, of those that turned out to be one.
    """

    __slots__ = (
        "changed", "expiring", "gates", "guards", "learned", "meters", "note", "rests", "stands", "stats", "trails",
    )  # fmt: skip

    def __init__(self, guards: Guards, note: Callable[..., None]) -> None:
        self.guards, self.note = guards, note
        self.meters: dict[str, Meter] = {}
        self.gates: dict[str, Gate] = {}
        self.rests: dict[str, Rest] = {}
        self.stats: dict[str, Stats] = {}
        self.learned: dict[str, list[str]] = {}
        self.trails: dict[str, Trail] = {}
        self.changed: list[str] = []
        self.stands: dict[str, str] = {}
        self.expiring: list[tuple[float, str]] = []

    # --- finding -----------------------------------------------------------------------------------------------------

    def of(self, option: Option, now: float) -> tuple[tuple[Meter, ...], tuple[Gate, ...]]:
        """An option's meters and gates, made when first seen. A declared limit that differs from the one known replaces it."""
        timed = [self._declared(bound, now) for bound in option.limits if not at_a_time(bound.limit)]
        gates = tuple(self._gate(bound) for bound in option.limits if at_a_time(bound.limit))
        for key in self.learned.get(self.stand_in(option.subject), ()):
            meter = self.meters[key]
            if meter not in timed:
                timed.append(meter)
        return tuple(timed), gates

    def stats_of(self, option_id: str) -> Stats:
        found = self.stats.get(option_id)
        if found is None:
            found = self.stats[option_id] = Stats()
        return found

    def trail_of(self, subject: str) -> Trail:
        found = self.trails.get(subject)
        if found is None:
            found = self.trails[subject] = Trail()
        return found

    def _declared(self, bound: BoundLimit, now: float) -> Meter:
        key = self.stand_in(bound.key)
        meter = self.meters.get(key)
        if meter is None:
            self.note("meter", key, bound.limit, now)
            return self.make(key, bound.limit, now)
        if key == bound.key and meter.record.declared != bound.limit:
            known = meter.record.declared
            if known is not None and known.value != bound.limit.value:
                _log.info("limit %s was %g and is declared as %g now", bound.key, known.value, bound.limit.value)
            self.note("meter", bound.key, bound.limit, now)
            self.declare(meter, bound.limit, now)
        return meter

    def _gate(self, bound: BoundLimit) -> Gate:
        gate = self.gates.get(bound.key)
        if gate is None:
            self.note("gate", bound.key, bound.limit)
            gate = self.gates[bound.key] = Gate(bound.key, bound.limit)
        elif gate.limit != bound.limit:
            self.note("gate", bound.key, bound.limit)
            gate.change_to(bound.limit)
        return gate

    # --- limits ------------------------------------------------------------------------------------------------------

    def make(self, key: str, declared: Limit, now: float) -> Meter:
        meter = self.meters[key] = Meter(LimitRecord(key, declared, declared), self.guards, now)
        return meter

    def declare(self, meter: Meter, limit: Limit, now: float) -> None:
        """What a configuration says has changed. It waits its turn where something else was learned."""
        record = replace(meter.record, declared=limit)
        meter.change_to(record if record.seen_at is not None else replace(record, limit=limit), self.guards, now)

    def hold(self, subject: str, record: LimitRecord, past: tuple[tuple[float, float], ...], now: float) -> None:
        """Hold a subject to a record from now on."""
        meter = self.meters.get(record.key)
        if meter is None:
            begin = min((at for at, _ in past), default=now)
            meter = self.meters[record.key] = Meter(record, self.guards, min(begin, now))
            for at, amount in past:
                meter.window.charge(min(at, now), min(at, now), amount)
        else:
            if meter.limit.counts != record.limit.counts:
                self.changed.append(subject)
            meter.change_to(replace(record, declared=meter.record.declared), self.guards, now)
        known = self.learned.setdefault(subject, [])
        if record.key not in known:
            known.append(record.key)
            self.changed.append(subject)
        self.expires(record)

    def expires(self, record: LimitRecord) -> None:
        """Let a record be dropped in time."""
        if record.expires_at is not None:
            heappush(self.expiring, (record.expires_at, record.key))
            if len(self.expiring) > 2 * len(self.meters) + 64:
                held = (meter.record for meter in self.meters.values())
                self.expiring = [(r.expires_at, r.key) for r in held if r.expires_at is not None]
                heapify(self.expiring)

    def drop(self, key: str, now: float) -> None:
        """What was learned of a limit is no longer believed."""
        meter = self.meters.get(key)
        if meter is None or meter.record.seen_at is None:
            return
        declared = meter.record.declared
        for subject, keys in self.learned.items():
            if key in keys:
                keys.remove(key)
                self.changed.append(subject)
        if declared is not None:
            meter.change_to(LimitRecord(key, declared, declared), self.guards, now)
        else:
            meter.eased()
            del self.meters[key]

    def block(self, key: str, amount: float, until: float | None, now: float) -> None:
        """There is no room for `amount` before `until`, whatever we have counted. Two periods on, no window remembers."""
        meter = self.meters.get(key)
        if meter is not None:
            until = None if until is None else min(until, now + 2 * meter.limit.seconds)
            meter.window.block(now, amount, until)
            meter.changes += 1

    def expired(self, now: float) -> Iterator[str]:
        """The keys of learned limits that are due to be dropped."""
        while self.expiring and self.expiring[0][0] <= now:
            _, key = heappop(self.expiring)
            meter = self.meters.get(key)
            if meter is not None and meter.record.expires_at is not None and meter.record.expires_at <= now:
                yield key

    # --- quotas that are one -----------------------------------------------------------------------------------------

    def stand_in(self, key: str) -> str:
        """The limit that stands for a limit, or the subject for a subject: most often itself."""
        if not self.stands:
            return key
        quota, bar, rest = key.partition("|")
        return f"{self.stands.get(quota, quota)}{bar}{rest}"

    def merge(self, quota: str, other: str, now: float) -> dict[str, Meter]:
        """Let `quota` stand for `other`: by the keys of the other's meters those that stand for them.

        The provider has counted both together, so what is taken is the larger of what both had settled, and what is in
        flight on either: whoever calls takes that out of both before, and puts it back.
        """
        self.stands = {known: quota if by == other else by for known, by in self.stands.items()} | {other: quota}
        replaced = [meter for key, meter in self.meters.items() if key.startswith(f"{other}|")]
        found = {meter.key: self._stand_in_for(meter, now) for meter in replaced}
        for subject in [subject for subject in self.learned if subject.startswith(f"{other}|")]:
            mine = self.learned.setdefault(self.stand_in(subject), [])
            mine += [key for key in map(self.stand_in, self.learned.pop(subject)) if key not in mine]
            self.changed += [subject, self.stand_in(subject)]
        for subject in [subject for subject in self.trails if subject.startswith(f"{other}|")]:
            self.trails.setdefault(self.stand_in(subject), self.trails.pop(subject))
        return found

    def _stand_in_for(self, meter: Meter, now: float) -> Meter:
        """The meter that stands for one from now on, with what that had counted."""
        record = replace(meter.record, key=self.stand_in(meter.key))
        mine = self.meters.get(record.key)
        if mine is None:
            mine = self.meters[record.key] = Meter(record, self.guards, now)
        elif mine.record.seen_at is None and record.seen_at is not None:
            mine.change_to(replace(record, declared=mine.record.declared), self.guards, now)
        self.expires(record)
        more = meter.window.used(now) - mine.window.used(now)
        if more > 0:
            mine.window.charge(now, now, more)
            mine.corrected += more
        mine.changes += 1
        del self.meters[meter.key]
        meter.eased()
        return mine

    # --- rests -------------------------------------------------------------------------------------------------------

    def rest(self, scope: str, until: float, reason: str) -> None:
        """The longest rest wins."""
        known = self.rests.get(scope)
        if known is None:
            self.rests[scope] = Rest(scope, until, reason)
        elif until > known.until:
            known.until, known.reason, known.told = until, reason, False

    def unrest(self, scope: str) -> None:
        rest = self.rests.pop(scope, None)
        if rest is not None:
            rest.until = 0.0
            rest.eased()

    def woke(self, scope: str, now: float) -> None:
        """A grant from after a rest: nobody needs to be told of it again."""
        rest = self.rests.get(scope)
        if rest is not None:
            rest.told = True
            if rest.until <= now:
                del self.rests[scope]

    def wake(self, option: Option, now: float, at: float) -> str | None:
        """Why the option had rested, for the first grant (at `at`) since; None when it had not, or that was told."""
        reason: str | None = None
        for scope in option.scopes:
            rest = self.rests.get(scope)
            if rest is not None and rest.until <= at:
                reason = reason or (None if rest.told else rest.reason)
                self.note("woke", scope, now)
                self.woke(scope, now)
        return reason


def nobody(*_: Any) -> None:
    """For a shelf of which no journal is kept."""
