"""`rotor catalog refresh`, at work: a price book, and one light call to each provider that has a key, all at once."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from rotor_cli.failures import masked
from rotor_core import ConfigError, RotorError
from rotor_core._model import Deployment
from rotor_core.adapters.wire import LiveModel
from rotor_core.catalog.document import read
from rotor_core.catalog.layers import Layers
from rotor_core.catalog.load import load
from rotor_core.catalog.prices import PriceBook
from rotor_core.catalog.providers import Resolver
from rotor_core.catalog.refresh import file_of, listed, priced, write_refreshed
from rotor_core.catalog.refreshed import Refreshed, read_refreshed, refreshed_path
from rotor_core.catalog.schema import validated
from rotor_core.catalog.sources import found_config
from rotor_core.plugins import Plugins, adapter_of, installed

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a provider's list came to: a section, or why there is none."""

    name: str
    section: Mapping[str, Any] | None
    text: str


def refreshed_now(config: Path | None, *, offline: bool, timeout: float) -> dict[str, Any]:
    """Ask, write the file, and tell of it: `{"path", "written", "lines": [{"name", "good", "text"}]}`. Raises ConfigError."""
    plugins = installed()
    source = found_config(os.environ) if config is None else config
    path = refreshed_path(os.environ, Path.home(), sys.platform)
    before, at = read_refreshed(path), dt.datetime.now(dt.UTC)
    known = _known(source, plugins)
    prices, lines = _prices(known, at.date())
    live: dict[str, Mapping[str, Any]] = {}
    if not offline:
        for asked in _lists(source, plugins, known, timeout, at.date()):
            lines.append(
                {"name": asked.name, "good": asked.section is not None, "text": masked(asked.text, os.environ)}
            )
            if asked.section is not None:
                live[asked.name] = asked.section
    written = bool(prices or live)
    if written:
        try:
            write_refreshed(path, file_of(prices, live, before, at))
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}", key="ROTOR_CATALOG") from error
    return {"path": str(path), "written": written, "lines": lines}


def _known(source: Any, plugins: Plugins) -> dict[str, Layers]:
    """What is known of each provider by its plugin and the user, without what was refreshed."""
    document = read(source)
    resolver = Resolver(os.environ, plugins.providers, document.places, (), Refreshed())
    sections = validated(document).providers or {}
    known: dict[str, Layers] = {}
    for name in dict.fromkeys([*sections, *plugins.providers]):
        section = sections.get(name)
        offer = plugins.providers.get(name) or plugins.providers.get((section and section.adapter) or "")
        if offer is not None:
            known[name] = resolver.layers(offer, name, section)
    return {name: layers for name, layers in known.items() if layers.models}


def _prices(known: Mapping[str, Layers], day: dt.date) -> tuple[dict[str, Mapping[str, Any]], list[dict[str, Any]]]:
    try:
        book = PriceBook()
    except ImportError:
        text = "not installed, so prices stay as they were; `pip install llm-rotor[prices]` brings it"
        return {}, [{"name": "genai-prices", "good": False, "text": text}]
    found = {name: section for name, layers in known.items() if (section := priced(name, layers, book, day))["models"]}
    total = sum(len(section["models"]) for section in found.values())
    text = f"prices of {total} models of {len(found)} providers ({book.source})"
    return dict(found), [{"name": "genai-prices", "good": True, "text": text}]


def _lists(
    source: Any, plugins: Plugins, known: Mapping[str, Layers], timeout: float, day: dt.date
) -> Iterable[_Asked]:
    """Every provider that has a key, by its first one."""
    try:
        catalog = load(
            source,
            environ=os.environ,
            specs=plugins.providers,
            rankings=plugins.rankings,
            schemes=plugins.stores,
            allow_empty=True,
        )
    except ConfigError as error:
        return [_Asked("configuration", None, str(error))]
    first: dict[str, Deployment] = {}
    for deployment in catalog.deployments.values():
        first.setdefault(deployment.provider.name, deployment)
    if not first:
        return [_Asked("providers", None, "no key was found, so none was asked")]
    with ThreadPoolExecutor(min(_AT_ONCE, len(first))) as pool:
        asking = [pool.submit(_list, d, plugins, known[name], timeout, day) for name, d in first.items()]
        return [future.result() for future in asking]


def _list(deployment: Deployment, plugins: Plugins, layers: Layers, timeout: float, day: dt.date) -> _Asked:
    provider = deployment.provider
    try:
        adapter = adapter_of(plugins.providers[provider.adapter])
        asking = getattr(adapter, "list_models", None)
        if asking is None:
            return _Asked(provider.name, None, "its adapter lists no models")
        try:
            models = cast(
                "tuple[LiveModel, ...] | None", asking(provider, deployment.credential.secret, timeout=timeout)
            )
        finally:
            adapter.close()
    except RotorError as error:
        return _Asked(provider.name, None, " ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001  whatever a stranger's adapter raises
        return _Asked(
            provider.name, None, f"its adapter failed: {type(error).__name__}: {' '.join(str(error).split())}"
        )
    if models is None:
        return _Asked(provider.name, None, "it lists no models")
    section = listed(layers, models, provider.base_url, day)
    return _Asked(provider.name, section, _found(set(layers.models), models))


def _found(known: set[str], models: Iterable[LiveModel]) -> str:
    """`lists 12 models: 5 known here, 7 more; of those known it lacks a, b`."""
    names = {model.name for model in models}
    missing = sorted(known - names)
    lacks = f"; of those known here it lacks {', '.join(missing)}" if missing else ""
    return f"lists {len(names)} models: {len(known & names)} known here, {len(names - known)} more{lacks}"
