"""The deployments of one `model_list` as the engine knows them. When the list changes, another engine takes over.

LiteLLM may replace, add and take away deployments at any time (`set_model_list`, `upsert_deployment`, the proxy's
database). The next engine has the ledger and the experience of the one before: what was counted, learned and put to
rest, breakers, latencies, listeners. A call that was under way is settled by whichever engine it began with.

A deployment's name is LiteLLM's id. LiteLLM makes entries as it goes, too: of a wildcard (`openai/*`) one for each model
that is asked for, all with one id. Such a one is named by id and model, for it has limits of its own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from types import MappingProxyType
from typing import Any, Final

from rotor_core._engine import Engine
from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Pool, Seat
from rotor_core._ports import Ports
from rotor_core.catalog.document import read
from rotor_core.catalog.load import load
from rotor_core.catalog.sources import found_config, given_source
from rotor_core.plugins import Plugins, installed
from rotor_core.rotor import Rotor, Source
from rotor_litellm.deployments import ADAPTER, Entry, Unused, credential_of, seat_of
from rotor_litellm.host import litellm

logger: Final = logging.getLogger("rotor")

_EXTRAS: Final = 1_000
"""Deployments that are in no list (wildcards' models, clients' own keys): more are not remembered at a time."""
_TABLES: Final = 64

Written = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Candidates as the engine knows them. `entries`: by deployment. `whole`: they are all that the pool has.

    `hasty`: the engine's catalog for whoever waits no longer than a free seat is worth waiting for.
    """

    engine: Engine
    pool: str
    entries: Mapping[str, Written]
    whole: bool
    hasty: Catalog

    @property
    def ports(self) -> Ports:
        return self.engine.ports


@dataclass(frozen=True, slots=True, eq=False)
class _Seated:
    """An entry as it was read. `credential`: what the one of LiteLLM's list said then that it names."""

    written: Written
    group: str
    seat: Seat
    credential: Written


class Roster:
    """`config`: a `rotor.yaml` (path or mapping), or None: wherever one is found. Raises ConfigError, and TypeError for what is neither.

    `strict`: an entry that cannot be read is an error; otherwise it is told of in the log, and its `rotor` section is
    left out, for one entry must not take a running proxy down.
    """

    def __init__(self, config: Source = None, *, strict: bool = True) -> None:
        given = given_source(config)
        self._base: Mapping[str, Any] = read(found_config(os.environ) if given is None else given).data
        self._plugins: Plugins = installed()
        self.strict, self._lock = strict, threading.Lock()
        self._seen: Sequence[object] = ()
        self._settings: Catalog = load(
            {k: v for k, v in self._base.items() if k not in {"providers", "pools", "default_pool"}},
            environ={k: v for k, v in os.environ.items() if k == "ROTOR_STORE"},
            specs={}, rankings=self._plugins.rankings, schemes=self._plugins.stores, allow_empty=True,
        )  # fmt: skip
        self._listed: dict[str, _Seated] = {}
        self._extras: dict[str, _Seated] = {}
        self._tables: dict[tuple[int, ...], tuple[Sequence[Written], Table]] = {}
        self.engine = self._made(None)
        self._hasty = _hasty(self.engine.catalog)
        self.rotor = Rotor(self.engine, None)

    def refreshed(self, entries: Sequence[Written]) -> Engine:
        """The engine over this list. Raises ConfigError, where strict, for an entry that cannot be read."""
        seen, credentials = self._seen, litellm.credential_list
        shown: Sequence[object] = [*entries, *credentials] if credentials else entries
        if len(seen) == len(shown) and all(map(is_, seen, shown)):
            return self.engine
        with self._lock:
            written = tuple(entries)
            fresh = {_id(e): seated for e in written if (seated := self._read(_id(e), e)) is not None}
            before, self._listed, self._tables = self._listed, fresh, {}
            if _seats(before) != _seats(fresh):
                self._extras = {n: e for n, e in self._extras.items() if _stays(n, e, before, fresh)}
                self._renew()
            self._seen = tuple(shown)
            return self.engine

    def table(self, candidates: Sequence[Written]) -> Table:
        """These candidates as the engine knows them; those that are in no list it knows from now on. Raises ConfigError, where strict."""
        key = tuple(map(id, candidates))
        kept = self._tables.get(key)
        if kept is not None:
            return kept[1]
        with self._lock:
            before, entries, lasting = dict(self._extras), dict[str, Written](), True
            if len(before) >= _EXTRAS:  # not further down: candidates are needed together
                self._extras = {}
            for written in candidates:
                name = self._name(written)
                seated = self._seated(name, written)
                if seated is not None:
                    entries[name] = written
                    lasting = lasting and seated.written is written
            if _seats(before) != _seats(self._extras):
                self._tables = {}
                self._renew()
            table = self._laid(entries)
            if lasting and entries:
                if len(self._tables) >= _TABLES:
                    self._tables = {}
                self._tables[key] = (tuple(candidates), table)  # what is kept keeps its identity
            return table

    # --- inside, with the lock held ----------------------------------------------------------------------------------

    def _name(self, written: Written) -> str:
        """What the engine calls an entry."""
        name = _id(written)
        listed = self._listed.get(name)
        if listed is None or listed.written is written or _model(listed.written) == _model(written):
            return name
        return f"{name}:{_model(written)}"

    def _seated(self, name: str, written: Written) -> _Seated | None:
        """An entry of the list as it stands there; another one as it is kept beside it."""
        listed = self._listed.get(name)
        if listed is not None and (listed.written is written or _alike(listed.written, written)):
            return listed
        kept = self._extras.get(name)
        seated = kept if kept is not None and kept.written is written else self._read(name, written)
        if seated is None or seated is kept:
            return seated
        self._extras = {**self._extras, name: seated}
        return seated

    def _read(self, name: str, written: Written) -> _Seated | None:
        """An entry with its seat: the one that it had, where nothing that matters has changed."""
        credential = credential_of(written)
        for known in (self._listed.get(name), self._extras.get(name)):
            if known is not None and known.credential == credential and _same(known.written, written):
                return _Seated(written, known.group, known.seat, credential)
        try:
            entry = Entry.of(written)
            try:
                _, seat = seat_of(entry, self._base, self._plugins)
            except ConfigError as error:
                if self.strict:
                    raise
                logger.error("%s; its limits are taken as unknown", error)  # noqa: TRY400  a line for people
                plain = {**written, "model_info": {k: v for k, v in entry.info.items() if k != "rotor"}}
                _, seat = seat_of(Entry.of(plain), self._base, self._plugins)
        except ConfigError as error:
            if self.strict:
                raise
            logger.error("%s; it is left out", error)  # noqa: TRY400  as above
            return None
        if seat.deployment.id != name:
            seat = replace(seat, deployment=replace(seat.deployment, id=name))
        return _Seated(written, entry.group, seat, credential)

    def _laid(self, entries: Mapping[str, Written]) -> Table:
        """Candidates with the pool that they are drawn from: their model group, or where they are of several, one made of these."""
        seated, known = {**self._listed, **self._extras}, self.engine.catalog.pools
        groups = sorted({seated[name].group for name in entries})
        pool = " + ".join(groups)
        if pool not in known:
            seats = tuple(seat for group in groups for seat in known[group].seats)
            known[pool] = Pool(pool, seats)  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  a roster's pools are a dict of its own
        return Table(self.engine, pool, entries, len(entries) == len(known[pool].seats), self._hasty)

    def _renew(self) -> None:
        self.engine = self._made(self.engine)
        self._hasty = _hasty(self.engine.catalog)
        self.rotor = Rotor(self.engine, None)

    def _made(self, before: Engine | None) -> Engine:
        """An engine over the seats there are, that takes over from the one before."""
        groups: dict[str, list[Seat]] = {}
        seated = {**self._listed, **self._extras}
        for one in seated.values():
            groups.setdefault(one.group, []).append(one.seat)
        pools = {name: Pool(name, tuple(seats)) for name, seats in groups.items()}
        catalog = replace(
            self._settings,
            deployments=MappingProxyType({name: one.seat.deployment for name, one in seated.items()}),
            pools=pools,
            default_pool=next(iter(pools), ""),
            digest="",
            source="model_list",
        )
        adapters: dict[str, Any] = {ADAPTER: Unused()}
        return Engine(catalog, self._plugins, adapters=adapters, before=before)


def _hasty(catalog: Catalog) -> Catalog:
    """The same, with the shorter wait. Its pools are that catalog's own, those that are made later included."""
    policy = catalog.policy
    return replace(catalog, policy=replace(policy, max_wait=min(policy.max_wait, policy.max_wait_for_free)))


def _seats(seated: Mapping[str, _Seated]) -> dict[str, tuple[str, int]]:
    """What of entries makes an engine another one."""
    return {name: (one.group, id(one.seat)) for name, one in seated.items()}


def _stays(name: str, extra: _Seated, before: Mapping[str, _Seated], now: Mapping[str, _Seated]) -> bool:
    """Whether what is in no list is as it was when the list has changed: its own entry there, if it has one, is the same."""
    origin = _id(extra.written)
    one, other = before.get(origin), now.get(origin)
    same = one is other is None or (one is not None and other is not None and one.seat is other.seat)
    return same and name not in now


def _id(entry: Written) -> str:
    info: Any = entry.get("model_info") or {}
    return str(info.get("id") or "")


def _model(entry: Written) -> object:
    params: Any = entry.get("litellm_params") or {}
    return params.get("model")


def _alike(listed: Written, shown: Written) -> bool:
    """Whether LiteLLM shows an entry of its list, though with an `order` or a name of its own making."""
    names = ("model", "api_key", "api_base", "custom_llm_provider", "organization")
    one: Any = listed.get("litellm_params") or {}
    other: Any = shown.get("litellm_params") or {}
    return all(one.get(name) == other.get(name) for name in names)


def _same(one: Written, other: Written) -> bool:
    names = ("model_name", "litellm_params", "model_info")
    return one is other or all(one.get(name) == other.get(name) for name in names)
