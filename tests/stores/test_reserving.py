"""What a ledger grants, to whom, and what it refuses."""

from __future__ import annotations

from math import inf

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, used_of, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price

# --- taking ----------------------------------------------------------------------------------------------------------


def test_with_room_the_reservation_is_for_now_and_says_all_about_itself():
    store, _ = world(lease=100.0)
    grant = store.reserve(ask(plan(option("a", rpm(3))), id="r1"))

    assert grant == Reservation("r1", "a", START, START, START + 100.0, Demand(10), None)
    assert grant.wait == 0.0


def test_an_option_without_limits_always_has_room():
    store, _ = world()
    one = plan(option("a"))

    assert all(isinstance(store.reserve(ask(one)), Reservation) for _ in range(100))


def test_asking_again_with_an_open_id_takes_nothing_more():
    store, hands = world()
    one = option("a", rpm(5))
    mine = ask(plan(one))
    first = store.reserve(mine)
    hands.at += 3

    assert store.reserve(mine) is first
    assert used_of(store, one) == pytest.approx(1 - 3 * 5 / 60)


def test_all_limits_are_taken_or_none():
    store, _ = world()
    one = option("a", rpm(5, "calendar"), tpm(100, "calendar"))
    of = plan(one)
    store.reserve(ask(of, 60))
    refused = store.reserve(ask(of, 60, max_wait=0.0))

    assert isinstance(refused, Refusal)
    assert used_of(store, one, 0) == 1
    assert used_of(store, one, 1) == 60


def test_several_limits_agree_on_one_instant():
    store, _ = world()
    one = option("a", rpm(1, "rolling"), tpm(100, "calendar"))
    of = plan(one)
    store.reserve(ask(of, 60))
    grant = store.reserve(ask(of, 60, max_wait=100.0))

    # The calendar would do at the next minute, the rolling window a moment before: both, at the later of the two.
    assert grant.at == START + 60.150


def test_who_waits_is_served_first_come_first_served():
    store, hands = world()
    of = plan(option("a", rpm(1)))
    instants = []
    for _ in range(4):
        instants.append(store.reserve(ask(of, max_wait=300.0)).at - START)
        hands.at += 0.1

    assert instants == pytest.approx([0.0, 60.025, 120.05, 180.075])


def test_wait_within_a_moment_counts_as_now_so_the_better_scored_goes_first():
    store, hands = world()
    first, second = option("first", rpm(1)), option("second", rpm(1))
    of = plan((first, second), score=in_order())
    store.reserve(ask(plan(first)))
    hands.at += 60.010

    grant = store.reserve(ask(of))
    assert (grant.deployment, grant.at) == ("first", pytest.approx(START + 60.025))


def test_the_clock_of_a_ledger_never_goes_back():
    store, hands = world()
    of = plan(option("a", rpm(60, "rolling")))
    store.reserve(ask(of))
    hands.at -= 100

    assert store.reserve(ask(of)).at == START


# --- choosing --------------------------------------------------------------------------------------------------------


def test_within_a_tier_the_best_score_goes_first_and_ties_by_order():
    store, _ = world()
    of = plan((option("a", rpm(10)), option("b", rpm(10)), option("c", rpm(10))))

    assert [store.reserve(ask(of)).deployment for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_a_score_that_is_not_a_number_goes_last():
    store, _ = world()
    of = plan((option("a", weight=0.0), option("b")), score=lambda s: s.weight or float("nan"))

    assert store.reserve(ask(of)).deployment == "b"


def test_a_score_may_look_at_everything_that_is_known_of_an_option():
    seen = []
    store, _ = world()
    one = option("a", rpm(2), weight=3.0, price=Price(1.0, 3.0))
    of = plan((one, option("b")), score=lambda s: seen.append(s) or 0.0)
    never = frozenset({"b"})
    grant = store.reserve(ask(of, exclude=never))
    store.settle(grant.id, AS_RESERVED, latency=2.0)
    grant = store.reserve(ask(of, exclude=never))
    store.settle(grant.id, AS_RESERVED, latency=1.0)
    store.reserve(ask(of, exclude=never))
    seen = [standing for standing in seen if standing.weight == 3.0]

    assert (seen[0].headroom, seen[0].served, seen[0].latency) == (1.0, 0, None)
    assert (seen[0].weight, seen[0].price) == (3.0, 1.5)
    assert (seen[-1].headroom, seen[-1].served, seen[-1].latency) == (0.0, 2, pytest.approx(1.7))


def test_who_is_alone_in_its_tier_is_first_whatever_its_score():
    seen = []
    store, hands = world()
    of = plan(option("a"), score=lambda s: seen.append(s) or -float(len(seen)))
    first = len(seen)
    for _ in range(3):
        hands.at += 1.0
        assert store.reserve(ask(of)).deployment == "a"

    assert len(seen) <= first + 1, "it was asked for scores that decide nothing"


def test_an_unknown_price_is_worse_than_any():
    seen = []
    store, _ = world()
    store.reserve(ask(plan(option("a", price=None), score=lambda s: seen.append(s.price) or 0.0)))

    assert seen == [inf]


def test_what_was_excluded_is_not_chosen():
    store, _ = world()
    of = plan((option("a"), option("b")), score=in_order())

    assert store.reserve(ask(of, exclude=frozenset({"a"}))).deployment == "b"
    refused = store.reserve(ask(of, exclude=frozenset({"a", "b"})))
    assert refused.retry_at is None
    assert {r.reason for r in refused.reasons.values()} == {"excluded"}


def test_the_next_tier_is_used_when_the_first_has_no_room_now():
    store, _ = world()
    of = plan(option("free", rpm(1)), option("paid", rpm(10)))

    assert [store.reserve(ask(of)).deployment for _ in range(3)] == ["free", "paid", "paid"]


def test_a_free_seat_is_waited_for_as_long_as_its_tier_says():
    store, hands = world()
    free = Tier((option("free", rpm(60)),), max_wait=2.5)
    of = plan(free, option("paid"))
    for _ in range(60):
        store.reserve(ask(of))

    waiting = [store.reserve(ask(of)) for _ in range(3)]
    assert [g.deployment for g in waiting] == ["free", "free", "paid"]
    assert [g.wait for g in waiting] == pytest.approx([1.025, 2.025, 0.0])


def test_when_no_paid_seat_is_open_either_a_free_one_is_waited_for_longer():
    store, _ = world()
    of = plan(Tier((option("free", rpm(6)),), max_wait=0.0), option("paid", rpm(1)))
    for _ in range(7):
        store.reserve(ask(of))

    grant = store.reserve(ask(of, max_wait=30.0))
    assert (grant.deployment, grant.wait) == ("free", pytest.approx(10.025, abs=0.2))


def test_without_options_there_is_nothing_to_wait_for():
    store, _ = world()
    refused = store.reserve(ask(plan()))

    assert (refused.retry_at, dict(refused.reasons)) == (None, {})


# --- refusing --------------------------------------------------------------------------------------------------------


def test_a_deadline_before_the_instant_is_refused_at_once_with_the_instant_and_takes_nothing():
    store, hands = world()
    one = option("a", rpm(1))
    of = plan(one)
    store.reserve(ask(of))
    refused = store.reserve(ask(of, deadline=START + 10, max_wait=300.0))

    assert isinstance(refused, Refusal)
    assert refused.retry_at == pytest.approx(START + 60.025)
    assert used_of(store, one) == 1
    hands.at = refused.retry_at
    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Reservation)


def test_a_deadline_in_the_past_is_refused_although_there_is_room():
    store, _ = world()
    of = plan(option("a", rpm(1)))

    assert store.reserve(ask(of, deadline=START - 1)).retry_at == START
    assert isinstance(store.reserve(ask(of)), Reservation)


def test_what_never_fits_says_so_and_names_the_limit():
    store, _ = world()
    refused = store.reserve(ask(plan(option("a", tpm(8_000))), 9_000))

    assert refused.retry_at is None
    reason = refused.reasons["a"]
    assert (reason.reason, reason.retry_at) == ("never_fits", None)
    assert reason.detail == "needs 9,000 tokens; the limit is 8,000 tokens per minute"


@pytest.mark.parametrize(
    ("limit", "demand", "detail"),
    [
        (Limit("usd", 1.0, "day"), Demand(2_000_000), "needs $2; the limit is $1 per day"),
        (Limit("input_tokens", 5.5, 12.5), Demand(6), "needs 6 input tokens; the limit is 5.5 input tokens per 12.5 s"),
        (Limit("requests", 1, "hour"), Demand(requests=2), "needs 2 requests; the limit is 1 request per hour"),
        (at_a_time(1), Demand(requests=2), "needs 2 slots; the limit is 1 call at a time"),
    ],
)
def test_each_unit_reads_well(limit, demand, detail):
    store, _ = world()
    refused = store.reserve(ask(plan(option("a", limit, price=Price(1.0, 1.0))), demand=demand))

    assert refused.reasons["a"].detail == detail
    assert refused.retry_at is None


def test_a_refusal_has_a_reason_for_every_option():
    store, hands = world()
    full, rests, busy = option("full", tpm(100)), option("rests"), option("busy", at_a_time(1))
    small, seen = option("small", tpm(5)), option("seen")
    of = plan((full, rests, busy, small, seen))
    store.reserve(ask(plan(full), 95))
    store.reserve(ask(plan(busy)))
    store.rest("deployment:rests", START + 40, "rate_limit")
    refused = store.reserve(ask(of, exclude=frozenset({"seen"}), max_wait=0.0))

    said = {name: (r.reason, r.detail) for name, r in refused.reasons.items()}
    assert said == {
        "full": ("no_room", "needs 10 tokens; 5 left of 100 tokens per minute"),
        "rests": ("resting", "resting after rate_limit for 40 s more"),
        "busy": ("busy", "1 under way; the limit is 1 call at a time"),
        "small": ("never_fits", "needs 10 tokens; the limit is 5 tokens per minute"),
        "seen": ("excluded", "this request has been there already"),
    }
    assert refused.reasons["rests"].retry_at == START + 40
    assert refused.reasons["full"].retry_at == pytest.approx(START + 3.025)
    assert refused.retry_at == min(r.retry_at for r in refused.reasons.values() if r.retry_at)


def test_of_several_limits_the_one_that_is_too_small_or_full_is_named():
    store, _ = world()
    tight = option("tight", at_a_time(5), at_a_time(5), tpm(100), rpm(10))
    busy = option("busy", at_a_time(9), BoundLimit("gpu", at_a_time(1)))
    of = plan((tight, busy))
    store.reserve(ask(plan(busy)))
    refused = store.reserve(ask(of, tokens=101, max_wait=0.0))

    assert refused.reasons["tight"].detail == "needs 101 tokens; the limit is 100 tokens per minute"
    assert refused.reasons["busy"].detail == "1 under way; the limit is 1 call at a time"


def test_what_used_more_than_was_reserved_leaves_less_for_the_next():
    store, _ = world()
    one = option("a", tpm(1000, "calendar"), tpm(2000, "rolling"))
    grant = store.reserve(ask(plan(one), demand=Demand(100, 200)))
    store.settle(grant.id, Used(1, 100, 800))

    assert [used_of(store, one, n) for n in range(2)] == [900, 900]


def test_room_that_only_the_deadline_forbids_is_told_from_no_room():
    store, _ = world()
    refused = store.reserve(ask(plan(option("a", rpm(1))), deadline=START - 5))

    assert refused.reasons["a"].detail == "has room, but only after the request's deadline"
    assert refused.reasons["a"].retry_at == START


# --- the other face --------------------------------------------------------------------------------------------------


async def test_the_async_face_is_the_same_ledger():
    store, hands = world()
    one = option("a", rpm(1))
    of = plan(one)
    grant = await store.areserve(ask(of))
    hands.at += 1.0
    await store.adispatched(grant.id)
    await store.arest("deployment:a", START + 5, "timeout")
    await store.asettle(grant.id, NOTHING_USED, 0.5)
    reading = (await store.aread([one]))[0]
    await store.aclose()
    store.close()

    assert (reading.resting, reading.limits[0].used, reading.limits[0].reserved) == ("timeout", 0, 0)
    assert store.now() == START + 1.0
    assert isinstance(store.reserve(ask(of)), Reservation)
