"""The proxy's door: `litellm_settings: {callbacks: ["rotor_litellm.proxy.handler"]}`, and nothing else.

The handler puts Rotor's strategy into the proxy's router at each request, if it is not there: so it is there again after
the router was made anew, or LiteLLM's own strategy was switched. A selection that comes before that (a retry of a
request that was under way, a router made for one request) is answered as a filter: LiteLLM is left one candidate.

`GET /rotor/status` shows what `rotor status --json` does, as the worker sees it that was asked. It asks for the proxy's own key.
"""

# ruff: noqa: ARG002  LiteLLM calls its hooks with keywords, so their signatures are its own

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from functools import wraps
from importlib import import_module
from typing import Any, Final

from rotor_core._adrive import adrive
from rotor_core._errors import RotorError
from rotor_litellm.advice import advise, advise_of_store, speaks
from rotor_litellm.choosing import choice, trail_of
from rotor_litellm.errors import for_litellm
from rotor_litellm.hooks import RotorHooks
from rotor_litellm.host import litellm
from rotor_litellm.request import is_call
from rotor_litellm.roster import Roster
from rotor_litellm.story import headers_for, story_of, told_by
from rotor_litellm.strategy import CHOOSING, RotorStrategy, installed_in
from rotor_litellm.trail import astray, asweep, noted

STATUS: Final = "/rotor/status"


class RotorHandler(RotorHooks):
    """One for the process: `handler`. Its engine is made of `$ROTOR_CONFIG`, or of the `rotor.yaml` that is found, if any."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  see `host`
        self._made: tuple[int, Roster] | None = None
        self._said: set[str] = set()

    @property
    def roster(self) -> Roster:
        """The deployments as Rotor knows them; a process that was forked off has one of its own."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), Roster(strict=False))
            advise_of_store(self._made[1].engine.catalog.store, self._said)
        return self._made[1]

    def take_over(self, router: Any) -> None:
        """See to it that Rotor chooses in this router."""
        if installed_in(router) is not None:
            return
        router.set_custom_routing_strategy(RotorStrategy(router, self.roster))
        if speaks():
            advise(router, self._said)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> None:
        router = router_of_proxy()
        if router is not None:
            self.take_over(router)

    async def async_filter_deployments(
        self, model: str, healthy_deployments: list[Any], messages: Any,
        request_kwargs: dict[str, Any] | None = None, parent_otel_span: Any = None,
    ) -> list[Any]:  # fmt: skip
        """Choose here where no strategy of ours will. Raises LiteLLM's errors."""
        kwargs: Mapping[str, Any] = request_kwargs or {}
        if CHOOSING.get() or not healthy_deployments or not is_call(kwargs):
            return healthy_deployments
        if astray():
            await asweep()
        candidates = litellm.utils.get_order_filtered_deployments(
            healthy_deployments, target_order=kwargs.get("_target_order")
        )
        for name in ("_excluded_deployment_ids", "_retry_skipped_deployment_ids"):
            left = litellm.utils.get_excluded_filtered_deployments(candidates, excluded_deployment_ids=kwargs.get(name))
            candidates = left or candidates
        table = self.roster.table(candidates)
        trail_of(kwargs)
        try:
            return [await adrive(choice(table, messages, kwargs.get("input"), kwargs, None), table.ports)]
        except RotorError as error:
            raise for_litellm(error, model) from error

    async def async_post_call_response_headers_hook(
        self,
        data: Mapping[str, Any],
        user_api_key_dict: Any,
        response: Any,
        request_headers: Any = None,
        litellm_call_info: Mapping[str, Any] | None = None,
    ) -> dict[str, str] | None:
        """Who answered, and after what. The proxy makes calls in a task of their own, so no trail is to be seen here."""
        story = told_by(response, data.get("litellm_logging_obj"))
        if story is None:  # a stream, which has only begun
            held = noted(data.get("litellm_call_id"), (litellm_call_info or {}).get("model_id"))
            story = story_of(held) if held is not None else None
        return headers_for(story) if story is not None else None

    async def status(self) -> dict[str, Any]:
        """What `rotor status --json` shows, and `worker`: whose view this is, and whether it counts alone.

        Limits and rests are those of the store, so with a shared store everybody's; counts of requests, latencies and
        health are this worker's own. Raises RotorError where the store does not answer.
        """
        router = router_of_proxy()
        if router is not None:
            self.take_over(router)
            self.roster.refreshed(router.model_list)
        told = await asyncio.to_thread(self.roster.rotor.status)  # a store may be far away
        return {**told, "worker": {"pid": os.getpid(), "alone": str(told["store"]).startswith("memory:")}}


def router_of_proxy() -> Any:
    """The router that the proxy has now; None outside a proxy, or while it has none."""
    return getattr(sys.modules.get("litellm.proxy.proxy_server"), "llm_router", None)


def add_route(server: Any) -> None:
    """Let a proxy serve `STATUS`, to whoever has its key."""
    fastapi: Any = import_module("fastapi")  # where there is a proxy, there is FastAPI
    own_check: Any = import_module("litellm.proxy.auth.user_api_key_auth").user_api_key_auth
    refusal: Any = import_module("litellm.proxy._types").ProxyException

    @wraps(own_check)
    async def has_key(*args: Any, **given: Any) -> Any:
        try:
            return await own_check(*args, **given)
        except ImportError as error:  # it refuses by way of its database's client, which need not be installed
            raise refusal(
                message="Authentication Error, this needs a key of this proxy's",
                type="auth_error",
                param="None",
                code=401,
            ) from error

    async def status() -> dict[str, Any]:
        try:
            return await handler.status()
        except RotorError as error:
            raise refusal(message=str(error), type="service_unavailable", param="None", code=503) from error

    if all(getattr(route, "path", None) != STATUS for route in server.app.routes):
        server.app.add_api_route(STATUS, status, methods=["GET"], dependencies=[fastapi.Depends(has_key)])


handler: Final = RotorHandler()


def begin(server: Any) -> None:
    """Said once, when a proxy reads its callbacks. Raises ConfigError: better that it does not start than that no request passes."""
    add_route(server)
    _ = handler.roster


if "litellm.proxy.proxy_server" in sys.modules:
    begin(sys.modules["litellm.proxy.proxy_server"])
