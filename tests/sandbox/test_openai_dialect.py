"""OpenAI's wire format, as a client sees it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.conftest import data, function

from rotor_core.sandbox.dialects import DIALECTS, dialect
from rotor_core.sandbox.dialects.base import go_duration, masked


def test_an_answer_has_the_shape_of_a_chat_completion(lab):
    body = lab.ask()
    assert body["object"] == "chat.completion"
    assert body["model"] == "plain"
    assert body["created"] == int(lab.at)
    choice = body["choices"][0]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant"
    assert "sky" in choice["message"]["content"]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0


def test_every_answer_has_an_id_of_its_own(lab):
    assert lab.ask()["id"] != lab.ask()["id"]


def test_a_tool_call_has_an_id_a_name_and_its_arguments_as_text(lab, tools):
    body = lab.ask("open", "plain", "Weather in Oslo?", tools=[tools.weather])
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert call["id"].startswith("call_")
    assert json.loads(call["function"]["arguments"]) == {"location": "Oslo"}


def test_an_agents_whole_loop(lab, tools):
    question = {"role": "user", "content": "Weather in Oslo?"}
    call = lab.say("open", "plain", "Weather in Oslo?", tools=[tools.weather])
    result = {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "It rains"}
    answer = lab.say("open", tools=[tools.weather], messages=[question, call, result])
    assert answer["content"] == "get_weather says: It rains."
    assert "tool_calls" not in answer


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_time"}}])
def test_tool_choice_forces_a_call(lab, tools, choice):
    message = lab.say("open", "plain", "Hello", tools=[tools.time], tool_choice=choice)
    assert message["tool_calls"][0]["function"]["name"] == "get_time"


def test_tool_choice_none_forbids_one(lab, tools):
    assert lab.say("open", "plain", "Weather in Oslo?", tools=[tools.weather], tool_choice="none")["content"]


def test_structured_output_is_json_of_the_schema(lab):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    assert json.loads(lab.say("open", "plain", "I live in Oslo", response_format=form)["content"]) == {"city": "Oslo"}


def test_json_mode_answers_json_and_wants_the_word_in_the_messages(lab):
    form = {"type": "json_object"}
    assert json.loads(lab.say("open", "plain", "Answer as JSON with 'a'", response_format=form)["content"]).keys() == {
        "a"
    }
    refused = lab.post("open", "plain", "Answer", response_format=form)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "messages")


def test_max_tokens_and_stop_are_honoured(lab):
    choice = lab.ask(max_tokens=4)["choices"][0]
    assert choice["finish_reason"] == "length"
    assert lab.ask(max_completion_tokens=4)["usage"]["completion_tokens"] == 4
    assert lab.say(stop=["speaking"])["content"] == "This is the sandbox "


def test_reasoning_is_counted_and_shown_only_when_asked_for(lab):
    body = lab.ask("open", "thinker")
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert "reasoning_content" not in body["choices"][0]["message"]
    assert lab.say("open", "thinker", include_reasoning=True)["reasoning_content"]
    quiet = lab.ask("open", "thinker", reasoning_effort="none")["usage"]["completion_tokens_details"]
    assert quiet["reasoning_tokens"] == 0


def test_a_long_prompt_sent_twice_is_cached(lab):
    said = "word " * 1500
    assert lab.ask("open", "thinker", said)["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    usage = lab.ask("open", "thinker", said)["usage"]
    assert 1024 <= usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]


def test_images_are_taken_and_counted(lab):
    parts = [
        {"type": "text", "text": "Describe"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    assert lab.ask(messages=[{"role": "user", "content": parts}])["usage"]["prompt_tokens"] > 700


def test_a_model_does_only_what_it_is_said_to_do(lab):
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    image = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    assert lab.post("open", "thinker", response_format=form).status_code == 400
    assert lab.post("open", "thinker", messages=[{"role": "user", "content": image}]).status_code == 400
    assert lab.post("open", "plain", response_format=form).status_code == 200


# ---- headers and refusals ---------------------------------------------------------------------------------------------


def test_headers_speak_of_the_minutes_limits(lab):
    headers = lab.post("tight", "rpm").headers
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "2"
    assert headers["x-ratelimit-reset-requests"] == "20s"
    assert headers["x-request-id"].startswith("req_")
    assert "x-ratelimit-limit-tokens" not in headers
    assert not any(name.startswith("x-ratelimit") for name in lab.post().headers)


def test_a_refusal_has_the_limit_in_words_and_the_wait_in_three_forms(lab):
    for _ in range(3):
        lab.ask("tight", "rpm")
    refused = lab.post("tight", "rpm")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "20"
    assert refused.headers["retry-after-ms"] == "20000"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s." in error["message"]


def test_who_waits_as_long_as_told_gets_in_and_who_comes_earlier_does_not(lab):
    for _ in range(3):
        lab.ask("tight", "rpm")
    wait = int(lab.post("tight", "rpm").headers["retry-after-ms"]) / 1000
    lab.at += wait - 0.01
    assert lab.post("tight", "rpm").status_code == 429
    lab.at += 0.01
    assert lab.post("tight", "rpm").status_code == 200


def test_a_token_limit_is_refused_as_tokens(lab):
    for _ in range(9):
        refused = lab.post("tight", "tpm")
        if refused.status_code != 200:
            break
    error = refused.json()["error"]
    assert error["type"] == "tokens"
    assert "on tokens per min (TPM): Limit 400, Used" in error["message"]


def test_what_is_asked_for_counts_where_the_limit_says_so(lab):
    assert lab.post("tight", "asked", max_tokens=300).headers["x-ratelimit-remaining-tokens"] == str(400 - 300 - 12)
    assert lab.post("tight", "asked", max_tokens=300).status_code == 429


def test_a_request_that_can_never_fit_is_a_429_without_a_wait(lab):
    refused = lab.post("tight", "asked", max_tokens=500)
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers
    assert refused.json()["error"]["message"].startswith("Request too large for asked in organization")


def test_keys_of_a_quota_share_their_limits_and_others_do_not(lab):
    box = lab.box
    for n in range(3):
        lab.ask("tight", "rpm", key=box.key("tight", 3 + n % 2))
    assert lab.post("tight", "rpm", key=box.key("tight", 3)).status_code == 429
    assert lab.post("tight", "rpm", key=box.key("tight", 4)).status_code == 429
    assert lab.post("tight", "rpm", key=box.key("tight", 1)).status_code == 200
    assert lab.post("tight", "rpm", key=box.key("tight", 2)).status_code == 200


@pytest.mark.parametrize("key", ["", "wrong-key-that-nobody-has", "gone-key-0002-secret"])
def test_a_missing_wrong_or_revoked_key_is_a_401_that_does_not_show_it(lab, key):
    refused = lab.post(key=key)
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert not key or key not in refused.text


def test_a_provider_without_keys_answers_without_one(lab):
    assert lab.post("keyless", key="").status_code == 200


def test_an_unknown_model_is_a_404(lab):
    refused = lab.post("open", "gpt-99")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert "`gpt-99` does not exist" in refused.json()["error"]["message"]


def test_a_prompt_beyond_the_context_is_a_400(lab):
    refused = lab.post("open", "plain", "word " * 4000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 4000 tokens" in refused.json()["error"]["message"]


def test_more_output_than_the_model_has_is_a_400(lab):
    refused = lab.post(max_tokens=501)
    assert refused.status_code == 400
    assert "at most 500 completion tokens" in refused.json()["error"]["message"]


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "x"}
BAD = [
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content"),
    ({"messages": [USER, {"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "messages[1].role"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]}, "messages"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, USER]}, "messages"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}]}, "messages[1]"),
    ({"model": ""}, "model"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"n": 2}, "n"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tools": [function("f")], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
    ({"tools": [{"type": "function"}]}, "tools[0]"),
    ({"tools": [function("f", a={"type": "strng"})]}, "tools[0].function.parameters"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}, "tools[0].function.parameters"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "strng"}}}}, "response_format"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "param"), BAD)
@pytest.mark.parametrize("provider", ["open", "quick"])
def test_what_a_provider_would_not_take_is_a_400_that_names_the_part(lab, provider, changes, param):
    refused = lab.client.post(
        f"{lab.box.url(provider)}/chat/completions",
        headers={"authorization": f"Bearer {lab.box.key(provider)}"},
        json={**lab.body(), **changes},
    )
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["param"] == param


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[1]", b'"text"'])
def test_a_body_that_is_no_json_object_is_a_400(lab, body):
    headers = {"authorization": f"Bearer {lab.box.key('open')}"}
    refused = lab.client.post(f"{lab.box.url('open')}/chat/completions", headers=headers, content=body)
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


# ---- models and paths -------------------------------------------------------------------------------------------------


def test_models_are_listed_and_found_by_name(lab):
    url = lab.box.url("open")
    assert [m["id"] for m in lab.client.get(f"{url}/models").json()["data"]] == ["plain", "thinker", "with/slash"]
    assert lab.client.get(f"{url}/models/with/slash").json()["id"] == "with/slash"
    assert lab.client.get(f"{url}/models/none").status_code == 404


def test_other_paths_are_a_404_in_the_providers_words(lab):
    found = lab.client.post(f"{lab.box.url('open')}/embeddings", json={})
    assert (found.status_code, found.json()["error"]["type"]) == (404, "invalid_request_error")


# ---- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_says_the_same_as_an_answer_and_ends_in_done(lab):
    whole = lab.say()["content"]
    events = lab.events()
    assert events[-1] == "[DONE]"
    chunks = [json.loads(e) for e in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == whole
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({c["id"] for c in chunks}) == 1
    assert all(c["object"] == "chat.completion.chunk" for c in chunks)
    assert "usage" not in chunks[0]


def test_usage_comes_in_a_chunk_of_its_own_when_asked_for(lab):
    chunks = [json.loads(e) for e in lab.events(stream_options={"include_usage": True})[:-1]]
    assert all(c["usage"] is None for c in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == lab.ask()["usage"]


def test_a_streamed_call_has_its_name_first_and_its_arguments_in_pieces(lab, tools):
    events = lab.events("open", "plain", "Weather in Oslo and Rome?", tools=[tools.weather])
    deltas = [d for e in events[:-1] for d in json.loads(e)["choices"][0]["delta"].get("tool_calls", [])]
    for index, city in ((0, "Oslo"), (1, "Rome")):
        mine = [d for d in deltas if d["index"] == index]
        assert mine[0]["function"] == {"name": "get_weather", "arguments": ""}
        assert mine[0]["id"]
        assert all("id" not in d for d in mine[1:])
        assert len(mine) >= 3
        assert json.loads("".join(d["function"]["arguments"] for d in mine)) == {"location": city}


def test_even_short_arguments_come_in_two_pieces(lab):
    ping = {"type": "function", "function": {"name": "ping"}}
    events = lab.events("open", "plain", "Use the ping tool", tools=[ping])
    deltas = [d for e in events[:-1] for d in json.loads(e)["choices"][0]["delta"].get("tool_calls", [])]
    assert [d["function"]["arguments"] for d in deltas] == ["", "{", "}"]


def test_reasoning_is_streamed_before_the_answer(lab):
    deltas = [json.loads(e)["choices"][0]["delta"] for e in lab.events("open", "thinker", include_reasoning=True)[:-1]]
    kinds = ["reasoning_content" if "reasoning_content" in d else "content" for d in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert {"reasoning_content", "content"} == set(kinds)


def test_a_stream_carries_the_limits_in_its_headers(lab):
    response = lab.post("tight", "rpm", stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-ratelimit-remaining-requests"] == "2"
    assert data(response.text)[-1] == "[DONE]"


def test_a_refused_stream_is_a_plain_refusal(lab):
    for _ in range(3):
        lab.ask("tight", "rpm")
    refused = lab.post("tight", "rpm", stream=True)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/json; charset=utf-8")


# ---- small things -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.006, "6ms"), (0.12, "120ms"), (1.2, "1.2s"), (7.66, "7.66s"), (86.4, "1m26.4s"), (360, "6m0s"), (5011, "1h23m31s"), (0.9999, "1s"), (59.9996, "1m0s")],
)  # fmt: skip
def test_durations_are_written_as_go_does(seconds, text):
    assert go_duration(seconds) == text


@given(st.floats(0, 200_000))
def test_a_duration_is_never_shorter_than_it_should_be(seconds):
    import re

    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", go_duration(seconds))
    assert seconds - 1e-6 <= sum(float(n) * units[u] for n, u in parts) <= seconds + 0.0011


def test_a_masked_key_shows_too_little_to_use_it():
    assert masked("sk-0123456789") == "sk-****89"
    assert masked("short") == "****"


def test_a_dialect_is_found_by_its_module(lab):
    assert {"openai", "groq", "gemini", "cohere", "mistral", "together"} <= set(DIALECTS)
    assert all(dialect(name).name == name for name in DIALECTS)
