"""Cohere's answers as they were recorded, where they are at hand, against a small reader of their own.

Of the recorded chats those of `/v2/chat` are in scope: the API v1 is another format, which nothing here speaks.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rotor_cohere.wire import CohereWire

WIRE = CohereWire()
RECORDED = Path(__file__).parents[4] / "shared" / "data" / "wire" / "cohere.jsonl"
LEAST = 0.98


def rows(kind: str) -> list[dict]:
    if not RECORDED.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {RECORDED}")
    with RECORDED.open() as lines:
        chats = [row for row in map(json.loads, lines) if row["kind"] == kind]
    found = [row for row in chats if row["url"].endswith("/v2/chat")]
    assert found
    return found


def truth(message: dict, usage: dict) -> tuple:
    text = "".join(part["text"] for part in message.get("content") or () if part["type"] == "text")
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]
    tokens = usage["tokens"]
    return text, calls, (tokens["input_tokens"], tokens["output_tokens"], usage.get("cached_tokens", 0))


def assembled(raw: str) -> tuple[dict, dict]:
    """A stream's message and usage, put together from its events line by line."""
    parts: dict[int, dict] = {}
    calls: dict[int, dict] = {}
    usage: dict = {}
    for line in raw.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        kind, message = event["type"], event.get("delta", {}).get("message", {})
        if kind == "content-start":
            parts[event["index"]] = message["content"]
        elif kind == "content-delta":
            for key, piece in message["content"].items():
                parts[event["index"]][key] += piece
        elif kind == "tool-call-start":
            calls[event["index"]] = message["tool_calls"]
        elif kind == "tool-call-delta":
            calls[event["index"]]["function"]["arguments"] += message["tool_calls"]["function"]["arguments"]
        elif kind == "message-end":
            usage = event["delta"]["usage"]
    return {"content": list(parts.values()), "tool_calls": list(calls.values())}, usage


def told(text, calls, usage) -> tuple:
    return text, [(c.name, c.arguments) for c in calls], (usage.input_tokens, usage.output_tokens, usage.cached_tokens)


def streamed(raw: bytes, size: int) -> tuple:
    reader = WIRE.reader({"content-type": "text/event-stream"})
    chunks = [chunk for at in range(0, len(raw), size) for chunk in reader.feed(raw[at : at + size])]
    chunks += reader.end()
    calls: dict[int, list[str]] = {}
    for delta in (delta for chunk in chunks for delta in chunk.tool_calls):
        one = calls.setdefault(delta.index, ["", ""])
        one[0] += delta.name or ""
        one[1] += delta.arguments
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
    tokens = usage.input_tokens, usage.output_tokens, usage.cached_tokens
    return "".join(chunk.text for chunk in chunks), [tuple(one) for one in calls.values()], tokens


def exact(pairs: dict[str, tuple[tuple, tuple]]) -> None:
    misses = {ident: (said, true) for ident, (said, true) in pairs.items() if said != true}
    print(f"cohere: {len(pairs) - len(misses)}/{len(pairs)} exact")
    assert len(misses) <= (1 - LEAST) * len(pairs), misses


def test_recorded_answers_are_read_exactly():
    pairs = {}
    for row in rows("chat"):
        data = json.loads(row["response_body"])
        answer = WIRE.decode(row["response_body"].encode(), row["response_headers"])
        pairs[row["id"]] = told(answer.text, answer.tool_calls, answer.usage), truth(data["message"], data["usage"])
    exact(pairs)


@pytest.mark.parametrize("size", [7, 1000, 10**9])
def test_recorded_streams_are_read_exactly_however_they_are_cut(size):
    pairs = {}
    for row in rows("chat_stream"):
        true = truth(*assembled(row["response_body"]))
        pairs[row["id"]] = streamed(row["response_body"].encode(), size), true
    exact(pairs)


def test_what_precedes_recorded_tool_calls_is_reasoning_and_no_text():
    planned = [row for row in rows("chat") if '"tool_plan"' in row["response_body"]]
    assert planned
    for row in planned:
        answer = WIRE.decode(row["response_body"].encode(), {})
        assert answer.reasoning == json.loads(row["response_body"])["message"]["tool_plan"]
        assert (answer.text, answer.finish_reason) == ("", "tool_calls")


def test_recorded_errors_are_no_answers():
    from rotor_core import classify_failure

    if not RECORDED.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {RECORDED}")
    with RECORDED.open() as lines:
        errors = [row for row in map(json.loads, lines) if row["kind"] == "error"]
    assert errors
    for row in errors:
        assert (
            classify_failure("cohere", row["status"], row["response_headers"], row["response_body"]).kind == "not_found"
        )
