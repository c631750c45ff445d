"""How a deployment is chosen for one attempt: what the request needs, who may serve it, and the wait for capacity.

A choice is a flow of the kernel, so that the blocking and the asynchronous strategy are the same one. Retries and
fallback hops go on with the trail of their request; whoever failed it before comes last or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rotor_core._acquire import Work, abandon, acquire
from rotor_core._commands import Flow
from rotor_core._engine import Engine
from rotor_core._ledger import NOTHING_USED
from rotor_core._prepare import Options, prepare
from rotor_litellm.request import Wanted, attempt_of, is_first, wanted
from rotor_litellm.roster import pool_of
from rotor_litellm.trail import CURRENT, Held, Trail, follow

ATTEMPTS: Final = 1_000
"""How often a request is tried is LiteLLM's affair (`num_retries`, fallbacks)."""

Entries = Sequence[Mapping[str, Any]]


def trail_of(kwargs: Mapping[str, Any]) -> Trail:
    """The trail of this request: a new one where it begins. What was held for an attempt before is left to `choice`."""
    trail, mark = CURRENT.get(), attempt_of(kwargs)
    if trail is None or (is_first(kwargs) and not _asked_again(trail, mark)):
        trail = Trail(mark)
        CURRENT.set(trail)
    elif trail.mark != mark:
        trail.mark = mark
        if trail.held is not None:
            trail.stale.append(trail.held)
            trail.held = None
    return trail


def _asked_again(trail: Trail, mark: tuple[object, ...]) -> bool:
    """Whether this is one attempt's second selection; a mark alone may be a client's own, used for all its requests."""
    held = trail.held
    return trail.mark == mark and held is not None and not held.sent and not held.over


def choice(
    engine: Engine,
    candidates: Entries,
    messages: object,
    given: object,
    kwargs: Mapping[str, Any],
    max_wait: float | None,
) -> Flow[Mapping[str, Any]]:
    """Wait for capacity among the candidates and take it; return the entry of whom it is. Raises NoCandidates.

    `max_wait`: seconds, where the policy's is too long.
    """
    trail = CURRENT.get()
    assert trail is not None
    by_id = {str(entry["model_info"]["id"]): entry for entry in candidates}
    before, trail.held = trail.held, None
    if before is not None and not before.over and not before.sent and before.id in by_id:
        trail.held = before  # asked twice for one attempt
        return by_id[before.id]
    stale = [*trail.stale, *([before] if before is not None else [])]
    trail.stale.clear()
    for held in stale:
        # Chosen and not called: LiteLLM thought better of it. What was sent may be a stream that goes on elsewhere.
        if not held.sent and held.end():
            yield from abandon(held.reservation.id, NOTHING_USED)
    asked = wanted(messages, given, kwargs)
    work = work_of(engine, candidates, asked, max_wait)
    progress = trail.progress
    progress.streamed = bool(kwargs.get("stream"))
    outside = {o.id for o in work.plan.options if o.id not in by_id}
    progress.exclude = trail.out | outside
    progress.owed.clear()
    try:
        reservation = yield from acquire(work, progress)
    finally:
        progress.exclude = set(trail.out)
    progress.owed.clear()
    trail.held = Held(engine, work, progress, reservation, progress.sent_at, progress.number, progress.streamed)
    follow(trail.held, trail)
    return by_id[reservation.deployment]


def work_of(engine: Engine, candidates: Entries, asked: Wanted, max_wait: float | None) -> Work:
    """The request made ready."""
    said = dict(asked.options)
    patience = said.pop("max_wait", None)
    deadline = said.pop("deadline", None)
    options = Options(
        model=pool_of(engine, candidates),
        deadline=None if deadline is None else engine.store.now() + float(deadline),
        max_attempts=ATTEMPTS,
        **said,
    )
    work = prepare(engine.next_id(), asked.request, options, engine.catalog, engine.planner, engine.calibration)
    waits = [w for w in (max_wait, patience, work.max_wait) if w is not None]
    work = replace(work, max_wait=min(waits))
    if asked.operation == "chat":
        return work
    read = 0 if asked.operation == "unknown" else work.demand.input_tokens
    return replace(work, demand=replace(work.demand, input_tokens=read, output_tokens=0, max_tokens=None, outputs=None))


def glimpse(
    engine: Engine, candidates: Entries, messages: object, given: object, kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Who would be chosen, where no call follows. Takes nothing."""
    work = work_of(engine, candidates, wanted(messages, given, kwargs), None)
    by_id = {str(entry["model_info"]["id"]): entry for entry in candidates}
    at = engine.store.now()
    ids = [o.id for o in work.plan.options if o.id in by_id]
    readings = engine.store.glance([o for o in work.plan.options if o.id in by_id])
    for name, reading in zip(ids, readings, strict=True):
        if reading.available_at is not None and reading.available_at <= at:
            return by_id[name]
    return by_id[ids[0]] if ids else candidates[0]


__all__ = ["choice", "glimpse", "trail_of", "work_of"]
