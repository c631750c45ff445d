"""Tokens that a request will be counted as, before anyone has counted it. Pure, without a tokenizer.

The estimate is meant to be at or slightly above what a provider counts, since what is reserved too little is refused.
Text is four characters a token in ASCII, which is 15 to 20 % above what current tokenizers make of English; a CJK
character is one token, a letter of another alphabet half of one. On top stands what a model family's chat template
adds, taken from recorded prompt counts of public traffic (medians, in tokens a request).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from rotor_core._policy.category import detect_category
from rotor_core._policy.content import Messages, fields, items
from rotor_core._request import Estimate

# An answer's length when nothing is known of it; a model that thinks aloud first is counted for its thoughts too.
EXPECTED_OUTPUT: Final = 256
EXPECTED_REASONING_OUTPUT: Final = 1024

_MESSAGE: Final = 4
_REQUEST: Final = 3
_TOOL_CALL: Final = 12
# JSON splits into more tokens than prose does.
_JSON: Final = 1.1 / 4

# OpenAI's vision guide: 85 tokens for an image at low detail; at high detail 85 and 170 for each tile of 512 pixels,
# 765 for 1024 x 1024, 1,105 for 2048 x 4096, which is taken for any image, as its size is not known here.
_IMAGE_LOW: Final = 85
_IMAGE: Final = 1105
# 32 tokens a second for audio (Gemini's documentation), and one minute, as its length is not known here.
_AUDIO: Final = 1920
_OTHER_PART: Final = 1105


class Family(NamedTuple):
    """What a chat template adds: to any request, and to one with tools."""

    request: int = 0
    tools: int = 0


# The longest name that stands in the model's name holds.
_FAMILIES: Final[Mapping[str, Family]] = {
    "llama-3": Family(35, 160),
    "llama3": Family(35, 160),
    "llama3-": Family(10, 160),
    "llama-4": Family(10, 670),
    "gpt-oss": Family(77, 40),
    "deepseek": Family(8, 290),
    "qwen": Family(14, 310),
    "glm": Family(12, 140),
    "kimi": Family(6, 80),
    "minimax": Family(38, 200),
    "mistral": Family(15, 35),
    "ministral": Family(15, 35),
    "magistral": Family(15, 35),
    "grok": Family(150, 280),
    "grok-4-1": Family(12, 130),
    "claude": Family(12, 510),
    "gemini-3": Family(0, 150),
    "command-r": Family(70, 800),
    "command-r7b": Family(70, 1400),
    "command-a": Family(550, 1000),
    "command-a-reasoning": Family(1400, 400),
    "compound": Family(5300, 0),
}
_PLAIN: Final = Family()


class _ForModel(NamedTuple):
    request: int
    tools: int
    output: int


def estimate_tokens(messages: Messages, tools: Sequence[Any] | None = None, model: str | None = None) -> Estimate:
    """Tokens that one call is expected to take: `Estimate(input_tokens, output_tokens)`.

    `messages`: OpenAI-style dicts, or a text that is taken as one user message. `tools`: OpenAI's function tools.
    `model`: a model's name, with or without its provider; it adds what that family's chat template does.

    `output_tokens` is a plain expectation, 256, or 1,024 of a reasoning model: `max_tokens` is not known here.
    """
    known = _for_model(model) if model else _UNKNOWN
    total = _REQUEST + known.request
    if isinstance(messages, str):
        total += text_tokens(messages) + _MESSAGE
    else:
        for message in messages:
            content = message.get("content")
            total += _MESSAGE + (text_tokens(content) if isinstance(content, str) else sum(map(_part, items(content))))
            if len(message) > 2:
                total += _besides(message)
    if tools:
        total += known.tools + int(len(json.dumps(list(tools), separators=(",", ":"), default=str)) * _JSON) + 1
    return Estimate(total, known.output)


def text_tokens(text: str) -> int:
    """Tokens of a text on its own: no loop over its characters, so a long one costs microseconds."""
    if text.isascii():
        return (len(text) + 3) >> 2
    # The lengths in UTF-8 and UTF-16 tell how many characters take one, two, three and four bytes of UTF-8.
    chars = len(text)
    ascii_chars = len(text.encode("ascii", "ignore"))
    four = len(text.encode("utf-16-le", "surrogatepass")) // 2 - chars
    beyond = len(text.encode("utf-8", "surrogatepass")) - ascii_chars - 4 * four
    three = beyond - 2 * (chars - ascii_chars - four)
    two = chars - ascii_chars - four - three
    # Two bytes: Latin with accents, Greek, Cyrillic, Arabic, Hebrew. Three: CJK, Indic, Thai. Four: emoji, mostly.
    return ((ascii_chars + 3) >> 2) + ((two + 1) >> 1) + three + 2 * four


def _part(part: object) -> int:
    if isinstance(part, str):
        return text_tokens(part)
    text = fields(part).get("text")
    return text_tokens(text) if isinstance(text, str) else _medium(fields(part))


def _medium(part: Mapping[str, Any]) -> int:
    """Tokens of an image, a sound or a file."""
    match part.get("type"):
        case "image_url" | "image" | "input_image":
            detail = fields(part.get("image_url")).get("detail") or part.get("detail")
            return _IMAGE_LOW if detail == "low" else _IMAGE
        case "input_audio" | "audio":
            return _AUDIO
        case "text" | None:
            return 0
        case _:
            return _OTHER_PART


def _besides(message: Mapping[str, Any]) -> int:
    """Tokens of what a message has beside its content: a name, the calls it made."""
    total = 1 if message.get("name") else 0
    for call in items(message.get("tool_calls")):
        function = fields(fields(call).get("function")) or fields(call)
        text = f"{function.get('name', '')}{function.get('arguments', '')}"
        total += _TOOL_CALL + (int(len(text) * _JSON) + 1 if text.isascii() else text_tokens(text))
    return total


_UNKNOWN: Final = _ForModel(0, 0, EXPECTED_OUTPUT)


@lru_cache(maxsize=1024)
def _for_model(model: str) -> _ForModel:
    name = model.lower()
    found = max((key for key in _FAMILIES if key in name), key=len, default=None)
    family = _FAMILIES[found] if found else _PLAIN
    thinks = detect_category(name) == "reasoning" or "gpt-oss" in name
    return _ForModel(*family, EXPECTED_REASONING_OUTPUT if thinks else EXPECTED_OUTPUT)
