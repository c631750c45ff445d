"""Which option, and from when: tiers in order, waits weighed against what the next tier offers. Reads, takes nothing.

In a tier the best-scored option with room now goes first; else the smallest instant within the tier's own `max_wait`;
else the next tier is tried. When no tier has anything, the smallest instant of all within the ask's waits: so waiting for
a free seat binds only while a paid one is open. A busy option (its gate full) competes with an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

from rotor_core.stores._demand import Least, Taken, Want
from rotor_core.stores._index import Outlook, PlanIndex


@dataclass(slots=True)
class Queued:
    """Wait for a slot; look again at `check_at`, when something else may be worth more."""

    check_at: float


@dataclass(slots=True)
class Nothing:
    """Refuse; `retry_at` is infinite when nothing will ever fit."""

    retry_at: float


Choice = Taken | Queued | Nothing


def choose(index: PlanIndex, want: Want, asked_at: float, give_up_at: float) -> Choice:
    """`give_up_at`: the latest instant that the asker would accept, an instant that counts as now aside."""
    least = index.least
    if least is None:
        least = index.least = Least(want.demand)
    elif least.lowered_by(want.demand):
        index.reconsider_all(least.amounts)
    outlooks: list[Outlook] = []
    for tier in index.tiers:
        found = tier.first(want, least.amounts)
        if found is not None:
            return found
        patience = min(asked_at + tier.max_wait, give_up_at)
        if patience > want.by or tier.has_due(want.by):
            outlook = tier.outlook(want, give_up_at)
            outlooks.append(outlook)
            if outlook.entry is not None and outlook.at <= max(want.by, min(patience, outlook.busy_at)):
                return Taken(outlook.entry, outlook.at)
            if outlook.busy_at <= patience:
                return Queued(_check_at(outlooks, index, want, asked_at, give_up_at))
    return _last_pass(index, want, asked_at, give_up_at)


def _last_pass(index: PlanIndex, want: Want, asked_at: float, give_up_at: float) -> Choice:
    """No tier has anything within its own patience: the smallest instant of all."""
    outlooks = [tier.outlook(want, give_up_at) for tier in index.tiers]
    soonest = min(outlooks, key=lambda outlook: outlook.at, default=Outlook())
    busy = min(outlooks, key=lambda outlook: outlook.busy_at, default=Outlook())
    queue = any(outlook.busy_open <= give_up_at for outlook in outlooks) and give_up_at > want.now
    if soonest.entry is not None and soonest.at <= give_up_at and not (queue and busy.busy_at < soonest.at):
        return Taken(soonest.entry, soonest.at)
    if queue:
        return Queued(_check_at(outlooks, index, want, asked_at, give_up_at))
    return Nothing(min(soonest.at, busy.busy_at))


def _check_at(outlooks: list[Outlook], index: PlanIndex, want: Want, asked_at: float, give_up_at: float) -> float:
    """When something else is to be had than a slot: another option, or a later tier."""
    instants = [outlook.at for outlook in outlooks]
    instants += [asked_at + tier.max_wait for tier in index.tiers]
    return min((t for t in instants if want.by < t < give_up_at), default=give_up_at)
