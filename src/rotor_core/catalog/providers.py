"""Providers made whole: the user's section, the plugin's catalog and the environment become deployments. Pure.

A provider that the configuration names is used with the keys it names, or those of its environment variables. One
that it does not name is used when its plugin's variables hold a key. One without a key contributes nothing.
A base URL may hold the name of an environment variable in braces, where an account's own name is part of it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from rotor_core._errors import ConfigError
from rotor_core._model import BoundLimit, Deployment, Limit, Provider, Retired, Secret
from rotor_core.catalog.credentials import (
    NO_KEY_NEEDED,
    Key,
    credentials,
    from_environment,
    key_variables,
    variable,
)
from rotor_core.catalog.layers import FREE_PLAN, Layer, Layers
from rotor_core.catalog.limits import ALL_MODELS, bind
from rotor_core.catalog.packaged import Packaged, section_of, validated
from rotor_core.catalog.problems import Finding, Place, Places, listed, nearest
from rotor_core.catalog.refreshed import NOTHING, Refreshed
from rotor_core.catalog.urls import base_url_problem, url_problem

if TYPE_CHECKING:
    from rotor_core.catalog.schema import ProviderSection, RootSection

_TIMEOUT: Final = 120.0
_VARIABLE: Final = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


class Offer(Protocol):
    """A provider as a plugin describes it; `ProviderSpec` is one."""

    @property
    def name(self) -> str: ...
    @property
    def base_url(self) -> str | None: ...
    @property
    def env(self) -> tuple[str, ...]: ...
    @property
    def catalog(self) -> Packaged: ...


@dataclass(frozen=True, slots=True)
class Known:
    """One provider as resolved. `unusable`: models that are known but have no deployment, with the reason.

    `retired`: those that are gone, which the user has not written down as models all the same.
    """

    name: str
    named: bool
    layers: Layers
    deployments: tuple[Deployment, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict[str, str])
    retired: Mapping[str, Retired] = field(default_factory=dict[str, Retired])


@dataclass(frozen=True, slots=True)
class Resolver:
    """What providers are resolved from. `warnings` and `missing` gather what is wrong but may be lived with.

    `refreshed`: what was found since the plugins were packaged. `today`: which shutdowns are past; None: it does not matter.
    """

    environ: Mapping[str, str]
    offers: Mapping[str, Offer]
    places: Places
    budgets: tuple[BoundLimit, ...]
    refreshed: Refreshed = NOTHING
    today: dt.date | None = None
    warnings: list[Finding] = field(default_factory=list[Finding])
    missing: list[ConfigError] = field(default_factory=list[ConfigError])

    def all(self, root: RootSection) -> list[Known]:
        """Every provider that is named, then every one whose key stands in the environment. Raises `ConfigError`."""
        sections = root.providers or {}
        known = [self._named(name, section) for name, section in sections.items()]
        for name, offer in self.offers.items():
            if name not in sections and (keys := from_environment(key_variables(name, offer.env), self.environ)):
                known.extend(self._found(offer, keys))
        return known

    def _named(self, name: str, section: ProviderSection) -> Known:
        own = self.offers.get(name)
        adapter = section.adapter or (name if own else None)
        if adapter is None or adapter not in self.offers:
            raise self._unknown(name, section)
        offer = own or self.offers[adapter]
        layers = self.layers(offer, name, section)
        base_url = self._base_url(name, section.base_url or layers.first(lambda s: s.base_url) or offer.base_url)
        if base_url is None:
            expected = f"a URL such as https://api.example.com/v1, here or in {variable(name, 'BASE_URL')}"
            if unset := self.unset(section.base_url or layers.first(lambda s: s.base_url) or offer.base_url):
                expected = f"the environment variable {unset}, which is part of the URL, or {expected}"
            raise self.places.error(("providers", name, "base_url"), "is missing", expected=expected)
        keys = self._keys(name, layers, own.env if own else ())
        # What a plugin assumes of keys at its own address says nothing of keys elsewhere: their plan is what the user says.
        elsewhere = own is None and section.base_url is not None
        plan = section.plan if elsewhere else layers.first(lambda s: s.plan)
        return self._known(name, adapter, base_url, layers, keys, plan, named=True)

    def _found(self, offer: Offer, keys: list[Key]) -> Iterator[Known]:
        """A provider that only the environment names: nothing, where its plugin does not say enough to use it."""
        layers = self.layers(offer, offer.name)
        stated = layers.first(lambda s: s.base_url) or offer.base_url
        base_url = self._base_url(offer.name, stated)
        if base_url is None and (missing := self.unset(stated)):
            problem = f"is not set, and is a part of the address of {offer.name}, whose key is there"
            self._miss(Places().error((missing,), problem, expected=f"{missing} beside the key"))
        if base_url is not None and layers.models:
            plan = layers.first(lambda s: s.plan)
            yield self._known(offer.name, offer.name, base_url, layers, keys, plan, named=False)

    def _known(
        self, name: str, adapter: str, base_url: str, layers: Layers, keys: list[Key], plan: str | None, *, named: bool
    ) -> Known:
        provider = Provider(
            name,
            adapter,
            base_url,
            headers=layers.headers,
            timeout=layers.first(lambda s: s.timeout) or _TIMEOUT,
            proxy=layers.first(lambda s: s.proxy),
        )
        if named and not layers.models:
            self.warnings.append(
                self.places.warning(("providers", name, "models"), "no model is known, so it is not used")
            )
        if not keys:
            unusable = dict.fromkeys(layers.models, f"{name} has no key")
            return Known(name, named, layers, unusable=unusable, retired=self._gone(name, layers))
        return self._deployed(provider, layers, keys, plan, named=named)

    def _deployed(
        self, provider: Provider, layers: Layers, keys: list[Key], plan_of_keys: str | None, *, named: bool
    ) -> Known:
        """Provider x model x credential; what depends on the plan alone is made once for each."""
        held = credentials(provider.name, provider.base_url, keys, plan_of_keys)
        self._check_quotas(provider.name, keys, layers.quota_scope)
        gone = self._gone(provider.name, layers)
        for plan in dict.fromkeys(c.plan for c in held if c.plan):
            place = _place_of_plan(provider.name, plan, layers)
            self._check_plan(place, plan, layers.plans)
            if plan == FREE_PLAN and plan not in layers.plans and layers.priced:
                text = (
                    f"no catalog knows a plan `free` of {provider.name}: all prices are taken as 0, because you say so"
                )
                self.warnings.append(self.places.warning(place, text))
        shared = {plan: layers.shared_limits(plan) for plan in {c.plan for c in held}}
        deployments: list[Deployment] = []
        unusable: dict[str, str] = {}
        for name in layers.models:
            if name in gone:
                continue
            usable = [c for c in held if layers.available(name, c.plan)]
            if not usable:
                unusable[name] = (
                    f"it is not available under the plan {listed(dict.fromkeys(str(c.plan) for c in held))}"
                )
            models = {plan: layers.model(name, plan) for plan in {c.plan for c in usable}}
            some = {plan: tuple(layers.limits_of_some(name, plan)) for plan in models}
            for credential in usable:
                model = models[credential.plan]
                deployment_id = f"{provider.name}/{name}#{credential.id.rpartition('#')[2]}"
                parts = ((model.limits, name), (shared[credential.plan], ALL_MODELS), *some[credential.plan])
                bound = _bound(*parts, quota=credential.quota)
                if self.budgets and not (model.price and model.price.free):
                    bound = (*(bound or ()), *self.budgets)
                deployments.append(Deployment(deployment_id, provider, model, credential, bound, model.price))
        return Known(provider.name, named, layers, tuple(deployments), unusable, gone)

    def layers(self, offer: Offer, name: str, section: ProviderSection | None = None) -> Layers:
        """All that is known of a provider: the user's section, what was refreshed, and the plugin's own section.

        A broken catalog is a warning and is left out: it must not take the rest down.
        """
        own = () if section is None else (Layer(section, "config", "configuration"),)
        try:
            packaged = section_of(offer.name, offer.catalog)
        except ConfigError as exc:
            self.warnings.append(Finding.of(exc, "warning"))
            packaged = None
        known = {model for s in (section, packaged) if s is not None for model in s.models or ()}
        below = () if packaged is None else (Layer(packaged, "catalog", f"catalog of {offer.name}"),)
        return Layers((*own, *self._refreshed(offer, name, known), *below))

    def _refreshed(self, offer: Offer, name: str, known: set[str]) -> Iterator[Layer]:
        for layer, data in self.refreshed.layers(offer.name, name, known):
            told = f"{self.refreshed.path}, {layer} of {name}"
            try:
                yield Layer(validated(name, data, told), "catalog", told)
            except ConfigError as exc:
                self.warnings.append(Finding.of(exc, "warning"))

    def _gone(self, provider: str, layers: Layers) -> dict[str, Retired]:
        """The models that are gone. One that the user has written down stays, with a warning."""
        gone = layers.retired(provider, self.today)
        for name in sorted(layers.own & gone.keys()):
            told = gone.pop(name)
            use = f"; use {told.use}" if told.use else ""
            text = f"{provider}/{name} {told}, by what is known of it, and is used because it stands here{use}"
            self.warnings.append(self.places.warning(("providers", provider, "models", name), text))
        return gone

    def _check_quotas(self, provider: str, keys: Sequence[Key], scope: str | None) -> None:
        """Keys that may share limits without saying so count capacity that is not there."""
        alone = sum(key.quota is None for key in keys)
        if alone > 1 and scope is not None and scope != "key":
            text = f"{provider} counts limits by {scope}: of its {alone} keys without `quota`, those of one {scope} "
            text += "need the same `quota: NAME` (or `quota: auto`), or more is sent than it allows"
            self.warnings.append(self.places.warning(("providers", provider, "keys"), text))

    def _keys(self, name: str, layers: Layers, variables: Sequence[str]) -> list[Key]:
        """The keys that are there. One that is not is noted, and becomes an error only if nothing else is left."""
        entries = layers.first(lambda s: s.keys)
        place = ("providers", name, "keys")
        if entries is None:
            names = key_variables(name, variables)
            in_environment = from_environment(names, self.environ)
            if not in_environment:
                expected = f"a key in {listed(names)}, or `keys: []` if it needs none"
                self._miss(self.places.error(place, "no key was found", expected=expected))
            return in_environment
        if not entries:
            return [NO_KEY_NEEDED]
        found: dict[str, int] = {}
        keys: list[Key] = []
        for index, entry in enumerate(entries):
            secret = entry.value or self.environ.get(entry.env or "", "").strip()
            if not secret:
                problem = f"the variable that it names is {'empty' if entry.env in self.environ else 'not set'}"
                expected = "the name of an environment variable that holds the key"
                at = (*place, index, "env")
                self._miss(self.places.error(at, problem, value=entry.env, expected=expected))
            elif secret in found:
                raise self.places.error(
                    (*place, index), f"is the same key as keys[{found[secret]}]", expected="each key once"
                )
            else:
                found[secret] = index
                keys.append(Key(Secret(secret), entry.quota, entry.plan))
        return keys

    def _miss(self, error: ConfigError) -> None:
        self.missing.append(error)
        self.warnings.append(Finding.of(error, "warning"))

    def _base_url(self, name: str, stated: str | None) -> str | None:
        key = variable(name, "BASE_URL")
        override = self.environ.get(key, "").strip()
        if not override:
            return self._filled(stated)
        if problem := url_problem(override) or base_url_problem(override):
            raise Places().error((key,), problem, value=override, expected="a URL such as https://api.example.com/v1")
        return override.rstrip("/")

    def _filled(self, url: str | None) -> str | None:
        """A URL with the variables in it replaced; None where one of them is not set."""
        if url is None or self.unset(url):
            return None
        return _VARIABLE.sub(lambda found: self.environ[found[1]].strip(), url)

    def unset(self, url: str | None) -> str | None:
        """The first variable in a URL that is not set."""
        names = _VARIABLE.findall(url or "")
        return next((name for name in names if not self.environ.get(name, "").strip()), None)

    def _check_plan(self, place: Place, plan: str, known: set[str]) -> None:
        if known and plan not in known and plan != FREE_PLAN:
            meant = nearest(plan, known)
            hint = f"; did you mean {meant!r}?" if meant else ""
            text = f"of the plan {plan!r} nothing is known (known: {listed(sorted(known))}){hint}"
            self.warnings.append(self.places.warning(place, text))

    def _unknown(self, name: str, section: ProviderSection) -> ConfigError:
        known = sorted(self.offers)
        if section.adapter is not None:
            place = ("providers", name, "adapter")
            return self.places.error(place, "unknown adapter", value=section.adapter, among=known)
        expected = f"{listed(known)}, or `adapter:` and `base_url:` for any other"
        return self.places.error(("providers", name), "unknown provider", expected=expected, among=known)


def _place_of_plan(name: str, plan: str, layers: Layers) -> Place:
    """Where a plan was said to be a key's: with the key, or for all of them."""
    for index, entry in enumerate(layers.first(lambda s: s.keys) or ()):
        if entry.plan == plan:
            return ("providers", name, "keys", index, "plan")
    return ("providers", name, "plan")


def _bound(*parts: tuple[Sequence[Limit] | None, str], quota: str) -> tuple[BoundLimit, ...] | None:
    """All limits that are known, bound; None where nothing is known at all."""
    known = [bind(limits, quota, model) for limits, model in parts if limits is not None]
    return tuple(limit for limits in known for limit in limits) if known else None
