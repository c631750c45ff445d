"""The sandbox's own tokens: how a prompt is counted and how an answer falls into pieces. Pure.

No tokenizer of any vendor: English prose comes out at about 4.2 characters a token in a prompt, with 4 tokens a message
and 3 a request, which is what OpenAI's chat models add; other scripts cost more, tools are counted as their JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.conversation import Asked

_CHARACTERS: Final = 4.2
_BEYOND_ASCII: Final = 0.22
"""Tokens for a byte of UTF-8 outside ASCII: 0.66 for a CJK character."""

_MESSAGE: Final = 4
_REQUEST: Final = 3
_IMAGE: Final = 765
_LOW_IMAGE: Final = 85
_OTHER: Final = 640
_PIECE: Final = re.compile(r"\s?[^\s]{1,6}|\s+")

CACHED_FROM: Final = 1024
"""Prompts shorter than this are not cached (OpenAI's prompt caching guide), and longer ones in steps of 128."""
_CACHE_STEP: Final = 128
_CACHE_SIZE: Final = 2048


def text_tokens(text: str) -> float:
    """What a text amounts to in a prompt; fractions are rounded by whoever adds up."""
    if text.isascii():
        return len(text) / _CHARACTERS
    ascii_ = len(text.encode("ascii", "ignore"))
    return ascii_ / _CHARACTERS + (len(text.encode("utf-8", "surrogatepass")) - ascii_) * _BEYOND_ASCII


def pieces(text: str) -> list[str]:
    """The tokens of an answer, in order; together they are the text."""
    return _PIECE.findall(text)


def message_tokens(message: Mapping[str, Any]) -> int:
    """One message of a prompt, with the tool calls that it made."""
    content = message.get("content")
    total = text_tokens(content) if isinstance(content, str) else sum(_part(part) for part in items(content))
    for call in items(message.get("tool_calls")):
        function = fields(fields(call).get("function"))
        total += 8 + text_tokens(f"{function.get('name', '')}{function.get('arguments', '')}")
    return _MESSAGE + math.ceil(total) + (1 if message.get("name") else 0)


def prompt_tokens(asked: Asked) -> int:
    """The whole prompt: messages, tools and the schema of the answer."""
    total = _REQUEST + sum(message_tokens(message) for message in asked.messages)
    for tool in asked.tools:
        text = f"{tool.name}{tool.description}{json.dumps(dict(tool.parameters), separators=(',', ':'))}"
        total += 6 + math.ceil(text_tokens(text))
    if isinstance(asked.schema, Mapping):
        total += math.ceil(text_tokens(json.dumps(dict(asked.schema), separators=(",", ":"))))
    return total


class PromptCache:
    """Which beginnings of prompts were seen lately, one memory for each quota and model. Bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()

    def cached(self, owner: str, asked: Asked, total: int) -> int:
        """How many of the `total` prompt tokens were read before, in full steps; remembers this prompt."""
        if total < CACHED_FROM:
            return 0
        beginning = hash((owner, asked.tools and str(asked.tools)))
        read, known = total - sum(message_tokens(m) for m in asked.messages), 0
        for message in asked.messages:
            beginning = hash((beginning, json.dumps(message, sort_keys=True, default=str)))
            read += message_tokens(message)
            if beginning in self._seen:
                known = read
            self._seen[beginning] = None
            self._seen.move_to_end(beginning)
        while len(self._seen) > _CACHE_SIZE:
            self._seen.popitem(last=False)
        return known // _CACHE_STEP * _CACHE_STEP if known >= CACHED_FROM else 0


def texts_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """All text of some messages, in order."""
    found: list[str] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            found.append(content)
        for part in items(content):
            text = part if isinstance(part, str) else fields(part).get("text")
            if isinstance(text, str):
                found.append(text)
    return "\n".join(found)


def _part(part: object) -> float:
    if isinstance(part, str):
        return text_tokens(part)
    known = fields(part)
    text = known.get("text")
    if isinstance(text, str):
        return text_tokens(text)
    if known.get("type") in {"image_url", "image"}:
        return _LOW_IMAGE if fields(known.get("image_url")).get("detail") == "low" else _IMAGE
    return _OTHER
