"""Clocks that are set, and processes that do not agree on the time."""

from __future__ import annotations

import logging

import pytest
from tests.stores.made import START, Hands, ask, at_a_time, option, plan, rpm, tpm

from rotor_core._ledger import AS_RESERVED, Hold, LimitRecord, Refusal, Reservation, Ticket, Used
from rotor_core._model import Limit
from rotor_core.stores._learning import teach
from rotor_core.stores._sqlite_clock import AHEAD, SharedClock

HOUR = 3600.0


def test_a_clock_goes_by_the_one_ahead_and_at_its_own_pace_until_it_has_caught_up():
    own, running = Hands(), Hands(0.0)
    clock = SharedClock(own, running)
    clock.follow(START - 5, "x")
    assert clock() == START

    clock.follow(START + 5, "x")
    assert clock() == START + 5
    own.at, running.at = START + 1, 1.0
    assert clock() == START + 6
    own.at = START + 10
    assert clock() == START + 10
    own.at = START + 11
    assert clock() == START + 11


def test_a_little_skew_is_nothing_to_speak_of(caplog):
    clock = SharedClock(Hands(), Hands())
    with caplog.at_level(logging.WARNING):
        clock.follow(START + AHEAD / 2, "x")
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        clock.follow(START + 100, "the file")
        clock.follow(START + 1000, "the file")
    assert [record.getMessage().split(" is ")[0] for record in caplog.records] == [
        "the clock of those who use the ledger the file"
    ]
    assert clock() == START + 1000


def test_a_process_whose_clock_is_behind_goes_by_the_others(site, caplog):
    ahead = site.open()
    site_behind = Hands(START - HOUR)
    a = option("a", rpm(1))
    assert isinstance(ahead.reserve(ask(plan(a))), Reservation)
    behind = site.open(clock=site_behind)

    with caplog.at_level(logging.WARNING):
        refused = behind.reserve(ask(plan(a), max_wait=0.0))

    assert refused.asked_at == START
    assert behind.now() == START
    assert "set back" in caplog.text
    site_behind.at += 61.0
    assert isinstance(behind.reserve(ask(plan(a), max_wait=0.0)), Reservation), "its time does not stand still"


def test_after_a_clock_was_set_back_the_next_alone_moves_the_ledger_with_it(site, caplog):
    before = site.open()
    a = option(
        "a",
        rpm(10),
        Limit("requests", 20, "minute", "rolling"),
        Limit("requests", 30, "day", "calendar"),
        at_a_time(5),
        subject="q|m",
    )
    for _ in range(9):
        before.settle(before.reserve(ask(plan(a))).id, Used(1, 10, 0))
    before.reserve(ask(plan(a), id="under way"))
    limit = Limit("requests", 40, "hour", "rolling", source="header")
    record = LimitRecord(f"q|m|{limit.identity}", limit, None, START, START + 90.0, 1.0, "a header")
    before._turns.turn(lambda book, now: teach(book.shelf, "q|m", [Hold(record, ((START - 9, 3.0),))], now))
    before.rest("provider:p", START + 50.0, "timeout")
    before.close()
    site.hands.at = START - 27 * HOUR

    with caplog.at_level(logging.WARNING):
        after = site.open()
        now = after.read([a])[0]

    assert f"{27 * HOUR:.0f} s ahead" in caplog.text
    assert after.now() == site.hands.at
    assert [x.used + x.reserved for x in now.limits] == pytest.approx([10, 10, 10, 1, 3])
    assert now.limits[4].expires_at == site.hands.at + 90.0
    assert after._turns.book.shelf.rests["provider:p"].until == site.hands.at + 50.0
    assert isinstance(after.reserve(ask(plan(a), max_wait=0.0)), Refusal)
    after.settle("under way", AS_RESERVED)
    site.hands.at += 60.1
    assert [x.used for x in after.read([a])[0].limits] == pytest.approx([0, 0, 10, 0, 3])
    assert isinstance(after.reserve(ask(plan(a), max_wait=0.0)), Reservation)
    assert isinstance(site.open().reserve(ask(plan(a), max_wait=0.0)), Reservation)


def test_waiters_of_the_time_before_are_moved_as_well(site):
    before = site.open(lease=30.0)
    one = plan(option("a", at_a_time(1)))
    before.reserve(ask(one))
    assert isinstance(before.reserve(ask(one)), Ticket)
    later = (
        before.reserve(ask(plan(option("b", rpm(1, "rolling"))))),
        before.reserve(ask(plan(option("b", rpm(1, "rolling"))), max_wait=100.0)),
    )
    assert later[1].at > START
    before.close()
    site.hands.at = START - 10 * HOUR

    after = site.open(lease=30.0)
    waiter = next(iter(after._turns.turn(lambda book, _: book.queue)))

    assert (waiter.asked_at, waiter.give_up_at) == (site.hands.at, site.hands.at + 30.0)
    site.hands.at += 31.0
    assert isinstance(after.reserve(ask(one, max_wait=0.0)), Reservation)
    bucket = option("c", tpm(100))
    assert isinstance(after.reserve(ask(plan(bucket))), Reservation)


def test_grants_to_come_in_a_bucket_are_moved_as_well(site):
    before = site.open()
    a = option("a", rpm(2))
    for _ in range(2):
        before.reserve(ask(plan(a)))
    to_come = before.reserve(ask(plan(a), max_wait=100.0))
    assert to_come.at > START
    before.close()
    site.hands.at = START - HOUR

    after = site.open()

    assert after.reserve(ask(plan(a), max_wait=100.0)).at == pytest.approx(to_come.at - HOUR + 30.0)
    assert after.dispatched(to_come.id) == pytest.approx(to_come.at - HOUR)


def test_time_never_goes_back_in_a_process(site):
    store = site.open()
    a = option("a", rpm(1, "calendar"))
    store.reserve(ask(plan(a)))
    at = store.now()
    store._turns.look()

    store._clock._own = Hands(START - 30)

    assert store.reserve(ask(plan(a), max_wait=0.0)).asked_at >= at
