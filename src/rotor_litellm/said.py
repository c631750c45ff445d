"""What one of LiteLLM's objects says under a name: some are mappings, most are pydantic's, and which it is differs by endpoint.

A pydantic object finds nothing but its declared fields at once. What else it has (LiteLLM puts `usage` and `_hidden_params`
there), and that it has nothing, it says by way of Python, which for one answer takes longer than all the rest of reading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel


def said(thing: Any, name: str) -> Any:
    """What a mapping has under a key, or an object as an attribute; None where there is no such thing."""
    kind: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]  of anything
    way = _way(kind, name)
    if way == "key":
        return thing.get(name)
    if way == "attribute":
        return getattr(thing, name, None)
    fields = thing.__dict__
    if name in fields:
        return fields[name]
    try:
        more = thing.__pydantic_extra__
        if more is not None and name in more:
            return more[name]
        more = thing.__pydantic_private__
    except AttributeError:  # it was made past its constructor
        return None
    return None if more is None else more.get(name)


@lru_cache(maxsize=256)
def _way(kind: type, name: str) -> Literal["key", "attribute", "field"]:
    """How such a thing is asked. `field`: of pydantic's, which has it as its own if at all, and looks for it as pydantic does."""
    if issubclass(kind, Mapping):
        return "key"
    if not issubclass(kind, BaseModel):
        return "attribute"
    own = [one for one in kind.__mro__ if one not in (BaseModel, object)]
    special = any(not {name, "__getattr__", "__getattribute__"}.isdisjoint(vars(one)) for one in own)
    return "attribute" if special or hasattr(BaseModel, name) else "field"
