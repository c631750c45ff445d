"""Which of the user's words a text property means, told by its name. Pure; a guess, and only where it is plausible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rotor_core.sandbox.answers.facts import Facts

_PLACES: Final = ("city", "location", "place", "country", "town", "region", "destination", "origin", "address", "state")
_NAMES: Final = ("name", "person", "customer", "company", "author", "user", "title", "who", "style", "brand", "product")
_QUERIES: Final = ("query", "question", "search", "q", "prompt", "input", "request", "message", "text", "content")
_TOPICS: Final = ("topic", "subject", "theme", "about", "keyword", "term")
_SUMS: Final = ("expression", "equation", "formula", "calculation")
_LONGEST: Final = 200


def guess(name: str, form: str, facts: Facts) -> str | None:
    """A text from the user's words for a property `name` with the format `form`, or None."""
    word = name.lower()
    formatted = _formatted(word, form, facts)
    if formatted is not None or form:
        return formatted
    outright = facts.named(name) if name else None
    if outright is not None:
        return outright
    return next((find(word, facts) for known, find in _BY_NAME if _is(word, known)), None)


def _place(word: str, facts: Facts) -> str | None:
    return _next(word, facts, facts.names or facts.quotes)


def _name(word: str, facts: Facts) -> str | None:
    return _next(word, facts, facts.quotes or facts.names)


def _topic(_: str, facts: Facts) -> str | None:
    return facts.topic or None


def _query(_: str, facts: Facts) -> str | None:
    return " ".join(facts.text.split())[:_LONGEST] or None


def _formatted(word: str, form: str, facts: Facts) -> str | None:
    if form in {"email", "idn-email"} or (not form and "email" in word):
        return _next("email", facts, facts.emails)
    if form in {"uri", "url", "iri"} or (not form and ("url" in word or "link" in word)):
        return _next("url", facts, facts.urls)
    if form == "date" or (not form and ("date" in word or "day" in word)):
        return _next("date", facts, facts.dates)
    if not form and "time" in word:
        return _next("time", facts, facts.times)
    return None


def wants_names(name: str) -> bool:
    """Whether a property is one for names of places, people or things."""
    return _is(name.lower(), (*_PLACES, *_NAMES))


def _is(word: str, known: Sequence[str]) -> bool:
    parts = word.replace("-", "_").split("_")
    return any(part in known for part in parts) or any(word.endswith(name) for name in known if len(name) > 3)


def _next(kind: str, facts: Facts, found: Sequence[str]) -> str | None:
    value = facts.next(kind, found)
    return value if isinstance(value, str) else None


def _sum(_: str, facts: Facts) -> str | None:
    """The longest run of figures and signs, where there are figures."""
    if not facts.numbers:
        return None
    runs: list[str] = [""]
    for character in facts.text:
        if character in "0123456789.+-*/()^% ":
            runs[-1] += character
        elif runs[-1]:
            runs.append("")
    return max((run.strip(" .") for run in runs), key=len)


_BY_NAME: Final = ((_SUMS, _sum), (_PLACES, _place), (_NAMES, _name), (_TOPICS, _topic), (_QUERIES, _query))
"""Whose words a property's name has, the first of them, and where its value is looked for."""
