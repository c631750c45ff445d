"""Decisions and instants are those of the ledger in memory, operation by operation, on one clock that is turned."""

from __future__ import annotations

from random import Random

import pytest
from tests.stores.made import ask, at_a_time, in_order, option, plan

from rotor_core._demand import Demand, Expected
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Reservation, Ticket, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core.stores.memory import MemoryStore

ORG = BoundLimit("org", Limit("tokens", 900, 60.0, "rolling"))
PRICE = Price(1.0, 3.0)


def options_of(rng, round_, kind):
    """Options of all kinds of windows, some of them shared; `kind`: see `plans_of`."""
    kinds = ["bucket", "rolling", "calendar"]

    def limits():
        found = []
        for _ in range(rng.randint(0 if kind == "slots" else 1, 3)):
            unit, value = rng.choice(
                [
                    ("requests", rng.randint(2, 12)),
                    ("tokens", rng.randint(100, 900)),
                    ("output_tokens", rng.randint(60, 400)),
                ]
            )
            per = rng.choice(["second", "minute", 10.0, 30.0, "hour", "day"])
            counts = rng.choice(["usage", "requested"])
            zone = rng.choice(["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
            found.append(
                Limit(unit, value * (20 if per in {"hour", "day"} else 1), per, rng.choice(kinds), zone, counts)
            )
        return {(limit.unit, limit.per, limit.window): limit for limit in found}.values()

    made = []
    for n in range(rng.randint(1, 6)):
        more = [ORG] if rng.random() < 0.3 else []
        if kind == "slots":
            more.append(at_a_time(rng.randint(1, 3)))
        if rng.random() < 0.2:
            more.append(Limit("usd", 0.002, "minute", rng.choice(kinds[kind != "many" :])))
        made.append(option(f"o{round_}{n}", *limits(), *more, price=PRICE, scopes=("everywhere",)))
    return made


def plans_of(rng, options, kind):
    """Rounds of three kinds. `many`: demands of all sizes, nobody waits. `waits`: demands of one size. `slots`: tiers of one.

    What is left out is where the ledger in memory answers by how its index happens to stand: which of two options with
    the same instant goes first, and over how many holders those who wait for a slot are taken to spread.
    """
    found = {}
    for _ in range(3):
        chosen = rng.sample(options, rng.randint(1, len(options)))
        if kind == "slots":
            tiers = [Tier((one,), rng.choice([0.0, 2.0, 30.0])) for one in chosen]
        else:
            cut = rng.randint(1, len(chosen))
            tiers = [Tier(tuple(chosen[:cut]), rng.choice([0.0, 2.0, 30.0]))]
            if chosen[cut:]:
                tiers.append(Tier(tuple(chosen[cut:]), rng.choice([0.0, 5.0])))
        # Plans that are equal are one here, and two in memory.
        content = tuple((tuple(one.id for one in tier.options), tier.max_wait) for tier in tiers)
        found[content] = plan(*tiers, score=in_order())
    return list(found.values())


def demand_of(rng, kind):
    if kind != "many":
        return Demand(100, 50, 80)
    outputs = {"": Expected(rng.randint(1, 90), rng.choice([None, 120]), rng.choice([None, 300]), 1.1)}
    return Demand(
        rng.randint(1, 300),
        rng.randint(0, 100),
        rng.choice([None, 60, 200]),
        rng.choice([1, 1, 1, 2]),
        outputs=rng.choice([None, outputs]),
    )


def used_of(rng):
    return rng.choice(
        [AS_RESERVED, NOTHING_USED, Used(1, rng.randint(0, 400), rng.randint(0, 150)), Used(1, None, 20, 0.0003)]
    )


def told(grant):
    match grant:
        case Reservation():
            return ("granted", grant.deployment, grant.at, grant.asked_at, grant.rested)
        case Ticket():
            # When to ask again uncalled depends on leases of slots handed over, which a ledger in memory has no need of.
            return ("ticket", grant.asked_at, grant.give_up_at)
        case _:
            return ("refused", grant.retry_at, {name: (why.reason, why.detail) for name, why in grant.reasons.items()})


class Both:
    """Every operation on both ledgers; what differs fails at once."""

    def __init__(self, here, there, hands, rng):
        self.here, self.there, self.hands, self.rng = here, there, hands, rng
        self.open, self.tickets, self.ties, self.grants, self.done = {}, {}, 0, 0, 0

    def reserve(self, mine):
        a, b = self.here.reserve(mine), self.there.reserve(mine)
        self.done += 1
        self.tickets.pop(mine.id, None)
        if (
            isinstance(a, Reservation)
            and isinstance(b, Reservation)
            and a.at == b.at > self.hands.at
            and a.deployment != b.deployment
        ):
            self.ties += 1
            self.here.settle(a.id, NOTHING_USED)
            self.there.settle(a.id, NOTHING_USED)
            return
        assert told(a) == told(b)
        if isinstance(a, Reservation):
            self.open[a.id] = a
            self.grants += 1
        elif isinstance(a, Ticket):
            self.tickets[a.id] = (a, mine)

    def step(self, plans, kind):
        rng, hands = self.rng, self.hands
        what = rng.random()
        if what < 0.45:
            more = {"deadline": hands.at + rng.choice([-1.0, 0.01, 3.0, 40.0])} if rng.random() < 0.3 else {}
            wait = 0.0 if kind == "many" else rng.choice([0.0, 0.0, 1.0, 10.0, 25.0])
            one = rng.choice(plans)
            exclude = frozenset({one.options[0].id}) if rng.random() < 0.1 else frozenset()
            self.reserve(ask(one, demand=demand_of(rng, kind), max_wait=wait, exclude=exclude, **more))
        elif what < 0.75 and self.open:
            grant = self.open.pop(rng.choice(list(self.open)))
            used, latency = used_of(rng), rng.choice([None, 0.2, 1.5])
            self.here.settle(grant.id, used, latency)
            self.there.settle(grant.id, used, latency)
        elif what < 0.85 and self.open:
            grant = rng.choice(list(self.open.values()))
            if grant.at <= hands.at:
                hands.at += rng.choice([0.0, 0.001, 0.2])
                assert self.here.dispatched(grant.id) == self.there.dispatched(grant.id)
        elif what < 0.88:
            scopes = [one.scopes[0] for one in plans[0].options] + ["everywhere"] * (kind == "many")
            scope, until = rng.choice(scopes), hands.at + rng.uniform(0, 4)
            self.here.rest(scope, until, "tired")
            self.there.rest(scope, until, "tired")
        else:
            hands.at += rng.choice([0.0, 0.003, 0.5, 2.0, 9.0])
        for ticket, mine in list(self.tickets.values()):
            handed = self.here._book.open.get(ticket.id) is not None
            if handed or hands.at >= ticket.check_at or rng.random() < 0.2:
                self.reserve(mine)


@pytest.mark.parametrize("seed", range(12))
def test_thousands_of_random_operations_are_answered_alike(seed, make, hands):
    rng = Random(seed)
    here, there = MemoryStore(clock=hands), make(clock=hands)
    there._calls.listen()  # or nobody would be there to hear of a slot
    assert there._calls.ready.wait(10)
    both = Both(here, there, hands, rng)
    for round_, kind in enumerate(["many", "waits", "slots"] * 2):
        made = options_of(rng, round_, kind)
        plans = plans_of(rng, made, kind)
        for _ in range(60):
            both.step(plans, kind)
        for a, b in zip(here.read(made), there.read(made), strict=True):
            assert (a.available_at, a.resting, a.latency) == (b.available_at, b.resting, b.latency)
            assert both.ties or a.served == b.served
            for x, y in zip(a.limits, b.limits, strict=True):
                assert (x.key, x.limit, x.resets_at) == (y.key, y.limit, y.resets_at)
                assert (x.used, x.reserved) == pytest.approx((y.used, y.reserved), abs=1e-6)
    assert both.grants > 40
    assert both.ties <= 0.05 * both.done
