"""What befalls one attempt of a request: whom it goes to, how long it is waited for, how it ends, and what follows.

Every attempt is settled and written down, whatever its end; none is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rotor_core import _events as events
from rotor_core._acquire import SOON, decision, seat
from rotor_core._commands import NOW, Emit, Fell, Flow, MayRetry, Retrial
from rotor_core._demand import Demand
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError
from rotor_core._health import NO_BAR, Guards, Turn
from rotor_core._ledger import Reservation
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Attempt, Outcome, Usage
from rotor_core._policy.next_step import REACTIONS, alike, backoff_seconds, blame, may_go_on, shared, unfit_too
from rotor_core._settle import accounted, ending_of, settle, turned
from rotor_core._values import quick
from rotor_core._work import Progress, Work

_NOBODY: Final[frozenset[str]] = frozenset()


@quick
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
    continued: int = 0
    """How often another deployment went on with a stream that had broken; `usage` and `cost_usd` are the last one's."""


def patience(
    work: Work, progress: Progress, reservation: Reservation, at: float
) -> tuple[Guards, float, float | None, int, int]:
    """What decides how long a call is waited for: see `_policy.patience`. Attempts that were not cut off are not counted."""
    longest = work.timeout or work.deployments[reservation.deployment].provider.timeout
    left = None if work.deadline is None else work.deadline - at
    return progress.guards, longest, left, 1 + progress.cut_off, work.max_attempts - 1 - progress.calls


def next_seat(work: Work, progress: Progress) -> Flow[Reservation]:
    """Capacity for the next attempt; when there is none, what failed before is the better story. A part, as `seat` is."""
    try:
        return (yield from seat(work, progress))
    except NoCandidates as none:
        if not progress.errors:
            raise
        # Who is out because it has failed this request is in the story already.
        told = {rejection.reason for rejection in none.reasons.values()} == {"excluded"}
        raise all_failed(progress, none.retry_at, "" if told else f"; then {none}") from none


def answered(
    work: Work, progress: Progress, reservation: Reservation, started: float,
    usage: Usage | None, headers: Mapping[str, str], answer: Answer | None = None, *,
    first_chunk: float | None = None, silence: float | None = None, continued: int = 0, number: int | None = None,
) -> Flow[Result]:  # fmt: skip
    """Settle an attempt that was answered, and tell. `number`: the attempt's own, where one begun later ended before it."""
    at: float = yield NOW
    deployment = work.deployments[reservation.deployment]
    number, seconds = number or progress.number, at - started
    outcome = Outcome(usage, None, seconds, headers=headers, first_chunk=first_chunk, silence=silence)
    cost = yield from settle(deployment, reservation, outcome, pool=work.pool, attempt=number, at=at)
    progress.owed.pop(reservation.id, None)
    progress.note(Attempt(number, deployment.id, started, seconds))
    why = decision(work, deployment.id, number, progress.waited)
    yield Emit(
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
            None if continued else work.demand,  # a part of an answer teaches nothing of how long answers are
        )
    )
    attempts = tuple(progress.attempts)
    return Result(answer, deployment, attempts, progress.waited, work.demand, usage, cost, why, work.id, continued)


def record(
    work: Work, progress: Progress, reservation: Reservation, started: float, error: ProviderError,
    number: int | None = None,
) -> Flow[None]:  # fmt: skip
    """Settle a failed attempt and write it down. `number` as for `answered`."""
    at: float = yield NOW
    deployment, number = work.deployments[reservation.deployment], number or progress.number
    error.deployment = deployment.id
    # Where the caller's own hurry ended it, that is no reason to keep others away from there.
    hurried = work.deadline is not None and at >= work.deadline - SOON
    excused = hurried and error.failure.kind == "timeout" and error.request_sent
    failure, seconds = error.failure, at - started
    outcome = Outcome(None, failure, seconds, error.request_sent, error.headers, excused=excused)
    event = events.Failed(at, work.id, work.pool, number, deployment.id, failure, seconds)
    turns: Sequence[Turn] = yield Fell(event, reservation.id, ending_of(outcome))
    for turn in turns:
        yield from turned(deployment, reservation, turn, work.pool, number)
    yield from accounted(deployment, reservation, outcome, work.pool, number)
    progress.owed.pop(reservation.id, None)
    progress.note(Attempt(number, deployment.id, started, seconds, failure))
    progress.errors.append(error)


def failed(
    work: Work, progress: Progress, reservation: Reservation, started: float, error: ProviderError
) -> Flow[None]:
    """Return when another attempt makes sense; raise when none does."""
    yield from record(work, progress, reservation, started, error)
    more = yield from goes_on(work, progress, reservation, error)
    if more is not None:
        raise all_failed(progress, None, more) from error


def goes_on(work: Work, progress: Progress, reservation: Reservation, error: ProviderError) -> Flow[str | None]:
    """Make ready for another attempt, and return None; or why there is none, as the end of a sentence ("" if that is plain)."""
    if not may_go_on(error.failure, progress.calls, work.max_attempts):
        return ""
    if error.failure.unfit:
        failed = work.deployments[reservation.deployment]
        progress.exclude |= unfit_too(failed, work.deployments.values())
        return None
    if blame(error.failure) is not None:
        retrial: Retrial | None = yield MayRetry(work.plan)
        if retrial is None:
            return "; it was not tried again, because too many requests fail at this moment"
        _keep_away(work, progress, reservation, error, retrial)
    action = REACTIONS[error.failure.kind].action
    if action == "elsewhere":
        progress.exclude.add(reservation.deployment)
    elif action == "larger":
        context = work.deployments[reservation.deployment].model.context or 0
        progress.exclude.update(
            o.id for o in work.plan.options if (work.deployments[o.id].model.context or 0) <= context
        )
    return None


def _keep_away(
    work: Work, progress: Progress, reservation: Reservation, error: ProviderError, retrial: Retrial
) -> None:
    """Let others go first: whoever shares what failed, or is not well, after them; who failed not before its backoff is over."""
    deployments, attempts, unwell = work.deployments, progress.attempts, retrial.unwell
    failed, last = deployments[reservation.deployment], attempts[-1]
    progress.avoid[failed.id] = last.at + last.seconds + backoff_seconds(len(attempts), retrial.chance)
    known, kind = work.plan.alike, error.failure.kind
    what = shared(failed, kind)
    wary = known.get(what) if what else _NOBODY
    if wary is None:  # of hundreds of options it takes as long as all the rest of a failover
        assert what is not None
        wary = known[what] = alike(failed, [deployments[option.id] for option in work.plan.options], kind)
    progress.barred = retrial.barred
    progress.wary = wary if unwell is NO_BAR else wary.union(unwell.options, unwell.last)


def all_failed(progress: Progress, retry_at: float | None, more: str = "") -> AttemptsFailed:
    tried = "; ".join(
        f"{a.number}. {a.deployment}: {a.failure.kind if a.failure else 'ok'} after {a.seconds:.1f} s"
        for a in progress.attempts
    )
    last = progress.errors[-1]
    count = len(progress.attempts)
    text = f"{count} attempt{'s' * (count > 1)} failed ({tried}); the last said: {last}{more}"
    if not progress.calls:  # nobody could be told: what each of them lacks is the whole story
        text = f"nothing was sent: {'; '.join(map(str, progress.errors))}{more}"
    return AttemptsFailed(text, progress.errors, progress.attempts, retry_at)
