"""What was found of plugins. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rotor_core._model import Rule
from rotor_core._policy.rank import Ranking
from rotor_core.hookspecs import ProviderSpec, StoreSpec

Origin = Literal["shipped", "installed", "file", "module"]
"""Whence a plugin came: with Rotor, from an entry point, or from what `ROTOR_PLUGINS` names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a plugin: whose fault, and what, in one line."""

    plugin: str
    problem: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that is in use, and the names of what it offers. `version` None: it has none. `rules`: how many."""

    name: str
    origin: Origin
    version: str | None = None
    providers: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    rankings: tuple[str, ...] = ()
    rules: int = 0


@dataclass(frozen=True, slots=True)
class Plugins:
    """All that plugins offer, by name. `loaded`: who they are, in the order in which they were asked."""

    providers: Mapping[str, ProviderSpec] = field(default_factory=dict[str, ProviderSpec])
    stores: Mapping[str, StoreSpec] = field(default_factory=dict[str, StoreSpec])
    rankings: Mapping[str, Ranking] = field(default_factory=dict[str, Ranking])
    findings: tuple[Finding, ...] = ()
    rules: tuple[Rule, ...] = ()
    loaded: tuple[Loaded, ...] = ()
