"""Limits as the ledger keeps them: one meter per key, whichever options and plans draw on it, and rests by scope.

Meters and rests are what can hold an option back. Options that are held back sleep in groups (`_index`), and whatever
holds a group back knows it, to have it looked at again when it eases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from rotor_core._ledger import LimitRecord
from rotor_core._model import Limit
from rotor_core._state.concurrency import Slots
from rotor_core._state.rolling import Rolling
from rotor_core._state.window import Guards, Window, window_for

if TYPE_CHECKING:
    from rotor_core.stores._index import Group


class Holder(ABC):
    """What can hold options back. `groups`: those asleep because of it, in whatever plan; weak, for plans come and go.

    `changes` counts what was taken and given back, so that whoever has computed something from it can tell.
    """

    __slots__ = ("changes", "groups")

    def __init__(self) -> None:
        self.changes: int = 0
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


ARRIVAL: Final = 0.2
"""Seconds from a charge within which a call has arrived, the guard for which charges count longer here included."""


class Meter(Holder):
    """A limit with a period, and its window. `record` says where the limit comes from; `key` and `limit` are its own.

    `flying`: amounts of calls that were sent and are not settled. `coming`: of grants that are not due yet. `corrected`:
    the sum of what a provider's own figures added to or took from our count. `watched`: a provider tells such figures.
    """

    __slots__ = ("coming", "corrected", "flying", "key", "limit", "record", "watched", "window")

    def __init__(self, record: LimitRecord, guards: Guards, now: float) -> None:
        super().__init__()
        self.record, self.key, self.limit = record, record.key, record.limit
        self.window: Window = window_for(record.limit, guards, now)
        self.flying = self.coming = self.corrected = 0.0
        self.watched = record.limit.unit != "usd"

    def opens_at(self, now: float, amount: float) -> float:
        return self.window.earliest(now, now, amount)

    def taken(self, now: float) -> tuple[float, float]:
        """What a provider counts when a call of `now` arrives there, at least and at most.

        What is about to end may have ended by then. Of a calendar, grants to come may be for this period or a later one.
        """
        used, least = self.window.used(now), self.window.lasting(now, now + ARRIVAL) - self.coming
        return max(0.0, least), used if self.limit.window == "calendar" else max(0.0, used - self.coming)

    def change_to(self, record: LimitRecord, guards: Guards, now: float) -> None:
        """Count by another limit from now on; what is taken stays taken."""
        old, limit = self.limit, record.limit
        self.record, self.key, self.limit = record, record.key, limit
        if isinstance(self.window, Rolling) and limit.window == "rolling":
            self.window.stretch(limit.seconds)
            self.window.resize(now, limit.value)
        elif (old.window, old.seconds, old.per, old.tz) != (limit.window, limit.seconds, limit.per, limit.tz):
            taken = self.window.used(now)
            self.window = window_for(limit, guards, now)
            self.window.charge(now, now, taken)
        elif old.value != limit.value:
            self.window.resize(now, limit.value)
        self.changes += 1
        self.eased()

    def restart(self, guards: Guards, now: float) -> None:
        """Forget what was counted."""
        self.window = window_for(self.limit, guards, now)
        self.changes += 1


class Gate(Holder):
    """A limit on calls at a time, and its slots."""

    __slots__ = ("key", "limit", "slots")

    def __init__(self, key: str, limit: Limit) -> None:
        super().__init__()
        self.key, self.limit = key, limit
        self.slots = Slots(limit.value)

    def opens_at(self, now: float, amount: float) -> float:
        return now if self.slots.fits(amount) else inf

    def change_to(self, limit: Limit) -> None:
        self.limit, self.slots.value = limit, limit.value
        self.changes += 1
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
    """What is known of an option from its past: grants so far, those that are open, smoothed seconds a call."""

    __slots__ = ("latency", "opened", "served")

    SMOOTHING = 0.3

    def __init__(self) -> None:
        self.served = self.opened = 0
        self.latency: float | None = None

    @property
    def on_trial(self) -> bool:
        return self.latency is None and self.opened > 0

    def took(self, seconds: float) -> None:
        self.latency = seconds if self.latency is None else self.latency + self.SMOOTHING * (seconds - self.latency)


def at_a_time(limit: Limit) -> bool:
    """Whether a limit counts calls at a time, and so has no window."""
    return limit.window == "concurrency" or limit.unit == "concurrent"
