"""What LiteLLM tells of each attempt, passed on to the engine. One logger serves every router: trails know their own.

A call that is not streamed is settled in its task, before its caller has the answer. A stream is settled when LiteLLM
has assembled it, a blocking call when LiteLLM's logging gets to it. Hooks pass over calls that Rotor did not choose.
"""

# ruff: noqa: ARG002  LiteLLM calls its hooks with keywords, so their signatures are its own

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rotor_core._acquire import abandon
from rotor_core._adrive import adrive
from rotor_core._commands import Flow
from rotor_core._drive import drive
from rotor_core._ledger import NOTHING_USED
from rotor_litellm.dispatch import going_out
from rotor_litellm.guards import timeout_of
from rotor_litellm.host import CustomLogger, litellm
from rotor_litellm.request import is_mapping
from rotor_litellm.settling import failed, succeeded
from rotor_litellm.story import mark, story_of
from rotor_litellm.trail import CURRENT, Held, Mark, Trail, current, follow, named_in, note, noted, under_way


class RotorHooks(CustomLogger):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]  see `host`
    """To be registered once, by `host.register`."""

    def pre_call_check(self, deployment: dict[str, Any]) -> None:
        """A blocking call is about to be made."""
        held = current(deployment)
        if held is not None:
            held.begun = _silent(deployment.get("litellm_params"))

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Just before the call: it is not waited for longer than such calls take."""
        held = current(kwargs)
        if held is None:
            return None
        held.begun = _silent(kwargs)
        note(held, kwargs.get("litellm_call_id"))
        record = kwargs.get("litellm_logging_obj")
        if record is not None:
            follow(held, record)
            held.followed = True
        seconds = timeout_of(held, kwargs)
        if seconds is None:
            return None
        kwargs["timeout"] = seconds
        return kwargs

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: dict[str, Any]) -> None:
        """The request goes out: the provider counts from here."""
        held = current(kwargs.get("litellm_params"))
        if held is None:
            return
        note(held, kwargs.get("litellm_call_id"))
        if not held.followed:
            held.followed = True
            follow(held, kwargs.setdefault(_MARK, Mark(kwargs if held.streamed else {})))
        held.begun = held.sent = True
        held.started = held.engine.store.now()
        going_out(held)

    async def async_post_call_success_deployment_hook(
        self, request_data: dict[str, Any], response: Any, call_type: Any
    ) -> None:
        held = current(request_data)
        if held is not None and held.end():
            await adrive(succeeded(held, response), held.engine.ports)
            # Beside the call's record it is looked for by the proxy alone.
            record = request_data.get("litellm_logging_obj") if _PROXY in sys.modules else None
            mark(response, story_of(held), record)

    async def async_post_call_failure_deployment_hook(
        self,
        request_data: Mapping[str, Any],
        exception: Exception,
        call_type: Any,
        fallback_depth: int | None = None,
    ) -> None:
        held = current(request_data)
        if held is not None and held.end():
            await adrive(failed(held, CURRENT.get(), exception, call_type), held.engine.ports)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """A stream's end, for the most part: other calls have been settled by now."""
        held = _noted(kwargs)
        if held is not None and held.end():
            await adrive(_ended(held, kwargs, response_obj), held.engine.ports)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        held = _noted(kwargs)
        if held is not None and held.end():
            await adrive(failed(held, _trail(held), _error_in(kwargs), kwargs.get("call_type")), held.engine.ports)

    def log_success_event(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Of blocking calls: their only news."""
        held = _noted(kwargs)
        if held is not None and held.end():
            drive(_ended(held, kwargs, response_obj), held.engine.ports)

    def log_failure_event(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        held = _noted(kwargs) if not _is_async(kwargs) else None
        if held is not None and held.end():
            drive(failed(held, _trail(held), _error_in(kwargs), kwargs.get("call_type")), held.engine.ports)


HOOKS: Final = RotorHooks()
_MARK: Final = "rotor_mark"
"""Where a `Mark` stands in LiteLLM's notes."""
_PROXY: Final = "litellm.proxy.proxy_server"


def _ended(held: Held, kwargs: Mapping[str, Any], response: object) -> Flow[None]:
    if kwargs.get("cache_hit") and not held.sent:
        yield from abandon(held.reservation.id, NOTHING_USED)
        return
    begun, sent = kwargs.get("completion_start_time"), kwargs.get("api_call_start_time")
    if held.streamed and isinstance(begun, datetime) and isinstance(sent, datetime):
        held.first_chunk = max(0.0, (begun - sent).total_seconds())
    yield from succeeded(held, response)


def _silent(params: object) -> bool:
    """Whether nothing will be told of when this call goes out: so it is with custom providers, who do that by themselves."""
    own: list[Mapping[str, Any]] = litellm.custom_provider_map
    if not own or not is_mapping(params):
        return False
    given = params.get("custom_llm_provider") or str(params.get("model") or "").partition("/")[0]
    return any(entry.get("provider") == given for entry in own)


def _noted(kwargs: Mapping[str, Any]) -> Held | None:
    return noted(kwargs.get("litellm_call_id"), named_in(kwargs.get("litellm_params"))) if under_way() else None


def _trail(held: Held) -> Trail | None:
    trail = CURRENT.get()
    return trail if trail is not None and trail.progress is held.progress else None


def _is_async(kwargs: Mapping[str, Any]) -> bool:
    params: object = kwargs.get("litellm_params")
    return is_mapping(params) and any(
        params.get(name) for name in ("acompletion", "aembedding", "atext_completion", "atranscription", "aresponses")
    )


def _error_in(kwargs: Mapping[str, Any]) -> BaseException:
    error: Any = kwargs.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError("LiteLLM did not say what failed")
