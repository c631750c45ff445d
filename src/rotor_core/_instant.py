"""What is answered at once, by both drivers the same way: questions of the time, of chance and of health, and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from rotor_core import _commands as c
from rotor_core._health import NO_BAR, Bar, Guards, Turn
from rotor_core._ports import Ports


def _barred(command: c.Barred, ports: Ports) -> tuple[float, Bar]:
    at = ports.store.now()
    return at, ports.health.barred(command.plan, at, strictly=command.strictly)


def _begin(command: c.Begin, ports: Ports) -> tuple[float, Guards | None]:
    at, latest = ports.store.now(), command.latest
    if latest is not None and at > latest:
        return at, None
    return at, ports.health.begin(command.reservation, at, forced=command.forced, streamed=command.streamed)


def _fell(command: c.Fell, ports: Ports) -> Sequence[Turn]:
    ports.emit(command.event)
    return ports.health.finish(command.reservation_id, command.ending, command.event.at)


def _may_retry(command: c.MayRetry, ports: Ports) -> c.Retrial | None:
    at, health = ports.store.now(), ports.health
    if not health.may_retry(at):
        return None
    if command.plan is None:
        return c.Retrial(0.0, NO_BAR)
    unwell = health.barred(command.plan, at, strictly=True)
    return c.Retrial(ports.random.random(), unwell, (at, health.barred(command.plan, at)))


INSTANT: Final[Mapping[type, Callable[[Any, Ports], Any]]] = MappingProxyType(
    {
        c.Now: lambda _, ports: ports.store.now(),
        c.Draw: lambda _, ports: ports.random.random(),
        c.Barred: _barred,
        c.Begin: _begin,
        c.Flowing: lambda command, ports: ports.health.flowing(command.reservation_id),
        c.Finish: lambda command, ports: ports.health.finish(command.reservation_id, command.ending, command.at),
        c.Fell: _fell,
        c.MayRetry: _may_retry,
        c.Glance: lambda command, ports: ports.store.glance(command.options),
        c.Emit: lambda command, ports: ports.emit(command.event),
    }
)
