"""Cohere's chat API v2, as a client sees it."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.sandbox.conftest import NOON

from rotor_core.sandbox import Sandbox

USER = {"role": "user", "content": "Weather in Oslo?"}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
SPEC = {
    "providers": {
        "co": {
            "dialect": "cohere",
            "keys": ["co-key-0001-secret", {"value": "co-key-0002-secret", "revoked": True}],
            "models": {
                "plain": {"context": 4000, "max_output": 500},
                "thinker": {"capabilities": ["reasoning", "tools"]},
                "trial": {
                    "limits": [
                        {"requests": 2, "per": "minute", "window": "rolling"},
                        {"requests": 4, "per": "month", "window": "calendar"},
                    ]
                },
                "tokens": {"limits": [{"tokens": 60, "per": "minute", "window": "rolling"}]},
                "single": {"limits": [{"concurrent": 1}]},
            },
        }
    }
}


class Co:
    def __init__(self, client: httpx.Client) -> None:
        self.at = NOON
        self.box = Sandbox(SPEC, clock=lambda: self.at)
        self.client = client

    def post(self, model="plain", messages=(USER,), key=None, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.box.key('co')}"} if key != "" else {}
        body = {"model": model, "messages": list(messages), **more}
        return self.client.post(f"{self.box.url('co')}/v2/chat", headers=headers, json=body)

    def ask(self, *args, **more):
        response = self.post(*args, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def events(self, *args, **more) -> list[dict]:
        text = self.post(*args, stream=True, **more).text
        assert text.endswith("\n\ndata: [DONE]\n\n")
        events = [block.split("\ndata: ") for block in text.removesuffix("data: [DONE]\n\n").split("\n\n") if block]
        assert all(name == f"event: {json.loads(data)['type']}" for name, data in events)
        return [json.loads(data) for _, data in events]

    def refused(self, status, *args, **more) -> str:
        response = self.post(*args, **more)
        assert response.status_code == status, response.text
        assert response.json().keys() == {"id", "message"}
        return response.json()["message"]


@pytest.fixture(scope="module")
def _co():
    with httpx.Client(timeout=10) as client:
        made = Co(client)
        with made.box:
            yield made


@pytest.fixture
def co(_co):
    _co.box.reset()
    _co.at = NOON
    return _co


def test_its_base_url_is_the_bare_prefix_and_its_plugin_speaks_to_it(co):
    assert co.box.url("co") == f"{co.box.address}/co"
    section = co.box.config()["providers"]["co"]
    assert (section["base_url"], section["adapter"]) == (co.box.url("co"), "cohere")


def test_an_answer(co):
    body = co.ask()
    (part,) = body["message"]["content"]
    assert (part["type"], body["message"]["role"], body["finish_reason"]) == ("text", "assistant", "COMPLETE")
    assert "Oslo" in part["text"]
    usage = body["usage"]
    assert usage["tokens"]["input_tokens"] > usage["billed_units"]["input_tokens"] > 0
    assert co.box.stats()[-1]["prompt_tokens"] == usage["tokens"]["input_tokens"]


def test_calls_have_a_plan_before_them_and_no_content(co):
    message = co.ask(tools=[TOOL])["message"]
    (call,) = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert call["id"].startswith("get_weather_")
    assert message["tool_plan"]
    assert "content" not in message


@pytest.mark.parametrize(("choice", "calls"), [("REQUIRED", True), ("NONE", False)])
def test_a_tool_choice(co, choice, calls):
    body = co.ask(messages=[{"role": "user", "content": "Hello, in Rome"}], tools=[TOOL], tool_choice=choice)
    assert ("tool_calls" in body["message"]) is calls
    assert (body["finish_reason"] == "TOOL_CALL") is calls


def test_an_agents_whole_loop(co):
    made = co.ask(tools=[TOOL])["message"]
    document = [{"type": "document", "document": {"id": "1", "data": {"text": "It rains"}}}]
    for content in ("It rains", document, [{"type": "text", "text": "It rains"}]):
        result = {"role": "tool", "tool_call_id": made["tool_calls"][0]["id"], "content": content}
        said = co.ask(messages=[USER, made, result], tools=[TOOL])["message"]["content"][0]["text"]
        assert said == "get_weather says: It rains."


def test_a_reasoning_model_thinks_in_its_content_unless_told_not_to(co):
    kinds = [part["type"] for part in co.ask("thinker")["message"]["content"]]
    assert kinds == ["thinking", "text"]
    off = co.ask("thinker", thinking={"type": "disabled"})
    assert [part["type"] for part in off["message"]["content"]] == ["text"]
    assert "reasoning_tokens" not in off["usage"]["tokens"]
    on = co.ask("thinker", thinking={"type": "enabled", "token_budget": 100})["usage"]
    assert on["tokens"]["reasoning_tokens"] == on["tokens"]["output_tokens"] - on["billed_units"]["output_tokens"] > 0


def test_structured_output_is_json_of_the_schema(co):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    for name in ("json_schema", "schema"):
        body = co.ask(response_format={"type": "json_object", name: schema})
        assert json.loads(body["message"]["content"][0]["text"]) == {"city": "Oslo"}
    assert json.loads(co.ask(response_format={"type": "json_object"})["message"]["content"][0]["text"])
    assert co.ask(response_format={"type": "text"})["message"]["content"]


def test_max_tokens_and_stop_sequences(co):
    cut = co.ask(max_tokens=3)
    assert (cut["finish_reason"], cut["usage"]["tokens"]["output_tokens"]) == ("MAX_TOKENS", 3)
    text = co.ask()["message"]["content"][0]["text"]
    assert co.ask(stop_sequences=[" sandbox"])["message"]["content"][0]["text"] == text.partition(" sandbox")[0]


def test_images_are_taken(co):
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://h.test/a.png"}},
    ]
    assert co.ask(messages=[{"role": "user", "content": parts}])["usage"]["tokens"]["input_tokens"] > 700


def test_a_stream_says_what_the_answer_says(co):
    whole = co.ask()
    events = co.events()
    assert [e["type"] for e in events[:2]] == ["message-start", "content-start"]
    text = "".join(e["delta"]["message"]["content"]["text"] for e in events if e["type"] == "content-delta")
    assert text == whole["message"]["content"][0]["text"]
    assert events[-1]["type"] == "message-end"
    assert events[-1]["delta"] == {"finish_reason": "COMPLETE", "usage": whole["usage"]}


def test_streamed_calls_come_in_pieces_after_their_plan(co):
    two = {"role": "user", "content": "Weather in Oslo and Rome?"}
    events = co.events(messages=[two], tools=[TOOL])
    assert "".join(e["delta"]["message"]["tool_plan"] for e in events if e["type"] == "tool-plan-delta")
    starts = [e for e in events if e["type"] == "tool-call-start"]
    assert [e["index"] for e in starts] == [0, 1]
    assert [e["delta"]["message"]["tool_calls"]["function"]["name"] for e in starts] == ["get_weather"] * 2
    written = ["", ""]
    for e in events:
        if e["type"] == "tool-call-delta":
            written[e["index"]] += e["delta"]["message"]["tool_calls"]["function"]["arguments"]
    assert [json.loads(arguments) for arguments in written] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert events[-1]["delta"]["finish_reason"] == "TOOL_CALL"


def test_streamed_thoughts_are_a_part_of_their_own(co):
    events = co.events("thinker")
    starts = [(e["index"], e["delta"]["message"]["content"]["type"]) for e in events if e["type"] == "content-start"]
    assert starts == [(0, "thinking"), (1, "text")]
    assert sum(e["type"] == "content-end" for e in events) == 2


# ---- what it refuses


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"n": 1}, "n"),
        ({"top_p": 0.5}, "top_p"),
        ({"stream_options": {}}, "stream_options"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"messages": [{**USER, "name": "ann"}]}, "name"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}]}]}, "cache_control"),
        ({"messages": [{"role": "assistant", "content": "Hi", "refusal": None}, USER]}, "refusal"),
        ({"tools": [{**TOOL, "function": {**TOOL["function"], "strict": True}}]}, "strict"),
        ({"response_format": {"type": "json_object", "name": "x"}}, "name"),
        ({"thinking": {"type": "enabled", "effort": "high"}}, "effort"),
    ],
)  # fmt: skip
def test_a_field_that_it_does_not_know_is_refused_wherever_it_stands(co, body, field):
    assert co.refused(422, **body).startswith(f"unknown field: parameter '{field}' is not a valid field.")


SAYS = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"model": ""}, "a model parameter is required"),
        ({"messages": []}, "list of messages must not be empty"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "invalid role 'developer'"),
        ({"messages": [{"role": "user", "content": ""}]}, "must not be empty in a turn"),
        ({"messages": [{"role": "assistant", "content": None}]}, "must not be empty in a turn"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "type 'input_audio'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "must have a url"),
        ({"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}, "not valid in a system message"),
        ({"messages": [USER, SAYS]}, "did not have response messages"),
        ({"messages": [USER, {"role": "tool", "content": "x", "tool_call_id": "c"}]}, "must be a response"),
        ({"messages": [USER, SAYS, {"role": "tool", "content": "x"}]}, "must have a tool_call_id"),
        ({"temperature": 1.5}, "temperature must be between"),
        ({"p": 1.0}, "p must be between"),
        ({"k": 501}, "k must be between"),
        ({"presence_penalty": -1}, "presence_penalty must be between"),
        ({"presence_penalty": 0.5, "frequency_penalty": 0.5}, "cannot specify both"),
        ({"tool_choice": "REQUIRED"}, "only be specified with tools"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "REQUIRED or NONE"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "must have parameters"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "not supported with tools"),
        ({"documents": [{}], "response_format": {"type": "json_object"}}, "not supported with RAG"),
        ({"response_format": {"type": "json_schema"}}, "must be text or json_object"),
        ({"response_format": {"type": "json_object", "json_schema": {"type": 5}}}, "invalid schema"),
        ({"stop_sequences": list("abcdef")}, "1 to 5"),
        ({"stop_sequences": "a"}, "1 to 5"),
        ({"thinking": {"type": "on"}}, "enabled or disabled"),
        ({"max_tokens": 501}, "less than or equal to 500, the maximum output for this model - received 501"),
        ({"messages": [{"role": "user", "content": "word " * 6000}]}, "in the prompt cannot exceed 4000 - received"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence(co, body, says):
    assert says in co.refused(400, **body)


def test_keys_models_and_paths(co):
    assert co.refused(401, key="") == "no api key supplied"
    assert co.refused(401, key="wrong-key-0123456789") == "invalid api token"
    assert co.refused(401, key=co.box.key("co", 2)) == "invalid api token"
    assert co.refused(404, "none").startswith("model 'none' not found")
    assert co.client.post(f"{co.box.url('co')}/v1/chat/completions", json={}).status_code == 404
    raw = co.client.post(
        f"{co.box.url('co')}/v2/chat", headers={"authorization": f"Bearer {co.box.key('co')}"}, content=b"{"
    )
    assert (raw.status_code, raw.json()["message"].partition(":")[0]) == (400, "invalid json syntax")


def test_a_trial_key_is_told_its_minute_and_the_size_of_its_month_on_good_answers_only(co):
    for headers in (co.post("trial").headers, co.post("trial", stream=True).headers):
        assert headers["x-endpoint-monthly-call-limit"] == "4"
        assert headers["x-trial-endpoint-call-limit"] == "2"
    assert headers["x-trial-endpoint-call-remaining"] == "0"
    refused = co.post("trial")
    assert refused.status_code == 429
    assert not [name for name in refused.headers if name.startswith("x-") or name == "retry-after"]


def test_a_refusal_says_minute_or_month(co):
    for _ in range(2):
        co.ask("trial")
    assert "limited to 2 API calls / minute" in co.refused(429, "trial")
    co.at += 60
    for _ in range(2):
        co.ask("trial")
    co.at += 60
    assert "limited to 4 API calls / month" in co.refused(429, "trial")


def test_a_refusal_for_tokens_is_about_tokens(co):
    assert "limit is 60 tokens per minute" in co.refused(429, "tokens", [{"role": "user", "content": "word " * 90}])


def test_faults_are_in_its_words(co):
    co.box.fault(500, times=1)
    assert "internal server error" in co.refused(500)
    co.box.fault(503, times=1)
    assert "overloaded" in co.refused(503)
    co.box.fault(429, times=1)
    assert "API calls / minute" in co.refused(429)
    co.box.fault("stream_error", after=1, times=1)
    text = co.post(stream=True).text
    last = json.loads(text.strip().rpartition("data: ")[2])
    assert last["delta"]["finish_reason"] == "ERROR"
    assert last["delta"]["error"]
    assert "usage" not in last["delta"]


def test_models_are_listed_and_shown(co):
    headers = {"authorization": f"Bearer {co.box.key('co')}"}
    listed = co.client.get(f"{co.box.url('co')}/v1/models?endpoint=chat", headers=headers).json()["models"]
    assert [m["name"] for m in listed] == ["plain", "thinker", "trial", "tokens", "single"]
    assert (listed[0]["context_length"], listed[0]["features"], listed[1]["features"]) == (
        4000,
        None,
        ["tools", "reasoning"],
    )
    one = co.client.get(f"{co.box.url('co')}/v1/models/thinker", headers=headers)
    assert one.json() == listed[1]
    assert co.client.get(f"{co.box.url('co')}/v1/models/none", headers=headers).status_code == 404
