"""What Groq is sent and what its answers say, where that is not what everybody's is."""

import json

import pytest

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError, WireError
from rotor_groq.adapter import GroqWire

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
OSS, QWEN, LLAMA = "openai/gpt-oss-120b", "qwen/qwen3.8-27b", "llama-4-scout"


def sent(model=OSS, capabilities=None, messages=(USER,), tools=(), response_format=None, **params):
    request = Request(messages, tools=tools, response_format=response_format, params=params)
    return json.loads(GroqWire().encode(Model(model, capabilities=capabilities), request, stream=False))


def test_a_plain_request_is_openais():
    assert sent() == {"model": OSS, "messages": [USER]}


def test_the_limit_of_an_answer_goes_by_its_new_name():
    assert sent(max_tokens=5) == {"model": OSS, "messages": [USER], "max_completion_tokens": 5}
    assert sent(max_tokens=5, max_completion_tokens=7)["max_completion_tokens"] == 7


def test_names_in_messages_are_left_out():
    assert sent(messages=[{**USER, "name": "ann"}]) == {"model": OSS, "messages": [USER]}


def test_hints_that_it_does_not_know_are_left_out_and_those_that_it_knows_are_told():
    hints = {
        "store": True,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "verbosity": "low",
        "prediction": {"type": "content", "content": "x"},
    }
    nothing = {"n": 1, "logprobs": False, "logit_bias": {}, "modalities": ["text"], "service_tier": "default"}
    assert sent(**hints, **nothing) == {"model": OSS, "messages": [USER]}
    known = {"user": "ann", "service_tier": "flex", "parallel_tool_calls": False, "seed": 1}
    assert sent(**known) == {"model": OSS, "messages": [USER], **known}


@pytest.mark.parametrize(
    "wish",
    [
        {"n": 2},
        {"logit_bias": {"5": 1}},
        {"modalities": ["audio"]},
    ],
)
def test_a_wish_that_it_cannot_be_told_makes_the_request_unfit(wish):
    (name,) = wish
    with pytest.raises(UnfitError, match=f"`{name}`"):
        sent(**wish)


def test_files_and_sounds_make_the_request_unfit():
    for kind in ("file", "input_audio"):
        with pytest.raises(UnfitError, match=f"'{kind}'"):
            sent(messages=[{"role": "user", "content": [{"type": kind, kind: {}}]}])


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        (OSS, "none", "low"),
        (OSS, "minimal", "low"),
        (OSS, "default", "medium"),
        (OSS, "high", "high"),
        (OSS, "xhigh", "high"),
        (QWEN, "none", "none"),
        (QWEN, "low", "default"),
        (QWEN, "high", "default"),
        (LLAMA, "low", "low"),
    ],
)
def test_an_effort_that_a_model_does_not_know_becomes_the_nearest(model, effort, said):
    assert sent(model, reasoning_effort=effort)["reasoning_effort"] == said


def test_gpt_oss_is_told_in_its_own_word_whether_to_show_its_reasoning():
    assert sent(reasoning_format="hidden")["include_reasoning"] is False
    assert sent(reasoning_format="parsed")["include_reasoning"] is True
    assert "reasoning_format" not in sent(reasoning_format="parsed")


def test_a_model_that_thinks_in_its_text_is_asked_to_think_beside_it():
    assert sent(QWEN)["reasoning_format"] == "parsed"
    assert sent(QWEN, frozenset({"reasoning"}))["reasoning_format"] == "parsed"
    assert "reasoning_format" not in sent(QWEN, frozenset({"tools"}))
    assert sent(QWEN, reasoning_format="raw")["reasoning_format"] == "raw"
    assert "reasoning_format" not in sent(QWEN, include_reasoning=False)


def test_raw_reasoning_goes_with_neither_tools_nor_json():
    assert sent(QWEN, tools=[TOOL], reasoning_format="raw")["reasoning_format"] == "parsed"
    json_wanted = {"type": "json_object"}
    assert sent(QWEN, response_format=json_wanted, reasoning_format="raw")["reasoning_format"] == "parsed"


def test_the_two_ways_of_asking_for_reasoning_are_never_both_sent():
    body = sent(QWEN, reasoning_format="hidden", include_reasoning=True)
    assert body["reasoning_format"] == "hidden"
    assert "include_reasoning" not in body


def test_usage_of_a_stream_is_read_from_groqs_own_place():
    last = {
        "choices": [{"delta": {}, "finish_reason": "stop"}],
        "x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    }
    reader = GroqWire().reader({})
    assert list(reader.feed(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())) == []
    (end,) = reader.end()
    assert (end.usage.input_tokens, end.usage.output_tokens, end.finish_reason) == (7, 2, "stop")


def test_its_models_are_those_that_are_active_with_their_sizes():
    listed = [
        {"id": OSS, "active": True, "context_window": 131072, "max_completion_tokens": 65536},
        {"id": "gone", "active": False, "context_window": 8192},
    ]
    (model,) = GroqWire().models(json.dumps({"object": "list", "data": listed}).encode())
    assert (model.name, model.context, model.max_output) == (OSS, 131072, 65536)
    with pytest.raises(WireError):
        GroqWire().models(b"[1]{}")
