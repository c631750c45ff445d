"""Whether a provider deducts tokens as they are used, or as they were asked for. Pure.

Told what is left after each of two calls with nothing in between, one can say what the second was deducted: what was
left before, what came back meanwhile, less what is left now. Where the answer was much shorter than it might have been,
that figure is near one of two: prompt plus answer, or prompt plus `max_tokens`.
"""

from __future__ import annotations

from typing import Final

from rotor_core._demand import Demand
from rotor_core._ledger import Used
from rotor_core._model import Counts, Limit
from rotor_core._state.spans import span
from rotor_core._state.trail import Notes, Trail

CLEAR: Final = 3
"""So many calls in a row that speak for the same are believed."""

_APART: Final = 32.0
"""Tokens by which the two must differ to be told apart: estimates of a prompt are off by less."""

_NEAR: Final = 0.25
"""Of the difference between the two: nearer than that is near."""


def counted_as(
    limit: Limit, notes: Notes, trail: Trail, at: float, remaining: float, demand: Demand, used: Used
) -> Counts | None:
    """How `limit` deducts, once enough calls in a row have said the same; None before. Takes note of this one.

    The call went out at `at`, after which `remaining` was left.
    """
    since, before = notes.told_at, notes.remaining
    if at <= since:
        return None  # answers overtake each other
    notes.told_at, notes.remaining = at, remaining
    if not demand.max_tokens or used.output_tokens is None or used.input_tokens is None:
        return None
    shown = float(used.output_tokens) + (used.input_tokens if limit.unit == "tokens" else 0)
    asked = shown - used.output_tokens + demand.max_tokens
    if asked - shown < max(_APART, shown / 10) or trail.calls(since, at) != 1:
        return None
    level = _level(limit, trail, since, at, before)
    if level is None:
        return None
    share = (level - remaining - shown) / (asked - shown)
    if abs(share) <= _NEAR:
        notes.votes = min(notes.votes, 0) - 1
    elif abs(share - 1) <= _NEAR:
        notes.votes = max(notes.votes, 0) + 1
    else:
        notes.votes = 0
    if abs(notes.votes) < CLEAR:
        return None
    notes.votes = max(-CLEAR, min(CLEAR, notes.votes))
    return "requested" if notes.votes > 0 else "usage"


def _level(limit: Limit, trail: Trail, since: float, at: float, before: float) -> float | None:
    """What was left just before a call at `at`, when `before` was left after one at `since`. None: cannot be said."""
    if at - since >= limit.seconds:
        return None
    if limit.window == "bucket":
        return min(limit.value, before + (at - since) * limit.value / limit.seconds)
    if limit.window == "calendar":
        return before if span(limit.per, limit.tz, at)[0] <= since else None
    return None if trail.calls(since - limit.seconds, at - limit.seconds) else before  # something came back
