"""The wire against recorded answers of Google's, where they are at hand, and against a naive reading of them."""

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rotor_core import classify_failure
from rotor_core.plugins import collect
from rotor_gemini.wire import GeminiWire

WIRE = Path(__file__).parents[4] / "shared" / "data" / "wire"
NOT_NATIVE = {"gemini-42dcaaad55b2": "Google's OpenAI-compatible endpoint: another format, at another base URL"}
REASONS = {1: "STOP"}


def rows(kind: str) -> list[dict]:
    path = WIRE / "gemini.jsonl"
    if not path.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {path}")
    with path.open() as lines:
        return [row for row in map(json.loads, lines) if row["kind"] == kind and row["id"] not in NOT_NATIVE]


def responses(row: dict) -> list[dict]:
    body = row["response_body"]
    if row["response_headers"].get("content-type", "").startswith("text/event-stream") or body.startswith("data:"):
        return [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:")]
    data = json.loads(body)
    return data if isinstance(data, list) else [data]


def truth(row: dict) -> tuple:
    """Text, thoughts, calls, usage, finish reason and model, read in the plainest way."""
    text, thoughts, calls, reason = "", "", [], None
    for response in responses(row):
        for candidate in response.get("candidates", []):
            for part in candidate.get("content", {}).get("parts", []):
                if "functionCall" in part:
                    calls.append(
                        (part["functionCall"]["name"], part["functionCall"]["args"], part.get("thoughtSignature"))
                    )
                elif part.get("thought"):
                    thoughts += part["text"]
                else:
                    text += part.get("text", "")
            reason = candidate.get("finishReason", reason)
    used = responses(row)[-1]["usageMetadata"]
    usage = (
        used["promptTokenCount"] + used.get("toolUsePromptTokenCount", 0),
        used.get("candidatesTokenCount", 0) + used.get("thoughtsTokenCount", 0),
        used.get("cachedContentTokenCount", 0),
        used.get("thoughtsTokenCount", 0),
    )
    reason = REASONS.get(reason, reason)
    finish = "tool_calls" if calls else {"STOP": "stop", "SAFETY": "content_filter", "MAX_TOKENS": "length"}[reason]
    return text, thoughts, calls, usage, finish, responses(row)[0]["modelVersion"]


def told_calls(calls) -> list[tuple]:
    assert len({call.id for call in calls}) == len(calls)
    assert all(call.id for call in calls)
    return [(c.name, json.loads(c.arguments), c.extra.get("google", {}).get("thought_signature")) for c in calls]


def numbers(usage) -> tuple:
    return usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens


def test_recorded_answers_say_what_their_json_says():
    found = rows("chat")
    assert len(found) >= 20
    for row in found:
        answer = GeminiWire().decode(row["response_body"].encode(), row["response_headers"])
        told = (
            answer.text,
            answer.reasoning,
            told_calls(answer.tool_calls),
            numbers(answer.usage),
            answer.finish_reason,
            answer.model,
        )
        assert told == truth(row), row["id"]


@pytest.mark.parametrize("size", [7, 1000, 10**9])
def test_recorded_streams_say_what_their_chunks_say(size):
    found = rows("chat_stream")
    assert len(found) >= 15
    for row in found:
        raw, reader = row["response_body"].encode(), GeminiWire().reader(row["response_headers"])
        chunks = [chunk for at in range(0, len(raw), size) for chunk in reader.feed(raw[at : at + size])]
        chunks += reader.end()
        calls = [call for chunk in chunks for call in chunk.tool_calls]
        assert [call.index for call in calls] == list(range(len(calls))), row["id"]
        assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True], row["id"]
        assert [chunk.finish_reason is not None for chunk in chunks][:-1] == [False] * (len(chunks) - 1), row["id"]
        told = (
            "".join(chunk.text for chunk in chunks),
            "".join(chunk.reasoning for chunk in chunks),
            told_calls(calls),
            numbers(chunks[-1].usage),
            chunks[-1].finish_reason,
            chunks[-1].model,
        )
        assert told == truth(row), row["id"]
        assert chunks[0].headers == row["response_headers"], row["id"]


def test_recorded_errors_are_of_the_kinds_that_they_mean():
    collect(entry for entry in entry_points(group="rotor") if entry.name == "gemini")
    told = {
        row["id"]: classify_failure("gemini", row["status"], row["response_headers"], row["response_body"])
        for row in rows("error")
        if "content" in row["url"].lower()
    }
    by_status = {404: {"not_found"}, 429: {"rate_limit", "quota_exhausted"}, 400: {"auth", "bad_request"}}
    for ident, failure in told.items():
        assert failure.kind in by_status[failure.status], ident
