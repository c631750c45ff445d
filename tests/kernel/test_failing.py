"""What a request does when providers fail: whom it leaves alone, whom it asks next, and what it never refuses by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.kernel.made import Script, answer, deployment, failure, reservation, work

from rotor_core import _commands as c
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError
from rotor_core._flow import Progress, acquire, run, stream
from rotor_core._health import FAILING, NO_BAR, NO_GUARDS, Bar, Ending, Guards, Turn
from rotor_core._ledger import NOTHING_USED, Refusal, Rejection
from rotor_core._model import Policy
from rotor_core._policy.plan import regardless
from rotor_core._request import Request

REQUEST = Request([{"role": "user", "content": "hi"}])
A, B = deployment("a"), deployment("b")


def refused(at: float = 100.0, **reasons: str) -> Refusal:
    made = {f"{name}/m#1": Rejection(reason, "so it is", 200.0) for name, reason in reasons.items()}  # type: ignore[arg-type]
    return Refusal(at, 200.0, made)


def asks(script: Script) -> list[set[str]]:
    return [set(x.ask.exclude) for x in script.of(c.Reserve)]


def test_who_fails_is_left_alone_for_a_moment_and_others_go_first():
    script = Script(
        {c.Reserve: [reservation(), reservation("b/m#1", number=2)], c.Call: [failure("server_error"), answer()]}
    )

    result = script.play(run(work(A, B), REQUEST))

    assert result.deployment.id == "b/m#1"
    assert asks(script) == [set(), {"a/m#1"}]
    assert script.of(c.Rest) == [], "one failure is nobody's rest"
    assert script.of(c.Finish)[0].ending == Ending("server_error")
    assert script.of(c.Finish)[1].ending == Ending("", 0.0, None, 7)
    assert "rotated" in script.names


def test_whom_a_retrys_answer_keeps_out_is_left_out_of_its_first_asking_alone():
    out = Bar(frozenset({"b/m#1"}), 100.01)
    script = Script(
        {
            c.Barred: [NO_BAR, out, NO_BAR],  # the second is a part of the retry's answer
            c.Reserve: [reservation(), refused(b="excluded"), reservation("b/m#1", number=3)],
            c.Call: [failure("server_error"), answer()],
        }
    )

    script.play(run(work(A, B), REQUEST))

    assert asks(script) == [set(), {"a/m#1", "b/m#1"}, {"a/m#1"}]
    kinds = (c.Barred, c.Reserve, c.MayRetry)
    asked = [type(command) for command in script.asked if isinstance(command, kinds)]
    assert asked == [c.Barred, c.Reserve, c.MayRetry, c.Reserve, c.Barred, c.Reserve]


def test_who_shares_what_failed_is_asked_last():
    same = deployment("a", "other")
    script = Script(
        {
            c.Reserve: [reservation(), refused(a="excluded", b="no_room"), reservation("a/other#1", number=3)],
            c.Call: [failure("connection"), answer()],
        }
    )

    script.play(run(work(A, same, B), REQUEST))

    assert asks(script) == [set(), {"a/m#1", "a/other#1"}, {"a/m#1"}]
    assert [x.ask.max_wait for x in script.of(c.Reserve)] == [30.0, 0.0, pytest.approx(0.5)]


def test_a_single_deployment_is_tried_again_after_its_backoff():
    script = Script(
        {
            c.Reserve: [
                reservation(),
                refused(a="excluded"),
                refused(a="excluded"),
                reservation(number=4, at=100.5, asked_at=100.5),
            ],
            c.Call: [failure("server_error"), answer()],
        }
    )

    result = script.play(run(work(A), REQUEST))

    assert script.of(c.Sleep) == [c.Sleep(pytest.approx(100.5))]
    assert asks(script)[-1] == set()
    assert result.waited == pytest.approx(0.5)
    assert [a.failure.kind for a in result.attempts if a.failure] == ["server_error"]


def test_who_is_alike_is_worked_out_once_for_all_of_them():
    keys = [replace(A, id=f"a/m#{n}") for n in range(1, 40)]
    made = work(*keys, B)
    for key in keys[:20]:
        script = Script(
            {
                c.Reserve: [reservation(key.id), reservation("b/m#1", number=2)],
                c.Call: [failure("server_error"), answer()],
            }
        )
        script.play(run(replace(made), REQUEST))
        assert asks(script)[1] == {key.id for key in keys}

    assert list(made.plan.alike.values()) == [{key.id for key in keys}]


def test_the_backoff_doubles_with_each_attempt_and_varies_by_a_quarter():
    script = Script(
        {
            c.Reserve: [
                reservation(),
                refused(a="excluded"),
                refused(a="excluded"),
                reservation(number=4, at=100.625, asked_at=100.625),
                refused(100.625, a="excluded"),
                refused(100.625, a="excluded"),
                reservation(number=7, at=103, asked_at=103),
            ],
            c.Call: [failure("server_error"), failure("timeout"), answer()],
            c.Draw: [1.0, 0.0],
        }
    )

    script.play(run(work(A), REQUEST))

    assert [x.until for x in script.of(c.Sleep)] == [pytest.approx(100.625), pytest.approx(100.625 + 0.75)]


def test_what_a_provider_told_is_a_rest_and_no_blame():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2)],
            c.Call: [failure("overloaded", retry_after=7.0), answer()],
        }
    )

    script.play(run(work(A, B), REQUEST))

    assert script.of(c.Finish)[0].ending == Ending(None)
    assert [x.until for x in script.of(c.Rest)] == [107.0]
    assert asks(script) == [set(), set()], "the ledger keeps it out"


def test_whom_health_bars_is_not_asked_and_a_refusal_waits_for_it():
    bars = [Bar(frozenset({"a/m#1"}), 100.25), NO_BAR]
    script = Script(
        {
            c.Barred: bars,
            c.Reserve: [refused(a="excluded"), reservation(number=2, at=100.25, asked_at=100.25)],
            c.Call: answer(),
        }
    )

    result = script.play(run(work(A), REQUEST))

    assert asks(script) == [{"a/m#1"}, set()]
    assert script.of(c.Sleep) == [c.Sleep(100.25)]
    assert result.waited == pytest.approx(0.25)
    assert script.names[0] == "exhausted"


def test_a_bar_that_is_about_to_end_is_nobodys_news():
    script = Script(
        {
            c.Barred: [Bar(frozenset({"a/m#1"}), 100.03), NO_BAR],
            c.Reserve: [refused(a="excluded"), reservation(number=2, at=100.03, asked_at=100.03)],
            c.Call: answer(),
        }
    )

    script.play(run(work(A), REQUEST))

    assert script.names == ["selected", "answered"]


def test_a_stream_that_nobody_can_begin_is_refused_as_any_request_is():
    script = Script({c.Reserve: refused(a="no_room")})

    with pytest.raises(NoCandidates):
        script.play(stream(work(A), REQUEST))


def test_a_bar_on_somebody_elses_deployment_is_no_reason_to_wait():
    script = Script({c.Barred: Bar(frozenset({"x/m#1"}), 100.25), c.Reserve: refused(a="no_room")})

    with pytest.raises(NoCandidates):
        script.play(run(work(A), REQUEST))

    assert script.of(c.Sleep) == []


def test_a_grant_for_which_health_has_no_place_is_given_back_and_asked_for_again():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2)],
            c.Begin: [None, NO_GUARDS],
            c.Barred: [NO_BAR, Bar(frozenset({"a/m#1"}), 101.0)],
        }
    )

    granted = script.play(acquire(work(A, B)))

    assert granted.deployment == "b/m#1"
    assert script.of(c.Settle) == [c.Settle("r.1", NOTHING_USED)]
    assert script.names == ["selected"]


def desperate(*deployments):
    made = work(*deployments)
    return work(*deployments, regardless=lambda: regardless(made.plan))


def test_what_was_only_concluded_here_refuses_nobody():
    script = Script({c.Reserve: [refused(a="failing", b="failing"), reservation(number=2)], c.Call: answer()})

    result = script.play(run(desperate(A, B), REQUEST))

    assert result.answer.text == "hello"
    first, second = (x.ask.plan for x in script.of(c.Reserve))
    assert all(len(o.scopes) == 6 for o in first.options)
    assert all(len(o.scopes) == 4 for o in second.options)
    assert script.of(c.Begin)[0].forced


def test_somebody_barred_until_too_late_is_tried_rather_than_refused():
    script = Script(
        {
            c.Barred: Bar(frozenset({"a/m#1"}), 100.25),
            c.Reserve: [refused(a="excluded"), reservation(number=2)],
            c.Call: answer(),
        }
    )

    made = work(A)
    script.play(run(work(A, deadline=100.1, regardless=lambda: regardless(made.plan)), REQUEST))

    assert asks(script) == [{"a/m#1"}, set()]
    assert script.of(c.Sleep) == []


def test_where_nobody_can_serve_even_so_the_refusal_says_why():
    script = Script({c.Reserve: [refused(a="failing"), refused(a="no_room")]})

    with pytest.raises(NoCandidates) as caught:
        script.play(run(desperate(A), REQUEST))

    assert caught.value.reasons["a/m#1"].reason == "no_room"
    assert script.names == ["exhausted"]


def test_a_refusal_that_health_has_no_part_in_is_final():
    script = Script({c.Reserve: refused(a="no_room")})

    with pytest.raises(NoCandidates):
        script.play(run(desperate(A), REQUEST))

    assert len(script.of(c.Reserve)) == 1


def test_a_spent_retry_budget_ends_it_and_says_so():
    script = Script({c.Reserve: reservation(), c.Call: failure("server_error"), c.MayRetry: False})

    with pytest.raises(AttemptsFailed, match="too many requests fail at this moment"):
        script.play(run(work(A, B), REQUEST))

    assert len(script.of(c.Call)) == 1


def test_a_refusal_for_rate_costs_nothing_of_the_retry_budget():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2)],
            c.Call: [failure("rate_limit", retry_after=3.0), answer()],
            c.MayRetry: False,
        }
    )

    assert script.play(run(work(A, B), REQUEST)).deployment.id == "b/m#1"


OPENED = Turn("health:x", "a/m#1", "closed", "open", 102.0, "timeout", "2 failures in a row")


def test_a_breaker_that_opens_is_told_to_the_ledger_and_to_whoever_listens():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2)],
            c.Call: [failure("timeout"), answer()],
            c.Finish: [(OPENED,), ()],
        }
    )

    script.play(run(work(A, B), REQUEST))

    assert script.of(c.Rest) == [c.Rest("health:x", 102.0, f"{FAILING}timeout")]
    opened = next(e for e in script.events() if e.name == "breaker_opened")
    assert (opened.deployment, opened.until, opened.evidence) == ("a/m#1", 102.0, "2 failures in a row")


@pytest.mark.parametrize(
    ("before", "after", "rests", "told"),
    [
        ("open", "half_open", [c.Rest("health:x", 0.0, "")], False),
        ("half_open", "closed", [], True),
    ],
)
def test_a_breaker_that_recovers_ends_its_rest_and_says_when_it_is_closed(before, after, rests, told):
    turn = Turn("health:x", "a/m#1", before, after, None, "", "it answered")
    script = Script({c.Reserve: reservation(), c.Call: answer(), c.Finish: [(turn,)]})

    script.play(run(work(A), REQUEST))

    assert script.of(c.Rest) == rests
    assert ("breaker_closed" in script.names) is told


def test_a_call_is_waited_for_as_long_as_it_can_take_and_longer_at_the_next_attempt():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2)],
            c.Begin: Guards(first=2.0, whole=2.0, late=1.0),
            c.Call: [failure("timeout"), answer()],
        }
    )

    script.play(run(work(A, B), REQUEST))

    assert [x.timeout for x in script.of(c.Call)] == [2.0, 8.0]


def test_a_timeout_of_the_callers_own_hurry_is_nobodys_fault():
    refusals = [refused(a="excluded"), refused(a="excluded")]
    script = Script({c.Reserve: [reservation(), *refusals], c.Call: failure("timeout")})

    with pytest.raises(AttemptsFailed):
        script.play(run(work(A, deadline=100.01), REQUEST))

    assert script.of(c.Finish)[0].ending == Ending(None)


def test_a_call_that_is_abandoned_leaves_health_as_it_was():
    script = Script({c.Reserve: reservation(), c.Call: KeyboardInterrupt()})

    with pytest.raises(KeyboardInterrupt):
        script.play(run(work(A), REQUEST))

    assert [(x.reservation_id, x.ending) for x in script.of(c.Finish)] == [("r.1", Ending(None))]


def test_the_deadline_that_comes_before_a_backoff_ends_the_story():
    script = Script(
        {c.Reserve: [reservation(), refused(a="excluded"), refused(a="excluded")], c.Call: failure("server_error")}
    )

    with pytest.raises(AttemptsFailed, match="server_error"):
        script.play(run(work(A, deadline=100.2), REQUEST))

    assert script.of(c.Sleep) == []


def test_progress_counts_attempts_from_one():
    assert Progress().number == 1


def unfit(message: str = "it cannot be told") -> ProviderError:
    return failure("bad_request", request_sent=False, message=message, unfit=True)


def test_what_one_providers_format_cannot_carry_goes_to_the_next_and_is_no_call():
    script = Script({c.Reserve: [reservation(), reservation("b/m#1", number=2)], c.Call: [unfit(), answer()]})
    work_of_one = work(A, deployment("b", adapter="another"), policy=Policy(max_attempts=1))

    result = script.play(run(work_of_one, REQUEST))

    assert result.deployment.id == "b/m#1"
    assert asks(script) == [set(), {"a/m#1"}]
    assert [x.used for x in script.of(c.Settle)][0] == NOTHING_USED
    assert script.of(c.Finish)[0].ending.blame is None
    assert not script.of(c.Rest) + script.of(c.MayRetry)


def test_nor_are_those_asked_that_are_told_the_same_way():
    other_key = replace(A, id="a/m#2")
    none_left = Refusal(100.0, None, {})
    script = Script({c.Reserve: [reservation(), none_left], c.Call: unfit("no `seed` here")})

    with pytest.raises(AttemptsFailed, match="it said bad_request") as caught:
        script.play(run(work(A, other_key), REQUEST))

    assert asks(script)[1] == {"a/m#1", "a/m#2"}
    [failed] = caught.value.attempts
    assert failed.failure.retryable
    assert "another provider" in failed.failure.advice


def test_a_request_that_nobody_can_be_told_says_of_each_what_it_lacks():
    script = Script(
        {
            c.Reserve: [reservation(), reservation("b/m#1", number=2), Refusal(100.0, None, {})],
            c.Call: [unfit(), unfit()],
        }
    )

    with pytest.raises(
        AttemptsFailed, match=r"^nothing was sent: it said bad_request; it said bad_request; then"
    ) as caught:
        script.play(run(work(A, deployment("b", adapter="another")), REQUEST))

    assert [attempt.deployment for attempt in caught.value.attempts] == ["a/m#1", "b/m#1"]


def test_who_is_out_because_it_failed_the_request_is_not_told_twice():
    seen = Rejection("excluded", "this request has been there already")
    out = {
        "all": {"a/m#1": seen, "b/m#1": seen},
        "some": {"a/m#1": seen, "b/m#1": Rejection("resting", "it rests for long")},
    }
    said = {}
    for who, reasons in out.items():
        script = Script({c.Reserve: [reservation(), Refusal(100.0, None, reasons)], c.Call: [unfit()]})
        with pytest.raises(AttemptsFailed) as caught:
            script.play(run(work(A, deployment("b", adapter="another")), REQUEST))
        said[who] = str(caught.value)

    assert said["all"].startswith("nothing was sent: it said bad_request")
    assert "been there" not in said["all"]
    assert "; then nothing in" in said["some"]
    assert "b/m#1: it rests for long" in said["some"]


def test_a_request_that_is_wrong_everywhere_still_goes_nowhere():
    script = Script({c.Reserve: reservation(), c.Call: failure("bad_request", request_sent=False)})

    with pytest.raises(AttemptsFailed):
        script.play(run(work(A, B), REQUEST))

    assert len(asks(script)) == 1


def test_in_the_last_resort_whoever_is_dead_is_asked_after_everybody_else():
    dead = Bar(frozenset({"a/m#1"}), 100.0, frozenset({"a/m#1"}))
    script = Script(
        {
            c.Barred: lambda command: dead if command.strictly else NO_BAR,
            c.Reserve: [refused(a="failing", b="failing"), refused(b="no_room"), reservation(number=3)],
            c.Call: answer(),
        }
    )

    script.play(run(desperate(A, B), REQUEST))

    assert asks(script) == [set(), {"a/m#1"}, set()]


def test_who_is_interrupted_again_while_giving_back_gives_back_all_the_same():
    script = Script({c.Reserve: [reservation()], c.Call: KeyboardInterrupt(), c.Finish: [KeyboardInterrupt(), ()]})

    with pytest.raises(KeyboardInterrupt):
        script.play(run(work(A, B), REQUEST))

    assert len(script.of(c.Finish)) == 2
    assert len(script.of(c.Settle)) == 1
