"""Finds plugins and reads what they offer, one at a time: a broken one is a finding, never an outage.

`ROTOR_PLUGINS`, a comma-separated list of entry-point names, limits what loads; what Rotor ships always does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from rotor_core import hookspecs
from rotor_core._policy.classify import add_dialects, dialect_of
from rotor_core._policy.rank import Ranking
from rotor_core.hookspecs import ProviderSpec, StoreSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger("rotor")

GROUP = "rotor"
BUILT_IN = ("rotor_core.builtin", "rotor_core.adapters.openai_compatible")

Spec = TypeVar("Spec")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a plugin: whose fault, and what."""

    plugin: str
    problem: str


@dataclass(frozen=True, slots=True)
class Plugins:
    """All that plugins offer, by name."""

    providers: Mapping[str, ProviderSpec] = field(default_factory=dict[str, ProviderSpec])
    stores: Mapping[str, StoreSpec] = field(default_factory=dict[str, StoreSpec])
    rankings: Mapping[str, Ranking] = field(default_factory=dict[str, Ranking])
    findings: tuple[Finding, ...] = ()


def installed() -> Plugins:
    """Everything that is installed, read once for each value of `ROTOR_PLUGINS`."""
    return _installed(os.environ.get("ROTOR_PLUGINS"))


@lru_cache(maxsize=8)
def _installed(only: str | None) -> Plugins:
    from importlib.metadata import entry_points  # noqa: PLC0415  it takes 5 ms, and only this needs it

    wanted = None if only is None else {name.strip() for name in only.split(",") if name.strip()}
    found = [e for e in entry_points(group=GROUP) if wanted is None or e.name in wanted]
    plugins = collect(found)
    for finding in plugins.findings:
        logger.warning("plugin %s: %s", finding.plugin, finding.problem)
    return plugins


def collect(found: Iterable[EntryPoint]) -> Plugins:
    """Load what ships and `found`, one by one, and gather what their hooks return; `classify_failure` knows their dialects then."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    findings: list[Finding] = []
    for module in BUILT_IN:
        manager.register(import_module(module), module)
    for entry in sorted(found, key=lambda e: e.name):
        try:
            manager.register(entry.load(), entry.name)
            _refuse_unknown_hooks(manager, entry.name)
        except Exception as error:  # noqa: BLE001  whatever a stranger's import raises
            findings.append(Finding(entry.name, f"could not be loaded: {type(error).__name__}: {error}"))
            manager.unregister(name=entry.name) if manager.has_plugin(entry.name) else None
    hook = manager.hook
    providers = _gather(hook.rotor_providers, lambda spec: spec.name, ProviderSpec, findings, _with_its_dialect)
    add_dialects({name: spec.errors for name, spec in providers.items() if spec.errors})
    return Plugins(
        providers,
        _gather(hook.rotor_stores, lambda spec: spec.scheme, StoreSpec, findings),
        _gather(hook.rotor_rankings, lambda spec: spec.name, Ranking, findings),
        tuple(findings),
    )


def _refuse_unknown_hooks(manager: pluggy.PluginManager, name: str) -> None:
    known = {n for n in vars(hookspecs) if n.startswith("rotor_")}
    unknown = sorted(c.name for c in manager.get_hookcallers(manager.get_plugin(name)) or () if c.name not in known)
    if unknown:
        raise TypeError(f"there is no hook {unknown[0]!r}; there are {', '.join(sorted(known))}")


def _gather(
    hook: pluggy.HookCaller,
    key: Callable[[Any], str],
    kind: type[Spec],
    findings: list[Finding],
    mend: Callable[[Spec], tuple[Spec, str]] = lambda spec: (spec, ""),
) -> Mapping[str, Spec]:
    """What every plugin's hook returns, by name. The first to register a name keeps it; a clash names both.

    `mend` leaves out of a specification what is wrong with it, and says what that was, if anything.
    """
    specs: dict[str, Spec] = {}
    owner: dict[str, str] = {}
    for impl in hook.get_hookimpls():
        try:
            offered: list[Any] = list(cast("Iterable[Any]", impl.function()))
        except Exception as error:  # noqa: BLE001  whatever a stranger's hook raises
            findings.append(Finding(impl.plugin_name, f"{hook.name} failed: {type(error).__name__}: {error}"))
            continue
        for spec in offered:
            if not isinstance(spec, kind):
                problem = f"{hook.name} returned a {type(spec).__name__}, not a {kind.__name__}"
                findings.append(Finding(impl.plugin_name, problem))
                continue
            name = key(spec)
            if name in specs:
                findings.append(
                    Finding(impl.plugin_name, f"{hook.name}: {name!r} is already taken by {owner[name]}; it keeps it")
                )
            else:
                (specs[name], problem), owner[name] = mend(spec), impl.plugin_name
                if problem:
                    findings.append(Finding(impl.plugin_name, problem))
    return specs


def _with_its_dialect(spec: ProviderSpec) -> tuple[ProviderSpec, str]:
    """A provider whose dialect is broken can be used all the same: its errors are read by the general one."""
    try:
        return replace(spec, errors=dialect_of(spec.errors)), ""
    except (TypeError, ValueError) as error:
        return replace(
            spec, errors=()
        ), f"the errors of provider {spec.name!r} are read by the general dialect: {error}"


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """`module:attribute` imported, or the callable itself."""
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    found: Callable[..., Any] = attrgetter(attribute)(import_module(module))
    return found
