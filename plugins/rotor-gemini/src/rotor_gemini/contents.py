"""A conversation in OpenAI's shapes as Gemini's `contents`. Pure; the history, whoever wrote it, is never changed.

Gemini wants turns of `user` and `model`; every function call answered, in the turn that follows, by as many responses;
no empty part and no empty turn. So messages of one side are put together, a conversation that begins with an answer
gets a word before it, and one that consists of instructions alone becomes a user's. What no provider could make sense
of, a call without its result or a result without its call, is refused here, by name.

First the history is made plain, as for every provider (`rotor_core.adapters.history`). Gemini 3 also wants the thought signature that came with a call back with it. A call that another provider made has
none: the first one of a step then gets the value by which Google's page on thought signatures lets it pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from rotor_core._policy.content import fields, items
from rotor_core.adapters.history import Manner, neutral
from rotor_core.adapters.json_values import is_object, string
from rotor_core.adapters.wire import UnfitError
from rotor_gemini.generations import Generation
from rotor_gemini.media import Part, parts_of

Content = dict[str, Any]

_PLAIN: Final = Manner(
    understands=frozenset({"google"}), developer=True, names=False, media_in_results=True, tool_id=lambda given: given
)
"""What of a history Gemini's own calls need: their signatures, and their ids as Google gave them."""
UNSIGNED: Final = "skip_thought_signature_validator"
_BEGINNING: Final = "(The conversation goes on from this answer.)"
_NESTED: Final = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
"""What a function's response may hold (Google's page on function calling, multimodal responses, 2026); the rest stands beside it."""
_EXACT: Final = 2**53
"""Whole numbers up to this are what Google's numbers hold; a result with a larger one is sent as text."""


@dataclass(slots=True)
class _Call:
    """A call that waits for its result."""

    id: str
    name: str
    result: list[Part] | None = None


class Conversation:
    """What is made of the messages: `system` (parts of the instruction) and `contents`. Raises `UnfitError`."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], generation: Generation) -> None:
        self.system: list[Part] = []
        self.contents: list[Content] = []
        self._generation = generation
        self._open: list[_Call] = []
        for message in neutral(messages, _PLAIN):
            self._take(message)
        self._close()
        self._finish()

    def _take(self, message: Mapping[str, Any]) -> None:
        role = message.get("role")
        content = message.get("content")
        match role:
            case "system" | "developer":
                self.system += _only_text(content)
            case "tool":
                self._answered(message)
            case "user":
                self._close()
                self._add("user", parts_of(content) or [{"text": " "}])
            case "assistant":
                self._close()
                self._said(message)
            case _:
                raise UnfitError(f"a message's role is {role!r}: Gemini has no form for it")

    def _add(self, role: str, parts: Sequence[Part]) -> None:
        last = self.contents[-1] if self.contents else None
        if last is not None and last["role"] == role and not any("functionResponse" in part for part in last["parts"]):
            last["parts"].extend(parts)
        elif parts:
            self.contents.append({"role": role, "parts": list(parts)})

    def _said(self, message: Mapping[str, Any]) -> None:
        parts = parts_of(message.get("content"))
        for place, call in enumerate(items(message.get("tool_calls"))):
            parts.append(self._called(fields(call), first=place == 0))
        self._add("model", parts)

    def _called(self, call: Mapping[str, Any], *, first: bool) -> Part:
        function = fields(call.get("function"))
        name, ident = string(function.get("name")), string(call.get("id"))
        if not name:
            raise UnfitError("a tool call in the history has no name")
        self._open.append(_Call(ident, name))
        part: Part = {"functionCall": {"id": ident, "name": name, "args": _arguments(function.get("arguments"))}}
        signature = string(fields(fields(call.get("extra_content")).get("google")).get("thought_signature"))
        if not signature and first and self._generation.signatures:
            signature = UNSIGNED
        if signature:
            part["thoughtSignature"] = signature
        return part

    def _answered(self, message: Mapping[str, Any]) -> None:
        ident = string(message.get("tool_call_id"))
        for call in self._open:
            if call.result is None and call.id == ident:
                call.result = parts_of(message.get("content"))
                return
        raise UnfitError(f"the result of tool call {ident!r} answers no call of the message before it")

    def _close(self) -> None:
        """The results of the last calls as one turn, in the order of the calls."""
        calls, self._open = self._open, []
        if not calls:
            return
        responses: list[Part] = []
        beside: list[Part] = []
        for call in calls:
            if call.result is None:
                _no_result(call)
            response, media = self._response(call, call.result)
            responses.append(response)
            beside += media
        self.contents.append({"role": "user", "parts": responses})
        if beside:
            self.contents.append({"role": "user", "parts": beside})

    def _response(self, call: _Call, result: list[Part]) -> tuple[Part, list[Part]]:
        """One function's response, and what of its result has to stand beside it."""
        text = "\n".join(part["text"] for part in result if "text" in part)
        media = [part for part in result if "text" not in part]
        nested = [part for part in media if _may_be_nested(part)] if self._generation.nested_media else []
        response: Part = {"id": call.id, "name": call.name, "response": _outcome(text)}
        if nested:
            response["parts"] = nested
        return {"functionResponse": response}, [part for part in media if part not in nested]

    def _finish(self) -> None:
        if not self._generation.system and self.system:
            self.contents.insert(0, {"role": "user", "parts": self.system})
            self.system = []
            if len(self.contents) > 1 and self.contents[1]["role"] == "user" and not _responds(self.contents[1]):
                self.contents[0]["parts"] = self.contents[0]["parts"] + self.contents.pop(1)["parts"]
        if not self.contents:
            if not self.system:
                raise UnfitError("there is no message with anything in it")
            self.contents, self.system = [{"role": "user", "parts": self.system}], []
        if self.contents[0]["role"] == "model":
            self.contents.insert(0, {"role": "user", "parts": [{"text": _BEGINNING}]})


def _may_be_nested(part: Part) -> bool:
    return part.get("inlineData", {}).get("mimeType") in _NESTED


def _responds(content: Content) -> bool:
    return any("functionResponse" in part for part in content["parts"])


def _no_result(call: _Call) -> NoReturn:
    raise UnfitError(f"the tool call {call.id!r} ({call.name}) has no result in the message after it")


def _only_text(content: object) -> list[Part]:
    parts = parts_of(content)
    if any("text" not in part for part in parts):
        raise UnfitError("a system message holds something else than text, which Gemini does not take there")
    return parts


def _arguments(text: Any) -> dict[str, Any]:
    """Arguments as the object that Gemini wants. What a model wrote that is none is shown under one name."""
    try:
        made: object = json.loads(string(text), parse_constant=_refuse)
    except ValueError:
        made = None
    return made if is_object(made) else {"invalid_arguments": text}


def _outcome(text: str) -> dict[str, Any]:
    """A function's result as an object: itself if it is the JSON of one, and else under Google's own name for it."""
    if text.lstrip()[:1] == "{":
        try:
            made = json.loads(text, parse_constant=_refuse, parse_int=_exact)
        except (ValueError, RecursionError):
            return {"output": text}
        if is_object(made):
            return made
    return {"output": text}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _exact(digits: str) -> int:
    number = int(digits)
    if abs(number) > _EXACT:
        raise ValueError(digits)
    return number
