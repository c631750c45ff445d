"""What a client has last seen of a ledger that lives elsewhere: for orders, for looks that must not wait, for a restart.

Every reply brings how a few limits stood. Between replies a limit eases as its kind does: a bucket by its refill, a
calendar period at its end, a rolling window evenly up to when all of it is free. Reading never waits for anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from rotor_core._demand import Demand
from rotor_core._ledger import LimitReading, LimitRecord, Option, OptionReading
from rotor_core._model import Limit
from rotor_core.stores._meters import at_a_time
from rotor_core.stores._redis_words import Known, record_of, valued

_SMALLEST = Demand(1, 1)

LOG = 512
"""How many changes are remembered one by one; who has missed more looks at everything."""

TRIAL = 60.0
"""Seconds for which an option is believed to be on trial: a call of another process may end, and nobody tells us."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A limit as it stood `at` an instant. `held`: in flight, or slots taken. `resets_at`: when all is free again."""

    at: float
    used: float
    value: float
    held: float
    resets_at: float | None

    def used_at(self, limit: Limit, now: float) -> float:
        """What is likely still taken."""
        if self.resets_at is None:
            return self.used
        if now >= self.resets_at:
            return 0.0
        if limit.window == "calendar":
            return self.used
        passed = max(0.0, now - self.at)
        if limit.window == "bucket":
            return max(0.0, self.used - passed * self.value / limit.seconds)
        return self.used * (self.resets_at - now) / max(self.resets_at - self.at, 1e-9)


@dataclass(slots=True)
class Past:
    """An option's grants so far, its smoothed seconds a call, and until when it is believed to be on trial."""

    served: int = 0
    latency: float | None = None
    trial: float = 0.0

    def on_trial(self, now: float) -> bool:
        return self.latency is None and now < self.trial


@dataclass(frozen=True, slots=True)
class Resting:
    until: float
    reason: str


class View:
    """`log`: the keys of limits and ids of options that were seen anew, the latest of `total`. `options`: by number there."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.pasts: dict[str, Past] = {}
        self.rests: dict[str, Resting] = {}
        self.records: dict[str, LimitRecord] = {}
        self.subjects: dict[str, tuple[str, ...]] = {}
        self.declared: dict[str, Limit] = {}
        self.options: dict[int, Known] = {}
        self.version = 0
        self.log: deque[str] = deque(maxlen=LOG)
        self.total = 0

    # --- seeing ------------------------------------------------------------------------------------------------------

    def lines(self, told: Iterable[Sequence[Any]], now: float) -> None:
        """Take note of how options stood; see `lua/views.lua`."""
        for number, served, latency, *marks in told:
            known = self.options.get(number)
            if known is not None:
                self._past(known.option.id, served, latency, now)
                self.marks(marks, now, known)

    def settled(self, option_id: str, line: Sequence[Any], now: float) -> None:
        """Take note of how the limits of a settled call stood."""
        _, served, latency, *marks = line
        self._past(option_id, served, latency, now)
        self.marks(marks, now)

    def _past(self, option_id: str, served: Any, latency: Any, now: float) -> None:
        if served is not False:
            never = isinstance(latency, bool)
            self.pasts[option_id] = Past(
                int(served), None if never else float(latency), now + TRIAL if latency is True else 0.0
            )
            self._touch(option_id)

    def _touch(self, name: str) -> None:
        self.log.append(name)
        self.total += 1

    def marks(self, marks: Sequence[Any], now: float, known: Known | None = None) -> None:
        for i in range(0, len(marks), 5):
            name, used, value, held, resets_at = marks[i : i + 5]
            if known is None or isinstance(name, str):
                key = str(name)
            else:
                place = int(name)
                key = known.keys[place - 1] if place > 0 else known.gates[-place - 1]
            until = None if resets_at is False else float(resets_at)
            self.seen[key] = Seen(now, float(used), float(value), float(held), until)
            self._touch(key)

    def news(self, told: Sequence[Any]) -> None:
        """Take note of what was learned by whomever since last time: the version, then key and words in turn."""
        self.version = told[0]
        for i in range(1, len(told), 2):
            key: str = told[i]
            words: str | bool = told[i + 1]
            gone = self.records.pop(key, None)
            if gone is not None:
                self.subjects = {s: tuple(k for k in held if k != key) for s, held in self.subjects.items()}
            if isinstance(words, str):
                subject, record = record_of(key, words, self.declared.get(key))
                self.records[key] = record
                self.subjects[subject] = (*self.subjects.get(subject, ()), key)
            self._touch(key)

    def rested(self, scope: str, until: float, reason: str) -> None:
        known = self.rests.get(scope)
        if until == 0.0:
            self.rests.pop(scope, None)
        elif known is None or until > known.until:
            self.rests[scope] = Resting(until, reason)

    # --- looking -----------------------------------------------------------------------------------------------------

    def keys_of(self, known: Known) -> Iterator[str]:
        """Declared limits, then those that were learned."""
        yield from known.limits
        for key in self.subjects.get(known.option.subject, ()):
            if key not in known.limits:
                yield key

    def record(self, key: str, declared: Limit | None) -> LimitRecord | None:
        """What holds of a limit, as far as is known here."""
        found = self.records.get(key)
        if found is not None or declared is None:
            return found
        seen = self.seen.get(key)
        return LimitRecord(key, valued(declared, seen.value) if seen else declared, declared)

    def records_of(self, known: Known) -> tuple[LimitRecord, ...]:
        found = (self.record(key, known.limits.get(key)) for key in self.keys_of(known))
        return tuple(record for record in found if record is not None)

    def headroom(self, known: Known, now: float) -> float:
        """The smallest fraction left over an option's limits, 1 where nothing was seen yet."""
        least = 1.0
        for key in self.keys_of(known):
            seen, record = self.seen.get(key), self.record(key, known.limits.get(key))
            if seen is not None and record is not None:
                least = min(least, 1.0 - seen.used_at(record.limit, now) / seen.value)
        return max(0.0, least)

    def glance(self, known: Known, now: float) -> OptionReading:
        option = known.option
        rest = self._resting(option, now)
        at = rest.until if rest else now
        limits: list[LimitReading] = []
        for key in self.keys_of(known):
            record = self.record(key, known.limits.get(key))
            if record is None:
                continue
            reading = self.limit(record, now)
            limits.append(reading)
            at = max(at, _opens_at(reading, option, now))
        past = self.pasts.get(option.id, Past())
        return OptionReading(
            id=option.id,
            available_at=at if at < inf else None,
            resting=rest.reason if rest else None,
            rests_until=rest.until if rest else None,
            limits=tuple(limits),
            served=past.served,
            latency=past.latency,
            on_trial=past.on_trial(now),
        )

    def reading(self, known: Known, told: Sequence[Any], now: float) -> OptionReading:
        """An option as a script has just found it (see `lua/read.lua`); its limits are among what was seen."""
        at, resting, until, *_ = told
        option, past = known.option, self.pasts.get(known.option.id, Past())
        records = (self.record(key, known.limits.get(key)) for key in self.keys_of(known))
        return OptionReading(
            id=option.id,
            available_at=None if at is False else float(at),
            resting=None if resting is False else str(resting),
            rests_until=None if until is False else float(until),
            limits=tuple(self.limit(record, now) for record in records if record is not None),
            served=past.served,
            latency=past.latency,
            on_trial=past.on_trial(now),
        )

    def limit(self, record: LimitRecord, now: float) -> LimitReading:
        """One limit as it was seen last, aged."""
        limit, seen = record.limit, self.seen.get(record.key)
        taken = seen.used_at(limit, now) if seen else 0.0
        held = min(seen.held, taken) if seen else 0.0
        resets_at = seen.resets_at if seen and seen.resets_at is not None and seen.resets_at > now else None
        if at_a_time(limit):
            taken, resets_at = held, None
        return LimitReading(
            record.key, limit, taken - held, held, max(0.0, limit.value - taken), resets_at,
            record.seen_at, record.expires_at, record.confidence, record.evidence, record.declared,
        )  # fmt: skip

    def used(self, now: float) -> dict[str, float]:
        """What is likely taken of each limit with a period, for a ledger that has lost it."""
        found: dict[str, float] = {}
        for key, seen in self.seen.items():
            record = self.record(key, self.declared.get(key))
            if record is not None and not at_a_time(record.limit):
                used = seen.used_at(record.limit, now)
                if used > 0:
                    found[key] = used
        return found

    def _resting(self, option: Option, now: float) -> Resting | None:
        rests = [rest for scope in option.scopes if (rest := self.rests.get(scope)) is not None and rest.until > now]
        return max(rests, key=lambda rest: rest.until, default=None)


def _opens_at(reading: LimitReading, option: Option, now: float) -> float:
    """When the smallest request would fit into a limit."""
    amount = _SMALLEST.amount(reading.limit, option.price)
    if amount > reading.limit.value:
        return inf
    if amount <= reading.remaining:
        return now
    if reading.limit.window == "bucket" and not at_a_time(reading.limit):
        return now + (amount - reading.remaining) * reading.limit.seconds / reading.limit.value
    return reading.resets_at if reading.resets_at is not None else now
