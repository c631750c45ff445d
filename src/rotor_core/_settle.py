"""How a call ended, told to health and to the ledger: who is well, what was used, what the answer said of limits, who rests."""

from __future__ import annotations

from collections.abc import Sequence

from rotor_core import _events as events
from rotor_core._commands import DRAW, NOW, Emit, Finish, Flow, Rest, Settle
from rotor_core._health import FAILING, Ending, Turn
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Kin, Learnt, Lesson, Reservation, Used
from rotor_core._model import Deployment
from rotor_core._outcome import Outcome
from rotor_core._policy.headers import told_by_headers
from rotor_core._policy.next_step import LEAST_TOLD, REACTIONS, SCOPES, blame, may_rest, rest_seconds
from rotor_core._policy.plan import scopes
from rotor_core._policy.told import told_by_refusal


def settle(
    deployment: Deployment, reservation: Reservation, outcome: Outcome, *,
    pool: str = "", attempt: int = 1, at: float | None = None,
) -> Flow[float | None]:  # fmt: skip
    """Replace what was reserved by what was used, and put to rest whoever the failure speaks of. Return the cost in USD.

    `at`: when it ended; None: now.
    """
    if at is None:
        at = yield NOW
        assert at is not None
    turns: Sequence[Turn] = yield Finish(reservation.id, ending_of(outcome), at)
    for turn in turns:
        yield from turned(deployment, reservation, turn, pool, attempt)
    return (yield from accounted(deployment, reservation, outcome, pool, attempt))


def accounted(
    deployment: Deployment, reservation: Reservation, outcome: Outcome, pool: str, attempt: int
) -> Flow[float | None]:
    """`settle` without what is told to health."""
    failure, usage = outcome.failure, outcome.usage
    cost: float | None = None
    lessons: Sequence[Learnt]
    told, odd = told_by_headers(deployment.provider.name, outcome.headers) if outcome.headers else ((), ())
    if failure is not None:
        if outcome.excused:
            yield Settle(reservation.id, AS_RESERVED)
            return None
        counted = outcome.sent and REACTIONS[failure.kind].counted
        told = told_by_refusal(deployment.provider.name, failure, outcome.headers, told)
        if told and deployment.limits is not None and not deployment.limits:
            # It is known to have no limits: a refusal that names none is the provider's own trouble, and no guess is made.
            told = tuple(one for one in told if one.limit is not None or not one.refused)
        lessons = yield Settle(reservation.id, AS_RESERVED if counted else NOTHING_USED, None, told)
        taught = bool(lessons) and any(isinstance(x, Lesson) for x in lessons)
        if may_rest(failure):
            yield from _put_to_rest(deployment, reservation, outcome, pool, attempt, taught=taught)
    elif usage is not None:
        cost = (
            deployment.price.cost(usage.charged_input, usage.charged_output, usage.cached_tokens)
            if deployment.price
            else None
        )
        used = Used(1, usage.charged_input, usage.charged_output, cost)
        lessons = yield Settle(reservation.id, used, outcome.seconds, told)
    else:
        lessons = yield Settle(reservation.id, AS_RESERVED, outcome.seconds or None, told)
    if lessons or odd:
        yield from _tell_lessons(deployment, reservation, lessons, odd, pool, attempt)
    return cost


def ending_of(outcome: Outcome) -> Ending:
    """What an outcome says of the deployment's health."""
    failure = outcome.failure
    if failure is not None:
        return Ending(None if outcome.excused else blame(failure), outcome.seconds)
    if outcome.usage is None and not outcome.seconds:
        return Ending(None)
    tokens = outcome.usage.charged_output if outcome.usage else None
    return Ending("", outcome.seconds, outcome.first_chunk, tokens, outcome.silence)


def turned(deployment: Deployment, reservation: Reservation, turn: Turn, pool: str, attempt: int) -> Flow[None]:
    """A breaker has turned: let all who share the ledger know, and whoever listens."""
    at: float = yield NOW
    request = reservation.id.rpartition(".")[0]
    if turn.until is not None:
        yield Rest(turn.scope, turn.until, FAILING + turn.reason)
        opened = events.BreakerOpened(
            at, request, pool, attempt, deployment.id, turn.scope, turn.until, turn.reason, turn.evidence
        )
        yield Emit(opened)
        return
    if turn.before == "open":
        yield Rest(turn.scope, 0.0, "")
    if turn.after == "closed":
        yield Emit(events.BreakerClosed(at, request, pool, attempt, deployment.id, turn.scope, turn.evidence))


def _tell_lessons(
    deployment: Deployment,
    reservation: Reservation,
    lessons: Sequence[Learnt],
    odd: Sequence[str],
    pool: str,
    attempt: int,
) -> Flow[None]:
    """Say which limits are held otherwise from now on, which quotas are one, and which headers cannot be true."""
    at: float = yield NOW
    request = reservation.id.rpartition(".")[0]
    for lesson in lessons:
        if isinstance(lesson, Kin):
            kin = events.QuotaSuspected(at, request, pool, attempt, lesson.quotas, lesson.evidence)
            yield Emit(kin)
            continue
        limit = lesson.limit
        yield Emit(
            events.LimitLearned(
                at,
                request,
                pool,
                attempt,
                deployment.id,
                lesson.key,
                limit.unit,
                limit.per,
                lesson.before,
                limit.value,
                limit.source,
                lesson.evidence,
            )
        )
    for line in odd:
        yield Emit(events.HeaderDistrusted(at, request, pool, attempt, deployment.id, line))


def _put_to_rest(
    deployment: Deployment, reservation: Reservation, outcome: Outcome, pool: str, attempt: int, *, taught: bool
) -> Flow[None]:
    """`taught`: a limit was learned from this failure, which holds others back from now on."""
    failure = outcome.failure
    assert failure is not None
    chance: float = yield DRAW
    seconds = rest_seconds(failure, attempt, chance)
    assert seconds is not None
    if taught and failure.kind == "rate_limit" and failure.retry_after is None:
        seconds = min(seconds, LEAST_TOLD)
    at: float = yield NOW
    scope = scopes(deployment)[SCOPES.index(REACTIONS[failure.kind].scope)]
    yield Rest(scope, at + seconds, failure.kind)
    request = reservation.id.rpartition(".")[0]
    yield Emit(events.Rested(at, request, pool, attempt, deployment.id, scope, at + seconds, failure.kind))
