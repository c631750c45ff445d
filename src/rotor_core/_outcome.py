"""What came of a call: answers and chunks in one shape for every provider, failures in one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

FailureKind = Literal[
    "rate_limit", "quota_exhausted", "auth", "permission", "not_found", "bad_request", "context_length", "too_large",
    "content_filter", "overloaded", "server_error", "timeout", "connection", "billing", "cancelled", "unknown",
]  # fmt: skip
Scope = Literal["key", "org", "project", "model", "account", "unknown"]
FailedUnit = Literal["requests", "tokens", "input_tokens", "output_tokens", "audio_seconds", "concurrent"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def _no_headers() -> Mapping[str, str]:
    return _NO_HEADERS


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reports them. `cached` and `reasoning` are parts of input and output, not beside them."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the text that the model wrote: JSON, unless the model failed at it."""

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call; pieces of one call share `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A whole answer. `headers` are lower case. `native`: the host's own object, from adapters that live in it."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    id: str | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    native: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A piece of a streamed answer. The last ones carry `finish_reason` and `usage`; `headers` come with the first."""

    text: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    id: str | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    native: Any = field(default=None, repr=False)

    @property
    def has_content(self) -> bool:
        """Whether a caller would see anything: what makes a chunk the commit point."""
        return bool(self.text or self.tool_calls or self.reasoning or self.native is not None)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed, in the provider's own terms. `retry_after` is in seconds, `per` a period's name or None."""

    kind: FailureKind
    unit: FailedUnit | None = None
    per: Literal["second", "minute", "hour", "day", "month"] | None = None
    limit: float | None = None
    used: float | None = None
    requested: float | None = None
    retry_after: float | None = None
    scope: Scope = "unknown"
    status: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was made: to whom, when (seconds since the epoch), and how it ended."""

    number: int
    deployment: str
    at: float
    seconds: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, for whoever settles it: with `usage`, with a `failure`, or (neither) unknown and abandoned.

    `seconds`: how long it took. `sent` False: it surely never reached the provider. `headers`: what the provider sent
    along, names in lower case: limits are learned from them. `first_chunk`: seconds to a stream's first chunk with
    content; `silence`: the longest between two of its chunks. `excused`: the failure is the caller's own doing (its deadline came), and speaks against nobody.
    """

    usage: Usage | None = None
    failure: Failure | None = None
    seconds: float = 0.0
    sent: bool = True
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    first_chunk: float | None = None
    silence: float | None = None
    excused: bool = False


ABANDONED: Final = Outcome()
"""Cancelled, or lost sight of: it may have been counted, so the estimate stands."""
