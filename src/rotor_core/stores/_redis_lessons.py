"""What settled calls teach a client of a ledger in Redis: the pure learner's changes, and what they come to once told.

What passed lately is remembered here, by each client for itself; what is learned of it, the ledger knows for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotor_core._ledger import Change, Hold, Lesson, LimitRecord, Reservation, Told, Used
from rotor_core._state.learn import Call, Trail, learn, passed, probe
from rotor_core.stores._redis_words import Known, numbers


@dataclass(slots=True)
class Mine:
    """A reservation that this client made. `sent_at`: when it went out, where that was said."""

    known: Known
    grant: Reservation
    sent_at: float | None = None


class Pupil:
    """`trails`: what passed lately, by subject."""

    def __init__(self) -> None:
        self.trails: dict[str, Trail] = {}

    def trail(self, subject: str) -> Trail:
        found = self.trails.get(subject)
        if found is None:
            found = self.trails[subject] = Trail()
        return found

    def changes(
        self, mine: Mine | None, records: tuple[LimitRecord, ...], used: Used, told: Sequence[Told], now: float
    ) -> Sequence[Change]:
        """What to change, now that a call is settled: the learner's own word."""
        if mine is None or not mine.known.option.subject:
            return ()
        subject = mine.known.option.subject
        at = mine.sent_at if mine.sent_at is not None else mine.grant.at
        trail = self.trail(subject)
        if used.requests == 0:
            trail.refused(mine.grant.at)
        if told:
            call = Call(subject, at, mine.grant.demand, used, records, mine.grant.asked_at)
            changes = learn(call, told, trail, now)
            return changes if used.requests == 0 else [*passed(records, trail), *changes]
        if any(record.limit.source == "guess" for record in records):
            return [*probe(records, trail, now), *(passed(records, trail) if used.requests != 0 else ())]
        return ()


def learned(subject: str, changes: Sequence[Change], before: Sequence[Any]) -> list[Lesson]:
    """What is held otherwise from now on. `before`: for each change what the ledger says it replaced, or False."""
    lessons: list[Lesson] = []
    for change, was in zip(changes, before, strict=True):
        if isinstance(change, Hold):
            value, counts = (None, None) if was is False else was
            limit = change.record.limit
            if (value, counts) != (limit.value, numbers(limit)["c"]):
                lessons.append(Lesson(subject, change.record.key, value, limit, change.record.evidence))
    return lessons
