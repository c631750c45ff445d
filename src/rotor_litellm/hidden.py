"""What an entry authenticates with besides its key: AWS secrets, service accounts, tokens, headers. To be hidden like keys.

LiteLLM takes such values under many names, and under more with each version: so it is the name's words that tell. Nothing is
decided by what is found here; it is only never shown.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from rotor_core._model import Secret

SHORTEST: Final = 8
"""Characters. What is shorter may as well be a word of any text, and a guess by name must not tear holes into messages."""

_TELLING: Final = frozenset({
    "apikey", "assertion", "auth", "authorization", "cookie", "credential", "credentials", "jwt", "key", "passphrase",
    "passwd", "password", "pwd", "secret", "token",
})  # fmt: skip
_NOT_ITSELF: Final = frozenset({
    "alias", "class", "endpoint", "file", "host", "mode", "name", "path", "provider", "region", "type", "uri", "url",
})  # fmt: skip
"""A name's last word, where it says of a secret what it is called or where it is found: that is worth being shown."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_PARTS: Final = 4
"""How far down mappings are looked into: `extra_headers`, a service account."""
_VARIABLE: Final = "os.environ/"


def hidden_of(params: Mapping[str, Any]) -> tuple[Secret, ...]:
    """Every value of an entry's parameters that a message must not show, each once."""
    return tuple(Secret(value) for value in dict.fromkeys(_found(params, _PARTS)) if len(value) >= SHORTEST)


def tells(name: str) -> bool:
    """Whether a field of this name holds a secret, by its words."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return any(word in _TELLING for word in words) and words[-1] not in _NOT_ITSELF


def _found(params: Mapping[str, Any], deeper: int) -> Iterator[str]:
    for name, value in params.items():
        if isinstance(value, Mapping) and deeper:
            yield from _found(cast("Mapping[str, Any]", value), deeper - 1)
        elif isinstance(value, str) and tells(str(name)):
            yield from _shown_as(value, deeper)


def _shown_as(value: str, deeper: int) -> Iterator[str]:
    """A secret in the forms in which an error may quote it: whole, its lines (a private key), its parts (a service account)."""
    if value.startswith(_VARIABLE):
        value = os.environ.get(value.removeprefix(_VARIABLE), "")
    value = value.strip()
    if value.startswith("{"):
        yield value
        try:
            parts: Any = json.loads(value)
        except ValueError:
            parts = None
        if isinstance(parts, dict) and deeper:
            yield from _found(cast("dict[str, Any]", parts), deeper - 1)
    elif not value.endswith(".json"):  # the name of a file that holds one
        yield value
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines() if not line.startswith("-----"))
