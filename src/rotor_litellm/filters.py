"""Whom LiteLLM leaves to choose among, but for its cooldowns: who fails, and until when, Rotor knows by itself.

On an event loop LiteLLM has a public method for that. Its blocking path has none: there the same steps are taken, in its
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
_MEANT: Final = ("_target_order", "_excluded_deployment_ids", "_retry_skipped_deployment_ids")
"""What the Router says in a request's arguments of whom it means for this attempt."""

Found = Sequence[Entry] | Entry
"""Several, or the one whose id was asked for."""


async def afiltered(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> Found:
    """On an event loop. Raises LiteLLM's errors where nobody is left."""
    meant = {name: kwargs[name] for name in _MEANT if name in kwargs}
    try:
        return cast("Found", await router.async_get_healthy_deployments(
            model=model, request_kwargs=kwargs, messages=messages, input=given, specific_deployment=specific
        ))  # fmt: skip
    except RouterRateLimitError as error:
        if not getattr(error, "all_deployments_in_cooldown", False):
            raise
    kwargs.update(meant)  # it has taken them out
    found = filtered(router, model, messages, given, specific, kwargs)
    if isinstance(found, Mapping):
        return found
    left = await router.async_callback_filter_deployments(
        model=model, healthy_deployments=list(found), messages=messages, request_kwargs=kwargs, parent_otel_span=None
    )
    by_tag = getattr(_module("litellm.router_strategy.tag_based_routing"), "get_deployments_for_tag", None)
    if by_tag is None:
        _say("get_deployments_for_tag", "tags are not asked while a whole group is in cooldown")
    else:
        bucket = "litellm_metadata" if "litellm_metadata" in kwargs else "metadata"
        left = await by_tag(
            llm_router_instance=router, model=model, healthy_deployments=left, request_kwargs=kwargs,
            metadata_variable_name=bucket,
        )  # fmt: skip
    if not left:
        raise nobody(model)
    return cast("Found", left)


def filtered(
    router: Any, model: str, messages: Any, given: Any, specific: object, kwargs: MutableMapping[str, Any]
) -> Found:
    """The same, blocking."""
    found = _resolved(router, model, messages, given, specific, kwargs)
    several: Any = [found] if isinstance(found, Mapping) else found
    left: Any = [e for e in several if _info(e).get("blocked") is not True]
    if several and not left:
        raise litellm.ServiceUnavailableError(
            message=f"Model '{model}' is currently paused and cannot accept requests.", model=model, llm_provider=""
        )
    if isinstance(found, Mapping):
        return cast("Found", found)
    utils = _module("litellm.router_utils.common_utils")
    left = _ask(utils, "filter_team_based_models", left, healthy_deployments=left, request_kwargs=kwargs)
    if getattr(router, "enable_health_check_routing", False):
        left = _ask(router, "_filter_health_check_unhealthy_deployments", left, healthy_deployments=left)
    if getattr(router, "enable_pre_call_checks", False) and (messages is not None or given is not None):
        left = _ask(
            router, "_pre_call_checks", left,
            model=model, healthy_deployments=left, messages=messages, input=given, request_kwargs=kwargs,
        )  # fmt: skip
    left = narrowed(left, kwargs)
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
    _say("Router._common_checks_available_deployment", "teams, access groups and access windows are not asked")
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
    "_pre_call_checks": "its pre-call checks are not asked",
    "get_order_filtered_deployments": "`order` is not looked at",
    "get_excluded_filtered_deployments": "its weighted failover is not looked at",
}


def _info(entry: Entry) -> Mapping[str, Any]:
    info: Any = entry.get("model_info")
    return info or {}


@cache
def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _ask(owner: Any, name: str, entries: Any, *given: Any, **named: Any) -> Any:
    """What LiteLLM's own filter leaves of the entries; all of them where it has no such filter any more."""
    method: Callable[..., Any] | None = getattr(owner, name, None)
    if method is None:
        _say(name, _LOST[name])
        return entries
    return method(*given, **named)


@cache
def _say(name: str, lost: str) -> None:
    """Once."""
    logger.warning("LiteLLM %s has no %s, so where it leaves the choice to Rotor %s", installed(), name, lost)
