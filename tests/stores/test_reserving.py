"""What a ledger grants, refuses and takes back."""

from __future__ import annotations

from math import inf

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price


def used_of(store, one, n=0):
    return store.read([one])[0].limits[n].used + store.read([one])[0].limits[n].reserved


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


# --- settling --------------------------------------------------------------------------------------------------------


def test_settling_replaces_the_estimate_by_what_was_used():
    store, _ = world()
    one = option("a", rpm(10, "calendar"), tpm(1000, "calendar"), Limit("output_tokens", 500, "minute", "calendar"))
    grant = store.reserve(ask(plan(one), demand=Demand(100, 200)))
    store.settle(grant.id, Used(1, 90, 50))

    assert [used_of(store, one, n) for n in range(3)] == [1, 140, 50]


def test_what_is_not_known_keeps_the_estimate():
    store, _ = world()
    one = option("a", tpm(1000, "calendar"))
    of = plan(one)
    store.settle(store.reserve(ask(of, demand=Demand(100, 200))).id, AS_RESERVED)
    store.settle(store.reserve(ask(of, demand=Demand(100, 200))).id, Used(output_tokens=50))

    assert used_of(store, one) == 300 + 150


def test_tokens_that_count_as_requested_stay_as_requested_once_the_request_was_counted():
    store, _ = world()
    one = option("a", tpm(10_000, "calendar", counts="requested"))
    of = plan(one)
    counted = store.reserve(ask(of, demand=Demand(100, 200, max_tokens=1000)))
    store.settle(counted.id, Used(1, 100, 20))
    assert used_of(store, one) == 1100

    refused = store.reserve(ask(of, demand=Demand(100, 200, max_tokens=1000)))
    store.settle(refused.id, NOTHING_USED)
    assert used_of(store, one) == 1100


def test_usd_are_reserved_by_the_price_and_settled_to_the_cost():
    store, _ = world()
    price = Price(10.0, 30.0)
    budget = Limit("usd", 1.0, "day", "calendar")
    one = option("a", budget, price=price)
    of = plan(one)
    grant = store.reserve(ask(of, demand=Demand(10_000, 10_000)))
    assert used_of(store, one) == pytest.approx(0.4)

    store.settle(grant.id, Used(1, 10_000, 1_000, usd=0.12))
    assert used_of(store, one) == pytest.approx(0.12)
    grant = store.reserve(ask(of, demand=Demand(10_000, 10_000)))
    store.settle(grant.id, Used(1, 10_000, 1_000))
    assert used_of(store, one) == pytest.approx(0.12 + 0.13)


def test_a_budget_that_is_spent_does_not_hold_up_what_is_free():
    store, _ = world()
    budget = BoundLimit("budget", Limit("usd", 0.5, "day", "calendar"))
    of = plan((option("paid", budget, price=Price(10.0, 30.0)), option("free", budget)), score=in_order())

    assert [store.reserve(ask(of, demand=Demand(10_000, 10_000))).deployment for _ in range(2)] == ["paid", "free"]


def test_a_second_and_a_late_settle_change_nothing():
    store, hands = world(lease=10.0)
    one = option("a", tpm(1000, "calendar"))
    of = plan(one)
    first = store.reserve(ask(of, demand=Demand(100, 200)))
    store.settle(first.id, Used(1, 100, 100))
    store.settle(first.id, NOTHING_USED)
    assert used_of(store, one) == 200

    late = store.reserve(ask(of, demand=Demand(100, 200)))
    hands.at += 10.0
    store.settle(late.id, NOTHING_USED)
    store.settle("never heard of", NOTHING_USED)
    assert used_of(store, one) == 500


def test_cancelling_a_grant_to_come_leaves_no_trace():
    store, hands = world()
    one = option("a", rpm(1), tpm(100, "rolling"), rpm(3, "calendar"))
    of = plan(one)
    store.reserve(ask(of))
    coming = store.reserve(ask(of, max_wait=100.0))
    store.settle(coming.id, NOTHING_USED)
    again = store.reserve(ask(of, max_wait=100.0))

    assert again.at == coming.at
    assert [used_of(store, one, n) for n in range(2)] == [2, 20]


def test_an_abandoned_reservation_expires_and_its_charge_ages_out():
    store, hands = world(lease=100.0)
    one = option("a", at_a_time(1), rpm(10, "rolling"))
    of = plan(one)
    store.reserve(ask(of))
    assert store.read([one])[0].limits[0].reserved == 1

    hands.at += 100.0
    slots, requests = store.read([one])[0].limits
    assert (slots.reserved, requests.used, requests.reserved) == (0, 0, 0)


def test_an_expired_reservation_keeps_its_charge_for_it_may_have_been_sent():
    store, hands = world(lease=5.0)
    one = option("a", rpm(10, "rolling"))
    store.reserve(ask(plan(one)))
    hands.at += 5.0

    reading = store.read([one])[0].limits[0]
    assert (reading.used, reading.reserved) == (1, 0)


def test_a_reservation_to_come_expires_a_lease_after_its_instant():
    store, hands = world(lease=5.0)
    one = option("a", rpm(1))
    of = plan(one)
    store.reserve(ask(of))
    coming = ask(of, max_wait=100.0)
    grant = store.reserve(coming)
    hands.at = grant.at + 4.9

    assert store.reserve(coming) is grant


def test_a_dispatch_later_than_granted_moves_the_charge():
    store, hands = world()
    one = option("a", rpm(1, "rolling"))
    of = plan(one)
    grant = store.reserve(ask(of))
    hands.at += 2.0
    store.dispatched(grant.id)
    hands.at -= 1.0
    store.dispatched(grant.id)
    store.dispatched("never heard of")

    assert store.reserve(ask(of, max_wait=100.0)).at == START + 62.025


def test_after_a_dispatch_a_refund_finds_the_charge_where_it_went():
    store, hands = world()
    one = option("a", tpm(100), tpm(200, "rolling"), tpm(300, "calendar"))
    grant = store.reserve(ask(plan(one), 90))
    hands.at += 1.0
    store.dispatched(grant.id)
    hands.at += 1.0
    store.settle(grant.id, NOTHING_USED)

    assert [used_of(store, one, n) for n in range(3)] == pytest.approx([0, 0, 0])


def test_a_dispatch_in_the_next_period_is_settled_there():
    store, hands = world()
    one = option("a", tpm(300, "calendar"))
    hands.at += 59.0
    grant = store.reserve(ask(plan(one), 90))
    hands.at += 2.0
    store.dispatched(grant.id)
    assert used_of(store, one) == 90

    store.settle(grant.id, NOTHING_USED)
    assert used_of(store, one) == 0


# --- sharing ---------------------------------------------------------------------------------------------------------


def test_what_carries_the_same_key_draws_on_the_same_window():
    store, _ = world()
    shared = BoundLimit("org", rpm(3, "calendar"))
    of = plan((option("a", shared), option("b", shared)), score=in_order())
    other = plan(option("c", shared))
    for one in (of, other, of):
        assert isinstance(store.reserve(ask(one)), Reservation)

    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)
    assert isinstance(store.reserve(ask(other, max_wait=0.0)), Refusal)


def test_a_refund_by_one_plan_wakes_the_options_of_another():
    store, _ = world()
    shared = BoundLimit("org", rpm(1, "calendar"))
    mine, theirs = plan(option("a", shared)), plan((option("b", shared), option("c", shared)))
    grant = store.reserve(ask(mine))
    assert isinstance(store.reserve(ask(theirs, max_wait=0.0)), Refusal)

    store.settle(grant.id, NOTHING_USED)
    assert isinstance(store.reserve(ask(theirs, max_wait=0.0)), Reservation)


def test_another_value_for_a_known_key_replaces_it_and_what_is_taken_stays_taken():
    store, _ = world()
    few, many = BoundLimit("org", rpm(2, "calendar")), BoundLimit("org", rpm(5, "calendar"))
    old = plan(option("a", few))
    for _ in range(2):
        store.reserve(ask(old))
    assert isinstance(store.reserve(ask(old, max_wait=0.0)), Refusal)

    new = plan(option("a", many))
    assert sum(isinstance(store.reserve(ask(new, max_wait=0.0)), Reservation) for _ in range(5)) == 3
    assert isinstance(store.reserve(ask(old, max_wait=0.0)), Refusal)


@pytest.mark.parametrize("window", ["bucket", "rolling", "calendar"])
def test_another_kind_of_window_for_a_known_key_starts_from_what_is_taken(window):
    store, _ = world()
    before, after = BoundLimit("org", rpm(5, "rolling")), BoundLimit("org", Limit("requests", 5, "hour", window))
    old = plan(option("a", before))
    open_ = [store.reserve(ask(old)) for _ in range(4)]

    new = plan(option("a", after))
    assert isinstance(store.reserve(ask(new)), Reservation)
    assert isinstance(store.reserve(ask(new, max_wait=0.0)), Refusal)
    for grant in open_:
        store.settle(grant.id, NOTHING_USED)
    # A bucket cannot tell what has refilled since charges that it has not seen itself: it gives nothing back.
    again = store.reserve(ask(new, max_wait=0.0))
    assert isinstance(again, Refusal if window == "bucket" else Reservation)


def test_another_number_of_slots_for_a_known_key_replaces_it():
    store, _ = world()
    one, two = BoundLimit("gpu", at_a_time(1)), BoundLimit("gpu", at_a_time(2))
    store.reserve(ask(plan(option("a", one))))
    assert isinstance(store.reserve(ask(plan(option("a", two)), max_wait=0.0)), Reservation)
    assert isinstance(store.reserve(ask(plan(option("a", two)), max_wait=0.0)), Refusal)


# --- resting ---------------------------------------------------------------------------------------------------------


def test_a_scope_at_rest_is_out_until_its_instant():
    store, hands = world()
    a, b = option("a", scopes=("provider:x",)), option("b", scopes=("provider:y",))
    of = plan((a, b), score=in_order())
    store.rest("provider:x", START + 30, "overloaded")
    assert store.reserve(ask(of)).deployment == "b"

    store.rest("provider:y", START + 10, "server_error")
    grant = store.reserve(ask(of))
    assert (grant.deployment, grant.at, grant.rested) == ("b", START + 10, "server_error")
    hands.at += 30
    assert store.reserve(ask(of)).rested == "overloaded"
    assert store.reserve(ask(of)).rested is None


def test_the_longest_rest_wins():
    store, _ = world()
    one = option("a", scopes=("provider:x",))
    store.rest("provider:x", START + 30, "overloaded")
    store.rest("provider:x", START + 10, "timeout")
    store.rest("deployment:a", START + 20, "rate_limit")
    reading = store.read([one])[0]

    assert (reading.resting, reading.rests_until, reading.available_at) == ("overloaded", START + 30, START + 30)
    store.rest("deployment:a", START + 40, "auth")
    assert store.read([one])[0].resting == "auth"


def test_a_rest_until_an_instant_that_is_past_is_none():
    store, _ = world()
    store.rest("deployment:a", START, "timeout")

    assert store.reserve(ask(plan(option("a")))).rested is None


def test_a_grant_for_after_the_rest_says_so_once_and_the_rest_goes_on():
    store, hands = world()
    of = plan(option("a"))
    store.rest("deployment:a", START + 5, "timeout")
    grants = [store.reserve(ask(of)) for _ in range(2)]

    assert [(g.at, g.rested) for g in grants] == [(START + 5, "timeout"), (START + 5, None)]
    hands.at += 6
    assert store.reserve(ask(of)).rested is None


def test_a_rest_is_forgotten_after_the_first_grant_since():
    store, hands = world()
    of = plan(option("a"))
    store.rest("deployment:a", START + 5, "timeout")
    hands.at += 10
    store.reserve(ask(of))

    assert store._book.shelf.rests == {}


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_reading_says_how_every_limit_stands_and_takes_nothing():
    store, hands = world()
    one = option("a", rpm(10, "rolling"), tpm(600), Limit("requests", 100, "day", "calendar"), at_a_time(3))
    of = plan(one)
    settled = store.reserve(ask(of, 100))
    store.settle(settled.id, Used(1, 60, 0), latency=1.0)
    store.reserve(ask(of, 30))
    hands.at += 1.0

    reading = store.read([one])[0]
    figures = [(x.used, x.reserved, x.remaining, x.resets_at) for x in reading.limits]
    assert figures[0] == (1, 1, 8, START + 60.025)
    assert figures[1] == pytest.approx((50, 30, 520, START + 9))
    assert figures[2][:3] == (1, 1, 98)
    assert figures[3] == (0, 1, 2, None)
    assert (reading.id, reading.available_at, reading.served) == ("a", START + 1, 2)
    assert store.read([one]) == [reading]


def test_a_reading_of_an_option_nobody_asked_for_yet():
    store, _ = world()
    reading = store.read([option("new", rpm(10), Limit("tokens", 1, "minute"))])[0]

    assert (reading.served, reading.available_at, reading.resting) == (0, None, None)


def test_a_reading_of_a_busy_option_estimates():
    store, hands = world()
    one = option("a", at_a_time(2))
    of = plan(one)
    for _ in range(2):
        store.reserve(ask(of))

    assert store.read([one])[0].available_at > START


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
