"""What a careful reader would say of a configuration: its fault, or else everything that may surprise. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence

from rotor_core._errors import ConfigError
from rotor_core._model import Budget, Catalog, Deployment, Rule
from rotor_core._policy.budgets import EACH, named
from rotor_core._policy.content import fields, items
from rotor_core.catalog.load import LoadReport, Source, load_report
from rotor_core.catalog.problems import Finding, Place, looks_secret
from rotor_core.catalog.providers import Offer
from rotor_core.catalog.refreshed import NOTHING, Refreshed


def check(
    source: Source,
    *,
    environ: Mapping[str, str],
    specs: Mapping[str, Offer],
    rankings: Collection[str],
    schemes: Collection[str],
    offered: Sequence[Rule] = (),
    refreshed: Refreshed = NOTHING,
    today: dt.date | None = None,
) -> tuple[Finding, ...]:
    """Every finding, for `rotor config check`: one error where it cannot be used, else warnings. Never raises `ConfigError`."""
    try:
        report = load_report(
            source,
            environ=environ,
            specs=specs,
            rankings=rankings,
            schemes=schemes,
            offered=offered,
            refreshed=refreshed,
            today=today,
        )
    except ConfigError as exc:
        return (Finding.of(exc),)
    return findings(report)


def findings(report: LoadReport) -> tuple[Finding, ...]:
    """The warnings of loading, then those of reading what was loaded."""
    read = (*_written_keys(report), *_unknown_figures(report), *_money(report), *_rules(report))
    return (*report.warnings, *read)


def _written_keys(report: LoadReport) -> Iterator[Finding]:
    for name, section in fields(report.document.data.get("providers")).items():
        for index, key in enumerate(items(fields(section).get("keys"))):
            if looks_secret(fields(key).get("value") or ""):
                text = "this looks like a real key: put it into an environment variable and write `env: ITS_NAME`"
                yield report.document.places.warning(("providers", name, "keys", index, "value"), text)


def _unknown_figures(report: LoadReport) -> Iterator[Finding]:
    for deployment in _one_each(report.catalog):
        if deployment.model.limits is None:
            text = f"the limits of {deployment.name} are unknown: up to two refusals for each will teach them"
            yield report.document.places.warning(_place(report, deployment), text)


def _money(report: LoadReport) -> Iterator[Finding]:
    catalog, places = report.catalog, report.document.places
    never = catalog.policy.paid == "never"
    for deployment in _one_each(catalog):
        if deployment.price is None and never:
            text = f"the price of {deployment.name} is unknown and `policy.paid` is never, so it will not be used"
            yield places.warning(_place(report, deployment), text)
        elif deployment.price is None and catalog.policy.budgets:
            yield places.warning(_place(report, deployment), _uncounted(deployment, catalog.policy.budgets))
    if never:
        for pool in catalog.pools.values():
            if not any(seat.deployment.free for seat in pool.seats):
                text = "none of its models is free and `policy.paid` is never: it can answer nothing"
                yield places.warning(("pools", pool.name), text)


def _uncounted(deployment: Deployment, budgets: Sequence[Budget]) -> str:
    """What budgets mean for a deployment of unknown price."""
    strict = [budget for budget in budgets if budget.unknown_price == "refused"]
    text = f"the price of {deployment.name} is unknown, so "
    if not strict:
        return f"{text}what it costs is not counted against the {named(budgets[0])}"
    if any(budget.pool is None and budget.caller in {None, EACH} for budget in strict):
        return f"{text}it will not be used under the {named(strict[0])} (`unknown_price: refused`)"
    return f"{text}it will not be used where the {named(strict[0])} holds (`unknown_price: refused`)"


def _rules(report: LoadReport) -> Iterator[Finding]:
    models = [deployment.model for deployment in report.catalog.deployments.values()]
    largest = max((m.context for m in models if m.context), default=0)
    for index, rule in enumerate(rule for rule in report.catalog.rules if rule.source == "config"):
        if rule.require_context and all(m.context for m in models) and rule.require_context > largest:
            text = f"no model has so large a context; the largest has {largest} tokens"
            yield report.document.places.warning(("rules", index, "require", "context"), text)
        if rule.prefer_category and all(m.category != rule.prefer_category for m in models):
            text = f"no model is of the category {rule.prefer_category!r}"
            yield report.document.places.warning(("rules", index, "prefer", "category"), text)


def _one_each(catalog: Catalog) -> Iterator[Deployment]:
    """The deployments that pools draw on, one for each model, whatever its keys."""
    seen: set[str] = set()
    for pool in catalog.pools.values():
        for seat in pool.seats:
            if seat.deployment.name not in seen:
                seen.add(seat.deployment.name)
                yield seat.deployment


def _place(report: LoadReport, deployment: Deployment) -> Place:
    """Where the model stands, or would stand; nowhere, if its provider was found in the environment."""
    if deployment.provider.name not in (report.document.data.get("providers") or {}):
        return ()
    return ("providers", deployment.provider.name, "models", deployment.model.name)
