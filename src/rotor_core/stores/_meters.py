"""Limits as the ledger keeps them: one meter per key, whichever options and plans draw on it, and rests by scope.

Meters and rests are what can hold an option back. Options that are held back sleep in groups (`_index`), and whatever
holds a group back knows it, to have it looked at again when it eases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet

from rotor_core._ledger import Option
from rotor_core._model import BoundLimit, Limit
from rotor_core._state.concurrency import Slots
from rotor_core._state.window import Guards, Window, window_for

if TYPE_CHECKING:
    from rotor_core.stores._index import Group


class Holder(ABC):
    """What can hold options back. `groups`: those asleep because of it, in whatever plan; weak, for plans come and go.

    `changes` counts what was taken and given back, so that whoever has computed something from it can tell.
    """

    __slots__ = ("changes", "groups")

    def __init__(self) -> None:
        self.changes = 0
        self.groups: WeakSet[Group] | None = None

    @abstractmethod
    def opens_at(self, now: float, amount: float) -> float:
        """When it would let `amount` through."""

    def holds(self, group: Group) -> None:
        if self.groups is None:
            self.groups = WeakSet()
        self.groups.add(group)

    def eased(self) -> None:
        """Something came back: those asleep because of it may have a chance earlier than they thought."""
        if self.groups:
            for group in self.groups:
                group.ease()


class Meter(Holder):
    """A limit with a period, and its window."""

    __slots__ = ("key", "limit", "window")

    def __init__(self, bound: BoundLimit, guards: Guards, now: float) -> None:
        super().__init__()
        self.key, self.limit = bound.key, bound.limit
        self.window: Window = window_for(bound.limit, guards, now)

    def opens_at(self, now: float, amount: float) -> float:
        return self.window.earliest(now, now, amount)

    def change_to(self, limit: Limit, guards: Guards, now: float) -> None:
        """Count by another limit from now on; what is taken stays taken."""
        old, self.limit = self.limit, limit
        if (old.window, old.seconds, old.per, old.tz) == (limit.window, limit.seconds, limit.per, limit.tz):
            self.window.resize(now, limit.value)
        else:
            taken = self.window.used(now)
            self.window = window_for(limit, guards, now)
            self.window.charge(now, now, taken)
        self.eased()


class Gate(Holder):
    """A limit on calls at a time, and its slots."""

    __slots__ = ("key", "limit", "slots")

    def __init__(self, bound: BoundLimit) -> None:
        super().__init__()
        self.key, self.limit = bound.key, bound.limit
        self.slots = Slots(bound.limit.value)

    def opens_at(self, now: float, amount: float) -> float:
        return now if self.slots.fits(amount) else inf

    def change_to(self, limit: Limit) -> None:
        self.limit, self.slots.value = limit, limit.value
        self.eased()


class Rest(Holder):
    """A scope that is out until an instant. `told`: a grant from after it has said so already."""

    __slots__ = ("reason", "scope", "told", "until")

    def __init__(self, scope: str, until: float, reason: str) -> None:
        super().__init__()
        self.scope, self.until, self.reason, self.told = scope, until, reason, False

    def opens_at(self, now: float, amount: float) -> float:  # noqa: ARG002  however little is asked for
        return max(now, self.until)


class Stats:
    """What is known of an option from its past: grants so far, smoothed seconds a call."""

    __slots__ = ("latency", "served")

    SMOOTHING = 0.3

    def __init__(self) -> None:
        self.served = 0
        self.latency: float | None = None

    def took(self, seconds: float) -> None:
        self.latency = seconds if self.latency is None else self.latency + self.SMOOTHING * (seconds - self.latency)


class Meters:
    """All of a ledger's meters, gates, rests and statistics, by key."""

    __slots__ = ("gates", "guards", "meters", "rests", "stats")

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self.meters: dict[str, Meter] = {}
        self.gates: dict[str, Gate] = {}
        self.rests: dict[str, Rest] = {}
        self.stats: dict[str, Stats] = {}

    def of(self, option: Option, now: float) -> tuple[tuple[Meter, ...], tuple[Gate, ...]]:
        """An option's meters and gates, made when first seen. A limit that differs from the one known replaces it."""
        timed = tuple(self._meter(bound, now) for bound in option.limits if not _at_a_time(bound.limit))
        gates = tuple(self._gate(bound) for bound in option.limits if _at_a_time(bound.limit))
        return timed, gates

    def stats_of(self, option_id: str) -> Stats:
        found = self.stats.get(option_id)
        if found is None:
            found = self.stats[option_id] = Stats()
        return found

    def rest(self, scope: str, until: float, reason: str) -> None:
        """The longest rest wins."""
        known = self.rests.get(scope)
        if known is None:
            self.rests[scope] = Rest(scope, until, reason)
        elif until > known.until:
            known.until, known.reason, known.told = until, reason, False

    def wake(self, option: Option, now: float, at: float) -> str | None:
        """Why the option had rested, for the first grant (at `at`) since; None when it had not, or that was told."""
        reason: str | None = None
        for scope in option.scopes:
            rest = self.rests.get(scope)
            if rest is not None and rest.until <= at:
                if not rest.told:
                    reason, rest.told = reason or rest.reason, True
                if rest.until <= now:
                    del self.rests[scope]
        return reason

    def _meter(self, bound: BoundLimit, now: float) -> Meter:
        meter = self.meters.get(bound.key)
        if meter is None:
            meter = self.meters[bound.key] = Meter(bound, self.guards, now)
        elif meter.limit != bound.limit:
            meter.change_to(bound.limit, self.guards, now)
        return meter

    def _gate(self, bound: BoundLimit) -> Gate:
        gate = self.gates.get(bound.key)
        if gate is None:
            gate = self.gates[bound.key] = Gate(bound)
        elif gate.limit != bound.limit:
            gate.change_to(bound.limit)
        return gate


def _at_a_time(limit: Limit) -> bool:
    return limit.window == "concurrency" or limit.unit == "concurrent"
