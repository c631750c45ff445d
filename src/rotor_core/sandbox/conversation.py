"""What is asked and what is answered, in one shape for all dialects. Values only.

Messages stand in OpenAI's shapes, whichever dialect they came in: a dialect translates on its way in and out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Shape = Literal["text", "json", "schema"]
"""What an answer's text has to be: anything, some JSON object, or JSON of a schema."""


class Malformed(Exception):
    """A request that a provider would not understand. `param`: which part of it."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that may be called. `parameters`: JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat request. `choice`: auto, none, required, or a tool's name in `forced`.

    `think`: how hard to reason, None where the request does not say. `thoughts`: what becomes of the reasoning.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: tuple[Tool, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    forced: str | None = None
    parallel: bool = True
    shape: Shape = "text"
    schema: Mapping[str, Any] | bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    think: Literal["none", "low", "medium", "high"] | None = None
    thoughts: Literal["shown", "inline", "hidden"] = "hidden"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. `arguments`: the text that was written, JSON unless it was cut short."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of an exchange; cached and reasoning ones are parts of the others."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Written:
    """An answer. `finish`: stop, length or tool_calls."""

    text: str
    calls: tuple[Call, ...] = ()
    thoughts: str = ""
    finish: Literal["stop", "length", "tool_calls"] = "stop"
    completion_tokens: int = 0
    reasoning_tokens: int = 0
