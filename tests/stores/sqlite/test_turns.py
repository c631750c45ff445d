"""A turn in a ledger's file is whole or was not: among threads, interrupted, or failing midway."""

from __future__ import annotations

import threading

import pytest
from tests.stores.made import ask, at_a_time, option, plan, rpm

from rotor_core._errors import StoreError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Reservation
from rotor_core.stores import _journal


def test_a_ranking_that_fails_leaves_nothing_behind(site):
    one, other = site.open(), site.open()
    a = option("a", rpm(5, "calendar"))
    one.read([a])
    rows = one._file.rows("SELECT count(*) FROM journal")

    def broken(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        one.reserve(ask(plan(option("b", rpm(1)), score=broken)))

    assert one._file.rows("SELECT count(*) FROM journal") == rows
    assert "b/requests/minute/bucket" not in one._turns.book.shelf.meters
    assert isinstance(one.reserve(ask(plan(a))), Reservation)
    assert other.read([a])[0].limits[0].reserved == 1


def test_threads_take_all_there_is_and_not_one_more(site):
    store, other = site.open(), site.open()
    a = option("a", rpm(150, "calendar"), at_a_time(1000))
    of = plan(a)
    taken = []

    def work(mine):
        for _ in range(25):
            grant = mine.reserve(ask(of, max_wait=0.0))
            if isinstance(grant, Reservation):
                mine.sent(grant.id)
                mine.glance([a])
                mine.settle(grant.id, AS_RESERVED, 0.1)
                taken.append(grant.id)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (store, other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(taken) == 150
    assert [x.used for x in store.read([a])[0].limits] == [150, 0]


def test_a_settlement_in_the_middle_of_a_turn_waits_for_its_end(site):
    """Garbage collection may close a forgotten stream at any moment, and that settles."""
    store = site.open()
    a = option("a", rpm(10, "calendar"))
    open_ = store.reserve(ask(plan(a)))
    seen = []

    def score(_):
        store.settle(open_.id, NOTHING_USED)
        seen.append(open_.id in store._turns.book.open)
        return 0.0

    store.reserve(ask(plan(a, score=score)))

    assert seen[0] is True
    assert open_.id not in store._turns.book.open
    assert site.open().read([a])[0].limits[0].reserved == 1


def test_who_interrupts_a_turn_of_its_own_thread_becomes_part_of_it(site):
    store = site.open()
    a = option("a", rpm(10, "calendar"))
    seen = []

    def score(_):
        if not seen:
            seen.append(store.read([a]))
        return 0.0

    store.reserve(ask(plan(a, score=score)))

    assert seen[0][0].limits[0].used == 0


def test_looking_noting_and_closing_in_the_middle_of_a_turn_leave_it_whole(site):
    store = site.open()
    a = option("a", rpm(10))
    late = store.reserve(ask(plan(a)))
    site.hands.at += 10.0

    def score(_):
        store.sent(late.id)
        store._turns.look()
        store.close()
        return 0.0

    store.reserve(ask(plan(a, score=score)))

    assert store._turns.book.open[late.id].at == site.hands.at
    assert site.open().read([a])[0].limits[0].reserved == 2


def test_a_settlement_left_for_the_end_of_a_turn_does_not_fail_that_turn(site, monkeypatch, caplog):
    store = site.open()
    a = option("a", rpm(10, "calendar"))
    open_ = store.reserve(ask(plan(a)))
    append, appended = _journal.Journal.append, []

    def full(journal, row):
        appended.append(row)
        if len(appended) > 1:
            raise StoreError("no room")
        append(journal, row)

    monkeypatch.setattr(_journal.Journal, "append", full)

    def score(_):
        store.settle(open_.id, NOTHING_USED)
        return 0.0

    assert isinstance(store.reserve(ask(plan(a, score=score))), Reservation)
    assert "a settlement was not written" in caplog.text
    assert open_.id in store._turns.book.open, "it comes back when its lease ends"
