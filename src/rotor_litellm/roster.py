"""The deployments of one `model_list` as the engine knows them. When the list changes, so does the engine; its ledger stays.

LiteLLM may replace, add and take away deployments at any time (`set_model_list`, `upsert_deployment`, the proxy's
database). What was counted, learned and put to rest is kept by the store, which every later engine of a roster shares.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import is_
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rotor_core._engine import Engine
from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Pool, Seat
from rotor_core.catalog.document import read
from rotor_core.catalog.load import load
from rotor_core.catalog.sources import found_config
from rotor_core.plugins import Plugins, installed
from rotor_core.rotor import Rotor, Source
from rotor_litellm.deployments import ADAPTER, Entry, Unused, seat_of

logger: Final = logging.getLogger("rotor")


class Roster:
    """`config`: a `rotor.yaml` (path or mapping), or None: wherever one is found. Raises ConfigError.

    `strict`: an entry that cannot be read is an error; otherwise it is told of in the log, and its `rotor` section is
    left out, for one entry must not take a running proxy down.
    """

    def __init__(self, config: Source = None, *, strict: bool = True) -> None:
        source: Any = found_config(os.environ) if config is None else config
        given: Any = source if source is None or hasattr(source, "keys") else Path(source)
        self._base: Mapping[str, Any] = read(given).data
        self._plugins: Plugins = installed()
        self._strict, self._lock = strict, threading.Lock()
        self._seen: tuple[Mapping[str, Any], ...] = ()
        self._settings: Catalog = load(
            {k: v for k, v in self._base.items() if k not in {"providers", "pools", "default_pool"}},
            environ={k: v for k, v in os.environ.items() if k == "ROTOR_STORE"},
            specs={}, rankings=self._plugins.rankings, schemes=self._plugins.stores, allow_empty=True,
        )  # fmt: skip
        self._seats: dict[str, tuple[Mapping[str, Any], str, Seat]] = {}
        self.engine = self._made(None)
        self.rotor = Rotor(self.engine, None)

    def refreshed(self, entries: Sequence[Mapping[str, Any]]) -> Engine:
        """The engine over exactly these entries. Raises ConfigError, where strict, for one that cannot be read."""
        seen = self._seen
        if len(seen) == len(entries) and all(map(is_, seen, entries)):
            return self.engine
        with self._lock:
            fresh: dict[str, tuple[Mapping[str, Any], str, Seat]] = {}
            for written in entries:
                kept = self._kept(written)
                if kept is not None:
                    fresh[kept[2].deployment.id] = kept
            changed = fresh.keys() != self._seats.keys() or any(fresh[k][2] is not self._seats[k][2] for k in fresh)
            self._seats = fresh
            if changed:
                self._renew()
            self._seen = tuple(entries)
            return self.engine

    def with_all(self, entries: Sequence[Mapping[str, Any]]) -> Engine:
        """The engine over these entries and all that were known before: for who is shown a part of the list at a time."""
        seats = self._seats
        if all((known := seats.get(_id(e))) is not None and known[0] is e for e in entries):
            return self.engine
        with self._lock:
            changed = False
            for written in entries:
                before = self._seats.get(_id(written))
                kept = self._kept(written)
                if kept is not None:
                    changed |= before is None or before[2] is not kept[2]
                    self._seats = {**self._seats, kept[2].deployment.id: kept}
            if changed:
                self._renew()
            return self.engine

    def _kept(self, written: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, Seat] | None:
        """An entry with its seat: the one that it had, where nothing that matters has changed."""
        known = self._seats.get(_id(written))
        if known is not None and (known[0] is written or _same(known[0], written)):
            return (written, str(written.get("model_name") or ""), known[2])
        try:
            entry = Entry.of(written)
            try:
                _, seat = seat_of(entry, self._base, self._plugins)
            except ConfigError as error:
                if self._strict:
                    raise
                logger.error("%s; its limits are taken as unknown", error)  # noqa: TRY400  a line for people
                plain = {**written, "model_info": {k: v for k, v in entry.info.items() if k != "rotor"}}
                _, seat = seat_of(Entry.of(plain), self._base, self._plugins)
        except ConfigError as error:
            if self._strict:
                raise
            logger.error("%s; it is left out", error)  # noqa: TRY400  as above
            return None
        return (written, entry.group, seat)

    def _renew(self) -> None:
        before = self.engine
        self.engine = self._made(before)
        self.rotor = Rotor(self.engine, None)

    def _made(self, before: Engine | None) -> Engine:
        """An engine over the seats there are, with the ledger and the listeners of the one before."""
        groups: dict[str, list[Seat]] = {}
        for _, group, seat in self._seats.values():
            groups.setdefault(group, []).append(seat)
        pools = {name: Pool(name, tuple(seats)) for name, seats in groups.items()}
        catalog = replace(
            self._settings,
            deployments=MappingProxyType({name: seat.deployment for name, (_, _, seat) in self._seats.items()}),
            pools=pools,
            default_pool=next(iter(pools), ""),
            digest="",
            source="model_list",
        )
        adapters: dict[str, Any] = {ADAPTER: Unused()}
        if before is None:
            return Engine(catalog, self._plugins, adapters=adapters)
        engine = Engine(catalog, self._plugins, adapters=adapters, store=before.store)
        engine.hub, engine.stats = before.hub, before.stats
        return engine


def pool_of(engine: Engine, candidates: Sequence[Mapping[str, Any]]) -> str:
    """The pool that candidates are drawn from: their model group, or where they are of several, one made for these."""
    groups = dict.fromkeys(str(c.get("model_name") or "") for c in candidates)
    known = engine.catalog.pools
    if len(groups) == 1 and (name := next(iter(groups))) in known:
        inside = {seat.deployment.id for seat in known[name].seats} if len(candidates) == 1 else None
        if inside is None or _id(candidates[0]) in inside:
            return name
    ids = [_id(c) for c in candidates]
    name = "+".join(sorted(ids)) if len(ids) <= 3 else f"{ids[0]}+{len(ids) - 1}+{hash(frozenset(ids)):x}"
    if name not in known:
        seats = {s.deployment.id: s for pool in known.values() for s in pool.seats}
        made = Pool(name, tuple(seats[i] for i in ids if i in seats))
        known[name] = made  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  a roster's pools are a dict of its own
    return name


def _id(entry: Mapping[str, Any]) -> str:
    info: Any = entry.get("model_info") or {}
    return str(info.get("id") or "")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("model_name", "litellm_params", "model_info")
    return all(one.get(name) == other.get(name) for name in names)
