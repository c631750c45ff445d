"""What is recorded of a provider: short conversations, each with what must come of it whoever answers.

A scenario is a generator that yields what to ask and is sent what came: an `Answer`, or the `ProviderError` that was
raised. Written once, it is driven blocking and in an event loop, against a server while it is recorded and without one
when it is played.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rotor_core._errors import ProviderError
from rotor_core._outcome import Answer, Chunk, ToolCall
from rotor_core._policy.headers import told_by_headers
from rotor_core._request import Request


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to make: blocking or streamed is the driver's, `stream` says which of the adapter's two ways."""

    request: Request
    stream: bool = False
    wrong_key: bool = False


Script = Generator[Ask, Answer | ProviderError, None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`limits`: those of the imitated model. `costly`: a real provider is asked only if told so; `last`: exchanges kept."""

    name: str
    script: Callable[[], Script]
    limits: Sequence[Mapping[str, Any]] = field(
        default=({"requests": 30, "per": "minute"}, {"tokens": 60_000, "per": "minute"})
    )
    costly: bool = False
    last: int | None = None


TOOL: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city at this moment.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The city's name."}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TOWN: Final[Mapping[str, Any]] = {
    "type": "json_schema",
    "json_schema": {
        "name": "Town",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "country": {"type": "string"}},
            "required": ["name", "country"],
            "additionalProperties": False,
        },
    },
}
_PATIENCE: Final = 100
"""Calls in a row after which a provider that refuses none is taken not to have such a limit."""


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _chat() -> Script:
    answer = _answered((yield Ask(Request([_user("Name three colours of the rainbow, on one line.")]))))
    assert answer.text.strip()
    _is_whole(answer, "stop")


def _stream() -> Script:
    answer = _answered((yield Ask(Request([_user("Name three colours of the rainbow, on one line.")]), stream=True)))
    assert answer.text.strip()
    _is_whole(answer, "stop")
    asked = Request([_user("What is the weather in Oslo? Use the tool.")], tools=[TOOL], tool_choice="required")
    answer = _answered((yield Ask(asked, stream=True)))
    _is_whole(answer, "tool_calls")
    _called(answer, "Oslo")


def _tools() -> Script:
    messages: list[Mapping[str, Any]] = [_user("What is the weather in Paris? Use the tool.")]
    answer = _answered((yield Ask(Request(messages, tools=[TOOL]))))
    _is_whole(answer, "tool_calls")
    _called(answer, "Paris")
    messages.append({"role": "assistant", "content": answer.text or None, "tool_calls": _given_back(answer)})
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear", "celsius": 18}'}
        for call in answer.tool_calls
    ]
    answer = _answered((yield Ask(Request(messages, tools=[TOOL]), stream=True)))
    assert answer.text.strip()
    _is_whole(answer, "stop")


def _structured() -> Script:
    asked = Request([_user("Tell me of the town Ulm.")], response_format=TOWN)
    answer = _answered((yield Ask(asked)))
    _is_whole(answer, "stop")
    town = json.loads(answer.text)
    assert set(town) == {"name", "country"}, town


def _rate_limit() -> Script:
    result: Answer | ProviderError | None = None
    for _ in range(_PATIENCE):
        result = yield Ask(Request([_user("Say yes.")]))
        if isinstance(result, ProviderError):
            break
    assert isinstance(result, ProviderError), "no call was refused"
    assert (result.failure.kind, result.failure.status) == ("rate_limit", 429), result
    assert result.failure.message


def _auth_error() -> Script:
    result = yield Ask(Request([_user("Say yes.")]), wrong_key=True)
    assert isinstance(result, ProviderError), "a key that nobody has was taken"
    assert result.failure.kind == "auth", result
    assert result.failure.message


SCENARIOS: Final = (
    Scenario("chat", _chat),
    Scenario("stream", _stream),
    Scenario("tools", _tools),
    Scenario("structured", _structured),
    Scenario("rate_limit", _rate_limit, ({"requests": 1, "per": "minute"},), costly=True, last=2),
    Scenario("auth_error", _auth_error),
)


def _answered(result: Answer | ProviderError) -> Answer:
    if isinstance(result, ProviderError):
        raise result
    return result


def _is_whole(answer: Answer, finish_reason: str) -> None:
    assert answer.finish_reason == finish_reason, answer
    assert answer.usage is not None, answer
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


def _called(answer: Answer, city: str) -> None:
    assert answer.tool_calls, answer
    assert all(call.id for call in answer.tool_calls), answer
    assert len({call.id for call in answer.tool_calls}) == len(answer.tool_calls), answer
    first = answer.tool_calls[0]
    assert first.name == "get_weather"
    assert city in json.loads(first.arguments)["city"]


def _given_back(answer: Answer) -> list[dict[str, Any]]:
    """The calls as they stand in the history of a conversation."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        | ({"extra_content": dict(call.extra)} if call.extra else {})
        for call in answer.tool_calls
    ]


def whole(chunks: Iterable[Chunk]) -> Answer:
    """A stream's chunks as one answer."""
    found = list(chunks)
    calls: dict[int, ToolCall] = {}
    for delta in (delta for chunk in found for delta in chunk.tool_calls):
        so_far = calls.get(delta.index, ToolCall(None, "", ""))
        calls[delta.index] = ToolCall(
            delta.id or so_far.id,
            delta.name or so_far.name,
            so_far.arguments + delta.arguments,
            {**so_far.extra, **delta.extra},
        )
    reasons = [chunk.finish_reason for chunk in found if chunk.finish_reason]
    usages = [chunk.usage for chunk in found if chunk.usage]
    assert len(reasons) <= 1, "a finish reason is told once"
    assert len(usages) <= 1, "usage is told once"
    return Answer(
        "".join(chunk.text for chunk in found),
        tuple(calls[index] for index in sorted(calls)),
        "".join(chunk.reasoning for chunk in found),
        reasons[-1] if reasons else None,
        usages[-1] if usages else None,
        headers=found[0].headers if found else {},
    )


def understood(provider: str, result: Answer | ProviderError) -> dict[str, Any]:
    """What Rotor made of an answer, as it stands in a cassette: plain values, and only those that there are."""
    told, odd = told_by_headers(provider, result.headers)
    limits = [
        {"unit": t.unit, "per": t.per, "limit": t.limit, "remaining": t.remaining, "resets_in": _rounded(t.resets_in)}
        for t in told
    ]
    said: dict[str, Any]
    if isinstance(result, ProviderError):
        f = result.failure
        said = {"error": f.kind, "status": f.status, "unit": f.unit, "per": f.per, "limit": f.limit}
        said |= {"retry_after": _rounded(f.retry_after), "scope": f.scope, "message": f.message}
    else:
        usage = result.usage
        calls = [{"name": call.name, "arguments": call.arguments} for call in result.tool_calls]
        said = {"text": result.text, "tool_calls": calls, "reasoning": result.reasoning}
        said |= {"finish_reason": result.finish_reason}
        if usage:
            said |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            said |= {"cached_tokens": usage.cached_tokens, "reasoning_tokens": usage.reasoning_tokens}
    said |= {"limits": [_present(limit) for limit in limits], "not_understood": list(odd)}
    return _present(said)


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], 0) or name == "remaining"}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
