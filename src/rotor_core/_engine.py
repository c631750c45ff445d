"""One engine: a catalog with its store, adapters, listeners and plans. Engines of equal configuration are one in a process."""

from __future__ import annotations

import itertools
import logging
import os
import re
import secrets
import threading
import weakref
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from rotor_core._errors import ConfigError
from rotor_core._events import Event
from rotor_core._model import Catalog, Deployment
from rotor_core._planner import Planner
from rotor_core._ports import Ports
from rotor_core.adapters.base import Adapter
from rotor_core.observe.experience import Experience
from rotor_core.plugins import Plugins, adapter_of, resolve
from rotor_core.stores.base import Store

logger = logging.getLogger("rotor")


class Engine:
    """`adapters` and `store` given here come before those that plugins offer. `seed` makes its randomness replayable.

    `before`: an engine over another catalog that this one takes over from: its ledger, and all that it has seen.
    """

    def __init__(
        self,
        catalog: Catalog,
        plugins: Plugins,
        *,
        adapters: Mapping[str, Adapter] | None = None,
        store: Store | None = None,
        seed: int | None = None,
        before: Engine | None = None,
    ) -> None:
        ranking = plugins.rankings.get(catalog.policy.ranking)
        if ranking is None:
            raise ConfigError(
                "there is no such ranking",
                file=catalog.source,
                key="policy.ranking",
                value=catalog.policy.ranking,
                expected=", ".join(sorted(plugins.rankings)),
            )
        self.catalog, self.plugins = catalog, plugins
        seen: Experience
        if before is None:
            seen = Experience(catalog.deployments, Random(seed))  # noqa: S311  jitter, no secret
        else:
            seen, store = before.experience, before.store
            seen.follow(catalog.deployments)
        self.experience: Experience = seen
        self.hub, self.stats, self.calibration, self.health = seen.hub, seen.stats, seen.calibration, seen.health
        self.store: Store = store or open_store(catalog, plugins, seen.emit)
        self.planner = Planner(catalog, ranking)
        self.holders = 0
        self._given: Mapping[str, Adapter] = dict(adapters or {})
        self._adapters: dict[str, Adapter] = dict(self._given)
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._prefix = secrets.token_hex(6)
        self.ports = Ports(catalog, self.store, self.health, self._adapter, seen.random, seen.emit)
        _living.add(self)

    def next_id(self) -> str:
        """An id for a request that no other process shares."""
        return f"{self._prefix}-{next(self._ids)}"

    def _adapter(self, deployment: Deployment) -> Adapter:
        name = deployment.provider.adapter
        adapter = self._adapters.get(name)
        if adapter is not None:
            return adapter
        with self._lock:
            if name not in self._adapters:
                spec = self.plugins.providers.get(name)
                if spec is None:
                    known = ", ".join(sorted(self.plugins.providers))
                    raise ConfigError("there is no such adapter", key="adapter", value=name, expected=known)
                self._adapters[name] = adapter_of(spec)
            return self._adapters[name]

    def close(self) -> None:
        """Close connections and the store. The engine is done with."""
        for adapter in self._adapters.values():
            adapter.close()
        self.store.close()

    async def aclose(self) -> None:
        for adapter in self._adapters.values():
            await adapter.aclose()
        await self.store.aclose()

    def renew(self) -> None:
        """After a fork: nothing is shared with the parent but what the store shares, and what the program gave us."""
        self._lock = threading.Lock()
        self._prefix = secrets.token_hex(6)
        self.experience.renew()
        self._adapters = dict(self._given)


def open_store(catalog: Catalog, plugins: Plugins, emit: Callable[[Event], None] | None = None) -> Store:
    """The store that the catalog's URL names, by its scheme; one that is shared, with what stands in for it when it is away.

    `emit`, a bound method, is told when it is lost and regained. Raises ConfigError where no plugin offers such a store
    or the package for it is missing, StoreError where it cannot be opened.
    """
    store = _opened(catalog, plugins)
    if catalog.store.startswith("memory:"):
        return store
    from rotor_core.stores.steady import Steady  # noqa: PLC0415  a ledger in memory needs none of it

    steady = Steady.around(store, without_password(catalog.store), catalog.policy.on_store_error)
    if emit is not None:
        steady.listen(emit)
    return steady


def reach_store(catalog: Catalog, plugins: Plugins) -> None:
    """See whether the store is there and takes a write. Raises ConfigError as `open_store`, StoreError where it does not."""
    from rotor_core.stores.steady import PROBE  # noqa: PLC0415  as above

    store = _opened(catalog, plugins)
    try:
        store.rest(PROBE, store.now() + 1.0, "probe")
    finally:
        store.close()


def _opened(catalog: Catalog, plugins: Plugins) -> Store:
    scheme = catalog.store.partition(":")[0]
    spec = plugins.stores.get(scheme)
    if spec is None:
        known = ", ".join(f"{name}://" for name in sorted(plugins.stores))
        raise ConfigError(
            "no plugin offers such a store", file=catalog.source, key="store", value=f"{scheme}://", expected=known
        )
    try:
        made: Store = resolve(spec.factory)(catalog.store)
    except ImportError as error:
        if error.name is None or error.name.startswith("rotor"):
            raise
        raise ConfigError(
            f"this store needs the package {error.name}, which is not installed",
            file=catalog.source,
            key="store",
            value=f"{scheme}://",
            expected=f"after `pip install 'llm-rotor[{_EXTRAS.get(scheme, scheme)}]'`, or another store",
        ) from error
    return made


def without_password(url: str) -> str:
    """A store's URL as it may be shown: without who logs in, and how."""
    scheme, slashes, rest = url.partition("://")
    if scheme == "sqlite":
        return url  # a file's path, which may have any sign in it
    place, mark, query = rest.rpartition("@")[2].partition("?")
    shown = (part if not _SECRET.search(part.partition("=")[0]) else "" for part in query.split("&"))
    kept = "&".join(part for part in shown if part)
    return f"{scheme}{slashes}{place}{mark if kept else ''}{kept}"


_SECRET: Final = re.compile("pass|secret|token|auth|key|user", re.IGNORECASE)
"""What the name of a URL's parameter has in it where its value is nobody's business."""


_EXTRAS: Final = MappingProxyType({"rediss": "redis"})
"""Schemes whose extra has another name."""

_shared: dict[str, Engine] = {}
_living: weakref.WeakSet[Engine] = weakref.WeakSet()
_lock = threading.Lock()


def share(catalog: Catalog, plugins: Plugins) -> Engine:
    """The engine of this configuration, made if there is none, with one holder more."""
    with _lock:
        engine = _shared.get(catalog.digest)
        if engine is None:
            engine = _shared[catalog.digest] = Engine(catalog, plugins)
        engine.holders += 1
        return engine


def hold(engine: Engine) -> Engine:
    """One holder more."""
    with _lock:
        engine.holders += 1
        return engine


def release(engine: Engine) -> bool:
    """One holder less; True when that was the last one, and the engine is the caller's to close."""
    with _lock:
        engine.holders -= 1
        if engine.holders > 0:
            return False
        if _shared.get(engine.catalog.digest) is engine:
            del _shared[engine.catalog.digest]
        return True


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a lock that another thread held at the fork is held for ever
    _lock = threading.Lock()
    living = list(_living)
    for engine in living:
        engine.renew()
    if living:
        logger.warning("forked: connections and what was in flight stay with the parent process")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
