"""The kinds of value that a configuration holds, each checked in our own words. Imports pydantic: load it lazily.

A check raises what `wrong` makes; `translate` turns that into the one `ConfigError`, with file, line and key.
"""

from __future__ import annotations

import math
import re
import zoneinfo
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from rotor_core._model import SECONDS, Per
from rotor_core.catalog.durations import EXPECTED, parse_duration
from rotor_core.catalog.urls import PROXY_SCHEMES, base_url_problem, url_problem

RAISED: Final = "rotor"
"""The type of pydantic's error that carries one of ours."""

PERIODS: Final = tuple(SECONDS)

Category = Literal["tiny", "small", "large", "reasoning"]
_PROVIDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def wrong(
    problem: str,
    expected: str | None = None,
    *,
    among: Sequence[str] = (),
    at: Sequence[str | int] = (),
    value: object = None,
) -> PydanticCustomError:
    """`at`: where it is, seen from what is checked. `value`: what to show, if not what stands there."""
    context: dict[str, Any] = {"expected": expected, "among": list(among), "at": list(at), "shown": value}
    return PydanticCustomError(RAISED, problem.replace("{", "{{").replace("}", "}}"), context)  # pyright: ignore[reportArgumentType]  # it wants a literal


def described(value: object) -> str:
    """What a value is, for people: what stands there may be too long, or too secret, to show."""
    names = {"NoneType": "nothing", "dict": "a mapping", "list": "a list", "str": "text", "bool": "true or false"}
    kind = type(value).__name__
    return "a number" if kind in {"int", "float"} else names.get(kind, f"a {kind}")


def _number(value: object, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"is {described(value)}", expected)
    if not math.isfinite(value):
        raise wrong("is not finite", expected)
    return value


def _positive(value: object) -> float:
    expected = "a number above 0"
    if (number := _number(value, expected)) <= 0:
        raise wrong("is not above 0", expected)
    return float(number)


def _not_negative(value: object) -> float:
    expected = "0 or a number above it"
    if (number := _number(value, expected)) < 0:
        raise wrong("is negative", expected)
    return float(number)


def _count(value: object) -> int:
    expected = "a whole number above 0"
    if (number := _number(value, expected)) <= 0:
        raise wrong("is not above 0", expected)
    if number != int(number):
        raise wrong("is not a whole number", expected)
    return int(number)


def _order(value: object) -> int:
    expected = "a whole number from 0"
    if (number := _number(value, expected)) < 0:
        raise wrong("is negative", expected)
    if number != int(number):
        raise wrong("is not a whole number", expected)
    return int(number)


def _share(value: object) -> float:
    expected = "a number from 0 to 1"
    if not 0 <= (number := _number(value, expected)) <= 1:
        raise wrong("is out of range", expected)
    return float(number)


def _duration(value: object) -> float:
    try:
        return parse_duration(value)
    except ValueError as exc:
        raise wrong("is not a duration", EXPECTED) from exc


def _timeout(value: object) -> float:
    if (seconds := _duration(value)) <= 0:
        raise wrong("is not above 0", EXPECTED)
    return seconds


def _period(value: object) -> Per:
    expected = f"{', '.join(PERIODS)}, or a number of seconds above 0"
    if isinstance(value, str):
        if value not in SECONDS:
            raise wrong("is no period", expected, among=PERIODS)
        return value  # type: ignore[return-value]  # one of its keys
    if (number := _number(value, expected)) <= 0:
        raise wrong("is not above 0", expected)
    return float(number)


def _text(value: object) -> str:
    if not isinstance(value, str):
        hint = " (put it in quotes)" if isinstance(value, bool | int | float) else ""
        raise wrong(f"is {described(value)}", f"text{hint}")
    if not value.strip():
        raise wrong("is empty", "text")
    return value.strip()


def _provider_name(value: object) -> str:
    name = _text(value)
    if not _PROVIDER_NAME.fullmatch(name):
        raise wrong("cannot be a provider's name", "letters, digits, `.`, `-` and `_`", value=name)
    return name


def _model_name(value: object) -> str:
    name = _text(value)
    if "#" in name or any(c.isspace() for c in name):
        raise wrong("cannot be a model's name", "text without spaces and `#`", value=name)
    return name


def _pool_name(value: object) -> str:
    name = _text(value)
    if "/" in name or name == "auto":
        raise wrong(
            "cannot be a pool's name", "text without `/`, and not `auto`, which means a pool by task", value=name
        )
    return name


@lru_cache(maxsize=64)
def known_zone(name: str) -> bool:
    """Whether IANA's database, as this system has it, knows the zone. UTC is known without any."""
    if name == "UTC":
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zone(value: object) -> str:
    expected = "an IANA name such as UTC or America/Los_Angeles"
    if not isinstance(value, str):
        raise wrong(f"is {described(value)}", expected)
    if not known_zone(value):
        raise wrong("is no time zone", expected, among=sorted(zoneinfo.available_timezones()))
    return value


def _base_url(value: object) -> str:
    expected = "a URL such as https://api.example.com/v1, without what follows it (`/chat/completions`)"
    url = _text(value)
    if problem := url_problem(url) or base_url_problem(url):
        raise wrong(problem, expected)
    return url.rstrip("/")


def _proxy(value: object) -> str:
    url = _text(value)
    if problem := url_problem(url, PROXY_SCHEMES):
        raise wrong(problem, "a proxy's URL such as http://127.0.0.1:3128")
    return url


_NUMBER_ABOVE_0: Final = {"type": "number", "exclusiveMinimum": 0}
_TEXT: Final = {"type": "string", "minLength": 1}
_DURATION: Final = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+\s*$"},
        {"type": "number", "minimum": 0},
    ]
}

Positive = Annotated[float, PlainValidator(_positive), WithJsonSchema(_NUMBER_ABOVE_0)]
NotNegative = Annotated[float, PlainValidator(_not_negative), WithJsonSchema({"type": "number", "minimum": 0})]
Count = Annotated[int, PlainValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
Order = Annotated[int, PlainValidator(_order), WithJsonSchema({"type": "integer", "minimum": 0})]
Share = Annotated[float, PlainValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
Duration = Annotated[float, PlainValidator(_duration), WithJsonSchema(_DURATION)]
Timeout = Annotated[float, PlainValidator(_timeout), WithJsonSchema(_DURATION)]
Period = Annotated[
    Per,
    PlainValidator(_period),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": list(PERIODS)}, _NUMBER_ABOVE_0]}),
]
Text = Annotated[str, PlainValidator(_text), WithJsonSchema(_TEXT)]
ProviderName = Annotated[str, PlainValidator(_provider_name), WithJsonSchema(_TEXT)]
ModelName = Annotated[str, PlainValidator(_model_name), WithJsonSchema(_TEXT)]
PoolName = Annotated[str, PlainValidator(_pool_name), WithJsonSchema(_TEXT)]
Zone = Annotated[str, PlainValidator(_zone), WithJsonSchema(_TEXT)]
BaseUrl = Annotated[str, PlainValidator(_base_url), WithJsonSchema({"type": "string", "format": "uri"})]
Proxy = Annotated[str, PlainValidator(_proxy), WithJsonSchema({"type": "string", "format": "uri"})]
