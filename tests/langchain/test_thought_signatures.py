"""What a provider wants back with its tool calls goes through a user's history and back, whole or in pieces."""

from __future__ import annotations

import json

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, message_chunk_to_message
from tests.langchain.scripted import scripted

from rotor_core._outcome import Answer, Chunk, ToolCall, ToolCallDelta, Usage
from rotor_langchain import ChatRotor
from rotor_langchain.messages import to_wire

FIRST = {"google": {"thought_signature": "c2lnbmVk"}}
ANSWER = Answer(
    "",
    (ToolCall("c1", "add", '{"a":1}', FIRST), ToolCall("c2", "add", '{"a":2}')),
    finish_reason="tool_calls",
    usage=Usage(5, 5),
)
IN_PIECES = [
    Chunk(reasoning="hm"),
    Chunk(tool_calls=(ToolCallDelta(0, "c1", "add", '{"a"', FIRST),)),
    Chunk(tool_calls=(ToolCallDelta(0, arguments=":1}"), ToolCallDelta(1, "c2", "add", '{"a":2}'))),
    Chunk(finish_reason="tool_calls", usage=Usage(5, 5)),
]


def sent_back(message: AIMessage) -> list[object]:
    """The extra content of the calls, as the next request has them."""
    results = [ToolMessage("3", tool_call_id=call["id"]) for call in message.tool_calls]
    (asked,) = [m for m in to_wire([HumanMessage("hi"), message, *results]) if m["role"] == "assistant"]
    return [call.get("extra_content") for call in asked["tool_calls"]]


def model(outcome: object, **more: object) -> ChatRotor:
    rotor, _ = scripted({"a": [outcome]}, capabilities={"tools"})
    return ChatRotor(rotor=rotor, **more)


def test_a_whole_answers_signatures_stand_by_the_ids_of_the_calls():
    message = model(ANSWER).invoke("hi")
    assert message.additional_kwargs["extra_content"] == {"c1": FIRST}
    assert sent_back(message) == [FIRST, None]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_a_stream_that_is_added_up_keeps_them(output_version):
    chat = model(IN_PIECES, output_version=output_version)
    pieces = list(chat.stream("hi"))
    added = pieces[0]
    for piece in pieces[1:]:
        added += piece
    apiece = [piece async for piece in chat.astream("hi")]
    for whole in (added, message_chunk_to_message(added), sum(apiece[1:], apiece[0])):
        assert sent_back(whole) == [FIRST, None]


def test_so_does_a_stream_of_protocol_events():
    assert sent_back(model(IN_PIECES).stream_events("hi", version="v3").output) == [FIRST, None]


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_history_that_was_stored_keeps_them():
    message = model(ANSWER).invoke("hi")
    stored = loads(dumps(message), allowed_objects="core")
    assert sent_back(stored) == [FIRST, None]
    assert json.loads(json.dumps(message.additional_kwargs)) == message.additional_kwargs


def test_calls_without_ids_keep_them_by_their_place():
    answer = Answer("", (ToolCall(None, "add", "{}"), ToolCall(None, "add", "{}", FIRST)), finish_reason="tool_calls")
    message = model(answer).invoke("hi")
    made = to_wire([message])[0]["tool_calls"]
    assert [call.get("extra_content") for call in made] == [None, FIRST]


def test_signatures_that_langchains_own_adapter_kept_go_back_too():
    message = AIMessage(
        "",
        tool_calls=[{"name": "add", "args": {}, "id": "c1", "type": "tool_call"}],
        additional_kwargs={"__gemini_function_call_thought_signatures__": {"c1": "c2lnbmVk"}},
    )
    assert sent_back(message) == [FIRST]


def test_a_message_without_any_says_nothing_of_it():
    plain = Answer("", (ToolCall("c1", "add", "{}"),), finish_reason="tool_calls")
    message = model(plain).invoke("hi")
    assert message.additional_kwargs == {}
    assert sent_back(message) == [None]
