"""A plugin that is not installed: a file or a module that `ROTOR_PLUGINS` names while somebody writes it.

What has a slash in it or ends in `.py` is a file. Its module goes by a name of its own, so that `groq.py` hides no
package `groq`; within it `f"{__name__}:Acme"` names its class `Acme`, there and in a package alike.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

PREFIX: Final = "rotor_local_plugin_"


def names_in(value: str) -> tuple[str, ...]:
    """What `ROTOR_PLUGINS` lists, each once."""
    return tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))


def is_path(name: str) -> bool:
    """Whether a name in `ROTOR_PLUGINS` is a file's."""
    return "/" in name or os.sep in name or name.endswith(".py")


def load_file(name: str) -> ModuleType:
    """The module that a file holds, run anew. Raises whatever it raises, and ValueError for what is no such file."""
    path = Path(name).expanduser().absolute()
    if path.is_dir():
        raise ValueError(
            f"{path} is a directory: name the file, or put {path.parent} on PYTHONPATH and name the module"
        )
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    spec = spec_from_file_location(PREFIX + path.stem.replace(".", "_"), path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file: its name has to end in .py")
    module = module_from_spec(spec)
    before = sys.modules.get(spec.name)
    sys.modules[spec.name] = module  # dataclasses and `module:attribute` look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        if before is not None:
            sys.modules[spec.name] = before
        raise
    return module


def load_module(name: str, known: Iterable[str]) -> ModuleType:
    """A module that can be imported. Raises whatever it raises, and ValueError where there is none; `known`: plugins that there are."""
    if not is_module(name):
        from rotor_core.catalog.problems import listed, nearest  # noqa: PLC0415  only for who misspelt something

        there = sorted(known)
        meant = nearest(name, there)
        hint = f"; did you mean {meant!r}?" if meant else ""
        among = f"installed are {listed(there)}" if there else "none is installed"
        raise ValueError(f"ROTOR_PLUGINS names it, but there is no plugin and no module of that name ({among}){hint}")
    return import_module(name)


def is_module(name: str) -> bool:
    """Whether a module of this name can be found; those that it lies in are imported to see."""
    try:
        return all(part.isidentifier() for part in name.split(".")) and find_spec(name) is not None
    except (ImportError, ValueError):
        return False
