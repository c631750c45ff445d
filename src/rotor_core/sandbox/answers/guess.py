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
    if _is(word, _SUMS) and facts.numbers:
        return _sum(facts.text)
    if _is(word, _PLACES):
        return _next(word, facts, facts.names or facts.quotes)
    if _is(word, _NAMES):
        return _next(word, facts, facts.quotes or facts.names)
    if _is(word, _TOPICS):
        return facts.topic or None
    if _is(word, _QUERIES):
        return " ".join(facts.text.split())[:_LONGEST] or None
    return None


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


def _is(word: str, known: Sequence[str]) -> bool:
    parts = word.replace("-", "_").split("_")
    return any(part in known for part in parts) or any(word.endswith(name) for name in known if len(name) > 3)


def _next(kind: str, facts: Facts, found: Sequence[str]) -> str | None:
    value = facts.next(kind, found)
    return value if isinstance(value, str) else None


def _sum(text: str) -> str:
    """The longest run of figures and signs."""
    runs: list[str] = [""]
    for character in text:
        if character in "0123456789.+-*/()^% ":
            runs[-1] += character
        elif runs[-1]:
            runs.append("")
    return max((run.strip(" .") for run in runs), key=len)
