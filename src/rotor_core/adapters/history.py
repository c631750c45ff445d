"""A conversation that anyone may have written, as one strict server takes it. Pure: new messages, never changed ones.

An answer leaves traces of its author in the history: thinking among the content, signatures on tool calls, tool-call
ids of the author's own shape, fields that nobody else knows. The next provider refuses them, or worse, half understands
them. So on its way out a history becomes plain: roles, text or OpenAI's parts, tool calls with ids that fit, results
that name them. `Manner` says what a server wants otherwise. What is plain already is passed on as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from rotor_core.adapters.json_values import string
from rotor_core.adapters.media import EMPTY_BLOCK, is_address, is_empty, is_mapping, mapping, sequence
from rotor_core.adapters.parts import is_text, parts_of, text_of
from rotor_core.adapters.results import as_json, in_words, result_parts, texts_of
from rotor_core.adapters.wire import UnfitError

Message = Mapping[str, Any]

_FIT: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_STRICT: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def usual_id(given: str) -> str:
    """An id that nearly every server takes: the given one if it is such a one, otherwise always the same in its place."""
    return given if _FIT.fullmatch(given) else f"call_{digest(given, 24)}"


def strict_id(given: str) -> str:
    """As `usual_id`, for servers that allow 40 characters (OpenAI) and no punctuation (Anthropic)."""
    return given if _STRICT.fullmatch(given) else f"call_{digest(given, 24)}"


@lru_cache(maxsize=4096)
def digest(text: str, length: int) -> str:
    """Letters and digits that stand for a text, always the same ones. `length`: up to 32; nine still tell 10^16 apart."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    made = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        made += _BASE62[digit]
    return made


@dataclass(frozen=True, slots=True)
class Manner:
    """What a server takes beyond the plainest, and what it wants otherwise.

    `understands`: whose `extra_content` on tool calls it reads. `own_fields`: fields of an assistant's message that it
    wants back (`reasoning_content`). `part_keys`: keys of content parts that it reads (`cache_control`). `takes`: the
    types of content parts that it takes beside text (`file_url`: a file that is only pointed at), None where that is not
    known and it may answer for itself; of any other that a user shows the request is unfit for it, and what a tool shows
    is told in words. `developer`: whether it knows that role, which is `system` elsewhere. `names`: whether messages may have one. `media_in_results`:
    whether a tool's result may hold images and files; elsewhere they follow in a user's message. `answers_results`: a user may
    only speak after the assistant has answered a tool's result. `tool_id`: an id as this server wants it; a pure function.
    """

    understands: frozenset[str] = frozenset()
    own_fields: frozenset[str] = frozenset()
    part_keys: frozenset[str] = frozenset()
    takes: frozenset[str] | None = None
    developer: bool = False
    names: bool = True
    media_in_results: bool = False
    answers_results: bool = False
    tool_id: Callable[[str], str] = usual_id


USUAL: Final = Manner()
_BRIDGE: Final = "(The results were received.)"
"""What an assistant says between a tool's result and a user's message, where a server wants it to say anything."""


def neutral(messages: Sequence[Message], manner: Manner = USUAL) -> list[Message]:
    """The same conversation in plain OpenAI messages. None of the given ones is changed; plain ones are passed on.

    Raises TypeError for a message that is no mapping, `UnfitError` for a content part that the server does not take.
    """
    given = list(messages)
    for message in given:
        if not _is_plain(message):
            return list(_Walk(manner).through(given))
    return given


def _is_plain(message: Any) -> bool:
    """The quick look: most messages are a role and a text."""
    given = message  # of no type: what `message` becomes by the question is a dict of nobody knows what
    if not isinstance(message, dict) or len(given) != 2:
        return False
    content = given.get("content")
    return isinstance(content, str) and content != "" and given.get("role") in _ROLES


@dataclass(slots=True)
class _Call:
    """A tool call that may still be answered: its id as it came and as it goes out."""

    given: str
    id: str
    name: str


@dataclass(slots=True)
class _Walk:
    """One pass over a conversation. `open`: calls without a result yet. `used`: ids that went out, each only once;
    `again`: how often one was given. `media`: what results showed and their messages cannot hold; it follows after the last of them.
    """

    manner: Manner
    open: list[_Call] = field(default_factory=list[_Call])
    used: set[str] = field(default_factory=set[str])
    again: dict[str, int] = field(default_factory=dict[str, int])
    media: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    last_role: str = ""

    def through(self, messages: Sequence[Message]) -> Iterator[Message]:
        for message in messages:
            if not self.media and _is_plain(message) and not self._is_unanswered(message["role"]):
                self.last_role = message["role"]
                yield message
                continue
            if not is_mapping(message):
                raise TypeError(f"a message is a mapping, not a {type(message).__name__}")
            for made in self._of(message):
                yield from self._in_order(made)
        if self.media:
            yield from self._in_order(self._shown())

    def _is_unanswered(self, role: str) -> bool:
        """Whether a message of this role has to wait for an assistant's word on the results before it."""
        return role == "user" and self.last_role == "tool" and self.manner.answers_results

    def _in_order(self, message: Message) -> Iterator[Message]:
        """The message, and before it what it may not follow without."""
        role = string(message.get("role"))
        if role != "tool" and self.media:
            yield from self._in_order(self._shown())
        if self._is_unanswered(role):
            yield {"role": "assistant", "content": _BRIDGE}
        self.last_role = role
        yield message

    def _of(self, message: Message) -> Iterator[Message]:
        role = message.get("role")
        if role == "assistant":
            made = self._assistant(message)
            if made is not None:
                yield made
        elif role == "tool" or (role == "function" and self.open):
            yield self._result(message.get("tool_call_id"), message.get("name"), message.get("content"))
        elif role in ("system", "developer"):
            role = "developer" if role == "developer" and self.manner.developer else "system"
            yield self._said(message, role)
        else:
            yield from self._results_in(message)

    def _results_in(self, message: Message) -> Iterator[Message]:
        """A user's message, and before it the results that Anthropic's format puts into it."""
        blocks = [block for block in sequence(message.get("content")) if mapping(block).get("type") == "tool_result"]
        for block in blocks:
            yield self._result(block.get("tool_use_id"), None, block.get("content"))
        rest = [block for block in sequence(message.get("content")) if mapping(block).get("type") != "tool_result"]
        if not blocks:
            yield self._said(message, message.get("role"))
        elif rest:
            yield self._said({**message, "content": rest}, message.get("role"))

    def _said(self, message: Message, role: object) -> Message:
        """What a user or the system says: a text where it is all text, since not every server takes parts of it."""
        content = message.get("content")
        if isinstance(content, str) and message.keys() <= _SAID and role == message.get("role"):
            return message
        made: dict[str, Any] = {"role": role, "content": content if isinstance(content, str) else ""}
        if not isinstance(content, str):
            parts = parts_of(content, self.manner.part_keys)
            self._fits(parts)
            # Not every server takes parts of text.
            made["content"] = "\n".join(part["text"] for part in parts) if all(map(is_text, parts)) else parts
        self._name(made, message)
        return made

    def _name(self, made: dict[str, Any], message: Message) -> None:
        """The name that a message bears, in the letters that OpenAI allows, up to 64 of them."""
        name = message.get("name")
        if name and isinstance(name, str) and self.manner.names and (plain := _NO_NAME.sub("_", name)[:64]):
            made["name"] = plain

    def _assistant(self, message: Message) -> Message | None:
        """None for a message that says nothing and calls nothing once its author's own is out: servers refuse it."""
        content = message.get("content")
        calls = list(self._calls(message))
        if not calls and isinstance(content, str) and content and message.keys() <= _SAID:
            return message
        self.open = [*(call for call, _ in calls), *self.open]
        text = text_of(content, "") or string(message.get("refusal"))
        own = {key: message[key] for key in self.manner.own_fields if message.get(key) is not None}
        if not calls and not text and not own:
            return None
        made: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
        if calls:
            made["tool_calls"] = [out for _, out in calls]
        self._name(made, message)
        return made | own

    def _calls(self, message: Message) -> Iterator[tuple[_Call, Mapping[str, Any]]]:
        given = [mapping(call) for call in sequence(message.get("tool_calls"))]
        ids = {string(call.get("id")) for call in given}
        for block in map(mapping, sequence(message.get("content"))):
            # Anthropic's and LangChain's calls stand in the content; LangChain repeats them beside it.
            if block.get("type") in ("tool_use", "tool_call") and string(block.get("id")) not in ids:
                arguments = block.get("input") if block.get("type") == "tool_use" else block.get("args")
                given.append({"id": block.get("id"), "function": {"name": block.get("name"), "arguments": arguments}})
        if not given and is_mapping(message.get("function_call")):
            given.append({"function": message["function_call"]})
        for call in given:
            if call.get("type", "function") == "function" or is_mapping(call.get("function")):
                yield self._call(call)
            elif custom := mapping(call.get("custom")):
                # OpenAI's tools that take a text instead of arguments; without the call its result would answer none.
                function = {"name": custom.get("name"), "arguments": {"input": custom.get("input")}}
                yield self._call({"id": call.get("id"), "function": function})

    def _call(self, call: Mapping[str, Any]) -> tuple[_Call, Mapping[str, Any]]:
        function = mapping(call.get("function"))
        given, name = str(call.get("id") or ""), string(function.get("name"))
        arguments = arguments_text(function.get("arguments"))
        made = self._fresh(given or f"{len(self.used)}:{name}:{arguments}", made_up=not given)
        out: dict[str, Any] = {
            "id": made,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        extra = mapping(call.get("extra_content"))
        known = {key: value for key, value in extra.items() if key in self.manner.understands}
        if known:
            out["extra_content"] = known
        return _Call(given, made, name), out

    def _fresh(self, given: str, *, made_up: bool) -> str:
        """An id that fits and that no other call of this conversation has: some servers count from 0 in every answer."""
        wanted = self.manner.tool_id(f"call_{digest(given, 24)}" if made_up else given)
        while wanted in self.used:
            self.again[given] = number = self.again.get(given, 1) + 1
            wanted = self.manner.tool_id(f"call_{digest(f'{given}/{number}', 24)}")
        self.used.add(wanted)
        return wanted

    def _result(self, given: object, name: object, content: object) -> Message:
        """A tool's result, with the id that its call went out with; one that no call asked for keeps its own."""
        given = str(given or "")
        call = self._answered(given, string(name))
        made: dict[str, Any] = {"role": "tool", "tool_call_id": call.id if call else self.manner.tool_id(given)}
        if isinstance(content, str):
            return made | {"content": content}
        parts = [part if self._takes(part) else in_words(part) for part in result_parts(content)]
        media = [part for part in parts if part.get("type") != "text"]
        if media and self.manner.media_in_results:
            made["content"] = parts
        else:
            made["content"] = texts_of(parts)
            self.media += media
        return made

    def _answered(self, given: str, name: str) -> _Call | None:
        fitting = [call for call in self.open if given and call.given == given]
        if not fitting and not given:
            fitting = [call for call in self.open if call.name == name] or self.open
        if not fitting:
            return None
        found = fitting[0]  # perhaps of `self.open` itself, which changes now
        self.open.remove(found)
        return found

    def _shown(self) -> Message:
        media, self.media = self.media, []
        return {"role": "user", "content": [{"type": "text", "text": "What the tools showed:"}, *media]}

    def _fits(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """Raises `UnfitError` for a part that the server is known not to take, since it would refuse the request or pass over it."""
        for part in parts:
            if not self._takes(part):
                if is_empty(part):
                    raise UnfitError(EMPTY_BLOCK.format(_kind(part)))
                taken = ", ".join(("text", *sorted(self.manner.takes or ())))
                raise UnfitError(f"it takes no content part of the type {_kind(part)!r}, but {taken}")

    def _takes(self, part: Mapping[str, Any]) -> bool:
        takes = self.manner.takes
        return takes is None or (kind := _kind(part)) == "text" or kind in takes


_SAID: Final = frozenset({"role", "content"})
_ROLES: Final = ("user", "assistant", "system")


def _kind(part: Mapping[str, Any]) -> str:
    """A part's type, and of a file whether it is only pointed at: `file_url` is no type of OpenAI's, but hard to take for one."""
    kind = string(part.get("type")) or "unknown"
    where = string(mapping(part.get("file")).get("file_data"))
    return "file_url" if kind == "file" and is_address(where) else kind


def arguments_text(arguments: object) -> str:
    """Arguments as the JSON of an object: servers that read them refuse the request for anything else.

    A text that a model did not get right is kept, as the value of `invalid_arguments`, so that the model sees what it did.
    """
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return "{}"
    if not isinstance(arguments, str):
        return as_json(arguments) if is_mapping(arguments) else as_json({"invalid_arguments": arguments})
    try:
        fine = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        fine = False
    return arguments if fine else as_json({"invalid_arguments": arguments})
