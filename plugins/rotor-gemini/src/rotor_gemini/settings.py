"""Everything of a request but its messages, in Gemini's words: tools, the form of the answer, parameters. Pure.

Parameters by OpenAI's names are translated; Google's own names, in camelCase or with underscores, go to their place as
they stand (`thinkingConfig`, `safetySettings`, `cachedContent` ..., or a whole `generationConfig`), and win. What of
OpenAI's parameters changes nothing of the answer is passed over (`rotor_core.adapters.parameters`); so is
`parallel_tool_calls`, which Gemini cannot be told. Anything else is refused, by name: it would change the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from rotor_core._policy.content import fields, items
from rotor_core._request import Request
from rotor_core.adapters.json_values import string
from rotor_core.adapters.parameters import fitted
from rotor_core.adapters.wire import UnfitError
from rotor_gemini.generations import Generation
from rotor_gemini.schema import cleaned, is_mapping

_TRANSLATED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "max_tokens": "maxOutputTokens",
        "max_completion_tokens": "maxOutputTokens",  # after `max_tokens`, and so it wins
        "seed": "seed",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "top_logprobs": "logprobs",
    }
)
_GENERATION: Final = frozenset(
    {
        "audioTimestamp", "candidateCount", "enableEnhancedCivicAnswers", "imageConfig", "maxOutputTokens",
        "mediaResolution", "responseJsonSchema", "responseLogprobs", "responseMimeType", "responseModalities",
        "responseSchema", "speechConfig", "stopSequences", "thinkingConfig", "topK", "topP",
    }
)  # fmt: skip
_BESIDE: Final = frozenset({"cachedContent", "labels", "safetySettings", "toolConfig"})
"""Google's own names, in `generationConfig` and beside it."""
_TAKEN: Final = frozenset({"logprobs", "modalities", "n", "service_tier", "top_logprobs"})
"""Of OpenAI's parameters that not everybody has, those that are translated here."""
_TIERS: Final = frozenset({"flex", "priority", "standard"})
"""By google-genai 3.4.0 (2026-11); OpenAI's others are what a request without a tier gets."""
_PASSED_OVER: Final = frozenset({"model", "messages", "stream"})
_READ_ELSEWHERE: Final = frozenset(
    {"stop", "n", "reasoning_effort", "include_reasoning", "response_format", "modalities", "service_tier", "generationConfig"}
)  # fmt: skip
_MODES: Final[Mapping[str, str]] = MappingProxyType({"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"})
_BUILT_IN: Final = frozenset(
    {"googleSearch", "googleSearchRetrieval", "googleMaps", "codeExecution", "urlContext", "computerUse", "fileSearch"}
)
"""Tools that Google runs itself, by their names in a request."""
_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.:-]{0,127}", re.ASCII)


def settings_of(request: Request, generation: Generation) -> dict[str, Any]:
    """The body without its contents. Raises `UnfitError` for what Gemini cannot be told."""
    params = {name: value for name, value in fitted(request.params, _TAKEN).items() if value is not None}
    config = _config(params, generation)
    wanted = request.response_format if request.response_format is not None else params.get("response_format")
    config |= _form(wanted)
    tools = _tools(request.tools or items(params.get("tools")))
    if tools and "responseMimeType" in config and not generation.json_with_tools and _declares(tools):
        raise UnfitError("this model takes tools or a prescribed form of the answer, not both in one request")
    body: dict[str, Any] = {name: value for name, value in _own(params).items() if name in _BESIDE}
    if tools:
        body["tools"] = tools
        choice = request.tool_choice if request.tool_choice is not None else params.get("tool_choice")
        if choice is not None and _declares(tools):
            body["toolConfig"] = {**fields(body.get("toolConfig")), "functionCallingConfig": _choice(choice)}
    if tier := _tier(params.get("service_tier")):
        body["serviceTier"] = tier
    config |= {name: value for name, value in _own(params).items() if name in _GENERATION}
    config |= fields(_own(params).get("generationConfig"))
    if config:
        body["generationConfig"] = config
    return body


# ---- parameters ---------------------------------------------------------------------------------------------------


def _config(params: Mapping[str, Any], generation: Generation) -> dict[str, Any]:
    _refuse_unknown(params)
    config = {own: params[name] for name, own in _TRANSLATED.items() if name in params}
    if stops := _stops(params.get("stop")):
        config["stopSequences"] = stops
    if params.get("n", 1) != 1:
        config["candidateCount"] = params["n"]
    if thinking := generation.thinking_config(params.get("reasoning_effort", "")):
        config["thinkingConfig"] = thinking
    shown = params.get("include_reasoning")
    if shown is not None and generation.thinking is not None:
        config["thinkingConfig"] = {**config.get("thinkingConfig", {}), "includeThoughts": bool(shown)}
    if any(modality != "text" for modality in items(params.get("modalities"))):
        raise UnfitError("`modalities` asks for something else than text: say so by Google's `responseModalities`")
    return config


def _refuse_unknown(params: Mapping[str, Any]) -> None:
    known = _TRANSLATED.keys() | _PASSED_OVER | _READ_ELSEWHERE | {"tools", "tool_choice"}
    unknown = sorted(
        name
        for name in params
        if name not in known and _camel(name) not in _GENERATION | _BESIDE | {"generationConfig"}
    )
    if unknown:
        raise UnfitError(
            f"Gemini has no parameter `{unknown[0]}`: leave it out, or use the name that Google's API has for it"
        )


def _own(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters under Google's own names, in camelCase; `generationConfig` is all that either spelling of it says."""
    own = {_camel(name): value for name, value in params.items() if name not in _TRANSLATED}
    given = (fields(params.get(name)) for name in ("generation_config", "generationConfig"))
    if config := {_camel(name): value for one in given for name, value in one.items()}:
        own["generationConfig"] = config
    return own


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def _stops(stop: Any) -> list[Any]:
    return [text for text in (items(stop) or [stop]) if text]


def _tier(tier: Any) -> str | None:
    return tier if isinstance(tier, str) and tier in _TIERS else None


# ---- the form of the answer ---------------------------------------------------------------------------------------


def _form(wanted: Any) -> dict[str, Any]:
    kind = fields(wanted).get("type")
    match kind:
        case None | "text":
            return {}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema":
            schema: object = fields(fields(wanted).get("json_schema")).get("schema")
            form: dict[str, Any] = {"responseMimeType": "application/json"}
            return {**form, "responseJsonSchema": cleaned(schema)} if is_mapping(schema) else form
        case _:
            raise UnfitError(f"`response_format` is of type {kind!r}: Gemini knows text, json_object and json_schema")


# ---- tools --------------------------------------------------------------------------------------------------------


def _tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Functions as one tool with all their declarations, and Google's own tools as they stand."""
    declared: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for tool in tools:
        known = fields(tool)
        if function := fields(known.get("function")):
            declared.append(_declaration(function))
        elif known and all(_camel(name) in _BUILT_IN for name in known):
            own.append({_camel(name): value for name, value in known.items()})
        else:
            raise UnfitError(f"a tool of type {known.get('type')!r} is none that Gemini knows")
    return [*([{"functionDeclarations": declared}] if declared else []), *own]


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    name = string(function.get("name"))
    if not _FUNCTION.fullmatch(name):
        raise UnfitError(
            f"Gemini refuses the tool name {name!r}: a letter or an underscore, then letters, digits, `_`, `.`, `:`, `-`, 128 at most"
        )
    made: dict[str, Any] = {"name": name}
    if description := string(function.get("description")):
        made["description"] = description
    parameters = fields(function.get("parameters"))
    if _says_something(parameters):
        made["parametersJsonSchema"] = cleaned(parameters)
    return made


def _says_something(schema: Mapping[str, Any]) -> bool:
    """Whether a function has parameters: an object without properties was refused, and says no more than nothing."""
    return bool(schema) and (
        schema.get("type") != "object" or any(schema.get(word) for word in ("properties", "$ref", "anyOf", "allOf"))
    )


def _declares(tools: Sequence[Mapping[str, Any]]) -> bool:
    return any("functionDeclarations" in tool for tool in tools)


def _choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        return {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}
    named = fields(choice)
    match named.get("type"):
        case "function":
            name = fields(named.get("function")).get("name") or named.get("name")
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case "allowed_tools":
            allowed = fields(named.get("allowed_tools")) or named
            names = [
                fields(fields(tool).get("function")).get("name") or fields(tool).get("name")
                for tool in items(allowed.get("tools"))
            ]
            # Without being forced Gemini takes no list of names; `VALIDATED` is its mode that does.
            return {"mode": "ANY" if allowed.get("mode") == "required" else "VALIDATED", "allowedFunctionNames": names}
        case other:
            raise UnfitError(
                f"`tool_choice` is of type {other!r}: Gemini knows auto, none, required and a function's name"
            )
