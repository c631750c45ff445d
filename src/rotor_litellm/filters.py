"""Whom LiteLLM leaves to choose among, but for its cooldowns: who fails, and until when, Rotor knows by itself.

First of all a hook of LiteLLM's may name another model group (auto routers) or narrow the choice (routing plugins); it is
asked on an event loop alone. On an event loop LiteLLM has a public method for the rest, too. Its blocking path has none: there the same steps are taken, in its
order, with the methods that it keeps to itself. One that a release no longer has is done without, and the log says once what
is not asked any more. Callbacks are asked on an event loop alone; that is LiteLLM's own rule.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

from rotor_litellm.host import RouterRateLimitError, installed, litellm

logger: Final = logging.getLogger("rotor")

Entry = Mapping[str, Any]
HANDLERS: Final = "litellm.router_utils.fallback_event_handlers"
_COMMON: Final = "litellm.router_utils.common_utils"
_MEANT: Final = ("_target_order", "_excluded_deployment_ids", "_retry_skipped_deployment_ids")
"""What the Router says in a request's arguments of whom it means for this attempt."""

Found = Sequence[Entry] | Entry
"""Several, or the one whose id was asked for."""


async def rerouted(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> tuple[str, Any]:
    """The model group and the messages that LiteLLM's hook before routing makes of these. Raises what its plugins raise."""
    hook: Any = getattr(router, "async_pre_routing_hook", None)
    if hook is None:
        say("Router.async_pre_routing_hook", "auto routers and routing plugins are not asked")
        return model, messages
    found = await hook(model=model, request_kwargs=kwargs, messages=messages, input=given, specific_deployment=specific)
    responses, picked = given is not None and messages is None, None
    if found is not None:
        model, messages, picked = found.model, found.messages, found.litellm_params
        _ask(part(HANDLERS), "record_pre_routing_selection", None, kwargs, model)
    pinned = _ask(
        router, "_pin_tier_params_onto_request", None,
        model=model, tier_litellm_params=picked, request_kwargs=kwargs, responses_call=responses,
    )  # fmt: skip
    if not pinned:
        _ask(router, "_restore_client_ceiling_no_tier_pins", None, kwargs)
    return model, messages


def refuse_blocking(router: Any) -> None:
    """Raises ValueError, as LiteLLM does, for a blocking call where routing plugins are to be asked: no policy is to be got round."""
    if getattr(router, "routing_plugins", None):
        raise ValueError(
            "this Router has routing plugins (`plugins=[...]`), which LiteLLM asks on an event loop alone: "
            "call the asynchronous method (`acompletion`), or make the Router without them"
        )


async def afiltered(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> Found:
    """On an event loop. Raises LiteLLM's errors where nobody is left."""
    meant = {name: kwargs[name] for name in _MEANT if name in kwargs}
    try:
        return cast("Found", await router.async_get_healthy_deployments(
            model=model, request_kwargs=kwargs, messages=messages, input=given, specific_deployment=specific
        ))  # fmt: skip
    except ValueError as error:
        if not _cooled(router, error):
            raise
    kwargs.update(meant)  # it has taken them out
    found = _able(router, model, messages, given, specific, kwargs)
    if isinstance(found, Mapping):
        return found
    left = _ask(part(_COMMON), "filter_web_search_deployments", found, healthy_deployments=found, request_kwargs=kwargs)
    left = await router.async_callback_filter_deployments(
        model=model, healthy_deployments=list(left), messages=messages, request_kwargs=kwargs, parent_otel_span=None
    )
    by_tag = getattr(part("litellm.router_strategy.tag_based_routing"), "get_deployments_for_tag", None)
    if by_tag is None:
        say("get_deployments_for_tag", "tags are not asked while a whole group is in cooldown")
    else:
        bucket = "litellm_metadata" if "litellm_metadata" in kwargs else "metadata"
        left = await by_tag(
            llm_router_instance=router, model=model, healthy_deployments=left, request_kwargs=kwargs,
            metadata_variable_name=bucket,
        )  # fmt: skip
    name = "_filter_by_routing_plugin_candidates"
    return _meant(model, _ask(router, name, left, healthy_deployments=left, request_kwargs=kwargs), kwargs)


def _cooled(router: Any, error: ValueError) -> bool:
    """Whether cooldowns may have left nobody. Routing plugins then say that it was they, and are asked once more below."""
    if isinstance(error, RouterRateLimitError):
        return bool(getattr(error, "all_deployments_in_cooldown", False))
    return bool(getattr(router, "routing_plugins", None)) and hasattr(router, "_filter_by_routing_plugin_candidates")


def filtered(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> Found:
    """The same, blocking."""
    found = _able(router, model, messages, given, specific, kwargs)
    return found if isinstance(found, Mapping) else _meant(model, found, kwargs)


def _able(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> Found:
    """What both ways ask before tags and `order`."""
    found = _resolved(router, model, messages, given, specific, kwargs)
    several: Any = [found] if isinstance(found, Mapping) else found
    left: Any = [e for e in several if _info(e).get("blocked") is not True]
    if several and not left:
        raise litellm.ServiceUnavailableError(
            message=f"Model '{model}' is currently paused and cannot accept requests.", model=model, llm_provider=""
        )
    if isinstance(found, Mapping):
        return cast("Found", found)
    left = _ask(part(_COMMON), "filter_team_based_models", left, healthy_deployments=left, request_kwargs=kwargs)
    if getattr(router, "enable_health_check_routing", False):
        left = _ask(router, "_filter_health_check_unhealthy_deployments", left, healthy_deployments=left)
    if getattr(router, "enable_pre_call_checks", False) and (messages is not None or given is not None):
        left = _ask(
            router, "_pre_call_checks", left,
            model=model, healthy_deployments=left, messages=messages, input=given, request_kwargs=kwargs,
        )  # fmt: skip
    return cast("Found", left)


def _meant(model: str, entries: Any, kwargs: MutableMapping[str, Any]) -> Found:
    left = narrowed(entries, kwargs)
    if not left:
        raise nobody(model)
    return cast("Found", left)


def narrowed(entries: Any, kwargs: MutableMapping[str, Any]) -> Any:
    """Of these, whom the Router means for this attempt: an `order`, who has not failed it. What it says of that is taken out."""
    order, excluded, skipped = (kwargs.pop(name, None) for name in _MEANT)
    entries = _ask(litellm.utils, "get_order_filtered_deployments", entries, entries, target_order=order)
    if excluded:
        name = "get_excluded_filtered_deployments"
        entries = _ask(litellm.utils, name, entries, entries, excluded_deployment_ids=excluded)
    if isinstance(skipped, tuple):
        entries = [e for e in entries if _info(e).get("id") not in skipped] or entries
    return entries


def nobody(model: str) -> Exception:
    """LiteLLM's own error for a model group of which no deployment is left."""
    text = f"no deployment is left of the model group {model!r}"
    made: Exception = litellm.BadRequestError(message=text, llm_provider="rotor", model=model)
    return made


def _resolved(router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: Any) -> Any:
    """The deployments of a model group, alias, routing group, wildcard; or the one of an id."""
    method: Any = getattr(router, "_common_checks_available_deployment", None)
    if method is not None:
        return method(model=model, messages=messages, input=given, specific_deployment=specific, request_kwargs=kwargs)[
            1
        ]
    say("Router._common_checks_available_deployment", "teams, access groups and access windows are not asked")
    found: Any = router.get_model_list(model_name=model)
    if found:
        return found
    one: Any = router.get_deployment(model_id=model)
    if one is None:
        raise nobody(model)
    return one.model_dump(exclude_none=True)


_LOST: Final[Mapping[str, str]] = {
    "filter_team_based_models": "teams are not asked",
    "_filter_health_check_unhealthy_deployments": "its health checks are not asked",
    "filter_web_search_deployments": "web search is not asked while a whole group is in cooldown",
    "_filter_by_routing_plugin_candidates": "routing plugins are not asked while a whole group is in cooldown",
    "record_pre_routing_selection": "fallbacks of the group that an auto router picks are not looked up",
    "_pin_tier_params_onto_request": "parameters of an auto router's tier are not set",
    "_restore_client_ceiling_no_tier_pins": "a fallback may keep the token limit of an auto router's tier",
    "_pre_call_checks": "its pre-call checks are not asked",
    "get_order_filtered_deployments": "`order` is not looked at",
    "get_excluded_filtered_deployments": "its weighted failover is not looked at",
}


def _info(entry: Entry) -> Mapping[str, Any]:
    info: Any = entry.get("model_info")
    return info or {}


@cache
def part(name: str) -> Any:
    """A module of LiteLLM's; None where a release has it no more."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _ask(owner: Any, name: str, without: Any, *given: Any, **named: Any) -> Any:
    """What LiteLLM's own function says, a filter of entries for the most part; `without` where it has none of the name any more."""
    method: Callable[..., Any] | None = getattr(owner, name, None)
    if method is None:
        say(name, _LOST[name])
        return without
    return method(*given, **named)


@cache
def say(name: str, lost: str) -> None:
    """What is not asked any more is told once."""
    logger.warning("LiteLLM %s has no %s, so where it leaves the choice to Rotor %s", installed(), name, lost)
