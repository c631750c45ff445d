"""From a file or a mapping to plain data, with the line of every key. Nothing here knows what the keys mean.

A YAML file is composed once; data and lines come from the same nodes. A file is parsed once per path and modification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

from rotor_core._errors import ConfigError
from rotor_core.catalog.problems import Place, Places

FILE_NAME: Final = "rotor.yaml"
DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Document:
    """`data`: dicts with text keys, lists and scalars; shared between readers, so never changed. `source`: for messages."""

    data: Mapping[str, Any]
    places: Places
    source: str


def user_config_dir(environ: Mapping[str, str], home: Path, platform: str) -> Path:
    """The directory of the user's own `rotor.yaml`. `platform` as in `sys.platform`."""
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "rotor"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "rotor"


def find_config(environ: Mapping[str, str], cwd: Path, user_config_dir: Path | None) -> Path | None:
    """The file to read: `$ROTOR_CONFIG`, `rotor.yaml` in `cwd`, then in `user_config_dir`; None where there is none.

    Raises `ConfigError` when `$ROTOR_CONFIG` names a file that does not exist.
    """
    named = environ.get("ROTOR_CONFIG", "").strip()
    if named:
        path = cwd / Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(
                "there is no such file", key="ROTOR_CONFIG", value=named, expected="the path of a rotor.yaml"
            )
        return path
    for folder in (cwd, user_config_dir):
        if folder is not None and (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def read(source: str | Path | Mapping[str, Any] | None) -> Document:
    """A document from a path, a mapping, or nothing at all. Raises `ConfigError`."""
    if source is None:
        return Document({}, Places(), "environment")
    if isinstance(source, Mapping):
        return Document(_plain_mapping(source, (), Places()), Places(), "configuration")
    path = Path(source).expanduser()
    try:
        seen = path.stat()
        return _parsed(path.absolute(), str(source), seen.st_mtime_ns, seen.st_size)
    except OSError as exc:
        reason = "there is no such file" if isinstance(exc, FileNotFoundError) else exc.strerror or type(exc).__name__
        raise ConfigError(f"the file cannot be read: {reason}", file=str(source)) from exc


@lru_cache(maxsize=16)
def _parsed(path: Path, name: str, modified: int, size: int) -> Document:  # noqa: ARG001  # part of the cache's key
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:
        # Raised out here so that it has no context, which would hold all of the file.
        raise ConfigError("the file is not UTF-8 text", file=name, expected="YAML in UTF-8")
    return parse(text, name)


def parse(text: str, file: str) -> Document:
    """A document from YAML text. Raises `ConfigError` for what is not YAML, is empty, or is no mapping."""
    from rotor_core.catalog.composed import compose  # noqa: PLC0415  yaml is imported only where there is YAML

    data, lines = compose(text, file)
    return Document(data, Places(file, lines), file)


def _plain_mapping(source: Mapping[Any, Any], place: Place, places: Places) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in source.items():
        if not isinstance(key, str):
            raise places.error(place, f"a key is not text but {type(key).__name__}", expected="text keys")
        data[key] = _plain(value, (*place, key), places)
    return data


def _plain(value: Any, place: Place, places: Places) -> Any:
    """Any mapping as a dict, any sequence or set as a list; scalars as they are."""
    if len(place) > DEEPEST:
        raise places.error(place[:4], "nested too deeply, or a container contains itself")
    if isinstance(value, Mapping):
        return _plain_mapping(value, place, places)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, AbstractSet):
        return _plain(sorted(cast("Iterable[Any]", value), key=repr), place, places)
    if isinstance(value, list | tuple):
        items = cast("Iterable[Any]", value)
        return [_plain(item, (*place, index), places) for index, item in enumerate(items)]
    return value
