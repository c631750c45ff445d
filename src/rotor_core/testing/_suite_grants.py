"""The suite's tests of reserving and settling: what is taken, from when, and what comes back."""

from __future__ import annotations

import asyncio

import pytest

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Plan, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import most_headroom
from rotor_core.stores.base import Store
from rotor_core.testing._suite_made import ask, at_a_time, granted, instant, option, per_minute, plan, refused, taken
from rotor_core.testing.hands import Hands
from rotor_core.testing.machine import GUARDS, LEASE
from rotor_core.testing.reference import SAME

KINDS = ("bucket", "rolling", "calendar")


class Granting:
    """`store` and `other` hold one ledger, on the clock `hands`."""

    def test_room_is_granted_at_once(self, store: Store, hands: Hands) -> None:
        a = option("a", per_minute(4))
        grant = granted(store.reserve(ask(plan(a))))
        assert (grant.deployment, grant.at, grant.asked_at) == ("a", hands.at, hands.at)
        assert taken(store, a) == [1]

    def test_the_first_option_with_room_goes_first(self, store: Store) -> None:
        of = plan(Tier((option("a", per_minute(1)), option("b", per_minute(1)))))
        assert [granted(store.reserve(ask(of))).deployment for _ in range(2)] == ["a", "b"]

    def test_all_limits_are_taken_or_none(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(4), per_minute(48, unit="tokens"))
        store.reserve(ask(plan(a), 40))
        refused(other.reserve(ask(plan(a), 40, max_wait=0.0)))
        assert taken(store, a) == taken(other, a) == [1, 40]

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_one_store_takes_the_other_counts(self, store: Store, other: Store, kind: str) -> None:
        a = option("a", per_minute(2, kind))
        granted(store.reserve(ask(plan(a))))
        granted(other.reserve(ask(plan(a))))
        refused(store.reserve(ask(plan(a), max_wait=0.0)))
        refused(other.reserve(ask(plan(a), max_wait=0.0)))

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_instant_that_a_refusal_tells_is_one_at_which_there_is_room(
        self, store: Store, hands: Hands, kind: str
    ) -> None:
        of = plan(option("a", per_minute(1, kind)))
        store.reserve(ask(of))
        at = refused(store.reserve(ask(of, max_wait=0.0))).retry_at
        assert at is not None
        assert at > hands.at
        hands.at = at
        granted(store.reserve(ask(of, max_wait=0.0)))

    def test_more_than_a_limit_never_fits(self, store: Store) -> None:
        refusal = refused(store.reserve(ask(plan(option("a", per_minute(48, unit="tokens"))), 49)))
        assert refusal.retry_at is None
        assert refusal.reasons["a"].reason == "never_fits"

    def test_a_wait_is_a_grant_that_is_ours_already(self, store: Store, other: Store, hands: Hands) -> None:
        of = plan(option("a", per_minute(1)))
        store.reserve(ask(of))
        first, second = granted(store.reserve(ask(of, max_wait=300.0))), granted(other.reserve(ask(of, max_wait=300.0)))
        assert first.at == instant(hands.at + 60 + GUARDS.delay)
        assert second.at == instant(first.at + 60, 2 * GUARDS.delay)
        assert store.dispatched(second.id) == other.dispatched(second.id) == second.at

    def test_waiting_is_first_come_first_served(self, store: Store, other: Store) -> None:
        of = plan(option("a", per_minute(1, "rolling")))
        instants = [granted((store, other)[n % 2].reserve(ask(of, max_wait=900.0))).at for n in range(6)]
        assert instants == sorted(set(instants))

    def test_a_deadline_before_that_instant_is_refused_and_takes_nothing(self, store: Store, hands: Hands) -> None:
        a = option("a", per_minute(1))
        store.reserve(ask(plan(a)))
        refusal = refused(store.reserve(ask(plan(a), deadline=hands.at + 5, max_wait=900.0)))
        assert refusal.retry_at == instant(hands.at + 60 + GUARDS.delay)
        assert taken(store, a) == [1]

    def test_waiting_for_an_earlier_tier_binds_only_while_a_later_one_is_open(self, store: Store) -> None:
        of = plan(Tier((option("free", per_minute(2)),), 5.0), option("paid", per_minute(1)))
        first = [granted(store.reserve(ask(of, max_wait=600.0))).deployment for _ in range(3)]
        last = granted(store.reserve(ask(of, max_wait=600.0)))
        assert (first, last.deployment) == (["free", "free", "paid"], "free")

    def test_asking_twice_with_one_id_takes_once(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(4))
        mine = ask(plan(a))
        assert granted(store.reserve(mine)).at == granted(other.reserve(mine)).at == granted(store.reserve(mine)).at
        assert taken(other, a) == [1]

    def test_what_was_not_used_comes_back(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(120, unit="tokens"))
        grant = granted(store.reserve(ask(plan(a), demand=Demand(40, 60))))
        other.settle(grant.id, Used(1, 40, 10))
        assert taken(store, a) == [50]

    def test_what_was_used_beyond_is_charged(self, store: Store) -> None:
        a = option("a", per_minute(120, unit="tokens"))
        store.settle(granted(store.reserve(ask(plan(a), demand=Demand(40, 10)))).id, Used(1, 40, 50))
        assert taken(store, a) == [90]

    def test_a_call_that_was_never_sent_gives_all_back(self, store: Store) -> None:
        a = option("a", per_minute(4), at_a_time(1))
        store.settle(granted(store.reserve(ask(plan(a)))).id, NOTHING_USED)
        assert taken(store, a) == [0, 0]

    def test_a_second_settle_changes_nothing(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(120, unit="tokens"), at_a_time(2))
        first, second = (granted(store.reserve(ask(plan(a), 40))) for _ in range(2))
        store.settle(first.id, AS_RESERVED)
        assert not store.settle(first.id, NOTHING_USED)
        assert not other.settle(first.id, Used(1, 400, 400))
        assert taken(store, a) == taken(other, a) == [80, 1]
        store.settle(second.id, AS_RESERVED)

    def test_settling_what_nobody_knows_does_nothing(self, store: Store) -> None:
        assert not store.settle("nobody's", NOTHING_USED)

    def test_an_unsettled_reservation_expires_and_its_charges_age(
        self, store: Store, other: Store, hands: Hands
    ) -> None:
        a = option("a", Limit("requests", 2, "hour", "rolling"), at_a_time(1))
        grant = granted(store.reserve(ask(plan(a))))
        hands.at = grant.expires_at
        assert grant.expires_at == instant(grant.at + LEASE)
        assert taken(other, a) == [1, 0]
        assert other.dispatched(grant.id) is None

    def test_a_late_dispatch_moves_the_charge(self, store: Store, hands: Hands) -> None:
        of = plan(option("a", per_minute(1, "rolling")))
        grant = granted(store.reserve(ask(of)))
        hands.at += 7
        assert store.dispatched(grant.id) == instant(hands.at)
        at = refused(store.reserve(ask(of, max_wait=0.0))).retry_at
        assert at == instant(grant.at + 7 + 60 + GUARDS.delay)

    def test_options_of_a_scope_that_rests_are_out_until_then(self, store: Store, other: Store, hands: Hands) -> None:
        a = option("a", per_minute(4))
        store.rest("deployment:a", hands.at + 5, "throttled")
        store.rest("deployment:a", hands.at + 2, "a shorter one")
        assert refused(other.reserve(ask(plan(a), max_wait=0.0))).retry_at == instant(hands.at + 5)
        reading = other.read([a])[0]
        assert reading.resting == "throttled"
        assert reading.rests_until == instant(hands.at + 5)
        hands.at += 5
        assert granted(other.reserve(ask(plan(a)))).rested == "throttled"
        assert granted(other.reserve(ask(plan(a)))).rested is None

    def test_a_rest_can_be_ended(self, store: Store, other: Store, hands: Hands) -> None:
        a = option("a", per_minute(4))
        store.rest("deployment:a", hands.at + 500, "failing")
        other.rest("deployment:a", 0.0, "")
        other.rest("deployment:nobody", 0.0, "")
        assert store.read([a])[0].resting is None
        assert granted(store.reserve(ask(plan(a), max_wait=0.0))).rested is None

    def test_an_excluded_option_is_not_granted(self, store: Store) -> None:
        of = plan(Tier((option("a", per_minute(4)), option("b", per_minute(4)))))
        assert granted(store.reserve(ask(of, exclude=frozenset({"a"})))).deployment == "b"
        reasons = refused(store.reserve(ask(of, exclude=frozenset({"a", "b"})))).reasons
        assert {out.reason for out in reasons.values()} == {"excluded"}

    def test_a_limit_that_two_options_share_is_one(self, store: Store) -> None:
        both = BoundLimit("quota", per_minute(2, "rolling"))
        of = plan(Tier((option("a", both), option("b", both))))
        granted(store.reserve(ask(of, exclude=frozenset({"a"}))))
        granted(store.reserve(ask(of, exclude=frozenset({"b"}))))
        refused(store.reserve(ask(of, max_wait=0.0)))

    def test_reading_takes_nothing_and_glancing_asks_nobody(self, store: Store) -> None:
        a = option("a", per_minute(4), at_a_time(2))
        store.reserve(ask(plan(a)))
        assert store.read([a]) == store.read([a])
        glanced, read = store.glance([a])[0], store.read([a])[0]
        assert [limit.key for limit in glanced.limits] == [limit.key for limit in read.limits]
        assert [limit.remaining for limit in glanced.limits] == pytest.approx([3, 1], abs=SAME)

    def test_glancing_at_what_was_never_seen_raises_nothing(self, store: Store) -> None:
        assert [reading.id for reading in store.glance([option("new", per_minute(4))])] == ["new"]

    def test_who_has_never_answered_is_on_trial_while_it_is_asked(self, store: Store, other: Store) -> None:
        a = option("a", per_minute(9))

        def on_trial() -> list[bool]:
            return [one.read([a])[0].on_trial for one in (store, other)]

        assert on_trial() == [False, False]
        failing, slow = (granted(store.reserve(ask(plan(a)))) for _ in range(2))
        store.settle(failing.id, NOTHING_USED)
        assert on_trial() == [True, True]
        other.settle(slow.id, NOTHING_USED)
        assert on_trial() == [False, False]
        granted(store.reserve(ask(plan(a))))
        store.settle(granted(store.reserve(ask(plan(a)))).id, Used(1, 10, 10), 0.5)
        assert on_trial() == [False, False]

    def test_while_one_is_on_trial_others_go_first_and_it_is_still_taken_when_they_are_full(self, store: Store) -> None:
        old, new = option("old", per_minute(9)), option("new", per_minute(9))
        both = Plan((Tier((old, new)),), most_headroom)
        store.settle(granted(store.reserve(ask(both, exclude=frozenset({"new"})))).id, AS_RESERVED, 0.5)
        trial = granted(store.reserve(ask(both)))
        assert trial.deployment == "new"
        assert [granted(store.reserve(ask(both))).deployment for _ in range(9)] == ["old"] * 8 + ["new"]
        store.settle(trial.id, AS_RESERVED, 0.5)
        assert granted(store.reserve(ask(both))).deployment == "new"

    def test_a_reset_ends_rests_and_with_windows_what_was_counted(
        self, store: Store, other: Store, hands: Hands
    ) -> None:
        a = option("a", per_minute(1))
        store.settle(granted(store.reserve(ask(plan(a)))).id, AS_RESERVED)
        store.rest("deployment:a", hands.at + 900, "throttled")
        other.reset([a])
        assert store.read([a])[0].resting is None
        assert taken(store, a) == [1]
        other.reset([a], windows=True)
        granted(store.reserve(ask(plan(a), max_wait=0.0)))

    def test_the_async_face_is_the_same_ledger(self, store: Store) -> None:
        a = option("a", per_minute(2), at_a_time(2))

        async def use() -> None:
            grant = granted(await store.areserve(ask(plan(a))))
            assert await store.adispatched(grant.id) == grant.at
            assert [limit.reserved for limit in (await store.aread([a]))[0].limits] == [1, 1]
            assert not await store.asettle(grant.id, NOTHING_USED, 0.5)
            await store.arest("deployment:a", grant.at + 5, "throttled")
            assert (await store.aread([a]))[0].resting == "throttled"
            await store.areset([a], windows=True)
            granted(await store.areserve(ask(plan(a), max_wait=0.0)))
            await store.aclose()

        asyncio.run(use())
        assert taken(store, a) == [1, 1]

    def test_a_more_urgent_caller_takes_an_earlier_instant_from_who_waits(self, store: Store) -> None:
        of = plan(option("a", per_minute(1)))
        store.reserve(ask(of))
        batch = granted(store.reserve(ask(of, max_wait=600.0)))
        urgent = granted(store.reserve(ask(of, max_wait=600.0, priority=1)))
        assert urgent.at == instant(batch.at)
        moved = store.dispatched(batch.id)
        assert moved is not None
        assert moved > urgent.at
