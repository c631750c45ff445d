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
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from rotor_core._model import Rule
    from rotor_core._policy.error_rules import ErrorRule
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
    `catalog`: models, plans and limits in the shape of one provider's section in `rotor.yaml`, with the sources of their
    figures (`docs/catalog.md`): a mapping, or the TOML file that has it, which is read when it is first needed. `errors`: its dialect, what
    its errors say differently from everybody else's; these rules come before the general ones of `classify_failure`.
    """

    name: str
    adapter: str | Callable[[], Adapter]
    base_url: str | None = None
    env: tuple[str, ...] = ()
    catalog: Mapping[str, Any] | Path | Traversable = field(default_factory=lambda: MappingProxyType({}))
    errors: tuple[ErrorRule, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """A store by its URL's scheme. `factory` takes the URL; `module:attribute` is imported when first needed."""

    scheme: str
    factory: str | Callable[[str], Store]


@hookspec
def rotor_providers() -> Iterable[ProviderSpec]:
    """Providers that this plugin can speak to. Since 0.1.

    A name that two plugins offer belongs to the plugin that is called so, else to the first; the other is told.

        @hookimpl
        def rotor_providers():
            return [ProviderSpec("acme", adapter="rotor_acme.adapter:Acme", env=("ACME_API_KEY",))]
    """
    raise AssertionError("a specification is not called")


@hookspec
def rotor_stores() -> Iterable[StoreSpec]:
    """Places where a ledger can live, by the scheme of their URLs. Since 0.1.

    @hookimpl
    def rotor_stores():
        return [StoreSpec("acme", factory="rotor_acme.store:AcmeStore.named")]
    """
    raise AssertionError("a specification is not called")


@hookspec
def rotor_rankings() -> Iterable[Ranking]:
    """Orders over candidates, to be named by `policy.ranking`. Since 0.1.

    A score is given a `Standing`. One whose `on_trial` is true has never answered and is being asked now: Rotor's own
    rankings let it stand behind the others of its tier. Who is alone in a tier is first whatever its score, and is not
    scored again and again.

    @hookimpl
    def rotor_rankings():
        return [Ranking("widest", "the largest context first", lambda d: -(d.model.context or 0), lambda standing: 0.0)]
    """
    raise AssertionError("a specification is not called")


@hookspec
def rotor_rules() -> Iterable[Rule]:
    """Rules such as stand under `rules` in `rotor.yaml`: when all conditions hold, the effects act. Since 0.1.

    They come after the user's own: where one of the user's requires a context or prefers a category, these do not.
    `policy.plugin_rules: ignored` leaves them out.

        @hookimpl
        def rotor_rules():
            return [Rule(task="code", complexity_over=0.6, prefer_category="reasoning")]
    """
    raise AssertionError("a specification is not called")
