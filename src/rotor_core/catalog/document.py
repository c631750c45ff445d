"""From a file or a mapping to plain data, with the line of every key. Nothing here knows what the keys mean.

A YAML file is composed once; data and lines come from the same nodes. A file is parsed once per path and modification.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rotor_core._errors import ConfigError
from rotor_core.catalog.problems import Place, Places

if TYPE_CHECKING:
    import yaml

FILE_NAME: Final = "rotor.yaml"
_DEEPEST: Final = 32
_MOST_NODES: Final = 200_000
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


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
            raise ConfigError("there is no such file", key="ROTOR_CONFIG", value=named, expected="the path of a rotor.yaml")
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
    except UnicodeDecodeError as exc:
        raise ConfigError("the file is not UTF-8 text", file=name, expected="YAML in UTF-8") from exc
    return parse(text, name)


def parse(text: str, file: str) -> Document:
    """A document from YAML text. Raises `ConfigError` for what is not YAML, is empty, or is no mapping."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data, lines = _Composed(loader(text), file).build()
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
        problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "unreadable"
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not valid YAML: {problem}", file=file, line=line, expected="YAML") from exc
    return Document(data, Places(file, lines), file)


class _Composed:
    """One pass over the composed nodes that builds the data and remembers the lines."""

    def __init__(self, loader: yaml.SafeLoader, file: str) -> None:
        self._loader, self._file = loader, file
        self._lines: dict[Place, int] = {}
        self._flattened: set[int] = set()

    def build(self) -> tuple[dict[str, Any], dict[Place, int]]:
        import yaml

        node = self._loader.get_single_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value.strip()):
            raise ConfigError("the file is empty", file=self._file, expected="at least `version: 1`")
        if not isinstance(node, yaml.MappingNode):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            line = node.start_mark.line + 1
            raise ConfigError(f"the top level is {kind}", file=self._file, line=line, expected="a mapping with `version: 1`")
        return self._mapping(node, ()), self._lines

    def _value(self, node: yaml.Node, place: Place) -> Any:
        import yaml

        # Aliases may make a small file endlessly deep, or wide beyond all use.
        if len(place) > _DEEPEST or len(self._lines) > _MOST_NODES:
            raise self._wrong(node, place, "nested too deeply, or an alias contains itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except ValueError as exc:
            raise self._wrong(node, place, f"not a value that YAML knows: {exc}") from exc

    def _item(self, node: yaml.Node, place: Place) -> Any:
        self._lines[place] = node.start_mark.line + 1
        return self._value(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        import yaml

        self._merge(node, place)
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._wrong(key_node, place, "a key is not text")
            # The text as written: `on`, `1.5` and `2026-01-01` are names here, not a truth, a number and a date.
            key = key_node.value
            self._lines[(*place, key)] = key_node.start_mark.line + 1
            data[key] = self._value(value_node, (*place, key))
        return data

    def _merge(self, node: yaml.MappingNode, place: Place) -> None:
        """Refuse a key written twice, then replace `<<` by what it brings in; once per node, which aliases may share."""
        if id(node) in self._flattened:
            return
        self._flattened.add(id(node))
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node.value, str):
                continue
            if key_node.value in first:
                problem = f"the key stands twice, first in line {first[key_node.value]}"
                raise self._wrong(key_node, (*place, key_node.value), problem)
            first[key_node.value] = key_node.start_mark.line + 1
        if any(key_node.tag == _MERGE_TAG for key_node, _ in node.value):
            self._loader.flatten_mapping(node)

    def _wrong(self, node: yaml.Node, place: Place, problem: str) -> ConfigError:
        return Places(self._file, {place: node.start_mark.line + 1}).error(place, problem)


def _plain_mapping(source: Mapping[Any, Any], place: Place, places: Places) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in source.items():
        if not isinstance(key, str):
            raise places.error(place, f"a key is not text but {type(key).__name__}", expected="text keys")
        data[key] = _plain(value, (*place, key), places)
    return data


def _plain(value: Any, place: Place, places: Places) -> Any:
    """Any mapping as a dict, any sequence or set as a list; scalars as they are."""
    if len(place) > _DEEPEST:
        raise places.error(place[:4], "nested too deeply, or a container contains itself")
    if isinstance(value, Mapping):
        return _plain_mapping(value, place, places)
    if isinstance(value, Set):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return [_plain(item, (*place, index), places) for index, item in enumerate(value)]
    return value
