"""LangChain's messages as providers are sent them."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)

from rotor_core._errors import ConfigError
from rotor_langchain.messages import to_wire

PLAIN: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Hello", name="ann"),
    AIMessage("Hi."),
    AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]),
    ToolMessage("3", tool_call_id="c1"),
    ChatMessage("as it is", role="developer"),
    FunctionMessage("4", name="old"),
]


def test_plain_messages_become_what_langchain_itself_would_make_of_them():
    made = to_wire(PLAIN)
    expected = convert_to_openai_messages(PLAIN)

    assert [m["role"] for m in made] == [m["role"] for m in expected]
    assert [m["content"] or "" for m in made] == [m["content"] for m in expected]
    assert made[3]["tool_calls"][0]["id"] == expected[3]["tool_calls"][0]["id"]
    assert json.loads(made[3]["tool_calls"][0]["function"]["arguments"]) == {"a": 1}
    assert made[1]["name"] == "ann"


def test_chunks_are_converted_as_the_messages_that_they_are_pieces_of():
    assert to_wire([AIMessageChunk(content="so far")]) == [{"role": "assistant", "content": "so far"}]


def test_text_that_is_not_ascii_stays_readable_in_tool_arguments():
    message = AIMessage("", tool_calls=[{"name": "f", "args": {"name": "Zoë 你好"}, "id": "1", "type": "tool_call"}])

    assert "Zoë 你好" in to_wire([message])[0]["tool_calls"][0]["function"]["arguments"]


def test_a_call_that_was_not_json_goes_back_as_the_model_wrote_it():
    message = AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{oops", "id": "9", "error": "bad"}])

    assert to_wire([message])[0]["tool_calls"] == [
        {"type": "function", "id": "9", "function": {"name": "f", "arguments": "{oops"}}
    ]


def test_another_providers_thinking_is_left_out_and_its_tool_call_ids_are_kept():
    message = AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "only-anthropic-reads-this"},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
        ],
        tool_calls=[{"name": "f", "args": {"x": 1}, "id": "toolu_1", "type": "tool_call"}],
    )
    before = message.model_copy(deep=True)

    wire = to_wire([message, ToolMessage([{"type": "text", "text": "ok"}], tool_call_id="toolu_1")])

    assert wire[0]["content"] == "Let me see."
    assert wire[0]["tool_calls"][0]["id"] == wire[1]["tool_call_id"] == "toolu_1"
    assert wire[1]["content"] == "ok"
    assert message == before


@pytest.mark.parametrize(
    ("block", "url"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, "https://x.test/a.png"),
        ({"type": "image", "url": "https://x.test/a.png"}, "https://x.test/a.png"),
        ({"type": "image", "base64": "aGk=", "mime_type": "image/png"}, "data:image/png;base64,aGk="),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            "data:image/png;base64,aGk=",
        ),
    ],
    ids=["openai", "standard url", "standard data", "anthropic"],
)
def test_an_image_in_anyones_form_becomes_openais(block: dict[str, object], url: str):
    wire = to_wire([HumanMessage([{"type": "text", "text": "What is this?"}, block])])

    assert wire[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


def test_blocks_that_are_all_text_become_one_text_which_every_server_takes():
    assert to_wire([SystemMessage([{"type": "text", "text": "a"}, "b"])])[0]["content"] == "a\nb"
    plain = {"type": "text-plain", "text": "c", "mime_type": "text/plain"}
    assert to_wire([HumanMessage(["a", plain])])[0]["content"] == "a\nc"


def test_a_block_without_a_form_in_chat_completions_is_named():
    with pytest.raises(ConfigError, match="human message holds a content block that has no form.*image"):
        to_wire([HumanMessage([{"type": "image", "mime_type": "image/png"}])])


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "file", "url": "https://x.test/a.pdf", "mime_type": "application/pdf", "filename": "a.pdf"},
            {"type": "file", "file": {"file_data": "https://x.test/a.pdf", "filename": "a.pdf"}},
        ),
        (
            {"type": "video", "url": "https://x.test/a.mp4"},
            {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
        ),
        (
            {"type": "video", "base64": "eA==", "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,eA=="}},
        ),
        (
            {"type": "audio", "url": "https://x.test/a.wav"},
            {"type": "audio_url", "audio_url": {"url": "https://x.test/a.wav"}},
        ),
    ],
)
def test_a_block_that_some_wire_takes_is_left_to_the_wires(block, part):
    [wire] = to_wire([HumanMessage(["What", {"type": "text", "text": "is"}, block, "this?"])])
    told = [{"type": "text", "text": text} for text in ("What", "is", "this?")]
    assert wire["content"] == [*told[:2], part, told[2]]


def test_a_kind_of_message_that_nobody_knows_is_named():
    class Odd(BaseMessage):
        type: str = "odd"

    with pytest.raises(ConfigError, match="no such kind of message.*Odd"):
        to_wire([Odd(content="x")])


def test_results_of_tools_in_a_users_message_become_tool_messages_and_what_stands_beside_them_stays():
    made = to_wire(
        [
            AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]),
            HumanMessage(
                [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "3"},
                    {"type": "text", "text": "and now?"},
                ]
            ),
        ]
    )

    assert [m["role"] for m in made] == ["assistant", "tool", "user"]
    assert (made[1]["tool_call_id"], made[1]["content"]) == ("c1", "3")
    assert made[2]["content"] == "and now?"


@pytest.mark.parametrize("block", [{"text": "x"}, {"type": "text"}])
def test_a_block_that_lacks_what_it_promises_is_one_clear_error(block):
    with pytest.raises(ConfigError, match="human message holds a content block"):
        to_wire([HumanMessage([block])])


def test_thoughts_go_back_beside_what_was_said():
    [wire] = to_wire([AIMessage("So.", additional_kwargs={"reasoning_content": "hm"})])
    assert wire["reasoning_content"] == "hm"


def test_what_a_tool_gave_back_keeps_its_fields_and_its_files():
    data = [{"type": "text", "text": "hi", "author": "bob"}]
    shown = [
        {"type": "video", "url": "https://a.example/b.mp4", "mime_type": "video/mp4"},
        {"type": "text", "text": "see"},
    ]
    wire = to_wire(ToolMessage(content, tool_call_id="c1") for content in ([{"a": 1}], data, shown))
    assert [message["content"] for message in wire] == [
        '[{"a": 1}]',
        '{"type": "text", "text": "hi", "author": "bob"}',
        [{"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}}, {"type": "text", "text": "see"}],
    ]
