"""Gemini's own `generateContent`: its turns and parts, its usage on every event, its errors in Google's shape.

Shapes are those of recorded exchanges (2024 to 2026). No header speaks of a limit; a refusal names the quota, and tells a
wait of less than a minute even where the day is used up. A bad key is a 400. A stream ends with its finish reason and no
word more; without `alt=sse` it is one JSON list.
"""

from __future__ import annotations

import base64 as base64_
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote

from rotor_core.sandbox.conversation import Asked, Call, Malformed
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects._gemini_request import SIGNATURE, AskedGemini, read_generate
from rotor_core.sandbox.dialects._gemini_settings import is_third
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply, Trouble
from rotor_core.sandbox.dialects.openai import grouped
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

_METHODS: Final = {"generateContent": False, "streamGenerateContent": True}
_SERVICE: Final = "generativelanguage.googleapis.com"
_TYPES: Final = "type.googleapis.com/google.rpc."
_JSON: Final = "application/json; charset=UTF-8"
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_QUOTAS: Final[Mapping[str, tuple[str, str]]] = {
    "requests": ("generate_content_free_tier_requests", "GenerateRequestsPer{per}PerProjectPerModel-FreeTier"),
    "tokens": ("generate_content_free_tier_input_token_count", "GenerateContentInputTokensPerModelPer{per}-FreeTier"),
}
"""A limit's metric and the quota's id, by unit. Tokens of limits are those of the input."""
_TROUBLES: Final[Mapping[Trouble, str]] = {
    "no_key": "Method doesn't allow unregistered callers (callers without established identity). Please use an API key.",
    "wrong_key": "API key not valid. Please pass a valid API key.",
    "no_route": "The requested URL was not found on this server.",
    "not_json": "Invalid JSON payload received. Unexpected token.",
    "server_error": "An internal error has occurred. Please retry.",
    "overloaded": "The model is overloaded. Please try again later.",
}


class Gemini:
    """The dialect."""

    name = "gemini"

    # ---- requests -------------------------------------------------------------------------------------------------

    def route(self, incoming: Incoming) -> Literal["chat", "models"] | None:
        """`/v1beta/models/{model}:generateContent`, `:streamGenerateContent`, `/v1beta/models`, `/v1beta/models/{model}`."""
        name, method = _target(incoming)
        if incoming.method == "POST":
            return "chat" if name and method in _METHODS else None
        is_list = incoming.path in {"/v1beta/models", "/v1/models"}
        return "models" if incoming.method == "GET" and not method and (name or is_list) else None

    def key(self, incoming: Incoming) -> str | None:
        """In a header, or in the query."""
        return incoming.headers.get("x-goog-api-key") or parse_qs(incoming.query).get("key", [None])[0]

    def read(self, incoming: Incoming) -> Asked:
        name, method = _target(incoming)
        events = parse_qs(incoming.query).get("alt") == ["sse"]
        return read_generate(name, incoming.body, stream=_METHODS[method], events=events)

    # ---- answers --------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, readings: Sequence[Reading]) -> Reply:  # noqa: ARG002  nothing is told of limits
        parts = [*_thoughts(exchange, exchange.written.thoughts)]
        if exchange.written.text:
            parts.append(_signed({"text": exchange.written.text}, exchange, exchange.counted.reasoning > 0))
        parts += _calls(exchange)
        return Reply(200, base.to_json(_response(exchange, parts, last=True)), _headers(_JSON, exchange))

    def opening(self, exchange: Exchange, readings: Sequence[Reading]) -> Headers:  # noqa: ARG002  likewise
        return _headers("text/event-stream" if _in_events(exchange) else _JSON, exchange)

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        """The answer in pieces, and a last one with the calls and the reason."""
        responses = [
            _response(exchange, _thoughts(exchange, piece), last=False)
            for piece in (grouped(exchange.written.thoughts) if _shown(exchange) else ())
        ]
        responses += [_response(exchange, [{"text": piece}], last=False) for piece in grouped(exchange.written.text)]
        calls = _calls(exchange)
        closing = [_signed({"text": ""}, exchange, exchange.counted.reasoning > 0)] if not calls else []
        responses.append(_response(exchange, calls or closing, last=True))
        if _in_events(exchange):
            for response in responses:
                yield b"data: " + base.to_json(response) + b"\r\n\r\n"
            return
        for n, response in enumerate(responses):
            yield (b",\r\n" if n else b"[") + base.to_json(response)
        yield b"]"

    def is_end(self, event: bytes) -> bool:
        return event == b"]" or b'"finishReason"' in event

    def stream_error(self) -> bytes:
        return b"data: " + base.to_json(_error(500, _TROUBLES["server_error"])) + b"\r\n\r\n"

    # ---- errors ---------------------------------------------------------------------------------------------------

    def refuse(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:  # noqa: ARG002  likewise
        match refused.reason:
            case "auth":
                return self.trouble("wrong_key", 401)
            case "model":
                text = (
                    f"models/{model} is not found for API version v1beta, or is not supported for generateContent. Call "
                    "ListModels to see the list of available models and their supported methods."
                )
                return _reply(404, text)
            case "context":
                text = (
                    f"The input token count ({base.figure(refused.requested or 0)}) exceeds the maximum number of tokens "
                    f"allowed ({base.figure(refused.limit or 0)})."
                )
                return _reply(400, text)
            case "too_large" | "rate":
                return _exhausted(refused, model)

    def malformed(self, problem: Malformed) -> Reply:
        if problem.param is None or "Unknown name" not in problem.message:
            return _reply(400, problem.message)
        violation = {"field": problem.param, "description": problem.message}
        return _reply(400, problem.message, [{"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}])

    def over_max_output(self, asked: int, most: int) -> Malformed:
        text = f"max_output_tokens must be from 1 to {most}, and is {asked}."
        return Malformed(text, "generation_config.max_output_tokens")

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:  # noqa: ARG002  no key is shown
        text = message or _TROUBLES[trouble]
        if trouble == "wrong_key":
            about = {"@type": f"{_TYPES}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            return _reply(400, text, [{**about, "metadata": {"service": _SERVICE}}])
        if status == 200:
            return Reply(200, base.to_json(_error(500, text)), (("content-type", _JSON),))
        return _reply(403 if trouble == "no_key" else status, text)

    # ---- models ---------------------------------------------------------------------------------------------------

    def models(self, imitation: Imitation, path: str) -> Reply:
        name = path.partition("/models/")[2]
        if not name:
            listed = [_model(model) for model in imitation.models.values()]
            return Reply(200, base.to_json({"models": listed}), (("content-type", _JSON),))
        model = base.models_of(imitation, path)
        if model is None:
            return self.refuse(Refused("model", 404), name, ())
        return Reply(200, base.to_json(_model(model)), (("content-type", _JSON),))


def _target(incoming: Incoming) -> tuple[str, str]:
    """The model and the method of a path, each perhaps empty."""
    for prefix in ("/v1beta/models/", "/v1/models/"):
        if incoming.path.startswith(prefix):
            name, _, method = unquote(incoming.path.removeprefix(prefix)).partition(":")
            return name, method
    return "", ""


# ---- parts of an answer -------------------------------------------------------------------------------------------


def _in_events(exchange: Exchange) -> bool:
    return not isinstance(exchange.asked, AskedGemini) or exchange.asked.events


def _shown(exchange: Exchange) -> bool:
    return exchange.asked.thoughts == "shown"


def _thoughts(exchange: Exchange, thought: str) -> list[dict[str, Any]]:
    return [{"text": thought, "thought": True}] if thought and _shown(exchange) else []


def _calls(exchange: Exchange) -> list[dict[str, Any]]:
    """Calls whose arguments are whole: the rest was cut off with the answer. The first of them carries the signature."""
    made: list[dict[str, Any]] = []
    for call in exchange.written.calls:
        try:
            arguments = json.loads(call.arguments)
        except ValueError:
            break
        made.append(_signed({"functionCall": _call(exchange, call, arguments)}, exchange, not made))
    return made


def _call(exchange: Exchange, call: Call, arguments: Any) -> dict[str, Any]:
    """With an id from the third generation on."""
    found = {"name": call.name, "args": arguments}
    return {**found, "id": f"{exchange.number:06x}{call.id}"} if is_third(exchange.asked.model) else found


def _signed(part: dict[str, Any], exchange: Exchange, signed: bool) -> dict[str, Any]:  # noqa: FBT001  which of several is
    if not signed or not is_third(exchange.asked.model):
        return part
    signature = base64_.b64encode(SIGNATURE + f"{exchange.number}/{exchange.asked.model}".encode()).decode()
    return {**part, "thoughtSignature": signature}


def _response(exchange: Exchange, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidate: dict[str, Any] = {"content": content, "index": 0}
    if last:
        candidate["finishReason"] = "MAX_TOKENS" if exchange.written.finish == "length" else "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(exchange),
        "modelVersion": exchange.asked.model,
        "responseId": f"sandbox{exchange.number:012x}",
    }


def _usage(exchange: Exchange) -> dict[str, Any]:
    """Cumulative figures: those of the whole already, for an imitation knows them from the start."""
    counted = exchange.counted
    usage: dict[str, Any] = {"promptTokenCount": counted.prompt}
    if said := counted.completion - counted.reasoning:
        usage["candidatesTokenCount"] = said
    usage["totalTokenCount"] = counted.total
    if counted.cached:
        usage["cachedContentTokenCount"] = counted.cached
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": counted.prompt}]
    if counted.reasoning:
        usage["thoughtsTokenCount"] = counted.reasoning
    return usage


def _headers(content_type: str, exchange: Exchange) -> Headers:
    return (
        ("content-type", content_type),
        ("vary", "Origin"),
        ("x-gemini-service-tier", "standard"),
        ("server-timing", f"gfet4t7; dur={round(exchange.took * 1000)}"),
    )


def _model(model: ImitatedModel) -> dict[str, Any]:
    return {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.name,
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.max_output or model.context,
        "supportedGenerationMethods": ["generateContent"],
        "thinking": model.capabilities is not None and "reasoning" in model.capabilities,
    }


# ---- errors -------------------------------------------------------------------------------------------------------


def _exhausted(refused: Refused, model: str) -> Reply:
    """A quota that is used up: its name, its size, and a wait that speaks of the minute whatever the quota's period is."""
    broken = refused.broken
    if broken is None or broken.unit == "concurrent" or not isinstance(broken.per, str):
        return _reply(429, "Resource has been exhausted (e.g. check quota).")
    metric, quota = _QUOTAS["requests" if broken.unit == "requests" else "tokens"]
    limit = base.figure(refused.limit or 0)
    text = (
        "You exceeded your current quota, please check your plan and billing details. \n"
        f"* Quota exceeded for metric: {_SERVICE}/{metric}, limit: {limit}, model: {model}"
    )
    violation = {
        "quotaMetric": f"{_SERVICE}/{metric}",
        "quotaId": quota.format(per=broken.per.capitalize()),
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": limit,
    }
    details: list[dict[str, Any]] = [{"@type": f"{_TYPES}QuotaFailure", "violations": [violation]}]
    if refused.retry_after is not None:
        wait = refused.retry_after % 60 if broken.per not in {"second", "minute"} else refused.retry_after
        text += f"\nPlease retry in {base.go_duration(wait, digits=9)}."
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{math.floor(wait)}s"})
    return _reply(429, text, details)


def _reply(status: int, text: str, details: Sequence[Mapping[str, Any]] = ()) -> Reply:
    return Reply(status, base.to_json(_error(status, text, details)), (("content-type", _JSON),))


def _error(status: int, text: str, details: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    error: dict[str, Any] = {"code": status, "message": text, "status": _STATUSES.get(status, "UNKNOWN")}
    return {"error": {**error, "details": list(details)} if details else error}


DIALECT: Final = Gemini()
