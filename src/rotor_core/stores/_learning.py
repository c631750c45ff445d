"""What a settled call teaches the ledger: the pure learner's changes, applied to meters.

A figure of the provider's own is part of settling the call that it came with (`corrections`); everything else changes
what the subject is held to (`teach`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rotor_core._ledger import Block, Change, Correct, Drop, Hold, Lesson, LimitRecord, Told, Used
from rotor_core._state.learn import Call, learn, lesson_of, passed, probe
from rotor_core.stores._open import Open
from rotor_core.stores._shelf import Shelf


def records_of(shelf: Shelf, known: Open) -> tuple[LimitRecord, ...]:
    """What the subject of a call is held to: what the call was charged to, and what was learned since."""
    records = {meter.key: meter.record for meter in known.meters if meter.limit.unit != "usd"}
    for key in shelf.learned.get(known.subject, ()):
        records[key] = shelf.meters[key].record
    return tuple(records.values())


def learned(shelf: Shelf, known: Open, used: Used, told: Sequence[Told], now: float) -> Sequence[Change]:
    """What to change, now that a call is settled."""
    subject, trail = known.subject, shelf.trail_of(known.subject)
    if used.requests == 0:
        trail.refused(known.at)
    if told:
        call = Call(
            subject, known.at, known.reservation.demand, used, records_of(shelf, known), known.reservation.asked_at
        )
        changes = learn(call, told, trail, now)
        over = () if used.requests == 0 else passed(call.records, trail)
        return [*over, *changes] if over else changes
    for key in shelf.learned.get(subject, ()):
        record = shelf.meters[key].record
        if record.limit.source == "guess":
            records = records_of(shelf, known)
            over = passed(records, trail) if used.requests != 0 else []
            return [*probe(records, trail, now), *over]
    return ()


def surprises(known: Open, told: Sequence[Told]) -> list[float]:
    """By how many seconds a refusal says that limits were not yet kept which by our count were."""
    return [
        one.retry_in
        for one in told
        if one.refused and one.retry_in is not None
        for meter in known.meters
        if meter.limit.unit == one.unit and meter.limit.per == one.per
    ]


def corrections(
    shelf: Shelf, known: Open, actual: list[float], changes: Sequence[Change], now: float
) -> dict[str, float]:
    """Put the provider's figures into what the call is settled as; by how much, by key."""
    wanted = [change for change in changes if type(change) is Correct]
    if not wanted:
        return {}
    for correct in wanted:
        meter = shelf.meters.get(correct.key)
        if meter is not None:
            meter.watched = True
    found: dict[str, float] = {}
    for i, more in known.corrections(wanted, actual).items():
        made = known.correct(i, more, now)
        if made:
            found[known.meters[i].key] = made
            actual[i] += made
    return found


def teach(shelf: Shelf, subject: str, changes: Sequence[Change], now: float) -> list[Lesson]:
    """Hold the subject to what was learned; what is different from before."""
    lessons: list[Lesson] = []
    for change in changes:
        match change:
            case Correct():  # as nearly all are
                pass
            case Hold(record, past):
                meter = shelf.meters.get(record.key)
                lesson = lesson_of(change, None if meter is None else meter.record, subject)
                shelf.note("hold", subject, record, past, now)
                shelf.hold(subject, record, past, now)
                if lesson is not None:
                    lessons.append(lesson)
            case Drop(key):
                shelf.note("drop", key, now)
                shelf.drop(key, now)
            case Block(key, amount, until):
                shelf.note("block", key, amount, until, now)
                shelf.block(key, amount, until, now)
    return lessons
