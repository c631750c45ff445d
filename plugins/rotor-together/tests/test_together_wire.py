"""What Together is sent and what it says, where that is not what everybody's is."""

import json

import pytest

from rotor_core import classify_failure, plugins
from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError, WireError
from rotor_together.adapter import TogetherWire

USER = {"role": "user", "content": "hi"}


def test_it_knows_only_the_old_name_of_the_limit_of_an_answer():
    request = Request([USER], params={"max_completion_tokens": 5})
    assert json.loads(TogetherWire().encode(Model("m"), request, stream=False)) == {
        "model": "m",
        "messages": [USER],
        "max_tokens": 5,
    }


def sent(**params):
    return json.loads(TogetherWire().encode(Model("m"), Request([USER], params=params), stream=False))


def test_hints_are_left_out_and_what_it_has_is_told_in_its_words():
    hints = {"user": "u", "store": True, "metadata": {}, "service_tier": "flex", "parallel_tool_calls": False}
    plain = {"model": "m", "messages": [USER]}
    assert sent(**hints, modalities=["text"]) == plain
    assert sent(n=2, logit_bias={"5": 1}, seed=3) == {**plain, "n": 2, "logit_bias": {"5": 1}, "seed": 3}
    assert [sent(logprobs=True, **more)["logprobs"] for more in ({}, {"top_logprobs": 5})] == [1, 5]
    assert (sent(logprobs=False)["logprobs"], sent(logprobs=4)["logprobs"]) == (0, 4)


@pytest.mark.parametrize(
    ("effort", "told"),
    [
        ("none", {"reasoning": {"enabled": False}}),
        ("minimal", {"reasoning_effort": "low"}),
        ("medium", {"reasoning_effort": "medium"}),
        ("max", {"reasoning_effort": "high"}),
    ],
)
def test_an_effort_that_it_does_not_know_becomes_the_nearest(effort, told):
    assert sent(reasoning_effort=effort) == {"model": "m", "messages": [USER], **told}


def test_a_wish_and_a_file_that_it_cannot_be_told_make_the_request_unfit():
    with pytest.raises(UnfitError, match="`modalities`"):
        sent(modalities=["audio"])
    request = Request([{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:a/b;base64,AA"}}]}])
    with pytest.raises(UnfitError, match="'file'"):
        TogetherWire().encode(Model("m"), request, stream=False)


@pytest.mark.parametrize(("said", "meant"), [("eos", "stop"), ("stop", "stop"), ("length", "length")])
def test_the_end_of_the_sequence_is_a_stop_like_any_other(said, meant):
    body = {
        "choices": [{"message": {"content": "x"}, "finish_reason": said}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4},
    }
    answer = TogetherWire().decode(json.dumps(body).encode(), {})
    assert answer.finish_reason == meant
    assert answer.usage.cached_tokens == 4
    reader = TogetherWire().reader({})
    data = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": said}]}
    assert [c.text for c in reader.feed(f"data: {json.dumps(data)}\n\ndata: [DONE]\n\n".encode())] == ["x"]
    assert [c.finish_reason for c in reader.end()] == [meant]


def test_its_models_are_a_bare_list_of_which_some_chat_and_have_prices():
    listed = [
        {"id": "a", "type": "chat", "context_length": 131072, "pricing": {"input": 0.15, "output": 0.6, "hourly": 0}},
        {"id": "b", "type": "image", "pricing": {"input": 0, "output": 0}},
        {"id": "c", "type": "chat", "pricing": {"input": 0, "output": 0, "hourly": 1.5}},
    ]
    a, c = TogetherWire().models(json.dumps(listed).encode())
    assert (a.name, a.context, a.input_price, a.output_price) == ("a", 131072, 0.15, 0.6)
    assert (c.name, c.input_price, c.output_price) == ("c", None, None)
    with pytest.raises(WireError):
        TogetherWire().models(b'{"error": 1}')


@pytest.mark.parametrize("code", ["dynamic_request_limited", "dynamic_token_limited"])
def test_its_dynamic_limits_are_limits(code):
    plugins.installed()
    body = json.dumps({"error": {"message": "Slow down.", "type": code, "code": code}})
    assert classify_failure("together", 429, {}, body).kind == "rate_limit"
    assert classify_failure("together", 503, {}, body.replace(code, "x")).kind == "overloaded"
