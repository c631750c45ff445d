"""The decoder against recorded traffic of ten providers, where that is at hand, and against a naive reading of it."""

import json
from pathlib import Path

import pytest

from rotor_core._outcome import Chunk, Usage
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.openai_wire import decode
from rotor_core.adapters.wire import WireError

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"
PROVIDERS = "openai groq mistral deepseek together openrouter cerebras xai azure_openai huggingface".split()
ERRORS_INSIDE = {"groq-9e866a6389da", "groq-8e947bc80e73", "openrouter-d46e6c7cd709"}
"""Streams of status 200 that end in an error."""


def rows(provider: str, kind: str) -> list[dict]:
    path = WIRE / f"{provider}.jsonl"
    if not path.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {path}")
    with path.open() as lines:
        found = [row for row in map(json.loads, lines) if row["kind"] == kind]
    if not found:
        pytest.skip(f"no {kind} of {provider} was recorded")
    return found


def naive_text(message: dict) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or message.get("refusal") or ""


def naive_usage(usage: dict | None) -> Usage | None:
    if not usage:
        return None
    given, made = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = (
        given.get("cached_tokens")
        or usage.get("prompt_cache_hit_tokens")
        or usage.get("cached_tokens")
        or usage.get("num_cached_tokens")
    )
    reasoning = made.get("reasoning_tokens") or 0
    prompt, completion, total = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    beside = total - prompt - completion
    beside_output = reasoning if beside == reasoning else 0  # xAI's way of counting
    beside_input = beside if not beside_output and beside == (given.get("audio_tokens") or 0) else 0  # Mistral's
    return Usage(prompt, completion, cached or 0, reasoning, beside_input, beside_output)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_recorded_answers_say_what_their_json_says(provider):
    for row in rows(provider, "chat"):
        data = json.loads(row["response_body"])
        message = data["choices"][0]["message"]
        answer = decode(row["response_body"].encode(), row["response_headers"])
        assert answer.text == naive_text(message), row["id"]
        calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or ()]
        assert [(c.id, c.name, c.arguments) for c in answer.tool_calls] == calls, row["id"]
        assert answer.usage == naive_usage(data.get("usage")), row["id"]
        assert (answer.finish_reason, answer.model) == (data["choices"][0].get("finish_reason"), data["model"]), row[
            "id"
        ]
        said = message.get("reasoning") or message.get("reasoning_content") or ""
        assert answer.reasoning == said or isinstance(message["content"], list), row["id"]


def read(reader: StreamReader, raw: bytes, size: int) -> list[Chunk]:
    chunks = [chunk for at in range(0, len(raw), size) for chunk in reader.feed(raw[at : at + size])]
    return [*chunks, *reader.end()]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("size", [7, 1000, 10**9])
def test_recorded_streams_say_what_their_chunks_say(provider, size):
    for row in rows(provider, "chat_stream"):
        raw = row["response_body"].encode()
        reader = StreamReader(row["response_headers"])
        if row["id"] in ERRORS_INSIDE:
            with pytest.raises(WireError, match="error") as caught:
                read(reader, raw, size)
            assert caught.value.error_body
            continue
        chunks = read(reader, raw, size)
        lines = row["response_body"].splitlines()
        parsed = [json.loads(line[5:]) for line in lines if line.startswith("data:") and "[DONE]" not in line]
        choices = [choice for data in parsed for choice in data["choices"] if choice.get("index", 0) == 0]
        deltas = [choice["delta"] for choice in choices]
        assert "".join(c.text for c in chunks) == "".join(naive_text(d) for d in deltas), row["id"]
        said = "".join(d.get("reasoning_content") or d.get("reasoning") or "" for d in deltas)
        assert "".join(c.reasoning for c in chunks) == said or any(isinstance(d.get("content"), list) for d in deltas)
        called: dict[tuple, list] = {}
        last_id: dict[int, str] = {}
        for d in deltas:
            for position, call in enumerate(d.get("tool_calls") or ()):
                index = call.get("index", position)
                if call["function"].get("name"):
                    last_id[index] = call.get("id") or last_id.get(index)  # another id: another call
                one = called.setdefault((index, last_id.get(index)), ["", ""])
                one[0] += call["function"].get("name") or ""
                one[1] += call["function"].get("arguments") or ""
        told: dict[int, list] = {}
        for c in chunks:
            for call in c.tool_calls:
                one = told.setdefault(call.index, ["", ""])
                one[0] += call.name or ""
                one[1] += call.arguments
        assert sorted(told.values()) == sorted(called.values()), row["id"]
        reported = [d.get("usage") or (d.get("x_groq") or {}).get("usage") for d in parsed]
        usage = next((u for u in reversed(reported) if u), None)
        assert [c.usage for c in chunks if c.usage] == ([naive_usage(usage)] if usage else []), row["id"]
        finish = [c["finish_reason"] for c in choices if c.get("finish_reason")]
        assert [c.finish_reason for c in chunks if c.finish_reason] == finish[-1:], row["id"]
        assert chunks[0].headers == row["response_headers"], row["id"]
