"""Where a configuration comes from when a program says little: a path, a mapping, or wherever one is found.

The same source in the same environment is resolved once: making a `Rotor` again costs a look at the file's date.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from rotor_core._model import Catalog, Rule
from rotor_core.catalog.document import find_config, user_config_dir
from rotor_core.catalog.load import load
from rotor_core.catalog.refreshed import Refreshed, read_refreshed, refreshed_path
from rotor_core.hookspecs import ProviderSpec

Given = str | os.PathLike[str] | Mapping[str, Any] | None

_KEPT: Final = 32
_CACHE: OrderedDict[Hashable, Catalog] = OrderedDict()


def found_config(environ: Mapping[str, str]) -> Path | None:
    """The file that `ChatRotor()` would read, or None: then the environment is all there is."""
    return find_config(environ, Path.cwd(), user_config_dir(environ, Path.home(), sys.platform))


def found_refreshed(environ: Mapping[str, str]) -> Refreshed:
    """What `rotor catalog refresh` has written for this user, if anything."""
    return read_refreshed(refreshed_path(environ, Path.home(), sys.platform))


def today() -> dt.date:
    """The day, in UTC: which shutdowns are past."""
    return dt.datetime.now(dt.UTC).date()


def given_source(given: object) -> Path | Mapping[str, Any] | None:
    """What a program names as its configuration. Raises TypeError for what can be none."""
    if given is None or isinstance(given, Mapping):
        return cast("Mapping[str, Any] | None", given)
    if isinstance(given, os.PathLike | str):
        return Path(cast("os.PathLike[str] | str", given))
    raise TypeError(f"a configuration is a path, a mapping or None, not {type(given).__name__}")


def catalog_from(
    given: Given,
    environ: Mapping[str, str],
    specs: Mapping[str, ProviderSpec],
    rankings: Collection[str],
    schemes: Collection[str],
    offered: Sequence[Rule] = (),
) -> Catalog:
    """The catalog of what was given, or of what is found. Raises ConfigError, TypeError for what can be no configuration."""
    source = given_source(given)
    if source is None:
        source = found_config(environ)
    later, day = refreshed_path(environ, Path.home(), sys.platform), today()
    key = (
        *(_identity(source), frozenset(environ.items()), tuple(specs), tuple(rankings), tuple(schemes), tuple(offered)),
        *(_identity(later) if later.is_file() else None, day),
    )
    catalog = _CACHE.get(key)
    if catalog is None:
        catalog = load(
            source,
            environ=environ,
            specs=specs,
            rankings=rankings,
            schemes=schemes,
            offered=offered,
            refreshed=read_refreshed(later),
            today=day,
        )
        _CACHE[key] = catalog
        while len(_CACHE) > _KEPT:
            _CACHE.popitem(last=False)
    return catalog


def _identity(source: Path | Mapping[str, Any] | None) -> Hashable:
    """What tells this source from another, its state included. A source that has none is its own."""
    if source is None:
        return None
    if isinstance(source, Path):
        try:
            seen = source.expanduser().stat()
        except OSError:
            return object()  # `load` says what is wrong with it
        return (str(source), str(source.absolute()), seen.st_mtime_ns, seen.st_size)
    try:
        return json.dumps(source)  # in its order: the first pool is the default one
    except (TypeError, ValueError):
        return object()
