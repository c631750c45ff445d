"""A call that is late is joined by a second one where capacity is plentiful: who wins, who is settled as what, what is left."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from tests.kernel.made import FREE, PAID, answer, catalog, deployment, failure, reservation, work
from tests.virtual_time import in_virtual_time
from tests.waiting import until

from rotor_core import Limit, Policy, Price, Rotor, _drive, _racing
from rotor_core import _commands as c
from rotor_core._adrive import adrive
from rotor_core._errors import AttemptsFailed, StoreError
from rotor_core._events import Answered, BreakerOpened, Failed, Recovered, Selected
from rotor_core._flow import run
from rotor_core._health import Bar, Ending, Guards
from rotor_core._outcome import Usage
from rotor_core._policy.plan import scopes
from rotor_core._ports import Ports
from rotor_core._request import Request
from rotor_core.adapters.base import dispatching
from rotor_core.observe.health import Health
from rotor_core.stores.memory import MemoryStore

REQUEST = Request([{"role": "user", "content": "hi"}])
START, P95 = 1000.0, 1.0
ROOM = (Limit("requests", 10, "minute", "rolling"), Limit("tokens", 1000, "minute", "rolling"), Limit("concurrent", 10))
A, B, C = (deployment(name, limits=ROOM) for name in "abc")


class Knowing(Health):
    """Health that knows when a call is late, whatever it has seen. `bar`: whom it finds unwell. `retries`: what is left."""

    late, bar, retries, full = P95, frozenset(), True, ()

    def begin(self, reservation, at, *, forced=False, streamed=False):
        if reservation.deployment in self.full:
            return None
        guards = super().begin(reservation, at, forced=forced, streamed=streamed)
        return guards and Guards(hedge=self.late)

    def barred(self, plan, at, *, strictly=False):
        return Bar(self.bar) if strictly and self.bar else super().barred(plan, at, strictly=strictly)

    def may_retry(self, at):
        return self.retries and super().may_retry(at)


class Ledger(MemoryStore):
    """`away`: which operations fail, from the second asking on."""

    away, asked = frozenset(), 0

    def reserve(self, ask):
        self.asked += 1
        if self.asked > 1 and "reserve" in self.away:
            raise StoreError("the store is away")
        return super().reserve(ask)

    def settle(self, *args):
        if self.asked > 1 and "settle" in self.away:
            raise StoreError("the store is away")
        return super().settle(*args)


@dataclass(eq=False)
class Exchange:
    """One that ends at an instant, with an answer or an error. `called_off`: nobody waits for it any more."""

    to: str
    ends_at: float
    end: object
    timeout: float
    called_off: bool = False


class Track:
    """A driver in virtual time, with a real ledger and real health. `takes`: seconds and end of each deployment's calls.

    `stop`: `(n, when)`: the caller goes away at the nth command, before it is done or after.
    """

    def __init__(self, *deployments, stop=None, takes, policy=None, **knows):
        self.at, self.stop, self.asked = START, stop, []
        self.takes = {name: list(said) if isinstance(said, list) else [said] for name, said in takes.items()}
        self.begun: list[Exchange] = []
        self.heard = []
        made = catalog(*deployments, policy=policy)
        self.store = Ledger(clock=lambda: self.at)
        self.health = Knowing(made.deployments, Random(1))
        for name, value in knows.items():
            setattr(self.health, name, value)
        self.ports = Ports(made, self.store, self.health, lambda _: None, Random(1), self.heard.append)
        self.work = partial(work, *deployments, hedge=True, policy=policy)
        self.plan = self.work().plan

    def run(self, **more):
        flow = run(self.work(plan=self.plan, **more), REQUEST)
        try:
            command = next(flow)
            while True:
                try:
                    said = self._answer(command)
                except BaseException as error:
                    command = flow.throw(error)
                else:
                    command = flow.send(said)
        except StopIteration as end:
            return end.value

    def _answer(self, command):
        self.asked.append(command)
        stopped, when = self.stop or (0, "")
        if len(self.asked) == stopped and when == "before":
            raise KeyboardInterrupt
        said = self._done(command)
        if len(self.asked) == stopped:
            if isinstance(said, c.Pending):
                said.exchange.called_off = True  # a driver that is stopped while it begins a call lets go of it
            raise KeyboardInterrupt
        return said

    def _done(self, command):
        match command:
            case c.Call(reservation, _, timeout):
                exchange = self._begin(reservation, timeout)
                self.at = exchange.ends_at
                if isinstance(exchange.end, BaseException):
                    raise exchange.end
                return exchange.end
            case c.Start(c.Call(reservation, _, timeout)):
                return c.Pending(self._begin(reservation, timeout))
            case c.Race(pending, within):
                first = min(pending, key=lambda each: each.exchange.ends_at)
                if within is not None and first.exchange.ends_at > self.at + within:
                    self.at += within
                    return None
                self.at = max(self.at, first.exchange.ends_at)
                return c.Over(first, first.exchange.end)
            case c.CallOff(pending):
                for each in pending:
                    each.exchange.called_off = True
                return None
            case c.Sleep(until):
                self.at = max(self.at, until)
                return None
        return _drive._answer(command, self.ports)

    def _begin(self, reservation, timeout):
        said = self.takes[reservation.deployment.partition("/")[0]]
        seconds, end = said.pop(0) if len(said) > 1 else said[0]
        self.begun.append(Exchange(reservation.deployment, self.at + seconds, end, timeout))
        return self.begun[-1]

    def of(self, kind):
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def called(self):
        return [exchange.to for exchange in self.begun]

    def left(self):
        """What is still held: reserved units of all limits, flights, exchanges that somebody forgot."""
        readings = self.store.read(self.plan.options)
        reserved = sum(limit.reserved for reading in readings for limit in reading.limits)
        forgotten = [x for x in self.begun if x.ends_at > self.at and not x.called_off]
        return reserved, self.health.in_flight, forgotten

    def used(self):
        """Requests and tokens that each deployment's windows count."""
        return {
            reading.id[0]: tuple(limit.used for limit in reading.limits[:2])
            for reading in self.store.read(self.plan.options)
        }


NOTHING = (0, 0, [])


def test_who_answers_in_time_is_not_joined():
    track = Track(A, B, takes={"a": (0.75, answer())})

    result = track.run()

    assert track.called == ["a/m#1"]
    assert (len(result.attempts), result.decision) == (1, "free-first: free")
    assert track.used() == {"a": (1, 18), "b": (0, 0)}
    assert track.left() == NOTHING


def test_who_fails_in_time_is_a_failed_attempt_as_ever():
    track = Track(A, B, takes={"a": (0.5, failure("server_error")), "b": (0.5, answer())})

    result = track.run()

    assert track.called == ["a/m#1", "b/m#1"]
    assert [(x.number, x.deployment) for x in result.attempts] == [(1, "a/m#1"), (2, "b/m#1")]
    assert track.at == START + 1.0
    assert track.left() == NOTHING


def test_a_late_call_is_joined_and_the_second_wins():
    track = Track(A, B, takes={"a": (30.0, answer("slow")), "b": (0.5, answer("quick", usage=Usage(12, 5)))})

    result = track.run()

    assert (result.answer.text, result.deployment.id, track.at) == ("quick", "b/m#1", START + 1.5)
    assert result.usage == Usage(12, 5)
    assert result.decision == "free-first: free, attempt 2; a hedge: a/m#1 had not answered after 1.0 s"
    first, second = result.attempts
    assert (first.number, first.deployment, first.at, first.seconds) == (1, "a/m#1", START, 1.5)
    assert (first.failure.kind, first.failure.message) == ("cancelled", "called off, as b/m#1 answered first")
    assert (second.number, second.deployment, second.at, second.seconds) == (2, "b/m#1", START + 1.0, 0.5)
    assert second.failure is None
    assert track.begun[0].called_off


def test_both_are_settled_the_winner_as_answered_and_the_other_as_reserved():
    track = Track(A, B, takes={"a": (30.0, answer("slow")), "b": (0.5, answer("quick", usage=Usage(12, 5)))})

    track.run()

    assert track.used() == {"a": (1, 30), "b": (1, 17)}
    assert track.left() == NOTHING


def test_everybody_hears_of_the_second_and_why():
    track = Track(A, B, takes={"a": (30.0, answer()), "b": (0.5, answer())})

    track.run()

    chosen, joined = track.of(Selected)
    assert (chosen.attempt, chosen.reason) == (1, "free-first: free")
    assert (joined.attempt, joined.deployment, joined.at, joined.send_at) == (2, "b/m#1", START + 1.0, START + 1.0)
    assert joined.reason == "free-first: free, attempt 2; a hedge: a/m#1 had not answered after 1.0 s"
    assert [(x.attempt, x.deployment, x.seconds) for x in track.of(Answered)] == [(2, "b/m#1", 0.5)]
    assert track.of(Failed) == []


def test_the_first_may_still_win():
    track = Track(A, B, takes={"a": (1.25, answer("slow")), "b": (0.5, answer("quick"))})

    result = track.run()

    assert (result.answer.text, track.at) == ("slow", START + 1.25)
    assert result.decision == "free-first: free; before its hedge b/m#1"
    assert [(x.number, x.deployment) for x in result.attempts] == [(2, "b/m#1"), (1, "a/m#1")], "in order of their ends"
    assert [x.attempt for x in track.of(Answered)] == [1]
    assert track.begun[1].called_off
    assert track.used() == {"a": (1, 18), "b": (1, 30)}
    assert track.left() == NOTHING


@pytest.mark.parametrize(
    ("takes", "winner", "failed"),
    [
        ({"a": (1.25, failure("server_error")), "b": (0.5, answer())}, "b/m#1", (1, "a/m#1", 1.25)),
        ({"a": (2.0, answer()), "b": (0.5, failure("server_error"))}, "a/m#1", (2, "b/m#1", 0.5)),
    ],
)
def test_one_that_fails_while_the_other_is_under_way_is_not_the_end(takes, winner, failed):
    track = Track(A, B, takes=takes)

    result = track.run()

    assert result.deployment.id == winner
    lost, won = result.attempts
    assert (lost.number, lost.deployment, lost.seconds) == failed
    assert (lost.failure.kind, won.failure) == ("server_error", None)
    assert [(x.attempt, x.deployment) for x in track.of(Failed)] == [failed[:2]]
    assert len(track.begun) == 2
    assert {*track.used().values()} == {(1, 30), (1, 18)}, "a server's error counts as reserved"
    assert track.left() == NOTHING


def test_when_both_fail_the_request_goes_on_without_them():
    takes = {"a": (3.0, failure("timeout")), "b": (0.5, failure("server_error")), "c": (0.5, answer())}
    track = Track(A, B, C, takes=takes)

    result = track.run()

    assert track.called == ["a/m#1", "b/m#1", "c/m#1"]
    assert [(x.number, x.deployment) for x in result.attempts] == [(2, "b/m#1"), (1, "a/m#1"), (3, "c/m#1")]
    assert "hedge" not in result.decision
    assert track.left() == NOTHING


def test_who_failed_is_left_alone_by_the_request_whichever_of_the_two_it_was():
    takes = {"a": (3.0, failure("too_large")), "b": (2.5, failure("timeout")), "c": (0.5, answer())}
    track = Track(A, B, C, takes=takes)

    track.run()

    asks = [x.ask for x in track.asked if isinstance(x, c.Reserve)]
    assert asks[-1].exclude == {"a/m#1", "b/m#1"}


def test_when_both_fail_and_nothing_is_left_to_try_both_errors_come_out():
    takes = {"a": (1.25, failure("server_error")), "b": (0.5, failure("timeout"))}
    track = Track(A, B, takes=takes, policy=Policy(max_attempts=2))

    with pytest.raises(AttemptsFailed) as caught:
        track.run()

    assert [x.failure.kind for x in caught.value.exceptions] == ["server_error", "timeout"]
    assert [(x.number, x.deployment) for x in caught.value.attempts] == [(1, "a/m#1"), (2, "b/m#1")]
    assert caught.value.__cause__ is caught.value.exceptions[-1]
    assert track.left() == NOTHING


def test_a_request_that_one_of_them_finds_bad_is_not_tried_again():
    takes = {"a": (1.25, failure("bad_request")), "b": (0.5, failure("server_error")), "c": (0.1, answer())}
    track = Track(A, B, C, takes=takes)

    with pytest.raises(AttemptsFailed):
        track.run()

    assert track.called == ["a/m#1", "b/m#1"]
    assert track.left() == NOTHING


def test_a_later_attempt_may_be_joined_too_but_not_by_one_that_has_failed():
    takes = {"a": (0.1, failure("server_error")), "b": (9.0, answer()), "c": (0.1, answer())}
    track = Track(A, B, C, takes=takes)

    result = track.run()

    assert track.called == ["a/m#1", "b/m#1", "c/m#1"]
    assert [(x.number, x.deployment) for x in result.attempts] == [(1, "a/m#1"), (2, "b/m#1"), (3, "c/m#1")]
    assert track.left() == NOTHING


def test_the_last_attempt_is_not_joined_for_a_hedge_is_one():
    track = Track(A, B, takes={"a": (9.0, answer())}, policy=Policy(max_attempts=1))

    assert track.run().deployment.id == "a/m#1"
    assert track.called == ["a/m#1"]


def test_nobody_is_joined_where_it_is_not_asked_for_or_lateness_is_not_known():
    for knows, more in (({}, {"hedge": False}), ({"late": None}, {})):
        track = Track(A, B, takes={"a": (9.0, answer())}, **knows)
        track.run(**more)
        assert [type(x) for x in track.asked if type(x) in (c.Call, c.Start)] == [c.Call]


def alone(track):
    """The first was waited for, as if nothing had been."""
    result = track.run()
    assert (result.deployment.id, track.at, len(result.attempts)) == ("a/m#1", START + 9.0, 1)
    assert track.called == ["a/m#1"]
    assert result.decision.count("hedge") == 0
    assert track.left() == NOTHING
    return track


SLOW = {"a": (9.0, answer()), "b": (0.5, answer())}


def limited(name="b", limits=ROOM, **more):
    return deployment(name, limits=limits, **more)


@pytest.mark.parametrize(
    "scarce",
    [
        (Limit("requests", 1, "minute", "rolling"),),
        (Limit("tokens", 59, "minute", "rolling"),),
        (Limit("concurrent", 1),),
        (*ROOM, Limit("requests", 1, "day", "calendar")),
        None,
    ],
)
def test_no_seat_is_taken_where_less_than_half_would_be_left_or_limits_are_unknown(scarce):
    alone(Track(A, limited(limits=scarce), takes=SLOW))


@pytest.mark.parametrize(
    "plenty", [(), (Limit("requests", 2, "minute", "rolling"),), (Limit("tokens", 60, "minute", "rolling"),)]
)
def test_a_seat_is_taken_where_half_is_left_even_so_or_there_are_no_limits(plenty):
    track = Track(A, limited(limits=plenty), takes=SLOW)

    track.run()

    assert track.called[:2] in (["a/m#1", "b/m#1"], ["b/m#1"])


@pytest.mark.parametrize(
    ("first", "second", "joins"),
    [
        (FREE, FREE, True),
        (FREE, PAID, False),
        (FREE, None, False),
        (PAID, FREE, True),
        (PAID, PAID, True),
        (PAID, Price(1.0, 4.0), False),
        (PAID, None, False),
        (None, None, True),
        (None, FREE, True),
        (None, PAID, False),
    ],
)
def test_a_hedge_is_never_dearer_than_what_it_hedges(first, second, joins):
    a, b = limited("a", price=first), limited("b", price=second)
    track = Track(a, b, takes=SLOW, policy=Policy(ranking="spread"))

    track.run()

    assert track.called == (["a/m#1", "b/m#1"] if joins else ["a/m#1"])


def test_who_is_not_well_or_rests_does_not_join():
    alone(Track(A, B, takes=SLOW, bar=frozenset({"b/m#1"})))
    resting = Track(A, B, takes=SLOW)
    resting.store.rest(scopes(B)[0], START + 60, "rate_limit")
    alone(resting)


def test_health_may_have_no_place_for_it():
    track = alone(Track(A, B, takes=SLOW, full=("b/m#1",)))

    assert track.used()["b"] == (0, 0)


def test_a_spent_retry_budget_lets_nobody_join():
    alone(Track(A, B, takes=SLOW, retries=False))


def test_a_seat_that_is_not_free_at_this_instant_is_not_waited_for():
    track = Track(A, B, takes=SLOW)
    glanced = track.store.glance
    busy = Track(B, takes={"b": (0, answer())}).plan

    def glance(options):
        seen = glanced(options)
        for number in range(10):  # others are quicker than we are
            track.store.reserve(c.Ask(f"x.{number}", busy, work(B).demand))
        return seen

    track.store.glance = glance
    result = track.run()

    assert (result.deployment.id, track.called) == ("a/m#1", ["a/m#1"])
    assert track.health.in_flight == 0


@pytest.mark.parametrize("away", [{"reserve"}, {"reserve", "settle"}])
def test_a_store_that_is_away_costs_the_first_call_nothing(away):
    track = Track(A, B, takes=SLOW)
    track.store.away = away
    settles = track.store.settle

    def settle(ident, *args):
        if ident == "r.1":
            track.store.away = frozenset()
        return settles(ident, *args)

    track.store.settle = settle
    alone(track)


def test_another_provider_goes_before_another_key_of_the_one_that_is_slow():
    same = deployment("a", "m", limits=ROOM)
    same = type(same)("a/m#2", same.provider, same.model, same.credential, same.limits, same.price)
    takes = {"a": (9.0, answer()), "b": (0.1, answer())}

    assert Track(A, same, B, takes=takes).run().deployment.id == "b/m#1"
    only = Track(A, same, takes={"a": [(9.0, answer("slow")), (0.1, answer("quick"))]})
    assert only.run().answer.text == "quick"
    assert only.called == ["a/m#1", "a/m#2"]


def test_the_first_to_come_back_to_one_that_had_rested_says_so():
    track = Track(A, B, takes=SLOW)
    track.store.rest(scopes(B)[0], START + 0.5, "rate_limit")

    track.run()

    assert [(x.deployment, x.attempt) for x in track.of(Recovered)] == [("b/m#1", 2)]


def test_each_of_the_two_is_waited_for_as_the_policy_says():
    track = Track(A, B, takes={"a": (2.0, answer()), "b": (9.0, answer())}, policy=Policy(max_attempts=2))

    track.run(deadline=START + 10)

    assert [x.timeout for x in track.begun] == [pytest.approx(6.0), pytest.approx(9.0)], "none comes after the second"


def test_one_that_hangs_is_left_alone_after_a_few_requests_though_none_of_them_failed():
    track = Track(limited("a", ()), limited("b", ()), takes={"a": (60.0, answer()), "b": (0.5, answer())})

    for number in range(40):
        track.at += 0.5
        assert track.run(id=f"q{number}").answer.text == "hello"

    hung = [x for x in track.begun if x.to == "a/m#1"]
    assert len(hung) <= 10
    assert track.of(BreakerOpened)[0].reason == "timeout"
    assert [x.until for x in track.asked if isinstance(x, c.Rest)], "other processes know, too"
    assert track.left() == NOTHING


def test_a_call_that_lost_to_its_hedge_is_known_to_have_been_slow():
    track = Track(A, B, takes={"a": (30.0, answer()), "b": (0.5, answer(usage=Usage(12, 5)))})

    track.run()

    told = [x.ending for x in track.asked if isinstance(x, c.Finish) and x.reservation_id == "r.1"]
    assert told[0] == Ending(None, 1.5, None, 5, outrun=True)
    assert track.health._wards["a/m#1"].pace.latency.count == 1


def test_a_hedge_that_lost_says_nothing_of_anybody():
    track = Track(A, B, takes={"a": (1.25, answer(usage=None)), "b": (0.5, answer())})

    track.run()

    assert not any(x.ending.outrun for x in track.asked if isinstance(x, c.Finish))


def test_without_a_usage_the_seconds_are_known_all_the_same():
    track = Track(A, B, takes={"a": (30.0, answer()), "b": (0.5, answer(usage=None))})

    track.run()

    assert track.health._wards["a/m#1"].pace.latency.count == 1


def test_losing_now_and_then_is_no_failure():
    health = Health({A.id: A}, Random(1))
    lost = Ending(None, 2.0, outrun=True)

    for number in range(60):
        made = reservation(A.id, number=number)
        health.begin(made, 100.0 + number)
        ending = Ending("", 1.0, None, 7) if number % 4 == 3 else lost
        assert not health.finish(made.id, ending, 101.0 + number)
    assert health.state(A.id, 200.0) == ("closed", None)


def contests():
    """Every way that a hedged request may go, by name."""
    quick, slow, fails = (0.5, answer("b")), (1.25, answer("a")), (0.625, failure("server_error"))
    return {
        "hedge wins": {"a": (30.0, answer()), "b": quick, "c": quick},
        "first wins": {"a": slow, "b": quick, "c": quick},
        "first fails": {"a": (1.25, failure("timeout")), "b": quick, "c": quick},
        "hedge fails": {"a": (9.0, answer()), "b": fails, "c": quick},
        "both fail": {"a": (9.0, failure("timeout")), "b": fails, "c": quick},
        "nobody joins": None,
    }


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", contests())
def test_whoever_goes_away_at_whatever_point_leaves_nothing(name, when):
    takes = contests()[name]
    made = (A, B, C) if takes else (A, limited("b", None), limited("c", None))
    policy = Policy(max_attempts=4)
    whole = Track(*made, takes=takes or SLOW, policy=policy)
    whole.run()

    for number in range(1, len(whole.asked) + 1):
        track = Track(*made, takes=takes or SLOW, policy=policy, stop=(number, when))
        with pytest.raises(KeyboardInterrupt):
            track.run()
        assert track.left() == NOTHING, f"{name}: {when} {whole.asked[number - 1]}"


# --- the drivers ------------------------------------------------------------------------------------------------------


class Exchanges:
    """An adapter whose calls end when a test says so. `begun`: set when a deployment's call is out; `ends`: what lets it end."""

    def __init__(self, **ends):
        self.ends, self.begun, self.lost = ends, Counter(), []
        self.events = {name: threading.Event() for name in "ab"}
        self.out = {name: threading.Event() for name in "ab"}

    def _ended(self, name):
        end = self.ends[name]
        if isinstance(end, BaseException):
            raise end
        return end

    def call(self, deployment, request, *, timeout):
        name = deployment.id[0]
        self.out[name].set()
        if self.ends.get("order") == name:  # the other one is out by then
            assert self.out["b" if name == "a" else "a"].wait(10)
        elif not isinstance(self.ends[name], BaseException):
            assert self.events[name].wait(10)
        dispatching()
        self.begun[name] += 1
        return self._ended(name)

    async def acall(self, deployment, request, *, timeout):
        name = deployment.id[0]
        self.out[name].set()
        try:
            if self.ends.get("order") == name:
                while not self.out["b" if name == "a" else "a"].is_set():
                    await asyncio.sleep(0)
            elif not isinstance(self.ends[name], BaseException):
                while not self.events[name].is_set():
                    await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.lost.append(name)
            raise
        dispatching()
        self.begun[name] += 1
        return self._ended(name)

    def close(self): ...

    async def aclose(self): ...


class House:
    """Ports of a real store, real health that finds every call late at once, and an adapter."""

    def __init__(self, adapter, *deployments):
        made = catalog(*(deployments or (A, B)))
        self.store, self.sent, self.heard = Ledger(), [], []
        self.health = Knowing(made.deployments, Random(1))
        self.health.late = 0.0
        told = self.store.sent
        self.store.sent = lambda ident: (self.sent.append(ident), told(ident))
        self.adapter = adapter
        self.ports = Ports(made, self.store, self.health, lambda _: adapter, Random(1), self.heard.append)
        self.work = work(*(deployments or (A, B)), hedge=True)

    def left(self):
        readings = self.store.read(self.work.plan.options)
        return sum(x.reserved for r in readings for x in r.limits), self.health.in_flight

    def by_sync(self):
        return _drive.drive(run(self.work, REQUEST), self.ports)

    def by_async(self):
        async def whole():
            try:
                return await adrive(run(self.work, REQUEST), self.ports)
            finally:
                assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"

        return asyncio.run(whole(), debug=True)


@pytest.fixture(params=["by_sync", "by_async"])
def drives(request):
    return lambda house: getattr(house, request.param)()


def test_the_second_answers_while_the_first_hangs(drives):
    adapter = Exchanges(a=answer("slow"), b=answer("quick"), order="b")
    house = House(adapter)

    result = drives(house)

    assert result.answer.text == "quick"
    assert house.left() == (0, 0)
    assert house.sent == ["r.2"], "each call tells its own reservation"
    adapter.events["a"].set()


def test_the_first_answers_while_its_hedge_is_out(drives):
    adapter = Exchanges(a=answer("slow"), b=answer("quick"), order="a")
    house = House(adapter)

    result = drives(house)

    assert result.answer.text == "slow"
    assert house.left() == (0, 0)
    assert house.sent == ["r.1"]
    adapter.events["b"].set()


def test_an_error_of_one_leaves_the_other_the_race(drives):
    adapter = Exchanges(a=answer("slow"), b=failure("server_error"), order="a")
    house = House(adapter)

    result = drives(house)

    assert result.answer.text == "slow"
    assert house.left() == (0, 0)


def test_both_errors_come_out(drives):
    adapter = Exchanges(a=failure("server_error"), b=failure("bad_request"), order="a")
    house = House(adapter)

    with pytest.raises(AttemptsFailed) as caught:
        drives(house)

    assert {x.failure.kind for x in caught.value.exceptions} == {"server_error", "bad_request"}
    assert house.left() == (0, 0)


def test_what_is_no_providers_error_is_shown_as_such_and_leaves_nothing(drives):
    adapter = Exchanges(a=answer("slow"), b=LookupError("a bug"))
    house = House(adapter)

    with pytest.raises(LookupError, match="a bug"):
        drives(house)

    assert house.left() == (0, 0)
    adapter.events["a"].set()


def test_who_interrupts_a_blocking_call_gets_out_at_once_and_leaves_nothing():
    adapter = Exchanges(a=answer("slow"), b=answer("quick"))
    house = House(adapter)

    def interrupted(options):
        raise KeyboardInterrupt

    house.store.glance = interrupted
    with pytest.raises(KeyboardInterrupt):
        house.by_sync()

    assert house.left() == (0, 0)
    adapter.events["a"].set()


async def test_cancelling_the_caller_cancels_both_and_leaves_no_task():
    adapter = Exchanges(a=answer("slow"), b=answer("quick"))
    house = House(adapter)
    task = asyncio.create_task(adrive(run(house.work, REQUEST), house.ports))
    await until(adapter.out["b"].is_set)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert sorted(adapter.lost) == ["a", "b"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert house.left() == (0, 0)


async def test_the_loser_is_cancelled_and_has_let_go_before_the_answer_is_given():
    adapter = Exchanges(a=answer("slow"), b=answer("quick"), order="b")
    house = House(adapter)

    await adrive(run(house.work, REQUEST), house.ports)

    assert adapter.lost == ["a"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_errors_of_calls_that_were_called_off_are_nobodys_business():
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fails():
        raise failure("server_error")

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise failure("connection") from None

    pending = [_racing.astart(fails()), _racing.astart(stubborn())]
    await asyncio.sleep(0)
    await _racing.acall_off(pending)
    del pending

    import gc

    gc.collect()
    assert complaints == []


def test_a_call_that_is_called_off_before_its_thread_begins_is_not_made(monkeypatch):
    threads, made = [], []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: threads.append(thread))
    pending = _racing.start(lambda: made.append("a call"))
    monkeypatch.undo()

    _racing.call_off([pending])
    threads[0].run()

    assert made == []


def test_of_two_that_are_over_the_answer_comes_first():
    over = _racing.first_over
    failing, answering = failure("timeout"), answer()

    def fails():
        raise failing

    pending = [_racing.start(fails), _racing.start(fails), _racing.start(lambda: answering)]
    assert over(pending[:1], None) is not None
    assert over(pending[1:2], None) is not None
    assert over(pending[2:], None) is not None

    assert (over(pending, None).pending, over(pending, None).end) == (pending[2], answering)
    assert (over(pending[:2], None).pending, over(pending[:2], None).end) == (pending[0], failing)


def test_whoever_is_not_over_in_time_is_still_pending():
    go = threading.Event()
    pending = _racing.start(lambda: go.wait(10) and answer())

    assert _racing.first_over([pending], 0.0) is None
    go.set()
    assert _racing.first_over([pending], None).pending is pending


class Learning:
    """An adapter that answers at once, until `hang`: then the first of the next two calls hangs."""

    def __init__(self):
        self.hang, self.free, self.calls = False, threading.Event(), Counter()

    def call(self, deployment, request, *, timeout):
        self.calls[deployment.id] += 1
        if self.hang:
            self.hang = False
            self.free.wait(10)
        return answer(deployment.id)

    async def acall(self, deployment, request, *, timeout):
        self.calls[deployment.id] += 1
        if self.hang:
            self.hang = False
            await asyncio.Event().wait()
        return answer(deployment.id)

    def close(self): ...

    async def aclose(self): ...


@pytest.mark.parametrize("hedge", ["auto", "never"])
@in_virtual_time
async def test_an_engine_that_has_learned_how_long_calls_take_joins_those_that_are_late(hedge):
    adapter = Learning()
    made = catalog(deployment("a"), deployment("b"), policy=Policy(hedge=hedge, ranking="spread"))

    async with Rotor.from_catalog(made, adapters={"made": adapter}, store=MemoryStore(), seed=1) as rotor:
        for _ in range(40):
            await rotor.achat("hi", timeout=60)
        adapter.hang = True
        if hedge == "never":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(rotor.achat("hi"), 30.0)
            return
        result = await rotor.achat("hi")

        assert "a hedge: " in result.decision
        assert len(result.attempts) == 2
        adapter.hang = True
        assert "a hedge: " in rotor.chat("hi").decision
        adapter.free.set()
        assert rotor._engine.health.in_flight == 0
