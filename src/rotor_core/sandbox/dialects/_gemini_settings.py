"""`generationConfig` and schemas as Google reads them: strict about names, ranges and what does not go together. Pure.

A model's generation is read from its name (`gemini-3.6-flash`): what is thought, and how that is asked for, hangs on it.
A name without one is taken for the newest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.schema import SchemaError, check
from rotor_core.sandbox.conversation import Malformed, Shape
from rotor_core.sandbox.dialects._gemini_names import known
from rotor_core.sandbox.dialects._strict import within

_KNOWN: Final = frozenset(
    {
        "audioTimestamp", "candidateCount", "enableEnhancedCivicAnswers", "frequencyPenalty", "imageConfig", "logprobs",
        "maxOutputTokens", "mediaResolution", "presencePenalty", "responseJsonSchema", "responseLogprobs",
        "responseMimeType", "responseModalities", "responseSchema", "seed", "speechConfig", "stopSequences", "temperature",
        "thinkingConfig", "topK", "topP",
    }
)  # fmt: skip
_SCHEMA: Final = frozenset(
    {
        "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
        "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
        "default", "items", "minimum", "maximum", "additionalProperties",
    }
)  # fmt: skip
"""Words of Google's own `Schema`; `parametersJsonSchema` and `responseJsonSchema` take JSON Schema as it is."""
_MIME_TYPES: Final = frozenset({"text/plain", "application/json", "text/x.enum"})
_LEVELS: Final[Mapping[str, Literal["low", "medium", "high"]]] = {
    "MINIMAL": "low", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "high",
}  # fmt: skip
_MOST_BUDGET: Final = 32_768
_MOST_STOPS: Final = 5
_VERSION: Final = re.compile(r"(gemini|gemma)-(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration asks. `third`: the model is of Gemini's third generation or later."""

    third: bool
    shape: Shape = "text"
    schema: Mapping[str, Any] | bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    think: Literal["none", "low", "medium", "high"] | None = None
    show_thoughts: bool = False


def is_third(model: str) -> bool:
    """Whether a model is of Gemini's third generation or later."""
    found = _VERSION.search(model)
    return found is None or (found[1] == "gemini" and int(found[2]) >= 3)


def read_settings(sent: Mapping[str, Any], model: str) -> Settings:
    """The configuration of a request to a model. Raises `Malformed`."""
    config = known(sent, _KNOWN, "generation_config")
    within(
        config,
        "temperature",
        0,
        2,
        "* GenerateContentRequest.generation_config.temperature: must be in the range [0.0, 2.0].\n",
    )
    within(config, "topP", 0, 1, "* GenerateContentRequest.generation_config.top_p: must be in the range [0.0, 1.0].\n")
    within(
        config, "topK", 1, 1000, "* GenerateContentRequest.generation_config.top_k: must be in the range [1, 1000].\n"
    )
    within(config, "maxOutputTokens", 1, 10**7, "max_output_tokens must be positive.")
    if config.get("candidateCount") not in (None, 1):
        raise Malformed("Multiple candidates is not enabled for this model", "generation_config.candidate_count")
    stops = tuple(items(config.get("stopSequences")))
    if len(stops) > _MOST_STOPS or not all(isinstance(stop, str) and stop for stop in stops):
        raise Malformed(
            f"stop_sequences holds {_MOST_STOPS} texts at most, none of them empty", "generation_config.stop_sequences"
        )
    shape, schema = _shape(config)
    think, shown = _thinking(
        known(
            config.get("thinkingConfig"),
            {"includeThoughts", "thinkingBudget", "thinkingLevel"},
            "generation_config.thinking_config",
        ),
        model,
    )
    return Settings(
        is_third(model), shape, schema, config.get("maxOutputTokens"), tuple(str(stop) for stop in stops), think, shown
    )


def _shape(config: Mapping[str, Any]) -> tuple[Shape, Mapping[str, Any] | bool | None]:
    mime: object = config.get("responseMimeType")
    if mime is not None and mime not in _MIME_TYPES:
        raise Malformed(
            f"* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are {', '.join(sorted(_MIME_TYPES))}.\n"
        )
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise Malformed("response_schema and response_json_schema must not both be set")
    schema = schema_of(config, "response", "generation_config")
    if schema is not None and mime not in {"application/json", "text/x.enum"}:
        raise Malformed(
            "* GenerateContentRequest.generation_config.response_mime_type: must be application/json where a schema is set.\n"
        )
    if mime != "application/json":
        return "text", None
    return ("json", None) if schema is None else ("schema", schema)


def schema_of(sent: Mapping[str, Any], prefix: str, place: str) -> Mapping[str, Any] | None:
    """The schema under `parameters`/`parametersJsonSchema`, or `responseSchema`/`responseJsonSchema`, as JSON Schema; None without one."""
    own = prefix if prefix == "parameters" else f"{prefix}Schema"
    if sent.get(own) is not None:
        schema: object = _plain(sent[own], f"{place}.{own}")
    else:
        schema = sent.get(f"{prefix}JsonSchema")
        _check_refs(schema, f"{place}.{prefix}_json_schema")
    if schema is None:
        return None
    try:
        check(schema, f"{place}.{own}")
    except SchemaError as error:
        raise Malformed(f"Invalid schema: {error}", place) from None
    return fields(schema)


def _plain(schema: object, place: str) -> dict[str, Any]:
    """Google's own `Schema` as JSON Schema: its types in small letters, `nullable` left out."""
    sent = known(schema, _SCHEMA, place)
    made = {word: value for word, value in sent.items() if word not in {"nullable", "example", "propertyOrdering"}}
    kind: object = sent.get("type")
    if kind is not None:
        if not isinstance(kind, str):
            raise Malformed(f"Invalid value at '{place}.type' (TYPE_ENUM)", place)
        made["type"] = kind.lower()
    if "properties" in sent:
        made["properties"] = {
            name: _plain(one, f"{place}.properties[{name}]") for name, one in fields(sent["properties"]).items()
        }
    if "items" in sent:
        made["items"] = _plain(sent["items"], f"{place}.items")
    if "anyOf" in sent:
        made["anyOf"] = [_plain(one, f"{place}.any_of[{n}]") for n, one in enumerate(items(sent["anyOf"]))]
    return made


def _check_refs(schema: object, place: str) -> None:
    """Beside a `$ref` only words that begin with `$` may stand."""
    sent = fields(schema)
    if "$ref" in sent and any(not word.startswith("$") for word in sent):
        raise Malformed(f"* GenerateContentRequest.{place}: a $ref stands beside other words\n", place)
    for word, value in sent.items():
        if word in {"properties", "$defs", "definitions"}:
            for one in fields(value).values():
                _check_refs(one, place)
        elif word not in {"enum", "default", "const", "examples", "required"}:
            for one in items(value) or [value]:
                _check_refs(one, place)


def _thinking(sent: Mapping[str, Any], model: str) -> tuple[Literal["none", "low", "medium", "high"] | None, bool]:
    budget: object = sent.get("thinkingBudget")
    level: object = sent.get("thinkingLevel")
    shown = sent.get("includeThoughts") is True
    if budget is not None and level is not None:
        raise Malformed("You can only set only one of thinking budget and thinking level.")
    if level is not None:
        return _by_level(str(level).upper(), model), shown
    if budget is None:
        return None, shown
    if not isinstance(budget, int) or isinstance(budget, bool) or not -1 <= budget <= _MOST_BUDGET:
        raise Malformed(
            f"The thinking budget {budget} is invalid. Please choose a value between -1 and {_MOST_BUDGET}."
        )
    if budget == 0:
        if "pro" in model:
            raise Malformed("Budget 0 is invalid. This model only works in thinking mode.")
        return "none", shown
    return ("low" if 0 < budget <= 1024 else "medium" if budget <= 8192 else "high"), shown


def _by_level(level: str, model: str) -> Literal["low", "medium", "high"]:
    gemma = model.startswith("gemma-4")
    if not is_third(model) and not gemma:
        raise Malformed("Thinking level is not supported for this model.")
    refused = (level == "MINIMAL" and "pro" in model) or (gemma and level not in {"MINIMAL", "HIGH"})
    if level not in _LEVELS or refused:
        raise Malformed(
            f"Thinking level {level} is not supported for this model. Please retry with other thinking level."
        )
    return _LEVELS[level]
