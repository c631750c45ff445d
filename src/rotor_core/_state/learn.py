"""From what an answer told to what the ledger is to hold a subject to. Pure but for the trail, which is written on.

An answer tells of limits by unit and period. What it tells of a limit that is held corrects it; of another one makes a
record. A limit's value follows what was told last, down and up; headers and errors are the provider's own words, so they
outrank what was declared until they have not been heard for `LIFE`. How a window counts is the configuration's to say;
where it does not, evidence says it (`kinds`), and so for tokens how they are deducted (`deductions`).

A refusal that names no figure is laid to a limit that is nearly used up, if there is one; the second time around, and
where there is none, to a guess (`guess`). What went out before a limit was held says nothing against it. Where one
refusal follows another and nothing passes between them, that is no limit's doing, or one of a long period: from the
`OUTAGE`th on the guess is lowered no further, somebody tries ever less often, and with the first call that passes it is
forgotten.

Figures that cannot be are passed over: nothing here raises, and no change carries a number that is not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from rotor_core._demand import Demand
from rotor_core._ledger import Block, Change, Correct, Drop, Hold, Lesson, LimitRecord, Told, Used
from rotor_core._model import SECONDS, Limit, Unit
from rotor_core._state import guess
from rotor_core._state.deductions import counted_as
from rotor_core._state.kinds import ENOUGH, Kinds, leaning, weighed
from rotor_core._state.periods import period_told, seconds_of
from rotor_core._state.trail import Trail

__all__ = ["OUTAGE", "Call", "Trail", "learn", "lesson_of", "passed", "probe"]

LIFE: Final = 86400.0
"""Seconds for which what a provider said of a limit is believed without hearing it again; or two of its periods."""

CONFIDENCE: Final = {"header": 0.95, "error": 0.9}

NO_ROOM: Final = 3600.0
"""Seconds for which a limit of 0 is not tried again."""

_UNLIMITED: Final = 1e15
"""A figure from here on means "no limit": 2^63 is what one provider sends."""

_BLAMED: Final = 0.8
"""Of a limit: when so much went out in its last period, a refusal that names nothing may well be its."""

_AGAIN: Final = 600.0
"""Seconds within which a second refusal of a limit that we kept says that it is lower than we hold it."""

OUTAGE: Final = 3
"""Refusals in a row, with nothing passed between, that no short limit explains."""

TRIES: Final = (5.0, 60.0)
"""Seconds until somebody tries again then: at first, doubled each time, and at most."""

_TIMED: Final[frozenset[Unit]] = frozenset({"requests", "tokens", "input_tokens", "output_tokens", "audio_seconds"})
_ANSWERS: Final[frozenset[Unit]] = frozenset({"tokens", "output_tokens"})


class Call(NamedTuple):
    """The call that is being settled. `at`: when it was sent. `records`: what its subject is held to, over time.

    `promised_at`: when that instant was promised, where it was to come; what was learned since could not move it.
    """

    subject: str
    at: float
    demand: Demand
    used: Used
    records: tuple[LimitRecord, ...]
    promised_at: float | None = None


def learn(call: Call, told: Sequence[Told], trail: Trail, now: float) -> list[Change]:
    """The changes that `told` makes to what the call's subject is held to. A refused call is out of the trail already."""
    used = call.used
    if used.requests != 0 and not (used.input_tokens is None and used.output_tokens is None):
        trail.settled(call.at, used.input_tokens, used.output_tokens)
    reading = _Reading(call, trail, now)
    unnamed: Told | None = None
    named = False
    for one in told:
        reading.read(one)
        if one.refused:
            if one.limit is None:
                unnamed = unnamed or one
            else:
                named = True
    # Who says how long to wait is believed; a guess may then contradict what is declared, for nothing.
    waited_out = unnamed is not None and unnamed.retry_in is not None and any(r.declared for r in call.records)
    if unnamed is not None and not named and not waited_out:
        reading.refused_without_figure(unnamed, told)
    reading.changes += probe(reading.records.values(), trail, now)
    return reading.changes


def passed(records: Iterable[LimitRecord], trail: Trail) -> list[Change]:
    """The changes that are due because a call passed: guesses that an outage had made."""
    found: list[Change] = []
    for record in records:
        if record.limit.source == "guess":
            notes = trail.of(record.key)
            if notes.silent >= OUTAGE:
                found.append(Drop(record.key))
            notes.silent = 0
    return found


def probe(records: Iterable[LimitRecord], trail: Trail, now: float) -> list[Change]:
    """The changes that are due though nothing was told: of guesses whose `raise_at` has come."""
    return [Hold(guess.probed(r, trail, now)) for r in records if r.raise_at is not None and r.raise_at <= now]


def lesson_of(change: Change, before: LimitRecord | None, subject: str = "") -> Lesson | None:
    """What people are told of a change; None for one that only renews what was known, and for what is taken."""
    if not isinstance(change, Hold):
        return None
    record = change.record
    if before is not None and replace(before.limit, source=record.limit.source) == record.limit:
        return None
    return Lesson(subject, record.key, None if before is None else before.limit.value, record.limit, record.evidence)


class _Reading:
    """The changes so far, and the records as they are after them."""

    __slots__ = ("call", "changes", "now", "records", "trail")

    def __init__(self, call: Call, trail: Trail, now: float) -> None:
        self.call, self.trail, self.now = call, trail, now
        self.records = {record.key: record for record in call.records}
        self.changes: list[Change] = []

    # --- what is told in figures ---

    def read(self, told: Told) -> None:
        """One limit that the answer told of."""
        unit, limit, remaining = told.unit or "requests", told.limit, told.remaining
        seconds = seconds_of(told.per)
        if unit not in _TIMED or seconds is None:
            return
        if limit is not None and not 1 <= limit < _UNLIMITED:
            if limit == 0 and told.refused:
                self._shut(told)
            return
        if remaining is not None and not 0 <= remaining <= (_UNLIMITED if limit is None else limit):
            remaining = None
        record = self._matching(told, unit, limit, seconds)
        if record is not None:
            if limit is not None:
                record = self._corrected(record, told, limit)
            if remaining is not None and self.call.used.requests != 0:
                self._counted(record, told, remaining)
        elif limit is not None:
            record = self._made(told, unit, limit, remaining)
        if record is not None and told.refused and limit is not None:
            self._block(record, told)

    def _matching(self, told: Told, unit: Unit, limit: float | None, seconds: float | None) -> LimitRecord | None:
        """The record that an answer speaks of: of that unit and period, whatever kind its window is. `seconds`: of a period that is told."""
        per = told.per
        if per is None:
            if limit is None:
                mine = [record for record in self.records.values() if record.limit.unit == unit]
                return mine[0] if len(mine) == 1 else None
            per = period_told(told, unit, limit, self.records.values(), self.trail, self.call.at)
            seconds = seconds_of(per)
        first: LimitRecord | None = None
        several: list[LimitRecord] = []
        for record in self.records.values():
            held = record.declared or record.limit  # a guess may have stretched what was declared
            if held.unit == unit and (held.per == per or held.seconds == seconds):
                if first is None:
                    first = record
                else:
                    several = [*(several or [first]), record]
        return self._single(several, limit) if several else first

    def _single(self, found: list[LimitRecord], limit: float | None) -> LimitRecord:
        """Of several records for one limit: what was learned before it was declared gives way; then the nearest."""
        declared = [record for record in found if record.declared is not None]
        if declared:
            for record in found:
                if record.declared is None:
                    self.changes.append(Drop(record.key))
                    del self.records[record.key]
        chosen = declared or found
        return chosen[0] if limit is None else min(chosen, key=lambda record: abs(record.limit.value - limit))

    def _corrected(self, record: LimitRecord, told: Told, value: float) -> LimitRecord:
        """A record after its limit was told."""
        held = record.limit
        if held.source == "guess":
            limit = replace(record.declared or held, value=value, source=told.source)
        else:
            limit = held if held.value == value else replace(held, value=value, source=told.source)
        if record.declared is None and (told.resets_in is not None or told.refused or told.window is not None):
            limit = self._kind(record.key, told, limit)
        if limit is held and not self._stale(record):
            return record
        return self._hold(record, limit, told)

    def _stale(self, record: LimitRecord) -> bool:
        """Whether a learned record is to be renewed: when a quarter of its life is over."""
        seen_at, expires_at = record.seen_at, record.expires_at
        if seen_at is None or expires_at is None:
            return False
        return self.now - seen_at >= (expires_at - seen_at) / 4

    def _kind(self, key: str, told: Told, limit: Limit) -> Limit:
        """A limit with the kind of window that the evidence so far speaks for, this answer's included."""
        notes = self.trail.of(key)
        kinds = notes.kinds
        if not told.refused and kinds.get((limit.window, limit.tz)) == ENOUGH:
            return limit
        said = leaning(told, limit, self.now)
        if said is None:
            return limit
        notes.kinds, limit = weighed(kinds, limit, said)
        return limit

    def _counted(self, record: LimitRecord, told: Told, remaining: float) -> None:
        """What the provider says is left once this call was counted."""
        limit = record.limit
        if remaining > limit.value:
            return
        if limit.unit in _ANSWERS and (record.declared is None or record.declared.counts == "usage"):
            call, notes = self.call, self.trail.of(record.key)
            counts = counted_as(limit, notes, self.trail, call.at, remaining, call.demand, call.used)
            if counts is not None and counts != limit.counts:
                limit = replace(limit, counts=counts, source=told.source)
                self._hold(record, limit, told)
        whole = limit.unit not in _ANSWERS or limit.counts == "requested"
        self.changes.append(Correct(record.key, limit.value - remaining, whole))

    def _hold(self, record: LimitRecord, limit: Limit, told: Told) -> LimitRecord:
        held = replace(
            record, limit=limit, seen_at=self.now, expires_at=self.now + max(LIFE, 2 * limit.seconds),
            confidence=CONFIDENCE[told.source], evidence=told.text, raise_at=None, step=0.0,
        )  # fmt: skip
        self.records[record.key] = held
        self.changes.append(Hold(held))
        return held

    def _made(self, told: Told, unit: Unit, value: float, remaining: float | None) -> LimitRecord:
        """A record for a limit that was not held."""
        per = period_told(told, unit, value, self.records.values(), self.trail, self.call.at)
        limit = Limit(unit, value, per, "rolling", source=told.source)
        said = leaning(told, limit, self.now)
        kinds: Kinds = {}
        if said is not None:
            kinds, limit = weighed(kinds, limit, said)
        key = f"{self.call.subject}|{limit.identity}"
        self.trail.of(key).kinds = kinds
        record = self._hold(LimitRecord(key, limit), limit, told)
        self.changes[-1] = Hold(record, self._past(limit, remaining))
        return record

    def _past(self, limit: Limit, remaining: float | None) -> tuple[tuple[float, float], ...]:
        """What a new window starts with: what was sent in its last period, and what the provider says is taken."""
        call = self.call
        past = self.trail.past(limit.unit, call.at - limit.seconds)
        if remaining is None or call.used.requests == 0:
            return past
        taken = limit.value - remaining
        if limit.unit in _ANSWERS:
            # The figure may have been made before the answer was.
            taken = max(taken, self.trail.passed(limit.unit, call.at - 1e-6, call.at))
        before, after = [c for c in past if c[0] <= call.at], [c for c in past if c[0] > call.at]
        if limit.window == "rolling":
            taken -= sum(amount for _, amount in before)
        else:
            before = []
        if taken > 0:
            before.append((call.at, taken))
        return (*before, *after)

    # --- refusals ---

    def _block(self, record: LimitRecord, told: Told) -> None:
        """No room for such a call before the wait is over."""
        limit, asked = record.limit, told.requested
        amount = asked if asked is not None and 0 < asked < _UNLIMITED else self._amount(limit)
        if 0 < amount <= limit.value:
            self.changes.append(Block(record.key, amount, self._until(told)))

    def _until(self, told: Told) -> float | None:
        wait = told.retry_in
        return self.now + wait if wait is not None and 0 < wait <= SECONDS["month"] else None

    def _amount(self, limit: Limit) -> float:
        return self.call.demand.amount(limit, None)

    def _shut(self, told: Told) -> None:
        """A limit of 0: nothing will ever fit. It is tried again all the same, for plans change."""
        limit = Limit("requests", 1.0, NO_ROOM, "rolling", source=told.source)
        record = self._hold(LimitRecord(f"{self.call.subject}|none", limit), limit, told)
        closed = replace(record, expires_at=self.now + NO_ROOM)
        self.changes[-1:] = [Hold(closed), Block(record.key, 1.0, self.now + NO_ROOM)]

    def refused_without_figure(self, told: Told, others: Sequence[Told]) -> None:
        """A refusal that says at most which unit it was about, and perhaps for how long."""
        unit: Unit = told.unit or "requests"
        if unit not in _TIMED or seconds_of(told.per) is None:
            return
        empty = self._empty(told.unit, others)
        if empty is not None:
            self._block(empty, told)
            return
        guessed = next(
            (r for r in self.records.values() if r.limit.source == "guess" and told.unit in (None, r.limit.unit)), None
        )
        if guessed is not None:
            self._guessed_wrong(guessed, told)
            return
        held = self._nearly_used_up(told, unit)
        if held is None:
            at, amount = self.call.at, self._amount(Limit(unit, 1.0))
            record = guess.first_guess(self.call.subject, unit, told.per, self.trail, at, amount, told.text, self.now)
            self._guess(record, told, self.trail.past(unit, at - record.limit.seconds))
        elif self._blamed(held):
            self._guess(
                guess.lowered(replace(held, raise_at=None, step=0.0), self.trail, self.call.at, told.text, self.now),
                told,
            )
        else:
            self._block(held, told)

    def _empty(self, unit: Unit | None, others: Sequence[Told]) -> LimitRecord | None:
        """The record of a limit that the same answer says has nothing left for such a call."""
        for other in others:
            left = other.remaining
            if left is None or other.unit is None or unit not in (None, other.unit) or not 0 <= left < _UNLIMITED:
                continue
            seconds = seconds_of(other.per)
            record = self._matching(other, other.unit, other.limit, seconds) if other.unit in _TIMED else None
            if record is not None and left < self._amount(record.limit):
                return record
        return None

    def _guessed_wrong(self, record: LimitRecord, told: Told) -> None:
        """A guess that was refused, unless the call went out before it was made."""
        call, seen_at = self.call, record.seen_at
        promised_at = call.at if call.promised_at is None else call.promised_at
        if seen_at is not None and promised_at <= seen_at:
            if not record.step and call.at > seen_at - record.limit.seconds:
                lower = guess.recounted(record, self._amount(record.limit))
                if lower.limit.value < record.limit.value:
                    self._guess(lower, told)
            return
        notes, since = self.trail.of(record.key), seen_at if seen_at is not None else self.now
        notes.silent = 0 if self.trail.passed(record.limit.unit, since, call.at) else notes.silent + 1
        if notes.silent < OUTAGE:
            self._guess(guess.lowered(record, self.trail, call.at, told.text, self.now), told)
            return
        first, longest = TRIES
        wait = min(longest, first * 2.0 ** min(notes.silent - OUTAGE, 10))
        amount = min(self._amount(record.limit), record.limit.value)
        self.changes.append(Block(record.key, amount, self._until(told) or self.now + wait))

    def _nearly_used_up(self, told: Told, unit: Unit) -> LimitRecord | None:
        """The limit that a refusal may be laid to: what is held of that unit, and period if told, and has little left."""
        at, seconds, best, most = self.call.at, seconds_of(told.per), None, _BLAMED
        for record in self.records.values():
            limit = record.limit
            if limit.unit == unit and (not seconds or limit.seconds == seconds):
                share = self.trail.passed(unit, at - limit.seconds, at) / limit.value
                if share >= most:
                    best, most = record, share
        return best

    def _blamed(self, record: LimitRecord) -> bool:
        """Whether a refusal was laid to this limit not long ago. It is now."""
        notes, at = self.trail.of(record.key), self.call.at
        again = 0 < at - notes.blamed_at <= max(_AGAIN, 2 * record.limit.seconds)
        notes.blamed_at = max(at, notes.blamed_at)
        return again

    def _guess(self, record: LimitRecord, told: Told, past: tuple[tuple[float, float], ...] = ()) -> None:
        """Hold a guess. Where its window does not start with what passed, as many as were refused take their time first."""
        self.records[record.key] = record
        self.changes.append(Hold(record, past))
        limit = record.limit
        amount, until = self._amount(limit), self._until(told)
        if until is None and not past:
            until = self.now + limit.seconds * min(1.0, amount / limit.value)
        if until is not None and 0 < amount <= limit.value:
            self.changes.append(Block(record.key, amount, until))
