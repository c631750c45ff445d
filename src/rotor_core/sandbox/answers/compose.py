"""An answer from the request alone: a tool call where one is wanted, JSON where it has to be, prose else. Pure.

`max_tokens` and `stop` are honoured as providers do: what does not fit is not there, and `finish` says so. Reasoning
comes first and counts, so that a small `max_tokens` can leave a reasoning model without a word to say.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers import prose
from rotor_core.sandbox.answers.choose import Planned, plan, turn_of
from rotor_core.sandbox.answers.facts import Facts
from rotor_core.sandbox.answers.fill import fill
from rotor_core.sandbox.answers.schema import SchemaError
from rotor_core.sandbox.conversation import Asked, Call, Malformed, Written
from rotor_core.sandbox.spec import Range
from rotor_core.sandbox.tokens import pieces, texts_of

_THINKING: Final[Mapping[str, int]] = {"low": 15, "medium": 30, "high": 60}
_CALL_OVERHEAD: Final = 4
_FIGURES: Final = frozenset(
    [
        "age",
        "amount",
        "count",
        "degrees",
        "height",
        "length",
        "number",
        "price",
        "quantity",
        "rating",
        "score",
        "sum",
        "temperature",
        "total",
        "weight",
        "year",
    ]
)
_KEYS: Final = re.compile(r"[\"'`\u201c]([A-Za-z_]\w*)[\"'`\u201d]")


def compose(asked: Asked, output: Range) -> Written:
    """The answer, `output` tokens long where nothing in the request says how long. Raises `Malformed` for a bad schema."""
    said = _last_words(asked.messages)
    turn = turn_of(asked.messages, said)
    seed = zlib.crc32(f"{asked.model}\n{said}\n{len(asked.messages)}".encode("utf-8", "replace"))
    results = _results(asked.messages)
    learned = "\n".join(text for _, text in results)
    facts = Facts(said, learned)
    effort = _THINKING.get(asked.think or "none", 0)
    thought = pieces(prose.thoughts(facts.topic, effort)) if effort else []
    try:
        planned = plan(asked, turn)
        if planned:
            return _called(asked, planned, learned, seed, thought)
        text = _text(asked, facts, results, output, seed)
    except SchemaError as error:
        raise Malformed(f"Invalid schema: {error}", "response_format" if asked.shape == "schema" else "tools") from None
    return _cut(asked, text, thought)


def _text(asked: Asked, facts: Facts, results: list[tuple[str, str]], output: Range, seed: int) -> str:
    if asked.shape != "text":
        schema = asked.schema if asked.shape == "schema" else _wished_for(asked.messages)
        return json.dumps(fill(fields(schema), facts), ensure_ascii=False, separators=(", ", ": "))
    if results:
        return prose.from_results(results)
    low, high = output
    return prose.about(facts.topic, round(low + (high - low) * (seed % 1000) / 999), seed)


def _called(asked: Asked, planned: list[Planned], learned: str, seed: int, thought: list[str]) -> Written:
    """Tool calls; one that `max_tokens` cuts through ends in the middle, as it does with real models."""
    room = None if asked.max_tokens is None else max(0, asked.max_tokens - len(thought))
    calls: list[Call] = []
    used = 0
    for n, call in enumerate(planned):
        arguments = pieces(_arguments(call, learned))
        overhead = _CALL_OVERHEAD + len(pieces(call.tool.name))
        if room is not None and used + overhead + len(arguments) > room:
            arguments = arguments[: max(0, room - used - overhead)]
            used = room
        else:
            used += overhead + len(arguments)
        calls.append(Call(f"{seed:08x}{n:02x}", call.tool.name, "".join(arguments)))
        if used == room:
            break
    cut = room is not None and used >= room
    kept = thought if asked.max_tokens is None else thought[: asked.max_tokens]
    if cut and not room:
        calls = []
    return Written("", tuple(calls), "".join(kept), "length" if cut else "tool_calls", used + len(kept), len(kept))


def _arguments(call: Planned, learned: str) -> str:
    made = fill(call.tool.parameters, Facts(call.text, learned)) if call.tool.parameters else None
    return json.dumps({**fields(made), **call.given}, ensure_ascii=False, separators=(",", ":"))


def _cut(asked: Asked, text: str, thought: list[str]) -> Written:
    """The text up to a stop sequence and within `max_tokens`."""
    ends = [text.index(stop) for stop in asked.stop if stop and stop in text]
    if ends:
        text = text[: min(ends)]
    written, finish = pieces(text), "stop"
    if asked.max_tokens is not None and len(thought) + len(written) > asked.max_tokens:
        thought = thought[: asked.max_tokens]
        written = written[: asked.max_tokens - len(thought)]
        finish = "length"
    said, thoughts = "".join(written), "".join(thought)
    if asked.thoughts == "inline" and thoughts:
        said, thoughts = f"<think>{thoughts}</think>{said}", ""
    return Written(
        said,
        (),
        thoughts,
        "length" if finish == "length" else "stop",
        len(thought) + len(written),
        len(thought),
    )


def _last_words(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the user said last, in one message or several; all there is where no user spoke."""
    last: list[Mapping[str, Any]] = []
    for message in reversed(messages):
        if message.get("role") == "user":
            last.append(message)
        elif last:
            break
    return texts_of(last[::-1] or messages)


def _results(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What tools have answered since the user last spoke: name and text."""
    names: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for message in messages:
        if message.get("role") == "user":
            found.clear()
        for call in items(message.get("tool_calls")):
            names[str(fields(call).get("id"))] = str(fields(fields(call).get("function")).get("name"))
        if message.get("role") == "tool":
            name = message.get("name") or names.get(str(message.get("tool_call_id")), "the tool")
            text = texts_of([message])
            found.append((str(name), text or "something that is not text"))
    return found


def _wished_for(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The schema of JSON mode, where none was sent: one that stands in the messages, an example, or keys in quotes."""
    text = texts_of(messages)
    for shown in _objects(text):
        if "properties" in shown:
            return shown
        if shown:
            return _like(shown)
    keys = list(dict.fromkeys(key for key in _KEYS.findall(text) if key.lower() != "json"))
    return _object_of({key: _typed_by_name(key) for key in keys or ["answer"]})


def _objects(text: str) -> list[Mapping[str, Any]]:
    """Every JSON object that a text shows, in order."""
    found: list[Mapping[str, Any]] = []
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0 and len(found) < 4:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            found.append(fields(value))
        at = text.find("{", end)
    return found


def _typed_by_name(key: str) -> Mapping[str, Any]:
    """What a key that was only named will hold, as far as its name tells."""
    words = set(key.lower().split("_"))
    if words & {"is", "has", "can"}:
        return {"type": "boolean"}
    return {"type": "number"} if words & _FIGURES else {"type": "string"}


def _like(example: object) -> Mapping[str, Any]:
    """A schema of which `example` is an instance."""
    if isinstance(example, Mapping):
        return _object_of({str(key): _like(value) for key, value in fields(cast("object", example)).items()})
    if isinstance(example, list):
        elements = items(cast("object", example))
        return {"type": "array", "items": _like(elements[0]) if elements else {"type": "string"}}
    if isinstance(example, bool):
        return {"type": "boolean"}
    if isinstance(example, int | float):
        return {"type": "integer" if isinstance(example, int) else "number"}
    return {"type": "null"} if example is None else {"type": "string"}


def _object_of(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
