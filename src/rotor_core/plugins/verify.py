"""What a hook returned, looked at before anybody relies on it: what can be mended is, what cannot is left out. Pure.

Each function returns the value to use, or None, and one line for each thing that is wrong with what was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from rotor_core._model import Rule
from rotor_core._policy.error_rules import dialect_of
from rotor_core._policy.rank import Ranking
from rotor_core.hookspecs import ProviderSpec, StoreSpec

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_TARGET: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
CATEGORIES: Final = ("tiny", "small", "large", "reasoning")
"""As in `rotor.yaml`; written again here, because its schema comes with pydantic."""


def provider(spec: ProviderSpec) -> tuple[ProviderSpec | None, list[str]]:
    """Without a name or an adapter it is nothing; a bad URL, variable or rule of errors is left out of it."""
    fatal = _name_problem(spec.name, _NAME, "a provider", "`acme` or `acme-labs`") or _target_problem(
        spec.adapter, f"the adapter of provider {spec.name!r}"
    )
    if fatal:
        return None, [fatal]
    problems: list[str] = []
    for mend in (_with_its_url, _with_its_variables, _with_its_catalog, _with_its_dialect):
        spec, found = mend(spec)
        if found:
            problems.append(found)
    return spec, problems


def store(spec: StoreSpec) -> tuple[StoreSpec | None, list[str]]:
    """Without a scheme or a factory it is nothing."""
    fatal = _name_problem(spec.scheme, _SCHEME, "the scheme of a store", "`acme`") or _target_problem(
        spec.factory, f"the factory of store {spec.scheme!r}"
    )
    return (None, [fatal]) if fatal else (spec, [])


def ranking(given: Ranking) -> tuple[Ranking | None, list[str]]:
    """Without a name or one of its halves it is nothing."""
    fatal = _name_problem(given.name, _NAME, "a ranking", "`acme-first`")
    halves: tuple[object, ...] = (given.tier, given.score)
    if not fatal and not all(callable(half) for half in halves):
        fatal = f"the tier and the score of ranking {given.name!r} have to be callable"
    return (None, [fatal]) if fatal else (given, [])


def rule(given: Rule, plugin: str) -> tuple[Rule | None, list[str]]:
    """A rule as the configuration would take it; from then on it is known to be this plugin's."""
    fatal = _rule_problem(given)
    return (None, [f"a rule is left out: {fatal}"]) if fatal else (replace(given, source=plugin), [])


def _name_problem(name: object, pattern: re.Pattern[str], whose: str, example: str) -> str:
    if isinstance(name, str) and pattern.fullmatch(name):
        return ""
    return f"{name!r} is no name for {whose}: lower-case letters, digits and `-`, such as {example}"


def _target_problem(target: object, what: str) -> str:
    if callable(target) or (isinstance(target, str) and _TARGET.fullmatch(target)):
        return ""
    return f"{what} is {target!r}, not `package.module:attribute` or a callable"


def _with_its_url(spec: ProviderSpec) -> tuple[ProviderSpec, str]:
    from rotor_core.catalog.urls import base_url_problem, url_problem  # noqa: PLC0415  who only imports Rotor reads no plugin

    url = cast("object", spec.base_url)
    if url is None:
        return spec, ""
    if not isinstance(url, str):
        problem: str | None = f"is a {type(url).__name__}, not text"
    else:
        problem = url_problem(url) or base_url_problem(url)
    if problem is None:
        return spec, ""
    text = f"the base_url of provider {spec.name!r} {problem}; the user has to give one"
    return replace(spec, base_url=None), text


def _with_its_variables(spec: ProviderSpec) -> tuple[ProviderSpec, str]:
    names = cast("object", spec.env)
    if isinstance(names, str):
        text = f"the env of provider {spec.name!r} is a text, not a tuple: write env=({names!r},)"
        return replace(spec, env=()), text
    if not isinstance(names, tuple | list):
        return replace(spec, env=()), f"the env of provider {spec.name!r} is a {type(names).__name__}, not a tuple"
    given = tuple(cast("tuple[object, ...]", names))
    good = tuple(name for name in given if isinstance(name, str) and _VARIABLE.fullmatch(name))
    if len(good) == len(given):
        return replace(spec, env=good), ""
    bad = next(name for name in given if name not in good)
    return replace(spec, env=good), f"the env of provider {spec.name!r} holds {bad!r}, which names no variable"


def _with_its_catalog(spec: ProviderSpec) -> tuple[ProviderSpec, str]:
    """A mapping, or something to read: whether its text is good is told when it is read."""
    catalog = cast("object", spec.catalog)
    if isinstance(catalog, Mapping) or callable(getattr(catalog, "read_text", None)):
        return spec, ""
    text = f"the catalog of provider {spec.name!r} is a {type(catalog).__name__}, not a mapping or a file to read"
    return replace(spec, catalog={}), text


def _with_its_dialect(spec: ProviderSpec) -> tuple[ProviderSpec, str]:
    """A provider whose dialect is broken can be used all the same: its errors are read by the general one."""
    try:
        rules = tuple(spec.errors)
        dialect_of(rules)
        return replace(spec, errors=rules), ""
    except (TypeError, ValueError) as error:
        text = f"the errors of provider {spec.name!r} are read by the general dialect: {error}"
        return replace(spec, errors=()), text


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


_CHECKS: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("tokens_over", _whole, "a number of tokens"),
    ("task", lambda value: isinstance(value, str) and bool(value), "the name of a task"),
    ("complexity_over", _share, "a number from 0 to 1"),
    ("require_context", _whole, "a number of tokens"),
    ("prefer_category", lambda value: value in CATEGORIES, " or ".join(CATEGORIES)),
)


def _rule_problem(given: Rule) -> str:
    for name, is_good, expected in _CHECKS:
        value = getattr(given, name)
        if value is not None and not is_good(value):
            return f"{name} is {value!r}, not {expected}"
    if given.tokens_over is None and given.task is None and given.complexity_over is None:
        return "it has no condition (tokens_over, task or complexity_over)"
    if given.require_context is None and given.prefer_category is None:
        return "it has no effect (require_context or prefer_category)"
    return ""
