"""What is known of a provider's models: the user's section laid over what was refreshed, and that over its plugin's catalog.

For every figure the first layer that states it holds, and in a layer the plan's own figure before the general one. What
any catalog says of a plan comes before what any says in general: a refreshed price is what paid keys pay. Pure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast

from rotor_core._model import Limit, Model, Price, Retired
from rotor_core._policy.category import detect_category
from rotor_core.catalog.limits import limits_of

if TYPE_CHECKING:
    from rotor_core.catalog.catalog_schema import CatalogModelSection, CatalogSection
    from rotor_core.catalog.schema import LimitsHolder, ModelSection, PlanSection, PriceSection, ProviderSection

T = TypeVar("T")

Origin = Literal["config", "catalog"]
ORIGINS: Final[tuple[Origin, ...]] = ("config", "catalog")
"""The strongest first."""
FREE_PLAN: Final = "free"
_FREE: Final = Price(0.0, 0.0)
# Whoever can do the first can do the second.
_IMPLIED: Final[Mapping[str, str]] = {"json_schema": "json_mode", "parallel_tools": "tools"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One section, and whose it is: the user's (`config`), or somebody's catalog. `told`: what people know it by."""

    section: ProviderSection
    origin: Origin
    told: str = ""

    @property
    def catalog(self) -> CatalogSection | None:
        """The section as a catalog, which says more than a user's may; None for the user's."""
        return cast("CatalogSection", self.section) if self.origin == "catalog" else None


@dataclass(frozen=True, slots=True)
class Layers:
    """A provider's sections, the user's before the plugin's."""

    stack: tuple[Layer, ...]

    def first(self, read: Callable[[ProviderSection], T | None]) -> T | None:
        """The first section's answer that is one."""
        return next((found for layer in self.stack if (found := read(layer.section)) is not None), None)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models, the user's before the plugin's."""
        return tuple(dict.fromkeys(name for layer in self.stack for name in layer.section.models or ()))

    @property
    def own(self) -> frozenset[str]:
        """The names of models that the user wrote."""
        return frozenset(
            name for layer in self.stack if layer.origin == "config" for name in layer.section.models or ()
        )

    @property
    def headers(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for layer in reversed(self.stack):
            merged.update(layer.section.headers or {})
        return merged

    @property
    def plans(self) -> set[str]:
        """Every plan of which any section knows something."""
        known: set[str] = set()
        for layer in self.stack:
            known.update(layer.section.plans or ())
            for model in (layer.section.models or {}).values():
                known.update(model.plans or ())
        return known

    @property
    def priced(self) -> bool:
        """Whether a catalog knows a price of any model."""
        catalogs = (layer.section for layer in self.stack if layer.origin != "config")
        return any(model.price for section in catalogs for model in (section.models or {}).values())

    def shared_limits(self, plan: str | None) -> tuple[Limit, ...] | None:
        """Limits that all models of one quota share; None where nothing is said of them."""
        for layer in self.stack:
            for section in ((layer.section.plans or {}).get(plan or ""), layer.section):
                limits = _limits_in(section, layer.origin) if section else None
                if limits is not None:
                    return limits
        return None

    def limits_of_some(self, name: str, plan: str | None) -> Iterator[tuple[tuple[Limit, ...], str]]:
        """Limits that the model shares with some others of its quota, and the name of those."""
        for group, some in self._first_catalog(lambda c: c.shared or None).items():
            if any(fnmatchcase(name, pattern) for pattern in some.models):
                for section in ((some.plans or {}).get(plan or ""), some):
                    limits = _limits_in(section, "catalog") if section else None
                    if limits is not None:
                        yield limits, group
                        break

    @property
    def quota_scope(self) -> str | None:
        """Whom the provider counts limits for: organization, project, account, key; None: not known."""
        return next((c.quota_scope for c in self._catalogs() if c.quota_scope is not None), None)

    def retired(self, provider: str, today: dt.date | None) -> dict[str, Retired]:
        """The models that are gone, by their bare names. `today` None: no judgement on days that are still to come."""
        gone: dict[str, Retired] = {}
        for section in self._catalogs():
            for name, told in (section.retired or {}).items():
                gone.setdefault(name, _retired(provider, told.on, told.use))
        if today is not None:
            for name in self.models:
                ends = self.marked(name, lambda m: m.shutdown)
                if ends is not None and ends <= today:
                    gone[name] = _retired(provider, ends, self.marked(name, lambda m: m.replacement))
        return gone

    def marked(self, name: str, read: Callable[[CatalogModelSection], T | None]) -> T | None:
        """What the first catalog that says it says of a model, in the keys that only catalogs have."""
        models = ((section.models or {}).get(name) for section in self._catalogs())
        return next((found for m in models if m is not None and (found := read(m)) is not None), None)

    def _catalogs(self) -> Iterator[CatalogSection]:
        return (section for layer in self.stack if (section := layer.catalog) is not None)

    def _first_catalog(self, read: Callable[[CatalogSection], Mapping[str, T] | None]) -> Mapping[str, T]:
        nothing: Mapping[str, T] = {}
        return next((found for c in self._catalogs() if (found := read(c)) is not None), nothing)

    def available(self, name: str, plan: str | None) -> bool:
        return next((s.available for _, s, _ in self.figures(name, plan) if s.available is not None), True)

    def model(self, name: str, plan: str | None) -> Model:
        """All that is known of a model under a plan."""
        limits = (_limits_in(section, layer.origin) for layer, section, _ in self.figures(name, plan))
        stated = self._general(name, lambda m: m.capabilities)
        return Model(
            name,
            context=self._general(name, lambda m: m.context),
            max_output=self._general(name, lambda m: m.max_output),
            capabilities=None if stated is None else frozenset(stated) | {_IMPLIED[c] for c in stated if c in _IMPLIED},
            category=self._general(name, lambda m: m.category) or detect_category(name),
            price=self._price(name, plan),
            limits=next((found for found in limits if found is not None), None),
        )

    def figures(self, name: str, plan: str | None) -> Iterator[tuple[Layer, ModelSection | PlanSection, bool]]:
        """Where a model's limits, price and availability under a plan may stand, the strongest place first.

        The last of the three: whether it speaks of the plan.
        """
        for origin in ORIGINS:
            general: list[tuple[Layer, ModelSection, bool]] = []
            for layer in self.stack:
                section = (layer.section.models or {}).get(name) if layer.origin == origin else None
                if section is not None:
                    if planned := (section.plans or {}).get(plan or ""):
                        yield layer, planned, True
                    general.append((layer, section, False))
            yield from general

    def _general(self, name: str, read: Callable[[ModelSection], T | None]) -> T | None:
        sections = ((layer.section.models or {}).get(name) for layer in self.stack)
        return next((found for s in sections if s is not None and (found := read(s)) is not None), None)

    def _price(self, name: str, plan: str | None) -> Price | None:
        """The price under a plan. What is in a free plan costs nothing, unless the user or the plan itself states a price.

        A catalog's general price is what paid keys pay, and those of models that nobody has said to be in the free plan.
        """
        general: Price | None = None
        for layer, section, of_plan in self.figures(name, plan):
            if section.price and (of_plan or plan != FREE_PLAN or layer.origin == "config"):
                return _price(section.price)
            if section.price:
                general = general or _price(section.price)
        return _FREE if plan == FREE_PLAN and self._in_free_plan(name) else general

    def _in_free_plan(self, name: str) -> bool:
        """Whether the user says that keys have the free plan, or any section that this model is in it."""
        for layer in self.stack:
            told = layer.section
            if layer.origin == "config" and FREE_PLAN in (told.plan, *(key.plan for key in told.keys or ())):
                return True
            model = (told.models or {}).get(name)
            if model is not None and FREE_PLAN in (model.plans or {}):
                return True
        return False


def _limits_in(section: LimitsHolder, origin: Origin) -> tuple[Limit, ...] | None:
    """The limits of a section. What a catalog cites as a limit's source is for `rotor catalog`: in use it is `catalog`."""
    limits = limits_of(section, origin)
    if limits is None or origin == "config":
        return limits
    return tuple(limit if limit.source == origin else replace(limit, source=origin) for limit in limits)


def _retired(provider: str, on: dt.date | None, use: str | None) -> Retired:
    return Retired(on.isoformat() if on else None, f"{provider}/{use}" if use else None)


def _price(section: PriceSection) -> Price:
    return Price(section.input, section.output, section.cached)
