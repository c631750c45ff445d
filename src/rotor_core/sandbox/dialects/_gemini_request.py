"""A `generateContent` request as Google reads it: every field known, every turn in its place, every signature its own. Pure.

Names may be written in camelCase or with underscores, as protobuf's JSON allows; an unknown one is refused with its place.
Turns follow Google's rules for function calls: a call comes after a user, and is followed by as many responses. Models of
the name `gemini-3` and later want a thought signature with the first call of each step since the user last spoke, one
that this sandbox has given or one of the two values that Google documents for histories without any.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.conversation import Asked, Malformed, Shape, Tool
from rotor_core.sandbox.dialects._gemini_names import known, snake
from rotor_core.sandbox.dialects._gemini_settings import read_settings, schema_of
from rotor_core.sandbox.dialects._strict import object_of

SIGNATURE: Final = b"sandbox thought "
"""What the signatures of this sandbox begin with, before they are base64."""
_UNSIGNED: Final = frozenset({"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"})

_TOP: Final = frozenset(
    {
        "contents", "tools", "toolConfig", "systemInstruction", "generationConfig", "safetySettings", "cachedContent",
        "labels", "serviceTier", "store", "model",
    }
)  # fmt: skip
_DATA: Final = frozenset(
    {
        "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
        "toolCall", "toolResponse",
    }
)  # fmt: skip
_PART: Final = _DATA | {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
_BLOB: Final = frozenset({"mimeType", "data", "displayName"})
_FILE: Final = frozenset({"mimeType", "fileUri", "displayName"})
_CALL: Final = frozenset({"id", "name", "args"})
_RESPONSE: Final = frozenset({"id", "name", "response", "parts", "willContinue", "scheduling"})
_DECLARATION: Final = frozenset(
    {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"}
)
_TOOL: Final = frozenset(
    {"functionDeclarations", "googleSearch", "googleSearchRetrieval", "googleMaps", "codeExecution", "urlContext", "computerUse", "fileSearch"}
)  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_ROLES: Final = frozenset({"user", "model", "function"})

_AFTER_USER: Final = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
)
_AFTER_CALL: Final = "Please ensure that function response turn comes immediately after a function call turn."
_AS_MANY: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
_NO_SIGNATURE: Final = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly. "
    "Additional data, function call `default_api:{name}` , position {position}."
)


@dataclass(frozen=True, slots=True)
class AskedGemini(Asked):
    """With what only this dialect asks. `events`: the stream comes as server-sent events, not as one JSON list."""

    events: bool = True


@dataclass(frozen=True, slots=True)
class _Turn:
    """One content: its parts, each with camelCase names, and its data by kind."""

    role: str
    parts: Sequence[Mapping[str, Any]]

    def having(self, kind: str) -> list[Mapping[str, Any]]:
        return [part for part in self.parts if kind in part]


def read_generate(model: str, body: bytes, *, stream: bool, events: bool) -> AskedGemini:
    """What a body asks of a model. Raises `Malformed`, and `ValueError` where it is not JSON."""
    sent = known(object_of(body, "Invalid JSON payload received. Expected an object."), _TOP, "")
    settings = read_settings(known_settings(sent), model)
    contents = items(sent.get("contents"))
    if not contents:
        raise Malformed("* GenerateContentRequest.contents: contents is not specified\n", "contents")
    turns = [_turn(content, f"contents[{n}]") for n, content in enumerate(contents)]
    _check_order(turns)
    if settings.third:
        _check_signatures(turns)
    if sent.get("cachedContent"):
        raise Malformed("CachedContent not found (or permission denied)", "cached_content")
    tools = _tools(sent.get("tools"))
    choice, forced, tools = _choice(sent.get("toolConfig"), tools)
    shape: Shape = settings.shape
    if tools and shape != "text" and not settings.third:
        raise Malformed("Function calling with a response mime type: 'application/json' is unsupported")
    return AskedGemini(
        model=model,
        messages=[*_system(sent.get("systemInstruction")), *_messages(turns)],
        tools=tools,
        choice=choice,
        forced=forced,
        shape=shape,
        schema=settings.schema,
        max_tokens=settings.max_tokens,
        stop=settings.stop,
        stream=stream,
        think=settings.think,
        thoughts="shown" if settings.show_thoughts else "hidden",
        events=events,
    )


def known_settings(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """`generationConfig`, which has to be an object. Raises `Malformed`."""
    found: object = sent.get("generationConfig")
    if found is not None and not isinstance(found, Mapping):
        raise Malformed("Invalid value at 'generation_config' (type.googleapis.com/google.ai.generativelanguage)")
    return fields(found)  # pyright: ignore[reportUnknownArgumentType]


# ---- turns --------------------------------------------------------------------------------------------------------


def _turn(content: object, place: str) -> _Turn:
    sent = known(content, {"role", "parts"}, place)
    role: object = sent.get("role") or "user"
    if role not in _ROLES:
        raise Malformed("Please use a valid role: user, model.", f"{place}.role")
    found = [_part(part, f"{place}.parts[{n}]") for n, part in enumerate(items(sent.get("parts")))]
    if not found:
        raise Malformed(
            f"* GenerateContentRequest.{place}.parts: contents.parts must not be empty.\n", f"{place}.parts"
        )
    return _Turn("user" if role == "function" else str(role), found)


def _part(part: object, place: str) -> Mapping[str, Any]:
    sent = known(part, _PART, place)
    data = [name for name in sent if name in _DATA and sent[name] is not None and sent[name] != ""]
    if not data:
        raise Malformed(
            f"* GenerateContentRequest.{place}.data: required oneof field 'data' must have one initialized field\n",
            place,
        )
    if len(data) > 1:
        raise Malformed(
            f"Invalid value at '{place}' (oneof), oneof field 'data' is already set. Cannot set '{snake(data[1])}'",
            place,
        )
    kind, made = data[0], dict(sent)
    match kind:
        case "text":
            if not isinstance(sent["text"], str):
                raise Malformed(f"Invalid value at '{place}.text' (TYPE_STRING)", place)
        case "inlineData":
            made[kind] = _blob(sent[kind], f"{place}.inline_data")
        case "fileData":
            made[kind] = known(sent[kind], _FILE, f"{place}.file_data")
        case "functionCall":
            made[kind] = _named(known(sent[kind], _CALL, f"{place}.function_call"), "args", f"{place}.function_call")
        case "functionResponse":
            where = f"{place}.function_response"
            made[kind] = _named(known(sent[kind], _RESPONSE, where), "response", where)
        case _:
            pass
    if "thoughtSignature" in sent:
        decoded(sent["thoughtSignature"], f"{place}.thought_signature")
    return made


def _blob(sent: object, place: str) -> Mapping[str, Any]:
    blob = known(sent, _BLOB, place)
    decoded(blob.get("data"), f"{place}.data")
    if not isinstance(blob.get("mimeType"), str) or "/" not in blob["mimeType"]:
        raise Malformed(f"Unsupported MIME type: {blob.get('mimeType') or ''}", place)
    return blob


def _named(sent: Mapping[str, Any], struct: str, place: str) -> Mapping[str, Any]:
    """A call or a response: a name, and an object where a Struct is wanted."""
    if not isinstance(sent.get("name"), str) or not sent["name"]:
        raise Malformed(f"* GenerateContentRequest.{place}.name: Name cannot be empty.\n", place)
    if not isinstance(sent.get(struct, {}), Mapping):
        raise Malformed(f"Invalid value at '{place}.{struct}' (type.googleapis.com/google.protobuf.Struct)", place)
    return sent


def decoded(text: object, place: str) -> bytes:
    """Bytes out of base64 of either alphabet. Raises `Malformed`."""
    plain = text if isinstance(text, str) and text else "?"  # which is no base64
    try:
        return base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise Malformed(f"Invalid value at '{place}' (TYPE_BYTES), Base64 decoding failed", place) from None


def _check_order(turns: Sequence[_Turn]) -> None:
    """Google's rules for calls and their responses."""
    before: _Turn | None = None
    for turn in turns:
        calls = len(before.having("functionCall")) if before else 0
        responses = len(turn.having("functionResponse"))
        if turn.having("functionCall") and (turn.role != "model" or before is None or before.role != "user"):
            raise Malformed(_AFTER_USER, "contents")
        if responses and (turn.role != "user" or not calls):
            raise Malformed(_AFTER_CALL, "contents")
        if calls != responses:
            raise Malformed(_AS_MANY, "contents")
        before = turn
    if before and before.having("functionCall"):
        raise Malformed(_AS_MANY, "contents")


def _check_signatures(turns: Sequence[_Turn]) -> None:
    spoke = max(
        (n for n, turn in enumerate(turns) if turn.role == "user" and not turn.having("functionResponse")), default=0
    )
    for position, turn in enumerate(turns, 1):
        for place, part in enumerate(turn.parts):
            signature: object = part.get("thoughtSignature")
            if signature is not None and signature not in _UNSIGNED:
                given = decoded(signature, "thought_signature")
                if not given.startswith(SIGNATURE):
                    raise Malformed("Corrupted thought signature.", f"contents[{position - 1}].parts[{place}]")
        calls = turn.having("functionCall")
        if position - 1 > spoke and calls and not calls[0].get("thoughtSignature"):
            raise Malformed(_NO_SIGNATURE.format(name=calls[0]["functionCall"]["name"], position=position), "contents")


# ---- in OpenAI's shapes, as the sandbox answers them --------------------------------------------------------------


def _system(instruction: object) -> list[Mapping[str, Any]]:
    if instruction is None:
        return []
    turn = _turn(instruction, "system_instruction")
    if any("text" not in part for part in turn.parts):
        raise Malformed("system_instruction takes text only", "system_instruction")
    return [{"role": "system", "content": "\n".join(str(part["text"]) for part in turn.parts)}]


def _messages(turns: Sequence[_Turn]) -> list[Mapping[str, Any]]:
    made: list[Mapping[str, Any]] = []
    waiting: list[tuple[str, str]] = []
    for position, turn in enumerate(turns):
        if turn.role == "model":
            calls = [part["functionCall"] for part in turn.having("functionCall")]
            waiting = [(str(call.get("id") or f"call-{position}-{n}"), call["name"]) for n, call in enumerate(calls)]
            said = "".join(str(part["text"]) for part in turn.having("text") if not part.get("thought"))
            message: dict[str, Any] = {"role": "assistant", "content": said or None}
            if calls:
                message["tool_calls"] = [
                    _tool_call(ident, call) for (ident, _), call in zip(waiting, calls, strict=True)
                ]
            made.append(message)
            continue
        for part in turn.having("functionResponse"):
            response = part["functionResponse"]
            made.append({"role": "tool", "tool_call_id": _answers(response, waiting), "content": _result(response)})
        said_parts = [_as_part(part) for part in turn.parts if "functionResponse" not in part]
        if said_parts:
            made.append({"role": "user", "content": said_parts})
    return made


def _answers(response: Mapping[str, Any], waiting: list[tuple[str, str]]) -> str:
    """The call that a response answers: of its id, or else the first that waits under its name. Raises `Malformed`."""
    for n, (ident, name) in enumerate(waiting):
        if response.get("id") in (None, ident) and response["name"] == name:
            del waiting[n]
            return ident
    raise Malformed(
        f"Function response `{response['name']}` answers no function call of the turn before it.", "contents"
    )


def _tool_call(ident: str, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
    return {"id": ident, "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _result(response: Mapping[str, Any]) -> str:
    sent = fields(response.get("response"))
    alone = sent.get("output") if len(sent) == 1 else None
    return alone if isinstance(alone, str) else json.dumps(dict(sent), ensure_ascii=False)


def _as_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    kind = str(fields(part.get("inlineData") or part.get("fileData")).get("mimeType") or "")
    return {"type": "image_url" if kind.startswith("image/") else "file"}


# ---- tools --------------------------------------------------------------------------------------------------------


def _tools(sent: object) -> tuple[Tool, ...]:
    made: dict[str, Tool] = {}
    for n, tool in enumerate(items(sent)):
        declared = known(tool, _TOOL, f"tools[{n}]")
        for m, function in enumerate(items(declared.get("functionDeclarations"))):
            one = _declaration(function, f"tools[{n}].function_declarations[{m}]")
            if one.name in made:
                raise Malformed(f"Duplicate function declaration found: {one.name}", "tools")
            made[one.name] = one
    return tuple(made.values())


def _declaration(sent: object, place: str) -> Tool:
    function = known(sent, _DECLARATION, place)
    name: object = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Malformed(
            f"* GenerateContentRequest.{place}.name: Invalid function name. Must start with a letter or an underscore.\n",
            place,
        )
    if "parameters" in function and "parametersJsonSchema" in function:
        raise Malformed("parameters and parameters_json_schema must not both be set", place)
    described = function.get("description")
    parameters = schema_of(function, "parameters", place)
    return Tool(name, described if isinstance(described, str) else "", fields(parameters))


Mode = Literal["auto", "none", "required"]


def _choice(config: object, tools: tuple[Tool, ...]) -> tuple[Mode, str | None, tuple[Tool, ...]]:
    """How functions may be called, by which name alone, and which are left to choose from."""
    sent = known(
        config, {"functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"}, "tool_config"
    )
    place = "tool_config.function_calling_config"
    calling = known(
        sent.get("functionCallingConfig"), {"mode", "allowedFunctionNames", "streamFunctionCallArguments"}, place
    )
    allowed = [str(name) for name in items(calling.get("allowedFunctionNames"))]
    mode: object = calling.get("mode")
    if mode not in {None, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"}:
        raise Malformed(f"Invalid value at '{place}.mode', \"{mode}\"", place)
    if allowed and mode not in {"ANY", "VALIDATED"}:
        raise Malformed("`allowed_function_names` should be set only when function calling mode is ANY.", place)
    if mode == "ANY" and not tools:
        raise Malformed("Function calling config is set without function_declarations.", place)
    unknown = sorted(set(allowed) - {tool.name for tool in tools})
    if unknown:
        raise Malformed(f"`allowed_function_names` holds a name that is not declared: {unknown[0]}", place)
    left = tuple(tool for tool in tools if not allowed or tool.name in allowed)
    if mode == "ANY":
        return "required", left[0].name if len(left) == 1 else None, left
    return ("none" if mode == "NONE" else "auto"), None, left
