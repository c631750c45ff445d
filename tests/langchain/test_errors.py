"""What a caller, a retry middleware and a pickle make of errors."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from tests.langchain.scripted import HELLO, ONE_IN_TEN_SECONDS, scripted

from rotor_core import _outcome as outcome
from rotor_core._errors import (
    AttemptsFailed,
    ConfigError,
    NoCandidates,
    ProviderError,
    RotorError,
    StoreError,
    StreamBroken,
)
from rotor_core._ledger import Rejection
from rotor_core._model import Policy
from rotor_core._outcome import Attempt, Chunk, Failure
from rotor_langchain import ChatRotor
from rotor_langchain.errors import (
    AttemptsInvalid,
    NoContextLargeEnough,
    NoModelCapable,
    NoModelsAvailable,
    StreamDisconnected,
    UnknownModel,
    dominating,
    for_langchain,
)


def failed(*failures: Failure) -> AttemptsFailed:
    attempts = [Attempt(n, f"d{n}", 0.0, 0.1, failure) for n, failure in enumerate(failures, 1)]
    return AttemptsFailed("all failed", [ProviderError(f.kind, f) for f in failures], attempts, None)


CLASSES = [
    ("rate_limit", ModelRateLimitError, True),
    ("quota_exhausted", ModelRateLimitError, False),
    ("auth", ModelAuthenticationError, False),
    ("permission", ModelPermissionDeniedError, False),
    ("billing", ModelPermissionDeniedError, False),
    ("not_found", ModelNotFoundError, False),
    ("bad_request", ModelInvalidRequestError, False),
    ("content_filter", ModelInvalidRequestError, False),
    ("context_length", ContextOverflowError, False),
    ("too_large", ContextOverflowError, False),
    ("overloaded", ModelAPIError, True),
    ("server_error", ModelAPIError, True),
    ("unknown", ModelAPIError, True),
    ("timeout", ModelTimeoutError, True),
    ("connection", ModelConnectionError, True),
    ("cancelled", ModelAPIError, False),
]


def test_every_kind_of_failure_is_in_the_table():
    assert {kind for kind, _, _ in CLASSES} == set(outcome.KINDS)


@pytest.mark.parametrize(("kind", "expected", "retryable"), CLASSES, ids=[k for k, _, _ in CLASSES])
def test_a_failure_of_every_kind_is_langchains_error_for_it_and_the_engines_too(
    kind: Any, expected: type[ModelError], retryable: bool
):
    error = for_langchain(failed(Failure(kind)))

    assert isinstance(error, expected)
    assert isinstance(error, AttemptsFailed)
    assert error.is_retryable is retryable
    assert str(error) == "all failed"
    assert error.attempts[0].deployment == "d1"
    assert isinstance(error.exceptions[0], ProviderError)


def test_of_several_kinds_a_final_last_one_wins_then_the_most_frequent_then_the_latest():
    assert dominating(["auth", "auth", "bad_request"]) == "bad_request"
    assert dominating(["auth", "server_error", "auth"]) == "auth"
    assert dominating(["auth", "server_error"]) == "server_error"
    assert dominating([]) == "unknown"


def test_one_transient_failure_among_others_is_reason_enough_to_try_again():
    assert for_langchain(failed(Failure("auth"), Failure("auth"), Failure("server_error"))).is_retryable is True


def test_attempts_that_were_all_told_to_come_back_much_later_are_not_retried():
    soon, late = Failure("rate_limit", retry_after=5), Failure("rate_limit", retry_after=3600)

    assert for_langchain(failed(late, late)).is_retryable is False
    assert for_langchain(failed(late, soon)).is_retryable is True
    assert for_langchain(failed(late, soon)).retry_after == 5


def test_what_may_pass_soon_decides_among_what_lasts_and_what_nobody_told_the_end_of():
    late = Failure("rate_limit", retry_after=3600)

    assert for_langchain(failed(Failure("auth"), late)).is_retryable is False
    assert for_langchain(failed(late, Failure("timeout"))).is_retryable is True


def test_a_wait_that_makes_no_request_smaller_is_no_time_to_come_back():
    assert for_langchain(failed(Failure("too_large", retry_after=50.0))).retry_after is None


@pytest.mark.parametrize(("kind", "_", "retryable"), CLASSES, ids=[k for k, _, _ in CLASSES])
def test_a_broken_stream_is_retryable_by_what_broke_it(kind: Any, _: Any, retryable: bool):
    error = for_langchain(StreamBroken("cut", "Once", failure=Failure(kind, retry_after=2.0)))

    assert isinstance(error, ModelError)
    assert (error.is_retryable, error.retry_after, error.partial) == (retryable, 2.0, "Once")
    assert for_langchain(StreamBroken("cut", "Once", failure=Failure(kind, retry_after=61.0))).is_retryable is False


def test_a_stream_that_broke_for_no_known_reason_may_be_asked_again():
    error = for_langchain(StreamBroken("cut", ""))

    assert isinstance(error, ModelAPIError)
    assert error.is_retryable is True


class Raising(FakeListChatModel):
    """A model that fails, always, in LangChain's terms."""

    error: Any
    asked: list[int] = []

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(1)
        raise self.error


def raising(error: Exception) -> Raising:
    return Raising(responses=[], error=error, asked=[])


@pytest.mark.parametrize(("kind", "expected", "retryable"), CLASSES, ids=[k for k, _, _ in CLASSES])
def test_retry_middleware_and_fallbacks_do_with_every_kind_what_it_asks_for(
    kind: Any, expected: type[ModelError], retryable: bool
):
    error = for_langchain(failed(Failure(kind)))
    model = raising(error)
    middleware = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")

    with pytest.raises(expected):
        create_agent(model, middleware=[middleware]).invoke({"messages": [("user", "hi")]})

    assert len(model.asked) == (3 if retryable else 1)
    other = FakeListChatModel(responses=["from elsewhere"])
    answered = raising(error).with_fallbacks([other], exceptions_to_handle=(ModelError,)).invoke("hi")
    assert answered.content == "from elsewhere"


def test_fallbacks_do_not_join_another_models_text_to_a_broken_stream():
    rotor, _ = scripted({"a": [[Chunk("Once "), Failure("connection")]]})
    model = ChatRotor(rotor=rotor).with_fallbacks([FakeListChatModel(responses=["elsewhere"])])
    got: list[Any] = []

    with pytest.raises(StreamDisconnected):
        got.extend(chunk.content for chunk in model.stream("tell me"))

    assert "".join(got) == "Once "


def test_a_refusal_is_retryable_when_capacity_returns_within_a_minute():
    def refusal(retry_after: float | None) -> Any:
        at = None if retry_after is None else 1000.0 + retry_after
        return for_langchain(NoCandidates("full", retry_at=at, retry_after=retry_after))

    assert isinstance(refusal(5), NoModelsAvailable)
    assert [refusal(s).is_retryable for s in (5, 60, 61, None)] == [True, True, False, False]
    assert refusal(61).retry_after == 61


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["context"], NoContextLargeEnough),
        (["context", "capability"], NoContextLargeEnough),
        (["never_fits", "paid"], NoContextLargeEnough),
        (["capability"], NoModelCapable),
        (["capability", "paid"], NoModelsAvailable),
        (["resting", "context"], NoModelsAvailable),
        ([], NoModelsAvailable),
    ],
)
def test_a_refusal_for_ever_says_whether_size_or_ability_is_to_blame(reasons: list[Any], expected: type[RotorError]):
    error = for_langchain(NoCandidates("no", reasons={f"d{n}": Rejection(r, r) for n, r in enumerate(reasons)}))

    assert type(error) is expected
    assert error.is_retryable is False


def test_a_message_that_no_context_can_hold_is_a_context_overflow():
    rotor, adapter = scripted(context=100)

    with pytest.raises(ContextOverflowError, match="a/m#1"):
        ChatRotor(rotor=rotor).invoke("word " * 1000)

    assert adapter.calls == []


def test_an_unknown_model_of_a_call_is_not_found_and_not_retried():
    rotor, _ = scripted()

    with pytest.raises(UnknownModel, match="did you mean 'fast'") as caught:
        ChatRotor(rotor=rotor).invoke("hi", model="fsat")

    assert isinstance(caught.value, ModelNotFoundError | ConfigError)
    assert caught.value.is_retryable is False


ERRORS: list[RotorError] = [
    failed(Failure("rate_limit", retry_after=3.0)),
    NoCandidates("full", retry_at=5.0, retry_after=3.0, reasons={"d": Rejection("no_room", "full", 5.0)}),
    StreamBroken("cut", "abc", failure=Failure("connection")),
    ConfigError("no such pool", key="model", value="x"),
    StoreError("away"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_every_error_survives_a_pickle_with_what_it_knew(error: RotorError):
    for one in (error, for_langchain(error)):
        back = pickle.loads(pickle.dumps(one))

        assert type(back) is type(one)
        assert str(back) == str(one)
        assert set(vars(back)) == set(vars(one))
        assert getattr(back, "is_retryable", None) == getattr(one, "is_retryable", None)
        assert getattr(back, "partial", None) == getattr(one, "partial", None)
        assert getattr(back, "retry_after", None) == getattr(one, "retry_after", None)


def test_a_stream_that_breaks_says_what_the_caller_has_of_it():
    rotor, _ = scripted({"a": [[Chunk("Once "), Chunk("upon"), Failure("connection")]]})
    got: list[Any] = []

    with pytest.raises(ModelConnectionError) as caught:
        got.extend(chunk.content for chunk in ChatRotor(rotor=rotor).stream("tell me"))

    assert got == ["Once ", "upon"]
    assert isinstance(caught.value, StreamDisconnected)
    assert caught.value.partial == "Once upon"
    assert isinstance(caught.value.__cause__, StreamBroken)


async def test_an_asynchronous_stream_breaks_the_same_way():
    rotor, _ = scripted({"a": [[Chunk("Once "), Failure("server_error")]]})

    with pytest.raises(ModelAPIError) as caught:
        async for _ in ChatRotor(rotor=rotor).astream("tell me"):
            pass

    assert caught.value.partial == "Once "


def test_the_error_that_a_trace_sees_holds_no_secret():
    from tests.langchain.scripted import Heard

    rotor, _ = scripted({"a": [Failure("auth")]})
    heard = Heard()

    with pytest.raises(ModelAuthenticationError):
        ChatRotor(rotor=rotor, max_retries=0).invoke("hi", config={"callbacks": [heard]})

    assert "the-secret" not in repr(heard.errors) + str(heard.errors[0]) + repr(heard.started)


def _agent_calls(script: list[Any], **options: Any) -> tuple[int, Any]:
    rotor, adapter = scripted({"a": script}, **options)
    model = ChatRotor(rotor=rotor, max_retries=0)
    agent = create_agent(model, middleware=[ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)])
    try:
        outcome: Any = agent.invoke({"messages": [("user", "hi")]})["messages"][-1].content
    except Exception as error:
        outcome = error
    return len(adapter.calls), outcome


def test_an_agents_retry_middleware_tries_again_what_may_pass():
    calls, outcome = _agent_calls(
        [Failure("overloaded", retry_after=0.0), Failure("overloaded", retry_after=0.0), HELLO]
    )

    assert (calls, outcome) == (3, "hello")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("bad_request"), AttemptsInvalid),
        (Failure("auth"), ModelAuthenticationError),
        (Failure("rate_limit", retry_after=3600.0), ModelRateLimitError),
    ],
    ids=["bad request", "auth", "rate limit for an hour"],
)
def test_an_agents_retry_middleware_raises_at_once_what_will_not_pass(failure: Failure, expected: type[Exception]):
    calls, outcome = _agent_calls([failure])

    assert calls == 1
    assert isinstance(outcome, expected)


def test_an_agent_is_not_kept_waiting_by_retries_when_everything_is_exhausted():
    rotor, adapter = scripted(limits=(ONE_IN_TEN_SECONDS,), policy=Policy(max_wait=0))
    middleware = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    agent = create_agent(ChatRotor(rotor=rotor), middleware=[middleware])
    agent.invoke({"messages": [("user", "hi")]})

    with pytest.raises(NoModelsAvailable, match="capacity returns in") as caught:
        agent.invoke({"messages": [("user", "hi")]})

    assert caught.value.retry_after == pytest.approx(10, abs=1)
    assert len(adapter.calls) == 1
