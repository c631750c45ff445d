"""`Rotor`: the engine as a program uses it. Blocking and asynchronous methods come in pairs, the latter with an `a`.

Each pair is one flow with two drivers; nothing is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from rotor_core._adrive import adrive, adrive_stream
from rotor_core._drive import drive, drive_stream
from rotor_core._engine import Engine, hold, release, share, without_password
from rotor_core._errors import ConfigError
from rotor_core._events import Event
from rotor_core._flow import Result, Work, acquire, anybody, run, settle, stream
from rotor_core._health import BreakerState
from rotor_core._ledger import Reservation
from rotor_core._model import Catalog, Deployment
from rotor_core._outcome import ABANDONED, Outcome
from rotor_core._ports import Ports
from rotor_core._prepare import AUTO, Options, prepare
from rotor_core._request import Request
from rotor_core._streams import AsyncChunkStream, ChunkStream
from rotor_core.adapters.base import Adapter
from rotor_core.observe.hub import Listener, tell
from rotor_core.plugins import Plugins, installed
from rotor_core.stores.base import Store

if TYPE_CHECKING:
    from rotor_core._snapshot import Explanation

Messages = str | Request | Sequence[Mapping[str, Any]]
Source = str | os.PathLike[str] | Mapping[str, Any] | None
Deadline = float | datetime | None


class Rotor:
    """One chat model over many providers, models and keys.

    Make one with `from_env`, `from_config` or `from_catalog`. Rotors of equal configuration share one engine, and so
    one ledger, whoever made them; `close` lets go of it. Safe from several threads and event loops at once.

    Methods that take a request take a text, OpenAI-style message dicts, or a `Request`, and these keywords:
    `model`: a pool's name, `auto` (the pool is chosen by task) or `provider/model`; absent, the default pool.
    `task`: what the request is for, where you know. `priority`: higher goes first where there is a queue.
    `caller`: on whose behalf, where there are budgets for callers.
    `deadline`: seconds from now, or a datetime; `timeout`: seconds for one call; `max_attempts`: calls at most.
    `listen`: is told of this request's events. They raise `NoCandidates`, `AttemptsFailed` and `ConfigError`.
    """

    def __init__(self, engine: Engine, origin: Source = None) -> None:
        """Not called directly: see the class."""
        self._engine: Engine | None = hold(engine)
        self._origin = origin

    @classmethod
    def from_env(cls) -> Self:
        """From `rotor.yaml` where one is found, and the keys in the environment. Raises ConfigError."""
        return cls.from_config(None)

    @classmethod
    def from_config(cls, config: Source = None) -> Self:
        """From a file's path, a mapping of the same shape, or (None) wherever a configuration is found. Raises ConfigError."""
        from rotor_core.catalog.sources import catalog_from  # noqa: PLC0415  what reads files is not needed before

        plugins = installed()
        catalog = catalog_from(config, os.environ, plugins.providers, plugins.rankings, plugins.stores, plugins.rules)
        engine = share(catalog, plugins)
        try:
            return cls(engine, config)
        finally:
            release(engine)

    @classmethod
    def from_catalog(
        cls,
        catalog: Catalog,
        *,
        adapters: Mapping[str, Adapter] | None = None,
        store: Store | None = None,
        plugins: Plugins | None = None,
        seed: int | None = None,
    ) -> Self:
        """From a catalog made in memory, with adapters and a store of your own. The engine is not shared."""
        return cls(Engine(catalog, plugins or installed(), adapters=adapters, store=store, seed=seed))

    @property
    def catalog(self) -> Catalog:
        return self._live.catalog

    @property
    def store(self) -> Store:
        return self._live.store

    # -- answers

    def chat(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> Result:
        """Answer a request; the text is `result.answer.text`."""
        work, request, ports = self._begin(messages, listen, options)
        return drive(run(work, request), ports)

    async def achat(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> Result:
        work, request, ports = self._begin(messages, listen, options)
        return await adrive(run(work, request), ports)

    def stream(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> ChunkStream:
        """Answer in pieces. After the last one, `.result` says who answered. Raises `StreamBroken` as well."""
        work, request, ports = self._begin(messages, listen, options)
        return ChunkStream(drive_stream(stream(work, request), ports))

    def astream(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> AsyncChunkStream:
        work, request, ports = self._begin(messages, listen, options)
        return AsyncChunkStream(adrive_stream(stream(work, request), ports))

    # -- for hosts that make the call themselves

    def acquire(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> Reservation:
        """Wait for capacity and take it; the call to `reservation.deployment` may be sent when this returns."""
        work, _, ports = self._begin(messages, listen, options)
        return drive(acquire(work), ports)

    async def aacquire(self, messages: Messages, *, listen: Listener | None = None, **options: Any) -> Reservation:
        work, _, ports = self._begin(messages, listen, options)
        return await adrive(acquire(work), ports)

    def settle(self, reservation: Reservation, outcome: Outcome = ABANDONED) -> float | None:
        """Say how the call ended. Twice does no harm. Returns its cost in USD where that is known."""
        engine = self._live
        return drive(settle(self._deployment(reservation), reservation, outcome), engine.ports)

    async def asettle(self, reservation: Reservation, outcome: Outcome = ABANDONED) -> float | None:
        engine = self._live
        return await adrive(settle(self._deployment(reservation), reservation, outcome), engine.ports)

    # -- views

    def candidates(self, model: str | None = None) -> tuple[Deployment, ...]:
        """The deployments of a pool, or of `provider/model`; for `auto`, of the default pool."""
        engine = self._live
        name = engine.catalog.default_pool if model in (None, AUTO) else model
        assert name is not None
        return engine.planner.deployments(name)

    def explain(self, messages: Messages, **options: Any) -> Explanation:
        """Who would answer this now, and why not the others. Takes nothing and sends nothing."""
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        work, _, ports = self._begin(messages, None, options)
        readings = {r.id: r for r in ports.store.read(work.plan.options)}
        return _snapshot.explain(work, readings, ports.store.now())

    def status(self) -> dict[str, Any]:
        """Every pool and deployment as it stands: the mapping that `rotor status --json` prints."""
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        engine = self._live
        deployments = list(engine.catalog.deployments.values())
        readings = engine.store.read(_snapshot.options_of(deployments))
        at = engine.store.now()  # after the readings: what is open at their instant is open at this one
        return {
            "at": round(at, 3),
            "store": without_password(engine.catalog.store),
            "store_state": getattr(engine.store, "state", "ok"),
            "pools": {name: [s.deployment.id for s in pool.seats] for name, pool in engine.catalog.pools.items()},
            "deployments": [
                _snapshot.status_row(
                    d,
                    r,
                    engine.stats.read(d.id) | {"health": engine.health.score(d.id)},
                    engine.health.state(d.id, at)[0],
                    at,
                )
                for d, r in zip(deployments, readings, strict=True)
            ],
        }

    def limits(self, name: str | None = None) -> dict[str, Any]:
        """Every limit of deployments, and how it is known: the mapping that `rotor limits --json` prints.

        `name`: a deployment's id, `provider/model`, or a pool; None: all. Raises ConfigError for another name.
        """
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        engine = self._live
        deployments = self._named(name)
        readings = engine.store.read(_snapshot.options_of(deployments))
        at = engine.store.now()
        return {
            "at": round(at, 3),
            "store": without_password(engine.catalog.store),
            "store_state": getattr(engine.store, "state", "ok"),
            "deployments": [_snapshot.limits_row(d, r, at) for d, r in zip(deployments, readings, strict=True)],
        }

    def health(self, name: str | None = None) -> dict[str, dict[str, Any]]:
        """How deployments fare in this process, by id: breaker, availability, calls under way, what calls take.

        `name` as for `limits`. Raises ConfigError for another name.
        """
        engine = self._live
        at = engine.store.now()
        return {d.id: engine.health.read(d.id, at) for d in self._named(name)}

    def reset(self, name: str | None = None, *, windows: bool = False) -> tuple[str, ...]:
        """Forget rests, failures and learned limits of deployments, and with `windows` what was counted; return their ids.

        `name` as for `limits`. What deployments share (a quota's limits, a credential's rest) is forgotten for all that
        share it. Raises ConfigError for another name, StoreError where the store is out of reach.
        """
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        deployments = self._named(name)
        self._live.store.reset(_snapshot.options_of(deployments), windows=windows)
        self._live.health.forget([d.id for d in deployments])
        return tuple(d.id for d in deployments)

    async def areset(self, name: str | None = None, *, windows: bool = False) -> tuple[str, ...]:
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        deployments = self._named(name)
        await self._live.store.areset(_snapshot.options_of(deployments), windows=windows)
        self._live.health.forget([d.id for d in deployments])
        return tuple(d.id for d in deployments)

    def pool_state(self, model: str | None = None) -> dict[str, Any]:
        """How many deployments of a pool are available, waiting, cooling or invalid."""
        from rotor_core import _snapshot  # noqa: PLC0415  not needed to answer

        engine = self._live
        deployments = self.candidates(model)
        readings = engine.store.read(_snapshot.options_of(deployments))
        at = engine.store.now()
        breakers: list[BreakerState] = [engine.health.state(d.id, at)[0] for d in deployments]
        return _snapshot.pool_state(model or engine.catalog.default_pool, readings, at, breakers)

    def on(self, event: str | type[Event], listener: Listener) -> Callable[[], None]:
        """Listen to events of all requests, by name, class, or `*`. Returns a function that stops it. Raises ConfigError."""
        return self._live.hub.on(event, listener)

    # -- life

    def close(self) -> None:
        """Let go of the engine; the last to do so closes its connections. Twice does no harm."""
        engine, self._engine = self._engine, None
        if engine is not None and release(engine):
            engine.close()

    async def aclose(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None and release(engine):
            await engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __copy__(self) -> Self:
        return type(self)(self._live, self._origin)

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy elsewhere is made from the same configuration, not from this state. One made from a catalog cannot be."""
        engine = self._live
        if not engine.catalog.digest:
            raise TypeError("a Rotor made from a catalog in memory cannot be pickled; make it from a configuration")
        origin = dict(self._origin) if isinstance(self._origin, Mapping) else self._origin
        return type(self).from_config, (Path(origin) if isinstance(origin, os.PathLike) else origin,)

    def __repr__(self) -> str:
        if self._engine is None:
            return "Rotor(closed)"
        catalog = self._engine.catalog
        return f"Rotor({catalog.source}: {len(catalog.deployments)} deployments, pools {', '.join(catalog.pools)})"

    # -- inside

    @property
    def _live(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("this Rotor is closed; make another one")
        return self._engine

    def _named(self, name: str | None) -> Sequence[Deployment]:
        """A deployment by its id, those of `provider/model` or of a pool, or (None) all."""
        catalog = self._live.catalog
        if name is None:
            return tuple(catalog.deployments.values())
        if name in catalog.deployments:
            return (catalog.deployments[name],)
        if name in catalog.pools:
            return tuple(seat.deployment for seat in catalog.pools[name].seats)
        found = tuple(d for d in catalog.deployments.values() if d.name == name)
        if found:
            return found
        from difflib import get_close_matches  # noqa: PLC0415  only for this

        known = [*catalog.deployments, *dict.fromkeys(d.name for d in catalog.deployments.values()), *catalog.pools]
        near = get_close_matches(name, known, 1, 0.4)
        raise ConfigError(
            "there is no such deployment, model or pool",
            value=name,
            expected=None if near else ", ".join(catalog.deployments),
            suggestion=near[0] if near else None,
        )

    def _deployment(self, reservation: Reservation) -> Deployment:
        return self._live.ports.deployment(reservation.deployment)

    def _begin(
        self, messages: Messages, listen: Listener | None, options: dict[str, Any]
    ) -> tuple[Work, Request, Ports]:
        engine = self._live
        request = as_request(messages)
        if options:
            _refuse_unknown(options)
            options["deadline"] = _instant(options.get("deadline"), engine.store)
        work = prepare(
            engine.next_id(), request, Options(**options), engine.catalog, engine.planner, engine.calibration,
            heard=engine.hub.heard if listen is None else anybody,
        )  # fmt: skip
        return work, request, engine.ports if listen is None else _listening(engine.ports, listen)


_OPTIONS = tuple(field.name for field in fields(Options))


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in _OPTIONS:
            from difflib import get_close_matches  # noqa: PLC0415  only for this

            near = get_close_matches(name, _OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a provider's own parameters go into `Request.params`"
            raise TypeError(f"a request has no option {name!r}; there are {', '.join(_OPTIONS)}{hint}")


def as_request(messages: Messages) -> Request:
    """A text, a list of message dicts, or a `Request` as it is. Raises TypeError for anything else."""
    if isinstance(messages, Request):
        return messages
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    given: Any = messages
    if not isinstance(given, Sequence) or not all(isinstance(one, Mapping) for one in cast("list[object]", given)):
        raise TypeError("messages are a text, a list of dicts with `role` and `content`, or a `rotor_core.Request`")
    return Request(messages)


def _instant(deadline: Deadline, store: Store) -> float | None:
    """A deadline on the store's clock."""
    if deadline is None:
        return None
    return deadline.timestamp() if isinstance(deadline, datetime) else store.now() + float(deadline)


def _listening(ports: Ports, listen: Listener) -> Ports:
    """The same ports, with one listener more."""

    def emit(event: Event) -> None:
        ports.emit(event)
        tell(listen, event)

    return replace(ports, emit=emit)
