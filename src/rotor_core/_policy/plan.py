"""From candidates to a plan: tiers in the order in which they are to be tried. Pure.

The order of tiers: the user's `priority`, then the ranking's tier, then a rule's preferred category. So a preference
never outranks money: under `free-first` it chooses among what is equally free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from rotor_core._health import HEALTH
from rotor_core._ledger import Option, Plan, Tier
from rotor_core._model import BoundLimit, Deployment, Policy, Seat
from rotor_core._policy.rank import Ranking


def scopes(deployment: Deployment) -> tuple[str, str, str, str]:
    """The names under which a deployment can be put to rest, narrowest first, the same in every configuration."""
    key, model = deployment.credential, deployment.model.name
    return (
        f"deployment:{key.fingerprint}|{model}",
        f"quota:{key.quota}|{model}",
        f"credential:{key.fingerprint}",
        f"provider:{deployment.provider.base_url}",
    )


def health_scopes(deployment: Deployment) -> tuple[str, str]:
    """The names under which a deployment, and its provider, rest because they fail: see `HEALTH`."""
    return (
        f"{HEALTH}{deployment.credential.fingerprint}|{deployment.model.name}",
        f"{HEALTH}{deployment.provider.base_url}",
    )


def regardless(plan: Plan) -> Plan:
    """The same plan for a request that nobody else can serve: rests of our own conclusion do not count."""
    tiers = tuple(
        replace(
            tier,
            options=tuple(
                replace(o, scopes=tuple(s for s in o.scopes if not s.startswith(HEALTH))) for o in tier.options
            ),
        )
        for tier in plan.tiers
    )
    return Plan(tiers, plan.score)


def option(seat: Seat, budgets: Sequence[BoundLimit] = ()) -> Option:
    """A seat as the ledger sees it. `budgets`: what is held to besides, where it is not free."""
    deployment = seat.deployment
    limits = deployment.limits or ()
    return Option(
        id=deployment.id,
        limits=limits if deployment.free else (*limits, *budgets),
        scopes=(*scopes(deployment), *health_scopes(deployment)),
        free=deployment.free,
        weight=seat.weight,
        price=deployment.price,
        subject=f"{deployment.credential.quota}|{deployment.model.name}",
        model=deployment.model.name,
    )


def build_plan(
    seats: Iterable[Seat],
    ranking: Ranking,
    policy: Policy,
    prefer_category: str | None = None,
    budgets: Sequence[BoundLimit] = (),
) -> Plan:
    """Tiers of equally good options. A free tier is worth `max_wait_for_free` while a paid one is open behind it.

    `budgets`: those that hold for the plan's pool or caller; those that hold for everybody are the deployments' own.
    """

    def tier_of(seat: Seat) -> tuple[int, float, bool]:
        unloved = prefer_category is not None and seat.deployment.model.category != prefer_category
        return (seat.priority, ranking.tier(seat.deployment), unloved)

    ordered = sorted(seats, key=tier_of)
    groups = [[option(seat, budgets) for seat in group] for _, group in groupby(ordered, key=tier_of)]
    last_paid = max((n for n, group in enumerate(groups) if not all(o.free for o in group)), default=-1)
    tiers = tuple(
        Tier(tuple(group), policy.max_wait_for_free if n < last_paid and all(o.free for o in group) else 0.0)
        for n, group in enumerate(groups)
    )
    return Plan(tiers, ranking.score)
