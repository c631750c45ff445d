"""Outages that call themselves limits, and rests that come after a promise: what a crowd of callers makes of them."""

from __future__ import annotations

from random import Random

import pytest
from tests.kernel.made import catalog, deployment

from rotor_core import Limit
from rotor_core._model import Deployment, Policy, Price
from rotor_core._outcome import Failure
from rotor_core.simulate.report import Arrival, Verdict
from rotor_core.simulate.world import NOON, World


class Silent:
    """`a` and later `b` refuse everybody for half a minute, and say nothing more."""

    def __init__(self) -> None:
        self.refused = 0

    def arrive(self, at: float, to: Deployment, _: Arrival) -> Verdict:
        out = {"a/m#1": (60, 90), "b/m#1": (150, 180)}[to.id]
        if out[0] <= at - NOON < out[1]:
            self.refused += 1
            return Verdict(Failure("rate_limit", status=429))
        return Verdict(seconds=0.5)


@pytest.mark.parametrize("limits", [(), None], ids=["known to have none", "not known"])
def test_an_outage_that_calls_itself_a_limit_leaves_no_limit_behind(limits):
    random, at, arrivals = Random(1), 0.0, []
    for _ in range(4500):
        at += random.expovariate(15)
        arrivals.append(Arrival(at, 10, 20, 5, patience=30.0))
    upstream = Silent()
    world = World(catalog(deployment("a", limits=limits), deployment("b", limits=limits)), upstream, 1)

    report = world.run(arrivals)

    assert report.answered == report.offered == 4500
    assert upstream.refused < 40
    assert report.quantile(0.95) < 2.0


class Told:
    """Refuses everybody from the fifth second on, and says until when."""

    def __init__(self) -> None:
        self.refused = 0

    def arrive(self, at: float, _: Deployment, __: Arrival) -> Verdict:
        since = at - NOON
        if 5 <= since < 25:
            self.refused += 1
            return Verdict(Failure("rate_limit", retry_after=25 - since))
        return Verdict(seconds=0.1)


def test_a_crowd_that_was_promised_a_grant_is_not_sent_into_a_rest():
    upstream = Told()
    one = deployment(limits=(Limit("requests", 60, "minute", "bucket"),))
    world = World(catalog(one, policy=Policy(max_wait=60)), upstream, 1)

    report = world.run([Arrival(0.01 * n, 10, 20, 5) for n in range(90)])

    assert report.answered == 90
    assert upstream.refused <= 2


class Fickle:
    """`a` fails every second request; `b` serves, and costs money."""

    def __init__(self) -> None:
        self.asked = {"a/m#1": 0, "b/m#1": 0}

    def arrive(self, _: float, to: Deployment, __: Arrival) -> Verdict:
        self.asked[to.id] += 1
        if to.id == "a/m#1" and self.asked["a/m#1"] % 2:
            return Verdict(Failure("server_error", status=500), seconds=0.05)
        return Verdict(seconds=0.2)


def test_who_fails_every_second_request_is_asked_no_more_often_than_there_are_retries_for_it():
    random, at, arrivals = Random(1), 0.0, []
    for _ in range(8000):
        at += random.expovariate(400)
        arrivals.append(Arrival(at, 10, 20, 5, patience=30.0))
    upstream = Fickle()
    world = World(
        catalog(
            deployment("a", limits=(), price=Price(0, 0)),
            deployment("b", limits=(), price=Price(1, 1)),
        ),
        upstream,
        1,
    )

    report = world.run(arrivals)

    assert report.answered == report.offered == 8000
    assert upstream.asked["a/m#1"] > 2000  # and it serves what it can, for free


def test_who_is_fickle_and_alone_is_asked_all_the_same_and_at_once():
    upstream = Fickle()
    world = World(catalog(deployment("a", limits=())), upstream, 1)

    report = world.run([Arrival(n / 100, 10, 20, 5, patience=30.0) for n in range(1000)])

    assert upstream.asked["a/m#1"] >= 1000
    assert report.answered > 600
    assert report.quantile(0.25) < 0.25  # those that do not fail need not wait for anything
