"""The suite's tests of concurrency: who waits for a slot, and who gets it when it is freed."""

from __future__ import annotations

from threading import Event

from rotor_core._ledger import NOTHING_USED, Plan, Ticket
from rotor_core.stores.base import Store
from rotor_core.testing._suite_made import ask, at_a_time, granted, option, plan, refused
from rotor_core.testing.hands import Hands

SOON = 5.0
"""Real seconds that a call from another process may take at most."""


def one_at_a_time() -> Plan:
    return plan(option("a", at_a_time(1)))


class Queueing:
    """`store` and `other` hold one ledger, on the clock `hands`."""

    def test_who_finds_no_slot_gets_a_ticket(self, store: Store, hands: Hands) -> None:
        of = one_at_a_time()
        granted(store.reserve(ask(of)))
        ticket = store.reserve(ask(of, max_wait=20.0))
        assert isinstance(ticket, Ticket)
        assert (ticket.asked_at, ticket.give_up_at) == (hands.at, hands.at + 20)
        assert hands.at < ticket.check_at <= ticket.give_up_at

    def test_who_would_not_wait_is_refused(self, store: Store) -> None:
        of = one_at_a_time()
        granted(store.reserve(ask(of)))
        assert refused(store.reserve(ask(of, max_wait=0.0))).reasons["a"].reason == "busy"

    def test_a_freed_slot_goes_to_the_first_in_line_even_if_someone_asks_meanwhile(
        self, store: Store, other: Store
    ) -> None:
        of = one_at_a_time()
        holder, first, second, late = granted(store.reserve(ask(of))), ask(of), ask(of), ask(of)
        for waiting in (first, second):
            assert isinstance(store.reserve(waiting), Ticket)
        other.settle(holder.id, NOTHING_USED)
        assert isinstance(other.reserve(late), Ticket)
        granted(store.reserve(first))
        assert isinstance(store.reserve(second), Ticket)

    def test_a_ticket_is_called_when_a_slot_is_freed(self, store: Store, other: Store) -> None:
        of, called = one_at_a_time(), Event()
        holder, waiting = granted(other.reserve(ask(of))), ask(of)
        assert isinstance(store.reserve(waiting), Ticket)
        store.watch(waiting.id, called.set)
        if called.is_set():  # whoever has only begun to listen may call once, to be sure
            assert isinstance(store.reserve(waiting), Ticket)
            called.clear()
            store.watch(waiting.id, called.set)
        assert not called.is_set()
        other.settle(holder.id, NOTHING_USED)
        assert called.wait(SOON), "the slot was freed, and nobody called"
        granted(store.reserve(waiting))

    def test_a_ticket_that_is_worth_redeeming_already_is_called_at_once(self, store: Store) -> None:
        of, called = one_at_a_time(), Event()
        holder, waiting = granted(store.reserve(ask(of))), ask(of)
        store.reserve(waiting)
        store.settle(holder.id, NOTHING_USED)
        store.watch(waiting.id, called.set)
        assert called.wait(SOON)

    def test_who_gives_up_leaves_the_line(self, store: Store, other: Store) -> None:
        of = one_at_a_time()
        holder, first, second = granted(store.reserve(ask(of))), ask(of), ask(of)
        store.reserve(first)
        store.reserve(second)
        store.settle(first.id, NOTHING_USED)
        other.settle(holder.id, NOTHING_USED)
        granted(store.reserve(second))

    def test_who_waited_too_long_is_refused(self, store: Store, hands: Hands) -> None:
        of, waiting = one_at_a_time(), None
        granted(store.reserve(ask(of)))
        waiting = ask(of, max_wait=5.0)
        store.reserve(waiting)
        hands.at += 6
        refused(store.reserve(waiting))

    def test_a_slot_whose_holder_has_gone_is_freed_when_its_lease_ends(
        self, store: Store, other: Store, hands: Hands
    ) -> None:
        of = one_at_a_time()
        holder, waiting = granted(other.reserve(ask(of))), ask(of, max_wait=900.0)
        ticket = store.reserve(waiting)
        assert isinstance(ticket, Ticket)
        assert ticket.check_at <= holder.expires_at
        hands.at = holder.expires_at
        granted(store.reserve(waiting))

    def test_a_waiter_may_redeem_again_and_again_and_keeps_its_place(self, store: Store) -> None:
        of = one_at_a_time()
        holder, first, second = granted(store.reserve(ask(of))), ask(of), ask(of)
        for waiting in (first, second, second, first):
            assert isinstance(store.reserve(waiting), Ticket)
        store.settle(holder.id, NOTHING_USED)
        assert isinstance(store.reserve(second), Ticket)
        granted(store.reserve(first))
