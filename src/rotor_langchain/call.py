"""One call's arguments, sorted: what the provider is sent, what the engine is told, and what is for neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from rotor_core._errors import ConfigError
from rotor_core._prepare import PRIORITIES
from rotor_core._request import Request
from rotor_langchain.messages import to_wire
from rotor_langchain.tools import to_tools

if TYPE_CHECKING:
    from rotor_langchain.chat_model import ChatRotor

RUN: Final = "_rotor_run"
"""The keyword under which a call carries its run to where it is answered. Never sent, traced or part of a cache's key."""

HOW: Final = ("priority", "caller", "deadline", "timeout", "max_retries")
"""Keywords that say how a call is made. The answer does not depend on them, so a cache's key does not either."""

_TOKENS: Final = ("max_tokens", "max_completion_tokens")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not isnan(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


OWN: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = MappingProxyType(
    {
        "model": (_is_text, "a pool, `auto`, or provider/model"),
        "task": (_is_text, "a text such as research or code"),
        "priority": (lambda v: _is_whole(v) or v in PRIORITIES, f"a whole number, or {', '.join(PRIORITIES)}"),
        "caller": (_is_text, "a text: the name of who asks"),
        "deadline": (lambda v: isinstance(v, datetime) or _is_number(v), "seconds, or a datetime"),
        "timeout": (lambda v: _is_number(v) and v > 0, "seconds, above 0"),
        "max_retries": (lambda v: _is_whole(v) and v >= 0, "a whole number from 0"),
    }
)
"""Keywords that the engine is told, the same for a call and for a model: what fits each, in code and in words."""

_ANSWER: Final = (
    "temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "stop",
    "tools", "tool_choice", "parallel_tool_calls", "response_format",
)  # fmt: skip
_PROVIDERS: Final = frozenset({"models"})
"""Parameters that providers really have, though they look like a misspelling."""


def options_of(chat: ChatRotor, kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the engine is told. Takes it out of `kwargs`; a call's own word comes before the model's. Raises ConfigError."""
    options: dict[str, Any] = {}
    for name in OWN:
        value = kwargs.pop(name, None)
        if value is None:
            value = getattr(chat, name)
        else:
            check_own(name, value)
        if value is not None:
            options[name] = value
    if not options["priority"]:
        del options["priority"]
    retries = options.pop("max_retries", None)
    if retries is not None:
        options["max_attempts"] = retries + 1
    return options


def check_own(name: str, value: Any) -> None:
    """Raise ConfigError unless one of our own keywords has a value that can be meant. None is always one."""
    fits, expected = OWN[name]
    if value is not None and not fits(value):
        raise ConfigError("cannot be used", key=name, value=value, expected=expected)


def refuse_misspelt(kwargs: Mapping[str, Any]) -> None:
    """Raise ConfigError for a call's keyword that is all but one of ours: sent on, it would do nothing, and nobody would know."""
    for name in kwargs:
        near = _all_but(name)
        if near is not None:
            raise ConfigError(
                "there is no such keyword",
                key=name,
                expected="a provider's own parameter of such a name in `model_kwargs`",
                suggestion=near,
            )


@lru_cache(maxsize=256)
def _all_but(name: str) -> str | None:
    """The keyword that this one was probably meant to be."""
    if name in _ANSWER or name in _PROVIDERS:
        return None
    near = get_close_matches(name, (*OWN, *_ANSWER), 1, cutoff=0.85)
    return near[0] if near else None


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
    if kwargs:
        refuse_misspelt(kwargs)
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
