"""Each provider's own wire against its recorded answers: text, tool calls and usage, counted row by row.

What a recorded answer says is read here a second time, by a reader that shares nothing with the product. Rows whose
body is an error, for all that the status said, must be refused and do not count.
"""

import json
from pathlib import Path

import pytest

from rotor_core._model import Model
from rotor_core._outcome import Usage
from rotor_core._request import Request
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.wire import Wire, WireError
from rotor_core.plugins import installed, resolve

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"
PROVIDERS = "groq openai together mistral openrouter deepseek xai cerebras".split()
LEAST = 0.98
PIECE = 113
"""Bytes at a time: events are cut anywhere."""


def rows(provider: str) -> list[dict]:
    path = WIRE / f"{provider}.jsonl"
    if not path.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {path}")
    with path.open() as lines:
        return [row for row in map(json.loads, lines) if row["kind"] in ("chat", "chat_stream")]


def wire_of(provider: str) -> Wire:
    adapter = resolve(installed().providers[provider].adapter)()
    assert isinstance(adapter, HttpAdapter)
    return adapter.wire


def said(content: object) -> str:
    """All text parts; thinking is none."""
    if isinstance(content, list):
        return "".join(
            p if isinstance(p, str) else p["text"] for p in content if isinstance(p, str) or p["type"] == "text"
        )
    return content or ""


def tokens(usage: dict | None) -> tuple[int, int] | None:
    return (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None


def truth(row: dict) -> tuple:
    """Text, calls (name and parsed arguments) and usage; a ValueError where the body is no answer."""
    if row["kind"] == "chat":
        body = json.loads(row["response_body"])
        message = body["choices"][0]["message"]
        calls = [(c["function"]["name"], parsed(c["function"]["arguments"])) for c in message.get("tool_calls") or ()]
        return said(message.get("content")) or message.get("refusal") or "", calls, tokens(body.get("usage"))
    text, made, ids, usage = "", {}, {}, None
    for block in row["response_body"].replace("\r\n", "\n").split("\n\n"):
        data = "".join(line[5:].strip() for line in block.split("\n") if line.startswith("data:"))
        if not data or data == "[DONE]":
            continue
        body = json.loads(data)
        if "error" in body or "event: error" in block:
            raise ValueError(data)
        usage = body.get("usage") or (body.get("x_groq") or {}).get("usage") or usage
        for choice in body["choices"]:
            delta = choice["delta"] if choice.get("index", 0) == 0 else {}
            text += said(delta.get("content")) or delta.get("refusal") or ""
            for position, piece in enumerate(delta.get("tool_calls") or ()):
                index = piece.get("index", position)
                if piece.get("id") and piece["function"].get("name"):
                    ids[index] = piece["id"]  # a new id under an old number is a new call
                one = made.setdefault(ids.get(index, index), ["", ""])
                one[0] += piece["function"].get("name") or ""
                one[1] += piece["function"].get("arguments") or ""
    return text, [(name, parsed(arguments)) for name, arguments in made.values()], tokens(usage)


def parsed(arguments: str) -> object:
    return json.loads(arguments) if arguments else {}


def told(usage: Usage | None) -> tuple[int, int] | None:
    return (usage.input_tokens, usage.output_tokens) if usage else None


def read(wire: Wire, row: dict) -> tuple:
    raw = row["response_body"].encode()
    if row["kind"] == "chat":
        answer = wire.decode(raw, row["response_headers"])
        calls = [(call.name, parsed(call.arguments)) for call in answer.tool_calls]
        return answer.text, calls, told(answer.usage)
    reader = wire.reader(row["response_headers"])
    chunks = [chunk for at in range(0, len(raw), PIECE) for chunk in reader.feed(raw[at : at + PIECE])]
    chunks += reader.end()
    made: dict[int, list[str]] = {}
    for delta in (delta for chunk in chunks for delta in chunk.tool_calls):
        one = made.setdefault(delta.index, ["", ""])
        one[0] += delta.name or ""
        one[1] += delta.arguments
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usage) <= 1, "usage comes once"
    calls = [(name, parsed(arguments)) for _, (name, arguments) in sorted(made.items())]
    return "".join(chunk.text for chunk in chunks), calls, told(usage[0] if usage else None)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nearly_every_recorded_answer_is_read_exactly(provider):
    wire, exact, misses = wire_of(provider), 0, []
    counted = 0
    for row in rows(provider):
        try:
            wanted = truth(row)
        except ValueError:
            with pytest.raises(WireError) as refused:
                read(wire, row)
            assert refused.value.error_body, row["id"]
            continue
        counted += 1
        if (got := read(wire, row)) == wanted:
            exact += 1
        else:
            misses.append(
                (
                    row["id"],
                    [what for what, a, b in zip(("text", "calls", "usage"), got, wanted, strict=True) if a != b],
                )
            )
    print(f"{provider}: {exact}/{counted} exact", *misses)
    assert counted
    assert exact >= LEAST * counted, misses


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_recorded_request_can_be_sent_through_the_providers_wire(provider):
    """Its own history is nothing foreign: roles stay, calls and results agree."""
    wire = wire_of(provider)
    for row in rows(provider):
        body = row["request_body"]
        if not isinstance(body, dict) or not body.get("messages"):
            continue
        params = {
            k: v for k, v in body.items() if k not in ("messages", "model", "tools", "tool_choice", "response_format")
        }
        request = Request(
            body["messages"], body.get("tools") or (), body.get("tool_choice"), body.get("response_format"), params
        )
        sent = json.loads(wire.encode(Model(body["model"]), request, stream=bool(body.get("stream"))))
        assert [m["role"] for m in sent["messages"] if m["role"] == "tool"] == [
            m["role"] for m in body["messages"] if m["role"] == "tool"
        ], row["id"]
        calls = [c["id"] for m in sent["messages"] for c in m.get("tool_calls", ())]
        answered = [m["tool_call_id"] for m in sent["messages"] if m["role"] == "tool"]
        given = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
        assert len(calls) == len(given) == len(set(calls)), row["id"]
        assert set(answered) <= set(calls) or not given, row["id"]
