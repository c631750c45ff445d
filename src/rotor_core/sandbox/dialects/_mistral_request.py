"""A request to Mistral as Mistral reads it: OpenAI's, but for what it calls otherwise, and strict. Pure.

Known fields are those of the vendor's SDK (mistralai 3.7); the rules of a conversation and their wordings those that others
report of it (2024 to 2026): ids of nine alphanumerics, as many results as calls, the last word never the assistant's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.conversation import Asked, Malformed
from rotor_core.sandbox.dialects._openai_request import asked_of
from rotor_core.sandbox.dialects._strict import object_of, objects, only

EXTRA: Final = "extra_forbidden"
"""The code of a `Malformed` that is an unknown field; others are Mistral's own numbers, or none."""
ORDER: Final = "3230"
BAD_ANSWER: Final = "3240"
BAD_CALL_ID: Final = "3280"
BAD_ARGUMENTS: Final = "3051"

_BODY: Final = frozenset(
    {
        "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata", "response_format",
        "tools", "tool_choice", "presence_penalty", "frequency_penalty", "min_tokens", "repetition_penalty", "top_k", "logprobs",
        "top_logprobs", "prompt_logprobs", "top_prompt_logprobs", "n", "prediction", "parallel_tool_calls", "reasoning_effort",
        "prompt_mode", "guardrails", "prompt_cache_key", "service_tier", "safe_prompt",
    }
)  # fmt: skip
_MESSAGES: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
_PARTS: Final = frozenset({"text", "image_url", "document_url", "reference", "file", "thinking", "input_audio"})
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_CHOICES: Final = frozenset({"auto", "none", "any", "required"})


def read(body: bytes) -> Asked:
    """What a body asks. Raises `Malformed`, and `ValueError` where it is not JSON."""
    sent = only(object_of(body, "Input should be a valid dictionary"), _BODY, _extra)
    if sent.get("logprobs"):
        raise Malformed("Logprobs are not enabled for this model", "logprobs", BAD_ARGUMENTS)
    messages = [_message(message) for message in objects(sent.get("messages"))]
    _check_order(messages)
    form = fields(sent.get("response_format")).get("type")
    choice = sent.get("tool_choice")
    if isinstance(choice, str) and choice not in _CHOICES:
        raise Malformed("Input should be 'auto', 'none', 'any' or 'required'", "tool_choice")
    asked = asked_of(
        {
            **sent,
            "messages": messages,
            "tool_choice": "required" if choice == "any" else choice,
            # The words of the conversation need not speak of JSON here.
            "response_format": None if form == "json_object" else sent.get("response_format"),
            "stream_options": {"include_usage": True},
        }
    )
    think = "medium" if asked.think is None and sent.get("prompt_mode") == "reasoning" else asked.think
    return replace(asked, think=think, thoughts="shown", shape="json" if form == "json_object" else asked.shape)


def _extra(name: str) -> Malformed:
    return Malformed("Extra inputs are not permitted", name, EXTRA)


def _message(sent: Mapping[str, Any]) -> dict[str, Any]:
    role = sent.get("role")
    if not isinstance(role, str) or role not in _MESSAGES:
        raise Malformed("Input should be 'system', 'user', 'assistant' or 'tool'", "messages")
    message = dict(only(sent, _MESSAGES[role], _extra))
    content = message.get("content")
    if items(content):
        message["content"] = [_part(part) for part in objects(content)]
    if role != "assistant":
        if role == "tool":
            _check_id(message.get("tool_call_id"))
        return message
    calls = list(objects(message.get("tool_calls")))
    for call in calls:
        only(call, {"id", "type", "function", "index"}, _extra)
        only(call.get("function"), {"name", "arguments"}, _extra)
        _check_id(call.get("id"))
    if bool(content) == bool(calls) and not message.get("prefix"):
        both = "Assistant message must have either content or tool_calls" + (", but not both." if calls else ".")
        raise Malformed(both, "messages", BAD_ANSWER)
    return {key: value for key, value in message.items() if key != "prefix"}


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """As OpenAI has it; a part of thinking is text to a model that reads it again."""
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        raise Malformed(f"Input tag '{kind}' does not match any of the expected tags", "messages")
    if kind == "thinking":
        return {"type": "text", "text": "".join(str(piece.get("text", "")) for piece in objects(part.get("thinking")))}
    return part if kind in {"text", "image_url", "input_audio", "file"} else {"type": "file", "file": part}


def _check_id(ident: object) -> None:
    if not isinstance(ident, str) or not _CALL_ID.fullmatch(ident):
        problem = f"Tool call id was {ident} but must be a-z, A-Z, 0-9, with a length of 9."
        raise Malformed(problem, "messages", BAD_CALL_ID)


def _check_order(messages: list[dict[str, Any]]) -> None:
    """As many results as calls before anyone else speaks, and the last word not the assistant's."""
    waiting = 0
    for message in messages:
        if message["role"] == "tool":
            waiting -= 1
        elif waiting:
            break
        if message["role"] == "assistant":
            waiting = len(items(message.get("tool_calls")))
    last = messages[-1]["role"] if messages else "user"
    if last not in {"user", "tool"}:
        text = f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last}"
        raise Malformed(text, "messages", ORDER)
    if waiting:
        raise Malformed("Not the same number of function calls and responses", "messages", ORDER)
