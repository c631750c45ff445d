"""The whole story of a request, told once: acquire, call, settle, go on elsewhere. Asks for everything, does nothing.

`acquire` and `settle` stand alone, for hosts that make the call themselves; `run` and `stream` are loops over them.
Whoever takes capacity gives it back: errors and cancellation are thrown into the flow by its driver, and every
`except` here that re-raises has settled first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rotor_core import _events as events
from rotor_core._acquire import LATE, SOON, Progress, Work, acquire, decision
from rotor_core._commands import Flow, call, emit, now, open_stream, relay, settle_as
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError, StreamBroken
from rotor_core._ledger import AS_RESERVED, Demand, Reservation
from rotor_core._model import Deployment
from rotor_core._outcome import ABANDONED, Answer, Attempt, Chunk, Outcome, Usage
from rotor_core._policy.next_step import REACTIONS, may_go_on
from rotor_core._request import Request
from rotor_core._settle import settle


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
            return (
                yield from _answered(work, progress, reservation, started, answer.usage, answer.headers, None, answer)
            )


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
            return (
                yield from _answered(
                    work, progress, reservation, started, seen.usage, seen.headers, first - started, None
                )
            )


@dataclass(slots=True, eq=False)
class Seen:
    """What a caller has had of a stream."""

    committed: bool = False
    text: list[str] = field(default_factory=list[str])
    usage: Usage | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def observe(self, chunk: Chunk) -> Chunk:
        if chunk.headers and not self.headers:
            self.headers = chunk.headers
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
    usage: Usage | None, headers: Mapping[str, str], first_chunk: float | None, answer: Answer | None,
) -> Flow[Result]:  # fmt: skip
    at = yield from now()
    deployment = work.deployments[reservation.deployment]
    number, seconds = progress.number, at - started
    cost = yield from settle(deployment, reservation, Outcome(usage, None, seconds, headers=headers))
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
            work.demand,
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
    outcome = Outcome(None, error.failure, at - started, error.request_sent, error.headers)
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


__all__ = ["ABANDONED", "LATE", "Progress", "Result", "Seen", "Work", "acquire", "decision", "run", "settle", "stream"]
