"""The story of a request, command by command: no clock, no store, no network; the test is the driver."""

import asyncio

import pytest
from tests.kernel.made import PAID, Script, answer, deployment, failure, reservation, work

from rotor_core import _commands as c
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError, StreamBroken
from rotor_core._flow import LATE, Progress, acquire, run, settle, stream
from rotor_core._health import NO_BAR, NO_GUARDS
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Rejection, Ticket, Used
from rotor_core._outcome import ABANDONED, Chunk, Outcome, Usage
from rotor_core._request import Request

REQUEST = Request([{"role": "user", "content": "hi"}])


def test_a_request_with_room_is_sent_at_once_and_settled_to_what_it_used():
    script = Script({c.Reserve: reservation(), c.Call: answer()})

    result = script.play(run(work(deployment()), REQUEST))

    assert result.answer.text == "hello"
    assert result.deployment.id == "a/m#1"
    assert [type(x).__name__ for x in script.asked if not isinstance(x, (c.Now, c.Emit))] == [
        "Barred",
        "Reserve",
        "Begin",
        "Call",
        "Finish",
        "Settle",
    ]
    assert script.of(c.Settle)[0].used == Used(1, 11, 7, 0.0)
    assert script.names == ["selected", "answered"]


def test_the_cost_of_a_paid_answer_is_its_usage_at_its_price():
    script = Script({c.Reserve: reservation(), c.Call: answer(usage=Usage(1_000_000, 1_000_000))})

    result = script.play(run(work(deployment(price=PAID)), REQUEST))

    assert result.cost_usd == 4.0
    assert result.decision == "free-first: paid"


def test_an_answer_of_unknown_price_or_usage_keeps_the_estimate_and_has_no_cost():
    script = Script({c.Reserve: reservation(), c.Call: answer(usage=None)})

    result = script.play(run(work(deployment(price=None)), REQUEST))

    assert result.cost_usd is None
    assert result.decision == "free-first: price unknown"
    assert script.of(c.Settle)[0].used == AS_RESERVED
    script = Script({c.Reserve: reservation(), c.Call: answer()})
    assert script.play(run(work(deployment(price=None)), REQUEST)).cost_usd is None


def test_a_future_grant_is_slept_for_and_sent_at_its_instant():
    script = Script({c.Reserve: reservation(at=103.0), c.Call: answer()})

    result = script.play(run(work(deployment()), REQUEST))

    assert script.of(c.Sleep) == [c.Sleep(103.0)]
    assert script.names == ["exhausted", "recovered", "selected", "answered"]
    waiting = script.events()[0]
    assert (waiting.refused, waiting.retry_at) == (False, 103.0)
    assert result.waited == 3.0
    assert result.decision == "free-first: free, waited 3.0 s"


def test_a_wait_at_an_edge_is_nobodys_news():
    script = Script({c.Reserve: reservation(at=100.02), c.Call: answer()})

    script.play(run(work(deployment()), REQUEST))

    assert script.names == ["selected", "answered"]


def test_who_wakes_too_late_gives_back_and_asks_again():
    grants = [reservation(at=103.0), reservation(at=103.0 + 2 * LATE, asked_at=103.0 + 2 * LATE, number=2)]
    script = Script({c.Reserve: grants, c.Call: answer()})
    script.answers[c.Sleep] = lambda command: setattr(script, "at", command.until + 2 * LATE)

    script.play(run(work(deployment()), REQUEST))

    assert [x.ask.id for x in script.of(c.Reserve)] == ["r.1", "r.2"]
    assert script.of(c.Settle)[0] == c.Settle("r.1", NOTHING_USED, None)
    assert script.of(c.Reserve)[1].ask.max_wait < 30.0
    assert len(script.of(c.Call)) == 1


def long_in_coming(script):
    """The ledger takes its time over every grant: it stands at the instant of asking, and is heard of late."""

    def reserve(command):
        asked_at, number = script.at, len(script.of(c.Reserve))
        script.at += 2 * LATE
        assert number < 5, "asked without end"
        return reservation(at=asked_at, asked_at=asked_at, number=number)

    return reserve


def test_a_grant_that_was_long_in_coming_is_confirmed_and_sent():
    script = Script({c.Call: answer()})
    script.answers[c.Reserve] = long_in_coming(script)
    script.answers[c.Dispatched] = lambda _: setattr(script, "at", script.at + 2 * LATE) or 100.0

    result = script.play(run(work(deployment()), REQUEST))

    assert [x.ask.id for x in script.of(c.Reserve)] == ["r.1"]
    told = [type(x) for x in script.asked if isinstance(x, (c.Dispatched, c.Begin, c.Finish, c.Call))]
    assert told == [c.Begin, c.Dispatched, c.Begin, c.Call, c.Finish]
    assert [x.latest for x in script.of(c.Begin)] == [
        100.0 + LATE,
        None,
    ]  # the first was too late, and has begun nothing
    assert result.attempts[0].at == pytest.approx(100.0 + 4 * LATE)
    assert result.waited == pytest.approx(4 * LATE)


def test_one_that_was_long_in_coming_and_holds_no_more_is_given_back_and_asked_for_again():
    answers = [None, 100.0]
    script = Script({c.Dispatched: lambda _: answers.pop(0), c.Call: answer()})
    script.answers[c.Reserve] = long_in_coming(script)

    script.play(run(work(deployment()), REQUEST))

    assert [x.ask.id for x in script.of(c.Reserve)] == ["r.1", "r.2"]
    assert script.of(c.Settle)[0] == c.Settle("r.1", NOTHING_USED, None)
    assert len(script.of(c.Call)) == 1


def test_a_promise_is_kept_however_long_the_ledger_takes_to_confirm_it():
    script = Script({c.Reserve: [reservation(at=103.0)], c.Call: answer()})
    script.answers[c.Dispatched] = lambda _: setattr(script, "at", script.at + 2 * LATE) or 103.0

    script.play(run(work(deployment()), REQUEST))

    assert len(script.of(c.Reserve)) == len(script.of(c.Dispatched)) == len(script.of(c.Call)) == 1


def test_a_promised_grant_is_confirmed_when_its_time_has_come():
    script = Script({c.Reserve: reservation(at=103.0)})

    script.play(acquire(work(deployment())))

    assert len(script.of(c.Dispatched)) == 1


def test_a_grant_that_was_exchanged_for_a_more_urgent_one_is_slept_for_again():
    script = Script({c.Reserve: reservation(at=103.0), c.Dispatched: [106.5, 106.5], c.Call: answer()})

    result = script.play(run(work(deployment()), REQUEST))

    assert script.of(c.Sleep) == [c.Sleep(103.0), c.Sleep(106.5)]
    assert len(script.of(c.Reserve)) == 1
    assert result.waited == 6.5


def test_a_promise_that_debts_have_eaten_is_given_back_and_asked_for_again():
    grants, answers = [reservation(at=103.0), reservation(at=104.0, asked_at=103.0, number=2)], [None, 104.0]
    script = Script({c.Reserve: grants, c.Dispatched: lambda _: answers.pop(0), c.Call: answer()})

    result = script.play(run(work(deployment()), REQUEST))

    assert script.of(c.Sleep) == [c.Sleep(103.0), c.Sleep(104.0)]
    assert script.of(c.Settle)[0] == c.Settle("r.1", NOTHING_USED, None)
    assert result.waited == 4.0


def test_a_refusal_says_why_and_when_and_holds_nothing():
    reasons = {"a/m#1": Rejection("no_room", "no room for 30 tokens", 160.0)}
    script = Script({c.Reserve: Refusal(100.0, 160.0, reasons)})
    static = {"b/m#1": Rejection("paid", "it costs money")}

    with pytest.raises(NoCandidates, match="capacity returns in 60.0 s") as caught:
        script.play(run(work(deployment(), static=static), REQUEST))

    assert caught.value.retry_at == 160.0
    assert caught.value.retry_after == 60.0
    assert set(caught.value.reasons) == {"a/m#1", "b/m#1"}
    assert [e.refused for e in script.events()] == [True]


def test_a_refusal_that_nothing_will_mend_says_so():
    script = Script({c.Reserve: Refusal(100.0, None, {})})

    with pytest.raises(NoCandidates, match="it never will") as caught:
        script.play(run(work(deployment()), REQUEST))

    assert caught.value.retry_after is None


def test_a_ticket_is_redeemed_until_it_is_a_grant():
    ticket = Ticket("r.1", 100.0, 101.0, 130.0)
    script = Script({c.Reserve: ticket, c.Redeem: [ticket, reservation()], c.Call: answer()})

    result = script.play(run(work(deployment()), REQUEST))

    assert result.answer.text == "hello"
    assert len(script.of(c.Redeem)) == 2
    assert script.names == ["exhausted", "selected", "answered"]


@pytest.mark.parametrize("where", [c.Sleep, c.Redeem, c.Call])
def test_cancelled_anywhere_gives_its_capacity_back(where):
    grant = Ticket("r.1", 100.0, 101.0, 130.0) if where is c.Redeem else reservation(at=103.0)
    script = Script({c.Reserve: grant, where: asyncio.CancelledError()})

    with pytest.raises(asyncio.CancelledError):
        script.play(run(work(deployment()), REQUEST))

    # Before it was sent everything comes back; after, it may have been counted, so the estimate stands.
    assert script.of(c.Settle)[-1].used == (AS_RESERVED if where is c.Call else NOTHING_USED)
    assert len(script.of(c.Settle)) == 1


def test_a_refused_call_rests_the_quota_as_long_as_told_and_goes_elsewhere():
    grants = [reservation(), reservation("b/m#1", number=2)]
    script = Script({c.Reserve: grants, c.Call: [failure("rate_limit", retry_after=7.0), answer()]})

    result = script.play(run(work(deployment(), deployment("b")), REQUEST))

    assert script.of(c.Rest) == [c.Rest("quota:fp-a|m", 107.0, "rate_limit")]
    assert script.of(c.Settle)[0].used == NOTHING_USED
    assert script.names == ["selected", "failed", "rested", "rotated", "selected", "answered"]
    rotated = script.events()[3]
    assert (rotated.deployment, rotated.previous, rotated.reason, rotated.attempt) == (
        "b/m#1",
        "a/m#1",
        "rate_limit",
        2,
    )
    assert [a.number for a in result.attempts] == [1, 2]
    assert result.decision == "free-first: free, attempt 2"


def test_the_same_one_again_after_its_rest_is_no_rotation():
    grants = [reservation(), reservation(at=107.0, number=2, rested="rate_limit")]
    script = Script({c.Reserve: grants, c.Call: [failure("rate_limit", retry_after=7.0), answer()]})

    script.play(run(work(deployment()), REQUEST))

    assert script.names == ["selected", "failed", "rested", "exhausted", "recovered", "selected", "answered"]
    assert script.events()[4].reason == "rate_limit"


def test_a_failed_call_that_may_have_been_counted_keeps_its_charge():
    script = Script({c.Reserve: [reservation(), reservation(number=2)], c.Call: [failure("server_error"), answer()]})

    script.play(run(work(deployment()), REQUEST))

    assert script.of(c.Settle)[0].used == AS_RESERVED


def test_a_failed_call_that_was_never_sent_gives_its_charge_back():
    failed = failure("connection", request_sent=False)
    script = Script({c.Reserve: [reservation(), reservation(number=2)], c.Call: [failed, answer()]})

    script.play(run(work(deployment()), REQUEST))

    assert script.of(c.Settle)[0].used == NOTHING_USED


def test_a_provider_that_says_again_at_once_rests_a_moment_so_that_another_is_asked_first():
    script = Script(
        {c.Reserve: [reservation(), reservation(number=2)], c.Call: [failure("rate_limit", retry_after=0.0), answer()]}
    )

    script.play(run(work(deployment()), REQUEST))

    assert [rest.until for rest in script.of(c.Rest)] == [100.5]


def test_attempts_end_at_the_policys_number_and_every_error_is_kept():
    errors = [failure("server_error"), failure("timeout"), failure("overloaded")]
    script = Script({c.Reserve: [reservation(number=n) for n in (1, 2, 3)], c.Call: list(errors)})

    with pytest.raises(AttemptsFailed, match="3 attempts failed") as caught:
        script.play(run(work(deployment()), REQUEST))

    assert list(caught.value.exceptions) == errors
    assert [a.failure.kind for a in caught.value.attempts] == ["server_error", "timeout", "overloaded"]
    assert "1. a/m#1: server_error" in str(caught.value)
    assert errors[0].deployment == "a/m#1"


def test_what_no_provider_can_help_is_raised_at_once():
    script = Script({c.Reserve: reservation(), c.Call: failure("bad_request")})

    with pytest.raises(AttemptsFailed, match="1 attempt failed") as caught:
        script.play(run(work(deployment(), deployment("b")), REQUEST))

    assert len(caught.value.exceptions) == 1
    assert script.of(c.Rest) == []


def test_failing_and_then_finding_nothing_tells_both():
    script = Script(
        {c.Reserve: [reservation(), Refusal(100.0, 160.0, {})], c.Call: failure("rate_limit", retry_after=60.0)}
    )

    with pytest.raises(AttemptsFailed, match="capacity returns in 60.0 s") as caught:
        script.play(run(work(deployment()), REQUEST))

    assert caught.value.retry_at == 160.0


def test_too_large_for_one_is_never_asked_of_it_again():
    script = Script(
        {c.Reserve: [reservation(), reservation("b/m#1", number=2)], c.Call: [failure("too_large"), answer()]}
    )

    script.play(run(work(deployment(), deployment("b")), REQUEST))

    assert script.of(c.Reserve)[1].ask.exclude == {"a/m#1"}


def test_too_long_for_one_context_goes_only_to_larger_ones():
    small, same, large = deployment(context=1000), deployment("b", context=1000), deployment("c", context=9000)
    script = Script(
        {c.Reserve: [reservation(), reservation("c/m#1", number=2)], c.Call: [failure("context_length"), answer()]}
    )

    script.play(run(work(small, same, large), REQUEST))

    assert script.of(c.Reserve)[1].ask.exclude == {"a/m#1", "b/m#1"}


@pytest.mark.parametrize(("deadline", "blame"), [(102.5, None), (500.0, "timeout"), (None, "timeout")])
def test_a_timeout_by_the_callers_own_deadline_speaks_against_nobody(deadline, blame):
    def cut_off(_):
        script.at = 102.5
        raise failure("timeout")

    script = Script({c.Reserve: [reservation(), Refusal(100.0, 160.0, {})], c.Call: cut_off})

    with pytest.raises(AttemptsFailed):
        script.play(run(work(deployment(), deadline=deadline), REQUEST))

    assert script.of(c.Finish)[0].ending.blame == blame
    assert script.of(c.Settle)[0].used == AS_RESERVED


def test_a_call_has_no_longer_than_the_deadline_leaves():
    script = Script({c.Reserve: reservation(), c.Call: answer()})
    script.play(run(work(deployment(), deadline=102.5, max_attempts=1), REQUEST))
    assert script.of(c.Call)[0].timeout == 2.5

    script = Script({c.Reserve: reservation(), c.Call: answer()})
    script.play(run(work(deployment(timeout=9.0)), REQUEST))
    assert script.of(c.Call)[0].timeout == 9.0


def test_a_stream_passes_every_chunk_on_and_settles_to_its_usage():
    opened = c.Opened((Chunk(), Chunk("he")), [Chunk("llo"), Chunk(finish_reason="stop", usage=Usage(5, 2))])
    script = Script({c.Reserve: reservation(), c.Open: opened})

    result = script.play(stream(work(deployment()), REQUEST))

    assert "".join(x.text for x in script.delivered) == "hello"
    assert result.usage == Usage(5, 2)
    assert result.answer is None
    assert script.of(c.Settle)[0].used == Used(1, 5, 2, 0.0)
    assert script.events()[-1].first_chunk == 0.0


def test_a_stream_that_fails_before_its_first_content_is_tried_elsewhere_unseen():
    opened = c.Opened((Chunk("ok"),), [])
    script = Script(
        {c.Reserve: [reservation(), reservation("b/m#1", number=2)], c.Open: [failure("server_error"), opened]}
    )

    script.play(stream(work(deployment(), deployment("b")), REQUEST))

    assert [x.text for x in script.delivered] == ["ok"]
    assert "rotated" in script.names


def test_a_stream_cut_after_its_first_content_is_broken_with_the_part():
    opened = c.Opened((Chunk("half an "),), [])
    script = Script({c.Reserve: reservation(), c.Open: opened})

    def cut(command):
        command.observe(opened.head[0])
        raise failure("connection")

    script.answers[c.Relay] = cut

    with pytest.raises(StreamBroken, match="after 8 characters") as caught:
        script.play(stream(work(deployment()), REQUEST))

    assert caught.value.partial == "half an "
    assert caught.value.failure.kind == "connection"
    assert len(caught.value.attempts) == 1
    assert isinstance(caught.value.__cause__, ProviderError)


def test_a_stream_whose_caller_goes_away_is_settled():
    script = Script({c.Reserve: reservation(), c.Open: c.Opened((Chunk("x"),), []), c.Relay: c.Abandoned()})

    with pytest.raises(c.Abandoned):
        script.play(stream(work(deployment()), REQUEST))

    assert script.of(c.Settle) == [c.Settle("r.1", AS_RESERVED, None)]


def test_settle_alone_takes_usage_failure_or_nothing():
    dep, grant = deployment(price=PAID), reservation()

    assert Script({}).play(settle(dep, grant, Outcome(usage=Usage(1_000_000, 0), seconds=1.0))) == 1.0
    abandoned = Script({})
    assert abandoned.play(settle(dep, grant, ABANDONED)) is None
    assert abandoned.of(c.Settle)[0].used == AS_RESERVED
    failed = Script({})
    failed.play(settle(dep, grant, Outcome(failure=failure("auth").failure)))
    assert failed.of(c.Rest)[0].scope == "credential:fp-a"


def test_progress_numbers_attempts_from_one():
    assert Progress().number == 1


@pytest.mark.parametrize("story", [run, stream, lambda work, _: acquire(work)], ids=["run", "stream", "acquire"])
@pytest.mark.parametrize("commands", [1, 2, 3])
def test_who_is_closed_asks_for_nothing_more(story, commands):
    flow = story(work(deployment()), REQUEST)
    answers = {c.Barred: (100.0, NO_BAR), c.Reserve: reservation(), c.Begin: (100.0, NO_GUARDS)}
    command = next(flow)
    for _ in range(commands - 1):
        command = flow.send(answers[type(command)])

    flow.close()  # raises RuntimeError where it goes on all the same

    assert flow.gi_frame is None
