"""LangChain's messages as OpenAI's dicts: texts and media by hand, everything else by LangChain's own converter.

History may have been written by any provider. What only its author understands (thinking and its signature, a block
of its own making) is left out on the way; tool ids are kept, and so is what came with a tool call to be sent back with
it: the wires know whose it is. The messages themselves are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)

from rotor_core._errors import ConfigError
from rotor_core.adapters.media import media_of
from rotor_core.adapters.results import result_content
from rotor_langchain.answers import EXTRA

Wire = dict[str, Any]


def to_wire(messages: Iterable[BaseMessage]) -> list[Wire]:
    """Messages as OpenAI's chat completions take them. Raises ConfigError for content that has no such form."""
    wire: list[Wire] = []
    for message in messages:
        if _brings_results(message):
            # Results first: they answer the calls of the message before.
            wire.extend(sorted(_converted(message), key=lambda made: made["role"] != "tool"))
        else:
            wire.append(_BY_TYPE.get(type(message), _other)(message))
    return wire


def _brings_results(message: BaseMessage) -> bool:
    """Whether a user's message holds results of tools, as Anthropic writes them: OpenAI has messages of their own for those."""
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return False
    return any(not isinstance(block, str) and block.get("type") == "tool_result" for block in message.content)


def _text_or_parts(message: BaseMessage) -> Any:
    """The content: a text as it is, blocks of whatever provider as OpenAI's parts (or a text, if they are all text)."""
    content: Any = message.content
    return content if isinstance(content, str) else _converted(message)[0]["content"]


def _converted(message: BaseMessage) -> list[Wire]:
    if not isinstance(message.content, str):
        message = message.model_copy(update={"content": [_plain(block) for block in message.content]})
    try:
        return convert_to_openai_messages([message])
    except (ValueError, KeyError, TypeError) as error:  # the last two: a block that lacks what its type promises
        raise ConfigError(
            f"a {message.type} message holds a content block that has no form in chat completions: {error}",
            key="messages",
            expected="text, image, audio or file blocks",
        ) from error


def _plain(block: Any) -> Any:
    """A block of media or plain text as a part that wires know, of which LangChain's converter has fewer; any other as it is."""
    if not isinstance(block, dict):
        return block
    given = cast("dict[str, Any]", block)
    if given.get("type") == "text-plain" and isinstance(given.get("text"), str):
        return {"type": "text", "text": given["text"]}
    return media_of(given) or given


def _human(message: BaseMessage) -> Wire:
    wire = {"role": "user", "content": _text_or_parts(message)}
    if message.name:
        wire["name"] = message.name
    return wire


def _system(message: BaseMessage) -> Wire:
    role = message.additional_kwargs.get("__openai_role__", "system")
    wire = {"role": role, "content": _text_or_parts(message)}
    if message.name:
        wire["name"] = message.name
    return wire


def _assistant(message: BaseMessage) -> Wire:
    assert isinstance(message, AIMessage)
    content = message.content
    # `text` is what was said, without anyone's thinking, tool blocks or signatures.
    text = content if isinstance(content, str) else str(message.text)
    wire: Wire = {"role": "assistant", "content": text}
    calls = [_call(c["id"], c["name"], json.dumps(c["args"], ensure_ascii=False)) for c in message.tool_calls]
    calls += [_call(c.get("id"), c.get("name"), c.get("args") or "") for c in message.invalid_tool_calls]
    if calls:
        wire["content"] = text or None
        wire["tool_calls"] = _with_extra(calls, message.additional_kwargs)
    thoughts = message.additional_kwargs.get("reasoning_content")
    if isinstance(thoughts, str) and thoughts:  # DeepSeek wants them back; who does not, its wire leaves them out
        wire["reasoning_content"] = thoughts
    if message.name:
        wire["name"] = message.name
    return wire


def _with_extra(calls: list[Wire], said: Mapping[str, Any]) -> list[Wire]:
    """The calls with what their provider wants back with them, as `extra_content`: as `answers` kept it, or Google's own adapter."""
    extra: Mapping[str, Any] = said.get(EXTRA) or {}
    signatures: Mapping[str, Any] = said.get(_GOOGLES) or {}
    for place, call in enumerate(calls):
        if found := extra.get(call["id"] or "") or extra.get(str(place)):
            call["extra_content"] = found
        elif signature := signatures.get(call["id"] or ""):
            call["extra_content"] = {"google": {"thought_signature": signature}}
    return calls


_GOOGLES: Final = "__gemini_function_call_thought_signatures__"
"""Where LangChain's adapter for Gemini keeps thought signatures, by the ids of the calls."""


def _call(id: str | None, name: str | None, arguments: str) -> Wire:  # noqa: A002  the wire's own word
    return {"type": "function", "id": id, "function": {"name": name, "arguments": arguments}}


def _tool(message: BaseMessage) -> Wire:
    assert isinstance(message, ToolMessage)
    return {"role": "tool", "tool_call_id": message.tool_call_id, "content": result_content(message.content)}


def _function(message: BaseMessage) -> Wire:
    return {"role": "function", "name": message.name, "content": result_content(message.content)}


def _chat(message: BaseMessage) -> Wire:
    assert isinstance(message, ChatMessage)
    return {"role": message.role, "content": _text_or_parts(message)}


_KINDS: Final[tuple[tuple[type[BaseMessage], Callable[[BaseMessage], Wire]], ...]] = (
    (HumanMessage, _human),
    (AIMessage, _assistant),
    (SystemMessage, _system),
    (ToolMessage, _tool),
    (FunctionMessage, _function),
    (ChatMessage, _chat),
)
_BY_TYPE: Final[Mapping[type[BaseMessage], Callable[[BaseMessage], Wire]]] = MappingProxyType(dict(_KINDS))


def _other(message: BaseMessage) -> Wire:
    """A subclass of one of the known kinds: a chunk, or someone's own."""
    for kind, convert in _KINDS:
        if isinstance(message, kind):
            return convert(message)
    raise ConfigError("there is no such kind of message", key="messages", value=type(message).__name__)
