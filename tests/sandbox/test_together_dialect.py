"""What Together does otherwise than OpenAI."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.sandbox.conftest import NOON, data, function

from rotor_core.sandbox import Sandbox

USER = {"role": "user", "content": "Weather in Oslo?"}
WEATHER = function("get_weather", "Get the weather.", city={"type": "string"})
SPEC = {
    "providers": {
        "to": {
            "dialect": "together",
            "keys": ["to-key-0001-secret"],
            "models": {
                "org/plain": {"context": 4000, "price": {"input": 1, "output": 2}},
                "org/thinker": {"capabilities": ["reasoning", "tools"]},
                "org/second": {
                    "limits": [
                        {"requests": 2, "per": "second", "window": "bucket"},
                        {"tokens": 300, "per": "second", "window": "bucket"},
                    ]
                },
                "org/minute": {"limits": [{"requests": 600, "per": "minute", "window": "bucket"}]},
                "org/tokens": {"limits": [{"tokens": 40, "per": "second", "window": "bucket"}]},
            },
        }
    }
}


class To:
    def __init__(self, client: httpx.Client) -> None:
        self.box = Sandbox(SPEC, clock=lambda: NOON)
        self.client = client

    def post(self, model="plain", messages=(USER,), key=None, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.box.key('to')}"}
        body = {"model": f"org/{model}", "messages": list(messages), **more}
        return self.client.post(f"{self.box.url('to')}/chat/completions", headers=headers, json=body)

    def ask(self, *args, **more):
        response = self.post(*args, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def say(self, *args, **more):
        return self.ask(*args, **more)["choices"][0]["message"]


@pytest.fixture(scope="module")
def _to():
    with httpx.Client(timeout=10) as client:
        made = To(client)
        with made.box:
            yield made


@pytest.fixture
def to(_to):
    _to.box.reset()
    return _to


def test_an_answer_has_an_empty_prompt_and_cached_tokens_beside_the_others(to):
    body = to.ask()
    assert body["prompt"] == []
    assert body["choices"][0]["message"]["tool_calls"] == []
    assert body["usage"].keys() == {"prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"}


def test_cached_tokens_are_counted(to):
    long = [{"role": "user", "content": "word " * 1200}]
    assert [to.ask("thinker", long)["usage"]["cached_tokens"] > 0 for _ in range(2)] == [False, True]


def test_reasoning_is_shown_and_turned_on_or_off(to):
    assert to.say("thinker")["reasoning"]
    assert "reasoning" not in to.say("thinker", reasoning={"enabled": False})
    assert to.say("plain", reasoning={"enabled": True})["reasoning"]
    assert to.ask("thinker")["usage"]["reasoning_tokens"] > 0


def test_an_agents_whole_loop(to):
    made = to.say(tools=[WEATHER])
    assert made["tool_calls"][0]["index"] == 0
    result = {"role": "tool", "tool_call_id": made["tool_calls"][0]["id"], "content": "It rains"}
    assert to.say(messages=[USER, made, result], tools=[WEATHER])["content"] == "get_weather says: It rains."


def test_a_stream_ends_with_usage_beside_the_finish_reason(to):
    *chunks, done = data(to.post(stream=True).text)
    assert done == "[DONE]"
    last = json.loads(chunks[-1])
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"] > 0
    assert all(json.loads(chunk)["usage"] is None and json.loads(chunk)["choices"] for chunk in chunks[:-1])


def test_a_chunk_says_its_text_twice(to):
    chunks = [json.loads(chunk)["choices"][0] for chunk in data(to.post(stream=True).text)[:-1]]
    assert (
        "".join(choice["text"] for choice in chunks) == "".join(c["delta"].get("content") or "" for c in chunks) != ""
    )


def test_streamed_thoughts_are_not_text(to):
    chunks = [json.loads(chunk)["choices"][0] for chunk in data(to.post("thinker", stream=True).text)[:-1]]
    whole = to.say("thinker")
    assert "".join(c["delta"].get("reasoning") or "" for c in chunks) == whole["reasoning"]
    assert "".join(c["delta"].get("content") or "" for c in chunks) == whole["content"]


def told(reply):
    return {name: value for name, value in reply.headers.items() if "limit" in name or name == "retry-after"}


def test_headers_are_of_the_second_and_a_good_answer_has_a_retry_after_that_means_nothing(to):
    reply = to.post("second")
    left = 300 - reply.json()["usage"]["total_tokens"]
    expected = {
        "retry-after": "2",
        "x-ratelimit": "false",
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "1",
        "x-tokenlimit-limit": "300",
        "x-tokenlimit-remaining": str(left),
    }
    assert told(reply) == expected
    assert told(to.post("second", stream=True)).keys() == expected.keys()


def test_a_minutes_limit_is_told_by_the_second(to):
    assert told(to.post("minute"))["x-ratelimit-limit"] == "10"


def test_beyond_its_rate_a_client_is_told_which(to):
    to.ask("second", max_tokens=1)
    to.ask("second", max_tokens=1)
    refused = to.post("second", max_tokens=1)
    assert (refused.status_code, refused.json()["error_type"]) == (429, "dynamic_request_limited")
    assert refused.headers["x-ratelimit-reset"] == "1"
    assert "retry-after" not in refused.headers
    large = to.post("tokens", [{"role": "user", "content": "word " * 90}])
    assert (large.status_code, large.json()["error_type"]) == (429, "dynamic_token_limited")


def test_capacity_is_a_503_and_bad_keys_and_models_are_said(to):
    to.box.fault(503, times=1)
    assert (to.post().status_code, to.post().status_code) == (503, 200)
    bad = to.post(key="wrong-key-0123456789")
    assert (bad.status_code, bad.json()["error"]["code"]) == (401, "invalid_api_key")
    assert to.post("none").status_code == 404


def test_models_are_a_bare_list_with_context_and_price(to):
    headers = {"authorization": f"Bearer {to.box.key('to')}"}
    listed = to.client.get(f"{to.box.url('to')}/models", headers=headers).json()
    assert [model["id"] for model in listed][:2] == ["org/plain", "org/thinker"]
    assert (listed[0]["context_length"], listed[0]["pricing"]["output"]) == (4000, 2)
    one = to.client.get(f"{to.box.url('to')}/models/org/plain", headers=headers).json()
    assert one == listed[0]
