"""The whole story of a request, told once: acquire, call, settle, go on elsewhere. Asks for everything, does nothing.

`acquire` and `settle` stand alone, for hosts that make the call themselves; `run` and `stream` are loops over them.
Whoever takes capacity gives it back: errors and cancellation are thrown into the flow by its driver, and every
`except` here that re-raises has settled first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rotor_core import _events as events
from rotor_core._commands import (
    Flow,
    call,
    dispatched,
    draw,
    emit,
    now,
    open_stream,
    redeem,
    relay,
    reserve,
    rest,
    settle_as,
    sleep_until,
)
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError, StreamBroken
from rotor_core._ledger import (
    AS_RESERVED,
    NOTHING_USED,
    Ask,
    Demand,
    Plan,
    Refusal,
    Rejection,
    Reservation,
    Ticket,
    Used,
)
from rotor_core._model import Deployment
from rotor_core._outcome import ABANDONED, Answer, Attempt, Chunk, Outcome, Usage
from rotor_core._policy.next_step import REACTIONS, SCOPES, may_go_on, rest_seconds
from rotor_core._policy.plan import scopes
from rotor_core._policy.refusal import refusal_text
from rotor_core._request import Request

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


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A request answered: by whom, after what. `answer` is None for a stream, whose chunks the caller has had."""

    answer: Answer | None
    deployment: Deployment
    attempts: tuple[Attempt, ...]
    waited: float
    demand: Demand
    usage: Usage | None
    cost_usd: float | None
    decision: str
    request_id: str


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
            holds = True
            if reservation.at > reservation.asked_at:
                yield from sleep_until(reservation.at)
                holds = yield from dispatched(reservation)
            at = yield from now()
            progress.waited += max(0.0, at - reservation.asked_at)
            if holds and at - reservation.at <= LATE:
                yield from _announce(work, progress, reservation, at)
                return reservation
        except BaseException:
            yield from settle_as(ask.id, NOTHING_USED)
            raise
        yield from settle_as(ask.id, NOTHING_USED)


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


def settle(
    deployment: Deployment, reservation: Reservation, outcome: Outcome, *, pool: str = "", attempt: int = 1
) -> Flow[float | None]:
    """Replace what was reserved by what was used, and put to rest whoever the failure speaks of. Return the cost in USD."""
    failure, usage = outcome.failure, outcome.usage
    cost: float | None = None
    if failure is not None:
        counted = outcome.sent and REACTIONS[failure.kind].counted
        yield from settle_as(reservation.id, AS_RESERVED if counted else NOTHING_USED)
        yield from _put_to_rest(deployment, reservation, outcome, pool, attempt)
    elif usage is not None:
        cost = (
            deployment.price.cost(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
            if deployment.price
            else None
        )
        used = Used(1, usage.input_tokens, usage.output_tokens, cost)
        yield from settle_as(reservation.id, used, outcome.seconds)
    else:
        yield from settle_as(reservation.id, AS_RESERVED, outcome.seconds or None)
    return cost


def _put_to_rest(
    deployment: Deployment, reservation: Reservation, outcome: Outcome, pool: str, attempt: int
) -> Flow[None]:
    failure = outcome.failure
    assert failure is not None
    seconds = rest_seconds(failure, attempt, (yield from draw()))
    if not seconds:
        return
    at = yield from now()
    scope = scopes(deployment)[SCOPES.index(REACTIONS[failure.kind].scope)]
    yield from rest(scope, at + seconds, failure.kind)
    request = reservation.id.rpartition(".")[0]
    yield from emit(events.Rested(at, request, pool, attempt, deployment.id, scope, at + seconds, failure.kind))


def run(work: Work, request: Request) -> Flow[Result]:
    """Answer one request: as many attempts as the policy allows, each settled, none hidden.

    Raises `NoCandidates` when nothing could be tried, `AttemptsFailed` when what was tried failed.
    """
    progress = Progress()
    while True:
        reservation = yield from _next(work, progress)
        started = yield from now()
        try:
            answer = yield from call(reservation, request, _timeout(work, reservation, started))
        except ProviderError as error:
            yield from _failed(work, progress, reservation, started, error)
        except BaseException:
            yield from settle_as(reservation.id, AS_RESERVED)
            raise
        else:
            return (yield from _answered(work, progress, reservation, started, answer.usage, None, answer))


def stream(work: Work, request: Request) -> Flow[Result]:
    """Answer one request in pieces. Until the first piece with content a failure is hidden; after it, `StreamBroken`."""
    progress = Progress()
    while True:
        reservation = yield from _next(work, progress)
        started = yield from now()
        seen = Seen()
        try:
            opened = yield from open_stream(reservation, request, _timeout(work, reservation, started))
            first = yield from now()
            seen.committed = any(chunk.has_content for chunk in opened.head)
            yield from relay(opened, seen.observe)
        except ProviderError as error:
            if seen.committed:
                yield from _broken(work, progress, reservation, started, error, seen)
            yield from _failed(work, progress, reservation, started, error)
        except BaseException:
            yield from settle_as(reservation.id, AS_RESERVED)
            raise
        else:
            return (yield from _answered(work, progress, reservation, started, seen.usage, first - started, None))


@dataclass(slots=True, eq=False)
class Seen:
    """What a caller has had of a stream."""

    committed: bool = False
    text: list[str] = field(default_factory=list[str])
    usage: Usage | None = None

    def observe(self, chunk: Chunk) -> Chunk:
        if chunk.text:
            self.text.append(chunk.text)
        if chunk.usage is not None:
            self.usage = chunk.usage
        return chunk


def _timeout(work: Work, reservation: Reservation, at: float) -> float:
    """Seconds for one call: the caller's or the provider's, or what is left until the deadline."""
    seconds = work.timeout or work.deployments[reservation.deployment].provider.timeout
    return seconds if work.deadline is None else max(0.001, min(seconds, work.deadline - at))


def _next(work: Work, progress: Progress) -> Flow[Reservation]:
    """Capacity for the next attempt; when there is none, what failed before is the better story."""
    try:
        return (yield from acquire(work, progress))
    except NoCandidates as none:
        if not progress.errors:
            raise
        raise _all_failed(progress, none.retry_at, f"; then {none}") from none


def _answered(
    work: Work, progress: Progress, reservation: Reservation, started: float,
    usage: Usage | None, first_chunk: float | None, answer: Answer | None,
) -> Flow[Result]:  # fmt: skip
    at = yield from now()
    deployment = work.deployments[reservation.deployment]
    number, seconds = progress.number, at - started
    cost = yield from settle(deployment, reservation, Outcome(usage, None, seconds))
    progress.attempts.append(Attempt(number, deployment.id, started, seconds))
    why = decision(work, deployment.id, number, progress.waited)
    yield from emit(
        events.Answered(
            at,
            work.id,
            work.pool,
            number,
            deployment.id,
            usage,
            seconds,
            first_chunk,
            progress.waited,
            cost,
            deployment.free,
        )
    )
    attempts = tuple(progress.attempts)
    return Result(answer, deployment, attempts, progress.waited, work.demand, usage, cost, why, work.id)


def _record(
    work: Work, progress: Progress, reservation: Reservation, started: float, error: ProviderError
) -> Flow[None]:
    """Settle a failed attempt and write it down."""
    at = yield from now()
    deployment, number = work.deployments[reservation.deployment], progress.number
    error.deployment = deployment.id
    outcome = Outcome(None, error.failure, at - started, error.request_sent)
    yield from emit(events.Failed(at, work.id, work.pool, number, deployment.id, error.failure, at - started))
    hurried = work.deadline is not None and at >= work.deadline - SOON
    if hurried and error.failure.kind == "timeout" and error.request_sent:
        # The caller's own hurry ended it: that is no reason to keep others away from there.
        yield from settle_as(reservation.id, AS_RESERVED)
    else:
        yield from settle(deployment, reservation, outcome, pool=work.pool, attempt=number)
    progress.attempts.append(Attempt(number, deployment.id, started, at - started, error.failure))
    progress.errors.append(error)


def _failed(
    work: Work, progress: Progress, reservation: Reservation, started: float, error: ProviderError
) -> Flow[None]:
    """Return when another attempt makes sense; raise when none does."""
    yield from _record(work, progress, reservation, started, error)
    if not may_go_on(error.failure, len(progress.attempts), work.max_attempts):
        raise _all_failed(progress, None) from error
    action = REACTIONS[error.failure.kind].action
    if action == "elsewhere":
        progress.exclude.add(reservation.deployment)
    elif action == "larger":
        context = work.deployments[reservation.deployment].model.context or 0
        progress.exclude.update(
            o.id for o in work.plan.options if (work.deployments[o.id].model.context or 0) <= context
        )


def _broken(
    work: Work, progress: Progress, reservation: Reservation, started: float, error: ProviderError, seen: Seen
) -> Flow[None]:
    """The caller has part of the answer: say so, with the part. A cut never looks like a whole answer."""
    yield from _record(work, progress, reservation, started, error)
    partial = "".join(seen.text)
    text = f"{reservation.deployment}: the stream broke after {len(partial):,} characters: {error}"
    raise StreamBroken(text, partial, attempts=progress.attempts, failure=error.failure) from error


def _all_failed(progress: Progress, retry_at: float | None, more: str = "") -> AttemptsFailed:
    tried = "; ".join(
        f"{a.number}. {a.deployment}: {a.failure.kind if a.failure else 'ok'} after {a.seconds:.1f} s"
        for a in progress.attempts
    )
    last = progress.errors[-1]
    count = len(progress.attempts)
    text = f"{count} attempt{'s' * (count > 1)} failed ({tried}); the last said: {last}{more}"
    return AttemptsFailed(text, progress.errors, progress.attempts, retry_at)


__all__ = ["ABANDONED", "Progress", "Result", "Seen", "Work", "acquire", "decision", "run", "settle", "stream"]
