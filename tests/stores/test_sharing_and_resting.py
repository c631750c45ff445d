"""Limits that several options share, scopes at rest, and how a reading shows them."""

from __future__ import annotations

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, world

from rotor_core._ledger import NOTHING_USED, Refusal, Reservation, Used
from rotor_core._model import BoundLimit, Limit

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
