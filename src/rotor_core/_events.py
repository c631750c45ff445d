"""What happened, as frozen facts in the past tense. `name` is what `Rotor.on` listens for; `at` is seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rotor_core._demand import Demand
from rotor_core._ledger import Rejection
from rotor_core._outcome import Failure, Usage
from rotor_core._values import quick


@dataclass(frozen=True, slots=True)
class Event:
    """`request`: one id for all that happens to one request. `attempt`: from 1; 0 before the first."""

    name: ClassVar[str] = "event"
    at: float
    request: str
    pool: str
    attempt: int


@quick
@dataclass(frozen=True, slots=True)
class Selected(Event):
    """A deployment was chosen and its capacity is ours from `send_at` on."""

    name: ClassVar[str] = "selected"
    deployment: str
    reason: str
    send_at: float
    waited: float


@dataclass(frozen=True, slots=True)
class Exhausted(Event):
    """Nothing had room. `refused`: the caller was told so; else it waits, and `retry_at` says until when (None: for a slot)."""

    name: ClassVar[str] = "exhausted"
    refused: bool
    reason: str
    retry_at: float | None
    reasons: Mapping[str, Rejection]


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """Capacity that had been missing is back, and this request is the first to have it."""

    name: ClassVar[str] = "recovered"
    deployment: str
    reason: str
    waited: float


@quick
@dataclass(frozen=True, slots=True)
class Failed(Event):
    """An attempt failed; `seconds` is how long it took to."""

    name: ClassVar[str] = "failed"
    deployment: str
    failure: Failure
    seconds: float


@dataclass(frozen=True, slots=True)
class Rested(Event):
    """A deployment (or what it shares: a quota, a credential, a provider) is out of selection until an instant."""

    name: ClassVar[str] = "rested"
    deployment: str
    scope: str
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class BreakerOpened(Event):
    """A deployment, or (by its `scope`) its whole provider, fails and is left alone until an instant. `reason`: the last kind."""

    name: ClassVar[str] = "breaker_opened"
    deployment: str
    scope: str
    until: float
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class BreakerClosed(Event):
    """What had failed has answered often enough to be in full use again."""

    name: ClassVar[str] = "breaker_closed"
    deployment: str
    scope: str
    evidence: str


@quick
@dataclass(frozen=True, slots=True)
class Rotated(Event):
    """The request goes on elsewhere, after a failure. `mid_stream`: with an answer of which the caller has a part."""

    name: ClassVar[str] = "rotated"
    deployment: str
    previous: str
    reason: str
    mid_stream: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A call was answered and settled. `cost_usd` is None where the price is unknown. `demand`: what had been expected of it."""

    name: ClassVar[str] = "answered"
    deployment: str
    usage: Usage | None
    seconds: float
    first_chunk: float | None
    waited: float
    cost_usd: float | None
    free: bool
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class LimitLearned(Event):
    """A limit is held otherwise from now on: `before` (None: it was not known) became `limit`, because of `evidence`."""

    name: ClassVar[str] = "limit_learned"
    deployment: str
    key: str
    unit: str
    per: str | float | None
    before: float | None
    limit: float
    source: str
    evidence: str


@dataclass(frozen=True, slots=True)
class HeaderDistrusted(Event):
    """A header of an answer said something of limits that cannot be true; it was passed over. `header`: the line."""

    name: ClassVar[str] = "header_distrusted"
    deployment: str
    header: str


@dataclass(frozen=True, slots=True)
class QuotaSuspected(Event):
    """What is left of these quotas falls together: they are one quota, so their capacity is counted twice."""

    name: ClassVar[str] = "quota_suspected"
    quotas: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class StoreLost(Event):
    """The ledger's store is out of reach. `request` and `pool` are empty: it concerns all of them.

    `share`: the part of each limit that this process goes on with; None where requests are refused meanwhile.
    """

    name: ClassVar[str] = "store_lost"
    store: str
    reason: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class StoreRegained(Event):
    """The store is back after `seconds`; `requests` were served without it, and are counted there now.

    `settled`: how many ends of earlier reservations had waited for it. `dropped`: how many could not be kept so long;
    those reservations expire there.
    """

    name: ClassVar[str] = "store_regained"
    store: str
    seconds: float
    requests: int
    settled: int = 0
    dropped: int = 0


EVENTS: Mapping[str, type[Event]] = {
    e.name: e
    for e in (
        Selected, Exhausted, Recovered, Failed, Rested, BreakerOpened, BreakerClosed, Rotated, Answered, LimitLearned, HeaderDistrusted, QuotaSuspected,
        StoreLost, StoreRegained,
    )
}  # fmt: skip
