"""The suite's tests of learning: what one answer told holds all options of its subject, in every store on the ledger."""

from __future__ import annotations

import pytest

from rotor_core._ledger import NOTHING_USED, Lesson, Told, Used
from rotor_core.stores.base import Store
from rotor_core.testing._suite_made import ask, granted, instant, option, per_minute, plan, refused, taken
from rotor_core.testing.hands import Hands

SUBJECT = "quota|model"


def told(**more: object) -> Told:
    return Told("header", "requests", "minute", **{"limit": 3.0, "remaining": 2.0, **more})  # type: ignore[arg-type]


class Learning:
    """`store` and `other` hold one ledger, on the clock `hands`."""

    def test_a_limit_that_a_header_tells_binds_the_subjects_options(self, store: Store, other: Store) -> None:
        a, b = option("a", subject=SUBJECT, model="model"), option("b", subject=SUBJECT, model="model")
        mine = granted(store.reserve(ask(plan(a))))
        lessons = store.settle(mine.id, Used(1, 10, 10), 0.5, [told()])
        (lesson,) = lessons
        assert isinstance(lesson, Lesson)
        assert (lesson.subject, lesson.before, lesson.limit.value) == (SUBJECT, None, 3.0)
        for asked in (store, other):
            granted(asked.reserve(ask(plan(b))))
        refused(other.reserve(ask(plan(b), max_wait=0.0)))
        refused(store.reserve(ask(plan(a), max_wait=0.0)))

    def test_what_was_learned_is_read_with_its_source_and_time(self, store: Store, other: Store, hands: Hands) -> None:
        a = option("a", subject=SUBJECT, model="model")
        store.settle(granted(store.reserve(ask(plan(a)))).id, Used(1, 10, 10), 0.5, [told(text="x-limit: 3")])
        (limit,) = other.read([a])[0].limits
        assert (limit.limit.value, limit.limit.source, limit.evidence) == (3.0, "header", "x-limit: 3")
        assert limit.seen_at == instant(hands.at)
        assert limit.declared is None

    def test_a_declared_limit_is_corrected_and_a_reset_takes_that_back(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(8), subject=SUBJECT, model="model")
        (lesson,) = store.settle(granted(store.reserve(ask(plan(a)))).id, Used(1, 10, 10), 0.5, [told()])
        assert isinstance(lesson, Lesson)
        assert (lesson.before, lesson.limit.value) == (8, 3.0)
        assert other.read([a])[0].limits[0].limit.value == 3.0
        other.reset([a])
        assert store.read([a])[0].limits[0].limit.value == 8

    def test_a_providers_own_count_outranks_ours(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(8), subject=SUBJECT, model="model")
        store.settle(granted(store.reserve(ask(plan(a)))).id, Used(1, 10, 10), 0.5, [told(limit=8.0, remaining=1.0)])
        assert taken(other, a) == pytest.approx([7])

    def test_a_refusal_for_rate_leaves_no_room_until_then(self, store: Store, other: Store, hands: Hands) -> None:
        a = option("a", per_minute(8), subject=SUBJECT, model="model")
        refusal = Told("error", "requests", "minute", limit=8.0, retry_in=20.0, refused=True)
        store.settle(granted(store.reserve(ask(plan(a)))).id, NOTHING_USED, None, [refusal])
        at = refused(other.reserve(ask(plan(a), max_wait=0.0))).retry_at
        assert at is not None
        assert at >= hands.at + 19
