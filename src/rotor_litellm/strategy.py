"""`install(router)`: Rotor chooses among the deployments of a `litellm.Router`, instead of the strategy that it was made with.

LiteLLM's own routers and filters are asked first (auto routers, routing plugins, teams, tags, health checks, other callbacks, `order`, pre-call checks), and Rotor
chooses among whom they leave: free capacity first, nobody beyond a limit, and it waits for capacity rather than fail.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from inspect import unwrap
from typing import Any, Final

from rotor_core import _snapshot
from rotor_core._adrive import adrive
from rotor_core._drive import drive
from rotor_core._errors import ConfigError, RotorError
from rotor_core.rotor import Rotor, Source
from rotor_litellm.advice import advise
from rotor_litellm.choosing import choice, glimpse, trail_of, work_of
from rotor_litellm.dispatch import preload
from rotor_litellm.errors import for_litellm
from rotor_litellm.fallbacks import goes_on
from rotor_litellm.filters import Found, afiltered, filtered, nobody, refuse_blocking, rerouted
from rotor_litellm.hooks import HOOKS
from rotor_litellm.host import CustomRoutingStrategyBase, register
from rotor_litellm.request import is_call, wanted
from rotor_litellm.roster import Roster, Table
from rotor_litellm.trail import CURRENT, astray, asweep, sweep

CHOOSING: Final[ContextVar[bool]] = ContextVar("rotor_litellm_choosing", default=False)
"""Whether a strategy of ours is asking LiteLLM's filters, and will choose itself."""


class RotorStrategy(CustomRoutingStrategyBase):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]  see `host`
    """One router's strategy. `rotor` is the engine, to listen to (`on`) and to look at (`status`, `limits`)."""

    def __init__(self, router: Any, roster: Roster) -> None:
        """Made by `install`. Raises ConfigError for an entry that the roster cannot read."""
        self._router: Any = weakref.ref(router)  # the router holds us
        self.roster = roster
        roster.refreshed(router.model_list)
        preload()

    @property
    def rotor(self) -> Rotor:
        """The engine over the router's present deployments."""
        self.roster.refreshed(self._router().model_list)
        return self.roster.rotor

    def explain(self, model: str, messages: Any = None, given: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Who would be chosen for this now, and why not the others. Takes nothing. Raises LiteLLM's errors.

        `messages`, `given` (LiteLLM's `input`) and keywords: as for the endpoint's own method. The mapping of
        `Rotor.explain`, with `tokens`: `estimated`, or `unknown` where only the request itself can be counted beforehand.
        """
        table = self._table(_several(filtered(self._router(), model, messages, given, None, dict(kwargs))))
        asked, engine = wanted(messages, given, kwargs), table.engine
        try:
            work = work_of(table, asked, None)
            readings = {r.id: r for r in engine.store.read(work.plan.options)}
        except RotorError as error:
            raise for_litellm(error, model) from error
        told = _snapshot.explain(work, readings, engine.store.now()).to_dict()
        return {**told, "tokens": "unknown" if asked.operation == "unknown" else "estimated"}

    async def async_get_available_deployment(
        self, model: str, messages: Any = None, input: Any = None,  # noqa: A002  LiteLLM's signature
        specific_deployment: bool | None = False, request_kwargs: dict[str, Any] | None = None,  # noqa: FBT001, FBT002  as above
    ) -> Any:  # fmt: skip
        """Wait for capacity and take it; return the deployment that is to be called. Raises LiteLLM's errors."""
        kwargs: dict[str, Any] = {} if request_kwargs is None else request_kwargs
        model, messages = await self._rerouted(model, messages, input, specific_deployment, kwargs)
        found = await self._filtered(model, messages, input, specific_deployment, kwargs)
        table = self._table(_several(found))
        if not is_call(kwargs):
            return self._shown(table, messages, input, kwargs, model)
        trail_of(kwargs)
        if astray():  # when the trail of the request before is gone
            await asweep()
        story = choice(table, messages, input, kwargs, self._patience(model, kwargs))
        try:
            return await adrive(story, table.ports)
        except RotorError as error:
            raise for_litellm(error, model) from error

    def get_available_deployment(
        self, model: str, messages: Any = None, input: Any = None,  # noqa: A002  as above
        specific_deployment: bool | None = False, request_kwargs: dict[str, Any] | None = None,  # noqa: FBT001, FBT002  as above
    ) -> Any:  # fmt: skip
        """The same, blocking. LiteLLM asks callbacks of nobody's on this path; ValueError where routing plugins would be passed over."""
        refuse_blocking(self._router())
        kwargs: dict[str, Any] = {} if request_kwargs is None else request_kwargs
        table = self._table(_several(filtered(self._router(), model, messages, input, specific_deployment, kwargs)))
        if not is_call(kwargs):
            return self._shown(table, messages, input, kwargs, model)
        trail_of(kwargs)
        if astray():  # when the trail of the request before is gone
            sweep()
        story = choice(table, messages, input, kwargs, self._patience(model, kwargs))
        try:
            return drive(story, table.ports)
        except RotorError as error:
            raise for_litellm(error, model) from error

    def _table(self, candidates: Sequence[Mapping[str, Any]]) -> Table:
        try:
            self.roster.refreshed(self._router().model_list)
            return self.roster.table(candidates)
        except ConfigError as error:
            raise for_litellm(error, str(candidates[0].get("model_name"))) from error

    @staticmethod
    def _shown(table: Table, messages: Any, given: Any, kwargs: Any, model: str) -> Any:
        try:
            found = glimpse(table, messages, given, kwargs)
        except RotorError as error:
            raise for_litellm(error, model) from error
        if found is None:
            raise nobody(model)
        return found

    async def _rerouted(
        self, model: str, messages: Any, given: Any, specific: object, kwargs: dict[str, Any]
    ) -> tuple[str, Any]:
        token = CURRENT.set(None)  # an auto router may ask a model itself: that is a request of its own
        try:
            return await rerouted(self._router(), model, messages, given, specific, kwargs)
        finally:
            CURRENT.reset(token)

    async def _filtered(self, model: str, messages: Any, given: Any, specific: object, kwargs: dict[str, Any]) -> Found:
        token = CHOOSING.set(True)
        try:
            return await afiltered(self._router(), model, messages, given, specific, kwargs)
        finally:
            CHOOSING.reset(token)

    def _patience(self, model: str, kwargs: Mapping[str, Any]) -> float | None:
        """A group that has a fallback is worth waiting for only as long as a free seat is while a paid one is open."""
        going = goes_on(self._router(), model, kwargs)
        return self.roster.engine.catalog.policy.max_wait_for_free if going else None


def install(router: Any, config: Source = None) -> RotorStrategy:
    """Let Rotor choose among the deployments of a `litellm.Router`, in `completion` and `acompletion` alike.

    `config`: a `rotor.yaml`, as a path or a mapping, for the store, the policy, rules, and limits of models that
    `model_list` does not state; None: wherever one is found. A second call replaces the first one's strategy. Raises
    ConfigError for a `model_info.rotor` or a configuration that cannot be used, TypeError for what is no Router or no
    configuration at all. An entry that joins later and cannot be read is told of in the log, and its limits count as unknown.
    """
    if not hasattr(router, "set_custom_routing_strategy") or not hasattr(router, "model_list"):
        raise TypeError(f"install takes a litellm.Router, not a {type(router).__name__}")
    strategy = RotorStrategy(router, Roster(config))
    strategy.roster.strict = False
    router.set_custom_routing_strategy(strategy)
    register(HOOKS)
    advise(router)
    return strategy


def installed_in(router: Any) -> RotorStrategy | None:
    """The strategy of ours that a router has now; LiteLLM takes it away when its own is switched."""
    method: Any = getattr(router, "async_get_available_deployment", None)
    owner: Any = getattr(unwrap(method), "__self__", None)  # LiteLLM 1.109 wraps what it was given
    return owner if isinstance(owner, RotorStrategy) else None


def _several(found: Found) -> Sequence[Mapping[str, Any]]:
    if isinstance(found, list):
        return found
    return (found,) if isinstance(found, Mapping) else found
