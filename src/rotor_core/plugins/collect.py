"""Finds plugins and reads what they offer, one at a time: a broken one is a finding, never an outage.

`ROTOR_PLUGINS`, a comma-separated list, limits what loads: names of entry points, and files (`./acme.py`) or modules
of plugins that are being written. What Rotor ships always loads, and keeps its names; but a preset, which is
no more than a provider's data, gives way to the plugin that is called so. Of others that claim one name the plugin that
is called so has it, else the first: files and modules as they are listed, then the installed by name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import pluggy

from rotor_core import hookspecs
from rotor_core._model import Rule
from rotor_core._policy.classify import add_dialects
from rotor_core._policy.error_rules import dialect_of
from rotor_core._policy.rank import Ranking
from rotor_core._version import __version__
from rotor_core.hookspecs import ProviderSpec, StoreSpec
from rotor_core.plugins import local, verify
from rotor_core.plugins.values import Finding, Loaded, Origin, Plugins

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger("rotor")

GROUP: Final = "rotor"
VARIABLE: Final = "ROTOR_PLUGINS"
BUILT_IN: Final = ("rotor_core.builtin", "rotor_core.adapters.openai_compatible", "rotor_core.presets")
HOOKS: Final = tuple(name for name in vars(hookspecs) if name.startswith("rotor_"))

Spec = TypeVar("Spec")


def installed() -> Plugins:
    """Everything that is installed, read once for each value of `ROTOR_PLUGINS`; `classify_failure` knows their dialects then."""
    plugins = _installed(os.environ.get(VARIABLE))
    _speak(plugins)
    return plugins


def forget() -> None:
    """Read all plugins anew when they are next asked for."""
    _installed.cache_clear()


@lru_cache(maxsize=8)
def _installed(only: str | None) -> Plugins:
    from importlib.metadata import entry_points  # noqa: PLC0415  it takes 5 ms, and only this needs it

    found = list(entry_points(group=GROUP))
    wanted = None if only is None else local.names_in(only)
    if wanted is None:
        plugins = collect(found)
    else:
        known = {entry.name for entry in found}
        # A name that is installed is that plugin, whatever module is called so.
        named = [name for name in wanted if local.is_path(name) or name not in known]
        plugins = collect([e for e in found if e.name in wanted], named, known)
    for finding in plugins.findings:
        logger.warning("plugin %s: %s", finding.plugin, finding.problem)
    return plugins


def collect(found: Iterable[EntryPoint], named: Iterable[str] = (), known: Iterable[str] = ()) -> Plugins:
    """Load what ships, what is `named` (files, modules) and `found`, one by one, and gather what their hooks return.

    `known`: names of all entry points, to suggest one where a name is none. `classify_failure` knows the dialects then.
    """
    party = _Party()
    for module in BUILT_IN:
        party.admit(module, "shipped", __version__, partial(import_module, module))
    for name in named:
        origin, load = _named(name, known)
        party.admit(name, origin, None, load)
    for entry in sorted(found, key=lambda e: e.name):
        party.admit(entry.name, "installed", _version_of(entry), entry.load)
    plugins = party.gathered()
    _speak(plugins)
    return plugins


def _named(name: str, known: Iterable[str]) -> tuple[Origin, Callable[[], object]]:
    if local.is_path(name):
        return "file", lambda: local.load_file(name)
    return "module", lambda: local.load_module(name, known)


def _version_of(entry: EntryPoint) -> str | None:
    dist = getattr(entry, "dist", None)
    return getattr(dist, "version", None)


_spoken: tuple[str, ...] = ()
"""The providers whose dialects the last plugins brought."""


def _speak(plugins: Plugins) -> None:
    """Let `classify_failure` know these plugins' dialects, and no longer those of plugins that were read before."""
    global _spoken  # noqa: PLW0603  what `classify_failure` knows is the process's too
    dialects = {name: dialect_of(spec.errors) for name, spec in plugins.providers.items() if spec.errors}
    if dialects or _spoken:
        add_dialects(dialects, instead_of=_spoken)
        _spoken = tuple(dialects)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A name that a plugin wants for what it offers."""

    plugin: str
    spec: Any


@dataclass(slots=True)
class _Party:
    """The plugins that came in, and what is wrong with those that did not."""

    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(GROUP))
    findings: list[Finding] = field(default_factory=list[Finding])
    members: dict[str, tuple[Origin, str | None]] = field(default_factory=dict[str, "tuple[Origin, str | None]"])

    def __post_init__(self) -> None:
        self.manager.add_hookspecs(hookspecs)

    def admit(self, name: str, origin: Origin, version: str | None, load: Callable[[], object]) -> None:
        """Load one plugin. Whatever goes wrong with it is a finding."""
        if name in self.members:
            self._blame(name, "could not be loaded: another plugin of that name is; it keeps it")
            return
        try:
            plugin = load()
            self._refuse_twice(plugin)
            self.manager.register(plugin, name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a stranger's import raises
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self._blame(name, f"could not be loaded: {_told(error)}")
            return
        self.members[name] = (origin, version or _own_version(plugin))
        self._look_at_hooks(name, plugin)

    def _refuse_twice(self, plugin: object) -> None:
        other = self.manager.get_name(plugin)
        if other is not None:
            raise ValueError(f"it is the same as plugin {other!r}")

    def _look_at_hooks(self, name: str, plugin: object) -> None:
        """What is meant as a hook and is none. The plugin's other hooks are used all the same."""
        implemented = {caller.name for caller in self.manager.get_hookcallers(plugin) or ()}
        for hook in sorted(implemented - set(HOOKS)):
            self._blame(name, f"there is no hook {hook!r}{_meant(hook)}; there are {', '.join(HOOKS)}")
        unmarked = [n for n in _functions(plugin) if n.startswith("rotor_") and n not in implemented]
        for hook in unmarked:
            self._blame(name, f"the function {hook!r} is not marked with @hookimpl, so it is not called")
        if not implemented and not unmarked:
            self._blame(name, f"it offers nothing: no function in it is marked with @hookimpl ({', '.join(HOOKS)})")

    def gathered(self) -> Plugins:
        hook = self.manager.hook
        providers = self._by_name(hook.rotor_providers, lambda spec: spec.name, ProviderSpec, verify.provider)
        stores = self._by_name(hook.rotor_stores, lambda spec: spec.scheme, StoreSpec, verify.store)
        rankings = self._by_name(hook.rotor_rankings, lambda spec: spec.name, Ranking, verify.ranking)
        rules = [kept for claim in self._offered(hook.rotor_rules, Rule) if (kept := self._ruled(claim))]
        loaded = tuple(
            Loaded(
                name,
                origin,
                version,
                tuple(key for key, claim in providers.items() if claim.plugin == name),
                tuple(key for key, claim in stores.items() if claim.plugin == name),
                tuple(key for key, claim in rankings.items() if claim.plugin == name),
                sum(claim.plugin == name for claim in rules),
            )
            for name, (origin, version) in self.members.items()
        )
        return Plugins(
            {name: claim.spec for name, claim in providers.items()},
            {name: claim.spec for name, claim in stores.items()},
            {name: claim.spec for name, claim in rankings.items()},
            tuple(self.findings),
            tuple(claim.spec for claim in rules),
            loaded,
        )

    def _by_name(
        self,
        hook: pluggy.HookCaller,
        key: Callable[[Any], str],
        kind: type[Spec],
        verified: Callable[[Spec], tuple[Spec | None, list[str]]],
    ) -> Mapping[str, _Claim]:
        """What every plugin's hook returns, by name; of several claims to a name one is kept, and the others are told of it."""
        claims: dict[str, list[_Claim]] = {}
        for claim in self._offered(hook, kind):
            spec, problems = verified(claim.spec)
            for problem in problems:
                self._blame(claim.plugin, problem)
            if spec is not None:
                claims.setdefault(key(spec), []).append(_Claim(claim.plugin, spec))
        return {name: self._keeper(hook.name, name, all_) for name, all_ in claims.items()}

    def _keeper(self, hook: str, name: str, claims: list[_Claim]) -> _Claim:
        ours = next((c for c in claims if self.members[c.plugin][0] == "shipped"), None)
        called_so = next((c for c in claims if c.plugin == name), None)
        preset = ours is not None and getattr(ours.spec, "base_url", None) is not None
        keeper = (called_so or ours or claims[0]) if preset else (ours or called_so or claims[0])
        for claim in claims:
            if claim is not keeper and claim is not ours:
                self._blame(claim.plugin, f"{hook}: {name!r} is already taken by {keeper.plugin}; it keeps it")
        return keeper

    def _ruled(self, claim: _Claim) -> _Claim | None:
        rule, problems = verify.rule(claim.spec, claim.plugin)
        for problem in problems:
            self._blame(claim.plugin, problem)
        return None if rule is None else _Claim(claim.plugin, rule)

    def _offered(self, hook: pluggy.HookCaller, kind: type[Any]) -> Iterator[_Claim]:
        """Each thing of the right kind that each plugin's hook returns."""
        order = list(self.members)
        for impl in sorted(hook.get_hookimpls(), key=lambda impl: order.index(impl.plugin_name)):
            try:
                offered: list[Any] = list(cast("Iterable[Any]", impl.function()))
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a stranger's hook raises
                self._blame(impl.plugin_name, f"{hook.name} failed: {_told(error)}")
                continue
            for spec in offered:
                if isinstance(spec, kind):
                    yield _Claim(impl.plugin_name, spec)
                else:
                    what = f"{hook.name} returned a {type(spec).__name__}, not a {kind.__name__}"
                    self._blame(impl.plugin_name, what)

    def _blame(self, plugin: str, problem: str) -> None:
        self.findings.append(Finding(plugin, problem))


def _told(error: BaseException) -> str:
    """An error in one line. pluggy's own, of a hook's arguments, in our words: its text is several lines about pluggy."""
    if isinstance(error, pluggy.PluginValidationError):
        wrong = next(
            (name for name in HOOKS if f"for hook '{name}'" in str(error) or f"for hook {name!r}" in str(error)),
            "a hook",
        )
        if "rgument" in str(error):
            return f"{wrong} takes no arguments; this one asks for some"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _meant(hook: str) -> str:
    from rotor_core.catalog.problems import nearest  # noqa: PLC0415  only for who misspelt something

    meant = nearest(hook, HOOKS)
    return f", did you mean {meant!r}?" if meant else ""


def _functions(plugin: object) -> list[str]:
    """The names of the functions that are written in a plugin, imported ones not."""
    home = getattr(plugin, "__name__", None)
    return [
        name
        for name, value in getattr(plugin, "__dict__", {}).items()
        if isfunction(value) and value.__module__ == home
    ]


def _own_version(plugin: object) -> str | None:
    version = getattr(plugin, "__version__", None)
    return version if isinstance(version, str) else None
