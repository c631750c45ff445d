"""Hedging: beside a call that is late, a second one where capacity for it is plentiful. The first answer wins.

A call is late when nineteen in twenty like it would have been answered. Whom it may be joined by:
    a deployment that is well and not resting, that this request has not failed at, and that is no dearer;
    one of which half of every limit is left even after this call, so that no other request goes without for it;
    one whose seat is free at this instant. A hedge waits for nothing.
It is a retry made early: it takes from the retry budget, and is one of the request's attempts. Where nobody may join it,
the call is waited for as if nothing had been.

Both are reserved and both are settled. Who loses is called off and settled as reserved, for it may have been counted.
That the first lost is told to health: one in twenty may, but one that always does has hung.
Who fails while the other is still under way is a failed attempt like any other, and not the end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from rotor_core import _events as events
from rotor_core._acquire import NOTHING_SAID, abandon, decision
from rotor_core._attempts import Result, all_failed, answered, goes_on, patience, record
from rotor_core._commands import (
    NOW,
    Barred,
    Begin,
    Call,
    CallOff,
    Emit,
    Finish,
    Flow,
    Glance,
    MayRetry,
    Over,
    Pending,
    Race,
    Reserve,
    Retrial,
    Settle,
    Start,
)
from rotor_core._demand import Demand
from rotor_core._errors import ProviderError, StoreError
from rotor_core._health import Bar, Ending, Guards, Turn
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Ask, Grant, Option, OptionReading, Reservation
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Attempt, Failure, Usage
from rotor_core._policy.next_step import alike
from rotor_core._policy.patience import call_timeout
from rotor_core._request import Request
from rotor_core._settle import turned
from rotor_core._work import Progress, Work

PLENTY: Final = 0.5
"""The part of every limit that is to be left when a hedge has taken its share."""


@dataclass(slots=True, eq=False)
class _Runner:
    """One call, from its reservation to its settling; `number`: the attempt's."""

    reservation: Reservation
    number: int
    started: float = 0.0
    pending: Pending | None = None


@dataclass(slots=True, eq=False)
class _Contest:
    """The calls of one attempt. `running`: those not settled yet. `second`: who joined, if anybody did. `lost`: who failed, and how."""

    first: _Runner
    running: list[_Runner]
    second: _Runner | None = None
    lost: list[tuple[Reservation, ProviderError]] = field(default_factory=list[tuple[Reservation, ProviderError]])

    def pending(self) -> list[Pending]:
        return [runner.pending for runner in self.running if runner.pending is not None]

    def runner(self, over: Over) -> _Runner:
        return next(runner for runner in self.running if runner.pending is over.pending)


def may_hedge(work: Work, progress: Progress) -> bool:
    """Whether the call about to be sent might be joined by another: it is known when it is late, and an attempt is left."""
    return progress.guards.hedge is not None and progress.number < work.max_attempts


def hedged(work: Work, progress: Progress, reservation: Reservation, request: Request) -> Flow[Result | None]:
    """One attempt, joined by another one where it is late. `reservation`: of the first, which health has let in.

    None: what was tried has failed, and more may be tried. Raises `AttemptsFailed` where that makes no sense.
    """
    first = _Runner(reservation, progress.number)
    contest = _Contest(first, [first])
    try:
        found = yield from _first_answer(work, progress, contest, request)
        if found is not None:
            return (yield from _won(work, progress, contest, *found))
    except BaseException:
        yield from _leave(contest)
        raise
    yield from _go_on(work, progress, contest)
    return None


def _first_answer(
    work: Work, progress: Progress, contest: _Contest, request: Request
) -> Flow[tuple[_Runner, Answer] | None]:
    """Who answered, and what; None: everybody has failed."""
    late = progress.guards.hedge
    assert late is not None
    yield from _send(work, progress, contest.first, request)
    over: Over | None = yield Race(tuple(contest.pending()), late)
    if over is None:
        yield from _join(work, progress, contest, request)
    while contest.running:
        if over is None:
            over = yield Race(tuple(contest.pending()))
            assert over is not None
        runner, end = contest.runner(over), over.end
        if not isinstance(end, ProviderError):
            return runner, end
        yield from record(work, progress, runner.reservation, runner.started, end, runner.number)
        contest.running.remove(runner)
        contest.lost.append((runner.reservation, end))
        over = None
    return None


def _send(work: Work, progress: Progress, runner: _Runner, request: Request) -> Flow[None]:
    started: float = yield NOW
    runner.started = started
    guards, longest, left, attempt, _ = patience(work, progress, runner.reservation, runner.started)
    timeout = call_timeout(guards, longest, left, attempt, work.max_attempts - runner.number)
    pending: Pending = yield Start(Call(runner.reservation, request, timeout))
    runner.pending = pending


def _join(work: Work, progress: Progress, contest: _Contest, request: Request) -> Flow[None]:
    """Send a second call beside the first, where somebody has plenty for it."""
    chosen = yield from _with_plenty(work, progress, contest.first.reservation)
    if not chosen:
        return
    retrial: Retrial | None = yield MayRetry()
    if retrial is None:
        return
    seat = yield from _seat(work, progress, contest.first, chosen)
    if seat is not None:
        contest.second = _Runner(seat, contest.first.number + 1)
        contest.running.append(contest.second)
        yield from _send(work, progress, contest.second, request)


def _with_plenty(work: Work, progress: Progress, first: Reservation) -> Flow[Collection[str]]:
    """Who may join, by id; whoever shares nothing with the first that could make both slow, if there is anybody."""
    slow = work.deployments[first.deployment]
    barred: tuple[float, Bar] = yield Barred(work.plan, strictly=True)
    _, unwell = barred
    out = progress.exclude.union(progress.avoid, unwell.options, (slow.id,))
    options = [o for o in work.plan.options if o.id not in out and _no_dearer(work.deployments[o.id], slow)]
    if not options:
        return ()
    readings: Sequence[OptionReading] = yield Glance(options)
    plenty = {
        o.id
        for o, reading in zip(options, readings, strict=True)
        if _is_plenty(o, reading, work.demand, known=work.deployments[o.id].limits is not None)
    }
    return plenty - alike(slow, (work.deployments[o.id] for o in options), "timeout") or plenty


def _no_dearer(other: Deployment, first: Deployment) -> bool:
    """Whether a call to `other` is of no worse a class than one to `first` (free, priced, of unknown price), nor priced higher."""
    if other.free or other.price is None or first.price is None:
        return other.free or other.price is first.price
    return other.price.blended <= first.price.blended


def _is_plenty(option: Option, reading: OptionReading, demand: Demand, *, known: bool) -> bool:
    """Whether it is there for more than is asked of it. Limits that nobody knows are not plenty of anything."""
    if reading.resting is not None or not (known or reading.limits):
        return False
    return all(x.remaining - demand.amount(x.limit, option.price) >= PLENTY * x.limit.value for x in reading.limits)


def _seat(work: Work, progress: Progress, first: _Runner, chosen: Collection[str]) -> Flow[Reservation | None]:
    """A seat at this instant with one of those chosen; None: there is none, or the store is away, which costs the first nothing."""
    progress.asked += 1
    others = frozenset(o.id for o in work.plan.options if o.id not in chosen)
    ask = Ask(f"{work.id}.{progress.asked}", work.plan, work.demand, work.deadline, 0.0, others, work.priority)
    try:
        grant: Grant = yield Reserve(ask)
        if isinstance(grant, Reservation) and not grant.wait:
            begun: tuple[float, Guards | None] = yield Begin(grant)
            at, guards = begun
            if guards is not None:
                progress.guards = guards
                if work.heard():
                    yield from _announce(work, progress, first, grant, at)
                return grant
        yield Settle(ask.id, NOTHING_USED)
    except StoreError:
        with suppress(StoreError):
            yield from abandon(ask.id, NOTHING_USED)
    except BaseException:
        yield from abandon(ask.id, NOTHING_USED)
        raise
    return None


def _announce(work: Work, progress: Progress, first: _Runner, grant: Reservation, at: float) -> Flow[None]:
    to, number = grant.deployment, first.number + 1
    if grant.rested is not None:
        yield Emit(events.Recovered(at, work.id, work.pool, number, to, grant.rested, 0.0))
    why = f"{decision(work, to, number, progress.waited)}; {_hedge(first, at)}"
    yield Emit(events.Selected(at, work.id, work.pool, number, to, why, grant.at, progress.waited))


def _hedge(first: _Runner, at: float) -> str:
    return f"a hedge: {first.reservation.deployment} had not answered after {at - first.started:.1f} s"


def _won(work: Work, progress: Progress, contest: _Contest, winner: _Runner, answer: Answer) -> Flow[Result]:
    """Settle who answered as answered, then who did not."""
    at: float = yield NOW
    first, second = contest.first, contest.second
    late = [runner for runner in contest.running if runner is not winner]
    failure = Failure("cancelled", message=f"called off, as {winner.reservation.deployment} answered first")
    progress.attempts += [Attempt(x.number, x.reservation.deployment, x.started, at - x.started, failure) for x in late]
    result = yield from answered(
        work, progress, winner.reservation, winner.started, answer.usage, answer.headers, answer, number=winner.number
    )
    contest.running = late
    if first in late:
        yield from _outrun(work, first, at, answer.usage)
    yield from _leave(contest)
    contest.running = []
    if second is None:
        return result
    why = _hedge(first, second.started) if winner is second else f"before its hedge {second.reservation.deployment}"
    return replace(result, decision=f"{result.decision}; {why}")


def _outrun(work: Work, first: _Runner, at: float, usage: Usage | None) -> Flow[None]:
    """Let health know that the first was too slow. `usage`: of the one that answered, for the first would have said as much."""
    tokens = usage.charged_output if usage else None
    ending = Ending(None, at - first.started, output_tokens=tokens, outrun=True)
    turns: Sequence[Turn] = yield Finish(first.reservation.id, ending, at)
    for turn in turns:
        deployment = work.deployments[first.reservation.deployment]
        yield from turned(deployment, first.reservation, turn, work.pool, first.number)


def _leave(contest: _Contest) -> Flow[None]:
    """End what is under way, and settle it as what it may have been counted as."""
    under_way = contest.pending()
    try:
        if under_way:
            yield CallOff(tuple(under_way))
    finally:
        for runner in contest.running:
            yield Finish(runner.reservation.id, NOTHING_SAID, 0.0)
        for runner in contest.running:
            yield Settle(runner.reservation.id, AS_RESERVED)


def _go_on(work: Work, progress: Progress, contest: _Contest) -> Flow[None]:
    """After everybody failed: return when another attempt makes sense after each of the failures; raise when none does."""
    for reservation, error in contest.lost:
        more = yield from goes_on(work, progress, reservation, error)
        if more is not None:
            raise all_failed(progress, None, more) from contest.lost[-1][1]
