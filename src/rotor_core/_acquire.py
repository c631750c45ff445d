"""Capacity for a request: ask, wait exactly as long as it takes, say who was chosen or why nobody could be.

A grant for a later instant is slept for. Whoever wakes too late for it gives it back and asks again. A grant for at once
that was long in coming (a distant ledger, a process that stood still) is sent on if the ledger says that it still holds.

Who is asked, in this order, each time the one before refuses:
    all that are well, without those that are like one that has just failed this request, and without those whose failures
        there would be no retries for (at once, or not)
    all that are well, without those that have failed it within their backoff (a wait as long as that, no longer)
    all that are well (waiting until a probe that is under way elsewhere has ended)
    all, those last that are failing or have failed this request: what we only concluded by ourselves never refuses a
        request that nobody else can serve
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from rotor_core import _events as events
from rotor_core._commands import NOW, Barred, Begin, Dispatched, Emit, Finish, Flow, Redeem, Reserve, Settle, Sleep
from rotor_core._errors import NoCandidates
from rotor_core._health import Bar, Ending, Guards
from rotor_core._ledger import (
    AS_RESERVED,
    NOTHING_USED,
    Ask,
    Grant,
    Plan,
    Refusal,
    Rejection,
    Reservation,
    Ticket,
    Used,
)
from rotor_core._policy.refusal import refusal_text
from rotor_core._work import Progress, Work

T = TypeVar("T")

SOON: Final = 0.05
"""Seconds. A shorter wait is a wait at an edge: nobody needs to be told."""

BIDE: Final = 3.0
"""Seconds that a request waits altogether for others' probes to end, and for backoffs. Then it makes a try of its own."""

TIME_FOR_IT: Final = (0.1, 0.5)
"""Of the time that a request has, and seconds: the lesser of both is kept for its call. Sent later, it could only fail."""

LATE: Final = 0.05
"""Seconds. Who wakes later than this after the granted instant (a stall, a suspend) must not send on that grant as it is."""

NOTHING_SAID: Final = Ending(None)


def acquire(work: Work, progress: Progress | None = None) -> Flow[Reservation]:
    """Wait for capacity, exactly as long as it takes; return when the request may be sent.

    Raises `NoCandidates` when nothing can serve in time; nothing is held then.
    """
    progress = progress or Progress()
    return kept(progress, seat(work, progress))


def seat(work: Work, progress: Progress) -> Flow[Reservation]:
    """`acquire` as a part of a longer story, which sees to it that what is owed is given back (`kept`)."""
    plan = work.plan
    last: list[frozenset[str]] = []
    while True:
        forced = bool(last)
        ask, withheld = yield from _asking(work, progress, plan, last[0] if forced else None)
        progress.owed[ask.id] = NOTHING_USED
        grant: Grant = yield Reserve(ask)
        if isinstance(grant, Ticket):
            grant = yield from _called(work, progress, ask, grant)
        if isinstance(grant, Reservation):
            if grant.wait > SOON:
                yield from _exhausted(work, progress, grant.asked_at, grant.at, {})
            if (yield from _sendable(work, progress, grant, forced=forced)):
                progress.owed[ask.id] = AS_RESERVED
                return grant
            yield Settle(ask.id, NOTHING_USED)
            del progress.owed[ask.id]
            continue
        del progress.owed[ask.id]
        if forced:
            del last[0]
            if not last:
                raise (yield from _refused(work, progress, grant))
        elif not (yield from _bided(work, progress, withheld, grant)):
            others = work.regardless if _guessed(withheld, grant) else None
            if others is None:
                raise (yield from _refused(work, progress, grant))
            plan, last = others(), (yield from _last_resorts(work, progress))


def kept(progress: Progress, story: Flow[T]) -> Flow[T]:
    """A story of taking and giving back; wherever it is cut off, what it owes is given back."""
    try:
        return (yield from story)
    except GeneratorExit:  # who is closed cannot ask; drivers see to it that nobody is
        raise
    except BaseException:
        yield from give_back(progress)
        raise


def give_back(progress: Progress) -> Flow[None]:
    """A story was cut off, in the middle of giving back perhaps: what it owes is given back."""
    while progress.owed:
        yield from abandon(*progress.owed.popitem())


def abandon(reservation_id: str, used: Used = AS_RESERVED) -> Flow[None]:
    """Give back what was taken for a call that is not made, or that nobody waits for any more."""
    try:
        yield Finish(reservation_id, NOTHING_SAID, 0.0)
        yield Settle(reservation_id, used)
    except (Exception, GeneratorExit):
        raise
    except BaseException:  # cut off once more: saying it a second time changes nothing
        yield Finish(reservation_id, NOTHING_SAID, 0.0)
        yield Settle(reservation_id, used)
        raise


class Withheld(NamedTuple):
    """Whom an ask leaves out though they may be asked later: `options`, and `until` when they are left out."""

    options: frozenset[str] = frozenset()
    until: float = 0.0


_WITHHELD: Final = Withheld()


def _last_resorts(work: Work, progress: Progress) -> Flow[list[frozenset[str]]]:
    """Whom to leave out when all are asked: first those that are failing or have failed this request, then these, then nobody."""
    failed = frozenset(progress.avoid)
    answer: tuple[float, Bar] = yield Barred(work.plan, strictly=True)
    _, unwell = answer
    return list(dict.fromkeys((unwell.dead | failed, failed, frozenset[str]())))


def _asking(work: Work, progress: Progress, plan: Plan, without: frozenset[str] | None) -> Flow[tuple[Ask, Withheld]]:
    """What to ask for next, and whom that leaves out for the moment. `without`: only these, though others be unwell."""
    wait = max(0.0, work.max_wait - progress.waited)
    withheld = _WITHHELD
    if without is not None:
        withheld = Withheld(without)
    else:
        known, progress.barred = progress.barred, None
        if known is None:
            answer: tuple[float, Bar] = yield Barred(plan)
            known = answer
        at, bar = known
        if progress.latest is None and work.deadline is not None:
            share, most = TIME_FOR_IT
            progress.latest = work.deadline - max(0.0, min(share * (work.deadline - at), most))
        if not progress.asked:
            progress.wary |= bar.last
        if bar.options or progress.avoid or progress.wary:
            withheld, wait = _withheld(progress, bar, at, wait)
    progress.asked += 1
    exclude = withheld.options.union(progress.exclude) if progress.exclude else withheld.options
    ident = f"{work.id}.{progress.asked}"
    return Ask(ident, plan, work.demand, progress.latest, wait, exclude, work.priority), withheld


def _withheld(progress: Progress, bar: Bar, at: float, wait: float) -> tuple[Withheld, float]:
    """Whom to leave out at this instant, and how long to wait without them."""
    out, until = set(bar.options), bar.until
    for name, end in progress.avoid.items():
        if end > at:
            out.add(name)
            wait = min(wait, end - at)
            if until is None or end < until:
                until = end
    if progress.wary:
        out |= progress.wary
        progress.wary = frozenset()
        until, wait = at, 0.0
    return Withheld(frozenset(out), until or at), wait


def _bided(work: Work, progress: Progress, withheld: Withheld, refusal: Refusal) -> Flow[bool]:
    """Wait until those can be asked that were left out; False where there is nobody, or where that is too late."""
    at = refusal.asked_at
    if withheld.options.isdisjoint(refusal.reasons):
        return False
    give_up_at = at + max(0.0, work.max_wait - progress.waited)
    if progress.latest is not None:
        give_up_at = min(give_up_at, progress.latest)
    if withheld.until > give_up_at or progress.bided >= BIDE:
        return False
    if withheld.until > at:
        if withheld.until > at + SOON:
            yield from _exhausted(work, progress, at, withheld.until, {})
        yield Sleep(withheld.until)
        now: float = yield NOW
        waited = max(0.0, now - at)
        progress.waited += waited
        progress.bided += waited
    return True


def _guessed(withheld: Withheld, refusal: Refusal) -> bool:
    """Whether anybody is out only because of what was concluded here."""
    failing = any(rejection.reason == "failing" for rejection in refusal.reasons.values())
    return failing or not withheld.options.isdisjoint(refusal.reasons)


def _sendable(work: Work, progress: Progress, grant: Reservation, *, forced: bool) -> Flow[bool]:
    """Sleep until the grant is due. False: it may not be sent, as it no longer holds or health has no place for it now."""
    latest = grant.at + LATE if grant.at <= grant.asked_at else None
    while True:
        if latest is None and not (yield from _due(grant)):
            now: float = yield NOW
            progress.waited += max(0.0, now - grant.asked_at)
            return False
        begun: tuple[float, Guards | None] = yield Begin(grant, forced, progress.streamed, latest)
        at, guards = begun
        if latest is None or at <= latest:
            break
        latest = None  # it was long in coming: the ledger is asked whether it still holds
    progress.waited += max(0.0, at - grant.asked_at)
    if guards is None:
        return False
    progress.guards, progress.sent_at, progress.waits = guards, at, False
    if work.heard():
        yield from _announce(work, progress, grant, at)
    return True


def _due(reservation: Reservation) -> Flow[bool]:
    """Sleep until the grant is due, and again where it was exchanged for a later instant meanwhile; whether it holds then.

    Lateness is what was overslept, not what the ledger took to answer: asked again it would take as long, for ever.
    """
    due, waits = reservation.at, reservation.at > reservation.asked_at
    while True:
        if waits:
            yield Sleep(due)
            at: float = yield NOW
            if at - due > LATE:
                return False
        answer: float | None = yield Dispatched(reservation)  # which lets its charges count from now
        if answer is None:
            return False
        at = yield NOW
        if answer <= at:
            return True
        due, waits = answer, True


def _called(work: Work, progress: Progress, ask: Ask, ticket: Ticket) -> Flow[Reservation | Refusal]:
    """Wait in line."""
    yield from _exhausted(work, progress, ticket.asked_at, None, {})
    grant: Grant = ticket
    while isinstance(grant, Ticket):
        grant = yield Redeem(ask, grant)
    return grant


def _refused(work: Work, progress: Progress, refusal: Refusal) -> Flow[NoCandidates]:
    """Tell that nobody can serve; the error that says why, and when that will be otherwise."""
    reasons = {**work.static, **refusal.reasons}
    text = refusal_text(work.pool, reasons, refusal.retry_at, refusal.asked_at)
    yield from _exhausted(work, progress, refusal.asked_at, refusal.retry_at, reasons, text)
    retry_after = None if refusal.retry_at is None else max(0.0, refusal.retry_at - refusal.asked_at)
    return NoCandidates(
        text, reasons=reasons, retry_at=refusal.retry_at, retry_after=retry_after, attempts=progress.attempts
    )


def _exhausted(
    work: Work,
    progress: Progress,
    at: float,
    retry_at: float | None,
    reasons: Mapping[str, Rejection],
    refused: str = "",
) -> Flow[None]:
    if progress.waits and not refused:
        return
    progress.waits = True
    reason = refused or (
        "every seat is taken; waiting for one" if retry_at is None else "no capacity yet; waiting for it"
    )
    yield Emit(events.Exhausted(at, work.id, work.pool, progress.number, bool(refused), reason, retry_at, reasons))


def _announce(work: Work, progress: Progress, reservation: Reservation, at: float) -> Flow[None]:
    """Say who was chosen, and first what changed: a recovery, a rotation."""
    to, number = reservation.deployment, progress.number
    waited = max(0.0, at - reservation.asked_at)
    if reservation.rested is not None or waited > SOON:
        why = reservation.rested or "capacity returned"
        yield Emit(events.Recovered(at, work.id, work.pool, number, to, why, waited))
    if progress.attempts:
        last = progress.attempts[-1]
        if last.deployment != to or progress.continuing:
            why = last.failure.kind if last.failure else "unknown"
            rotated = events.Rotated(at, work.id, work.pool, number, to, last.deployment, why, progress.continuing)
            yield Emit(rotated)
    reason = decision(work, to, number, progress.waited)
    yield Emit(events.Selected(at, work.id, work.pool, number, to, reason, reservation.at, progress.waited))


def decision(work: Work, chosen: str, number: int, waited: float) -> str:
    """One line that says why this deployment: `free-first: free, attempt 2, waited 1.3 s`."""
    deployment = work.deployments[chosen]
    money = "free" if deployment.free else "paid" if deployment.price else "price unknown"
    text = f"{work.ranking}: {money}"
    if number > 1:
        text += f", attempt {number}"
    return f"{text}, waited {waited:.1f} s" if waited > SOON else text
