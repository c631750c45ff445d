"""An instance of a JSON Schema: what is required, and what the user's words have a value for. Pure.

Every value obeys its schema first; among those that do, one that stands in the text is taken. The same schema and the
same text give the same instance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, cast

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.facts import Facts
from rotor_core.sandbox.answers.guess import guess, wants_names
from rotor_core.sandbox.answers.pattern import matching
from rotor_core.sandbox.answers.schema import Schema, SchemaError, resolved, type_of

_DEEPEST: Final = 24
_SHALLOW: Final = 4
"""From here on nothing is written that does not have to be, so that recursive schemas come to an end."""

_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "/page",
    "iri": "https://example.com/",
    "uuid": "7f0c1e52-6c1f-4a39-9c55-0b1a54f5a111",
    "json-pointer": "/a",
    "regex": "a+",
}


def fill(schema: Schema, facts: Facts) -> Any:
    """An instance of `schema`. Raises `SchemaError` where a reference leads nowhere or nothing could satisfy it."""
    return _Filler(schema, facts).value(schema, "", 0, 0)


class _Filler:
    """`nth` tells the elements of one array apart, where they must differ."""

    def __init__(self, root: Schema, facts: Facts) -> None:
        self._root, self._facts = root, facts
        self._before = ""  # the last text that had no number, so that the next element can differ from it

    def value(self, schema: object, name: str, nth: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise SchemaError(f"{name or 'the schema'} never ends: it contains itself wherever it is followed")
        known = resolved(schema, self._root)
        for key in ("anyOf", "oneOf"):
            branches = items(known.get(key))
            if branches:
                return self._branch(known, key, name, nth, depth)
        if "const" in known:
            return known["const"]
        choices = items(known.get("enum"))
        if choices:
            return self._choice(choices, name, nth)
        return self._typed(known, name, nth, depth)

    def _typed(self, schema: Schema, name: str, nth: int, depth: int) -> Any:
        match type_of(schema):
            case "object":
                value: Any = self._object(schema, nth, depth)
            case "array":
                value = self._array(schema, name, depth)
            case "integer" | "number" as kind:
                value = self._number(schema, name, nth, whole=kind == "integer")
            case "boolean":
                value = self._boolean(name, nth)
            case "string":
                value = self._string(schema, name, nth)
            case _:
                value = None
        return value

    def _branch(self, schema: Schema, key: str, name: str, nth: int, depth: int) -> Any:
        """The branch that the text speaks of, else the first; deep down the shortest way out."""
        rest = {k: v for k, v in schema.items() if k != key}
        options = [resolved({"allOf": [rest, branch]}, self._root) for branch in items(schema[key])]
        options = [option for option in options if _possible(option)] or options
        telling = [option for option in options if not _is_null(option)]
        if depth >= _SHALLOW and len(telling) < len(options):
            return None
        ordered = sorted(telling or options, key=lambda option: (-self._spoken_of(option), _weight(option, depth)))
        problem: SchemaError | None = None
        for option in ordered:
            try:
                return self.value(option, name, nth, depth + 1)
            except SchemaError as error:
                problem = error
        raise problem or SchemaError(f"{name or 'the schema'} has no branch")

    def _spoken_of(self, option: Schema) -> int:
        """How many words of a branch's title stand in the text."""
        title = option.get("title")
        words = self._facts.words()
        return sum(word in words for word in _words(title)) if isinstance(title, str) else 0

    def _choice(self, choices: Any, name: str, nth: int) -> Any:
        said = [choice for choice in choices if isinstance(choice, str) and choice.lower() in self._facts.lower]
        named = self._facts.named(name) if name else None
        if named in choices:
            return named
        if said and nth == 0:
            return max(said, key=len)
        return choices[nth % len(choices)]

    def _object(self, schema: Schema, nth: int, depth: int) -> dict[str, Any]:
        properties = fields(schema.get("properties"))
        required = [str(name) for name in items(schema.get("required"))]
        made: dict[str, Any] = {}
        for name, sub in properties.items():
            if name in required or (depth < _SHALLOW and self._facts.named(name) is not None):
                made[name] = self.value(sub, name, nth, depth + 1)
        extra = schema.get("additionalProperties")
        for name in required:
            if name not in made:
                made[name] = self.value(fields(cast("object", extra)), name, nth, depth + 1)
        return self._enough(schema, made, nth, depth)

    def _enough(self, schema: Schema, made: dict[str, Any], nth: int, depth: int) -> dict[str, Any]:
        """Add what `minProperties` wants: optional properties first, then ones of `additionalProperties`."""
        least = int(schema.get("minProperties", 0))
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping) and not made and depth < _SHALLOW and schema.get("maxProperties") != 0:
            least = max(least, 1)  # a mapping is shown with one entry rather than none
        for name, sub in fields(schema.get("properties")).items():
            if len(made) >= least:
                break
            if name not in made:
                made[name] = self.value(sub, name, nth, depth + 1)
        while len(made) < least:
            made[f"key_{len(made) + 1}"] = self.value(fields(cast("object", extra)), "", nth, depth + 1)
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        first = items(schema.get("prefixItems")) or (items(schema.get("items")))
        rest: object = schema.get("additionalItems", True) if items(schema.get("items")) else schema.get("items", True)
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        wanted = max(least, self._elements(resolved(rest, self._root), name) if depth < _SHALLOW else 0, len(first))
        if rest is False:
            wanted = min(wanted, len(first))
        wanted = min(wanted, int(most)) if most is not None else wanted
        singular = _singular(name)
        made = [self.value(part, singular, 0, depth + 1) for part in first[:wanted]]
        made += [self.value(rest, singular, n, depth + 1) for n in range(len(made), wanted)]
        return self._distinct(schema, made, rest, singular, depth) if schema.get("uniqueItems") else made

    def _elements(self, element: Schema, name: str) -> int:
        """How many elements to write: as many as the text names, where it names some; else one."""
        facts = self._facts
        match type_of(element):
            case "integer" | "number":
                found = len(facts.numbers)
            case "string" if "enum" not in element:
                found = len(facts.quotes) or len(facts.names) * wants_names(_singular(name))
            case _:
                found = 1
        return min(max(found, 1), 8)

    def _distinct(self, schema: Schema, made: list[Any], rest: object, name: str, depth: int) -> list[Any]:
        """Each element once; others are tried in the place of those that stood there twice."""
        distinct: list[Any] = []
        for value in made:
            if value not in distinct:
                distinct.append(value)
        least = int(schema.get("minItems", 0))
        for n in range(len(made), len(made) + 4 * least):
            if len(distinct) >= least:
                break
            value = self.value(rest, name, n, depth + 1)
            if value not in distinct:
                distinct.append(value)
        return distinct

    def _number(self, schema: Schema, name: str, nth: int, *, whole: bool) -> float:
        low, high, step = _bounds(schema, whole=whole)
        found = self._found_number(name, low, high, step, nth)
        if found is not None:
            return found
        value = _step(low, high, step, nth) if step else _between(low, high, nth)
        return int(value) if value.is_integer() else value

    def _found_number(self, name: str, low: float, high: float, step: float, nth: int) -> float | None:
        """The figure that the text gives `name`, or its next one, if it is allowed here."""

        def allowed(value: float) -> bool:
            return low <= value <= high and (not step or (value / step).is_integer())

        said = _as_number(self._facts.named(name)) if name and not nth else None
        value = said if said is not None and allowed(said) else None
        if value is None:
            fitting = [n for n in self._facts.numbers if allowed(n)]
            # Elements of an array beyond what the text names are to differ.
            found = self._facts.next("number", fitting) if nth < max(1, len(fitting)) else None
            value = found if isinstance(found, float) else None
        return int(value) if value is not None and value.is_integer() else value

    def _boolean(self, name: str, nth: int) -> bool:
        said = (self._facts.named(name) or "").lower()
        if said in {"false", "no", "off"}:
            return False
        return nth % 2 == 0

    def _string(self, schema: Schema, name: str, nth: int) -> str:
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        form = str(schema.get("format", ""))
        example = next((e for e in items(schema.get("examples")) if isinstance(e, str)), None)
        text = guess(name, form, self._facts) or _FORMATS.get(form) or example or _plain(name, self._facts)
        if nth and text == self._before and form not in _FORMATS:
            text = f"{text} {nth + 1}"
        else:
            self._before = text
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            return self._patterned(pattern, text)
        if len(text) < least:
            text = (f"{text} " if text else "a") * (least // max(1, len(text)) + 1)
            text = text[:least]
        if most is not None and len(text) > int(most):
            text = _cut(text, int(most), nth)
        return text.ljust(least, "a")  # a cut ends no word with a blank, and may be too short for it

    def _patterned(self, pattern: str, text: str) -> str:
        try:
            fits = re.compile(pattern)
        except re.error as error:
            raise SchemaError(f"pattern {pattern!r}: {error}") from None
        for candidate in (text, *self._facts.quotes, *self._facts.names, *self._facts.text.split()):
            if fits.search(candidate):
                return candidate
        return matching(pattern) or text


def _cut(text: str, most: int, nth: int) -> str:
    """At most `most` characters, the number of an element kept where it fits."""
    tail = str(nth + 1) if nth else ""
    return (text[: most - len(tail)].rstrip() + tail) if most > len(tail) else text[:most]


def _singular(name: str) -> str:
    return f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")


def _plain(name: str, facts: Facts) -> str:
    """Words for a property of which the text says nothing."""
    said = " ".join(_words(name)) or "value"
    topic = facts.topic
    return f"{said} about {topic}" if topic and topic.lower() != said else said


def _words(name: str) -> list[str]:
    spaced = "".join(f" {c}" if c.isupper() else c for c in name) if name != name.upper() else name
    return spaced.replace("_", " ").replace("-", " ").lower().split()


def _bounds(schema: Schema, *, whole: bool) -> tuple[float, float, float]:
    """The least and the most that are allowed, both included, and the step, 0 for any figure between."""
    low, high = float(schema.get("minimum", -math.inf)), float(schema.get("maximum", math.inf))
    step = float(schema.get("multipleOf", 1 if whole else 0))
    if whole and not step.is_integer():
        step = float(Fraction(str(step)).numerator)  # the smallest whole multiple of it
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None and not isinstance(above, bool):
        low = max(low, _next(float(above), step))
    elif above is True:
        low = _next(low, step)
    if below is not None and not isinstance(below, bool):
        high = min(high, -_next(-float(below), step))
    elif below is True:
        high = -_next(-high, step)
    return low, high, step


def _next(bound: float, step: float) -> float:
    """The least figure above `bound`."""
    if step:
        return (math.floor(bound / step) + 1) * step
    return math.nextafter(bound, math.inf)


def _step(low: float, high: float, step: float, nth: int) -> float:
    """A multiple of `step` between two bounds, another for each `nth`."""
    first = math.ceil(low / step) if math.isfinite(low) else None
    last = math.floor(high / step) if math.isfinite(high) else None
    if first is not None and last is not None and first > last:
        raise SchemaError("a number: no multiple of its step lies between its bounds")
    wanted = 1 + nth
    if (first is None or first <= wanted) and (last is None or wanted <= last):
        return float(wanted * step)
    if first is not None:
        return float((first + (nth if last is None else nth % (last - first + 1))) * step)
    return float(((last or 0) - nth) * step)


def _between(low: float, high: float, nth: int) -> float:
    """A round figure between two bounds, another for each `nth`."""
    if low > high:
        raise SchemaError("a number: nothing lies between its bounds")
    for candidate in (1.0 + nth, 0.5 + nth, low + nth + 1):
        if low <= candidate <= high and math.isfinite(candidate):
            return candidate
    if math.isfinite(low) and math.isfinite(high):
        return low + (high - low) * (0.5 / (nth + 1))
    return low if math.isfinite(low) else high - nth


def _as_number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _is_null(option: Schema) -> bool:
    return option.get("type") == "null" or ("const" in option and option["const"] is None)


def _possible(option: Schema) -> bool:
    return not ("enum" in option and not items(option["enum"]))


def _weight(option: Schema, depth: int) -> int:
    """Deep down, what asks for least goes first; above, the order of the schema holds."""
    return len(items(option.get("required"))) + 10 * ("$ref" in option or "items" in option) if depth >= _SHALLOW else 0
