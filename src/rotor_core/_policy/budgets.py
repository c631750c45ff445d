"""Budgets as the limits that they are: whom each one counts, and who may not be used under it. Pure.

A budget of a pool counts what is drawn from that pool; a budget of a caller what is asked on its behalf; any other one
counts everything that is not free. Where several apply, all must have room. A budget cannot be kept on a deployment of
unknown price, so such a one is out, unless the budget allows it: then what it costs is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from rotor_core._ledger import Rejection
from rotor_core._model import BoundLimit, Budget, Limit, Seat

EACH: Final = "each"
"""For `Budget.caller`: one such budget for each caller."""


def scoped(budgets: Iterable[Budget], pool: str, caller: str | None) -> tuple[Budget, ...]:
    """The budgets that hold for a request because of its pool or its caller, with the caller's name in place of `each`.

    A caller that has a budget of its own (of that pool and period) has that one instead of everybody's.
    """
    name = caller or ""
    found = {
        _window(budget): budget
        for budget in budgets
        if budget.caller in {None, name} and budget.pool in {None, pool} and not _is_general(budget)
    }
    for budget in budgets:
        if budget.caller == EACH and budget.pool in {None, pool}:
            own = replace(budget, caller=name)
            found.setdefault(_window(own), own)
    return tuple(found.values())


def general(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets that hold for every request."""
    return tuple(filter(_is_general, budgets))


def _is_general(budget: Budget) -> bool:
    return budget.pool is None and budget.caller is None


def _window(budget: Budget) -> tuple[object, ...]:
    return budget.per, budget.tz, budget.pool, budget.caller


def bound(budget: Budget) -> BoundLimit:
    """A budget as a limit. Its key has no amount: a budget that is raised keeps count of what was spent."""
    limit = Limit("usd", budget.usd, budget.per, "calendar", budget.tz, source=named(budget))
    scope = [
        f"{kind}={_plain(name)}"
        for kind, name in (("pool", budget.pool), ("caller", budget.caller))
        if name is not None
    ]
    return BoundLimit("|".join(["budget", *scope, limit.identity]), limit)


def named(budget: Budget) -> str:
    """What people call it: `budget`, `budget of pool fast`, `budget of caller team-a in pool fast`."""
    text = "budget"
    if budget.caller is not None:
        text += f" of caller {budget.caller}" if budget.caller else " of requests without a caller"
        return text if budget.pool is None else f"{text} in pool {budget.pool}"
    return text if budget.pool is None else f"{text} of pool {budget.pool}"


def _plain(name: str) -> str:
    """A name without the sign that parts a key."""
    return name.replace("%", "%25").replace("|", "%7C")


def affordable(seats: Iterable[Seat], budgets: Sequence[Budget]) -> tuple[list[Seat], dict[str, Rejection]]:
    """The seats whose cost the budgets that hold can count, and the reason of each other one, by deployment id."""
    strict = next((budget for budget in budgets if budget.unknown_price == "refused"), None)
    if strict is None:
        return list(seats), {}
    kept: list[Seat] = []
    rejections: dict[str, Rejection] = {}
    out = Rejection("paid", f"its price is unknown, so the {named(strict)} cannot count it (`unknown_price: refused`)")
    for seat in seats:
        if seat.deployment.price is None:
            rejections[seat.deployment.id] = out
        else:
            kept.append(seat)
    return kept, rejections
