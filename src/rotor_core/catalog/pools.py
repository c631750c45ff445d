"""Pools: the named sets of seats. An entry `provider/model` seats every key of that model. Pure.

Four exist without a file, by rule (`RULES`), from what catalogs and the user state of models: a model is in a pool
where what the pool promises was said of it, not where it was not denied. A plugin that names its models for one of
them has its way instead. Among a pool's seats the ranking decides: free and roomy ones go first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rotor_core._errors import ConfigError
from rotor_core._model import Deployment, Model, Pool, Retired, Seat
from rotor_core.catalog.packaged import section_of
from rotor_core.catalog.problems import Finding, Place, Places, listed
from rotor_core.catalog.providers import Known, Offer

if TYPE_CHECKING:
    from rotor_core.catalog.schema import PoolEntrySection, RootSection

IMPLICIT: Final = "default"
NOT_CHAT: Final = frozenset({"transcription", "embedding"})
_TOOLS: Final = "parallel_tools"


def _fast(model: Model, suits: Sequence[str]) -> bool:
    return model.category in {"tiny", "small"} and not suits and _states(model, _TOOLS)


def _research(model: Model, suits: Sequence[str]) -> bool:
    return model.category in {"large", "reasoning"} and not suits and _states(model, _TOOLS)


def _code(model: Model, suits: Sequence[str]) -> bool:
    return ("code" in suits or model.category in {"large", "reasoning"}) and _states(model, _TOOLS)


def _vision(model: Model, suits: Sequence[str]) -> bool:  # noqa: ARG001  one signature for all rules
    return _states(model, "vision")


def _states(model: Model, capability: str) -> bool:
    return capability in (model.capabilities or ())


RULES: Final[Mapping[str, Callable[[Model, Sequence[str]], bool]]] = MappingProxyType(
    {"fast": _fast, "research": _research, "code": _code, "vision": _vision}
)
"""Who is in which pool; the second argument is the tasks that a catalog says the model was made for, if any."""


class Seating:
    """What pools are made from, and how they are made. `warnings` is added to."""

    def __init__(
        self, known: Sequence[Known], offers: Mapping[str, Offer], places: Places, warnings: list[Finding]
    ) -> None:
        self.known, self.offers, self.places, self.warnings = known, offers, places, warnings
        self._by_name: dict[str, list[Deployment]] = {}
        for deployment in (d for k in known for d in k.deployments):
            self._by_name.setdefault(deployment.name, []).append(deployment)

    def all(self, root: RootSection) -> tuple[dict[str, Pool], str]:
        """Every pool, and the default one's name, which is no pool where nothing is left for one. Raises `ConfigError`.

        The user's pools; those of plugins whose names are not taken; and where the user has none, `default`.
        """
        pools: dict[str, Pool] = {}
        dead: set[str] = set()
        for name, entries in (root.pools or {}).items():
            seats = self._seats(name, entries)
            if seats:
                pools[name] = Pool(name, tuple(seats))
            else:
                dead.add(name)
        default = root.default_pool or next(iter(root.pools or ()), IMPLICIT)
        if default in dead:
            raise self.places.error(
                ("pools", default), "none of its models has a key", expected="a key for one of them at least"
            )
        for name in dead:
            self.warnings.append(
                self.places.warning(("pools", name), "none of its models has a key, so it is left out")
            )
        for name, seats in self._plugin_pools().items():
            if name not in pools and name not in dead:
                pools[name] = Pool(name, tuple(seats))
        implicit = tuple(Seat(d) for known in self._scope() for d in known.deployments if _may_be_pooled(d, known))
        if implicit and not root.pools:
            pools.setdefault(IMPLICIT, Pool(IMPLICIT, implicit))
        if default not in pools and (root.pools or root.default_pool):
            raise self.places.error(("default_pool",), "there is no such pool", value=default, among=list(pools))
        return pools, default

    def _scope(self) -> list[Known]:
        """The providers that make up what is implicit: those that the user named, if any are; else all."""
        return [k for k in self.known if k.named] or list(self.known)

    def _seats(self, pool: str, entries: Sequence[PoolEntrySection]) -> list[Seat]:
        place = ("pools", pool)
        if not entries:
            raise self.places.error(place, "is empty", expected="at least one `provider/model`")
        seats: list[Seat] = []
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            at = (*place, index)
            if entry.model in first:
                raise self.places.error(
                    at,
                    f"stands in this pool twice, first as [{first[entry.model]}]",
                    value=entry.model,
                    expected="each model once",
                )
            first[entry.model] = index
            deployments = self._by_name.get(entry.model)
            if deployments is None:
                self.warnings.append(
                    self.places.warning(at, f"{entry.model} is left out: {self._why_not(at, entry.model)}")
                )
            seats.extend(Seat(d, entry.priority, entry.weight) for d in deployments or ())
        return seats

    def _why_not(self, at: Place, model: str) -> str:
        """Why a model that is known has no deployment. Raises `ConfigError` where it is not known at all."""
        provider, _, name = model.partition("/")
        for known in self.known:
            if known.name == provider and name in known.retired:
                raise self._retired(at, model, known.retired[name])
            if known.name == provider and name in known.unusable:
                return known.unusable[name]
        if all(k.name != provider for k in self.known) and self._is_offered(at, provider, name):
            return f"{provider} has no key"
        raise self._unknown(at, model, provider)

    def _is_offered(self, at: Place, provider: str, name: str) -> bool:
        """Whether a provider without a key has the model. Raises `ConfigError` where it had it."""
        offer = self.offers.get(provider)
        try:
            section = None if offer is None else section_of(provider, offer.catalog)
        except ConfigError:
            return False
        if section is None:
            return False
        if gone := (section.retired or {}).get(name):
            told = Retired(gone.on.isoformat() if gone.on else None, f"{provider}/{gone.use}" if gone.use else None)
            raise self._retired(at, f"{provider}/{name}", told)
        return name in (section.models or {})

    def _retired(self, at: Place, model: str, gone: Retired) -> ConfigError:
        expected = f"{gone.use}, which replaces it" if gone.use else "another model"
        return self.places.error(at, f"this model {gone}", value=model, expected=expected)

    def _unknown(self, at: Place, model: str, provider: str) -> Exception:
        names = [*self._by_name]
        for known in self.known:
            names.extend(f"{known.name}/{name}" for name in known.unusable)
        live = [name for name in names if name.startswith(f"{provider}/")]
        if live:
            expected = f"a model of {provider} ({_some(live)}), or this one under `providers.{provider}.models`"
        else:
            providers = sorted({k.name for k in self.known} | set(self.offers))
            expected = f"`provider/model` with one of the providers {listed(providers)}"
        return self.places.error(at, "unknown model", value=model, expected=expected, among=names)

    def _plugin_pools(self) -> dict[str, list[Seat]]:
        """Pools that nobody wrote, one of a name made of all providers' parts; a model without a key has no seat."""
        pools: dict[str, list[Seat]] = {}
        for known in self._scope():
            written = known.layers.first(lambda s: s.pools) or {}
            for name, entries in written.items():
                for entry in entries:
                    found = self._by_name.get(f"{known.name}/{entry.model}", ())
                    pools.setdefault(name, []).extend(Seat(d, entry.priority, entry.weight) for d in found)
            for name in RULES.keys() - written.keys():
                pools.setdefault(name, []).extend(Seat(d) for d in known.deployments if _belongs(d, known, name))
        return {name: pools[name] for name in (*RULES, *pools) if pools.get(name)}


def _may_be_pooled(deployment: Deployment, known: Known) -> bool:
    """Whether it chats, and its catalog does not keep it for those who ask for it by name."""
    if NOT_CHAT & (deployment.model.capabilities or frozenset()):
        return False
    return known.layers.marked(deployment.model.name, lambda m: m.pooled) is not False


def _belongs(deployment: Deployment, known: Known, pool: str) -> bool:
    suits = known.layers.marked(deployment.model.name, lambda m: m.suits) or ()
    return _may_be_pooled(deployment, known) and RULES[pool](deployment.model, suits)


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
