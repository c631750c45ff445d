"""Whether a slot is waited for, which of several, and when it is worth asking again."""

from __future__ import annotations

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, Refusal, Ticket, Tier


def test_when_the_window_has_no_room_within_the_wait_it_is_refused_not_queued():
    store, _ = world()
    of = plan(option("a", at_a_time(1), rpm(1, "rolling")))
    store.reserve(ask(of))
    refused = store.reserve(ask(of, max_wait=30.0))

    assert isinstance(refused, Refusal)
    assert refused.retry_at == START + 60.025


def test_without_patience_a_full_house_is_a_refusal_with_a_guess():
    store, _ = world()
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    refused = store.reserve(ask(of, max_wait=0.0))

    assert isinstance(refused, Refusal)
    assert refused.reasons["a"].reason == "busy"
    assert refused.retry_at > START


def test_a_ticket_gives_up_when_its_first_asking_said_so_however_often_it_asks():
    store, hands = world()
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    mine = ask(of, max_wait=10.0)
    store.reserve(mine)
    hands.at += 6
    assert store.reserve(mine).give_up_at == START + 10
    hands.at += 4

    refused = store.reserve(mine)
    assert isinstance(refused, Refusal)
    assert refused.asked_at == START
    assert store.reserve(ask(of, deadline=START + 15)).give_up_at == START + 15


def test_a_ticket_is_worth_checking_when_another_option_becomes_available():
    store, hands = world()
    slot, window = option("slot", at_a_time(1)), option("window", rpm(6, "rolling"))
    of = plan((slot, window), score=in_order())
    for _ in range(7):
        store.reserve(ask(of))
    mine = ask(of, max_wait=100.0)
    ticket = store.reserve(mine)

    assert ticket.check_at == START + 60.025
    hands.at = ticket.check_at
    assert store.reserve(mine).deployment == "window"


def test_a_ticket_for_a_free_seat_is_worth_checking_when_a_paid_one_may_be_taken():
    store, hands = world()
    free = Tier((option("free", at_a_time(1)),), max_wait=3.0)
    of = plan(free, option("paid"))
    store.reserve(ask(of))
    mine = ask(of)
    ticket = store.reserve(mine)
    assert ticket.check_at == START + 3.0

    hands.at = ticket.check_at
    grant = store.reserve(mine)
    assert (grant.deployment, grant.asked_at) == ("paid", START)


def test_a_busy_free_seat_that_takes_too_long_by_experience_is_not_waited_for():
    store, hands = world()
    free = Tier((option("free", at_a_time(1)),), max_wait=3.0)
    of = plan(free, option("paid"))
    for _ in range(10):
        grant = store.reserve(ask(plan(free)))
        hands.at += 20
        store.settle(grant.id, AS_RESERVED)
    store.reserve(ask(of))

    assert store.reserve(ask(of)).deployment == "paid"


def test_a_wait_that_is_known_to_be_shorter_beats_a_busy_slot():
    store, _ = world()
    slot, window = option("slot", at_a_time(1)), option("window", rpm(120))
    of = plan((slot, window), score=in_order())
    for _ in range(121):
        store.reserve(ask(of))

    grant = store.reserve(ask(of))
    assert (grant.deployment, 0 < grant.wait < 1) == ("window", True)


def test_a_busy_slot_beats_a_wait_that_is_known_to_be_longer_even_in_a_patient_tier():
    store, _ = world()
    patient = Tier((option("slot", at_a_time(1)), option("window", rpm(1))), max_wait=100.0)
    of = plan(patient, option("paid"), score=in_order())
    for _ in range(2):
        store.reserve(ask(of))

    ticket = store.reserve(ask(of, max_wait=100.0))
    assert isinstance(ticket, Ticket)
    assert ticket.check_at == pytest.approx(START + 60.025)


def test_what_needs_more_slots_than_there_are_is_never_queued():
    store, _ = world()
    refused = store.reserve(ask(plan(option("a", at_a_time(1))), demand=Demand(requests=2)))

    assert (refused.retry_at, refused.reasons["a"].reason) == (None, "never_fits")


def test_settled_leases_are_no_reason_to_check():
    store, hands = world(lease=5.0)
    of = plan(option("a", at_a_time(1)))
    store.settle(store.reserve(ask(of)).id, AS_RESERVED)
    hands.at += 1
    store.reserve(ask(of))

    assert store.reserve(ask(of)).check_at == START + 6.0
