"""The ledger in memory: one process, every thread and event loop in it.

Each operation is one turn (`_turn`) under one lock: let go of what has expired, look, choose, take. Nothing in here
waits, so the async face is the blocking one. Whoever is to be called is called after the lock is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from weakref import WeakKeyDictionary

from rotor_core._errors import ConfigError
from rotor_core._ledger import AS_RESERVED, Ask, Grant, Option, OptionReading, Plan, Refusal, Reservation, Ticket, Used
from rotor_core._state.window import Guards
from rotor_core.stores._choose import Queued, Taken, choose
from rotor_core.stores._demand import Want
from rotor_core.stores._fork import LOCK, outlive_forks
from rotor_core.stores._index import Entry, PlanIndex
from rotor_core.stores._meters import Meters
from rotor_core.stores._open import Open, actual_amounts
from rotor_core.stores._queue import Queue, Waiter
from rotor_core.stores._readings import read_option, reserved_by_key
from rotor_core.stores._reasons import reasons
from rotor_core.stores._turn import Turns
from rotor_core.stores.clock import Clock

MISSES = 8
"""Waiters for whom room that came back in a window may be too small, before the others behind them are not tried."""


class MemoryStore:
    """A `Store` in this process's memory.

    `clock`: the instant, in seconds since the epoch. `guard`: seconds of spread between a decision and the provider's
    count. `edge`: the same at the turn of a calendar period, clock skew included. `lease`: seconds after its instant at
    which a reservation that nobody settled expires: its slots are freed, its charges stand, for it may have been sent.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] | None = None,
        guard: float = 0.025,
        edge: float = 0.150,
        lease: float = 600.0,
    ) -> None:
        self._clock = clock or Clock()
        self._lease = lease
        self._guards = Guards(guard, edge)
        self._soon = self._guards.soon
        self._turn = Turns(self._clock, self._expire)
        self._meters = Meters(self._guards)
        self._indexes: WeakKeyDictionary[Plan, PlanIndex] = WeakKeyDictionary()
        self._open: dict[str, Open] = {}
        self._leases: list[tuple[float, str]] = []
        self._queue = Queue()
        outlive_forks(self)

    @classmethod
    def named(cls, url: str = "memory://") -> MemoryStore:
        """The ledger of a URL: `memory://` is one in a process, `memory://name` another. Raises `ConfigError`."""
        scheme, separator, name = url.partition("://")
        if scheme != "memory" or not separator or "/" in name:
            raise ConfigError(
                "not the URL of a ledger in memory", key="store", value=url, expected="memory:// or memory://name"
            )
        with LOCK:
            store = _by_name.get(name)
            if store is None:
                store = _by_name[name] = cls()
            return store

    # --- the ledger --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._clock()

    def reserve(self, ask: Ask) -> Grant:
        with self._turn as now:
            known = self._open.get(ask.id)
            return known.reservation if known is not None else self._decide(ask, now)

    def dispatched(self, reservation_id: str) -> bool:
        with self._turn as now:
            known = self._open.get(reservation_id)
            if known is None:
                return False
            if now > known.at + self._guards.slip:
                known.move(now)
            return known.holds(now)

    def settle(self, reservation_id: str, used: Used, latency: float | None = None) -> None:
        with self._turn as now:
            if self._turn.nested:
                self._turn.later.append(lambda: self._settle(reservation_id, used, latency, now))
            else:
                self._settle(reservation_id, used, latency, now)

    def rest(self, scope: str, until: float, reason: str) -> None:
        with self._turn as now:
            if until > now:
                self._meters.rest(scope, until, reason)

    def watch(self, ticket_id: str, called: Callable[[], None]) -> None:
        with self._turn:
            waiter = self._queue.get(ticket_id)
            if waiter is not None:
                waiter.called = called
            else:
                self._turn.called.append(called)

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        with self._turn as now:
            reserved = reserved_by_key(self._open.values())
            return [read_option(option, self._meters, reserved, now) for option in options]

    def hold(self) -> None:
        """Before a fork: let the turn under way end, and none begin."""
        self._turn.hold()

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._turn.go_on()

    def start_over(self) -> None:
        """After a fork, in the child: another lock, and nothing in flight, for the parent settles what is its own."""
        self._turn.start_over()
        for known in self._open.values():
            for gate in known.entry.gates:
                gate.slots.held = 0.0
                gate.eased()
        self._open.clear()
        self._leases.clear()
        self._queue = Queue()

    def close(self) -> None:
        """Nothing to give back: others may hold the same ledger."""

    async def areserve(self, ask: Ask) -> Grant:
        return self.reserve(ask)

    async def adispatched(self, reservation_id: str) -> bool:
        return self.dispatched(reservation_id)

    async def asettle(self, reservation_id: str, used: Used, latency: float | None = None) -> None:
        self.settle(reservation_id, used, latency)

    async def arest(self, scope: str, until: float, reason: str) -> None:
        self.rest(scope, until, reason)

    async def aread(self, options: Sequence[Option]) -> list[OptionReading]:
        return self.read(options)

    async def aclose(self) -> None:
        self.close()

    # --- in a turn ---------------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        """Let go of reservations that nobody settled. What was sent is not known, so only their slots are given back."""
        while self._leases and self._leases[0][0] <= now:
            _, reservation_id = heappop(self._leases)
            expired = self._open.get(reservation_id)
            if expired is not None and expired.reservation.expires_at <= now:
                del self._open[reservation_id]
                self._free(expired, now)

    def _decide(self, ask: Ask, now: float) -> Grant:
        waiter = self._queue.get(ask.id)
        if waiter is not None:
            asked_at, give_up_at = waiter.asked_at, waiter.give_up_at
        else:
            asked_at, give_up_at = now, now + ask.max_wait
            if ask.deadline is not None and ask.deadline < give_up_at:
                give_up_at = ask.deadline
        index, want = self._index(ask.plan, now), self._want(ask, now)
        choice = choose(index, want, asked_at, give_up_at)
        if isinstance(choice, Queued):
            if waiter is None:
                waiter = self._queue.add(ask, asked_at, give_up_at)
            waiter.check_at = min(choice.check_at, self._next_lease_end())
            return Ticket(ask.id, asked_at, waiter.check_at, give_up_at)
        if waiter is not None:
            self._queue.remove(ask.id)
        if isinstance(choice, Taken):
            return self._take(ask, want, choice, asked_at)
        return Refusal(asked_at, choice.retry_at if choice.retry_at < inf else None, reasons(index, want))

    def _take(self, ask: Ask, want: Want, choice: Taken, asked_at: float) -> Reservation:
        entry, now, at = choice.entry, want.now, choice.at
        amounts = want.amounts.of(entry)
        marks = [meter.window.charge(now, at, amount) for meter, amount in zip(entry.meters, amounts, strict=True)]
        for gate in entry.gates:
            gate.slots.take(ask.demand.requests)
        rested = self._meters.wake(entry.option, now, at) if want.rests else None
        reservation = Reservation(ask.id, entry.option.id, at, asked_at, at + self._lease, ask.demand, rested)
        self._open[ask.id] = Open(reservation, entry, amounts, marks, now)
        heappush(self._leases, (reservation.expires_at, ask.id))
        if len(self._leases) > 2 * len(self._open) + 64:
            self._leases = [(known.reservation.expires_at, id_) for id_, known in self._open.items()]
            heapify(self._leases)
        entry.stats.served += 1
        entry.touched()
        return reservation

    def _settle(self, reservation_id: str, used: Used, latency: float | None, now: float) -> None:
        known = self._open.pop(reservation_id, None)
        if known is None:
            self._queue.remove(reservation_id)
            return
        if latency is not None:
            known.entry.stats.took(latency)
        if used is not AS_RESERVED:
            known.change(now, actual_amounts(known, used))
        self._free(known, now)

    def _free(self, known: Open, now: float) -> None:
        """Give back the slots of a reservation that is over, and let those who wait for one have it."""
        known.release(now)
        if len(self._queue):
            self._serve(known.entry, now)

    def _serve(self, freed: Entry, now: float) -> None:
        """Choose again for those in the queue, in order, over their whole plans, while a slot is free."""
        keys = {bound.key for bound in freed.option.limits}
        plans = [plan for plan in self._queue.plans() if not keys.isdisjoint(self._index(plan, now).keys)]
        misses = 0
        for waiter in self._queue.in_order(plans):
            if waiter.give_up_at < now:
                if waiter.give_up_at + self._lease < now:
                    self._queue.remove(waiter.ask.id)
                continue  # it will ask once more, and be refused, unless its asker is gone
            placed = self._place(waiter, now)
            if placed and waiter.called is not None:
                self._turn.called.append(waiter.called)
            misses += not placed
            more = any(gate.slots.fits(1) for gate in freed.gates) if freed.gates else misses < MISSES
            if not more:
                return

    def _place(self, waiter: Waiter, now: float) -> bool:
        """Make the reservation that a waiter's ticket is for, if there is something for it now.

        Where a slot is free and only a window is not yet, the waiter may have to ask again earlier than it knows.
        """
        ask = waiter.ask
        want = self._want(ask, now)
        choice = choose(self._index(ask.plan, now), want, waiter.asked_at, waiter.give_up_at)
        if not isinstance(choice, Taken):
            if isinstance(choice, Queued) and choice.check_at < waiter.check_at and waiter.called is not None:
                self._turn.called.append(waiter.called)
            return False
        self._queue.remove(ask.id)
        self._take(ask, want, choice, waiter.asked_at)
        return True

    def _index(self, plan: Plan, now: float) -> PlanIndex:
        index = self._indexes.get(plan)
        if index is None:
            index = self._indexes[plan] = PlanIndex(plan, self._meters, now)
        return index

    def _want(self, ask: Ask, now: float) -> Want:
        by = now + self._soon
        if ask.deadline is not None and ask.deadline < by:
            by = ask.deadline
        return Want(ask, now, by, self._meters.rests, self._queue.waiting_for(ask.plan) if len(self._queue) else 0)

    def _next_lease_end(self) -> float:
        while self._leases:
            expires_at, reservation_id = self._leases[0]
            known = self._open.get(reservation_id)
            if known is not None and known.reservation.expires_at == expires_at:
                return expires_at
            heappop(self._leases)
        return inf


_by_name: dict[str, MemoryStore] = {}

open_memory_store = MemoryStore.named
"""The factory that stands for `memory://` in configurations."""
