"""What a fork does to ledgers in memory: every turn ends first, and the child starts with nothing in flight."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def hold(self) -> None:
        """Wait for the turn under way, and let no other begin."""
        ...

    def go_on(self) -> None:
        """In the parent: as before."""
        ...

    def start_over(self) -> None:
        """In the child: a new lock, and nothing in flight."""
        ...


LOCK = threading.Lock()
"""Guards what is shared by name in a process; held across a fork like the ledgers' own locks."""

_ledgers: WeakSet[Forkable] = WeakSet()
_held: list[Forkable] = []


def outlive_forks(ledger: Forkable) -> None:
    _ledgers.add(ledger)


def _before() -> None:
    LOCK.acquire()
    _held.extend(_ledgers)
    for ledger in _held:
        ledger.hold()


def _in_parent() -> None:
    for ledger in _held:
        ledger.go_on()
    _held.clear()
    LOCK.release()


def _in_child() -> None:
    for ledger in _held:
        ledger.start_over()
    _held.clear()
    LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
