"""Which tools to call, and how often. Pure, and deterministic: words of the request against words of each tool.

After a tool's result the same tool is not called again, so an agent's loop ends. With `required` what was not called
yet is: first the tools that the text speaks of, last the one that looks like a form to fill in (`WeatherReport`), which
is how structured output by tools works.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.facts import STOP_WORDS, Facts
from rotor_core.sandbox.answers.schema import type_of
from rotor_core.sandbox.conversation import Asked, Tool

_BY_NAME: Final = 3
"""A word of a tool's name counts as much as three of its description."""
_WRITTEN: Final = 20
_MOST_CALLS: Final = 8
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_VAGUE: Final = STOP_WORDS | {"function", "tool", "current", "given", "returns", "takes", "fetch", "new"}
_SEVERAL: Final = re.compile(r"\band\b|[,;&]|\bboth\b|\beach\b|\bthen\b|\balso\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Planned:
    """A call to make. `given`: arguments that are settled; the rest is filled in from `text`."""

    tool: Tool
    given: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """The conversation since the user last spoke: what was said, and which tools have answered to it."""

    text: str
    called: frozenset[str]


def turn_of(messages: Sequence[Mapping[str, Any]], texts: str) -> Turn:
    """`texts`: what the user said last. The messages behind it tell what was called since."""
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        for call in items(message.get("tool_calls")):
            called.add(str(fields(fields(call).get("function")).get("name")))
    return Turn(texts, frozenset(called))


def plan(asked: Asked, turn: Turn) -> list[Planned]:
    """The calls to make, none where the answer is to be text."""
    if not asked.tools or asked.choice == "none":
        return []
    if asked.forced is not None:
        tool = next(tool for tool in asked.tools if tool.name == asked.forced)
        return _calls(tool, turn.text, several=asked.parallel)
    facts = Facts(turn.text)
    scores = {tool.name: _score(tool, facts) for tool in asked.tools}
    fresh = [tool for tool in asked.tools if tool.name not in turn.called]
    meant = [tool for tool in fresh if scores[tool.name] > 0 and not _is_form(tool)]
    if not meant and asked.choice == "required":
        forms = [tool for tool in fresh if _is_form(tool)]
        last = [tool for tool in asked.tools if _is_form(tool)] or list(asked.tools[-1:])
        meant = [max(forms or fresh or last, key=lambda tool: scores[tool.name])]
    if not meant or (asked.choice == "auto" and turn.called and not _asks_for_several(turn.text)):
        return []
    return _spread(meant, scores, turn.text, several=asked.parallel)


def _spread(meant: list[Tool], scores: Mapping[str, int], text: str, *, several: bool) -> list[Planned]:
    """The best tool; with it every other one whose own name the text speaks of, where it asks for several things."""
    best = max(meant, key=lambda tool: scores[tool.name])
    if not several:
        return _calls(best, text, several=False)
    chosen = [best]
    if _asks_for_several(text):
        chosen = [tool for tool in meant if tool is best or scores[tool.name] >= _BY_NAME]
    if len(chosen) == 1:
        return _calls(best, text, several=True)
    clauses = [clause for clause in re.split(r"\band\b|[;.?!]|\bthen\b|\balso\b", text) if clause.strip()]
    made: list[Planned] = []
    for tool in chosen:
        clause = max(clauses, key=lambda part: _score(tool, Facts(part)))
        made.extend(_calls(tool, clause, several=True))
    return made[:_MOST_CALLS]


def _calls(tool: Tool, text: str, *, several: bool) -> list[Planned]:
    """The calls of one tool: as written out in the text, one for each thing that the text lists, or just one."""
    made = [Planned(tool, given, text) for given in _written(tool, text)] or [
        Planned(tool, given, text) for given in _listed(tool, text)
    ]
    return made[: _MOST_CALLS if several else 1] or [Planned(tool, {}, text)]


def _written(tool: Tool, text: str) -> list[Mapping[str, Any]]:
    """The arguments of `tool(1, 2)` where the text has it, by position."""
    properties = list(fields(tool.parameters.get("properties")))
    found: list[Mapping[str, Any]] = []
    for match in re.finditer(rf"\b{re.escape(tool.name)}\(([^()]+)\)", text):
        numbers = Facts(match.group(1)).numbers
        if numbers and len(numbers) <= len(properties):
            found.append({p: int(n) if n.is_integer() else n for p, n in zip(properties, numbers, strict=False)})
    fitting = [given for given in found if all(_takes(tool, p, n) for p, n in given.items())]
    return fitting if len(fitting) > 1 else []  # one is found by filling in, which minds the bounds


def _listed(tool: Tool, text: str) -> list[Mapping[str, Any]]:
    """One argument for each name in a list ("in Paris and Rome"), for a tool that asks for a single text."""
    required = items(tool.parameters.get("required"))
    if len(required) != 1 or not re.search(r"[\w.] (?:and|or|&) [A-Z]", text):
        return []
    name = str(required[0])
    if not _takes(tool, name, ""):
        return []
    names = Facts(text).names
    joined = [n for n in names if re.search(rf"(?:\band|,|&) {re.escape(n)}|{re.escape(n)}(?: and|,| &)", text)]
    return [{name: value} for value in joined] if len(joined) > 1 else []


def _takes(tool: Tool, name: str, value: object) -> bool:
    """Whether a property is of the value's type and takes any of it."""
    known = fields(fields(tool.parameters.get("properties")).get(name))
    if "enum" in known or "$ref" in known or "anyOf" in known:
        return False
    return type_of(known) in ({"string"} if isinstance(value, str) else {"integer", "number"})


def _score(tool: Tool, facts: Facts) -> int:
    """How much the text speaks of a tool."""
    if re.search(rf"\b{re.escape(tool.name.lower())}\b", facts.lower):
        return _WRITTEN
    words = {word for word in facts.words() if word not in _VAGUE}
    name = _parts(tool.name)
    score = _BY_NAME * len(words & name)
    score += len(words & (_parts(tool.description) - name))
    if re.search(r"\buse (?:the|a|your|this) (?:\w+ )?tools?\b|\busing (?:the|a|your) (?:\w+ )?tools?\b", facts.lower):
        score += 1
    return score + _sums(tool, facts)


def _sums(tool: Tool, facts: Facts) -> int:
    """One for a tool that wants nothing but figures, two at least, of a text that has as many."""
    properties = fields(tool.parameters.get("properties"))
    required = [fields(properties.get(str(name))) for name in items(tool.parameters.get("required"))]
    figures = len(required) > 1 and all(type_of(known) in {"integer", "number"} for known in required)
    return int(figures and len(facts.numbers) >= len(required))


def _parts(text: str) -> set[str]:
    """The telling words of a name in any case, or of a sentence."""
    found = {part.lower() for part in _PART.findall(text)}
    found |= {word[:-1] for word in found if word.endswith("s") and len(word) > 3}
    return {word for word in found if len(word) > 2 and word not in _VAGUE}


def _is_form(tool: Tool) -> bool:
    """Named as a class is: what structured output sends as a tool."""
    return tool.name[:1].isupper() and "_" not in tool.name


def _asks_for_several(text: str) -> bool:
    return _SEVERAL.search(text) is not None
