import json
from types import MappingProxyType

import pytest

from rotor_core._outcome import ToolCall, Usage
from rotor_core._request import Request
from rotor_core.adapters.openai_wire import decode, encode, usage_of
from rotor_core.adapters.wire import WireError

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "hi"}


def sent(stream: bool = False, **more) -> dict:
    more.setdefault("messages", [USER])
    return json.loads(encode("m", Request(**more), stream=stream))


def body(message: dict | None = None, **more) -> bytes:
    choice = {"index": 0, "message": {"content": "x"} if message is None else message, "finish_reason": "stop"}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], **more}).encode()


# ---- sending


def test_a_plain_request_is_the_model_and_the_messages_and_nothing_else():
    assert sent() == {"model": "m", "messages": [USER]}


def test_params_go_through_untouched():
    params = {
        "temperature": 0,
        "stop": ["a"],
        "seed": 7,
        "max_tokens": 5,
        "service_tier": "flex",
        "logit_bias": {"1": -1},
    }
    assert sent(params=params) == {"model": "m", "messages": [USER], **params}


def test_params_cannot_replace_the_model_the_messages_or_the_way_of_answering():
    params = {"model": "other", "messages": [], "stream": True, "stream_options": {"a": 1}}
    assert sent(params=params) == {"model": "m", "messages": [USER]}


@pytest.mark.parametrize("stop", [[], None, ""])
def test_an_empty_stop_is_left_out(stop):
    assert "stop" not in sent(params={"stop": stop})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        ("add", {"type": "function", "function": {"name": "add"}}),
        ({"type": "function", "function": {"name": "add"}}, {"type": "function", "function": {"name": "add"}}),
    ],
)
def test_a_tool_choice_is_said_in_openais_words(choice, expected):
    assert sent(tools=[TOOL], tool_choice=choice)["tool_choice"] == expected


def test_without_tools_neither_tools_nor_a_choice_are_sent():
    assert sent(tool_choice="any") == {"model": "m", "messages": [USER]}


def test_tools_and_parallel_calls_are_sent_as_given():
    out = sent(tools=(TOOL,), params={"parallel_tool_calls": False})
    assert out["tools"] == [TOOL]
    assert out["parallel_tool_calls"] is False


def test_a_response_format_is_sent_as_given():
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    assert sent(response_format=form)["response_format"] == form


def test_images_pass_through_as_content_parts():
    parts = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    assert sent(messages=[{"role": "user", "content": parts}])["messages"][0]["content"] == parts


def test_a_stream_asks_for_usage():
    out = sent(stream=True)
    assert out["stream"] is True
    assert out["stream_options"] == {"include_usage": True}


def test_stream_options_are_merged_and_none_leaves_them_out():
    assert sent(stream=True, params={"stream_options": {"x": 1}})["stream_options"] == {"include_usage": True, "x": 1}
    assert "stream_options" not in sent(stream=True, params={"stream_options": None})


def test_mappings_and_sequences_of_any_kind_are_written():
    out = sent(messages=(MappingProxyType({"role": "user", "content": "hi"}),), params={"stop": ("a",)})
    assert out == {"model": "m", "messages": [USER], "stop": ["a"]}


def test_text_of_any_language_and_half_a_surrogate_pair_can_be_sent():
    raw = encode("m", Request([{"role": "user", "content": "日本語"}]), stream=False)
    assert "日本語".encode() in raw
    assert sent(messages=[{"role": "user", "content": "\ud800"}])["messages"][0]["content"] == "\ud800"


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes", {1, 2}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        sent(params={"x": value})


# ---- receiving


def test_an_answer_is_read_whole():
    answer = decode(
        body({"role": "assistant", "content": "Hello"}, usage={"prompt_tokens": 3, "completion_tokens": 2}),
        {"x-a": "1"},
    )
    assert (answer.text, answer.finish_reason, answer.model, answer.id) == ("Hello", "stop", "m", "c")
    assert answer.usage == Usage(3, 2)
    assert answer.headers == {"x-a": "1"}
    assert answer.tool_calls == ()


def test_parallel_tool_calls_are_read_in_order():
    calls = [
        {"id": "1", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}},
        {"id": "2", "type": "function", "function": {"name": "b", "arguments": {"y": "é"}}},
        {"id": "3", "type": "function", "function": {"name": "c", "arguments": None}},
    ]
    answer = decode(body({"content": None, "tool_calls": calls}))
    assert answer.text == ""
    assert answer.tool_calls == (
        ToolCall("1", "a", '{"x":1}'),
        ToolCall("2", "b", '{"y": "é"}'),
        ToolCall("3", "c", ""),
    )


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "x", "reasoning": "r"}, "x", "r"),
        ({"content": "x", "reasoning_content": "r"}, "x", "r"),
        ({"content": "x", "reasoning_content": "r", "reasoning": "r"}, "x", "r"),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]},
                    {"type": "text", "text": "x"},
                ]
            },
            "x",
            "r",
        ),
        ({"content": [{"type": "thinking", "thinking": "r"}, "x"]}, "x", "r"),
        ({"content": None, "refusal": "I will not."}, "I will not.", ""),
    ],
)
def test_text_and_reasoning_are_told_apart(message, text, reasoning):
    answer = decode(body(message))
    assert (answer.text, answer.reasoning) == (text, reasoning)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 2, 4)),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}},
            Usage(5, 2, 0, 1),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 3}, Usage(5, 2, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 3}, Usage(5, 2, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "num_cached_tokens": 3}, Usage(5, 2, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(5, 2)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(5, 2)),
        (
            # xAI: reasoning is in the total alone; it is charged, and not in the completion count
            {
                "prompt_tokens": 390,
                "completion_tokens": 26,
                "total_tokens": 513,
                "completion_tokens_details": {"reasoning_tokens": 97},
            },
            Usage(390, 26, 0, 97, beside_output=97),
        ),
        (
            # Mistral: so is audio
            {
                "prompt_tokens": 9,
                "completion_tokens": 201,
                "total_tokens": 585,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            Usage(9, 201, beside_input=375),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 99}, Usage(5, 2)),
        ({}, None),
        (None, None),
        ("much", None),
    ],
)
def test_usage_is_read_in_every_known_shape(usage, expected):
    assert usage_of({"usage": usage}) == expected


def test_groqs_own_place_for_usage_is_read():
    assert usage_of({"usage": None, "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}) == Usage(1, 2)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty body"),
        (b"  \n", "an empty body"),
        (b"<html><body>Bad</body></html>", "an HTML page"),
        (b"upstream said no", "not JSON"),
        (b'{"choices": [', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": "\xff\xfe"}', "not UTF-8"),
        (b"[1, 2]", "a list"),
        (b"null", "a null"),
        (b'"text"', "a string"),
        (b"3", "a number"),
        (b"{}", "without a message"),
        (b'{"choices": []}', "without a message"),
        (b'{"choices": [{"index": 0}]}', "without a message"),
        (b'{"choices": "no"}', "without a message"),
    ],
)
def test_what_holds_no_answer_is_refused_by_name(content, problem):
    with pytest.raises(WireError, match=problem) as caught:
        decode(content)
    assert caught.value.error_body is None


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"object": "error", "message": "no"},
        {"message": "no"},
        {"detail": "no"},
    ],
)
def test_an_error_in_the_guise_of_an_answer_keeps_its_own_account(error):
    with pytest.raises(WireError) as caught:
        decode(json.dumps(error).encode())
    assert json.loads(caught.value.error_body or "") == error


def test_an_error_of_null_beside_an_answer_is_none():
    assert decode(body(error=None)).text == "x"


def test_a_byte_order_mark_before_the_json_does_no_harm():
    assert decode(b"\xef\xbb\xbf" + body()).text == "x"


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource", "network_error"])
def test_an_answer_that_its_provider_gave_up_is_no_answer(reason):
    with pytest.raises(WireError, match=f"given up .{reason}"):
        decode(json.dumps({"choices": [{"message": {"content": "Hel"}, "finish_reason": reason}]}).encode())


def test_an_error_in_the_answers_place_keeps_its_own_account():
    choice = {"finish_reason": "error", "error": {"code": 502, "message": "upstream"}, "message": {"content": ""}}
    with pytest.raises(WireError) as caught:
        decode(json.dumps({"choices": [choice]}).encode())
    assert "upstream" in caught.value.error_body
