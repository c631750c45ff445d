"""Who has what was given back: the first in line who can use it, wherever it waits.

A waiter of this process is given its reservation at once, and called. One of another process is kept a slot and woken: only
its own process knows its plan. Whoever does not come in time loses its turn, not its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rotor_core._ledger import Ask, Option
from rotor_core.stores._choose import Queued, choose
from rotor_core.stores._demand import Taken
from rotor_core.stores._meters import Gate
from rotor_core.stores._open import Open
from rotor_core.stores._queue import Waiter

if TYPE_CHECKING:
    from rotor_core.stores._book import Book

MISSES: Final = 8
"""Waiters for whom room that came back in a window may be too small, before the others behind them are not tried."""

HELD: Final = 2.0
"""Seconds for which a slot is kept for a waiter of another process that has been called."""


def serve(book: Book, freed: Open, now: float) -> None:
    """Choose again for those in the queue, in order, over their whole plans, while there is something to be had."""
    if book.queue.by_id:
        keys = {meter.key for meter in freed.meters} | {gate.key for gate in freed.gates}
        _serve_keys(book, keys, list(freed.gates), now)


def serve_gates(book: Book, gates: list[Gate], now: float) -> None:
    """The same for slots that nobody has come for."""
    if gates and book.queue.by_id:
        _serve_keys(book, {gate.key for gate in gates}, gates, now)


def serve_options(book: Book, options: Sequence[Option], now: float) -> None:
    """The same where options may have been opened altogether."""
    if book.queue.by_id:
        drawn = [holder for option in options for holders in book.shelf.of(option, now) for holder in holders]
        _serve_keys(book, {holder.key for holder in drawn}, [h for h in drawn if isinstance(h, Gate)], now)


def _serve_keys(book: Book, keys: set[str], gates: list[Gate], now: float) -> None:
    plans = [plan for plan in book.queue.plans() if not keys.isdisjoint(book.index(plan, now).keys)]
    misses = 0
    for waiter in book.queue.in_order(plans):
        if waiter.give_up_at < now:
            if waiter.give_up_at + book.lease < now:
                book.leave(waiter.id)
            continue  # it will ask once more, and be refused, unless its asker is gone
        if waiter.held or (waiter.missed and waiter.ask is None):
            continue
        placed = _keep_slot(book, waiter, gates, now) if waiter.ask is None else _place(book, waiter, waiter.ask, now)
        if placed:
            book.queue.served(waiter)
            if waiter.called is not None:
                book.called.append(waiter.called)
        misses += not placed
        more = any(gate.slots.fits(1) for gate in gates) if gates else misses < MISSES
        if not more:
            return


def _place(book: Book, waiter: Waiter, ask: Ask, now: float) -> bool:
    """Make the reservation that a waiter's ticket is for, if there is something for it now.

    Where a slot is free and only a window is not yet, the waiter may have to ask again earlier than it knows.
    """
    want = book.want(ask, now)
    choice = choose(book.index(ask.plan, now), want, waiter.asked_at, waiter.give_up_at)
    if not isinstance(choice, Taken):
        if isinstance(choice, Queued) and choice.check_at < waiter.check_at and waiter.called is not None:
            book.called.append(waiter.called)
        return False
    book.leave(ask.id)
    book.take(ask, want, choice.entry, choice.at, waiter.asked_at)
    return True


def _keep_slot(book: Book, waiter: Waiter, gates: list[Gate], now: float) -> bool:
    """Keep a slot for a waiter of another process, and have it woken."""
    gate = next((g for g in gates if g.key in waiter.gates and g.slots.fits(waiter.requests)), None)
    if gate is None:
        return False
    book.note("keep", waiter.id, gate.key, now + HELD)
    keep(book, waiter, gate, now + HELD)
    book.wakes.append((waiter.address, waiter.id))
    return True


def keep(book: Book, waiter: Waiter, gate: Gate, until: float) -> None:
    """A slot is kept for a waiter until it comes, or too long."""
    gate.slots.take(waiter.requests)
    gate.changes += 1
    waiter.held, waiter.held_until = (gate.key,), until
    book.holding += 1


def unhold(book: Book, waiter: Waiter, *, missed: bool = False) -> list[Gate]:
    """Let go of the slots kept for a waiter, who came for them or did not; the gates."""
    book.note("unhold", waiter.id, missed)
    waiter.missed = missed
    return let_go(book, waiter) if waiter.held else []


def let_go(book: Book, waiter: Waiter) -> list[Gate]:
    """Free the slots that were kept for a waiter; their gates."""
    gates = [book.shelf.gates[key] for key in waiter.held if key in book.shelf.gates]
    for gate in gates:
        gate.slots.held = max(0.0, gate.slots.held - waiter.requests)
        gate.changes += 1
        gate.eased()
    waiter.held = ()
    book.holding -= 1
    return gates
