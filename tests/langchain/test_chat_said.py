"""What a ChatRotor says, whole and in a stream, and what is given back when its listener leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.langchain.scripted import HELLO, Heard, pieces, scripted, sum_of

from rotor_core._model import Limit
from rotor_core._outcome import Answer, Failure, ToolCall, Usage
from rotor_langchain import ChatRotor


@pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
async def test_an_answer_says_who_gave_it_after_what(how: str):
    rotor, _ = scripted(
        {"a": [Failure("server_error")], "b": [Answer("hello", finish_reason="stop", usage=Usage(11, 7, 4, 3))]}
    )
    model = ChatRotor(rotor=rotor)
    if how == "invoke":
        message: Any = model.invoke("hi")
    elif how == "ainvoke":
        message = await model.ainvoke("hi")
    elif how == "stream":
        message = sum_of(list(model.stream("hi")))
    else:
        message = sum_of([chunk async for chunk in model.astream("hi")])

    assert message.content == "hello"
    about = dict(message.response_metadata)
    facts = about.pop("rotor")
    assert about == {"model_name": "b/m", "model_provider": "rotor", "finish_reason": "stop"}
    assert facts.pop("estimated_tokens") > 200
    assert facts.pop("waited_s") == pytest.approx(0, abs=0.5)
    assert facts == {
        "provider": "b", "model": "m", "credential": "b#1", "attempts": 2, "cost_usd": 0.0,
        "decision": "free-first: free, attempt 2",
    }  # fmt: skip
    assert message.usage_metadata == {
        "input_tokens": 11, "output_tokens": 7, "total_tokens": 18,
        "input_token_details": {"cache_read": 4}, "output_token_details": {"reasoning": 3},
    }  # fmt: skip


def test_a_stream_says_each_thing_about_the_whole_once():
    rotor, _ = scripted()

    chunks = list(ChatRotor(rotor=rotor).stream("hi"))

    assert [bool(c.usage_metadata) for c in chunks].count(True) == 1
    assert ["model_name" in c.response_metadata for c in chunks].count(True) == 1
    assert chunks[0].response_metadata == {"model_provider": "rotor"}
    assert chunks[-1].chunk_position == "last"


def test_reasoning_is_kept_apart_and_stands_in_the_standard_blocks():
    rotor, _ = scripted({"a": [Answer("4", reasoning="2 and 2", finish_reason="stop")]})
    model = ChatRotor(rotor=rotor)

    for message in (model.invoke("2+2"), sum_of(list(model.stream("2+2")))):
        assert message.content == "4"
        assert message.additional_kwargs == {"reasoning_content": "2 and 2"}
        assert [b["type"] for b in message.content_blocks] == ["reasoning", "text"]
    v1 = ChatRotor(rotor=rotor, output_version="v1").invoke("2+2")
    assert [b["type"] for b in v1.content] == ["reasoning", "text"]


@pytest.mark.parametrize(
    "before", [{"reasoning": "hm"}, {"text": "Let me see."}, {"reasoning": "hm", "text": "Let me see."}]
)
def test_tool_calls_after_other_content_stay_apart_from_it_in_standard_blocks(before: dict[str, str]):
    calls = (ToolCall("c1", "add", '{"a": 1}'), ToolCall("c2", "add", '{"a": 2}'))
    answer = Answer(before.get("text", ""), calls, before.get("reasoning", ""), finish_reason="tool_calls")
    rotor, _ = scripted({"a": [answer]})

    v0, v1 = (sum_of(list(ChatRotor(rotor=rotor, output_version=v).stream("hi"))) for v in ("v0", "v1"))

    assert v0.tool_calls == v1.tool_calls
    assert [c["args"] for c in v1.tool_calls] == [{"a": 1}, {"a": 2}]
    assert [b["type"] for b in v1.content] == [*before.keys(), "tool_call", "tool_call"]
    assert [c["index"] for c in v0.tool_call_chunks] == [0, 1]


def test_a_stream_that_is_left_early_is_closed_and_its_capacity_is_back():
    rotor, adapter = scripted(limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)

    stream = model.stream("hi")
    next(stream)
    stream.close()

    assert adapter.closed_streams == 1
    assert rotor.pool_state()["available"] == 1
    assert model.invoke("again", deadline=1).content == "hello"


async def test_a_cancelled_call_gives_its_capacity_back():
    started = asyncio.Event()

    async def hang() -> Answer:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    rotor, _ = scripted({"a": [hang, HELLO]}, limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)
    task = asyncio.create_task(model.ainvoke("hi"))
    await started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await model.ainvoke("again", deadline=1)).content == "hello"


async def test_an_asynchronous_stream_that_is_left_early_gives_its_capacity_back():
    from contextlib import aclosing

    rotor, _ = scripted(limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)

    async with aclosing(model.astream("hi")) as stream:
        async for _ in stream:
            break

    assert (await model.ainvoke("again", deadline=1)).content == "hello"


def test_streaming_inside_and_no_streaming_at_all_can_be_asked_for():
    rotor, _ = scripted()

    assert ChatRotor(rotor=rotor, streaming=True).invoke("hi").content == "hello"
    assert [c.content for c in ChatRotor(rotor=rotor, streaming=False).stream("hi")] == ["hello"]
    assert [c.content for c in ChatRotor(rotor=rotor, disable_streaming=True).stream("hi")] == ["hello"]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_a_v3_stream_is_valid_and_carries_all_that_v1_does():
    from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

    rotor, _ = scripted({"a": [Answer("hello", reasoning="hm", finish_reason="stop", usage=Usage(3, 2))]})
    model = ChatRotor(rotor=rotor)

    events = list(model.stream_events("hi", version="v3"))
    stream = await model.astream_events("hi", version="v3")
    message = await stream.output

    assert_valid_event_stream(events)
    assert events[0]["metadata"] == {"provider": "rotor"}
    assert [b["type"] for b in message.content] == ["reasoning", "text"]
    assert message.response_metadata["rotor"]["provider"] == "a"
    assert message.response_metadata["model_name"] == "a/m"
    assert message.usage_metadata["total_tokens"] == 5


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_a_v3_stream_that_fails_raises_ours():
    from langchain_core.exceptions import ModelAuthenticationError

    rotor, _ = scripted({"a": [Failure("auth")]})
    handler = Heard()

    stream = await ChatRotor(rotor=rotor, max_retries=0).astream_events("hi", {"callbacks": [handler]}, version="v3")
    with pytest.raises(ModelAuthenticationError):
        await stream.text
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    assert isinstance(handler.errors[0], ModelAuthenticationError)


def test_pieces_of_the_script_are_what_the_whole_is():
    assert "".join(c.text for c in pieces(HELLO)) == HELLO.text
