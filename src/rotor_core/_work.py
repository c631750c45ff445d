"""One request, made ready, and what has happened to it so far: what every part of its story is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rotor_core._demand import Demand
from rotor_core._errors import ProviderError
from rotor_core._health import NO_GUARDS, Bar, Guards
from rotor_core._ledger import Plan, Rejection, Used
from rotor_core._model import Deployment
from rotor_core._outcome import Attempt
from rotor_core._values import quick


def anybody() -> bool:
    """For who does not know whether anybody listens: somebody may."""
    return True


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One request, made ready: what it takes, where it may go, how long it may last. `static`: who was out from the start.

    `regardless`: makes the plan that is followed when nobody that is well can serve; None: there is no other. `heard`:
    whether anybody listens to how it goes; how attempts end is told in any case, as it is counted.
    """

    id: str
    pool: str
    plan: Plan
    demand: Demand
    deployments: Mapping[str, Deployment]
    static: Mapping[str, Rejection]
    ranking: str
    max_attempts: int
    max_wait: float
    timeout: float | None = None
    deadline: float | None = None
    priority: int = 0
    regardless: Callable[[], Plan] | None = None
    stream_break: str = "raise"
    hedge: bool = False
    heard: Callable[[], bool] = anybody


def _none() -> list[Any]:
    return []  # these three, as a request makes six: `list[Attempt]()` takes three times as long


def _nobody() -> set[str]:
    return set()


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(slots=True, eq=False)
class Progress:
    """What has happened to a request so far.

    `calls`: attempts that were calls, as what no format could carry was never sent. `cut_off`: those that timed out.
    `exclude`: never again. `avoid`: not before an instant. `wary`: not at the next asking. `barred`: whom health keeps
    out, where that is known already of the instant of the next asking. `guards`: how long the call
    can take that is about to be sent, `sent_at`. `latest`: when it can be sent at last. `bided`: what part of `waited` was
    for those who are not well. `waits`: whoever listens knows. `owed`: what is taken and not settled, and as what it counts if that
    is cut off now. `continuing`: the caller has part of the answer, and it is to be gone on with.
    """

    attempts: list[Attempt] = field(default_factory=_none)
    errors: list[ProviderError] = field(default_factory=_none)
    calls: int = 0
    cut_off: int = 0
    exclude: set[str] = field(default_factory=_nobody)
    avoid: dict[str, float] = field(default_factory=_nothing)
    wary: frozenset[str] = frozenset()
    barred: tuple[float, Bar] | None = None
    waited: float = 0.0
    bided: float = 0.0
    asked: int = 0
    owed: dict[str, Used] = field(default_factory=_nothing)
    guards: Guards = NO_GUARDS
    sent_at: float = 0.0
    latest: float | None = None
    waits: bool = False
    streamed: bool = False
    continuing: bool = False

    def note(self, attempt: Attempt) -> None:
        """An attempt is over."""
        self.attempts.append(attempt)
        failure = attempt.failure
        if failure is None or not failure.unfit:
            self.calls += 1
        if failure is not None and failure.kind == "timeout":
            self.cut_off += 1

    @property
    def number(self) -> int:
        """The number of the attempt that is under way or comes next."""
        return len(self.attempts) + 1
