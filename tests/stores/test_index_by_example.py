"""The index, by example: it finds the one with room among many, and the best among few."""

from __future__ import annotations

import pytest
from tests.stores.made import START, ask, at_a_time, option, plan, rpm, tpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Told, Used
from rotor_core._model import BoundLimit, Limit, Price


def test_among_a_thousand_options_the_only_one_with_room_is_found_each_time():
    store, hands = world()
    few = [option(f"o{n}", rpm(2, "rolling"), tpm(1000)) for n in range(999)]
    of = plan((*few[:500], option("roomy", rpm(100_000), tpm(1e9)), *few[500:]))
    for _ in range(999 * 2):
        store.reserve(ask(of, max_wait=0.0))
    chosen = {store.reserve(ask(of, tokens=50)).deployment for _ in range(500)}

    assert "roomy" in chosen
    assert [store.reserve(ask(of, tokens=50)).deployment for _ in range(50)] == ["roomy"] * 50
    hands.at += 61
    later = [store.reserve(ask(of, tokens=50)).deployment for _ in range(300)]
    assert len(set(later) - {"roomy"}) > 100


def test_a_thousand_options_on_one_exhausted_quota_are_answered_without_asking_each():
    store, hands = world()
    org = BoundLimit("org", rpm(10, "calendar"))
    of = plan(tuple(option(f"o{n}", org, tpm(1000)) for n in range(1000)))
    grants = [store.reserve(ask(of)) for _ in range(10)]
    waits = [store.reserve(ask(of, max_wait=100.0)).at for _ in range(5)]
    assert waits == [START + 60.150] * 5

    store.settle(grants[0].id, NOTHING_USED)
    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Reservation)
    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)


def test_when_a_whole_pool_wakes_at_once_everybody_who_has_room_is_found():
    store, hands = world()
    of = plan(tuple(option(f"o{n}", rpm(1, "calendar")) for n in range(200)))
    for _ in range(200):
        store.reserve(ask(of))
    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)

    hands.at += 61
    woken = [store.reserve(ask(of, max_wait=0.0)) for _ in range(200)]
    assert {grant.deployment for grant in woken} == {f"o{n}" for n in range(200)}
    assert {grant.at for grant in woken} == {hands.at}


def test_what_one_option_takes_of_a_shared_limit_counts_against_the_others_at_once():
    store, _ = world()
    org = BoundLimit("org", rpm(10, "calendar"))
    of = plan((option("a", org), option("b", org), option("c", rpm(10, "calendar"))))

    names = [store.reserve(ask(of)).deployment for _ in range(5)]
    assert ["a" if name in "ab" else name for name in names] == ["a", "c", "a", "c", "a"]


def test_what_a_refund_gives_back_is_used_before_the_next_tier():
    store, _ = world()
    of = plan(option("free", rpm(1, "calendar")), option("paid"))
    grant = store.reserve(ask(of))
    assert store.reserve(ask(of)).deployment == "paid"
    store.settle(grant.id, NOTHING_USED)

    assert store.reserve(ask(of)).deployment == "free"


def test_room_among_many_that_wake_at_once_is_found_before_the_next_tier():
    store, hands = world()
    small = [option(f"o{n}", rpm(1, "calendar"), tpm(50)) for n in range(40)]
    of = plan((*small, option("large", rpm(1, "calendar"), tpm(5000))), option("paid"), score=lambda s: 0.0)
    assert [store.reserve(ask(of)).deployment for _ in range(42)][-2:] == ["large", "paid"]
    hands.at += 61

    assert store.reserve(ask(of, tokens=500)).deployment == "large"


def test_among_options_held_up_by_one_limit_the_one_with_no_other_worries_is_first():
    store, _ = world()
    org = BoundLimit("org", rpm(2, "calendar"))
    tired = option("tired", org, Limit("tokens", 10, 100.0, "rolling"))
    of = plan((tired, option("fresh", org)), score=lambda s: 0.0)
    assert [store.reserve(ask(of, tokens=n)).deployment for n in (1, 5)] == ["tired", "tired"]
    assert isinstance(store.reserve(ask(of, tokens=1, max_wait=0.0)), Refusal)

    grant = store.reserve(ask(of, tokens=8, max_wait=200.0))
    assert (grant.deployment, grant.at) == ("fresh", START + 60.150)


def test_of_two_on_one_budget_the_cheaper_wakes_when_there_is_enough_for_it():
    store, hands = world()
    purse = BoundLimit("purse", Limit("usd", 1.0, 100.0))
    dear = option("dear", purse, price=Price(100.0, 100.0))
    cheap = option("cheap", purse, price=Price(1.0, 1.0))
    of = plan((dear, cheap), option("other"), score=lambda s: 0.0)
    demand = Demand(8192, 0, 1)  # 82 cents or not even one
    assert [store.reserve(ask(of, demand=demand)).deployment for _ in range(2)] == ["dear", "cheap"]
    for _ in range(21):
        store.reserve(ask(plan(cheap), demand=demand))
    assert store.reserve(ask(of, demand=demand)).deployment == "other"
    hands.at += 2.0

    assert store.reserve(ask(of, demand=demand)).deployment == "cheap"


def test_of_two_on_one_exhausted_budget_the_cheaper_is_waited_for():
    store, _ = world()
    purse = BoundLimit("purse", Limit("usd", 1.0, 100.0))
    dear = option("dear", purse, price=Price(100.0, 100.0))
    cheap = option("cheap", purse, price=Price(50.0, 50.0))
    of = plan((dear, cheap), score=lambda s: 0.0)
    demand = Demand(8192, 0, 1)
    assert store.reserve(ask(of, demand=demand)).deployment == "dear"
    assert isinstance(store.reserve(ask(of, demand=demand, max_wait=0.0)), Refusal)

    grant = store.reserve(ask(of, demand=demand, max_wait=200.0))
    assert (grant.deployment, grant.wait) == ("cheap", pytest.approx(22.9, abs=0.1))


def test_a_limit_of_which_nothing_is_taken_holds_nobody_back():
    store, _ = world()
    free = option("free", Limit("output_tokens", 5, "minute"), rpm(1, "calendar"))
    of = plan(free, option("paid"))

    assert [store.reserve(ask(of)).deployment for _ in range(3)] == ["free", "paid", "paid"]


def test_excluded_and_resting_options_stay_out_while_others_are_waited_for():
    store, _ = world()
    org = BoundLimit("org", rpm(1, "calendar"))
    names = "abcd"
    of = plan(tuple(option(n, org, tpm(1000)) for n in names), score=lambda s: 0.0)
    store.reserve(ask(of, tokens=64))
    store.rest("deployment:b", START + 500, "auth")
    assert isinstance(store.reserve(ask(of, tokens=64, max_wait=0.0)), Refusal)

    excluded = ask(of, tokens=2, exclude=frozenset({"a", "c"}), max_wait=100.0)
    assert store.reserve(excluded).deployment == "d"


def test_an_option_too_small_for_this_request_serves_a_smaller_one():
    store, _ = world()
    of = plan((option("small", tpm(100)), option("large", tpm(1000))), score=lambda s: 1 / s.weight)

    assert store.reserve(ask(of, tokens=500)).deployment == "large"
    assert store.reserve(ask(of, tokens=20)).deployment == "small"


def test_a_smaller_request_than_any_before_still_finds_the_room_that_is_left():
    store, _ = world()
    of = plan((option("a", tpm(100, "calendar")), option("b", tpm(90, "calendar"))))
    for tokens in (60, 60, 60, 60):
        store.reserve(ask(of, tokens=tokens, max_wait=0.0))

    assert isinstance(store.reserve(ask(of, tokens=60, max_wait=0.0)), Refusal)
    assert [store.reserve(ask(of, tokens=5, max_wait=0.0)).deployment for _ in range(3)] == ["a", "a", "b"]


def test_what_counts_as_small_follows_the_traffic():
    store, hands = world()
    of = plan((option("a", tpm(100, "calendar")), option("b", tpm(1e9, "calendar"))), score=lambda s: s.weight)
    store.reserve(ask(of, tokens=1))
    for _ in range(2100):
        store.reserve(ask(of, tokens=64))

    tier = store._book._indexes[of].tiers[0]
    assert [entry.group is not None for entry in tier.entries] == [True, False]
    assert store.reserve(ask(of, tokens=3)).deployment == "a"


def test_slots_that_are_freed_and_taken_again_leave_their_sleepers_asleep():
    store, _ = world()
    gpu = BoundLimit("gpu", at_a_time(1))
    mine, theirs = plan(option("a", gpu)), plan((option("b", gpu), option("c")), score=lambda s: 0.0)
    holder = store.reserve(ask(mine))
    assert store.reserve(ask(theirs)).deployment == "c"
    store.settle(holder.id, AS_RESERVED)
    store.reserve(ask(mine))

    assert store.reserve(ask(theirs)).deployment == "c"


def test_who_takes_nothing_of_a_limit_is_not_held_up_by_its_debt():
    store, _ = world()
    one = option("a", Limit("output_tokens", 48, "minute", "rolling"))
    of = plan(one, option("b", rpm(1, "calendar")))
    store.settle(store.reserve(ask(of, demand=Demand(1, 1))).id, Used(1, 0, 49))
    assert store.reserve(ask(of, demand=Demand(1, 1))).deployment == "b"

    assert store.reserve(ask(of, demand=Demand(1, 0), max_wait=0.0)).deployment == "a"


def test_a_smaller_demand_after_a_limit_was_learned_finds_an_empty_group():
    store, _ = world()
    one = option("a", tpm(1_000), subject="q|m", model="m")
    of = plan(one)
    grant = store.reserve(ask(of, tokens=900))
    assert isinstance(store.reserve(ask(of, tokens=500, max_wait=0.0)), Refusal)  # it sleeps
    told = Told("header", "requests", "minute", limit=30.0, remaining=29.0, resets_in=2.0)
    assert store.settle(grant.id, Used(1, 900, 0), 0.1, [told])  # it is awakened

    assert isinstance(store.reserve(ask(of, tokens=90, max_wait=0.0)), Reservation)
