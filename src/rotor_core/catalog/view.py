"""The whole catalog with the provenance of every figure, as plain data: what `rotor catalog --json` prints. No key is needed.

`{"at", "stale_after_days", "refreshed", "PROVIDER_CATALOG": {provider: ...}, "pools", "default_pool"}`; see `docs/catalog.md`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Limit
from rotor_core.catalog import facts
from rotor_core.catalog.credentials import from_environment, key_variables
from rotor_core.catalog.document import read
from rotor_core.catalog.facts import STALE_AFTER, Fact
from rotor_core.catalog.layers import Layers
from rotor_core.catalog.load import Source, load_report
from rotor_core.catalog.pools import NOT_CHAT
from rotor_core.catalog.problems import Finding, listed
from rotor_core.catalog.providers import Offer, Resolver
from rotor_core.catalog.refreshed import Refreshed

if TYPE_CHECKING:
    from rotor_core.catalog.schema import ProviderSection

_PRICE_PARTS: Final = ("input", "output", "cached")
MEDIA: Final[Mapping[str, tuple[str, ...]]] = {
    "images": ("max_bytes", "max_request_bytes", "max_count", "max_pixels"),
    "audio": ("max_bytes", "max_seconds", "formats", "tokens_per_second"),
}
"""The keys of a catalog's sections of that name."""
_PLAIN: Final = ("context", "max_output", "capabilities", "category", "audio_price", "suits")


def provider_catalog(
    source: Source,
    *,
    environ: Mapping[str, str],
    specs: Mapping[str, Offer],
    rankings: Collection[str],
    schemes: Collection[str],
    refreshed: Refreshed,
    today: dt.date,
    only: str | None = None,
) -> dict[str, Any]:
    """All providers, or the one that is named. Raises `ConfigError` for a configuration that cannot be read, or no such name."""
    from rotor_core.catalog.schema import validated  # noqa: PLC0415  as in `load`

    document = read(source)
    sections = validated(document).providers or {}
    resolver = Resolver(environ, specs, document.places, (), refreshed, today)
    try:
        catalog = load_report(
            source,
            environ=environ,
            specs=specs,
            rankings=rankings,
            schemes=schemes,
            refreshed=refreshed,
            today=today,
            allow_empty=True,
        ).catalog
    except ConfigError as error:
        # What is wrong (a pool without a key, say) is said, and the facts can be shown all the same.
        catalog = None
        resolver.warnings.append(Finding.of(error))
    view = _View(resolver, refreshed, catalog, today)
    names = list(dict.fromkeys([*sections, *specs]))
    if only is not None and only not in names:
        raise ConfigError("no catalog knows this provider", value=only, expected=", ".join(names))
    told = {name: view.provider(name, sections.get(name)) for name in names if only in (None, name)}
    return {
        "at": today.isoformat(),
        "stale_after_days": STALE_AFTER,
        "refreshed": refreshed.at,
        "warnings": [finding.message for finding in (*refreshed.warnings, *resolver.warnings)],
        "PROVIDER_CATALOG": {name: s for name, s in told.items() if s and (s["models"] or name in sections)},
        "pools": _pools(catalog),
        "default_pool": catalog.default_pool if catalog and catalog.pools else None,
    }


def _pools(catalog: Catalog | None) -> dict[str, list[str]]:
    if catalog is None:
        return {}
    return {name: list(dict.fromkeys(s.deployment.name for s in pool.seats)) for name, pool in catalog.pools.items()}


class _View:
    """How a provider's layers are told."""

    def __init__(self, resolver: Resolver, refreshed: Refreshed, catalog: Catalog | None, today: dt.date) -> None:
        self._resolver, self._refreshed, self._catalog, self._today = resolver, refreshed, catalog, today

    def provider(self, name: str, section: ProviderSection | None) -> dict[str, Any] | None:
        """One provider; None for a section of an adapter that nobody offers."""
        offer = self._resolver.offers.get(name) or self._resolver.offers.get((section and section.adapter) or "")
        if offer is None:
            return None
        layers = self._resolver.layers(offer, name, section)
        gone = layers.retired(name, self._today)
        deployments = [
            d for d in (self._catalog.deployments.values() if self._catalog else ()) if d.provider.name == name
        ]
        held = list(dict.fromkeys(d.credential.plan for d in deployments))
        plans = sorted(layers.plans.union(plan for plan in held if plan))
        plan = held[0] if len(held) == 1 else layers.first(lambda s: s.plan)
        base_url = layers.first(lambda s: s.base_url) or offer.base_url
        keys = len({d.credential.fingerprint for d in deployments})
        told = self._refreshed.listed(name)
        return {
            "base_url": base_url,
            "env": list(key_variables(name, offer.env)),
            "keys": keys if self._catalog else None,
            "missing": None if keys else self._missing(name, offer, section, base_url),
            "plan": plan,
            "plans": plans,
            "quota_scope": layers.quota_scope,
            "shared_limits": self._shared(layers, plans, plan),
            "models": {model: self._model(layers, model, plans, plan) for model in layers.models if model not in gone},
            "retired": {model: {"on": end.on, "use": end.use} for model, end in gone.items()},
            "listed": None if not told else sorted(told.keys() - set(layers.models)),
            "unlisted": None if not told else sorted(set(layers.models) - told.keys()),
            "deployments": [
                {"id": d.id, "model": d.model.name, "plan": d.credential.plan, "free": d.free} for d in deployments
            ],
        }

    def _missing(self, name: str, offer: Offer, section: ProviderSection | None, base_url: str | None) -> str | None:
        """Why there is no key to use, where there is more to say than that none was found."""
        if self._catalog is None:
            return "keys not looked at: the configuration is wrong"
        environ = self._resolver.environ
        written = (section and section.keys) or ()
        unset = [key.env for key in written if key.env and not environ.get(key.env, "").strip()]
        if unset and len(unset) == len(written):
            return f"no key: {listed(unset)} is not set"
        found = len(written) - len(unset) or len(from_environment(key_variables(name, offer.env), environ))
        if not found:
            return None
        lacks = self._resolver.unset(base_url)
        why = f"{lacks} is not set" if lacks else "no model can be used with it"
        return f"{found} key{'s' * (found > 1)}, but {why}"

    def _model(self, layers: Layers, name: str, plans: list[str], default: str | None) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for figure in _PLAIN:
            told[figure] = self._told(facts.model_fact(layers, name, figure))
        known = layers.model(name, None)
        if told["category"] is None and not (known.capabilities or frozenset()) & NOT_CHAT:
            told["category"] = self._told(Fact(known.category, "its name"))
        told["price"] = {part: self._told(facts.model_fact(layers, name, "price", part)) for part in _PRICE_PARTS}
        for figure in MEDIA:
            told[figure] = dict(self._parts(layers, name, figure))
        told["pooled"] = layers.marked(name, lambda m: m.pooled) is not False
        ends = facts.model_fact(layers, name, "shutdown")
        told["shutdown"] = ends and {**ends.told(self._today), "value": ends.value.isoformat()}
        told["replacement"] = layers.marked(name, lambda m: m.replacement)
        told["limits"] = self._limits(facts.model_limits(layers, name, None))
        told["plans"] = {plan: self._planned(layers, name, plan) for plan in plans}
        told["free"] = self._is_free(layers, name, default)
        told["available"] = layers.available(name, default)
        return told

    def _planned(self, layers: Layers, name: str, plan: str) -> dict[str, Any]:
        price = {part: self._told(facts.plan_fact(layers, name, plan, "price", part)) for part in _PRICE_PARTS}
        return {
            "available": layers.available(name, plan),
            "free": self._is_free(layers, name, plan),
            "price": price if any(price.values()) else None,
            "limits": self._limits(facts.model_limits(layers, name, plan)),
        }

    def _is_free(self, layers: Layers, name: str, plan: str | None) -> bool:
        price = layers.model(name, plan).price
        return price is not None and price.free and layers.available(name, plan)

    def _parts(self, layers: Layers, name: str, figure: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for part in MEDIA[figure]:
            found = facts.model_fact(layers, name, figure, part)
            if found is not None:
                yield part, found.told(self._today)

    def _shared(self, layers: Layers, plans: list[str], default: str | None) -> list[dict[str, Any]]:
        """Limits that models share: of all, and of groups, for each plan that says something else."""
        found: list[dict[str, Any]] = []
        for plan in dict.fromkeys([default, None, *plans]):
            limits = self._limits(facts.shared_limits(layers, plan))
            if limits is not None:
                found.append({"plan": plan, "models": ["*"], "limits": limits})
            for _, models, held in facts.group_limits(layers, plan):
                found.append({"plan": plan, "models": models, "limits": self._limits(held)})
        return found

    def _limits(self, held: list[tuple[Limit, Fact]] | None) -> list[dict[str, Any]] | None:
        if held is None:
            return None
        return [
            {
                "unit": limit.unit,
                "per": limit.per,
                "window": limit.window,
                "tz": limit.tz if limit.window == "calendar" else None,
                "counts": limit.counts if "tokens" in limit.unit else None,
                **found.told(self._today),
            }
            for limit, found in held
        ]

    def _told(self, found: Fact | None) -> dict[str, Any] | None:
        return None if found is None else found.told(self._today)
