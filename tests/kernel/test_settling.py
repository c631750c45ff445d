"""What a settled call tells the ledger of limits, and what the ledger says it has learned."""

import pytest
from tests.kernel.made import PAID, Script, answer, deployment, failure, reservation, work

from rotor_core import _commands as c
from rotor_core._flow import run, settle, stream
from rotor_core._ledger import Kin, Lesson
from rotor_core._model import Limit
from rotor_core._outcome import Chunk, Failure, Outcome, Usage
from rotor_core._policy.next_step import LEAST_TOLD
from rotor_core._request import Request

REQUEST = Request([{"role": "user", "content": "hi"}])
HEADERS = {"x-ratelimit-limit-requests-minute": "30", "x-ratelimit-remaining-requests-minute": "12"}
LESSON = Lesson("q|m", "q|m|requests|minute|rolling|-", 50.0, Limit("requests", 30.0, source="header"), "a header")


def told(script):
    return [[(t.unit, t.limit, t.remaining) for t in settled.told] for settled in script.of(c.Settle)]


def test_an_answers_headers_are_told_to_the_ledger():
    script = Script({c.Reserve: reservation(), c.Call: answer(headers=HEADERS)})

    script.play(run(work(deployment()), REQUEST))

    assert told(script) == [[("requests", 30.0, 12.0)]]


def test_so_are_those_of_a_stream():
    opened = c.Opened((Chunk("hi", headers=HEADERS),), [Chunk("!", finish_reason="stop", usage=Usage(1, 2))])
    script = Script({c.Reserve: reservation(), c.Open: opened})

    script.play(stream(work(deployment()), REQUEST))

    assert told(script) == [[("requests", 30.0, 12.0)]]


def test_a_refusal_tells_its_limit_once_and_what_its_headers_say():
    refused = failure("rate_limit", unit="requests", per="minute", limit=30.0, retry_after=4.0)
    refused.headers = HEADERS
    script = Script({c.Reserve: [reservation(), reservation(number=2)], c.Call: [refused, answer()]})

    script.play(run(work(deployment()), REQUEST))

    first = script.of(c.Settle)[0].told
    assert [t.refused for t in first].count(True) == 1
    assert (first[0].unit, first[0].limit, first[0].retry_in) == ("requests", 30.0, 4.0)


def test_what_was_learned_is_said():
    script = Script({c.Settle: [(LESSON,)]})
    outcome = Outcome(Usage(3, 4), None, 0.5, headers=HEADERS)

    script.play(settle(deployment(), reservation(), outcome, pool="main"))

    [event] = script.events()
    assert event.name == "limit_learned"
    assert (event.deployment, event.before, event.limit, event.unit, event.source) == (
        "a/m#1",
        50.0,
        30.0,
        "requests",
        "header",
    )
    assert event.request == "r"


def test_a_header_that_cannot_be_true_is_said_and_changes_nothing():
    script = Script({})
    outcome = Outcome(Usage(3, 4), None, 0.5, headers={"x-ratelimit-remaining-requests-minute": "-5"})

    script.play(settle(deployment(), reservation(), outcome))

    assert told(script) == [[]]
    [event] = script.events()
    assert event.name == "header_distrusted"
    assert "x-ratelimit-remaining-requests-minute" in event.header


@pytest.mark.parametrize(("lessons", "seconds"), [((), 5.0), ((LESSON,), LEAST_TOLD)])
def test_who_refuses_without_saying_for_how_long_rests_only_a_moment_where_a_limit_was_learned_from_it(
    lessons, seconds
):
    script = Script({c.Settle: [lessons]})

    script.play(settle(deployment(), reservation(), Outcome(None, Failure("rate_limit"))))

    assert script.of(c.Rest)[0].until == 100.0 + seconds


def test_a_wait_that_was_told_is_kept_whatever_was_learned():
    script = Script({c.Settle: [(LESSON,)]})

    script.play(settle(deployment(), reservation(), Outcome(None, Failure("rate_limit", retry_after=9.0))))

    assert script.of(c.Rest)[0].until == 109.0


def test_quotas_that_are_one_are_said_and_are_no_reason_to_rest_for_less():
    script = Script({c.Settle: [(Kin(("auto:p", "auto:q"), "they move together"),)]})

    script.play(settle(deployment(), reservation(), Outcome(None, Failure("rate_limit")), pool="main"))

    [event] = [event for event in script.events() if event.name == "quota_suspected"]
    assert (event.request, event.pool, event.quotas) == ("r", "main", ("auto:p", "auto:q"))
    assert event.evidence == "they move together"
    assert script.of(c.Rest)[0].until == 105.0


def test_what_a_provider_leaves_out_of_its_counts_is_charged_all_the_same():
    """xAI's reasoning, Mistral's audio: in the total alone."""
    script = Script({})
    usage = Usage(9, 26, reasoning_tokens=97, beside_input=375, beside_output=97)

    cost = script.play(settle(deployment(price=PAID), reservation(), Outcome(usage, None, 0.5)))

    [settled] = script.of(c.Settle)
    assert (settled.used.input_tokens, settled.used.output_tokens) == (384, 123)
    assert cost == pytest.approx(PAID.cost(384, 123))
    assert usage.total_tokens == 384 + 123
