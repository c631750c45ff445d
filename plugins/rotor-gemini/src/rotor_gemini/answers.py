"""What Gemini answers, whole or piece by piece: one `Telling` takes its responses in turn and says what each adds. Pure.

Each response of a stream is of the shape of a whole answer; usage and finish reason stand in any of them, cumulative, so
they are kept here and told once. A prompt or an answer that Google's filters stopped is an answer, perhaps without a
word, that ends with `content_filter`; an answer that the model made a mess of is an error, and worth another try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from rotor_core._outcome import Answer, ToolCall, Usage
from rotor_core.adapters.json_values import EMPTY, count, is_list, is_object, kind, name, rows, string, table
from rotor_core.adapters.openai_wire import load
from rotor_core.adapters.wire import WireError
from rotor_gemini.errors import ACCOUNT_FINISHES, FAILED_FINISHES, code_of

_FINISHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        **dict.fromkeys(
            (
                "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR",
                "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
            ),
            "content_filter",
        ),
    }
)  # fmt: skip
_MAY_HAVE_SAID_ENOUGH: Final = frozenset({"FINISH_REASON_UNSPECIFIED", "OTHER"})
"""Failures only of an answer with nothing in it."""
_NUMBERED: Final = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY",
)  # fmt: skip
"""Finish reasons by their numbers, which clients that ask for `enum-encoding=int` get."""
_OF_ANSWERS: Final = frozenset({"candidates", "promptFeedback", "usageMetadata", "responseId"})


@dataclass(frozen=True, slots=True)
class Piece:
    """What one response adds."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()


class Telling:
    """One answer as it is told. `changes`: how often something of the whole was said that was not known."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.id: str | None = None
        self.usage: Usage | None = None
        self.changes = 0
        self.calls = 0
        self.begun = False
        self._said = False
        self._ids: set[str] = set()
        self._finish: str | None = None
        self._blocked: str | None = None
        self._message = ""

    @property
    def ended(self) -> bool:
        """Whether it was said why the answer ends."""
        return self._finish is not None or self._blocked is not None

    def take(self, data: Any) -> Piece:
        """One response. Raises `WireError` where it is an error, or nothing of Gemini's."""
        body = _body(data)
        self.begun = True
        self.model = self.model or name(body.get("modelVersion"))
        self.id = self.id or name(body.get("responseId"))
        usage = usage_of(body)
        if usage is not None and usage != self.usage:
            self.usage = usage
            self.changes += 1
        self._blocked = self._blocked or name(table(body.get("promptFeedback")).get("blockReason"))
        candidate = _first(body)
        finish = _reason(candidate.get("finishReason"))
        if finish is not None and finish != self._finish:
            self._finish, self._message = finish, string(candidate.get("finishMessage"))
            self.changes += 1
        return self._piece(rows(table(candidate.get("content")).get("parts")))

    def finish_reason(self) -> str | None:
        """Why the answer ended, in OpenAI's words; None where nobody said. Raises `WireError` for an answer that failed."""
        finish = self._finish
        if finish is None:
            return "content_filter" if self._blocked else None
        failed = finish in FAILED_FINISHES and not (self._said and finish in _MAY_HAVE_SAID_ENOUGH)
        if failed or finish in ACCOUNT_FINISHES:
            said = f"{finish}: {self._message}" if self._message else finish
            error = {"error": {"status": code_of(finish), "message": f"the model's answer ended with {said}"}}
            raise WireError("an answer that failed", json.dumps(error))
        if finish == "STOP" and self.calls:
            return "tool_calls"
        return _FINISHES.get(finish, finish.lower())

    def _piece(self, parts: list[Any]) -> Piece:
        text: list[str] = []
        reasoning: list[str] = []
        calls: list[ToolCall] = []
        for item in parts:
            part = table(item)
            if call := table(part.get("functionCall")):
                calls.append(self._call(call, part))
            else:
                (reasoning if part.get("thought") is True else text).append(string(part.get("text")))
        piece = Piece("".join(text), "".join(reasoning), tuple(calls))
        self._said = self._said or bool(piece.text or piece.calls)
        return piece

    def _call(self, call: Mapping[str, Any], part: Mapping[str, Any]) -> ToolCall:
        called, arguments = string(call.get("name")), json.dumps(call.get("args") or {}, ensure_ascii=False)
        ident = name(call.get("id"))
        if ident is None or ident in self._ids:
            told = f"{self.id}/{self.calls}/{called}/{arguments}"
            ident = f"call_{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
        self._ids.add(ident)
        self.calls += 1
        signature = string(part.get("thoughtSignature"))
        return ToolCall(ident, called, arguments, {"google": {"thought_signature": signature}} if signature else EMPTY)


def decode(content: bytes, headers: Mapping[str, str]) -> Answer:
    """A whole answer, or the list of responses that a stream is where nobody asked for events. Raises `WireError`."""
    data = load(content)
    telling = Telling()
    pieces = [telling.take(one) for one in (data if is_list(data) else [data])]
    if not telling.ended and not any(piece.text or piece.calls or piece.reasoning for piece in pieces):
        raise WireError("an answer without a candidate")
    return Answer(
        "".join(piece.text for piece in pieces),
        tuple(call for piece in pieces for call in piece.calls),
        "".join(piece.reasoning for piece in pieces),
        telling.finish_reason(),
        telling.usage,
        telling.model,
        telling.id,
        headers,
    )


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """`usageMetadata`: what Google's tools read counts as input, what the model thought as output, beside its candidates."""
    usage = table(body.get("usageMetadata"))
    if not any(key.endswith("TokenCount") for key in usage):
        return None
    thoughts = count(usage.get("thoughtsTokenCount"))
    return Usage(
        count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")),
        count(usage.get("candidatesTokenCount")) + thoughts,
        count(usage.get("cachedContentTokenCount")),
        thoughts,
    )


def _body(data: Any) -> Mapping[str, Any]:
    """A response that is no error. Google's errors may stand in a list of one."""
    if is_list(data) and data:
        data = data[0]
    if not is_object(data):
        raise WireError(f"JSON that is a {kind(data)}, not an object")
    if data.get("error"):
        raise WireError("an error with a status of success", json.dumps(data))
    if data.keys().isdisjoint(_OF_ANSWERS):
        raise WireError("JSON without an answer in it", json.dumps(data))
    return data


def _first(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The candidate of index 0, empty where there is none."""
    for item in rows(body.get("candidates")):
        candidate = table(item)
        if candidate.get("index") in (0, None):
            return candidate
    return EMPTY


def _reason(reason: Any) -> str | None:
    if isinstance(reason, int) and not isinstance(reason, bool):
        return _NUMBERED[reason] if 0 <= reason < len(_NUMBERED) else f"FINISH_REASON_{reason}"
    return name(reason)
