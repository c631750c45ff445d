"""The rules that can fit at one status, laid out so that an error's text is looked through once.

It says what a walk over the rules would: the kind of the first that fits. Codes are found in one mapping; of words only
those are looked for that some expression needs, and an expression is tried where one of its own is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rotor_core._outcome import FailureKind
from rotor_core._policy.error_rules import Ready
from rotor_core._policy.error_text import Facts


class ErrorTable:
    """`rules`: of a dialect, the first one first. For errors of this status alone."""

    __slots__ = ("_by_code", "_kinds", "_needs", "_patterns", "_places")

    def __init__(self, rules: Iterable[Ready], status: int | None) -> None:
        kinds: list[FailureKind] = []
        patterns: list[re.Pattern[str] | None] = []
        needs: list[str] = []
        places: list[int] = []
        self._by_code: dict[str, int] = {}
        for rule in rules:
            if rule.only is not None and status not in rule.only:
                continue
            place = len(kinds)
            kinds.append(rule.kind)
            if status in rule.statuses:
                break  # it fits whatever the error says
            for code in rule.codes:
                self._by_code.setdefault(code, place)
            patterns.append(rule.words and rule.words.pattern)
            for need in rule.words.needs if rule.words else ():
                needs.append(need)
                places.append(place)
        else:
            kinds.append("unknown")
        self._kinds, self._patterns = tuple(kinds), tuple(patterns)
        self._needs, self._places = tuple(needs), tuple(places)

    def kind_of(self, facts: Facts) -> FailureKind:
        """What the first rule says that fits; `unknown` where none does."""
        lower, found = facts.lower, len(self._kinds) - 1
        for code in facts.codes:
            found = min(found, self._by_code.get(code, found))
        tried = -1
        for need, place in zip(self._needs, self._places, strict=True):
            if need in lower:
                if place >= found:
                    break
                pattern = self._patterns[place]
                if place != tried and pattern is not None and pattern.search(lower):
                    return self._kinds[place]
                tried = place
        return self._kinds[found]
