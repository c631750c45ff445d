"""From a file, a mapping or nothing but the environment to a `Catalog`: the whole story, in order.

Read the document, check its shape, resolve providers with the plugins' catalogs and the environment, seat the pools.
Nothing here looks at the process: the environment and what plugins offer are arguments.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Pool, Rule
from rotor_core._policy.budgets import bound, general
from rotor_core.catalog import settings
from rotor_core.catalog.credentials import key_variables
from rotor_core.catalog.digest import digest
from rotor_core.catalog.document import Document, read
from rotor_core.catalog.pools import IMPLICIT, Seating
from rotor_core.catalog.problems import Finding, listed
from rotor_core.catalog.providers import Offer, Resolver
from rotor_core.catalog.refreshed import NOTHING, Refreshed

if TYPE_CHECKING:
    from rotor_core.catalog.schema import RootSection

Source = str | Path | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading came to. `warnings`: what is wrong but can be lived with. `document`: what was read."""

    catalog: Catalog
    warnings: tuple[Finding, ...]
    document: Document


def load(
    source: Source,
    *,
    environ: Mapping[str, str],
    specs: Mapping[str, Offer],
    rankings: Collection[str],
    schemes: Collection[str],
    allow_empty: bool = False,
    offered: Sequence[Rule] = (),
    refreshed: Refreshed = NOTHING,
    today: dt.date | None = None,
) -> Catalog:
    """The catalog of a configuration. Raises `ConfigError`, one, for the first thing that is wrong.

    `source`: a file's path, a mapping of the same shape, or None for the environment alone. `specs`: providers that
    plugins offer, by name. `rankings`, `schemes`: the names of rankings and of stores' URL schemes that there are.
    `allow_empty`: no deployment at all is fine, as for a host that brings its own. `offered`: rules of plugins.
    `refreshed`: what was found since the plugins were packaged. `today`: models whose day of shutdown has come are
    gone; None: none are for that.
    """
    return load_report(
        source,
        environ=environ,
        specs=specs,
        rankings=rankings,
        schemes=schemes,
        allow_empty=allow_empty,
        offered=offered,
        refreshed=refreshed,
        today=today,
    ).catalog


def load_report(
    source: Source,
    *,
    environ: Mapping[str, str],
    specs: Mapping[str, Offer],
    rankings: Collection[str],
    schemes: Collection[str],
    allow_empty: bool = False,
    offered: Sequence[Rule] = (),
    refreshed: Refreshed = NOTHING,
    today: dt.date | None = None,
) -> LoadReport:
    """As `load`, with its warnings."""
    from rotor_core.catalog.schema import validated  # noqa: PLC0415  pydantic is imported only where something is loaded

    document = read(source)
    root, places = validated(document), document.places
    store = settings.store_url(root, environ, schemes, places)
    policy = settings.policy(root, rankings, places)
    budgets = tuple(bound(budget) for budget in general(policy.budgets))
    resolver = Resolver(environ, specs, places, budgets, refreshed, today)
    resolver.warnings.extend(refreshed.warnings)
    known = resolver.all(root)
    deployments = {d.id: d for k in known for d in k.deployments}
    warnings = resolver.warnings
    rules = (*settings.rules(root, places, warnings), *settings.offered_rules(root, offered))
    pools: dict[str, Pool] = {}
    default = root.default_pool or IMPLICIT
    if deployments:
        pools, default = Seating(known, specs, places, warnings).all(root)
        settings.check_budgets(policy.budgets, pools, document)
    if default not in pools and not allow_empty:
        raise _nothing_left(resolver, root, document)
    catalog = Catalog(
        MappingProxyType(deployments),
        MappingProxyType(pools),
        default,
        policy,
        rules,
        store,
        source=document.source,
        retired=MappingProxyType({f"{k.name}/{name}": gone for k in known for name, gone in k.retired.items()}),
    )
    return LoadReport(replace(catalog, digest=digest(catalog)), tuple(warnings), document)


def _nothing_left(resolver: Resolver, root: RootSection, document: Document) -> ConfigError:
    """Why there is no deployment: the first key that is missing, or that there is nothing to look for one for."""
    if resolver.missing:
        return resolver.missing[0]
    if root.providers:
        return document.places.error(("providers",), "none of these providers has a model to use", expected="`models:`")
    names = sorted({key_variables(o.name, o.env)[0] for o in resolver.offers.values() if o.catalog and o.env})
    expected = (
        f"a key in the environment ({listed(names)}), or a rotor.yaml" if names else "a rotor.yaml with `providers`"
    )
    return document.places.error((), "no API key was found", expected=expected)
