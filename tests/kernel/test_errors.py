"""What errors say, and that they survive being sent elsewhere."""

import pickle

import pytest
from tests.kernel.made import failure

from rotor_core import AttemptsFailed, ConfigError, NoCandidates, ProviderError, RotorError, Secret, StreamBroken
from rotor_core._demand import Demand
from rotor_core._model import Limit, Price
from rotor_core._outcome import Attempt, Failure


def test_a_config_error_is_one_line_with_all_that_helps():
    error = ConfigError(
        "unknown key",
        file="rotor.yaml",
        line=7,
        key="providers.groq.kyes",
        value=[1],
        expected="keys",
        suggestion="keys",
    )

    assert str(error) == "rotor.yaml:7: providers.groq.kyes: unknown key (got [1]); expected keys; did you mean 'keys'?"
    assert isinstance(error, RotorError)
    assert isinstance(error, ValueError)
    assert str(ConfigError("no keys")) == "no keys"


def test_config_errors_survive_a_pickle():
    error = pickle.loads(
        pickle.dumps(ConfigError("wrong", file="f", line=1, key="k", value=2, expected="e", suggestion="s"))
    )

    assert (error.file, error.line, error.key, error.value, error.expected, error.suggestion) == (
        "f",
        1,
        "k",
        2,
        "e",
        "s",
    )


def test_a_group_of_attempts_says_the_whole_story_and_can_be_split():
    attempts = [Attempt(1, "a/m#1", 0.0, 1.0, Failure("timeout"))]
    error = AttemptsFailed("all failed", [failure("timeout"), failure("auth")], attempts, 9.0)

    assert str(error) == "all failed"
    timeouts, rest = error.split(lambda e: isinstance(e, ProviderError) and e.failure.kind == "timeout")
    assert len(timeouts.exceptions) == len(rest.exceptions) == 1
    assert isinstance(timeouts, AttemptsFailed)
    assert (timeouts.attempts, timeouts.retry_at) == (tuple(attempts), 9.0)


def test_a_group_of_attempts_survives_a_pickle():
    error = pickle.loads(pickle.dumps(AttemptsFailed("all failed", [ValueError("x")], [], 9.0)))

    assert (str(error), error.retry_at, error.exceptions[0].args) == ("all failed", 9.0, ("x",))


def test_refusals_and_breaks_hold_what_a_program_needs():
    assert NoCandidates("none").reasons == {}
    assert StreamBroken("cut", "part").partial == "part"


def test_a_secret_shows_itself_only_when_told_to():
    secret = Secret("sk-1234")

    assert "sk-1234" not in f"{secret} {secret!r}"
    assert secret.reveal() == "sk-1234"
    assert not Secret("")
    assert repr(Secret("")) == "Secret('')"


@pytest.mark.parametrize(
    ("limit", "amount"),
    [
        (Limit("requests", 9), 1),
        (Limit("concurrent", 9, None, "concurrency"), 1),
        (Limit("tokens", 9), 130),
        (Limit("tokens", 9, counts="requested"), 600),
        (Limit("input_tokens", 9), 100),
        (Limit("output_tokens", 9), 30),
        (Limit("output_tokens", 9, counts="requested"), 500),
        (Limit("audio_seconds", 9), 12.0),
        (Limit("usd", 9), 0.00013),
    ],
)
def test_what_a_request_takes_of_each_kind_of_limit(limit, amount):
    demand = Demand(100, 30, 500, audio_seconds=12.0)

    assert demand.amount(limit, Price(1.0, 1.0)) == pytest.approx(amount)


def test_a_request_without_a_maximum_asks_for_what_is_expected():
    assert Demand(100, 30).amount(Limit("tokens", 9, counts="requested"), None) == 130
    assert Demand(100, 30).amount(Limit("usd", 9), None) == 0.0


def test_cached_tokens_cost_what_cached_tokens_cost():
    assert Price(2.0, 4.0, cached=0.5).cost(1_000_000, 500_000, 400_000) == pytest.approx(1.2 + 2.0 + 0.2)
    assert Price(2.0, 4.0).cost(1_000_000, 0, 400_000) == 2.0
    assert Price(0, 0).free
    assert Limit("requests", 1, None).seconds == 0.0
    assert Limit("requests", 1, 90.0).seconds == 90.0
