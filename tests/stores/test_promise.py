"""The two promises, in virtual time: no provider ever has to refuse, and what they would have given is taken."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from random import Random

import pytest
from tests.state.providers import FixedPeriods, RefillingBucket, SlidingLog
from tests.stores.made import START, ask, at_a_time, option, plan, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Ticket, Used
from rotor_core._model import BoundLimit, Limit

GUARD = 0.025


class Provider:
    """Counts every request in all of its windows; `refused` is how often it had to."""

    def __init__(self, rng, *limits):
        self.limits, self.refused, self.served, self.under_way, self.most = limits, 0, 0, 0, 0
        self.windows = []
        for limit in limits:
            if limit.window == "bucket":
                self.windows.append(RefillingBucket(limit.value, limit.seconds, START))
            elif limit.window == "rolling":
                self.windows.append(SlidingLog(limit.value, limit.seconds))
            elif limit.window == "calendar":
                self.windows.append(FixedPeriods(limit.value, limit.seconds, rng.uniform(-0.12, 0.12)))

    def arrive(self, t, tokens):
        timed = [limit for limit in self.limits if limit.window != "concurrency"]
        left = [w.count(t, 1 if x.unit == "requests" else tokens) for w, x in zip(self.windows, timed, strict=True)]
        self.refused += min(left, default=0) < -1e-6
        self.served += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)


def rush(store, hands, rng, of, providers, rate, seconds, max_wait, cancels=0.2):
    """A Poisson load; returns how many were answered, and how many refused by the ledger."""
    serial, todo, answered, refused = count(), [], 0, 0

    def at(t, *what):
        heappush(todo, (t, next(serial), what))

    t = START
    while t < START + seconds:
        t += rng.expovariate(rate)
        at(t, "ask", ask(of, demand=Demand(rng.randint(5, 60), rng.randint(0, 60)), max_wait=max_wait))
    while todo:
        hands.at, _, (what, *rest) = heappop(todo)
        if what == "ask":
            (mine,) = rest
            grant = store.reserve(mine)
            if isinstance(grant, Refusal):
                refused += 1
            elif isinstance(grant, Ticket):
                store.watch(grant.id, lambda mine=mine: at(hands.at, "ask", mine))
                at(grant.check_at, "check", mine)
            elif rng.random() < cancels:
                at(rng.uniform(hands.at, grant.at + 0.1), "cancel", grant)
            else:
                at(grant.at + rng.uniform(0, GUARD - 1e-6), "arrive", grant)
        elif what == "check":
            (mine,) = rest
            if store._book.queue.get(mine.id) is not None:
                at(hands.at, "ask", mine)
        elif what == "cancel":
            store.settle(rest[0].id, NOTHING_USED)
        elif what == "arrive":
            (grant,) = rest
            tokens = grant.demand.input_tokens + rng.randint(0, grant.demand.output_tokens)
            providers[grant.deployment].arrive(hands.at, tokens)
            at(hands.at + rng.uniform(0.1, 3.0), "done", grant, tokens)
        else:
            grant, tokens = rest
            providers[grant.deployment].under_way -= 1
            answered += 1
            used = Used(1, grant.demand.input_tokens, tokens - grant.demand.input_tokens)
            store.settle(grant.id, AS_RESERVED if rng.random() < 0.1 else used, latency=0.5)
    return answered, refused


MIXES = {
    "bucket": [Limit("requests", 20, 10.0), Limit("tokens", 900, 10.0)],
    "rolling": [Limit("requests", 20, 10.0, "rolling"), Limit("tokens", 900, 10.0, "rolling")],
    "calendar": [Limit("requests", 20, 10.0, "calendar"), Limit("tokens", 900, 10.0, "calendar")],
    "slots": [at_a_time(3), Limit("requests", 30, 10.0)],
    "mixed": [
        Limit("requests", 4, "second"),
        Limit("tokens", 900, 10.0, "rolling"),
        Limit("requests", 100, "minute", "calendar"),
    ],
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_wait", [0.0, 5.0])
def test_over_all_kinds_of_windows_with_cancels_no_provider_has_to_refuse(max_wait, seed):
    rng = Random(seed)
    store, hands = world(guard=GUARD)
    providers = {name: Provider(rng, *limits) for name, limits in MIXES.items()}
    of = plan(tuple(option(name, *limits) for name, limits in MIXES.items()))

    answered, refused = rush(store, hands, rng, of, providers, rate=15.0, seconds=60, max_wait=max_wait)

    assert {name: p.refused for name, p in providers.items()} == dict.fromkeys(providers, 0)
    assert providers["slots"].most <= 3
    assert refused > 0
    assert answered > 300
    assert store._book.open == {}
    assert len(store._book.queue) == 0


@pytest.mark.parametrize("kind", ["bucket", "rolling", "calendar"])
def test_what_a_provider_would_give_is_taken(kind):
    rng = Random(7)
    store, hands = world(guard=GUARD)
    limit = Limit("requests", 30, 10.0, kind)
    provider = {"a": Provider(rng, limit)}

    rush(store, hands, rng, plan(option("a", limit)), provider, rate=12.0, seconds=200, max_wait=2.0, cancels=0.3)

    most = 30 * 200 / 10.0 + (30 if kind == "bucket" else 0)
    assert provider["a"].refused == 0
    assert provider["a"].served >= 0.97 * most


def test_a_shared_quota_is_kept_over_options_and_plans():
    rng = Random(3)
    store, hands = world(guard=GUARD)
    limit = Limit("requests", 20, 10.0, "rolling")
    org = BoundLimit("org", limit)
    shared = Provider(rng, limit)
    of = plan((option("a", org), option("b", org)), option("c", org))

    rush(store, hands, rng, of, dict.fromkeys("abc", shared), rate=6.0, seconds=60, max_wait=3.0)

    assert shared.refused == 0
    assert shared.served >= 0.95 * 120


@pytest.mark.parametrize("seed", range(3))
def test_the_instant_of_a_refusal_is_true(seed):
    rng = Random(seed)
    store, hands = world()
    of = plan(tuple(option(name, *limits) for name, limits in MIXES.items() if name != "slots"))
    tried = 0
    for _ in range(400):
        hands.at += rng.expovariate(30.0)
        mine = Demand(rng.randint(5, 60), rng.randint(0, 60))
        grant = store.reserve(ask(of, demand=mine, max_wait=0.0))
        if isinstance(grant, Refusal):
            tried += 1
            hands.at = grant.retry_at - 0.03
            assert isinstance(store.reserve(ask(of, demand=mine, max_wait=0.0)), Refusal)
            hands.at = grant.retry_at
            assert isinstance(store.reserve(ask(of, demand=mine, max_wait=0.0)), Reservation)
    assert tried > 5
