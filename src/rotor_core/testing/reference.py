"""The ledger once more: slow, and plain enough to be believed. A store's every answer can be held against it.

Each limit keeps a list of charges (`naive`), each slot its holder, each question is answered by looking at everything.
It decides as a store does for plans whose options all score alike, where ties go by order:

- tiers in turn: the first option with room by `now + soon`, else the smallest instant that the tier is worth waiting
  for; when no tier has any, the smallest instant of all within the ask's waits; else a refusal that tells it;
- an option whose slots are all held competes with an estimate of when one is freed. How a store estimates is its own
  affair: `answers` gives every answer that some estimate leads to. Where slots may be kept for somebody in another
  process, it gives the answers of either case;
- charges stand at the grant's instant and move to the dispatch if that is later by more than `slip`; unsettled grants
  expire, which frees their slots and lets their charges age.

It does not decide: `accept` takes up what a store has answered, once `answers` has it among the right ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf, nextafter
from typing import NamedTuple

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Grant, Option, Refusal, Reservation, Ticket, Used
from rotor_core._model import SECONDS, BoundLimit
from rotor_core._state.window import Guards
from rotor_core.testing.amounts import amount_used, at_a_time, counts_calls, timed
from rotor_core.testing.naive import KINDS, Charge, Naive

SAME = 1e-6
"""Seconds, or units. Two answers that differ by less differ by rounding."""


class Take(NamedTuple):
    """A right answer: one of these options, from `at` on."""

    options: frozenset[str]
    at: float


class Wait(NamedTuple):
    """A right answer: a ticket."""


class Out(NamedTuple):
    """A right answer: a refusal that tells an instant between these two (both infinite: that nothing will ever fit)."""

    soonest: float
    latest: float


Answer = Take | Wait | Out


@dataclass(slots=True, eq=False)
class Held:
    """A reservation that is open: what it charged to which limit, and the slots that it holds. `promised`: for later."""

    reservation: Reservation
    option: Option
    charges: list[tuple[BoundLimit, Charge]]
    gates: tuple[str, ...]
    at: float
    promised: bool


@dataclass(slots=True, eq=False)
class Waiting:
    """An asker with a ticket, who has asked at `asked_at` and would rather be refused after `give_up_at`."""

    ask: Ask
    asked_at: float
    give_up_at: float


@dataclass(slots=True)
class Resting:
    """A scope that is out. `told`: a grant has said so."""

    until: float
    reason: str
    told: bool = False


@dataclass(slots=True)
class Slots:
    """A limit on calls at a time, and who is under way."""

    value: float
    holders: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def held(self) -> int:
        return sum(self.holders.values())


class Reference:
    """`keeps`: whether slots may be kept for waiters of other processes, which nobody can see from here."""

    def __init__(self, guards: Guards, lease: float, *, keeps: bool = False) -> None:
        self.guards, self.lease, self.keeps = guards, lease, keeps
        self.windows: dict[str, Naive] = {}
        self.gates: dict[str, Slots] = {}
        self.open: dict[str, Held] = {}
        self.line: dict[str, Waiting] = {}
        self.rests: dict[str, Resting] = {}

    # --- reserving ---------------------------------------------------------------------------------------------------

    def answers(self, ask: Ask, now: float) -> list[Answer]:
        """All right answers to an ask that is not served yet, whether it waits already or not."""
        waiting = self.line.get(ask.id) or self._begun(ask, now)
        found: list[Answer] = []
        for kept in self._kept(ask):
            looks = [self._look(tier.options, ask, now, kept) for tier in ask.plan.tiers]
            found += [a for a in self._choices(looks, ask, waiting, now) if a not in found]
        return found

    def right(self, ask: Ask, grant: Grant, now: float) -> bool:
        """Whether a store may answer so."""
        known = self.open.get(ask.id)
        if known is not None:
            # That it had rested, a store may say once.
            return (
                isinstance(grant, Reservation) and replace(grant, rested=known.reservation.rested) == known.reservation
            )
        return any(self._fits(ask, grant, answer, now) for answer in self.answers(ask, now))

    def accept(self, ask: Ask, grant: Grant, now: float) -> None:
        """Take up an answer that is right."""
        if ask.id in self.open:
            return
        if isinstance(grant, Ticket):
            self.line.setdefault(ask.id, self._begun(ask, now))
            return
        self.line.pop(ask.id, None)
        if isinstance(grant, Reservation):
            option = next(option for option in ask.plan.options if option.id == grant.deployment)
            self._wake(option, grant.at, now)
            amounts = [take for take, _ in self._amounts(option, ask.demand)]
            charges = [
                (bound, self._window(bound).charge(now, grant.at, amount))
                for bound, amount in zip(timed(option), amounts, strict=True)
            ]
            gates = tuple(bound.key for bound in at_a_time(option))
            for key in gates:
                self.gates[key].holders[ask.id] = ask.demand.requests
            self.open[ask.id] = Held(grant, option, charges, gates, grant.at, grant.at > now)

    def rested(self, option: Option, at: float, now: float) -> set[str | None]:
        """What a grant from `at` on may say of the option's rests: the reason of the first that nobody was told of.

        One that has been over for a day may be forgotten.
        """
        may: set[str | None] = set()
        for scope in option.scopes:
            rest = self.rests.get(scope)
            if rest is not None and rest.until <= at and not rest.told:
                may.add(rest.reason)
                if rest.until >= now - SECONDS["day"]:
                    return may
        return may | {None}

    # --- afterwards --------------------------------------------------------------------------------------------------

    def expired(self, now: float) -> Iterator[Held]:
        """End what has expired, one by one."""
        due = [held for held in self.open.values() if held.reservation.expires_at <= now]
        for held in sorted(due, key=lambda held: (held.reservation.expires_at, held.reservation.id)):
            self._end(held)
            yield held

    def dispatched(self, ident: str, now: float) -> float | None:
        """What a store answers to it. Charges move as it says."""
        held = self.open.get(ident)
        if held is None:
            return None
        if held.at > now:
            return held.at
        self.sent(ident, now)
        kept = [self._window(bound).holds(now) for bound, charge in held.charges if charge.amount]
        resting = held.promised and any(
            scope in self.rests and self.rests[scope].until > now for scope in held.option.scopes
        )
        return held.at if all(kept) and not resting else None

    def sent(self, ident: str, now: float) -> None:
        """It goes out now."""
        held = self.open.get(ident)
        if held is not None and now > held.at + self.guards.slip:
            for bound, charge in held.charges:
                self._window(bound).move(now, charge)
            held.at = now

    def settle(self, ident: str, used: Used, now: float) -> Held | None:
        """Replace what was reserved by what was used; what was open until now, if anything was."""
        self.line.pop(ident, None)
        held = self.open.get(ident)
        if held is None:
            return None
        for bound, charge in held.charges:
            actual = amount_used(bound.limit, held.option.price, held.reservation.demand, charge.amount, used)
            if actual != charge.amount:
                self._window(bound).change(now, charge, actual)
        self._end(held)
        return held

    def rest(self, scope: str, until: float, reason: str, now: float) -> None:
        """The longest rest wins, but for `until` 0, which ends it."""
        known = self.rests.get(scope)
        if until > now and (known is None or until > known.until):
            self.rests[scope] = Resting(until, reason)
        elif until == 0.0:
            self.rests.pop(scope, None)

    # --- looking -----------------------------------------------------------------------------------------------------

    def instant(self, option: Option, demand: Demand, now: float) -> float:
        """The first instant at which limits and rests let it through, whoever holds the slots."""
        if any(demand.requests > self._gate(bound).value for bound in at_a_time(option)):
            return inf
        return self.opens_at(option, [need for _, need in self._amounts(option, demand)], now)

    def opens_at(self, option: Option, amounts: Sequence[float], now: float) -> float:
        """The first instant from which its rests, and its limits with a period, let these amounts through."""
        t = max([now, *(self.rests[scope].until for scope in option.scopes if scope in self.rests)])
        wanted = [(self._window(b), amount) for b, amount in zip(timed(option), amounts, strict=True) if amount]
        while True:
            e = max([t, *(window.earliest(now, t, amount) for window, amount in wanted)])
            if e in {t, inf}:
                return e
            t = e

    def busy(self, option: Option, demand: Demand, kept: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Whether a slot is wanting; `kept`: where others wait for it, it is kept for one of them."""
        for bound in at_a_time(option):
            slots = self._gate(bound)
            if slots.held + demand.requests > slots.value:
                return True
            if kept and bound.key in self._wanted():
                return True
        return False

    def used(self, bound: BoundLimit, now: float) -> tuple[float, float]:
        """What is taken of a limit, and how much of that is reserved for calls that are not settled."""
        if counts_calls(bound.limit):
            held = self._gate(bound).held
            return held, held
        taken = self._window(bound).used(now)
        flying = [charge.amount for held in self.open.values() for b, charge in held.charges if b.key == bound.key]
        return taken, min(taken, sum(flying))

    def resets_at(self, bound: BoundLimit, now: float) -> float | None:
        """When all of a limit is free again."""
        return None if counts_calls(bound.limit) else self._window(bound).resets_at(now)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _begun(self, ask: Ask, now: float) -> Waiting:
        return Waiting(ask, now, min(now + ask.max_wait, inf if ask.deadline is None else ask.deadline))

    def _kept(self, ask: Ask) -> tuple[bool, ...]:
        wanted = self._wanted() if self.keeps else frozenset[str]()
        return (False, True) if any(b.key in wanted for o in ask.plan.options for b in o.limits) else (False,)

    def _wanted(self) -> frozenset[str]:
        plans = [waiting.ask.plan for waiting in self.line.values()]
        return frozenset(b.key for plan in plans for option in plan.options for b in at_a_time(option))

    def _look(self, options: Iterable[Option], ask: Ask, now: float, kept: bool) -> Look:  # noqa: FBT001
        free: list[tuple[float, str]] = []
        busy: list[float] = []
        for option in options:
            if option.id in ask.exclude:
                continue
            e = self.instant(option, ask.demand, now)
            if self.busy(option, ask.demand, kept):
                busy.append(e)
            else:
                free.append((e, option.id))
        return Look(free, [e for e in busy if e < inf])

    def _choices(self, looks: Sequence[Look], ask: Ask, waiting: Waiting, now: float) -> Iterator[Answer]:
        by = min(now + self.guards.soon, inf if ask.deadline is None else ask.deadline)
        patience = [min(waiting.asked_at + tier.max_wait, waiting.give_up_at) for tier in ask.plan.tiers]
        marks = [*patience, waiting.give_up_at, *(look.at for look in looks)]
        for guesses in product(*(look.guesses(marks, now) for look in looks)):
            yield _choice(looks, guesses, patience, waiting.give_up_at, by, now)

    def _fits(self, ask: Ask, grant: Grant, answer: Answer, now: float) -> bool:
        waiting = self.line.get(ask.id) or self._begun(ask, now)
        match answer, grant:
            case Take(options, at), Reservation():
                option = next((o for o in ask.plan.options if o.id == grant.deployment), None)
                return (
                    option is not None
                    and grant.deployment in options
                    and abs(grant.at - at) <= SAME
                    and (grant.id, grant.demand, grant.asked_at) == (ask.id, ask.demand, waiting.asked_at)
                    and abs(grant.expires_at - grant.at - self.lease) <= SAME
                    and grant.rested in self.rested(option, grant.at, now)
                )
            case Wait(), Ticket():
                told = grant.id, grant.asked_at, grant.give_up_at
                return told == (ask.id, waiting.asked_at, waiting.give_up_at) and grant.check_at <= grant.give_up_at
            case Out(soonest, latest), Refusal():
                if set(grant.reasons) != {option.id for option in ask.plan.options}:
                    return False
                if grant.retry_at is None:
                    return soonest == inf
                return soonest - SAME <= grant.retry_at <= latest + SAME
            case _:
                return False

    # --- bookkeeping -------------------------------------------------------------------------------------------------

    def _amounts(self, option: Option, demand: Demand) -> list[tuple[float, float]]:
        """What a call takes of each limit with a period, and what has to fit: as demands are charged everywhere."""
        flying = len(self.open)
        return [demand.charge(bound.limit, option.price, option.model, flying) for bound in timed(option)]

    def _window(self, bound: BoundLimit) -> Naive:
        found = self.windows.get(bound.key)
        if found is None:
            found = self.windows[bound.key] = KINDS[bound.limit.window](bound.limit, self.guards)
        return found

    def _gate(self, bound: BoundLimit) -> Slots:
        return self.gates.setdefault(bound.key, Slots(bound.limit.value))

    def _wake(self, option: Option, at: float, now: float) -> None:
        for scope in option.scopes:
            rest = self.rests.get(scope)
            if rest is not None and rest.until <= at:
                rest.told = True
                if rest.until <= now:
                    del self.rests[scope]

    def _end(self, held: Held) -> None:
        del self.open[held.reservation.id]
        for key in held.gates:
            del self.gates[key].holders[held.reservation.id]


class Look(NamedTuple):
    """A tier as it stands: `(instant, option)` for each option with slots, and the instants of those without."""

    free: list[tuple[float, str]]
    busy: list[float]

    @property
    def at(self) -> float:
        return min((e for e, _ in self.free), default=inf)

    @property
    def soonest(self) -> frozenset[str]:
        return frozenset(ident for e, ident in self.free if e <= self.at + SAME)

    def guesses(self, marks: Sequence[float], now: float) -> list[tuple[float, float]]:
        """When a slot may be thought to be free, and when the limits of that option are open: one for each difference."""
        found: list[tuple[float, float]] = [] if self.busy else [(inf, inf)]
        for e in sorted(set(self.busy)):
            first = nextafter(max(e, now), inf)
            later = {t for mark in marks if mark < inf for t in (mark, nextafter(mark, inf)) if t > first}
            found += [(at, e) for at in (first, *later, max([first, *later]) + 1e6)]
        return found


def _choice(
    looks: Sequence[Look], guesses: Sequence[tuple[float, float]], patience: Sequence[float], give_up_at: float,
    by: float, now: float,
) -> Answer:  # fmt: skip
    for look, (busy_at, _), patient in zip(looks, guesses, patience, strict=True):
        first = next((Take(frozenset((ident,)), e) for e, ident in look.free if e <= by), None)
        if first is not None:
            return first
        if patient > by:
            if look.at <= min(patient, busy_at):
                return Take(look.soonest, look.at)
            if busy_at <= patient:
                return Wait()
    soonest = min(looks, key=lambda look: look.at)
    busy_at = min(at for at, _ in guesses)
    queue = give_up_at > now and any(opens <= give_up_at for _, opens in guesses)
    if soonest.at <= give_up_at and not (queue and busy_at < soonest.at):
        return Take(soonest.soonest, soonest.at)
    if queue:
        return Wait()
    return Out(min([soonest.at, *(e for look in looks for e in look.busy)]), soonest.at)
