"""Names in Google's JSON: camelCase, or with underscores as protobuf's JSON allows; its errors speak of the latter. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from rotor_core._policy.content import fields
from rotor_core.sandbox.conversation import Malformed
from rotor_core.sandbox.dialects._strict import only


def camel(name: str) -> str:
    """`inline_data` as `inlineData`; what is camelCase stays so."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def snake(name: str) -> str:
    """`inlineData` as `inline_data`, which is how Google's errors name a field."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)


def known(sent: object, names: Collection[str], place: str) -> Mapping[str, Any]:
    """An object by its names in camelCase. Raises `Malformed` for one that is unknown, saying where."""
    at = f" at '{place}'" if place else ""
    found = {camel(name): value for name, value in fields(sent).items()}
    text = 'Invalid JSON payload received. Unknown name "{}"{}: Cannot find field.'
    return only(found, names, lambda name: Malformed(text.format(name, at), place))
