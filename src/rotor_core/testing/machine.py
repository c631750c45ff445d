"""Any sequence of operations on a store: each answer is held against the reference, each limit against its provider.

`machine` makes the class that hypothesis runs. Each rule does one thing to a store and to the reference alike; which of
a ledger's stores does it is drawn as well, where it has two. After every step

- what the store reads is what the reference counts;
- no provider, counting each call that was sent anywhere within its guard, has seen more than its limit;
- nobody holds a slot too many.

A waiting asker redeems its ticket as soon as the store says that it is worth it. Who else has waited longer and could
have been served must not have been passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Ask, Grant, Option, Plan, Reservation, Used
from rotor_core._model import BoundLimit
from rotor_core._state.window import Guards
from rotor_core.stores.base import Store
from rotor_core.testing.amounts import amount_used, counts_calls
from rotor_core.testing.hands import Hands
from rotor_core.testing.naive import Bucket
from rotor_core.testing.plans import STARTS, TICK, demands, plans, spans, uses
from rotor_core.testing.providers import Arrival, overdrawn
from rotor_core.testing.reference import SAME, Held, Reference, Take

GUARDS = Guards(1 / 32, 5 / 32)
"""On the grid, so that instants are exact."""

LEASE = 64.0

Picked = st.integers(0, 2**16)


@dataclass(slots=True)
class Sent:
    """A call that its provider has counted."""

    at: float
    amounts: dict[str, float]


@dataclass(slots=True)
class Ledger:
    """The stores on one ledger, which the machine is run against, and how to be done with them."""

    stores: Sequence[Store]
    close: Callable[[], None]


class Machine(RuleBasedStateMachine):
    """`opened` gives a fresh ledger on a clock. `steps_taken` counts the rules that were run, over all examples."""

    opened: Callable[[Hands], Ledger]
    steps_taken = 0

    def __init__(self) -> None:
        super().__init__()
        self.hands = Hands()
        self.ledger = type(self).opened(self.hands)
        self.stores = self.ledger.stores
        self.reference = Reference(GUARDS, LEASE, keeps=len(self.stores) > 1)
        self.plans: list[Plan] = []
        self.options: list[Option] = []
        self.limits: dict[str, BoundLimit] = {}
        self.asks: dict[str, tuple[Ask, Store]] = {}
        self.sent: dict[str, Sent] = {}
        self.served: dict[str, int] = {}
        self.skew = 0.0
        self._names = count()
        self._reads = count()

    def teardown(self) -> None:
        self.ledger.close()

    @property
    def now(self) -> float:
        return self.hands.at

    # --- rules -------------------------------------------------------------------------------------------------------

    @initialize(made=plans(), start=st.sampled_from(STARTS), skew=st.sampled_from([0.0, -0.1, 0.1]))
    def begin(self, made: list[Plan], start: float, skew: float) -> None:
        self.hands.at, self.plans, self.skew = start, made, skew
        self.options = list({option.id: option for plan in made for option in plan.options}.values())
        self.limits = {bound.key: bound for option in self.options for bound in option.limits}

    @rule(seconds=spans())
    def time_passes(self, seconds: float) -> None:
        self._turn_to(self.now + seconds)

    @rule(pick=Picked, ticks=st.sampled_from([-1, 0, 0, 1]))
    def time_comes_to_something(self, pick: int, ticks: int) -> None:
        """To the instant of a grant, the end of a lease, or one at which a limit is free again; or just beside it."""
        ref = self.reference
        instants = [t for held in ref.open.values() for t in (held.at, held.reservation.expires_at)]
        instants += [t for bound in self.limits.values() if (t := ref.resets_at(bound, self.now)) is not None]
        instants += [t + GUARDS.edge for t in instants]
        later = sorted({round(t / TICK) * TICK + ticks * TICK for t in instants})
        later = [t for t in later if t > self.now]
        if later:
            self._turn_to(later[pick % len(later)])

    @rule(
        pick=Picked, by=Picked, demand=demands(), exclude=st.sampled_from([False, False, False, True]),
        wait=st.sampled_from([0.0, 0.0, 0.5, 5.0, 30.0, 120.0, 4000.0]),
        deadline=st.sampled_from([None, None, None, -1.0, 0.0, 8 * TICK, 1.0, 20.0]),
    )  # fmt: skip
    def somebody_asks(
        self, pick: int, by: int, demand: Demand, exclude: bool, wait: float, deadline: float | None  # noqa: FBT001
    ) -> None:  # fmt: skip
        plan = self.plans[pick % len(self.plans)]
        out = frozenset((plan.options[pick % len(plan.options)].id,)) if exclude else frozenset[str]()
        limit = None if deadline is None else self.now + deadline
        self._ask(Ask(f"ask-{next(self._names)}", plan, demand, limit, wait, out), self._store(by))

    @rule(pick=Picked, by=Picked)
    def somebody_asks_again(self, pick: int, by: int) -> None:
        """With an id that is open, waits, or is long over."""
        known = list(self.asks.values())
        if known:
            ask, store = known[pick % len(known)]
            self._ask(ask, store if ask.id in self.reference.line else self._store(by))

    @precondition(lambda self: self.reference.open)
    @rule(pick=Picked, by=Picked, delay=st.sampled_from([0.0, 0.5, 1.0]))
    def somebody_sends(self, pick: int, by: int, delay: float) -> None:
        waiting = [ident for ident in self.reference.open if ident not in self.sent]
        if not waiting:
            return
        ident = waiting[pick % len(waiting)]
        expected = self.reference.dispatched(ident, self.now)
        at = self._store(by).dispatched(ident)
        assert _same(at, expected), f"{ident} may go out at {at}, and by the reference at {expected}"
        if at is None:
            self._settle(ident, NOTHING_USED, self._store(by))
        elif at <= self.now:
            self._store(by).sent(ident)
            self.reference.sent(ident, self.now)
            held = self.reference.open[ident]
            until = held.at + GUARDS.delay
            amounts = {bound.key: charge.amount for bound, charge in held.charges}
            self.sent[ident] = Sent(self.now + delay * max(0.0, until - self.now), amounts)

    @precondition(lambda self: self.reference.open)
    @rule(pick=Picked, by=Picked, used=uses())
    def a_call_ends(self, pick: int, by: int, used: Used) -> None:
        ids = list(self.reference.open)
        self._settle(ids[pick % len(ids)], used, self._store(by))

    @precondition(lambda self: self.asks)
    @rule(pick=Picked, by=Picked, used=uses())
    def something_is_settled(self, pick: int, by: int, used: Used) -> None:
        """Whatever it is by now: open, waiting, or settled long ago."""
        ids = list(self.asks)
        ident = ids[pick % len(ids)]
        store = self.asks[ident][1] if ident in self.reference.line else self._store(by)
        self._settle(ident, used, store)

    @rule(pick=Picked, by=Picked, seconds=st.sampled_from([0.0, 1.0, 5.0, 60.0, 4000.0]))
    def something_is_put_to_rest(self, pick: int, by: int, seconds: float) -> None:
        scopes = sorted({scope for option in self.options for scope in option.scopes})
        scope, until = scopes[pick % len(scopes)], self.now + seconds if seconds else 0.0  # 0 ends what there is
        self._store(by).rest(scope, until, f"for {seconds:g} s")
        self.reference.rest(scope, until, f"for {seconds:g} s", self.now)

    # --- invariants --------------------------------------------------------------------------------------------------

    @invariant()
    def what_is_read_is_what_was_counted(self) -> None:
        type(self).steps_taken += 1
        store = self._store(next(self._reads))
        for option, reading in zip(self.options, store.read(self.options), strict=True):
            assert reading.id == option.id
            granted = self.served.get(option.id, 0)
            assert reading.served == granted, (
                f"{option.id} was granted {granted} times, and is said to be {reading.served}"
            )
            rests = [r.until for s in option.scopes if (r := self.reference.rests.get(s)) and r.until > self.now]
            assert reading.rests_until == max(rests, default=None)
            assert [limit.key for limit in reading.limits] == [bound.key for bound in option.limits]
            if not any(counts_calls(bound.limit) for bound in option.limits):
                smallest = [Demand(1, 1).amount(bound.limit, option.price) for bound in option.limits]
                at = self.reference.opens_at(option, smallest, self.now)
                assert _same(reading.available_at, None if at == inf else at), f"{option.id} is available at {at}"
            for bound, got in zip(option.limits, reading.limits, strict=True):
                taken, reserved = self.reference.used(bound, self.now)
                unsure = len(self.reference.line) if self.reference.keeps and counts_calls(bound.limit) else 0
                text = f"{bound.key}: {got}, and by the reference {taken} taken, {reserved} of it reserved"
                assert -SAME <= got.used + got.reserved - taken <= SAME + 2 * unsure, text
                assert -SAME <= got.reserved - reserved <= SAME + 2 * unsure, text
                assert abs(got.remaining - max(0.0, bound.limit.value - got.used - got.reserved)) <= SAME, text
                assert _same(got.resets_at, self.reference.resets_at(bound, self.now)), text

    @invariant()
    def no_provider_has_to_refuse(self) -> None:
        for bound in self.limits.values():
            arrivals = [
                Arrival(sent.at, sent.amounts[bound.key]) for sent in self.sent.values() if bound.key in sent.amounts
            ]
            if not counts_calls(bound.limit):
                over = overdrawn(bound.limit, arrivals, self.skew)
                assert not over, f"{bound.key}, {bound.limit}: {over} too many in {sorted(arrivals)}"

    @invariant()
    def no_slot_is_held_twice(self) -> None:
        for key, slots in self.reference.gates.items():
            assert slots.held <= slots.value, f"{key}: {slots.held} at a time, of {slots.value}"

    @invariant()
    def a_bucket_counts_no_less_than_there_was(self) -> None:
        for window in self.reference.windows.values():
            if isinstance(window, Bucket):
                window.used(self.now)
                assert max(window.tat, self.now) >= window.exact() - SAME

    # --- what rules are made of --------------------------------------------------------------------------------------

    def _store(self, pick: int) -> Store:
        return self.stores[pick % len(self.stores)]

    def _turn_to(self, at: float) -> None:
        self.hands.at = at
        self._store(0).read(())
        for ident, waiting in list(self.reference.line.items()):
            if waiting.give_up_at + LEASE < at:  # whoever was away for so long may have been forgotten
                self._settle(ident, NOTHING_USED, self.asks[ident][1])
        expired = list(self.reference.expired(at))
        for held in expired:
            self._over(held)
        self._serve(expired)
        for ident, waiting in list(self.reference.line.items()):
            if waiting.give_up_at < at:
                self._ask(*self.asks[ident])

    def _ask(self, ask: Ask, store: Store) -> None:
        self.asks[ask.id] = ask, store
        self._take_up(ask, store.reserve(ask))
        self._serve([])

    def _take_up(self, ask: Ask, grant: Grant) -> None:
        ref, known = self.reference, ask.id in self.reference.open
        right = ref.right(ask, grant, self.now)
        assert right, f"{ask.id} at {self.now}: {grant}; right would be {ref.answers(ask, self.now)}"
        ref.accept(ask, grant, self.now)
        if isinstance(grant, Reservation) and not known:
            self.served[grant.deployment] = self.served.get(grant.deployment, 0) + 1

    def _settle(self, ident: str, used: Used, store: Store) -> None:
        assert not store.settle(ident, used, 1.0)
        held = self.reference.settle(ident, used, self.now)
        if held is not None:
            self._known_at_last(held, used)
            self._serve([held])

    def _known_at_last(self, held: Held, used: Used) -> None:
        """A provider counts what a call has used, if that is no more than was reserved: what is more, nobody could know."""
        sent, reserved = self._over(held), held.reservation.demand
        if sent is None:
            return
        for bound, _ in held.charges:
            was = sent.amounts[bound.key]
            actual = amount_used(bound.limit, held.option.price, reserved, was, used)
            sent.amounts[bound.key] = min(was, actual)

    def _over(self, held: Held) -> Sent | None:
        """What was sent for a reservation that is over; its id may be used again."""
        sent = self.sent.pop(held.reservation.id, None)
        if sent is not None:
            self.sent[f"{held.reservation.id} #{next(self._names)}"] = sent
        return sent

    def _serve(self, ended: Sequence[Held]) -> None:
        """Have all redeem their tickets who are called, and see that they are those whose turn it is."""
        freed = {key for held in ended for key in held.gates} if len(ended) == len(self.stores) == 1 else set[str]()
        for _ in range(len(self.reference.line) + 1):
            called = [ident for ident in list(self.reference.line) if self._is_called(ident)]
            for ident in list(self.reference.line):
                ask, store = self.asks[ident]
                if ident in called:
                    self._take_up(ask, store.reserve(ask))
                elif freed:
                    self._not_passed_over(ask, freed)
            if not called:
                return

    def _is_called(self, ident: str) -> bool:
        called: list[str] = []
        self.asks[ident][1].watch(ident, lambda: called.append(ident))
        return bool(called)

    def _not_passed_over(self, ask: Ask, freed: set[str]) -> None:
        free = {o.id for o in ask.plan.options if any(bound.key in freed for bound in o.limits)}
        answers = self.reference.answers(ask, self.now)
        if self.reference.line[ask.id].give_up_at < self.now:
            return
        served = all(isinstance(answer, Take) and answer.options <= free for answer in answers)
        assert not served, f"{ask.id} was passed over: it could have {answers}"


def machine(opened: Callable[[Hands], Ledger]) -> type[Machine]:
    """The machine for one kind of store. `opened` gives a fresh ledger, kept by `GUARDS` and `LEASE`, on a clock."""
    return type("Machine", (Machine,), {"opened": staticmethod(opened), "steps_taken": 0})


def _same(a: float | None, b: float | None) -> bool:
    return a is b or (a is not None and b is not None and abs(a - b) <= SAME)


__all__ = ["GUARDS", "LEASE", "Ledger", "Machine", "machine"]
