"""`install(router)`: Rotor chooses among the deployments of a `litellm.Router`, instead of the strategy that it was made with.

LiteLLM's own filters are asked first (teams, tags, health checks, other callbacks, `order`, pre-call checks), and Rotor
chooses among whom they leave: free capacity first, nobody beyond a limit, and it waits for capacity rather than fail.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from inspect import unwrap
from typing import Any, Final, cast

from rotor_core import _snapshot
from rotor_core._adrive import adrive
from rotor_core._drive import drive
from rotor_core._errors import ConfigError, RotorError
from rotor_core.rotor import Rotor, Source
from rotor_litellm.advice import advise
from rotor_litellm.choosing import choice, glimpse, trail_of, work_of
from rotor_litellm.dispatch import preload
from rotor_litellm.errors import for_litellm
from rotor_litellm.hooks import HOOKS
from rotor_litellm.host import CustomRoutingStrategyBase, RouterRateLimitError, litellm, register
from rotor_litellm.request import is_call, wanted
from rotor_litellm.roster import Roster
from rotor_litellm.trail import sweep

CHOOSING: Final[ContextVar[bool]] = ContextVar("rotor_litellm_choosing", default=False)
"""Whether a strategy of ours is asking LiteLLM's filters, and will choose itself."""

Found = Sequence[Mapping[str, Any]] | Mapping[str, Any]


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
        candidates = _several(self._listed(model, messages, given, None, kwargs))
        engine = self._engine(candidates)
        asked = wanted(messages, given, kwargs)
        try:
            work = work_of(engine, candidates, asked, None)
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
        sweep()
        found = await self._filtered(model, messages, input, specific_deployment, kwargs)
        candidates = _several(found)
        engine = self._engine(candidates)
        if not is_call(kwargs):
            return self._shown(engine, candidates, messages, input, kwargs, model)
        trail_of(kwargs)
        story = choice(engine, candidates, messages, input, kwargs, self._patience(model, kwargs))
        try:
            return await adrive(story, engine.ports)
        except RotorError as error:
            raise for_litellm(error, model) from error

    def get_available_deployment(
        self, model: str, messages: Any = None, input: Any = None,  # noqa: A002  as above
        specific_deployment: bool | None = False, request_kwargs: dict[str, Any] | None = None,  # noqa: FBT001, FBT002  as above
    ) -> Any:  # fmt: skip
        """The same, blocking. LiteLLM asks callbacks of nobody's on this path."""
        kwargs: dict[str, Any] = {} if request_kwargs is None else request_kwargs
        sweep()
        candidates = _several(self._listed(model, messages, input, specific_deployment, kwargs))
        engine = self._engine(candidates)
        if not is_call(kwargs):
            return self._shown(engine, candidates, messages, input, kwargs, model)
        trail_of(kwargs)
        story = choice(engine, candidates, messages, input, kwargs, self._patience(model, kwargs))
        try:
            return drive(story, engine.ports)
        except RotorError as error:
            raise for_litellm(error, model) from error

    def _engine(self, candidates: Sequence[Mapping[str, Any]]) -> Any:
        self.roster.refreshed(self._router().model_list)
        try:
            # A client's own key, a team's alias: entries that are in no list.
            return self.roster.with_all(candidates)
        except ConfigError as error:
            raise for_litellm(error, str(candidates[0].get("model_name"))) from error

    @staticmethod
    def _shown(engine: Any, candidates: Any, messages: Any, given: Any, kwargs: Any, model: str) -> Any:
        try:
            return glimpse(engine, candidates, messages, given, kwargs)
        except RotorError as error:
            raise for_litellm(error, model) from error

    async def _filtered(self, model: str, messages: Any, given: Any, specific: object, kwargs: dict[str, Any]) -> Found:
        """Whom LiteLLM's filters leave. Where all are in its cooldown, that is no reason: who fails, Rotor knows by itself."""
        router = self._router()
        token = CHOOSING.set(True)
        try:
            return cast("Found", await router.async_get_healthy_deployments(
                model=model, request_kwargs=kwargs, messages=messages, input=given, specific_deployment=specific
            ))  # fmt: skip
        except RouterRateLimitError as error:
            if not error.all_deployments_in_cooldown:
                raise
        finally:
            CHOOSING.reset(token)
        return self._listed(model, messages, given, specific, kwargs)

    def _listed(self, model: str, messages: Any, given: Any, specific: object, kwargs: dict[str, Any]) -> Found:
        """Whom LiteLLM's blocking path has before it chooses, but for its cooldowns."""
        router = self._router()
        _, found = router._common_checks_available_deployment(  # noqa: SLF001  the blocking path has no public part
            model=model, messages=messages, input=given, specific_deployment=specific, request_kwargs=kwargs
        )
        if isinstance(found, Mapping):
            return cast("Found", found)
        found = router._filter_blocked_deployments(found)  # noqa: SLF001  as above
        if router.enable_pre_call_checks and (messages is not None or given is not None):
            found = router._pre_call_checks(  # noqa: SLF001  as above
                model=model, healthy_deployments=found, messages=messages, input=given, request_kwargs=kwargs
            )
        found = litellm.utils.get_order_filtered_deployments(found, target_order=kwargs.pop("_target_order", None))
        skipped = kwargs.pop("_excluded_deployment_ids", None)
        found = litellm.utils.get_excluded_filtered_deployments(found, excluded_deployment_ids=skipped)
        if not found:
            raise for_litellm(ConfigError("no deployment is left of this model group", key="model", value=model), model)
        return cast("Found", found)

    def _patience(self, model: str, kwargs: Mapping[str, Any]) -> float | None:
        """A group that has a fallback is worth waiting for only as long as a free seat is while a paid one is open."""
        written: Any = kwargs.get("fallbacks") or self._router().fallbacks or ()
        for fallback in written:
            if isinstance(fallback, Mapping) and model in fallback:
                return self.roster.engine.catalog.policy.max_wait_for_free
        return None


def install(router: Any, config: Source = None) -> RotorStrategy:
    """Let Rotor choose among the deployments of a `litellm.Router`, in `completion` and `acompletion` alike.

    `config`: a `rotor.yaml`, as a path or a mapping, for the store, the policy, rules, and limits of models that
    `model_list` does not state; None: wherever one is found. A second call replaces the first one's strategy. Raises
    ConfigError for a `model_info.rotor` or a configuration that cannot be used, TypeError for what is no Router.
    """
    if not hasattr(router, "set_custom_routing_strategy") or not hasattr(router, "model_list"):
        raise TypeError(f"install takes a litellm.Router, not a {type(router).__name__}")
    strategy = RotorStrategy(router, Roster(config))
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
    return (found,) if isinstance(found, Mapping) else found
