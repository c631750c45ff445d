"""What a failure is worth, in words: and the page about failures says what the code does."""

import pickle
import re
from pathlib import Path

import pytest

from rotor_core._model import Policy
from rotor_core._outcome import KINDS, Failure
from rotor_core._policy.next_step import BACKOFF, HOUR, LEAST_TOLD, REACTIONS
from rotor_core._state import breaker, retries

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"


@pytest.mark.parametrize(
    ("failure", "deployment", "advice"),
    [
        (Failure("rate_limit", retry_after=12.0), None, "wait 12 s, or use a key with a quota of its own"),
        (Failure("rate_limit", retry_after=4.77), None, "wait 4.8 s, or use a key with a quota of its own"),
        (Failure("rate_limit", retry_after=0.0), None, "wait 0 s, or use a key with a quota of its own"),
        (Failure("rate_limit", retry_after=119.0), None, "wait 119 s, or use a key with a quota of its own"),
        (Failure("rate_limit", retry_after=213.84), None, "wait 3.6 min, or use a key with a quota of its own"),
        (Failure("rate_limit"), None, "wait, or use a key with a quota of its own"),
        (Failure("quota_exhausted", retry_after=7200.0), None, "wait 2 h until the quota returns, or use another model or provider"),
        (Failure("quota_exhausted", retry_after=864000.0), None, "wait 10 d until the quota returns, or use another model or provider"),
        (Failure("auth"), "groq/llama#1", "replace the key, then `rotor reset groq/llama#1`"),
        (Failure("auth"), None, "replace the key, then `rotor reset <deployment>`"),
        (Failure("billing"), "x/m#1", "top up the account or use another one, then `rotor reset x/m#1`"),
        (Failure("context_length", "tokens", limit=8192, requested=9000), None, "shorten the request (9,000 of at most 8,192 tokens) or add a model with a larger context"),
        (Failure("context_length", limit=8192), None, "shorten the request (at most 8,192) or add a model with a larger context"),
        (Failure("too_large", "input_tokens", requested=9000), None, "make the request smaller or add a model with a higher limit"),
        (Failure("too_large", limit=0), None, "make the request smaller or add a model with a higher limit"),
    ],
)  # fmt: skip
def test_the_advice_names_what_is_known(failure, deployment, advice):
    assert failure.advice_for(deployment) == advice
    assert deployment or failure.advice == advice


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_advice_and_its_severity(kind):
    for failure in (Failure(kind), Failure(kind, "tokens", "day", 10.0, 3.0, 12.0, 1.5)):
        assert re.fullmatch(r"[a-z][^{}\n]{10,150}[a-z0-9>`]", failure.advice)
        assert failure.severity in ("transient", "limit", "request", "account")


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_flow_raises_at_once_is_what_is_not_retryable(kind):
    assert Failure(kind).retryable is (REACTIONS[kind].action != "raise")


def test_severity_and_blame_agree():
    for kind in KINDS:
        assert REACTIONS[kind].blamed is (Failure(kind).severity == "transient"), kind


def test_a_failure_is_a_value_as_before():
    failure = Failure("rate_limit", "tokens", "minute", 6000.0, 5000.0, 1500.0, 4.77, "org", 429, "no")

    assert pickle.loads(pickle.dumps(failure)) == failure
    assert hash(failure) == hash(
        Failure("rate_limit", "tokens", "minute", 6000.0, 5000.0, 1500.0, 4.77, "org", 429, "no")
    )
    assert "advice" not in repr(failure)


NAMES = {"deployment": "the deployment", "quota": "the quota", "credential": "the key"}
NEXT = {
    "elsewhere": "another deployment",
    "larger": "one with a larger context",
    "raise": "none: the error is raised",
    "deployment": "another; this one again when it has rested",
    "model": "another; the same model at that provider last",
    "provider": "another; that provider last",
}


def rests(kind):
    """Who rests, and for how long, as the page has it."""
    reaction = REACTIONS[kind]
    if reaction.rest is None:
        counts = "its breaker counts it" if reaction.blamed else "nobody"
        return f"{NAMES[reaction.scope]}, as told; else {counts}" if reaction.told else counts
    length = "1 h" if reaction.rest == HOUR else f"{reaction.rest:g} s"
    return f"{NAMES[reaction.scope]}, {'as told; else ' if reaction.told else ''}{length}"


def goes_on(kind):
    """Where the request goes next, as the page has it."""
    reaction = REACTIONS[kind]
    return NEXT[reaction.reach if reaction.action == "retry" else reaction.action]


def rows():
    cells = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if re.match(r"\| `\w+` \|", line)]
    return {row[0].strip(" `"): tuple(cell.strip() for cell in row[2:]) for row in cells}


def test_the_page_has_every_kind():
    assert list(rows()) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_the_code_does(kind):
    failure = Failure(kind)
    assert rows()[kind] == (failure.severity, rests(kind), goes_on(kind), failure.advice)


@pytest.mark.parametrize(
    "sentence",
    [
        f"{breaker.FEWEST} to {breaker.MOST} failures in a row",
        f"{breaker.FIRST_REST:g} s at first",
        f"to {breaker.LONG_REST:g} s",
        f"at most {breaker.LONGEST_REST:g} s",
        f"{BACKOFF:g} s, doubled",
        f"`max_attempts` ({Policy().max_attempts})",
        f"{100 * retries.SHARE:g} % of the requests",
        f"{retries.A_SECOND:g} a second",
        f"for {LEAST_TOLD:g} s",
        "1, 2, 4, " + f"{breaker.TRUSTED}",
    ],
)
def test_the_figures_on_the_page_are_those_of_the_code(sentence):
    assert sentence in " ".join(PAGE.read_text().split())
