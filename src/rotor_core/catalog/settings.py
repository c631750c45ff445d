"""What stands beside providers and pools: the store, the policy, the rules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rotor_core._model import Budget, Policy, Rule
from rotor_core._policy.analyze import TASKS
from rotor_core._policy.content import fields
from rotor_core.catalog.document import Document
from rotor_core.catalog.problems import Finding, Places, nearest

if TYPE_CHECKING:
    from rotor_core.catalog.schema import RootSection

IN_MEMORY: Final = "memory://"
STORE_VARIABLE: Final = "ROTOR_STORE"


def store_url(root: RootSection, environ: Mapping[str, str], schemes: Collection[str], places: Places) -> str:
    """The store's URL: `$ROTOR_STORE`, the configuration's, or the one in memory. Raises `ConfigError`."""
    override = environ.get(STORE_VARIABLE, "").strip()
    url = override or root.store or IN_MEMORY
    scheme, sign, _ = url.partition("://")
    if not sign or scheme not in schemes:
        # A store's URL may hold a password, so its scheme alone is shown.
        problem = "unknown kind of store" if sign else "is no store's URL"
        where = Places() if override else places
        place = (STORE_VARIABLE,) if override else ("store",)
        known = sorted(f"{name}://" for name in schemes)
        raise where.error(place, problem, value=f"{scheme}://" if sign else None, among=known)
    return url


def policy(root: RootSection, rankings: Collection[str], places: Places) -> Policy:
    """The policy as a value. Raises `ConfigError` for a ranking that nobody offers."""
    section = root.policy
    if section.ranking not in rankings:
        raise places.error(("policy", "ranking"), "unknown ranking", value=section.ranking, among=sorted(rankings))
    return Policy(
        ranking=section.ranking,
        max_attempts=section.max_attempts,
        max_wait=section.max_wait,
        max_wait_for_free=section.max_wait_for_free,
        paid=section.paid,
        budgets=tuple(Budget(b.usd, b.per, b.tz, b.pool, b.caller, b.unknown_price) for b in section.budget or ()),
        stream_break=section.stream_break,
        hedge=section.hedge,
        on_store_error=section.on_store_error,
    )


def check_budgets(budgets: Iterable[Budget], pools: Collection[str], document: Document) -> None:
    """Raise `ConfigError` for a budget of a pool that does not exist."""
    written = fields(document.data.get("policy")).get("budget")
    for index, budget in enumerate(budgets):
        if budget.pool is not None and budget.pool not in pools:
            place = ("policy", "budget", *((index,) if isinstance(written, list) else ()), "pool")
            raise document.places.error(place, "there is no such pool", value=budget.pool, among=sorted(pools))


def rules(root: RootSection, places: Places, warnings: list[Finding]) -> tuple[Rule, ...]:
    """The rules as values. A task that requests are never found to be may still be named by a caller: a warning."""
    found: list[Rule] = []
    for index, section in enumerate(root.rules):
        when = section.when
        if when.task is not None and when.task not in TASKS:
            meant = nearest(when.task, TASKS)
            hint = f"; did you mean {meant!r}?" if meant else ""
            text = f"no request is ever found to be {when.task!r}: the rule acts only where a caller says so{hint}"
            warnings.append(places.warning(("rules", index, "when", "task"), text))
        found.append(
            Rule(
                tokens_over=when.tokens_over,
                task=when.task,
                complexity_over=when.complexity_over,
                require_context=section.require.context if section.require else None,
                prefer_category=section.prefer.category if section.prefer else None,
            )
        )
    return tuple(found)


def offered_rules(root: RootSection, offered: Sequence[Rule]) -> tuple[Rule, ...]:
    """The plugins' rules, which stand after the user's own; none where the user wants none."""
    return tuple(offered) if root.policy.plugin_rules == "used" else ()
