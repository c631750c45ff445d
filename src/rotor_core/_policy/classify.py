"""What a provider's error means, in our vocabulary. Pure and table-driven; it never raises, whatever it is given.

`error_text` takes its words out of their wrapping, `error_rules` has what they mean, `error_figures` what they say of the
limit that was hit. Here they are put together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from rotor_core._outcome import Failure, FailureKind, Scope
from rotor_core._policy.error_figures import NO_LIMIT, Limit, limit_of, scope_of, told_in_words, wait_of
from rotor_core._policy.error_rules import DIALECTS, GENERAL, Dialect
from rotor_core._policy.error_table import ErrorTable
from rotor_core._policy.error_text import LONGEST_BODY, Facts, read

LONGEST_MESSAGE: Final = 1_000
"""Characters that a `Failure` keeps for people."""
SHORT_WAIT: Final = 3600.0
"""Seconds. A day's allotment that is back within an hour is a limit to wait for; later, it is used up."""

_HAS_WAIT: Final[frozenset[FailureKind]] = frozenset(
    {"rate_limit", "quota_exhausted", "overloaded", "server_error", "timeout", "unknown"}
)
"""Kinds for which waiting may help. Of others only the text's own figure is kept: Groq sends the header `retry-after` with
requests that no wait makes smaller."""


_NO_FIGURES: Final[frozenset[FailureKind]] = frozenset(
    {"auth", "permission", "not_found", "content_filter", "server_error", "timeout"}
)
"""Kinds that no limit has to do with: no text is searched for one."""


_added: Mapping[str, Dialect] = MappingProxyType({})
_generation = 0
"""How often dialects were added: what is remembered is of one generation, however long it took to work out."""


def add_dialects(dialects: Mapping[str, Dialect], *, instead_of: Collection[str] = ()) -> None:
    """Let `classify_failure` know the dialects of further providers, by their names; one that it has is replaced.

    They come before our own. `instead_of`: names whose added dialects are forgotten. Called when plugins are read: what
    follows classifies as if these had always been there, and no others.
    """
    global _added, _generation  # noqa: PLW0603  one mapping replaces another, so a thread that reads it sees all or nothing
    gone = {name.lower() for name in instead_of}
    kept = {name: rules for name, rules in _added.items() if name not in gone}
    added = {**kept, **{name.lower(): rules for name, rules in dialects.items()}}
    if added != _added:
        _added = MappingProxyType(added)
        _generation += 1
        _table.cache_clear()
        _remembered.cache_clear()


def classify_failure(provider: str, status: int | None, headers: Mapping[str, str], body: str | bytes) -> Failure:
    """What an error means. `status` None: not known, or an error inside an answer of success.

    `body` is the provider's answer as it came, or any text that quotes it. An unknown provider gets the general
    dialect, an unknown error the kind `unknown`. A `retry-after` on a success is no error and is not looked at.
    """
    headers = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    body = (body or "")[:LONGEST_BODY]
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        return classify_plain(str(provider).lower(), status, headers, text)
    except TypeError:  # a status that is no figure at all, and cannot be remembered by
        return classify_plain(str(provider).lower(), None, headers, text)


def classify_plain(
    name: str, status: int | None, headers: Mapping[str, str], text: str, adapter: str | None = None
) -> Failure:
    """The same for who has it as it is wanted: the names of provider and headers in lower case, the body as a text.

    `adapter`: who tells how a provider says things where nothing is known of its name: in a configuration that may be any.
    """
    if adapter is not None and name not in _added and name not in DIALECTS:
        name = adapter.lower()
    if len(text) > _SHORT_BODY:
        text = text[:LONGEST_BODY]
        return _classified(_generation, name, status, _told(headers, text), text)
    told = () if "eset" not in text and _ANY_READ.isdisjoint(headers) else _told(headers, text)
    return _remembered(_generation, name, status, told, text)


def _told(headers: Mapping[str, str], text: str) -> tuple[tuple[str, str], ...]:
    """The headers that are looked at."""
    dated = "eset" in text or not headers.get("retry-after", "0").isdecimal()
    return tuple((name, headers[name]) for name in ((*_READ, "date") if dated else _READ) if name in headers)


_READ: Final = ("retry-after", "retry-after-ms", "x-ratelimit-type")
"""Headers that are looked at; and `date`, where something is dated."""
_ANY_READ: Final = frozenset(_READ)
_SHORT_BODY: Final = 4_000
"""Characters of a body that is worth remembering: in an outage a provider says the same thing a thousand times."""


def _classified(
    generation: int, name: str, status: int | None, told: tuple[tuple[str, str], ...], text: str
) -> Failure:
    headers, facts = dict(told), read(status, text)
    kind = _table(generation, name, facts.status).kind_of(facts)
    limit = NO_LIMIT if kind in _NO_FIGURES else limit_of(facts, headers)
    success = facts.status is not None and 200 <= facts.status < 300
    wait = None if success else wait_of(headers, facts)
    if kind == "rate_limit":
        kind = _rate_or_allotment(facts, limit, wait)
    if kind not in _HAS_WAIT:
        wait = told_in_words(facts)
    unit = limit.unit
    if kind in _TOO_LONG and unit is None and limit.limit is not None and "token" in facts.lower:
        unit = "tokens"
    return Failure(
        kind, unit, limit.per, limit.limit, limit.used, limit.requested, wait, _scope_of(kind, facts), status,
        facts.text[:LONGEST_MESSAGE],
    )  # fmt: skip


_remembered: Final = lru_cache(maxsize=256)(_classified)


@lru_cache(maxsize=256)
def _table(generation: int, name: str, status: int | None) -> ErrorTable:  # noqa: ARG001  a part of what it is remembered by
    return ErrorTable((*_added.get(name, ()), *DIALECTS.get(name, ()), *GENERAL), status)


_TOO_LONG: Final[frozenset[FailureKind]] = frozenset({"context_length", "too_large"})


def _rate_or_allotment(facts: Facts, limit: Limit, wait: float | None) -> FailureKind:
    """What the table cannot say: which refusals for rate no short wait ends."""
    if limit.limit is not None and limit.requested is not None and limit.requested > limit.limit > 0:
        return "too_large"
    if limit.limit == 0 or _DAYS_QUOTA.search(facts.text):
        return "quota_exhausted"
    if limit.per in ("day", "month") and (wait is None or wait > SHORT_WAIT):
        return "quota_exhausted"
    if wait is None and limit.per is None and any(words in facts.lower for words in _USED_UP):
        return "quota_exhausted"
    return "rate_limit"


_DAYS_QUOTA: Final = re.compile(r"\bGenerate[A-Z]\w{0,60}PerDay")
"""Google's own name for it. The wait that stands beside it is the minute's."""
_USED_UP: Final = ("exceeded your current quota", "allocated quota exceeded", "used up your", "daily free allocation")


_SCOPE_OF_KIND: Final[Mapping[FailureKind, Scope]] = MappingProxyType(
    {"auth": "key", "not_found": "model", "context_length": "model"}
)
_NOBODY: Final[frozenset[FailureKind]] = frozenset({"bad_request", "server_error", "timeout", "content_filter"})


def _scope_of(kind: FailureKind, facts: Facts) -> Scope:
    if kind in _NOBODY:
        return "unknown"
    return _SCOPE_OF_KIND.get(kind) or scope_of(facts)
