"""`module:attribute`, imported when it is needed; and what stands in for an adapter that cannot be had.

A provider whose adapter is broken must not take down a request that another one could answer: its calls fail as calls
of a provider do, and the others are asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, NoReturn

from rotor_core._errors import ConfigError, ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk, Failure
from rotor_core._request import Request
from rotor_core.adapters.base import Adapter
from rotor_core.hookspecs import ProviderSpec
from rotor_core.plugins.values import Finding, Plugins

METHODS: Final = ("call", "acall", "stream", "astream", "close", "aclose")
"""What an adapter has."""


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """`module:attribute` imported, or the callable itself. Raises whatever the import raises."""
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    found: Callable[..., Any] = attrgetter(attribute)(import_module(module))
    return found


def adapter_of(spec: ProviderSpec) -> Adapter:
    """The adapter of a provider; where it cannot be had, one whose every call says so. Raises ConfigError if it does so itself."""
    try:
        return made(spec)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a stranger's import or constructor raises
        return Unusable(problem(spec, error))


def made(spec: ProviderSpec) -> Adapter:
    """The adapter of a provider, looked at. Raises TypeError for what is none, and whatever the plugin raises."""
    adapter = resolve(spec.adapter)()
    missing = [name for name in METHODS if not callable(getattr(adapter, name, None))]
    if missing:
        raise TypeError(f"a {type(adapter).__name__} is no adapter: it has no {', '.join(missing)}")
    ready: Adapter = adapter
    return ready


def problem(spec: ProviderSpec, error: Exception) -> str:
    """Why an adapter cannot be had, in one line."""
    which = (
        repr(spec.adapter) if isinstance(spec.adapter, str) else getattr(spec.adapter, "__qualname__", "its factory")
    )
    said = " ".join(str(error).split())
    return f"the adapter {which} of provider {spec.name!r} cannot be used: {type(error).__name__}: {said}"


def unreachable(plugins: Plugins) -> tuple[Finding, ...]:
    """Adapters and stores that could not be had if they were needed, found by having them: it imports each."""
    findings: list[Finding] = []
    for plugin in plugins.loaded:
        for name in plugin.providers:
            spec = plugins.providers[name]
            try:
                made(spec).close()
            except Exception as error:  # noqa: BLE001  whatever a stranger's import, constructor or `close` raises
                findings.append(Finding(plugin.name, problem(spec, error)))
        for name in plugin.stores if plugin.origin != "shipped" else ():  # ours name the extra that they need
            try:
                resolve(plugins.stores[name].factory)
            except Exception as error:  # noqa: BLE001  likewise
                said = f"{type(error).__name__}: {' '.join(str(error).split())}"
                findings.append(Finding(plugin.name, f"the factory of store {name!r} cannot be had: {said}"))
    return tuple(findings)


class Unusable:
    """In the place of an adapter that could not be had. Nothing is sent; each call is refused with the reason."""

    def __init__(self, why: str) -> None:
        self._why = why

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:  # noqa: ARG002  the contract's
        self._refuse(deployment)

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:  # noqa: ARG002  likewise
        self._refuse(deployment)

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:  # noqa: ARG002  likewise
        self._refuse(deployment)

    async def astream(
        self,
        deployment: Deployment,
        request: Request,
        *,
        timeouts: Timeouts,
    ) -> AsyncIterator[Chunk]:
        for chunk in self.stream(deployment, request, timeouts=timeouts):
            yield chunk  # there is none: it makes this a generator, as the contract wants

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def _refuse(self, deployment: Deployment) -> NoReturn:
        text = f"was not asked: {self._why} (`rotor check` lists what is wrong with plugins)"
        error = ProviderError(f"{deployment.id} {text}", Failure("unknown", message=text))
        error.deployment, error.request_sent = deployment.id, False
        raise error
