"""OpenAI's chat completions: the format that the others imitate, with what its reasoning models refuse.

Of its models' pages and API reference (2026-11): `max_tokens` is refused by reasoning models and `max_completion_tokens`
taken by all; while a model reasons, it takes no sampling parameters; the GPT-6 family calls tools here only with
`reasoning_effort: none` (with reasoning, on another endpoint); ids of tool calls have up to 40 characters;
content parts are texts, images, audio, and files that are sent or uploaded (not by URL).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.history import Manner, strict_id
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.wire import UnfitError, Wire

_REASONS: Final = re.compile(r"(?:ft:)?(?:o\d|gpt-(?:[5-9]|\d\d)(?!.*-chat))")
_NO_STOP: Final = re.compile(r"(?:ft:)?(?:o\d|gpt-5(?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?$)")
"""By the client's own documentation of `stop` (openai 2.54)."""
_TOOLS_WITHOUT_REASONING: Final = re.compile(r"(?:ft:)?gpt-6")
_SAMPLING: Final = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
)  # fmt: skip


class OpenAIsOwnWire(OpenAIWire):
    """The format at its source."""

    manner: ClassVar[Manner] = Manner(
        takes=frozenset({"image_url", "input_audio", "file"}), developer=True, tool_id=strict_id
    )

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  the same for all
        if "max_tokens" in body:
            body.setdefault("max_completion_tokens", body["max_tokens"])
            del body["max_tokens"]
        if _REASONS.match(model.name):
            if body.get("reasoning_effort") != "none":
                for key in _SAMPLING:
                    body.pop(key, None)
            if body.get("stop") and _NO_STOP.match(model.name):
                raise UnfitError(f"{model.name} takes no stop sequences")
            if body.get("tools") and _TOOLS_WITHOUT_REASONING.match(model.name):
                body["reasoning_effort"] = "none"
        return body


class OpenAI(HttpAdapter):
    """For api.openai.com."""

    wire: ClassVar[Wire] = OpenAIsOwnWire()
