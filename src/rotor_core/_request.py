"""What one request is and what it needs. A `Request` goes to the provider; a `Profile` goes to the selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from rotor_core._values import quick

Operation = Literal["chat"]
_NO_PARAMS: Final[Mapping[str, Any]] = MappingProxyType({})


def _no_params() -> Mapping[str, Any]:
    return _NO_PARAMS


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A chat request in the shapes of OpenAI's chat completions, whoever will answer it.

    `messages`: dicts with `role` and `content` (text, or a list of content parts), `tool_calls`, `tool_call_id`, `name`.
    `tools`: `{"type": "function", "function": {...}}`. `tool_choice`: `auto`, `none`, `any`/`required`, a tool's name, or
    OpenAI's dict. `response_format`: OpenAI's dict. `params`: everything else, sent as it stands (`temperature`, `stop`,
    `seed`, `max_tokens` ...). `source`: the host's own object, for adapters that live in the same host.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=_no_params)
    source: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens we expect one call to use; settled later to what it did use."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What plain rules read out of a request. `complexity` is from 0 (a greeting) to 1 (a long, many-sided problem)."""

    task: str
    intent: str
    complexity: float
    category: str
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Profile:
    """What one request needs. `deadline` is an instant on the engine's clock (seconds since the epoch), or None.

    `max_tokens` is what the caller asked for; `output_tokens` what is to be reserved. `model`: `provider/model` when pinned.
    """

    pool: str
    input_tokens: int
    output_tokens: int
    max_tokens: int | None = None
    needs: frozenset[str] = frozenset()
    min_context: int = 0
    prefer_category: str | None = None
    task: str | None = None
    priority: int = 0
    deadline: float | None = None
    operation: Operation = "chat"
