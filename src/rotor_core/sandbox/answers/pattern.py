r"""A text that a regular expression matches, for the plain part of the language that schemas use.

Literals, classes, `\d \w \s .`, groups, alternatives, anchors and quantifiers. Anything else (look-around,
back-references) is given up: the caller keeps what it had.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPED: Final = {"d": "1", "w": "a", "s": " ", "n": "\n", "t": "\t", "D": "a", "W": "-", "S": "a"}
_CLASS_ESCAPED: Final = {"d": "1", "w": "a", "s": " ", "n": "\n", "t": "\t"}
_CANDIDATES: Final = "a1A-_ .:/@#+0zZ9"
_QUANTIFIER: Final = re.compile(r"\{(\d+)(,(\d*))?\}")


class _UnknownSyntaxError(Exception):
    """A part of the language that is not spoken here."""


def matching(pattern: str) -> str | None:
    """A short text in which `pattern` is found, or None where none could be made."""
    try:
        compiled = re.compile(pattern)
        text = _Reader(pattern).alternatives()
    except (re.error, _UnknownSyntaxError, RecursionError, IndexError):
        return None
    return text if compiled.search(text) else None


class _Reader:
    """Reads a pattern from left to right and writes the first text that fits each part."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> str:
        """The first alternative; the others are read over."""
        first = self._sequence()
        while self._peek() == "|":
            self._at += 1
            self._sequence()
        return first

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in {"", "|", ")"}:
            atom = self._atom()
            text += atom * self._times()
        return text

    def _atom(self) -> str:
        character = self._take()
        match character:
            case "^" | "$":
                return ""
            case ".":
                return "a"
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case _:
                return character

    def _group(self) -> str:
        if self._peek() == "?":
            self._at += 1
            kind = self._take()
            if kind == "P" and self._take() == "<":
                self._at = self._pattern.index(">", self._at) + 1
            elif kind != ":":
                raise _UnknownSyntaxError
        text = self.alternatives()
        self._take()
        return text

    def _escape(self) -> str:
        character = self._take()
        if character in "bBAZz":
            return ""
        if character.isdigit():
            raise _UnknownSyntaxError
        return _ESCAPED.get(character, character)

    def _class(self) -> str:
        start = self._at - 1
        if self._peek() == "^":
            self._at += 1
        first = self._take()
        if first == "\\":
            escaped = self._take()
            inside = _CLASS_ESCAPED.get(escaped, escaped)
        else:
            inside = first
        while self._take() != "]":
            if self._pattern[self._at - 1] == "\\":
                self._at += 1
        body = self._pattern[start : self._at]
        allowed = re.compile(body)
        if inside and allowed.fullmatch(inside):
            return inside
        return next((c for c in _CANDIDATES if allowed.fullmatch(c)), inside)

    def _times(self) -> int:
        """How often the atom before stands: the least, but once where it may be left out or repeated."""
        times = 1
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found:
            self._at = found.end()
            least = int(found.group(1))
            times = max(least, 1) if found.group(3) != "0" else 0
        elif self._peek() and self._peek() in "*+?":
            self._at += 1
        if self._peek() and self._peek() in "?+":
            self._at += 1  # lazy or possessive: the same text
        return times

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        return character
