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


def dialect(known: str | Dialect) -> Dialect:
    """The dialect of this name, one of `DIALECTS`; somebody's own is itself."""
    return _named(known) if isinstance(known, str) else known


@cache
def _named(name: str) -> Dialect:
    found: Dialect = import_module(f"{__name__}.{name}").DIALECT
    return found
