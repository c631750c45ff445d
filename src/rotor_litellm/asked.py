"""What LiteLLM hands to a provider of somebody's own, as the engine's request. Refused is what could only come out wrong.

LiteLLM's parameters come through as they stand, and go to whoever answers. Some never do: those that speak to LiteLLM
or to us. Some ask for what an answer of the engine has no place for; to leave that out unsaid would be no answer to what
was asked, so it is an error, unless the caller says `drop_params`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rotor_core._request import Request
from rotor_litellm.answers import EXTRA
from rotor_litellm.errors import PROVIDER, bad_request
from rotor_litellm.host import DEFAULT_TIMEOUTS, litellm
from rotor_litellm.request import options_of

_OURS: Final = ("rotor", "stream", "stream_options", "max_retries", "extra_headers", "extra_body", "user")
"""Parameters that LiteLLM passes on and that no provider behind us is to see."""
_NO_PLACE: Final = ("logprobs", "top_logprobs", "audio", "modalities")
"""What an answer of the engine has no place for; `n` above 1 likewise."""
_LITELLMS: Final = ("provider_specific_fields", "thinking_blocks", "annotations", "images")
"""Of a message: what LiteLLM adds to answers. Who sends the message back sends it along, and strict providers refuse it."""


def request_of(given: Mapping[str, Any]) -> Request:
    """The request in a provider's arguments. Raises LiteLLM's BadRequestError, or UnsupportedParamsError."""
    model = str(given["model"])
    params = dict(given.get("optional_params") or {})
    extra: Any = params.pop("extra_body", None)
    if isinstance(extra, Mapping):
        params.update(cast("Mapping[str, Any]", extra))
    tools, choice, wants = (params.pop(name, None) for name in ("tools", "tool_choice", "response_format"))
    for name in _OURS:
        params.pop(name, None)
    params = {name: value for name, value in params.items() if value is not None}
    said: Any = given.get("litellm_params") or {}
    _without_place(params, model, drop=bool(said.get("drop_params")))
    return Request(
        [_message(m, model) for m in given["messages"]],
        _tools(tools, model),
        choice if tools else None,
        _schema(wants, model),
        params,
    )


def options_for(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine is told beside it: the pool, and what `metadata.rotor`, or the parameter `rotor`, says.

    LiteLLM always names a timeout. Its defaults are nobody's wish, so they leave a provider's own `timeout` in force.
    """
    params: Any = given.get("optional_params") or {}
    said = options_of(given.get("litellm_params") or {}) | options_of({"metadata": params})
    said.pop("max_wait", None)
    options: dict[str, Any] = {**said, "model": str(given["model"])}
    timeout: Any = given.get("timeout")
    timeout = getattr(timeout, "read", timeout)
    if isinstance(timeout, int | float) and timeout > 0 and timeout not in DEFAULT_TIMEOUTS:
        options["timeout"] = float(timeout)
    return options


def _without_place(params: dict[str, Any], model: str, *, drop: bool) -> None:
    """Leave out what an answer has no place for, where that is allowed."""
    found = [name for name in _NO_PLACE if params.get(name) and params[name] != ["text"]]
    if isinstance(params.get("n"), int) and params["n"] > 1:
        found.append("n")
    if found and not (drop or litellm.drop_params):
        raise litellm.UnsupportedParamsError(
            message=f"an answer of rotor/{model} is one text, with its tool calls, so it has no place for "
            f"{', '.join(found)}: leave that out, or say drop_params=True",
            llm_provider=PROVIDER,
            model=model,
        )
    for name in (*_NO_PLACE, *found):
        params.pop(name, None)


def _message(message: Any, model: str) -> Mapping[str, Any]:
    written = _dumped(message)
    if not isinstance(written, Mapping):
        raise bad_request(f"a message is a dict with `role` and `content`, not a {type(message).__name__}", model)
    said = cast("Mapping[str, Any]", written)
    plain = {n: v for n, v in said.items() if n not in _LITELLMS and (v is not None or n == "content")}
    calls = _several(plain.get("tool_calls"))
    if calls is not None:
        plain["tool_calls"] = [_call(_dumped(call)) for call in calls]
    return plain


def _call(call: Any) -> Any:
    """A tool call with what its provider wants back where the engine looks for it."""
    if not isinstance(call, Mapping):
        return call
    plain = dict(cast("Mapping[str, Any]", call))
    fields: Any = plain.pop("provider_specific_fields", None)
    extra: Any = cast("Mapping[str, Any]", fields).get(EXTRA) if isinstance(fields, Mapping) else None
    return plain if extra is None else {**plain, EXTRA: extra}


def _dumped(thing: Any) -> Any:
    """LiteLLM's own objects, and anybody's of pydantic, as dicts."""
    dump: Any = getattr(thing, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else thing


def _several(given: Any) -> Sequence[Any] | None:
    """A list or a tuple, or None for what is neither."""
    return given if isinstance(given, list | tuple) else None  # pyright: ignore[reportUnknownVariableType]  of anything


def _tools(given: Any, model: str) -> tuple[Mapping[str, Any], ...]:
    tools = _several(given or ())
    if tools is None or not all(isinstance(tool, Mapping) for tool in tools):
        raise bad_request("tools are a list of dicts: {'type': 'function', 'function': {...}}", model)
    return tuple(tools)


def _schema(wants: Any, model: str) -> Mapping[str, Any] | None:
    """A response format as a mapping; a pydantic class as the schema that LiteLLM makes of it."""
    if wants is None or isinstance(wants, Mapping):
        return cast("Mapping[str, Any] | None", wants)
    try:
        made: Any = litellm.utils.type_to_response_format_param(wants)
    except Exception as error:
        raise bad_request(f"response_format is a dict or a pydantic class: {error}", model) from error
    return cast("Mapping[str, Any] | None", made)
