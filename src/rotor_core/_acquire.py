"""Capacity for a request: ask, wait exactly as long as it takes, say who was chosen or why nobody could be.

A grant for a later instant is slept for. Whoever wakes too late for it gives it back and asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rotor_core import _events as events
from rotor_core._commands import Flow, dispatched, emit, now, redeem, reserve, settle_as, sleep_until
from rotor_core._errors import NoCandidates, ProviderError
from rotor_core._ledger import NOTHING_USED, Ask, Demand, Plan, Refusal, Rejection, Reservation, Ticket
from rotor_core._model import Deployment
from rotor_core._outcome import Attempt
from rotor_core._policy.refusal import refusal_text

SOON: Final = 0.05
"""Seconds. A shorter wait is a wait at an edge: nobody needs to be told."""

LATE: Final = 0.05
"""Seconds. Who wakes later than this after the granted instant (a stall, a suspend) must not send on that grant."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One request, made ready: what it takes, where it may go, how long it may last. `static`: who was out from the start."""

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


@dataclass(slots=True, eq=False)
class Progress:
    """What has happened to a request so far."""

    attempts: list[Attempt] = field(default_factory=list[Attempt])
    errors: list[ProviderError] = field(default_factory=list[ProviderError])
    exclude: set[str] = field(default_factory=set[str])
    waited: float = 0.0
    asked: int = 0

    @property
    def number(self) -> int:
        """The number of the attempt that is under way or comes next."""
        return len(self.attempts) + 1


def acquire(work: Work, progress: Progress | None = None) -> Flow[Reservation]:
    """Wait for capacity, exactly as long as it takes; return when the request may be sent.

    Raises `NoCandidates` when nothing can serve in time; nothing is held then.
    """
    progress = progress or Progress()
    while True:
        progress.asked += 1
        ask = Ask(
            f"{work.id}.{progress.asked}", work.plan, work.demand, work.deadline,
            max(0.0, work.max_wait - progress.waited), frozenset(progress.exclude), work.priority,
        )  # fmt: skip
        try:
            reservation = yield from _granted(work, progress, ask)
            due = yield from _due(reservation)
            at = yield from now()
            progress.waited += max(0.0, at - reservation.asked_at)
            if due is not None and at - due <= LATE:
                yield from _announce(work, progress, reservation, at)
                return reservation
        except BaseException:
            yield from settle_as(ask.id, NOTHING_USED)
            raise
        yield from settle_as(ask.id, NOTHING_USED)


def _due(reservation: Reservation) -> Flow[float | None]:
    """Sleep until the grant is due, and again where it was exchanged for a later instant meanwhile. None: it no longer holds."""
    due = reservation.at
    if due <= reservation.asked_at:
        return due
    while True:
        yield from sleep_until(due)
        answer = yield from dispatched(reservation)
        if answer is None or answer <= (yield from now()):
            return None if answer is None else due
        due = answer


def _granted(work: Work, progress: Progress, ask: Ask) -> Flow[Reservation]:
    grant = yield from reserve(ask)
    if isinstance(grant, Ticket):
        yield from _exhausted(work, progress, grant.asked_at, None, {})
    while isinstance(grant, Ticket):
        grant = yield from redeem(ask, grant)
    if isinstance(grant, Refusal):
        reasons = {**work.static, **grant.reasons}
        text = refusal_text(work.pool, reasons, grant.retry_at, grant.asked_at)
        yield from _exhausted(work, progress, grant.asked_at, grant.retry_at, reasons, text)
        retry_after = None if grant.retry_at is None else max(0.0, grant.retry_at - grant.asked_at)
        raise NoCandidates(
            text, reasons=reasons, retry_at=grant.retry_at, retry_after=retry_after, attempts=progress.attempts
        )
    if grant.wait > SOON:
        yield from _exhausted(work, progress, grant.asked_at, grant.at, {})
    return grant


def _exhausted(
    work: Work,
    progress: Progress,
    at: float,
    retry_at: float | None,
    reasons: Mapping[str, Rejection],
    refused: str = "",
) -> Flow[None]:
    reason = refused or (
        "every seat is taken; waiting for one" if retry_at is None else "no capacity yet; waiting for it"
    )
    yield from emit(events.Exhausted(at, work.id, work.pool, progress.number, bool(refused), reason, retry_at, reasons))


def _announce(work: Work, progress: Progress, reservation: Reservation, at: float) -> Flow[None]:
    """Say who was chosen, and first what changed: a recovery, a rotation."""
    to, number = reservation.deployment, progress.number
    waited = max(0.0, at - reservation.asked_at)
    if reservation.rested is not None or waited > SOON:
        why = reservation.rested or "capacity returned"
        yield from emit(events.Recovered(at, work.id, work.pool, number, to, why, waited))
    if progress.attempts:
        last = progress.attempts[-1]
        if last.deployment != to:
            why = last.failure.kind if last.failure else "unknown"
            yield from emit(events.Rotated(at, work.id, work.pool, number, to, last.deployment, why))
    reason = decision(work, to, number, progress.waited)
    yield from emit(events.Selected(at, work.id, work.pool, number, to, reason, reservation.at, progress.waited))


def decision(work: Work, chosen: str, number: int, waited: float) -> str:
    """One line that says why this deployment: `free-first: free, attempt 2, waited 1.3 s`."""
    deployment = work.deployments[chosen]
    money = "free" if deployment.free else "paid" if deployment.price else "price unknown"
    text = f"{work.ranking}: {money}"
    if number > 1:
        text += f", attempt {number}"
    return f"{text}, waited {waited:.1f} s" if waited > SOON else text
