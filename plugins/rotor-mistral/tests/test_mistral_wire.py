"""What Mistral is sent and what it says, where that is not what everybody's is."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError
from rotor_mistral.adapter import MistralWire, nine

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def sent(messages=(USER,), tools=(), tool_choice=None, stream=False, **params):
    request = Request(messages, tools=tools, tool_choice=tool_choice, params=params)
    return json.loads(MistralWire().encode(Model("mistral-small-2603"), request, stream=stream))


def call(given):
    return {"id": given, "type": "function", "function": {"name": "add", "arguments": "{}"}}


@given(st.text(max_size=60))
def test_every_id_becomes_nine_letters_or_digits_and_the_same_ones_every_time(given_id):
    assert re.fullmatch(r"[A-Za-z0-9]{9}", nine(given_id))
    assert nine(given_id) == nine(given_id)
    assert nine(nine(given_id)) == nine(given_id)


def test_its_own_ids_are_kept():
    assert nine("9Ae3bDef2") == "9Ae3bDef2"


def test_calls_and_results_agree_on_ids_of_nine_characters():
    foreign = ["call_0123456789abcdef", "toolu_01A", "functions.add:0", "0123456789", ""]
    history = [USER, {"role": "assistant", "content": None, "tool_calls": [call(one) for one in foreign]}]
    history += [{"role": "tool", "tool_call_id": one, "content": "3"} for one in foreign]
    _, asked, *answered = sent(history)["messages"]
    ids = [one["id"] for one in asked["tool_calls"]]
    assert len(set(ids)) == len(foreign)
    assert all(re.fullmatch(r"[A-Za-z0-9]{9}", one) for one in ids)
    assert [one["tool_call_id"] for one in answered] == ids


def test_what_was_said_beside_a_call_is_left_out_since_a_turn_has_one_or_the_other():
    said = {"role": "assistant", "content": "Let me see.", "tool_calls": [call("9Ae3bDef2")]}
    history = [USER, said, {"role": "tool", "tool_call_id": "9Ae3bDef2", "content": "3"}]
    _, called, _ = sent(history)["messages"]
    assert called["content"] is None
    assert [one["id"] for one in called["tool_calls"]] == ["9Ae3bDef2"]
    assert said["content"] == "Let me see."


def test_its_words_for_seed_limit_and_a_required_tool():
    body = sent(tools=[TOOL], tool_choice="required", seed=7, max_completion_tokens=5)
    assert (body["random_seed"], body["max_tokens"], body["tool_choice"]) == (7, 5, "any")
    assert {"seed", "max_completion_tokens"}.isdisjoint(body)
    assert sent(tools=[TOOL], tool_choice="any")["tool_choice"] == "any"
    assert sent(tools=[TOOL], tool_choice="auto")["tool_choice"] == "auto"
    named = {"type": "function", "function": {"name": "add"}}
    assert sent(tools=[TOOL], tool_choice="add")["tool_choice"] == named


def test_a_stream_is_asked_for_without_options_and_without_what_it_does_not_know():
    assert sent(stream=True, user="ann", store=False) == {
        "model": "mistral-small-2603",
        "messages": [USER],
        "stream": True,
    }


def test_hints_that_it_does_not_know_are_left_out_and_those_that_it_knows_are_told():
    plain = {"model": "mistral-small-2603", "messages": [USER]}
    known = {"metadata": {"a": "b"}, "prompt_cache_key": "k", "n": 2, "logprobs": True, "parallel_tool_calls": False}
    assert sent(**known) == plain | known
    assert sent(safety_identifier="s", verbosity="low", logit_bias={}, prompt_cache_retention="24h") == plain
    assert [sent(service_tier=tier).get("service_tier") for tier in ("default", "auto", "flex")] == [
        "standard_only",
        "auto",
        None,
    ]


@pytest.mark.parametrize(
    "wish", [{"logit_bias": {"5": 1}}, {"modalities": ["text", "audio"]}, {"audio": {"voice": "x"}}]
)
def test_a_wish_that_it_cannot_be_told_makes_the_request_unfit(wish):
    (name,) = wish
    with pytest.raises(UnfitError, match=f"`{name}`"):
        sent(**wish)


def test_names_are_left_out_and_a_prefix_is_kept():
    history = [{**USER, "name": "ann"}, {"role": "assistant", "content": "So", "prefix": True, "reasoning": "hm"}]
    assert sent(history)["messages"] == [USER, {"role": "assistant", "content": "So", "prefix": True}]


def test_between_a_tools_result_and_a_user_the_assistant_speaks():
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call("9Ae3bDef2")]},
        {"role": "tool", "tool_call_id": "9Ae3bDef2", "content": "3"},
        USER,
    ]
    assert [m["role"] for m in sent(history)["messages"]] == ["user", "assistant", "tool", "assistant", "user"]


def test_thinking_is_a_part_of_the_content_and_is_read_apart_from_the_text():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "So "},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "it is."},
    ]
    body = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    answer = MistralWire().decode(json.dumps(body).encode(), {})
    assert (answer.text, answer.reasoning) == ("So it is.", "hm")


def test_its_models_say_what_they_can_do_and_when_they_end():
    listed = [
        {
            "id": "old",
            "max_context_length": 131072,
            "capabilities": {"completion_chat": True, "function_calling": True, "vision": False, "reasoning": True},
            "deprecation": "2026-12-31T12:00:00Z",
            "deprecation_replacement_model": "new",
        },
        {"id": "new", "deprecation": None},
    ]
    old, new = MistralWire().models(json.dumps({"data": listed}).encode())
    assert (old.context, old.capabilities) == (131072, {"tools", "reasoning"})
    assert (old.retired, old.replacement) == ("2026-12-31", "new")
    assert (new.capabilities, new.retired, new.replacement) == (None, None, None)


@pytest.mark.parametrize(
    ("part", "own"),
    [
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            {"type": "document_url", "document_url": "data:application/pdf;base64,AAAA", "document_name": "a.pdf"},
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.docx"}},
            {
                "type": "document_url",
                "document_url": "data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,AAAA",
                "document_name": "a.docx",
            },
        ),
        (
            {"type": "document_url", "document_url": "https://a.example/a.pdf", "document_name": "a.pdf"},
            {"type": "document_url", "document_url": "https://a.example/a.pdf", "document_name": "a.pdf"},
        ),
        ({"type": "file", "file": {"file_id": "f1", "filename": "a.pdf"}}, {"type": "file", "file_id": "f1"}),
        ({"type": "file", "file_id": "f1"}, {"type": "file", "file_id": "f1"}),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "input_audio", "input_audio": "AAAA"},
        ),
        (
            {"type": "audio", "url": "https://a.example/a.mp3", "mime_type": "audio/mpeg"},
            {"type": "input_audio", "input_audio": "https://a.example/a.mp3"},
        ),
    ],
)
def test_files_and_audio_are_parts_of_its_own(part, own):
    types = pytest.importorskip("mistralai.client.models", reason="the vendor's SDK is not installed")
    called = [USER, {"role": "assistant", "content": None, "tool_calls": [call("9Ae3bDef2")]}]
    body = sent([*called, {"role": "tool", "tool_call_id": "9Ae3bDef2", "content": ["see", part]}])
    assert sent([{"role": "user", "content": ["see", part]}])["messages"][0]["content"][1] == own
    assert body["messages"][2]["content"][1] == own, "in a tool's result too"
    assert sent([{"role": "user", "content": ["see", own]}])["messages"][0]["content"][1] == own, "its own stay"
    read = types.ChatCompletionRequest.model_validate(body)
    assert read.model_dump(mode="json", exclude_unset=True, by_alias=True) == body


def test_a_part_that_it_does_not_take_makes_the_request_unfit():
    for part in ({"type": "video_url", "video_url": {"url": "https://a.example/a.mp4"}}, {"type": "file", "file": {}}):
        with pytest.raises(UnfitError, match="'video_url'|neither data nor an id"):
            sent([{"role": "user", "content": ["see", part]}])


def test_the_vendors_own_types_take_what_is_sent():
    """Its models of a request refuse a message, a part or a tool choice that they do not know."""
    types = pytest.importorskip("mistralai.client.models", reason="the vendor's SDK is not installed")
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    history = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": ["What is this?", picture], "name": "ann"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "text", "text": "Let me see."},
            ],
            "tool_calls": [call("toolu_01A") | {"extra_content": {"google": {"thought_signature": "s"}}}],
        },
        {"role": "tool", "tool_call_id": "toolu_01A", "content": [{"type": "text", "text": "3"}, picture]},
        USER,
    ]
    body = sent(
        history, tools=[TOOL], tool_choice="required", stream=True, seed=1, max_completion_tokens=5, temperature=0
    )
    read = types.ChatCompletionStreamRequest.model_validate(body)
    assert read.model_dump(mode="json", exclude_unset=True, by_alias=True) == body
