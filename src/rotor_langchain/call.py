"""One call's arguments, sorted: what the provider is sent, what the engine is told, and what is for neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from rotor_core._request import Request
from rotor_langchain.messages import to_wire
from rotor_langchain.tools import to_tools

if TYPE_CHECKING:
    from rotor_langchain.chat_model import ChatRotor

RUN: Final = "_rotor_run"
"""The keyword under which a call carries its run to where it is answered. Never sent, traced or part of a cache's key."""

HOW: Final = ("priority", "deadline", "timeout", "max_retries")
"""Keywords that say how a call is made. The answer does not depend on them, so a cache's key does not either."""

_TOKENS: Final = ("max_tokens", "max_completion_tokens")


def options_of(chat: ChatRotor, kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the engine is told. Takes it out of `kwargs`; a call's own word comes before the model's."""
    options: dict[str, Any] = {}
    model = kwargs.pop("model", None) or chat.model
    if model is not None:
        options["model"] = model
    task = kwargs.pop("task", None) or chat.task
    if task is not None:
        options["task"] = task
    priority = kwargs.pop("priority", None)
    if priority is None:
        priority = chat.priority
    if priority:
        options["priority"] = priority
    for name in ("deadline", "timeout"):
        value = kwargs.pop(name, None)
        if value is None:
            value = getattr(chat, name)
        if value is not None:
            options[name] = value
    retries = kwargs.pop("max_retries", None)
    if retries is None:
        retries = chat.max_retries
    if retries is not None:
        options["max_attempts"] = retries + 1
    return options


def request_of(
    chat: ChatRotor, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
) -> Request:
    """What the provider is sent: the messages, and every keyword that is not ours, as it stands."""
    tools: Any = kwargs.pop("tools", None) or ()
    if any(not isinstance(tool, dict) or "type" not in tool for tool in tools):
        tools = to_tools(tools)
    choice = kwargs.pop("tool_choice", None)
    response_format = kwargs.pop("response_format", None)
    kwargs.pop("stream", None)
    return Request(
        to_wire(messages),
        tools,
        choice if tools else None,
        response_format,
        params_of(chat, stop, kwargs),
        messages if chat.models is not None else None,
    )


def params_of(chat: ChatRotor, stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the answer: the model's own, then the call's. One that is None is not sent."""
    params = chat.default_params()
    if any(kwargs.get(name) is not None for name in _TOKENS):
        for name in _TOKENS:
            params.pop(name, None)
    params.update(kwargs)
    if stop is not None:
        params["stop"] = stop
    return {name: value for name, value in params.items() if value is not None and (name != "stop" or value)}
