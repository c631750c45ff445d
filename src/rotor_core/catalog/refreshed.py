"""What `rotor catalog refresh` found since the plugins were packaged: one dated JSON file, layers of catalogs in it.

A layer is a name and, by provider, a section in the shape of `catalog.toml`. Later layers win. A layer says more of
models that somebody knows already; a model that only a provider's list has is used when somebody writes it down.
A file that is broken, or of a version to come, is a warning: then the packaged figures hold.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from rotor_core._policy.content import fields, items
from rotor_core.catalog.document import user_config_dir
from rotor_core.catalog.problems import Finding

VERSION: Final = 1
FILE_NAME: Final = "catalog.json"
PATH_VARIABLE: Final = "ROTOR_CATALOG"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """`found`: by provider, its layers, the strongest first. `at`: when it was written (ISO)."""

    found: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = field(
        default_factory=dict[str, tuple[tuple[str, Mapping[str, Any]], ...]]
    )
    at: str | None = None
    path: Path | None = None
    warnings: tuple[Finding, ...] = ()

    def layers(self, offer: str, name: str, known: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The sections of a provider as they were written, the strongest first, of the models that are `known`."""
        for told, data in self.found.get(name) or self.found.get(offer) or ():
            yield told, _narrowed(data, known)

    def layer(self, layer: str) -> dict[str, Mapping[str, Any]]:
        """One layer's sections, by provider."""
        return {name: data for name, held in self.found.items() for told, data in held if told == layer}

    def listed(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """All models that the provider's own list had, by name, as they stand in the file."""
        models = fields(self.layer(LIVE).get(name, {}).get("models"))
        return {model: fields(told) for model, told in models.items()}


NOTHING: Final = Refreshed()
PRICES: Final = "prices"
LIVE: Final = "live"


def refreshed_path(environ: Mapping[str, str], home: Path, platform: str) -> Path:
    """Where the file is: `$ROTOR_CATALOG`, or beside the user's own `rotor.yaml`."""
    named = environ.get(PATH_VARIABLE, "").strip()
    return Path(named).expanduser() if named else user_config_dir(environ, home, platform) / FILE_NAME


def read_refreshed(path: Path) -> Refreshed:
    """The file's layers; nothing where there is no file, nothing and a warning where it cannot be used."""
    try:
        data: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Refreshed(path=path)
    except OSError as exc:
        return _unusable(path, f"cannot be read: {exc.strerror or type(exc).__name__}")
    except (ValueError, RecursionError):
        return _unusable(path, "is not valid JSON")
    if not isinstance(data, dict) or cast("dict[str, Any]", data).get("version") != VERSION:
        return _unusable(path, f"is not of version {VERSION}, the one that is known here")
    return _layers(cast("dict[str, Any]", data), path)


def _layers(data: Mapping[str, Any], path: Path) -> Refreshed:
    found: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {}
    for layer in items(data.get("layers")):
        told = str(fields(layer).get("layer"))
        for name, section in fields(fields(layer).get("providers")).items():
            found[name] = ((told, fields(section)), *found.get(name, ()))
    at = data.get("at")
    return Refreshed(found, at if isinstance(at, str) else None, path)


def _unusable(path: Path, problem: str) -> Refreshed:
    text = f"{path} {problem}, so packaged figures hold; `rotor catalog refresh` writes it anew"
    return Refreshed(path=path, warnings=(Finding("warning", text, str(path)),))


def _narrowed(data: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """A section without the models that nobody knows, and without references to them."""
    models = {name: dict(fields(told)) for name, told in fields(data.get("models")).items() if name in known}
    for told in models.values():
        if told.get("replacement") not in models:
            told.pop("replacement", None)
    return {**data, "models": models}
