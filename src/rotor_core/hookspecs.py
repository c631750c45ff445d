"""The hooks that a plugin may implement. Each returns data, at once, without IO; what Rotor ships comes through them too.

A plugin is a module (or object) registered under the entry-point group `rotor`:

    from rotor_core import ProviderSpec, hookimpl

    @hookimpl
    def rotor_providers():
        return [ProviderSpec("acme", adapter="acme_rotor.adapter:Acme", base_url="https://api.acme.test/v1", env=("ACME_API_KEY",))]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from rotor_core._policy.classify import Rule as ErrorRule
    from rotor_core._policy.rank import Ranking
    from rotor_core.adapters.base import Adapter
    from rotor_core.stores.base import Store

hookspec: Final = pluggy.HookspecMarker("rotor")
hookimpl: Final = pluggy.HookimplMarker("rotor")


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider as a plugin describes it.

    `adapter`: a factory, or `module:attribute` naming one, imported when first needed. `env`: the names under which its
    key may stand in the environment (numbered ones follow from them). `base_url` None: the user has to give one.
    `catalog`: models, plans and limits in the shape of one provider's section in `rotor.yaml`. `errors`: its dialect, what
    its errors say differently from everybody else's; these rules come before the general ones of `classify_failure`.
    """

    name: str
    adapter: str | Callable[[], Adapter]
    base_url: str | None = None
    env: tuple[str, ...] = ()
    catalog: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    errors: tuple[ErrorRule, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """A store by its URL's scheme. `factory` takes the URL; `module:attribute` is imported when first needed."""

    scheme: str
    factory: str | Callable[[str], Store]


@hookspec
def rotor_providers() -> Iterable[ProviderSpec]:
    """Providers that this plugin can speak to. Since 0.1."""
    raise AssertionError("a specification is not called")


@hookspec
def rotor_stores() -> Iterable[StoreSpec]:
    """Places where a ledger can live. Since 0.1."""
    raise AssertionError("a specification is not called")


@hookspec
def rotor_rankings() -> Iterable[Ranking]:
    """Orders over candidates, to be named by `policy.ranking`. Since 0.1."""
    raise AssertionError("a specification is not called")
