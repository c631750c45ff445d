"""What an error says, taken out of whatever it is wrapped in: codes, messages, the headers that its body quotes.

Nothing here decides what it means: that is `error_rules`. Pure; what is not there is left out, never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"

LONGEST_BODY: Final = 2**18
"""Characters of a body that are read. Some servers quote the whole request in an error."""
LONGEST_TEXT: Final = 6_000
LAST_TEXT: Final = 2_000
"""Characters of its messages that are searched, from their beginning and at their end: where a request is quoted the
point comes last. The longest known error has 2,000."""


class Facts(NamedTuple):
    """What an error says, taken out of its wrapping. `codes`: its code, type, status and reason, in lower case.

    `lower`: the text in lower case. `headers`: those that its body quotes, names in lower case (OpenRouter's do).
    """

    status: int | None
    codes: set[str]
    text: str
    lower: str
    headers: Mapping[str, str]


def read(status: int | None, body: str) -> Facts:
    """An error's facts, out of JSON of any of the known shapes, or out of plain text."""
    found = _Found()
    try:
        data = _parsed(body)
    except (ValueError, RecursionError):
        found.codes.update(code.lower() for code in _QUOTED_CODES.findall(_within_measure(body)))
    else:
        _gather(data, found, 0)
    if status is None:
        status = _status_among(found.codes)
    messages = found.messages or [body]
    if len(messages) > 1 or found.notes:
        messages = ["\n".join(dict.fromkeys([*messages, *found.notes]))]
    text = _within_measure(messages[0])
    return Facts(status if isinstance(status, int) else None, found.codes, text, text.lower(), found.headers)


def _parsed(text: str) -> JSON:
    """As `json.loads`, which looks for the space around a value by expressions. Raises ValueError or RecursionError."""
    text = text.strip(" \t\n\r")
    data: JSON
    data, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError("more than one value")
    return data


_DECODER: Final = json.JSONDecoder()


def _status_among(codes: Iterable[str]) -> int | None:
    """The status of HTTP that a body names itself."""
    for code in sorted(codes):
        if code.isascii() and code.isdigit() and 400 <= int(code[:4]) < 600:
            return int(code)
    return None


def _within_measure(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT + LAST_TEXT else f"{text[:LONGEST_TEXT]}\n{text[-LAST_TEXT:]}"


_QUOTED_CODES: Final = re.compile(
    r"""["']?\b(?:code|type|status|reason)["']?\s?:\s?["']?([\w.-]{3,60})""", re.IGNORECASE
)
"""Codes in a text that quotes a body: Python's dict, JSON inside JSON, `Code: model_decommissioned`."""

_CODE_KEYS: Final = ("code", "type", "status", "reason", "status_code", "raw_status_code", "error_type", "error_code")
_TEXT_KEYS: Final = (
    "message", "msg", "detail", "details", "title", "error", "errors", "raw", "metadata", "body", "error_description",
    "violations", "innererror", "error_msg", "description",
)  # fmt: skip
"""In the order in which they are read."""
_NOTED_KEYS: Final = ("quotaId", "quotaValue", "retryDelay", "retry_after_seconds", "limit_source")
"""What is told beside the messages and not in them: kept as `key: value`."""
_A_CODE, _BESIDE = -1, -2
_PLACES: Final = {
    **dict.fromkeys(_CODE_KEYS, _A_CODE),
    **dict.fromkeys((*_NOTED_KEYS, "headers"), _BESIDE),
    **{key: place for place, key in enumerate(_TEXT_KEYS)},
}
"""What is done with what stands under a key: of a text, when it is its turn."""
_DEEPEST: Final = 8
"""Levels of a body that are searched: Google's list of violations is the seventh, inside a list of errors."""
_MOST_QUOTES: Final = 5
"""Messages that are bodies themselves: a gateway quotes its upstream, a client its server."""


class _Found:
    """What a body holds, as it is gathered. `notes`: told beside the messages, one line for each object that has some."""

    __slots__ = ("codes", "headers", "messages", "notes", "quotes")

    def __init__(self) -> None:
        self.codes: set[str] = set()
        self.messages: list[str] = []
        self.notes: list[str] = []
        self.headers: dict[str, str] = {}
        self.quotes = 0


def _gather(data: JSON, found: _Found, depth: int) -> None:
    """Codes and messages wherever error bodies have them; what a model or a user wrote stays out."""
    if isinstance(data, str):
        quoted = None
        if found.quotes < _MOST_QUOTES and data.lstrip().startswith(("{", "[")):
            quoted = _quoted(data)
        if quoted is None:
            found.messages.append(data)
        else:
            found.quotes += 1
            _gather(quoted, found, 1)
    elif isinstance(data, dict) and depth < _DEEPEST:
        _gather_fields(data, found, depth)
    elif isinstance(data, list) and depth < _DEEPEST:
        for item in data[:20]:
            _gather(item, found, depth + 1)


def _gather_fields(data: dict[str, JSON], found: _Found, depth: int) -> None:
    """The same of an object. It has few keys, and those looked for are many: so they are looked for from its side."""
    texts: list[str] = []
    beside = False
    for key, value in data.items():
        place = _PLACES.get(key)
        if place is None or value is None:
            continue
        if place >= 0:
            texts.append(key)
        elif place == _BESIDE:
            beside = True
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            found.codes.add(str(value)[:60].lower())
    if len(texts) > 1:
        texts.sort(key=_PLACES.__getitem__)
    for key in texts:
        _gather(data[key], found, depth + 1)
    if beside:
        _note(data, found)


def _note(data: dict[str, JSON], found: _Found) -> None:
    """What an object tells beside its messages."""
    noted = [f"{k}: {str(data[k])[:200]}" for k in _NOTED_KEYS if isinstance(data.get(k), (str, int, float))]
    if noted:
        found.notes.append(", ".join(noted))
    quoted = data.get("headers")
    if isinstance(quoted, dict):
        found.headers.update({k.lower(): v for k, v in list(quoted.items())[:50] if isinstance(v, str)})


def _quoted(text: str) -> JSON:
    """The body that a message is, or None."""
    try:
        return _parsed(text) or None
    except (ValueError, RecursionError):
        return None
