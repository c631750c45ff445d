"""Timeouts, streams, cuts, silence, hedges and callers that leave, in virtual time."""

from __future__ import annotations

import math

import pytest
from tests.kernel.made import catalog, deployment

from rotor_core import Limit
from rotor_core import _commands as c
from rotor_core._demand import Demand
from rotor_core._ledger import Reservation
from rotor_core._model import Policy
from rotor_core._outcome import Failure
from rotor_core._policy.patience import FIRST, WHOLE
from rotor_core._request import Request
from rotor_core.simulate.exchange import texts, whole
from rotor_core.simulate.report import Arrival, Verdict
from rotor_core.simulate.world import NOON, World

CUT = Failure("connection", message="reset")


class Says:
    """Verdicts in turn, the last one for ever; who came, and when seats were given back."""

    def __init__(self, *verdicts):
        self.verdicts, self.came, self.out = list(verdicts), [], []

    def arrive(self, at, deployment, arrival):
        self.came.append(deployment.id)
        said = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
        return Verdict(said.refusal, said.seconds, self.out.append, said.reached, said.chunks, said.pace)


def small(*verdicts, policy=None, limits=()):
    upstream = Says(*verdicts)
    two = catalog(deployment("a", limits=limits), deployment("b", limits=limits), policy=policy or Policy())
    return World(two, upstream, 1), upstream


def nothing_left(world):
    book = world.store._book
    return not (book.open or book.coming or len(book.queue) or world.engine.health.in_flight)


def one(**more):
    return [Arrival(0.0, 10, 120, 120, **more)]


def test_a_call_that_hangs_is_given_up_and_answered_elsewhere():
    world, upstream = small(Verdict(seconds=math.inf), Verdict(seconds=1.0))

    report = world.run(one(), story=0)

    assert (report.answered, len(set(upstream.came))) == (1, 2)
    assert [e.failure.kind for e in world.story(0) if e.name == "failed"] == ["timeout"]
    assert WHOLE + 1 < report.seconds[0] < WHOLE + 1.1
    assert len(upstream.out) == 2
    assert nothing_left(world)


def test_under_a_deadline_a_hang_leaves_time_for_another():
    world, _ = small(Verdict(seconds=math.inf), Verdict(seconds=1.0))

    report = world.run(one(patience=10.0))

    assert (report.answered, report.late) == (1, 0)
    assert report.quantile(1.0) < 10


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_connection_is_not_counted_as_sent(streamed):
    world, _ = small(Verdict(CUT, reached=False), Verdict(seconds=1.0))

    report = world.run(one(streamed=streamed))

    assert (report.answered, report.refusals) == (1, 1)
    assert nothing_left(world)


def test_a_stream_comes_in_pieces_and_whole():
    world, _ = small(Verdict(seconds=7.0))

    report = world.run(one(streamed=True), story=0)

    answered = world.story(0)[-1]
    assert (report.answered, report.garbled) == (1, [])
    assert 0.9 < answered.first_chunk < 1.1
    assert 6.9 < answered.seconds < 7.1


def test_a_stream_without_a_first_chunk_is_begun_elsewhere():
    world, _ = small(Verdict(seconds=math.inf), Verdict(seconds=1.0))

    report = world.run(one(streamed=True))

    assert report.answered == 1
    assert FIRST + 1 < report.seconds[0] < FIRST + 1.1
    assert nothing_left(world)


@pytest.mark.parametrize("chunks", range(6))
def test_a_stream_cut_before_its_first_chunk_is_hidden_and_after_it_is_said(chunks):
    world, _ = small(Verdict(CUT, 3.0, chunks=chunks, pace=7.0), Verdict(seconds=1.0))

    report = world.run(one(streamed=True))

    assert report.answered == (chunks == 0)
    assert report.unserved_by["stream broken"] == (chunks > 0)
    assert nothing_left(world)


@pytest.mark.parametrize("chunks", range(6))
@pytest.mark.parametrize("cut", [Verdict(CUT, 7.0, chunks=0, pace=7.0), Verdict(seconds=math.inf, chunks=0, pace=7.0)])
def test_a_stream_that_breaks_or_falls_silent_is_gone_on_with_and_whole(chunks, cut):
    first = Verdict(cut.refusal, cut.seconds, chunks=chunks, pace=7.0)
    world, _ = small(first, Verdict(seconds=1.0), policy=Policy(stream_break="continue"))

    report = world.run(one(streamed=True))

    assert (report.answered, report.garbled, report.continued) == (1, [], int(chunks > 0))
    assert nothing_left(world)


def test_who_answers_an_empty_stream_has_failed():
    world, _ = small(Verdict(seconds=1.0, chunks=0), Verdict(seconds=1.0))

    report = world.run(one(streamed=True), story=0)

    assert report.answered == 1
    assert [e.failure.kind for e in world.story(0) if e.name == "failed"] == ["server_error"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("leaves", [0.0, 0.002, 0.5, 1.5, 2.5, 5.0])
def test_a_caller_may_leave_at_any_instant(streamed, leaves):
    slots = (Limit("concurrent", 1, None, "concurrency"),)
    world, upstream = small(Verdict(seconds=2.0), limits=slots)

    report = world.run([Arrival(0.001 * n, 10, 120, 120, streamed=streamed, leaves=leaves) for n in range(7)])

    assert report.left + report.answered == report.offered
    assert report.left > 0
    assert len(upstream.out) == len(upstream.came)
    assert nothing_left(world)


def test_who_waits_for_a_window_may_leave_too():
    limits = (Limit("requests", 1, "minute", "rolling"),)
    world, _ = small(Verdict(seconds=1.0), limits=limits, policy=Policy(max_wait=90.0))

    report = world.run([Arrival(0.001 * n, 10, 120, 120, leaves=5.0) for n in range(4)])

    assert (report.answered, report.left) == (2, 2)
    assert nothing_left(world)


def test_an_error_that_is_no_providers_names_the_request():
    world, _ = small(Verdict(seconds=1.0))
    world.store.settle = lambda *_: 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        world.run(one())

    assert raised.value.__notes__[0].startswith("request 0, 1.0")


def racing(world, *, within=None, then=()):
    """A flow that sends two calls and waits for the first."""

    def flow():
        made = [
            Reservation(f"r.{n}", to, NOON, NOON, NOON + 600, Demand(10, 20, 20))
            for n, to in enumerate(("a/m#1", "b/m#1"))
        ]
        pending = []
        for each in made:
            pending.append((yield c.Start(c.Call(each, Request(()), 30.0))))
        if within is not None:
            found.append((yield c.Race(tuple(pending), within)))
        over = yield c.Race(tuple(pending))
        found.append(over)
        rest = [p for p in pending if p is not over.pending]
        if then == "both":
            found.append((yield c.Race(tuple(rest))))
        yield c.CallOff(tuple(rest))
        raise c.Abandoned

    from rotor_core.simulate.world import Running

    found = []
    running = Running("0", Arrival(0.0, 10, 20, 5), flow(), NOON)
    world._at(NOON, lambda: world._step(running, None))
    world.run(())
    return found


def test_of_two_calls_the_first_answer_wins_and_the_other_is_called_off():
    world, upstream = small(Verdict(seconds=3.0), Verdict(seconds=1.0))

    [over] = racing(world)

    assert over.end.finish_reason == "stop"
    assert len(upstream.out) == 2
    assert world.at < NOON + 1.1


def test_a_race_may_be_waited_for_a_while_only_and_a_failure_is_an_end_too():
    world, _ = small(Verdict(CUT, 2.0), Verdict(seconds=4.0))

    nobody, failed, answered = racing(world, within=1.0, then="both")

    assert nobody is None
    assert failed.end.failure is CUT
    assert answered.end.finish_reason == "stop"


def test_what_is_over_before_it_is_waited_for_is_found():
    world, _ = small(Verdict(seconds=0.0))

    assert len(racing(world, within=20.0, then="both")) == 3


def test_a_continuation_says_the_last_words_again():
    had = "".join(texts(Request(()))[:2])
    asked = Request(({"role": "assistant", "content": had}, {"role": "user", "content": "go on"}))

    assert whole().startswith(had)
    assert texts(asked)[0].split()[0] in had.split()
    assert whole().endswith("".join(texts(asked)))
