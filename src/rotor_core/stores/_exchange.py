"""A grant that is not due yet may be exchanged for a more urgent caller's, at most twice.

The urgent caller takes the earlier instant on the same option, and the other one the earliest that is left there after
it, if that still suits whoever waits for it. Whoever was moved finds out on waking: `dispatched` answers the new instant.
Only grants of this process are exchanged, as only their askers are known, and none that holds a slot.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from rotor_core._ledger import Ask, Reservation
from rotor_core._state.fit import earliest
from rotor_core.stores._choose import Choice
from rotor_core.stores._demand import Taken, Want
from rotor_core.stores._open import Open

if TYPE_CHECKING:
    from rotor_core.stores._book import Book

MOST: Final = 2
"""How often one grant may be moved: so nobody starves."""


def exchange(
    book: Book, ask: Ask, want: Want, choice: Choice, asked_at: float, give_up_at: float
) -> Reservation | None:
    """A grant for `ask` at the expense of less urgent ones, if it would otherwise come later (`choice`) or never."""
    target = min(choice.at if isinstance(choice, Taken) else inf, give_up_at)
    entries = book.index(ask.plan, want.now).entries
    for victim in sorted(_less_urgent(book, ask, want), key=lambda known: known.at):
        entry = entries.get(victim.reservation.deployment)
        if victim.at >= target - book.guards.soon:
            return None
        if entry is None or entry.option.id in ask.exclude or tuple(entry.meters) != tuple(victim.meters):
            continue
        old = victim.at
        victim.lift(want.now)
        at = want.instant(entry)
        if at < target - book.guards.soon or at <= give_up_at < target:
            reservation = book.take(ask, want, entry, at, asked_at)
            later = _next(victim, want.now)
            if later <= _patience(victim):
                book.note("shift", victim.reservation.id, want.now, later)
                victim.put_back(want.now, later)
                victim.moved += 1
                book.leave(ask.id)
                return reservation
            subject = book.open[ask.id].subject
            book.end(ask.id, want.now, [0.0] * len(entry.meters))
            book.note("forgo", entry.option.id, subject, at)
            book.forgo(entry.option.id, subject, at)
        book.note("shift", victim.reservation.id, want.now, old)
        victim.put_back(want.now, old)
    return None


def _less_urgent(book: Book, ask: Ask, want: Want) -> list[Open]:
    return [
        known
        for known in book.coming.values()
        if known.ask is not None
        and known.ask.priority < ask.priority
        and known.moved < MOST
        and known.at > want.by
        and not known.gates
    ]


def _next(victim: Open, now: float) -> float:
    return earliest(now, victim.at, [meter.window for meter in victim.meters], victim.amounts)


def _patience(victim: Open) -> float:
    """The latest instant that a waiter's asker would accept."""
    ask = victim.ask
    assert ask is not None
    latest = victim.reservation.asked_at + ask.max_wait
    return latest if ask.deadline is None else min(latest, ask.deadline)
