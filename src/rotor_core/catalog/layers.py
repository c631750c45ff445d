"""What is known of a provider's models, from the user's section laid over its plugin's catalog. Pure.

For every figure the first layer that states it holds, and in a layer the plan's own figure before the general one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from rotor_core._model import Limit, Model, Price
from rotor_core._policy.category import detect_category
from rotor_core.catalog.limits import limits_of

if TYPE_CHECKING:
    from rotor_core.catalog.schema import ModelSection, PlanSection, PriceSection, ProviderSection

T = TypeVar("T")

Origin = Literal["config", "catalog"]
FREE_PLAN: Final = "free"
_FREE: Final = Price(0.0, 0.0)
# Whoever can do the first can do the second.
_IMPLIED: Final[Mapping[str, str]] = {"json_schema": "json_mode", "parallel_tools": "tools"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One section, and whose it is."""

    section: ProviderSection
    origin: Origin


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

    def shared_limits(self, plan: str | None) -> tuple[Limit, ...] | None:
        """Limits that all models of one quota share; None where nothing is said of them."""
        for layer in self.stack:
            for section in ((layer.section.plans or {}).get(plan or ""), layer.section):
                limits = limits_of(section, layer.origin) if section else None
                if limits is not None:
                    return limits
        return None

    def available(self, name: str, plan: str | None) -> bool:
        return next((s.available for s, _ in self._figures(name, plan) if s.available is not None), True)

    def model(self, name: str, plan: str | None) -> Model:
        """All that is known of a model under a plan."""
        limits = (limits_of(section, origin) for section, origin in self._figures(name, plan))
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

    def _figures(self, name: str, plan: str | None) -> Iterator[tuple[ModelSection | PlanSection, Origin]]:
        for layer in self.stack:
            section = (layer.section.models or {}).get(name)
            if section is None:
                continue
            if planned := (section.plans or {}).get(plan or ""):
                yield planned, layer.origin
            yield section, layer.origin

    def _general(self, name: str, read: Callable[[ModelSection], T | None]) -> T | None:
        sections = ((layer.section.models or {}).get(name) for layer in self.stack)
        return next((found for s in sections if s is not None and (found := read(s)) is not None), None)

    def _price(self, name: str, plan: str | None) -> Price | None:
        """The price under a plan. A free plan costs nothing, unless the user or the plan itself states a price."""
        for layer in self.stack:
            section = (layer.section.models or {}).get(name)
            if section is None:
                continue
            planned = (section.plans or {}).get(plan or "")
            if planned and planned.price:
                return _price(planned.price)
            # A catalog's general price is what paid keys pay.
            if section.price and not (plan == FREE_PLAN and layer.origin == "catalog"):
                return _price(section.price)
        return _FREE if plan == FREE_PLAN else None


def _price(section: PriceSection) -> Price:
    return Price(section.input, section.output, section.cached)
