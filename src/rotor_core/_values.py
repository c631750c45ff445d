"""Frozen values that cost little to make.

A frozen dataclass sets each field with a call of `object.__setattr__`. A request makes some fifty values of five fields,
and would spend a tenth of its time on that. `quick` gives such a class an `__init__` that fills an instance with plain
assignments, as one of a twin class with the same slots that is not frozen, and hands it out as what it is. Nobody sees
it before: what comes out is as frozen, compares, copies and prints as before. A class derived from it is made in the
usual way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, Final, TypeVar

T = TypeVar("T")

_BECOME: Final[Callable[[object, type], None]] = object.__dict__["__class__"].__set__
"""`instance.__class__ = other`, which a frozen class refuses to those who ask in the usual way."""


def quick(cls: type[T]) -> type[T]:
    """For a `@dataclass(frozen=True, slots=True)` that requests make many of, above the decorator. Worth it from three fields on.

    Raises TypeError for a class that is not frozen, has no slots, or whose fields are not all plain arguments.
    """
    made: Any = cls
    found: tuple[Field[Any], ...] = fields(made)
    if not made.__dataclass_params__.frozen or "__slots__" not in vars(cls) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is no frozen dataclass with slots and nothing else to do when it is made")
    if any(not one.init or one.kw_only for one in found):
        raise TypeError(f"{cls.__name__} has a field that is no plain argument")
    twin = type(
        cls.__name__,
        cls.__bases__,
        {"__slots__": made.__slots__, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__},
    )
    usual = made.__init__
    known: dict[str, Any] = {"_become": _BECOME, "_frozen": cls, "_twin": twin, "_usual": usual, "_missing": MISSING}
    scope: dict[str, Any] = {}
    source = _source(found, known)
    exec(source, vars(sys.modules[cls.__module__]), scope)  # noqa: S102  as `dataclasses` does: it is of the fields' names alone
    init = scope["_made"](**known)
    init.__qualname__, init.__annotations__ = f"{cls.__qualname__}.__init__", usual.__annotations__
    made.__init__ = init
    return cls


def _source(found: tuple[Field[Any], ...], known: dict[str, Any]) -> str:
    """The text of a function of `known` that makes `__init__`; defaults and factories are put there for it."""
    arguments, values = ["self"], list[str]()
    for one in found:
        name, value = one.name, one.name
        if one.default is not MISSING:
            known[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
        elif one.default_factory is not MISSING:
            known[f"_make_{name}"] = one.default_factory
            arguments.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            arguments.append(name)
        values.append(value)
    return "\n".join(
        [
            f"def _made({', '.join(known)}):",
            f"    def __init__({', '.join(arguments)}):",
            "        if self.__class__ is not _frozen:",
            f"            return _usual(self, {', '.join(values)})",
            "        _become(self, _twin)",
            *(f"        self.{one.name} = {value}" for one, value in zip(found, values, strict=True)),
            "        _become(self, _frozen)",
            "    return __init__",
        ]
    )
