"""Wire formats, one module each: a new one is a module here with a `DIALECT`, and nothing else has to know of it."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rotor_core.sandbox.dialects.base import Dialect

DIALECTS: Final[tuple[str, ...]] = tuple(
    sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base" and module.name[0] != "_")
)


@cache
def dialect(name: str) -> Dialect:
    """The dialect of this name, one of `DIALECTS`."""
    found: Dialect = import_module(f"{__name__}.{name}").DIALECT
    return found
