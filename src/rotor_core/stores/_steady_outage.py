"""One absence of the shared ledger: what happens here meanwhile, and how it is carried over when the ledger is back.

Requests go on with a stand-in that begins with what was last seen of each limit and holds this process to its share.
On return, what is under way is reserved there under an id of its own, to be settled there; what was used and still
counts is reserved and settled there, one entry for each limit. Limits that were only learned, and not declared, are not
carried over: the next answer's own figures correct those.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakKeyDictionary

from rotor_core._errors import StoreError
from rotor_core._ledger import (
    AS_RESERVED,
    NOTHING_USED,
    Ask,
    Grant,
    Option,
    OptionReading,
    Plan,
    Refusal,
    Reservation,
    Ticket,
    Tier,
    Used,
)
from rotor_core.stores._steady_local import StandIn
from rotor_core.stores._steady_share import fitted, part_of
from rotor_core.stores._steady_tab import Tab, alone
from rotor_core.stores.base import Store

PATIENCE_THERE: Final = 120.0
"""Seconds up to which what is carried over may be entered as of a later instant, where there is no room for it now."""

Whole = dict[str, tuple[Option, OptionReading]]


class Outage:
    """`share`: this process's part of the limits. `clock`: the shared ledger's, as far as it is known.

    `under_way`: this process's reservations there. `glance`: what was last seen there. `cause`: the store's last word.
    """

    def __init__(
        self,
        since: float,
        cause: StoreError,
        share: float,
        clock: Callable[[], float],
        glance: Callable[[Sequence[Option]], list[OptionReading]],
        under_way: Callable[[], Collection[Reservation]],
    ) -> None:
        self.since, self.cause, self.share = since, cause, share
        self._name = f"over-{secrets.token_hex(6)}"
        self.granted = self._entered = 0
        self.local = StandIn(clock=clock)
        self._clock, self._glance, self._under_way = clock, glance, under_way
        self._lock = threading.Lock()
        self._tab = Tab()
        self._past: list[tuple[int, Tab]] = []
        self._plans: WeakKeyDictionary[Plan, tuple[Plan, Whole]] = WeakKeyDictionary()
        self._held: dict[tuple[str, ...], Option] = {}
        self._mine: set[str] = set()
        self._there: dict[str, str] = {}
        self._tickets: set[str] = set()

    @property
    def reason(self) -> str:
        """What the store said last, in one line."""
        return " ".join(str(self.cause).split()) or type(self.cause).__name__

    # --- while it lasts ----------------------------------------------------------------------------------------------

    def reserve(self, ask: Ask) -> Grant:
        plan, whole = self._plan(ask.plan)
        grant = self.local.reserve(replace(ask, plan=plan))
        if isinstance(grant, Refusal) and grant.retry_at is None:
            smaller = fitted(replace(ask, plan=plan), whole)
            if smaller is not None:
                grant = self.local.reserve(smaller)
        if isinstance(grant, Reservation):
            grant = replace(grant, demand=ask.demand)
        with self._lock:
            if isinstance(grant, Ticket):
                self._tickets.add(ask.id)
                return grant
            self._tickets.discard(ask.id)
            if isinstance(grant, Reservation) and ask.id not in self._mine:
                self._mine.add(ask.id)
                self.granted += 1
                option = next(o for o in ask.plan.options if o.id == grant.deployment)
                self._tab.grant(grant, option, self._clock())
        return grant

    def knows(self, reservation_id: str) -> bool:
        """Whether a reservation, or a place in a queue, is the stand-in's."""
        return reservation_id in self._mine or reservation_id in self._tickets

    def settle(self, reservation_id: str, used: Used, latency: float | None) -> str | None:
        """What the stand-in knows of it. Returns the id under which the shared ledger has it, where it has."""
        self.local.settle(reservation_id, used, latency)
        with self._lock:
            self._mine.discard(reservation_id)
            self._tickets.discard(reservation_id)
            self._tab.settle(reservation_id, used, self._clock())
            return self._there.pop(reservation_id, None)

    def read(self, options: Sequence[Option]) -> list[OptionReading]:
        """What this process is held to. `declared` is the limit that its share is a share of."""
        whole = self._glance(options)
        held = [self._part(option, reading) for option, reading in zip(options, whole, strict=True)]
        return [
            replace(
                here,
                served=there.served + here.served,
                latency=there.latency if here.latency is None else here.latency,
                limits=tuple(
                    replace(now, declared=was.limit) for now, was in zip(here.limits, there.limits, strict=True)
                ),
            )
            for here, there in zip(self.local.read(held), whole, strict=True)
        ]

    def _plan(self, plan: Plan) -> tuple[Plan, Whole]:
        """The plan, its options held to their share; and each with its limits as they are."""
        with self._lock:
            known = self._plans.get(plan)
        if known is not None:
            return known
        whole: Whole = {}
        for option, reading in zip(plan.options, self._glance(plan.options), strict=True):
            whole[option.id] = self._part(option, reading), reading
        tiers = tuple(Tier(tuple(whole[o.id][0] for o in tier.options), tier.max_wait) for tier in plan.tiers)
        made = Plan(tiers, plan.score), whole
        with self._lock:
            return self._plans.setdefault(plan, made)

    def _part(self, option: Option, reading: OptionReading) -> Option:
        key = (option.id, *(limit.key for limit in reading.limits))
        with self._lock:
            held = self._held.get(key)
        if held is None:
            held = part_of(option, reading, self.share)
            ours = [r for r in self._under_way() if r.deployment == option.id]
            self.local.seed(held, reading, self.share, ours)
            with self._lock:
                held = self._held.setdefault(key, held)
        return held if held.scopes == option.scopes else replace(held, scopes=option.scopes)

    # --- the return --------------------------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be carried over."""
        with self._lock:
            return not self._tab and not self._past

    def carry_over(self, store: Store) -> None:
        """Tell the shared ledger what happened here. Raises `StoreError`; may be repeated.

        What happens here meanwhile is for the next time.
        """
        with self._lock:
            under_way = self._tab.take_under_way(self._clock())
            for _, reservation in under_way:
                self._there[reservation.id] = f"{self._name}~{reservation.id}"
            self._entered += 1
            self._past.append((self._entered, self._tab))
            self._tab = Tab()
        try:
            while under_way:
                option, reservation = under_way[-1]
                self._enter(store, option, reservation, f"{self._name}~{reservation.id}")
                under_way.pop()
        except BaseException:
            self._take_back(under_way)
            raise
        while self._past:
            number, past = self._past[0]
            for debt in past.debts(self._clock()):
                ident = f"{self._name}-{number}-{debt.key}"
                store.reserve(Ask(ident, debt.plan, debt.demand, max_wait=debt.limit.seconds + PATIENCE_THERE))
                past.paid(debt.key)  # from here on: unsettled, it would expire, and its charge stand
                store.settle(ident, AS_RESERVED)
            self._past.pop(0)

    def _enter(self, store: Store, option: Option, reservation: Reservation, ident: str) -> None:
        """Reserve there what is under way here. Where the shared ledger has no room for it, it goes without."""
        ask = Ask(ident, alone(replace(option, scopes=())), reservation.demand, max_wait=PATIENCE_THERE)
        grant = store.reserve(ask)
        if isinstance(grant, Ticket):
            store.settle(ident, NOTHING_USED)

    def _take_back(self, under_way: Sequence[tuple[Option, Reservation]]) -> None:
        """The shared ledger went away again: these are under way here still."""
        with self._lock:
            for option, reservation in under_way:
                self._there.pop(reservation.id, None)
                if reservation.id in self._mine:
                    self._tab.grant(reservation, option, self._clock())

    def leave_queues(self) -> None:
        """Those who wait here for a slot will wait there."""
        with self._lock:
            tickets, self._tickets = self._tickets, set()
        for ticket_id in tickets:
            self.local.settle(ticket_id, NOTHING_USED)
