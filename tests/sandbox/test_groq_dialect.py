"""What Groq does otherwise than OpenAI."""

from __future__ import annotations

import json

import pytest


def test_headers_speak_of_the_days_requests_and_the_minutes_tokens(lab):
    headers = lab.post("tightgroq", "both").headers
    assert headers["x-ratelimit-limit-requests"] == "1000"
    assert headers["x-ratelimit-remaining-requests"] == "999"
    assert headers["x-ratelimit-reset-requests"] == "1m26.4s"
    assert headers["x-ratelimit-limit-tokens"] == "400"
    assert "retry-after" not in headers


def test_the_minutes_requests_stand_in_no_header_and_only_in_the_refusal(lab):
    lab.ask("tightgroq", "both", max_tokens=1)
    lab.ask("tightgroq", "both", max_tokens=1)
    refused = lab.post("tightgroq", "both", max_tokens=1)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-limit-requests"] == "1000"
    assert refused.headers["retry-after"] == "30"
    assert "retry-after-ms" not in refused.headers
    error = refused.json()["error"]
    assert error["message"].startswith("Rate limit reached for model `both` in organization `org_")
    assert (
        "service tier `on_demand` on requests per minute (RPM): Limit 2, Used 2, Requested 1. Please try again in 30s."
        in error["message"]
    )
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "param" not in error


def test_what_is_larger_than_a_limit_is_a_413_under_the_same_code(lab):
    refused = lab.post("tightgroq", "both", "word " * 400)
    assert refused.status_code == 413
    error = refused.json()["error"]
    assert error["message"].startswith("Request too large for model `both` in organization")
    assert "on tokens per minute (TPM): Limit 400, Requested" in error["message"]
    assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")


def test_durations_run_to_nanoseconds(lab):
    lab.at += 0.123456
    lab.ask("tightgroq", "both", max_tokens=1)
    lab.at += 1.000123
    lab.ask("tightgroq", "both", max_tokens=1)
    assert "Please try again in 28.99987" in lab.post("tightgroq", "both", max_tokens=1).json()["error"]["message"]


def test_a_bad_key_is_told_in_three_words(lab):
    refused = lab.post("quick", key="wrong-key-0123456789")
    assert (refused.status_code, refused.json()) == (
        401,
        {"error": {"message": "Invalid API Key", "type": "invalid_request_error", "code": "invalid_api_key"}},
    )


def test_an_answer_has_groqs_own_fields(lab):
    body = lab.ask("quick")
    assert body["x_groq"]["id"].startswith("req_")
    assert body["service_tier"] == "on_demand"
    assert {"queue_time", "prompt_time", "completion_time", "total_time"} <= body["usage"].keys()
    assert "completion_tokens_details" not in body["usage"]


def test_a_message_that_calls_has_no_content_at_all(lab, tools):
    message = lab.say("quick", "plain", "Weather in Oslo?", tools=[tools.weather])
    assert message.keys() == {"role", "tool_calls"}


def test_reasoning_is_shown_in_its_own_field_unless_it_is_hidden(lab):
    assert lab.say("quick", "thinker")["reasoning"]
    assert "reasoning" not in lab.say("quick", "thinker", reasoning_format="hidden")
    assert "reasoning" not in lab.say("quick", "thinker", include_reasoning=False)
    assert lab.say("quick", "thinker", reasoning_format="raw")["content"].startswith("<think>")
    usage = lab.ask("quick", "thinker", reasoning_format="hidden")["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] > 0


def test_usage_stands_in_x_groq_of_the_last_chunk_and_once_more_when_asked_for(lab):
    bare = [json.loads(e) for e in lab.events("quick")[:-1]]
    assert bare[-1]["choices"][0]["finish_reason"] == "stop"
    assert bare[-1]["x_groq"]["usage"]["total_tokens"] > 0
    assert "usage" not in bare[-1]
    assert "id" in bare[0]["x_groq"]
    told = [json.loads(e) for e in lab.events("quick", stream_options={"include_usage": True})[:-1]]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"] == told[-2]["usage"] == told[-2]["x_groq"]["usage"]


def test_a_streamed_call_comes_in_one_piece(lab, tools):
    events = lab.events("quick", "plain", "Weather in Oslo?", tools=[tools.weather])
    deltas = [d for e in events[:-1] for d in json.loads(e)["choices"][0]["delta"].get("tool_calls", [])]
    assert [json.loads(d["function"]["arguments"]) for d in deltas] == [{"location": "Oslo"}]


def test_streamed_reasoning_has_its_channel(lab):
    deltas = [json.loads(e)["choices"][0]["delta"] for e in lab.events("quick", "thinker")[:-1]]
    assert [d["channel"] for d in deltas if "reasoning" in d].count("analysis") > 0


@pytest.mark.parametrize("changes", [{"max_tokens": 501}, {"messages": [{"role": "user", "content": "w " * 9000}]}])
def test_what_the_model_cannot_hold_is_a_400_in_groqs_words(lab, changes):
    refused = lab.post("quick", "plain", **changes)
    assert refused.status_code == 400
    assert "reduce the length" in refused.text or "must be less than or equal to `500`" in refused.text


def test_models_say_how_much_they_hold(lab):
    (plain, _) = lab.client.get(f"{lab.box.url('quick')}/models").json()["data"]
    assert (plain["id"], plain["context_window"], plain["max_completion_tokens"], plain["active"]) == (
        "plain",
        4000,
        500,
        True,
    )
