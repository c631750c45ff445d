"""The ledger as a state machine: what is taken, by whom, and who is next. No lock, no clock, no IO; time is an argument.

Every operation is one turn of whoever holds the book. It leaves behind whom to call (`called`), whom to wake in other
processes (`wakes`) and, for a book that is shared through a journal, what it did (`effects`): another process's book
becomes the same by applying them in the same order (`_replica`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from rotor_core._ledger import (
    AS_RESERVED,
    Ask,
    Correct,
    Grant,
    Learnt,
    Option,
    OptionReading,
    Plan,
    Refusal,
    Reservation,
    Ticket,
    Told,
    Used,
)  # fmt: skip
from rotor_core._state.jitter import Jitter
from rotor_core._state.window import Guards
from rotor_core.stores._choose import Choice, Queued, choose
from rotor_core.stores._demand import Taken, Want
from rotor_core.stores._exchange import exchange
from rotor_core.stores._handing import let_go, serve, serve_gates, serve_options, unhold
from rotor_core.stores._index import Entry, PlanIndex
from rotor_core.stores._kin import Kindred, merged
from rotor_core.stores._learning import corrections, learned, surprises, teach
from rotor_core.stores._meters import Gate, Stats
from rotor_core.stores._open import Open, actual_amounts
from rotor_core.stores._queue import Queue, Waiter
from rotor_core.stores._readings import read_option, reserved_by_key
from rotor_core.stores._reasons import reasons
from rotor_core.stores._replica import Effect, apply, dump, load, written
from rotor_core.stores._shelf import Shelf


class Book:
    """`lease`: seconds after its instant at which an unsettled reservation expires. `shared`: effects are written down.

    `address`: where waiters of this process are reached by others; `check_every`: seconds after which a waiter asks
    again uncalled, in case the call was lost.
    """

    def __init__(self, guards: Guards, lease: float, *, shared: bool = False) -> None:
        self.guards, self.lease, self.shared = guards, lease, shared
        self.effects: list[Effect] = []
        self.called: list[Callable[[], None]] = []
        self.wakes: list[tuple[str, str]] = []
        self.address = ""
        self.check_every = inf
        self.jitter = Jitter(guards.delay)
        self.clear()

    def clear(self) -> None:
        """As if nothing had ever been."""
        self.shelf = Shelf(self.guards, self.note)
        self.open: dict[str, Open] = {}
        self.coming: dict[str, Open] = {}
        self.queue = Queue()
        self.kindred = Kindred()
        self.look_again()
        self._leases: list[tuple[float, str]] = []
        self.holding = 0

    def look_again(self) -> None:
        """Let every plan's index be made anew: options draw on other limits than before."""
        self._indexes: WeakKeyDictionary[Plan, PlanIndex] = WeakKeyDictionary()

    def note(self, *effect: Any) -> None:
        if self.shared:
            self.effects.append(written(effect))

    def apply(self, effect: Effect) -> None:
        """What another process did, done here without question, in the journal's order."""
        apply(self, effect)

    def dump(self) -> Any:
        """The whole state, in values that JSON can carry."""
        return dump(self)

    def load(self, data: Any) -> None:
        """The state that `dump` wrote, instead of this one. Those who wait here still do."""
        load(self, data)

    # --- operations --------------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Let go of what has expired. What was sent is not known of an expired reservation, so only its slots come back."""
        while self._leases and self._leases[0][0] <= now:
            _, reservation_id = heappop(self._leases)
            expired = self.open.get(reservation_id)
            if expired is not None and expired.reservation.expires_at <= now:
                self.end(reservation_id, now)
                serve(self, expired, now)
        expiring = self.shelf.expiring
        if expiring and expiring[0][0] <= now:
            for key in self.shelf.expired(now):
                self.note("drop", key, now)
                self.shelf.drop(key, now)
        if self.holding:
            for waiter in self.queue:
                if waiter.held and waiter.held_until <= now:
                    serve_gates(self, unhold(self, waiter, missed=True), now)

    def reserve(self, ask: Ask, now: float) -> Grant:
        """See `Store.reserve`."""
        known = self.open.get(ask.id)
        if known is not None:
            return known.reservation
        waiter = self.queue.by_id.get(ask.id)
        kept: list[Gate] = []
        if waiter is not None:
            asked_at, give_up_at = waiter.asked_at, waiter.give_up_at
            if waiter.held or waiter.missed:
                kept = unhold(self, waiter)
        else:
            asked_at, give_up_at = now, now + ask.max_wait
            if ask.deadline is not None and ask.deadline < give_up_at:
                give_up_at = ask.deadline
        want = self.want(ask, now)
        try:
            index = self.index(ask.plan, now)
            choice = choose(index, want, asked_at, give_up_at)
        except BaseException:  # Ctrl-C in the middle of it: what is half sorted is made anew
            self._indexes.pop(ask.plan, None)
            raise
        if self.coming and not (isinstance(choice, Taken) and choice.at <= want.by):
            exchanged = exchange(self, ask, want, choice, asked_at, give_up_at)
            if exchanged is not None:
                return exchanged
        if waiter is None and isinstance(choice, Taken):
            return self.take(ask, want, choice.entry, choice.at, asked_at)
        grant = self._answer(ask, want, index, choice, waiter, asked_at, give_up_at)
        if kept:
            serve_gates(self, kept, now)
        return grant

    def dispatched(self, reservation_id: str, now: float) -> float | None:
        """See `Store.dispatched`."""
        known = self.open.get(reservation_id)
        if known is None:
            return None
        if known.at > now:
            return known.at
        self.sent(reservation_id, now)
        return known.at if known.holds(now) and not self._rests(known, now) else None

    def _rests(self, known: Open, now: float) -> bool:
        """Whether an option was put to rest after it was promised for later."""
        rests = self.shelf.rests
        return any(scope in rests and rests[scope].until > now for scope in known.scopes)

    def sent(self, reservation_id: str, now: float) -> None:
        """See `Store.sent`."""
        known = self.open.get(reservation_id)
        if known is None:
            return
        if self.jitter.late(now - known.at, now):
            self._guard()
        if now > known.at + self.guards.slip:
            self.note("move", reservation_id, now)
            known.move(now)
        elif not known.due and known.at <= now:
            self.note("arrive", reservation_id, now)
            known.arrive(now)
        if self.coming:
            self.coming.pop(reservation_id, None)

    def settle(
        self, reservation_id: str, used: Used, latency: float | None, told: Sequence[Told], now: float
    ) -> list[Learnt]:
        """See `Store.settle`."""
        known = self.open.get(reservation_id)
        if known is None:
            serve_gates(self, self.leave(reservation_id), now)
            return []
        actual = list(known.amounts) if used is AS_RESERVED else actual_amounts(known, used)
        if told and any(self.jitter.refused(moment, now) for moment in surprises(known, told)):
            self._guard()
        changes = learned(self.shelf, known, used, told, now) if known.subject else ()
        kin = self.kindred.told(known, [c for c in changes if isinstance(c, Correct)], now) if changes else []
        if self.kindred.families and used.requests == 0:
            self.kindred.took(known, known.amounts, -1)
        if changes:
            for key, more in corrections(self.shelf, known, actual, changes, now).items():
                self.note("corrected", key, more)
        self.end(reservation_id, now, actual, latency)
        lessons = teach(self.shelf, known.subject, changes, now) if changes else []
        if kin:
            merged(self, kin, now)
        if self.queue.by_id:
            serve(self, known, now)
        return [*lessons, *kin]

    def rest(self, scope: str, until: float, reason: str, now: float) -> None:
        """See `Store.rest`."""
        if until > now:
            self.note("rest", scope, until, reason)
            self.shelf.rest(scope, until, reason)
        elif until == 0.0 and scope in self.shelf.rests:
            self.note("unrest", scope)
            self.shelf.unrest(scope)

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        """See `Store.watch`."""
        waiter = self.queue.get(ticket_id)
        if waiter is None or waiter.held:
            self.called.append(called)
        else:
            waiter.called = called

    def read(self, options: Sequence[Option], now: float) -> list[OptionReading]:
        """See `Store.read`."""
        reserved = reserved_by_key(self.open.values())
        return [read_option(option, self.shelf, reserved, now) for option in options]

    def reset(self, options: Sequence[Option], now: float, *, windows: bool = False) -> None:
        """See `Store.reset`."""
        for option in options:
            for scope in option.scopes:
                self.note("unrest", scope)
                self.shelf.unrest(scope)
            subject = self.shelf.stand_in(option.subject)
            for key in list(self.shelf.learned.get(subject, ())):
                self.note("drop", key, now)
                self.shelf.drop(key, now)
            self.shelf.trails.pop(subject, None)
            if windows:
                for meter in self.shelf.of(option, now)[0]:
                    self.note("empty", meter.key, now)
                    self.empty(meter.key, now)
        serve_options(self, options, now)

    def nothing_in_flight(self) -> None:
        """After a fork, in the child: what is under way is the parent's to settle."""
        for known in self.open.values():
            for gate in known.gates:
                gate.slots.held = 0.0
                gate.eased()
            for meter in known.meters:
                meter.flying = meter.coming = 0.0
        for stats in self.shelf.stats.values():
            stats.opened = 0
        self.open.clear()
        self.coming.clear()
        self._leases.clear()
        self.queue = Queue()
        self.holding = 0

    # --- what operations are made of ---------------------------------------------------------------------------------

    def index(self, plan: Plan, now: float) -> PlanIndex:
        index = self._indexes.get(plan)
        if index is None:
            index = self._indexes[plan] = PlanIndex(plan, self.shelf, now)
        elif index.seen != len(self.shelf.changed):
            index.catch_up(self.shelf, now)
        return index

    def want(self, ask: Ask, now: float) -> Want:
        waiting = self.queue.waiting_for(ask.plan) if self.queue.by_id else 0
        return Want(ask, now, self.guards.soon, self.shelf.rests, waiting, len(self.open))

    def take(self, ask: Ask, want: Want, entry: Entry, at: float, asked_at: float) -> Reservation:
        """Charge every limit of an option from `at` on."""
        option, now, shelf = entry.option, want.now, self.shelf
        rested = shelf.wake(option, now, at) if want.rests else None
        reservation = Reservation(ask.id, entry.id, at, asked_at, at + self.lease, ask.demand, rested)
        subject = shelf.stand_in(option.subject) if shelf.stands else option.subject
        known = Open(reservation, subject, option.price, entry.meters, entry.gates, entry, ask)
        if at > now:
            known.scopes = option.scopes
        amounts = want.takes(entry) if entry.meters else []
        self.put(known, now, at, amounts)
        if self.shared:
            self.note("take", known, now, at, amounts)
        return reservation

    def put(self, known: Open, now: float, at: float, amounts: list[float]) -> None:
        """Enter a reservation, ours or another process's."""
        known.charge(now, at, amounts, self.guards.soon)
        if self.kindred.families:
            self.kindred.took(known, amounts)
        if known.subject:
            demand, trail = known.reservation.demand, self.shelf.trails.get(known.subject)
            if trail is None:
                trail = self.shelf.trail_of(known.subject)
            trail.sent(at, demand.requests, demand.input_tokens, demand.output_tokens)
        self.enter(known).served += 1

    def enter(self, known: Open) -> Stats:
        """Know a reservation by its id, until it is settled or expires. What is counted of its option."""
        reservation, stats = known.reservation, known.stats
        self.open[reservation.id] = known
        if stats is None:
            stats = known.stats = self.shelf.stats_of(reservation.deployment)
        stats.opened += 1
        if not known.due:
            self.coming[reservation.id] = known
        heappush(self._leases, (reservation.expires_at, reservation.id))
        if len(self._leases) > 2 * len(self.open) + 64:
            self._leases = [(known.reservation.expires_at, id_) for id_, known in self.open.items()]
            heapify(self._leases)
        return stats

    def end(
        self, reservation_id: str, now: float, actual: Sequence[float] | None = None, latency: float | None = None
    ) -> None:
        """A reservation is over: with what was used, or (None) with what was charged."""
        known = self.open.pop(reservation_id)
        if self.coming:
            self.coming.pop(reservation_id, None)
        if self.shared:
            self.note("end", reservation_id, now, actual, latency)
        stats = known.stats
        if stats is not None:
            stats.opened -= 1
            if latency is not None:
                stats.took(latency)
        known.settle(now, actual)

    def forgo(self, option_id: str, subject: str, at: float) -> None:
        """A grant for `at` was only tried: it neither served nor went out."""
        self.shelf.stats_of(option_id).served -= 1
        if subject:
            self.shelf.trail_of(subject).refused(at)

    def leave(self, ask_id: str) -> list[Gate]:
        """Out of the queue; the gates whose slots had been kept for it."""
        waiter = self.queue.get(ask_id)
        if waiter is None:
            return []
        self.note("leave", ask_id)
        gates = let_go(self, waiter) if waiter.held else []
        self.queue.remove(ask_id)
        return gates

    def _guard(self) -> None:
        """Go on with the guard that was learned."""
        self.guards = self.shelf.guards = Guards(self.jitter.delay, self.guards.edge)
        for meter in self.shelf.meters.values():
            meter.window.guarded(self.guards)

    def empty(self, key: str, now: float) -> None:
        """Forget what was counted in a limit, but for what is open."""
        meter = self.shelf.meters.get(key)
        if meter is None:
            return
        meter.restart(self.guards, now)
        for known in self.open.values():
            known.recharge(meter, now)
        meter.eased()

    # --- answering ---------------------------------------------------------------------------------------------------

    def _answer(
        self, ask: Ask, want: Want, index: PlanIndex, choice: Choice, waiter: Waiter | None,
        asked_at: float, give_up_at: float,
    ) -> Grant:  # fmt: skip
        if isinstance(choice, Queued):
            if waiter is None:
                waiter = self.queue.add(ask.id, ask, asked_at, give_up_at, ask.priority)
                waiter.gates, waiter.address = index.gates, self.address
                gates, requests = sorted(index.gates), ask.demand.requests
                self.note("wait", ask.id, gates, ask.priority, requests, asked_at, give_up_at, self.address)
            waiter.check_at = min(choice.check_at, self._next_lease_end(), want.now + self.check_every)
            return Ticket(ask.id, asked_at, waiter.check_at, give_up_at)
        if waiter is not None:
            self.leave(ask.id)
        if isinstance(choice, Taken):
            return self.take(ask, want, choice.entry, choice.at, asked_at)
        return Refusal(asked_at, choice.retry_at if choice.retry_at < inf else None, reasons(index, want))

    def _next_lease_end(self) -> float:
        while self._leases:
            expires_at, reservation_id = self._leases[0]
            known = self.open.get(reservation_id)
            if known is not None and known.reservation.expires_at == expires_at:
                return expires_at
            heappop(self._leases)
        return inf
