"""Recorded answers of ten providers, where they are at hand, served on loopback to ChatRotor: what a user reads is what was sent.

The truth is read out of the raw bodies here, by a small reader that knows nothing of ours. `REASONS` are the rows that differ
and may, each with why. Run with `-s` for the table.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from rotor_core.plugins import installed
from rotor_langchain import ChatRotor

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"
BASE = {
    "groq": "/openai/v1", "openai": "/v1", "together": "/v1", "mistral": "/v1", "gemini": "/v1beta", "cohere": "",
    "openrouter": "/api/v1", "deepseek": "", "xai": "/v1", "cerebras": "/v1",
}  # fmt: skip
UNSAID = {"content-encoding", "transfer-encoding", "content-length", "connection"}
ERRORS_INSIDE = {"groq-9e866a6389da", "groq-8e947bc80e73"}
"""Streams of status 200 that are an error: nothing of them is an answer."""
LEAST = 0.98


def rows(provider: str) -> list[dict[str, Any]]:
    path = WIRE / f"{provider}.jsonl"
    if not path.exists():
        pytest.skip(f"recorded traffic is not at hand: there is no {path}")
    with path.open() as lines:
        found = [row for row in map(json.loads, lines) if row["kind"] in ("chat", "chat_stream")]
    # Cohere's first format is another one, and Gemini's compatible endpoint another address.
    return [row for row in found if not ("/v1/chat" in row["url"] and provider == "cohere")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: dict[str, dict[str, Any]] = {}

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        row = self.answers[self.path.split("/")[1]]
        body = row["response_body"].encode("utf-8", "surrogatepass")
        self.send_response(row["status"])
        headers = {k: v for k, v in row["response_headers"].items() if k not in UNSAID}
        kind = "text/event-stream" if row["kind"] == "chat_stream" else "application/json"
        for name, value in ({"content-type": kind} | headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    answers: dict[str, dict[str, Any]] = {}
    handler = type("Handler", (_Handler,), {"answers": answers})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", answers
        running.shutdown()
        thread.join()


# --- the truth, read naively


def events(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The bodies that make up an answer: one, or those of a stream."""
    text = row["response_body"]
    if row["kind"] == "chat":
        return [json.loads(text)]
    if text.lstrip().startswith("["):
        return json.loads(text)
    found = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in found if line and line != "[DONE]"]


def openai_truth(row: dict[str, Any]) -> dict[str, Any]:
    text, calls, usage = "", {}, None
    ids: dict[Any, Any] = {}
    for body in events(row):
        usage = body.get("usage") or (body.get("x_groq") or {}).get("usage") or usage
        for choice in body.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            said = choice.get("message") or choice.get("delta") or {}
            content = said.get("content") or said.get("refusal") or ""
            text += (
                content
                if isinstance(content, str)
                else "".join(p.get("text") or "" for p in content if p["type"] == "text")
            )
            for place, call in enumerate(said.get("tool_calls") or ()):
                index = call.get("index", place)
                if ids.get(index) and call.get("id") not in (
                    None,
                    ids[index],
                ):  # Cerebras: another call, the same index
                    index = len(calls)
                ids[index] = call.get("id") or ids.get(index)
                known = calls.setdefault(index, ["", ""])
                known[0] += call["function"].get("name") or ""
                known[1] += call["function"].get("arguments") or ""
    return {
        "text": text,
        "calls": [tuple(calls[index]) for index in sorted(calls)],
        "usage": usage and (usage["prompt_tokens"], usage.get("completion_tokens") or 0),
    }


def gemini_truth(row: dict[str, Any]) -> dict[str, Any]:
    text, calls, usage = "", [], None
    for body in events(row):
        used = body.get("usageMetadata") or {}
        if used:
            usage = (
                used.get("promptTokenCount", 0) + used.get("toolUsePromptTokenCount", 0),
                used.get("candidatesTokenCount", 0) + used.get("thoughtsTokenCount", 0),
            )
        for part in ((body.get("candidates") or [{}])[0].get("content") or {}).get("parts") or ():
            if "text" in part and not part.get("thought"):
                text += part["text"]
            if call := part.get("functionCall"):
                calls.append((call["name"], json.dumps(call.get("args") or {})))
    return {"text": text, "calls": calls, "usage": usage}


def cohere_truth(row: dict[str, Any]) -> dict[str, Any]:
    text, calls, usage = "", [], None
    for body in events(row):
        if row["kind"] == "chat":
            message, used = body["message"], body.get("usage")
            text = "".join(p["text"] for p in message.get("content") or () if p["type"] == "text")
            calls = [[c["function"]["name"], c["function"]["arguments"]] for c in message.get("tool_calls") or ()]
        else:
            delta, used = body.get("delta") or {}, (body.get("delta") or {}).get("usage")
            message = delta.get("message") or {}
            if body["type"] in ("content-start", "content-delta"):
                text += (message.get("content") or {}).get("text") or ""
            elif body["type"] == "tool-call-start":
                function = message["tool_calls"]["function"]
                calls.append([function["name"], function.get("arguments") or ""])
            elif body["type"] == "tool-call-delta":
                calls[-1][1] += message["tool_calls"]["function"]["arguments"]
        if used:
            usage = (used["tokens"].get("input_tokens", 0), used["tokens"].get("output_tokens", 0))
    return {"text": text, "calls": [tuple(c) for c in calls], "usage": usage and tuple(int(n) for n in usage)}


TRUTHS = {"gemini": gemini_truth, "cohere": cohere_truth}


def truth(provider: str, row: dict[str, Any]) -> dict[str, Any]:
    native = TRUTHS.get(provider)
    return (native if native and "/openai/" not in row["url"] else openai_truth)(row)


# --- what a user reads


def asked(address: str, provider: str, row: dict[str, Any]) -> AIMessage:
    compatible = "/openai/" in row["url"] and provider == "gemini"
    section: dict[str, Any] = {
        "base_url": f"{address}/{row['id']}{BASE[provider]}{'/openai' if compatible else ''}",
        "keys": [{"value": "sk-loopback-only"}],
        "models": {"recorded": {"price": {"input": 0, "output": 0}}},
    }
    if compatible or provider not in installed().providers:
        section["adapter"] = "openai-compatible"
    config = {
        "version": 1, "store": f"memory://{row['id']}", "providers": {provider: section},
        "pools": {"only": [f"{provider}/recorded"]}, "policy": {"max_attempts": 1, "max_wait": 0},
    }  # fmt: skip
    chat = ChatRotor(config=config)
    if row["kind"] == "chat":
        return chat.invoke("hi")
    whole: AIMessageChunk | None = None
    for chunk in chat.stream("hi"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


def loaded(arguments: str) -> Any:
    """Arguments as a value; what is no JSON as it stands. None at all is an empty object."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def differences(message: AIMessage, true: dict[str, Any]) -> list[str]:
    text = message.text if isinstance(message.text, str) else message.text()
    calls = [(c["name"], c["args"]) for c in message.tool_calls]
    calls += [(c["name"], loaded(c["args"] or "")) for c in message.invalid_tool_calls]
    usage = message.usage_metadata and (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"])
    wanted = [(name, loaded(arguments)) for name, arguments in true["calls"]]
    found = {"text": (text, true["text"]), "calls": (calls, wanted), "usage": (usage, true["usage"])}
    return [f"{what}: {got!r:.120} and not {want!r:.120}" for what, (got, want) in found.items() if got != want]


@pytest.mark.parametrize("provider", list(BASE))
@pytest.mark.timeout(300)
def test_what_was_sent_is_what_a_user_reads(provider, server):
    address, answers = server
    exact, misses = 0, []
    found = rows(provider)
    for row in found:
        answers[row["id"]] = row
        try:
            message = asked(address, provider, row)
        except Exception as error:
            if row["id"] in ERRORS_INSIDE:
                exact += 1
                continue
            misses.append(f"{row['id']} {row['kind']}: {type(error).__name__}: {error!s:.300}")
            continue
        if wrong := differences(message, truth(provider, row)):
            misses.append(f"{row['id']} {row['kind']}: {'; '.join(wrong)}")
        else:
            exact += 1
    print(f"{provider}: {exact}/{len(found)}", *misses, sep="\n  ")
    assert exact >= LEAST * len(found), "\n".join(misses)
