"""Structured output, by three methods: a tool that must be called, a JSON Schema, or any JSON.

`function_calling` is the default: more free models call tools than keep to a schema. A request for a schema goes only
to models that are known to keep to one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from rotor_core._errors import ConfigError
from rotor_langchain.tools import check_schema, to_tools

Method = Literal["function_calling", "json_schema", "json_mode"]
Schema = dict[str, Any] | type | None
Bind = Callable[..., Runnable[LanguageModelInput, AIMessage]]
_METHODS: Final[tuple[str, ...]] = get_args(Method)


def structured(
    schema: Schema, *, method: Method, include_raw: bool, strict: bool | None, bind_tools: Bind, bind: Bind, **more: Any
) -> Runnable[LanguageModelInput, Any]:
    """The model bound to answer in `schema`, then the parser. Raises ConfigError for an unknown method or a missing schema."""
    if method not in _METHODS:
        raise ConfigError("there is no such method", key="method", value=method, expected=", ".join(_METHODS))
    if schema is None and method != "json_mode":
        raise ConfigError(f"the method {method} needs a schema", key="schema", expected="a class or a JSON Schema")
    about: dict[str, Any] = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
    if schema is None:
        about = {}
    elif method == "json_mode":
        about["kwargs"] = {"method": method}
    wish = _Wish(schema, strict, bind_tools, bind, {**more, "ls_structured_output_format": about or None})
    model, parser = _HOW[method](wish)
    return _with_raw(model, parser) if include_raw else model | parser


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for, and how to bind it."""

    schema: Any
    strict: bool | None
    bind_tools: Bind
    bind: Bind
    more: dict[str, Any]


Bound = tuple[Runnable[LanguageModelInput, AIMessage], BaseOutputParser[Any]]


def _by_tool(wish: _Wish) -> Bound:
    name = to_tools([wish.schema], strict=wish.strict)[0]["function"]["name"]
    model = wish.bind_tools([wish.schema], tool_choice=name, strict=wish.strict, **wish.more)
    if _is_class(wish.schema):
        return model, PydanticToolsParser(tools=[wish.schema], first_tool_only=True)
    return model, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _by_schema(wish: _Wish) -> Bound:
    wanted = json_schema_format(wish.schema, strict=wish.strict)
    return wish.bind(response_format=wanted, **wish.more), _json_parser(wish.schema)


def _by_json(wish: _Wish) -> Bound:
    return wish.bind(response_format={"type": "json_object"}, **wish.more), _json_parser(wish.schema)


_HOW: Final[Mapping[str, Callable[[_Wish], Bound]]] = MappingProxyType(
    {"function_calling": _by_tool, "json_schema": _by_schema, "json_mode": _by_json}
)


def json_schema_format(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """OpenAI's `response_format` for a schema: a class, a JSON Schema, or that dict itself. Raises ConfigError."""
    if isinstance(schema, dict):
        given = cast("dict[str, Any]", schema)
        if given.get("type") in {"json_schema", "json_object"} and "properties" not in given:
            return given
    try:
        made = convert_to_json_schema(cast("Any", schema), strict=strict)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"cannot be read as a schema: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            key="schema",
            expected="a class with annotated fields, or a JSON Schema with a `title`",
        ) from error
    check_schema(made, "schema")
    name = made.pop("title")
    described: dict[str, Any] = {"name": name, "schema": made}
    if "description" in made:
        described["description"] = made.pop("description")
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


def _is_class(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema)


def _json_parser(schema: Any) -> BaseOutputParser[Any]:
    return PydanticOutputParser(pydantic_object=schema) if _is_class(schema) else JsonOutputParser()


def _with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: BaseOutputParser[Any]
) -> Runnable[LanguageModelInput, Any]:
    """`{"raw", "parsed", "parsing_error"}`: an answer that cannot be parsed is shown, not raised."""
    parse = RunnablePassthrough[Any].assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    give_up = RunnablePassthrough[Any].assign(parsed=lambda _: None)
    return RunnableMap[Any](raw=model) | parse.with_fallbacks([give_up], exception_key="parsing_error")
