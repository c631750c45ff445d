"""What a ChatRotor sends, how often, by when and on whose budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from tests.langchain.scripted import HELLO, scripted

from rotor_core._model import Budget, Limit, Policy, Price
from rotor_core._outcome import Answer, Failure, Usage
from rotor_langchain import ChatRotor


def test_parameters_of_the_model_and_of_the_call_are_sent_the_calls_first():
    rotor, adapter = scripted()
    model = ChatRotor(
        rotor=rotor, temperature=0, max_tokens=50, seed=1, top_p=0.9, stop_sequences=["END"], model_kwargs={"user": "u"}
    )

    model.invoke("hi", temperature=1.0, logit_bias={"5": 1}, seed=None)
    assert adapter.last.params == {
        "temperature": 1.0, "max_tokens": 50, "top_p": 0.9, "stop": ["END"], "user": "u", "logit_bias": {"5": 1},
    }  # fmt: skip

    model.invoke("hi", stop=["\n"], max_completion_tokens=9)
    assert adapter.last.params["stop"] == ["\n"]
    assert adapter.last.params["max_completion_tokens"] == 9
    assert "max_tokens" not in adapter.last.params


def test_an_empty_stop_is_not_sent():
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor, stop=[]).invoke("hi")

    assert "stop" not in adapter.last.params


def test_a_pool_or_a_model_may_be_named_by_the_model_or_by_the_call():
    rotor, adapter = scripted({"a": [HELLO], "b": [HELLO]}, pools={"code": ["b"]})
    model = ChatRotor(rotor=rotor, model="fast")

    used = [
        model.invoke("hi").response_metadata["model_name"],
        model.invoke("hi", model="code").response_metadata["model_name"],
        model.invoke("hi", model="b/m").response_metadata["model_name"],
        model.bind(model="code").invoke("hi").response_metadata["model_name"],
        ChatRotor(rotor=rotor, task="code").invoke("hi").response_metadata["model_name"],
        model.invoke("hi", task="code", model="auto").response_metadata["model_name"],
    ]

    assert used == ["a/m", "b/m", "b/m", "b/m", "b/m", "b/m"]
    assert all("model" not in r.params and "task" not in r.params for _, r in adapter.calls)


def test_retries_are_calls_after_the_first():
    for retries in (0, 2):
        rotor, adapter = scripted({"a": [Failure("server_error", retry_after=0.0)]})
        with pytest.raises(Exception, match=f"{retries + 1} attempts?"):
            ChatRotor(rotor=rotor, max_retries=retries).invoke("hi")
        assert len(adapter.calls) == retries + 1


def test_a_deadline_in_seconds_or_as_an_instant_is_kept_without_waiting():
    from rotor_langchain.errors import NoModelsAvailable

    rotor, adapter = scripted(limits=(Limit("requests", 1, 100.0, "rolling"),), policy=Policy(max_wait=1000))
    model = ChatRotor(rotor=rotor)
    model.invoke("first")

    for deadline in (5, datetime.fromtimestamp(rotor.store.now() + 5, tz=UTC)):
        with pytest.raises(NoModelsAvailable) as caught:
            model.invoke("second", deadline=deadline)
        assert caught.value.retry_after == pytest.approx(100, abs=2)
    assert len(adapter.calls) == 1


async def test_a_higher_priority_goes_first_where_there_is_a_queue():
    gate, order = asyncio.Event(), []

    async def wait() -> Answer:
        await gate.wait()
        return HELLO

    rotor, _ = scripted({"a": [wait, HELLO]}, limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor, priority=1)

    async def ask(name: str, **how: Any) -> None:
        await model.ainvoke("hi", **how)
        order.append(name)

    first = asyncio.create_task(ask("first"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(ask(name, priority=p)) for name, p in (("low", 0), ("own", None), ("high", 9))]
    for _ in range(20):
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *others)

    assert order == ["first", "high", "own", "low"]


def test_each_caller_spends_its_own_budget():
    from rotor_langchain.errors import NoModelsAvailable

    # A prompt costs next to nothing, an answer of five tokens half a dollar.
    price, hello = Price(0.05, 100_000), replace(HELLO, usage=Usage(1, 5))
    policy = Policy(budgets=(Budget(0.6, "day", caller="each"),), max_wait=0)
    rotor, adapter = scripted({"a": [hello]}, price=price, policy=policy)
    model = ChatRotor(rotor=rotor, caller="team-a", max_tokens=5)

    model.invoke("hi")
    with pytest.raises(NoModelsAvailable):
        model.invoke("hi")
    model.invoke("hi", caller="team-b")

    assert len(adapter.calls) == 2


def test_langchains_rate_limiter_is_respected_too():
    rotor, _ = scripted()
    limiter = InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001)

    assert ChatRotor(rotor=rotor, rate_limiter=limiter).invoke("hi").content == "hello"


def test_an_image_reaches_the_provider_and_only_models_that_see():
    from rotor_langchain.errors import NoModelCapable

    block = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, block])
    rotor, adapter = scripted(capabilities={"vision"})
    blind, _ = scripted(capabilities={"tools"})

    ChatRotor(rotor=rotor).invoke([message])

    assert adapter.last.messages[0]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    with pytest.raises(NoModelCapable, match="vision"):
        ChatRotor(rotor=blind).invoke([message])
