"""Plans for one catalog, made once for each class of request and kept, so that a decision starts from an index, not a scan.

Two requests are of one class when the same seats are eligible for both: needs, paid or not, and between which two of
the pool's context sizes, and of its longest answers, they fall.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rotor_core._errors import ConfigError
from rotor_core._ledger import Plan, Rejection
from rotor_core._model import Budget, Catalog, Deployment, Seat
from rotor_core._policy.budgets import affordable, bound, general, scoped
from rotor_core._policy.eligible import Need, eligible
from rotor_core._policy.plan import build_plan, regardless
from rotor_core._policy.rank import Ranking

_KEPT = 512


@dataclass(slots=True, eq=False)
class Planned:
    """A plan, and why the other seats of the pool are not in it. `models`: the longest answers of those that are, by name."""

    plan: Plan
    rejections: Mapping[str, Rejection]
    models: Mapping[str, int | None]
    _regardless: Plan | None = None

    def regardless(self) -> Plan:
        """The same plan for a request that nobody else can serve; always the same one, as an index is kept for it."""
        if self._regardless is None:
            self._regardless = regardless(self.plan)
        return self._regardless


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """What a request draws from: a pool, or one model on all its keys. `model`: its name, where all have the same."""

    seats: tuple[Seat, ...]
    deployments: tuple[Deployment, ...]
    contexts: tuple[int, ...]
    outputs: tuple[int, ...]
    model: str | None


class Planner:
    """Safe from several threads: what is kept is frozen, and making it twice does no harm."""

    def __init__(self, catalog: Catalog, ranking: Ranking) -> None:
        self._catalog, self._ranking = catalog, ranking
        self._draws: dict[str, _Draw] = {}
        self._plans: dict[tuple[object, ...], Planned] = {}
        self._budgets = tuple(b for b in catalog.policy.budgets if b.pool is not None or b.caller is not None)

    def deployments(self, name: str) -> tuple[Deployment, ...]:
        """The deployments of a pool, or of `provider/model`. Raises ConfigError for a name that is neither."""
        return self._draw(name).deployments

    def only_model(self, name: str) -> str | None:
        """The model's name where all deployments have the same: then an estimate can know its template."""
        return self._draw(name).model

    def plan(self, name: str, need: Need, prefer_category: str | None = None, caller: str | None = None) -> Planned:
        """The plan for a class of requests. `caller`: whose budgets hold. Raises ConfigError as `deployments` does."""
        draw = self._draw(name)
        context, output = _of_class(draw.contexts, need.context), _of_class(draw.outputs, need.output)
        budgets = scoped(self._budgets, name, caller) if self._budgets else ()
        key = (name, need.capabilities, need.paid, context, output, prefer_category, budgets)
        planned = self._plans.get(key)
        if planned is None:
            planned = self._planned(draw, replace(need, context=context, output=output), prefer_category, budgets)
            if len(self._plans) >= _KEPT:
                self._plans.clear()
            self._plans[key] = planned
        return planned

    def _planned(self, draw: _Draw, need: Need, prefer_category: str | None, budgets: tuple[Budget, ...]) -> Planned:
        policy = self._catalog.policy
        seats, rejections = eligible(draw.seats, need)
        if policy.budgets:
            seats, unaffordable = affordable(seats, (*general(policy.budgets), *budgets))
            rejections.update(unaffordable)
        plan = build_plan(seats, self._ranking, policy, prefer_category, [bound(budget) for budget in budgets])
        return Planned(plan, rejections, _longest(seats))

    def _draw(self, name: str) -> _Draw:
        draw = self._draws.get(name)
        if draw is None:
            seats = self._seats(name)
            deployments = tuple(seat.deployment for seat in seats)
            contexts = sorted({d.model.context for d in deployments if d.model.context is not None})
            outputs = sorted({d.model.max_output for d in deployments if d.model.max_output is not None})
            models = {d.model.name for d in deployments}
            only = models.pop() if len(models) == 1 else None
            draw = self._draws[name] = _Draw(seats, deployments, tuple(contexts), tuple(outputs), only)
        return draw

    def _seats(self, name: str) -> tuple[Seat, ...]:
        pool = self._catalog.pools.get(name)
        if pool is not None:
            return pool.seats
        pinned = tuple(Seat(d) for d in self._catalog.deployments.values() if name in (d.name, d.id))
        if pinned:
            return pinned
        gone = self._catalog.retired.get(name)
        if gone is not None:
            expected = f"{gone.use}, which replaces it" if gone.use else "another model"
            problem = f"this model {gone}"
            raise ConfigError(problem, file=self._catalog.source, key="model", value=name, expected=expected)
        models = dict.fromkeys(d.name for d in self._catalog.deployments.values())
        known = [*self._catalog.pools, *models]
        from difflib import get_close_matches  # noqa: PLC0415  only for this

        near = get_close_matches(name, known, 1)
        raise ConfigError(
            "there is no such pool or model",
            file=self._catalog.source,
            key="model",
            value=name,
            expected=f"a pool ({', '.join(self._catalog.pools) or 'none is configured'}), `auto`, or provider/model",
            suggestion=near[0] if near else None,
        )


def _longest(seats: Iterable[Seat]) -> dict[str, int | None]:
    """The longest answer of each model, by name; None where one provider of it does not say."""
    found: dict[str, int | None] = {}
    for seat in seats:
        model = seat.deployment.model
        known = found.get(model.name, 0)
        found[model.name] = None if model.max_output is None or known is None else max(known, model.max_output)
    return found


def _of_class(sizes: tuple[int, ...], wanted: int) -> int:
    """The largest figure that the same sizes suffice for: it stands for all of its class."""
    level = bisect_left(sizes, wanted)
    if level < len(sizes):
        return sizes[level]
    return sizes[-1] + 1 if sizes else 0
