"""What a ledger takes back: settlements, reservations that expire, and dispatches later than granted."""

from __future__ import annotations

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, used_of, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Used
from rotor_core._model import BoundLimit, Limit, Price


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
