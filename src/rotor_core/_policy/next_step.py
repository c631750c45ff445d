"""What a failure means: who rests, for how long, and whether the request goes on. One table; pure.

A provider that told us how long to wait is believed. Where it did not, a short rest keeps us from asking again at
once, and the request goes elsewhere: it comes back by itself when the rest is over and nothing better is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from rotor_core._outcome import Failure, FailureKind

Action = Literal["retry", "elsewhere", "larger", "raise"]
"""`retry`: anywhere, this one too once rested. `elsewhere`: never this one for this request. `larger`: only where the
context is larger. `raise`: no provider can help."""

ScopeName = Literal["deployment", "quota", "credential", "provider"]
SCOPES: Final[tuple[ScopeName, ...]] = ("deployment", "quota", "credential", "provider")
"""In the order of `Option.scopes`."""

HOUR: Final = 3600.0
MINUTE: Final = 60.0
LEAST_TOLD: Final = 0.5
"""Seconds. Who says "again after 0 seconds" has rounded down: asked again at once, it would only refuse again."""
JITTER: Final = 0.25
"""A rest of our own choosing varies by a quarter either way, so that many callers do not come back together."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """`rest`: seconds, doubled with each attempt of the same request; None: no rest. `told`: an answer's own figure replaces it."""

    action: Action
    scope: ScopeName = "deployment"
    rest: float | None = None
    told: bool = False
    counted: bool = True
    """Whether the provider counts such a call against its limits."""


REACTIONS: Final[Mapping[FailureKind, Reaction]] = MappingProxyType(
    {
        "rate_limit": Reaction("retry", "quota", 5.0, told=True, counted=False),
        "quota_exhausted": Reaction("retry", "quota", HOUR, told=True, counted=False),
        "auth": Reaction("retry", "credential", HOUR, counted=False),
        "permission": Reaction("retry", "deployment", HOUR, counted=False),
        "billing": Reaction("retry", "credential", HOUR, counted=False),
        "not_found": Reaction("retry", "deployment", HOUR, counted=False),
        "overloaded": Reaction("retry", "deployment", 2.0, told=True),
        "server_error": Reaction("retry", "deployment", 2.0, told=True),
        "timeout": Reaction("retry", "deployment", 10.0),
        "connection": Reaction("retry", "deployment", 2.0),
        "unknown": Reaction("retry", "deployment", 2.0, told=True),
        "context_length": Reaction("larger", counted=False),
        "too_large": Reaction("elsewhere", counted=False),
        "bad_request": Reaction("raise", counted=False),
        "content_filter": Reaction("raise"),
        "cancelled": Reaction("raise"),
    }
)


def rest_seconds(failure: Failure, attempt: int, chance: float) -> float | None:
    """How long its scope rests after this failure, or None. `attempt` from 1; `chance` from [0, 1)."""
    reaction = REACTIONS[failure.kind]
    # A spent day is sometimes told with the minute's wait.
    spent = failure.kind == "quota_exhausted" and failure.per in ("day", "month")
    if reaction.told and failure.retry_after is not None and not (spent and failure.retry_after < MINUTE):
        return failure.retry_after if failure.retry_after > 0 else LEAST_TOLD
    if reaction.rest is None:
        return None
    return reaction.rest * float(2 ** (attempt - 1)) * (1 + JITTER * (2 * chance - 1))


def may_go_on(failure: Failure, attempts: int, max_attempts: int) -> bool:
    """Whether another attempt makes sense after this failure."""
    return attempts < max_attempts and REACTIONS[failure.kind].action != "raise"
