"""From pydantic's errors to the one `ConfigError` of a document: the fault that stands first in it, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rotor_core._errors import ConfigError
from rotor_core.catalog.document import Document
from rotor_core.catalog.problems import Place, listed

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_QUOTED: Final = re.compile(r"'([^']*)'")
_BY_TYPE: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is missing", "a value"),
    "string_type": ("is no text", "text (put it in quotes)"),
    "bool_type": ("is not true or false", "true or false"),
    "list_type": ("is no list", "a list"),
    "dict_type": ("is no mapping", "a mapping"),
}


def translated(exc: ValidationError, document: Document) -> ConfigError:
    """The error to raise. Faults are ordered by line; a mapping has none, so there the first one found is told."""
    faults = [_Fault(error, document.data) for error in exc.errors(include_url=False)]
    first = min(faults, key=lambda fault: document.places.line(fault.place) or 0)
    return document.places.error(
        first.place, first.problem, value=first.value, expected=first.expected, among=first.among
    )


class _Fault:
    """One of pydantic's errors, in our terms."""

    def __init__(self, error: ErrorDetails, data: Mapping[str, Any]) -> None:
        context = error.get("ctx", {})
        self.among: list[str] = list(context.get("among", ()))
        self.place = _place((*error["loc"], *context.get("at", ())), data)
        self.value: object = context.get("shown") or _at(self.place, data)
        if error["type"] == "literal_error":
            self.among = _QUOTED.findall(str(context.get("expected", "")))
            self.problem = "is unknown here"
            self.expected: str | None = listed(self.among) if self.among else str(context.get("expected"))
        elif error["type"] in _BY_TYPE:
            self.problem, self.expected = _BY_TYPE[error["type"]]
        else:
            self.problem, self.expected = error["msg"], context.get("expected")
        if self.problem == "unknown key":
            # What stands at a key that is unknown may be anything, a secret too: the key says enough.
            self.value = None


def _place(loc: tuple[str | int, ...], data: Any) -> Place:
    """Where the fault stands in what was written: without steps that only the schema knows, such as a list of one."""
    place: list[str | int] = []
    for part in loc:
        if part == "[key]" or isinstance(data, str) or (isinstance(part, int) and not isinstance(data, list)):
            continue
        place.append(part)
        data = _step(data, part)
    return tuple(place)


def _at(place: Place, data: Any) -> Any:
    for part in place:
        data = _step(data, part)
    return data


def _step(data: Any, part: str | int) -> Any:
    return None if isinstance(data, str) else _get(data, part)


def _get(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None
