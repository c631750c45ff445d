"""What a plugin hands over as its catalog: a mapping, or a TOML file that is read when it is first needed, once.

A broken one is a `ConfigError` here and a finding where it is used: it must not take the rest of a configuration down.
"""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from rotor_core._errors import ConfigError
from rotor_core.catalog.document import Document, read
from rotor_core.catalog.problems import Places

if TYPE_CHECKING:
    from rotor_core.catalog.catalog_schema import CatalogSection


class Readable(Protocol):
    """A file, wherever it is: `pathlib.Path`, or what `importlib.resources.files` gives."""

    def read_text(self, encoding: str | None = None) -> str: ...


Packaged = Mapping[str, Any] | Readable

_KEPT: Final = 64
_READ: OrderedDict[Hashable, CatalogSection] = OrderedDict()


def section_of(name: str, catalog: Packaged) -> CatalogSection | None:
    """The catalog of the provider `name`, checked; None where it says nothing. Raises `ConfigError`."""
    if isinstance(catalog, Mapping):
        return validated(name, read(catalog).data) if catalog else None
    key = _identity(catalog)
    section = _READ.get(key)
    if section is None:
        section = _READ[key] = validated(name, _parsed(name, catalog))
        while len(_READ) > _KEPT:
            _READ.popitem(last=False)
    return section


def forget() -> None:
    """Read every file anew when it is next needed."""
    _READ.clear()


def validated(name: str, data: Mapping[str, Any], told: str = "") -> CatalogSection:
    """One provider's catalog from plain data. `told`: what it is called in errors. Raises `ConfigError`."""
    from rotor_core.catalog.catalog_schema import validated_catalog  # noqa: PLC0415  pydantic: only to load something

    return validated_catalog(Document(data, Places(told or f"catalog of {name}"), name))


def _parsed(name: str, file: Readable) -> dict[str, Any]:
    """The file's text as data. Raises `ConfigError` for one that is not there, or is no TOML."""
    told = f"catalog of {name}"
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"not valid TOML: {exc}", file=told, expected="a catalog.toml") from exc
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        raise ConfigError(f"{file} cannot be read: {reason}", file=told, expected="a catalog.toml") from exc


def _identity(file: Readable) -> Hashable:
    """What tells this file, in the state it is in, from another."""
    if isinstance(file, Path):
        try:
            seen = file.stat()
        except OSError:
            return object()  # reading it says what is wrong
        return str(file), seen.st_mtime_ns, seen.st_size
    return type(file), str(file)
