"""What Mistral does otherwise than OpenAI."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from tests.sandbox.conftest import NOON, data, function

from rotor_core.sandbox import Sandbox

USER = {"role": "user", "content": "Weather in Oslo?"}
WEATHER = function("get_weather", "Get the weather.", city={"type": "string"})
SPEC = {
    "providers": {
        "mi": {
            "dialect": "mistral",
            "keys": ["mi-key-0001-secret"],
            "models": {
                "plain": {"context": 4000, "capabilities": ["tools", "json_schema"]},
                "thinker": {"capabilities": ["reasoning", "tools"]},
                "limited": {
                    "limits": [
                        {"requests": 2, "per": "minute", "window": "calendar"},
                        {"tokens": 5000, "per": "minute", "window": "calendar"},
                        {"tokens": 100000, "per": "month", "window": "calendar"},
                    ]
                },
                "second": {"limits": [{"requests": 1, "per": "second", "window": "bucket"}]},
                "tokens": {"limits": [{"tokens": 40, "per": "minute", "window": "calendar"}]},
            },
        }
    }
}


class Mi:
    def __init__(self, client: httpx.Client) -> None:
        self.box = Sandbox(SPEC, clock=lambda: NOON)
        self.client = client

    def post(self, model="plain", messages=(USER,), key=None, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.box.key('mi')}"} if key != "" else {}
        body = {"model": model, "messages": list(messages), **more}
        return self.client.post(f"{self.box.url('mi')}/chat/completions", headers=headers, json=body)

    def ask(self, *args, **more):
        response = self.post(*args, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def say(self, *args, **more):
        return self.ask(*args, **more)["choices"][0]["message"]

    def refused(self, status, *args, **more):
        response = self.post(*args, **more)
        assert response.status_code == status, response.text
        return response.json()


@pytest.fixture(scope="module")
def _mi():
    with httpx.Client(timeout=10) as client:
        made = Mi(client)
        with made.box:
            yield made


@pytest.fixture
def mi(_mi):
    _mi.box.reset()
    return _mi


def test_its_plugin_speaks_to_it(mi):
    section = mi.box.config()["providers"]["mi"]
    assert (section["adapter"], section["base_url"]) == ("mistral", f"{mi.box.address}/mi/v1")


def test_an_answer_has_no_field_of_openais_own(mi):
    body = mi.ask()
    assert body.keys() == {"id", "object", "created", "model", "choices", "usage"}
    assert re.fullmatch("[0-9a-f]{32}", body["id"])
    message = body["choices"][0]["message"]
    assert message.keys() == {"role", "content", "tool_calls"}
    assert message["tool_calls"] is None
    assert "completion_tokens_details" not in body["usage"]


def test_calls_have_ids_of_nine_alphanumerics_and_an_index(mi):
    calls = mi.say(messages=[{"role": "user", "content": "Weather in Oslo and Rome?"}], tools=[WEATHER])["tool_calls"]
    assert [call["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls}) == 2
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", call["id"]) for call in calls)


def test_an_agents_whole_loop(mi):
    made = {key: value for key, value in mi.say(tools=[WEATHER]).items() if value is not None}
    result = {"role": "tool", "tool_call_id": made["tool_calls"][0]["id"], "name": "get_weather", "content": "It rains"}
    assert mi.say(messages=[USER, made, result], tools=[WEATHER])["content"] == "get_weather says: It rains."


@pytest.mark.parametrize("choice", ["any", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_any_and_required_are_the_same(mi, choice):
    assert mi.say(messages=[{"role": "user", "content": "Hello"}], tools=[WEATHER], tool_choice=choice)["tool_calls"]


def test_json_mode_needs_no_word_of_json_and_schemas_are_kept(mi):
    assert json.loads(mi.say(response_format={"type": "json_object"})["content"])
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    assert json.loads(mi.say(response_format=form)["content"]) == {"city": "Oslo"}


def test_thinking_is_a_part_of_the_content(mi):
    first, second = mi.say("thinker")["content"]
    assert (first["type"], first["thinking"][0]["type"], second["type"]) == ("thinking", "text", "text")
    assert isinstance(mi.say("thinker", reasoning_effort="none")["content"], str)
    assert isinstance(mi.say(prompt_mode="reasoning")["content"], list)
    history = [USER, {"role": "assistant", "content": [first, second]}, USER]
    assert mi.say("plain", history)["content"]


def test_its_own_params_are_taken(mi):
    body = mi.ask(random_seed=1, safe_prompt=False, top_k=3, n=1, parallel_tool_calls=False, max_tokens=4, stop="x")
    assert body["usage"]["completion_tokens"] == 4


def test_a_stream_tells_usage_unasked_and_ends_with_the_calls_in_its_last_chunk(mi):
    *chunks, done = data(mi.post(tools=[WEATHER], stream=True).text)
    assert done == "[DONE]"
    last = json.loads(chunks[-1])
    assert last["usage"]["total_tokens"]
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    (call,) = last["choices"][0]["delta"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert not any("tool_calls" in json.loads(chunk)["choices"][0]["delta"] for chunk in chunks[:-1])


def test_streamed_thinking_comes_as_lists_and_text_as_text(mi):
    chunks = [json.loads(chunk) for chunk in data(mi.post("thinker", stream=True).text)[:-1]]
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    thoughts = "".join(c[0]["thinking"][0]["text"] for c in contents if isinstance(c, list))
    text = "".join(c for c in contents if isinstance(c, str))
    first, second = mi.say("thinker")["content"]
    assert (thoughts, text) == (first["thinking"][0]["text"], second["text"])


def test_headers_tell_the_minute_and_the_cost_on_whole_answers_and_never_on_streams(mi):
    reply = mi.post("limited")
    cost = reply.json()["usage"]["total_tokens"]
    found = {name: value for name, value in reply.headers.items() if "ratelimit" in name}
    assert found == {
        "x-ratelimit-limit-req-minute": "2",
        "x-ratelimit-remaining-req-minute": "1",
        "x-ratelimit-limit-tokens-minute": "5000",
        "x-ratelimit-remaining-tokens-minute": str(5000 - cost),
        "x-ratelimit-limit-tokens-month": "100000",
        "x-ratelimit-remaining-tokens-month": str(100000 - cost),
        "x-ratelimit-tokens-query-cost": str(cost),
    }
    assert not [name for name in mi.post("limited", stream=True).headers if "ratelimit" in name]


def test_errors_have_three_shapes(mi):
    assert mi.refused(401, key="wrong-key-0123456789") == {"detail": "Invalid API Key"}
    assert mi.refused(401, key="")["message"] == "Unauthorized"
    assert mi.refused(400, "none") == {
        "object": "error", "message": "Invalid model: none", "type": "invalid_model", "param": None, "code": "1500",
        "raw_status_code": 400,
    }  # fmt: skip


def test_a_rate_is_refused_without_a_time(mi):
    mi.ask("second")
    refused = mi.post("second")
    assert (refused.status_code, refused.json()) == (429, {"message": "Requests rate limit exceeded"})
    assert "retry-after" not in refused.headers
    large = mi.refused(429, "tokens", [{"role": "user", "content": "word " * 90}])
    assert (large["type"], large["code"]) == ("rate_limited", "1300")


def test_capacity_is_a_code_of_its_own(mi):
    mi.box.fault(503, times=1)
    assert mi.refused(503)["code"] == "3505"
    mi.box.fault(500, times=1)
    assert mi.refused(500)["object"] == "error"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"stream_options": {"include_usage": True}, "stream": True}, "stream_options"),
        ({"seed": 1}, "seed"),
        ({"max_completion_tokens": 5}, "max_completion_tokens"),
        ({"logit_bias": {}}, "logit_bias"),
        ({"messages": [{**USER, "name": "ann"}]}, "name"),
        ({"messages": [{"role": "assistant", "content": "x", "reasoning_content": "y"}, USER]}, "reasoning_content"),
        ({"messages": [{"role": "assistant", "content": "x", "refusal": None}, USER]}, "refusal"),
    ],
)
def test_a_field_that_it_does_not_know_is_a_422(mi, body, field):
    (detail,) = mi.refused(422, **body)["message"]["detail"]
    assert (detail["type"], detail["loc"]) == ("extra_forbidden", ["body", field])


def calling(ident, content=""):
    call = {"id": ident, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": content, "tool_calls": [call]}


def result(ident):
    return {"role": "tool", "content": "x", "tool_call_id": ident}


@pytest.mark.parametrize(
    ("messages", "code", "says"),
    [
        ([USER, calling("call_1"), result("call_1")], "3280", "Tool call id was call_1 but must be a-z, A-Z, 0-9"),
        ([USER, calling("abcdefgh1"), result("abc")], "3280", "Tool call id was abc but"),
        ([USER, calling("abcdefgh1", "text too"), result("abcdefgh1")], "3240", "but not both"),
        ([USER, {"role": "assistant", "content": ""}, USER], "3240", "either content or tool_calls."),
        ([USER, {"role": "assistant", "content": "x"}], "3230", "Expected last role User or Tool"),
        ([USER, calling("abcdefgh1"), USER], "3230", "Not the same number of function calls and responses"),
        ([USER, calling("abcdefgh1"), result("abcdefgh1"), result("abcdefgh1")], "3230", "Not the same number"),
    ],
)
def test_a_conversation_out_of_order_is_refused(mi, messages, code, says):
    refused = mi.refused(400, messages=messages)
    assert refused["code"] == code
    assert says in refused["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "developer", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        {"tools": [WEATHER], "tool_choice": "sometimes"},
        {"max_tokens": 0},
    ],
)
def test_what_is_no_valid_value_is_a_422(mi, body):
    assert mi.refused(422, **body)["message"]["detail"][0]["type"] == "value_error"


def test_logprobs_and_context(mi):
    assert mi.refused(400, logprobs=True)["code"] == "3051"
    assert (
        "4000 maximum context length"
        in mi.refused(400, messages=[{"role": "user", "content": "word " * 6000}])["message"]
    )


def test_models_say_what_they_can(mi):
    headers = {"authorization": f"Bearer {mi.box.key('mi')}"}
    plain, thinker, *_ = mi.client.get(f"{mi.box.url('mi')}/models", headers=headers).json()["data"]
    assert (plain["max_context_length"], plain["deprecation"]) == (4000, None)
    assert (plain["capabilities"]["function_calling"], plain["capabilities"]["reasoning"]) == (True, False)
    assert thinker["capabilities"]["reasoning"] is True


def test_paths_and_bodies_that_are_none(mi):
    headers = {"authorization": f"Bearer {mi.box.key('mi')}"}
    nowhere = mi.client.post(f"{mi.box.url('mi')}/nowhere", headers=headers)
    assert (nowhere.status_code, nowhere.json()) == (404, {"message": "no Route matched with those values"})
    raw = mi.client.post(f"{mi.box.url('mi')}/chat/completions", headers=headers, content=b"{")
    assert (raw.status_code, raw.json()["object"]) == (400, "error")
    listed = mi.client.post(f"{mi.box.url('mi')}/chat/completions", headers=headers, json=[])
    assert (listed.status_code, listed.json()["type"]) == (422, "invalid_request_error")
