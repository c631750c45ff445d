"""How a deployment is chosen for one attempt: what the request needs, who may serve it, and the wait for capacity.

A choice is a flow of the kernel, so that the blocking and the asynchronous strategy are the same one. Retries and
fallback hops go on with the trail of their request; whoever failed it before comes last or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from rotor_core._acquire import abandon, kept
from rotor_core._attempts import next_seat
from rotor_core._commands import Flow
from rotor_core._ledger import NOTHING_USED
from rotor_core._prepare import Options, prepare
from rotor_core._work import Work
from rotor_litellm.request import Attempt, Wanted, attempt_of, is_first, wanted
from rotor_litellm.roster import Table
from rotor_litellm.trail import CURRENT, Held, Trail, follow, here, lose

ATTEMPTS: Final = 1_000
"""How often a request is tried is LiteLLM's affair (`num_retries`, fallbacks)."""


def trail_of(kwargs: Mapping[str, Any]) -> Trail:
    """The trail of this request: a new one where it begins. What was held for an attempt before is left to `choice`."""
    trail, mark = CURRENT.get(), attempt_of(kwargs)
    if trail is None or (is_first(mark) and not _asked_again(trail, mark)):
        before, trail = trail, Trail(mark, here())
        if before is not None and before.held is not None and before.by == trail.by:
            # Whoever keeps the trail (an error's frames, a context's copy) keeps no capacity.
            trail.stale = (before.held,)
        CURRENT.set(trail)
    elif trail.mark != mark:
        trail.mark = mark
        if trail.held is not None:
            trail.stale = (*trail.stale, trail.held)
            trail.held = None
    return trail


def _asked_again(trail: Trail, mark: Attempt) -> bool:
    """Whether this is one attempt's second selection; a mark alone may be a client's own, used for all its requests."""
    held = trail.held
    return trail.mark == mark and trail.by == here() and held is not None and not held.begun and held.stands()


def choice(
    table: Table,
    messages: object,
    given: object,
    kwargs: Mapping[str, Any],
    max_wait: float | None,
) -> Flow[Mapping[str, Any]]:
    """Wait for capacity among the candidates and take it; return the entry of whom it is.

    Raises NoCandidates; AttemptsFailed where the request has failed before, which is the better story.

    `max_wait`: seconds, where the policy's is too long.
    """
    trail = CURRENT.get()
    assert trail is not None
    entries = table.entries
    before, trail.held = trail.held, None
    store = table.engine.store
    if (
        before is not None
        and not before.begun
        and before.id in entries
        and before.engine.store is store
        and before.stands()
    ):
        trail.held = before  # asked twice for one attempt
        return entries[before.id]
    stale = trail.stale if before is None else (*trail.stale, before)
    trail.stale = ()
    for held in stale:
        # Chosen and not called: LiteLLM thought better of it. What was begun may be a stream that goes on elsewhere.
        if held.begun:
            continue
        if held.engine.store is not store:  # another router's: the next sweep asks its own ledger
            lose(held)
        elif held.end():
            yield from abandon(held.reservation.id, NOTHING_USED)
    asked = wanted(messages, given, kwargs)
    work = work_of(table, asked, max_wait)
    progress = trail.progress
    progress.streamed = bool(kwargs.get("stream"))
    progress.exclude = (
        set(trail.out) if table.whole else trail.out.union(o.id for o in work.plan.options if o.id not in entries)
    )
    progress.owed.clear()
    try:
        reservation = yield from kept(progress, next_seat(work, progress))
    finally:
        progress.exclude = set(trail.out)
    progress.owed.clear()
    chosen = entries[reservation.deployment]
    shown = str(chosen["model_info"]["id"])
    trail.held = Held(
        table.engine, work, progress, reservation, shown, progress.sent_at, progress.number, progress.streamed,
    )  # fmt: skip
    follow(trail.held, trail)
    return chosen


def work_of(table: Table, asked: Wanted, max_wait: float | None) -> Work:
    """The request made ready."""
    engine, patience = table.engine, None
    catalog = engine.catalog
    if max_wait is not None and max_wait == catalog.policy.max_wait_for_free:  # so it is where there are fallbacks
        catalog, max_wait = table.hasty, None
    if asked.options:
        said = dict(asked.options)
        patience = said.pop("max_wait", None)
        deadline = said.pop("deadline", None)
        options = Options(
            model=table.pool,
            deadline=None if deadline is None else engine.store.now() + float(deadline),
            max_attempts=ATTEMPTS,
            **said,
        )
    else:
        options = _unsaid(table.pool)
    work = prepare(
        engine.next_id(), asked.request, options, catalog, engine.planner, engine.calibration, heard=engine.hub.heard
    )
    if max_wait is not None or patience is not None:
        longest = min(w for w in (max_wait, patience, work.max_wait) if w is not None)
        if longest != work.max_wait:
            work = replace(work, max_wait=longest)
    if asked.operation == "chat":
        return work
    read = 0 if asked.operation == "unknown" else work.demand.input_tokens
    return replace(work, demand=replace(work.demand, input_tokens=read, output_tokens=0, max_tokens=None, outputs=None))


@lru_cache
def _unsaid(pool: str) -> Options:
    """Where a caller says nothing, which is the usual case."""
    return Options(model=pool, max_attempts=ATTEMPTS)


def glimpse(table: Table, messages: object, given: object, kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Who would be chosen, where no call follows; None where nobody could be. Takes nothing."""
    work, entries, store = work_of(table, wanted(messages, given, kwargs), None), table.entries, table.engine.store
    options = [o for o in work.plan.options if o.id in entries]
    at, readings = store.now(), store.glance(options)
    able = (o.id for o, r in zip(options, readings, strict=True) if r.available_at is not None and r.available_at <= at)
    first = options[0].id if options else None
    name = next(able, first)
    return entries[name] if name is not None else None


__all__ = ["choice", "glimpse", "trail_of", "work_of"]
