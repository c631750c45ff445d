"""A figure and whence it is known: value, source, URL, date, confidence. Pure; nothing is selected by what stands here.

A figure is stale when its date is more than `STALE_AFTER` days past: providers change limits and prices within weeks.
One without a date is never called stale: nobody can say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rotor_core.catalog.layers import Layer, Layers
from rotor_core.catalog.limits import expand, short_limits

if TYPE_CHECKING:
    from rotor_core._model import Limit
    from rotor_core.catalog.catalog_schema import SourceSection
    from rotor_core.catalog.schema import LimitsHolder

STALE_AFTER: Final = 60
"""Days."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure. `source`: what was read; `url`: where; `date`: the day it was true as of; None: not known.

    `confidence`: observed, official, package, third-party, assumed; or `user`, for what a configuration says.
    """

    value: Any
    source: str
    url: str | None = None
    date: dt.date | None = None
    confidence: str = "assumed"

    def stale(self, at: dt.date) -> bool:
        """Whether it is too old on the day `at` to be relied on."""
        return self.date is not None and (at - self.date).days > STALE_AFTER

    def told(self, at: dt.date) -> dict[str, Any]:
        """As plain data, for JSON."""
        date = None if self.date is None else self.date.isoformat()
        return {
            "value": self.value,
            "source": self.source,
            "url": self.url,
            "date": date,
            "confidence": self.confidence,
            "stale": self.stale(at),
        }


def fact(value: Any, layer: Layer, *cited: str | None) -> Fact:
    """A figure of a layer. `cited`: names of sources, of which the first that is one holds; else the catalog's own."""
    catalog = layer.catalog
    if catalog is None:
        return Fact(value, layer.told, confidence="user")
    name = next((name for name in (*cited, catalog.source) if name is not None), None)
    source: SourceSection | None = (catalog.sources or {}).get(name) if name is not None else None
    if source is None:
        return Fact(value, layer.told)
    return Fact(value, source.what, source.url, source.date, source.confidence)


def model_fact(layers: Layers, model: str, *path: str) -> Fact | None:
    """A model's figure in the first layer that has it; None where nobody says. `path`: its key, and what is in it."""
    for layer in layers.stack:
        section = (layer.section.models or {}).get(model)
        value = _at(section, path)
        if value is not None:
            return fact(value, layer, *_cited(section, path[0]))
    return None


def plan_fact(layers: Layers, model: str, plan: str, *path: str) -> Fact | None:
    """As `model_fact`, of what a plan says of the model."""
    for layer in layers.stack:
        section = (layer.section.models or {}).get(model)
        planned = None if section is None else (section.plans or {}).get(plan)
        value = _at(planned, path)
        if value is not None:
            return fact(value, layer, getattr(planned, "source", None), *_cited(section, path[0]))
    return None


def model_limits(layers: Layers, model: str, plan: str | None) -> list[tuple[Limit, Fact]] | None:
    """The limits of a model under a plan, each with its figure; None where they are not known."""
    for layer, holder, _ in layers.figures(model, plan):
        section = (layer.section.models or {}).get(model)
        found = _limits(holder, layer, *_cited(section, "limits"))
        if found is not None:
            return found
    return None


def shared_limits(layers: Layers, plan: str | None) -> list[tuple[Limit, Fact]] | None:
    """The limits that all models of a quota share under a plan; None where they are not known."""
    for layer in layers.stack:
        for holder in ((layer.section.plans or {}).get(plan or ""), layer.section):
            if holder is not None and (found := _limits(holder, layer)) is not None:
                return found
    return None


def group_limits(layers: Layers, plan: str | None) -> Iterator[tuple[str, list[str], list[tuple[Limit, Fact]]]]:
    """The limits that some models share: the group's name, the patterns of its models' names, the limits."""
    for layer in layers.stack:
        catalog = layer.catalog
        for name, some in ((catalog.shared if catalog else None) or {}).items():
            for holder in ((some.plans or {}).get(plan or ""), some):
                found = None if holder is None else _limits(holder, layer, some.source)
                if found is not None:
                    yield name, some.models, found
                    break
        if catalog and catalog.shared:
            return


def _limits(holder: LimitsHolder, layer: Layer, *cited: str | None) -> list[tuple[Limit, Fact]] | None:
    own = getattr(holder, "source", None)
    short = short_limits(holder, "")
    if holder.limits is None and not short:
        return None
    found = [(limit, fact(limit.value, layer, own, *cited)) for limit in short]
    for entry in holder.limits or ():
        named = entry.source if layer.catalog is not None else None
        found += [(limit, fact(limit.value, layer, named, own, *cited)) for limit in expand(entry, "")]
    return found


def _at(section: object, path: Sequence[str]) -> Any:
    """What stands there; None where there is nothing, or the section is of a kind that cannot have it."""
    for key in path:
        section = getattr(section, key, None)
    return section


def _cited(section: object, figure: str) -> tuple[str | None, ...]:
    """The sources that a model's section names for a figure, the nearest first."""
    named: Mapping[str, str] = getattr(section, "from_", None) or {}
    return named.get(figure), getattr(section, "source", None)
