"""What strict providers have in common: a field that they do not know is refused, wherever it stands. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.conversation import Malformed


def object_of(body: bytes, refused: str) -> Mapping[str, Any]:
    """A body that has to be a JSON object. Raises `Malformed` with the text `refused`, and `ValueError` if it is no JSON."""
    data: object = json.loads(body.decode())
    if not isinstance(data, dict):
        raise Malformed(refused)
    return fields(data)  # pyright: ignore[reportUnknownArgumentType]


def only(sent: object, known: Collection[str], refuse: Callable[[str], Malformed]) -> Mapping[str, Any]:
    """An object whose keys are all known. Raises what `refuse` makes of the first that is not."""
    found = fields(sent)
    for key in found:
        if key not in known:
            raise refuse(key)
    return found


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """The elements of a list, each as an object; none where there is no list."""
    for item in items(value):
        yield fields(item)


def within(sent: Mapping[str, Any], name: str, low: float, high: float, problem: str) -> None:
    """Raise `Malformed(problem)` for a figure that is none or lies outside."""
    value = sent.get(name)
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise Malformed(problem, name)
