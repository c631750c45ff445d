"""Waiting for a slot that a process elsewhere holds: who frees it wakes who is first in line."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from tests.stores.made import START, ask, at_a_time, option, plan

from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Ticket
from rotor_core.stores import _wake
from rotor_core.stores._handing import HELD
from rotor_core.stores._wake import Bell
from rotor_core.stores.sqlite import CHECK_EVERY

OF = plan(option("a", at_a_time(1)))


def waiting(store):
    """An ask with a ticket, and an event that is set when it is called."""
    mine, called = ask(OF), threading.Event()
    ticket = store.reserve(mine)
    assert isinstance(ticket, Ticket)
    assert ticket.check_at <= START + CHECK_EVERY + 60
    store.watch(mine.id, called.set)
    return mine, called


def test_who_frees_a_slot_wakes_the_first_in_line_wherever_it_waits(site):
    holder, first, second = site.open(), site.open(), site.open()
    held = holder.reserve(ask(OF))
    one, called = waiting(first)
    other, not_called = waiting(second)

    holder.settle(held.id, AS_RESERVED)

    assert called.wait(10)
    assert not not_called.is_set()
    assert isinstance(holder.reserve(ask(OF, max_wait=0.0)), Refusal), "a newcomer does not get it"
    assert isinstance(second.reserve(other), Ticket)
    grant = first.reserve(one)
    assert isinstance(grant, Reservation)
    first.settle(grant.id, AS_RESERVED)
    assert not_called.wait(10)
    assert isinstance(second.reserve(other), Reservation)


def test_a_ticket_that_was_called_before_it_was_watched_is_called_at_once(site):
    holder, waiter = site.open(), site.open()
    held = holder.reserve(ask(OF))
    mine = ask(OF)
    waiter.reserve(mine)
    holder.settle(held.id, AS_RESERVED)
    waiter._turns.look()
    called = []

    waiter.watch(mine.id, lambda: called.append(1))
    waiter.watch("nobody's", lambda: called.append(2))

    assert called == [1, 2]


def test_who_waits_in_the_same_process_is_called_in_the_turn_that_frees_the_slot(site):
    store = site.open()
    held = store.reserve(ask(OF))
    mine, called = waiting(store)

    store.settle(held.id, AS_RESERVED)

    assert called.is_set()
    assert isinstance(store.reserve(mine), Reservation)


def test_a_caller_that_fails_does_not_fail_who_freed_the_slot(site, caplog):
    store = site.open()
    held = store.reserve(ask(OF))
    mine = ask(OF)
    store.reserve(mine)

    def gone():
        raise RuntimeError("the loop is closed")

    store.watch(mine.id, gone)
    store.settle(held.id, AS_RESERVED)

    assert "could not be called" in caplog.text


def test_a_lost_call_costs_no_more_than_the_time_until_the_waiter_asks_by_itself(site):
    holder, waiter = site.open(), site.open()
    held = holder.reserve(ask(OF))
    mine = ask(OF)
    ticket = waiter.reserve(mine)
    assert START < ticket.check_at <= START + CHECK_EVERY
    waiter._bell.close()
    holder.settle(held.id, AS_RESERVED)

    site.hands.at = ticket.check_at

    assert isinstance(waiter.reserve(mine), Reservation)


def test_a_slot_kept_for_a_process_that_is_gone_goes_to_the_next(site):
    holder, gone, next_ = site.open(), site.open(), site.open()
    held = holder.reserve(ask(OF))
    waiting(gone)
    mine, called = waiting(next_)
    gone._bell.close()
    gone.close()
    holder.settle(held.id, AS_RESERVED)

    site.hands.at += HELD + 0.1

    assert isinstance(next_.reserve(mine), Reservation)


def test_without_a_loopback_waiters_ask_now_and_then(site, monkeypatch, caplog):
    class Nowhere(socket.socket):
        def bind(self, address):
            raise OSError("no such interface")

    holder, waiter = site.open(), site.open()
    held = holder.reserve(ask(OF))
    monkeypatch.setattr(socket, "socket", Nowhere)
    mine = ask(OF)

    ticket = waiter.reserve(mine)

    assert ticket.check_at <= START + CHECK_EVERY
    assert "cannot be woken" in caplog.text
    holder.settle(held.id, AS_RESERVED)
    assert isinstance(waiter.reserve(mine), Reservation)


def test_a_bell_rings_for_what_it_is_told_and_for_nothing_else():
    heard, rung = [], threading.Event()

    def ring(ticket_id):
        heard.append(ticket_id)
        rung.set()
        if ticket_id == "bad":
            raise ValueError

    bell, other = Bell(ring), Bell(print)
    address = bell.open()
    assert bell.open() == address
    other.ring([("", "x"), ("10.0.0.1:99", "x"), ("127.0.0.1:http", "x"), ("127.0.0.1:999999", "x"), (address, "bad")])
    assert rung.wait(10)
    rung.clear()
    bell.ring([(address, "own")])
    other.ring([(address, "id")])
    assert rung.wait(10)

    assert heard == ["bad", "id"]
    bell.close()
    bell.close()
    bell.drop()


def test_a_bell_outlives_what_a_network_may_say_to_it():
    class Said:
        def __init__(self):
            self.answers = iter([ConnectionResetError(), (b"id", None), OSError()])

        def recvfrom(self, size):
            answer = next(self.answers)
            if isinstance(answer, OSError):
                raise answer
            return answer

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    heard = []
    _wake._listen(Said(), heard.append)

    assert heard == ["id"]


def test_a_bell_that_is_dropped_is_closed_here_alone():
    bell = Bell(print)
    bell._socket = mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bell.address = "127.0.0.1:1"

    bell.drop()

    assert not bell.address
    assert mine.fileno() == -1


def test_a_stranger_at_the_bell_is_not_heeded(site):
    store = site.open()
    held = store.reserve(ask(OF))
    store.reserve(ask(OF))
    site.open().settle(held.id, AS_RESERVED)
    seq = store._turns.seq

    store._rung("nobody's")

    assert store._turns.seq == seq


def test_closing_leaves_a_waiter_its_bell(site):
    store = site.open()
    held = store.reserve(ask(OF))
    mine, called = waiting(store)

    store.close()
    assert store._bell.address
    site.open().settle(held.id, AS_RESERVED)

    assert called.wait(10)
    store.settle(mine.id, NOTHING_USED)
    store.close()
    assert not store._bell.address


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_both_go_on_each_with_what_is_its_own(site):
    store = site.open()
    a = option("a", at_a_time(3))
    mine = store.reserve(ask(plan(a)))
    for _ in range(2):
        store.reserve(ask(plan(a)))
    ticket = ask(plan(a))
    assert isinstance(store.reserve(ticket), Ticket)
    called = threading.Event()
    store.watch(ticket.id, called.set)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            assert not store._file.is_open
            assert not store._bell.address
            assert isinstance(store.reserve(ask(plan(a), max_wait=0.0)), Refusal)
            store.settle(mine.id, AS_RESERVED)
            os.write(write, b"fine")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        assert said.read() == "fine"
    os.waitpid(child, 0)

    assert called.wait(10), "the child freed a slot, and the parent's waiter was first in line"
    assert isinstance(store.reserve(ticket), Reservation)
