"""`ChatRotor(models=[...])`: the user's own chat models answer, each in its own way."""

from __future__ import annotations

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from tests.langchain.own import Own, add
from tests.langchain.scripted import Heard

from rotor_langchain import ChatRotor
from rotor_langchain.errors import NoModelCapable


def test_a_model_answers_as_itself_and_the_rest_is_rotors():
    own = Own()
    heard = Heard()

    message = ChatRotor(models=[own]).invoke("hi", {"callbacks": [heard]}, stop=["x"], seed=3)

    assert message.content == "hello"
    assert message.response_metadata["model_name"] == "own/own-1"
    assert message.response_metadata["model_provider"] == "rotor"
    assert message.usage_metadata["total_tokens"] == 5
    assert own.seen[0][0] == [HumanMessage("hi")]
    assert {k: v for k, v in own.seen[0][1].items() if v is not None} == {"stop": ["x"], "seed": 3}
    assert len(heard.runs) == 1


async def test_its_stream_is_passed_on_and_what_it_says_of_the_whole_is_said_once():
    model = ChatRotor(models=[Own()])

    for chunks in (list(model.stream("hi")), [c async for c in model.astream("hi")]):
        total = chunks[0]
        for chunk in chunks[1:]:
            total = total + chunk
        assert [c.content for c in chunks if c.content] == ["hel", "lo"]
        assert total.response_metadata["model_name"] == "own/own-1"
        assert total.response_metadata["finish_reason"] == "stop"
        assert total.usage_metadata["total_tokens"] == 5


async def test_tokens_of_the_inner_model_are_not_shown_twice():
    events = [e async for e in ChatRotor(models=[Own()]).astream_events("hi", version="v2")]

    assert [e["event"] for e in events].count("on_chat_model_start") == 1
    assert "".join(e["data"]["chunk"].content for e in events if e["event"] == "on_chat_model_stream") == "hello"


async def test_tokens_are_counted_once_by_a_handler_that_hears_every_run():
    model = ChatRotor(models=[Own()])

    with get_usage_metadata_callback() as counted:
        model.invoke("hi")
        await model.ainvoke("hi")
        list(model.stream("hi"))
        [_ async for _ in model.astream("hi")]

    assert list(counted.usage_metadata) == ["own/own-1"]
    assert counted.usage_metadata["own/own-1"]["total_tokens"] == 4 * 5


def test_a_stream_that_is_left_early_leaves_the_callers_own_counter_in_place():
    with get_usage_metadata_callback() as counted:
        stream = ChatRotor(models=[Own()]).stream("hi")
        next(stream)
        FakeListChatModel(responses=["x"]).invoke("hi")
        Own().invoke("hi")
        stream.close()
        ChatRotor(models=[Own()]).invoke("hi")

    assert counted.usage_metadata["own/own-1"]["total_tokens"] == 5


async def test_beside_a_schema_a_model_is_given_tools_in_the_form_that_it_wants_there():
    own = Own()
    schema = {"type": "json_schema", "json_schema": {"name": "Sum", "schema": {"type": "object", "properties": {}}}}

    await ChatRotor(models=[own]).bind_tools([add], response_format=schema).ainvoke("hi")

    sent = own.seen[0][1]
    assert sent["tools"][0]["name"] == "add"
    assert sent["response_format"]["json_schema"]["schema"] == {"title": "Sum", "type": "object", "properties": {}}
    bound = ChatOpenAI(model="m", api_key="k").bind_tools(sent["tools"], response_format=sent["response_format"])
    assert bound.kwargs["tools"][0]["function"]["strict"] is True


async def test_tools_are_bound_each_models_own_way():
    own = Own()
    model = ChatRotor(models=[own]).bind_tools([add], tool_choice="any")

    message = await model.ainvoke("hi")
    chunks = list(model.stream("hi"))

    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    assert (
        message.tool_calls == total.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
    )
    assert own.seen[0][1]["tool_choice"] == "any"
    assert own.seen[0][1]["tools"][0]["function"]["name"] == "add"


def test_another_providers_blocks_come_out_in_the_standard_form():
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hello"}]

    message = ChatRotor(models=[Own(content=content)]).invoke("hi")

    assert message.text == "hello"
    assert [b["type"] for b in message.content_blocks] == ["reasoning", "text"]


def test_what_a_model_cannot_is_not_asked_of_it():
    with pytest.raises(NoModelCapable, match="tools"):
        ChatRotor(models=[FakeListChatModel(responses=["x"])]).bind_tools([add]).invoke("hi")

    rotating = ChatRotor(models=[FakeListChatModel(responses=["x"]), Own()])
    assert rotating.bind_tools([add]).invoke("hi").tool_calls[0]["name"] == "add"


def test_the_outer_cache_is_the_only_one():
    own = Own(cache=InMemoryCache())
    model = ChatRotor(models=[own])

    model.invoke("hi"), model.invoke("hi")

    assert len(own.seen) == 2


def test_a_response_format_and_parallel_calls_are_handed_on():
    own = Own()
    model = ChatRotor(models=[own])

    model.bind_tools(
        [add], parallel_tool_calls=False, tool_choice="required", response_format={"type": "json_object"}
    ).invoke("hi")

    sent = own.seen[0][1]
    assert (sent["parallel_tool_calls"], sent["tool_choice"]) == (False, "any")
    assert sent["response_format"] == {"type": "json_object"}


def test_a_model_that_does_not_stream_is_streamed_whole():
    class Whole(Own):
        disable_streaming: bool = True

    chunks = list(ChatRotor(models=[Whole()]).bind_tools([add]).stream("hi"))

    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    assert total.content == "hello"
    assert total.tool_calls[0]["args"] == {"a": 1}
    assert total.usage_metadata["total_tokens"] == 5


def test_what_a_models_profile_says_it_can_is_what_is_asked_of_it():
    seeing = Own(profile={"image_inputs": True, "tool_calling": True, "max_input_tokens": 1000})
    (deployment,) = ChatRotor(models=[seeing]).engine.candidates()

    assert deployment.model.capabilities == {"vision", "tools", "parallel_tools", "json_mode"}
