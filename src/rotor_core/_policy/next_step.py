"""What a failure means: who rests, for how long, who is to blame, and whether and where the request goes on. One table; pure.

A provider that told us how long to wait is believed, and rests that long. Where it did not, its failure counts for its
breaker, and this one request leaves it alone for a moment: others go first, and it comes back when nothing better is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from rotor_core._model import Deployment
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
"""A wait of our own choosing varies by a quarter either way, so that many callers do not come back together."""
BACKOFF: Final = 0.5
"""Seconds for which a request leaves a deployment alone that has just failed it; doubled with each of its attempts."""

Reach = Literal["deployment", "model", "provider"]


@dataclass(frozen=True, slots=True)
class Reaction:
    """`rest`: seconds, doubled with each attempt of the same request; None: no rest. `told`: an answer's own figure replaces it.

    `counted`: whether the provider counts such a call against its limits. `blamed`: unless it told us when to come back,
    its breaker hears of it, and the request keeps away from `reach` for the moment: from other keys for the same model at
    the same provider, too, or from the whole provider.
    """

    action: Action
    scope: ScopeName = "deployment"
    rest: float | None = None
    told: bool = False
    counted: bool = True
    blamed: bool = False
    reach: Reach = "deployment"


REACTIONS: Final[Mapping[FailureKind, Reaction]] = MappingProxyType(
    {
        "rate_limit": Reaction("retry", "quota", 5.0, told=True, counted=False),
        "quota_exhausted": Reaction("retry", "quota", HOUR, told=True, counted=False),
        "auth": Reaction("retry", "credential", HOUR, counted=False),
        "permission": Reaction("retry", "deployment", HOUR, counted=False),
        "billing": Reaction("retry", "credential", HOUR, counted=False),
        "not_found": Reaction("retry", "deployment", HOUR, counted=False),
        "overloaded": Reaction("retry", told=True, blamed=True, reach="model"),
        "server_error": Reaction("retry", told=True, blamed=True, reach="model"),
        "timeout": Reaction("retry", blamed=True, reach="model"),
        "connection": Reaction("retry", blamed=True, reach="provider"),
        "unknown": Reaction("retry", told=True, blamed=True),
        "context_length": Reaction("larger"),
        "too_large": Reaction("elsewhere"),
        "bad_request": Reaction("raise"),
        "content_filter": Reaction("raise"),
        "cancelled": Reaction("raise"),
    }
)


def may_rest(failure: Failure) -> bool:
    """Whether a failure puts anybody to rest."""
    reaction = REACTIONS[failure.kind]
    return reaction.rest is not None or (reaction.told and failure.retry_after is not None)


def rest_seconds(failure: Failure, attempt: int, chance: float) -> float | None:
    """How long its scope rests after this failure, or None. `attempt` from 1; `chance` from [0, 1)."""
    reaction = REACTIONS[failure.kind]
    # A spent day is sometimes told with the minute's wait.
    spent = failure.kind == "quota_exhausted" and failure.per in ("day", "month")
    if reaction.told and failure.retry_after is not None and not (spent and failure.retry_after < MINUTE):
        return failure.retry_after if failure.retry_after > 0 else LEAST_TOLD
    if reaction.rest is None:
        return None
    return _varied(reaction.rest * float(2 ** (attempt - 1)), chance)


def blame(failure: Failure) -> str | None:
    """What a deployment's breaker is to hear of this failure: its kind, or None where it says nothing of its health."""
    reaction = REACTIONS[failure.kind]
    return failure.kind if reaction.blamed and not (reaction.told and failure.retry_after is not None) else None


def backoff_seconds(attempt: int, chance: float) -> float:
    """For how long a request leaves alone who failed its `attempt`, from 1. `chance` from [0, 1)."""
    return _varied(BACKOFF * float(2 ** (attempt - 1)), chance)


def alike(failed: Deployment, others: Iterable[Deployment], kind: FailureKind) -> frozenset[str]:
    """The ids of those that are likely to fail the same way at this moment, because they share what failed."""
    what = shared(failed, kind)
    return frozenset(other.id for other in others if shared(other, kind) == what) if what else frozenset()


def shared(failed: Deployment, kind: FailureKind) -> tuple[str, str] | None:
    """What others may share with whoever failed, so that they fail too: where it is, and the model ("": any). None: nothing."""
    reach = REACTIONS[kind].reach
    if reach == "deployment":
        return None
    return failed.provider.base_url, failed.model.name if reach == "model" else ""


def may_go_on(failure: Failure, attempts: int, max_attempts: int) -> bool:
    """Whether another attempt makes sense after this failure. `attempts`: calls that were made; what was not sent is none."""
    return failure.unfit or (attempts < max_attempts and REACTIONS[failure.kind].action != "raise")


def unfit_too(failed: Deployment, others: Iterable[Deployment]) -> set[str]:
    """The ids of those that cannot be told a request either which this one cannot: they speak of the same model the same way."""
    spoken = failed.provider.adapter, failed.model.name
    return {other.id for other in others if (other.provider.adapter, other.model.name) == spoken}


def _varied(seconds: float, chance: float) -> float:
    return seconds * (1 + JITTER * (2 * chance - 1))
