"""What came of a call: answers and chunks in one shape for every provider, failures in one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from rotor_core._values import quick

FailureKind = Literal[
    "rate_limit", "quota_exhausted", "auth", "permission", "not_found", "bad_request", "context_length", "too_large",
    "content_filter", "overloaded", "server_error", "timeout", "connection", "billing", "cancelled", "unknown",
]  # fmt: skip
KINDS: Final[tuple[FailureKind, ...]] = get_args(FailureKind)
Scope = Literal["key", "org", "project", "model", "account", "unknown"]
Severity = Literal["transient", "limit", "request", "account"]
"""How bad a failure is: it may be gone in a moment; an allotment is used up and returns by itself; this one request is the
matter; nothing changes before somebody acts."""
FailedUnit = Literal["requests", "tokens", "input_tokens", "output_tokens", "audio_seconds", "concurrent"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def _no_headers() -> Mapping[str, str]:
    return _NO_HEADERS


def _nothing_extra() -> Mapping[str, Any]:
    return _NO_HEADERS


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reports them: its prompt count and its completion count. `cached` is a part of the input.

    `reasoning` is a part of the output, but for who leaves it out of the completion. What a provider counts in its total
    and in neither of the two is `beside_input` (Mistral: audio) or `beside_output` (xAI: reasoning): it is charged too.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    beside_input: int = 0
    beside_output: int = 0

    @property
    def charged_input(self) -> int:
        """All that went in, as limits and prices count it."""
        return self.input_tokens + self.beside_input

    @property
    def charged_output(self) -> int:
        """All that came out, likewise."""
        return self.output_tokens + self.beside_output

    @property
    def total_tokens(self) -> int:
        return self.charged_input + self.charged_output


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the text that the model wrote: JSON, unless the model failed at it.

    `extra`: what its provider wants back with the call, by the provider's name (`{"google": {"thought_signature": ...}}`);
    in a request's messages it stands on the tool call as `extra_content`.
    """

    id: str | None
    name: str
    arguments: str
    extra: Mapping[str, Any] = field(default_factory=_nothing_extra, hash=False)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call; pieces of one call share `index`. `extra` as for a whole one, in any one piece of it."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, Any] = field(default_factory=_nothing_extra, hash=False)


@quick
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


@quick
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


@quick
@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed, in the provider's own terms. `retry_after` is in seconds, `per` a period's name or None.

    `unfit`: nothing was sent, because this provider's format cannot carry the request; another one's may.
    """

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
    unfit: bool = False

    @property
    def severity(self) -> Severity:
        """`transient`, `limit`, `request` or `account`."""
        return _SEVERITIES[self.kind]

    @property
    def retryable(self) -> bool:
        """Whether the same request might succeed later or elsewhere: with another key, another model, another provider."""
        return self.unfit or self.kind not in _FINAL

    @property
    def advice(self) -> str:
        """What to do about it, in a short sentence without its full stop: `wait 12 s, or use a key with a quota of its own`."""
        return self.advice_for(None)

    def advice_for(self, deployment: str | None) -> str:
        """The same, with the id of the deployment that failed in the command that it names, if it names one."""
        if self.unfit:
            return "use a model of another provider for it, or leave out what this one cannot be told"
        wait = "wait" if self.retry_after is None else f"wait {_span(self.retry_after)}"
        again = f"`rotor reset {deployment or '<deployment>'}`"
        return _ADVICE[self.kind].format(wait=wait, again=again, size=self._size())

    def _size(self) -> str:
        """` (9,000 of at most 8,192 tokens)`, as far as it is known."""
        if not self.limit:
            return ""
        unit = f" {self.unit.replace('_', ' ')}" if self.unit else ""
        own = "" if self.requested is None else f"{self.requested:,.10g} of "
        return f" ({own}at most {self.limit:,.10g}{unit})"


_SEVERITIES: Final[Mapping[FailureKind, Severity]] = MappingProxyType(
    {
        "rate_limit": "limit",
        "quota_exhausted": "limit",
        "auth": "account",
        "permission": "account",
        "billing": "account",
        "not_found": "account",
        "bad_request": "request",
        "content_filter": "request",
        "context_length": "request",
        "too_large": "request",
        "cancelled": "request",
        "overloaded": "transient",
        "server_error": "transient",
        "timeout": "transient",
        "connection": "transient",
        "unknown": "transient",
    }
)

_FINAL: Final[frozenset[FailureKind]] = frozenset({"bad_request", "content_filter", "cancelled"})
"""What no provider would answer otherwise."""

_ADVICE: Final[Mapping[FailureKind, str]] = MappingProxyType(
    {
        "rate_limit": "{wait}, or use a key with a quota of its own",
        "quota_exhausted": "{wait} until the quota returns, or use another model or provider",
        "auth": "replace the key, then {again}",
        "permission": "give the key access to this model or take the model out, then {again}",
        "billing": "top up the account or use another one, then {again}",
        "not_found": "correct the model's name or the base URL, then {again}",
        "bad_request": "correct the request: every provider would refuse it",
        "content_filter": "rephrase the request: it was refused for its content",
        "context_length": "shorten the request{size} or add a model with a larger context",
        "too_large": "make the request smaller{size} or add a model with a higher limit",
        "overloaded": "{wait}, or use another model or provider",
        "server_error": "{wait}, or use another model or provider",
        "timeout": "{wait}, use another model or provider, or allow it a longer `timeout`",
        "connection": "check the base URL, the proxy and the network, or use another provider",
        "cancelled": "nothing: the caller ended it",
        "unknown": "{wait}, or use another provider; if it stays, report the message",
    }
)

_SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def _span(seconds: float) -> str:
    """`12 s`, `3.6 min`, `2 h`: rounded up, so that who waits so long has waited enough."""
    for length, name in _SPANS:
        if seconds >= 2 * length:
            return f"{math.ceil(10 * seconds / length) / 10:g} {name}"
    return f"{math.ceil(10 * seconds) / 10:g} s"


@quick
@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was made: to whom, when (seconds since the epoch), and how it ended."""

    number: int
    deployment: str
    at: float
    seconds: float
    failure: Failure | None = None


@quick
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
