"""YAML text to plain data and lines, from one pass over the same nodes. Imports yaml: load it lazily."""

from __future__ import annotations

from typing import Any, Final, cast

import yaml

from rotor_core._errors import ConfigError
from rotor_core.catalog.document import DEEPEST
from rotor_core.catalog.problems import Place, Places

_MOST_NODES: Final = 200_000
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


def compose(text: str, file: str) -> tuple[dict[str, Any], dict[Place, int]]:
    """The data, and the line of every key and item. Raises `ConfigError` for what is not YAML, is empty, or no mapping."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composed(loader(text), file).build()
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
        problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "unreadable"
        line = mark.line + 1 if mark else None
        error = ConfigError(f"not valid YAML: {problem}", file=file, line=line, expected="YAML")
    # Raised out here so that it has no context: the parser's error quotes the line, whatever secret it holds.
    raise error


class _Composed:
    """One pass over the composed nodes that builds the data and remembers the lines."""

    def __init__(self, loader: yaml.SafeLoader, file: str) -> None:
        self._loader, self._file = loader, file
        self._lines: dict[Place, int] = {}
        self._flattened: set[int] = set()

    def build(self) -> tuple[dict[str, Any], dict[Place, int]]:
        node = self._loader.get_single_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value.strip()):
            raise ConfigError("the file is empty", file=self._file, expected="at least `version: 1`")
        if not isinstance(node, yaml.MappingNode):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            line = node.start_mark.line + 1
            raise ConfigError(
                f"the top level is {kind}", file=self._file, line=line, expected="a mapping with `version: 1`"
            )
        return self._mapping(node, ()), self._lines

    def _value(self, node: yaml.Node, place: Place) -> Any:
        # Aliases may make a small file endlessly deep, or wide beyond all use.
        if len(place) > DEEPEST or len(self._lines) > _MOST_NODES:
            raise self._wrong(node, place, "nested too deeply, or an alias contains itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            return cast("Any", self._loader).construct_object(node)
        except ValueError as exc:
            raise self._wrong(node, place, f"not a value that YAML knows: {exc}") from exc

    def _item(self, node: yaml.Node, place: Place) -> Any:
        self._lines[place] = node.start_mark.line + 1
        return self._value(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
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
