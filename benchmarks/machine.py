"""The hypothesis machine over the stores, for longer than a test run has time for.

    python benchmarks/machine.py [examples] [steps] [store ...]        default: 1000 40 memory sqlite redis

Prints a line for each store: examples, steps (operations, each compared with the reference), divergences, seconds.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rotor_core.stores.memory import MemoryStore
from rotor_core.testing import GUARDS, LEASE, StoreSuite
from rotor_core.testing.store_suite import run_machine

SETTINGS: dict[str, Any] = {"guard": GUARDS.delay, "edge": GUARDS.edge, "lease": LEASE}


class Memory(StoreSuite):
    def open_store(self, clock, place, tmp_path):  # noqa: ARG002
        return MemoryStore(clock=clock, **SETTINGS)


class Sqlite(StoreSuite):
    shared = True

    def open_store(self, clock, place, tmp_path):
        from rotor_core.stores.sqlite import SqliteStore

        return SqliteStore(tmp_path / place, clock=clock, **SETTINGS)


class Redis(StoreSuite):
    shared = True
    socket = ""

    def open_store(self, clock, place, tmp_path):  # noqa: ARG002
        from rotor_core.stores.redis import RedisStore

        return RedisStore(f"unix://{self.socket}?db=0&namespace={place}", clock=clock, **SETTINGS)


def serve(stack: ExitStack) -> None:
    """A Redis server of our own, that saves nothing."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("there is no redis-server on the PATH")
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rotor-", dir="/tmp"))
    Redis.socket = f"{folder}/s"
    command = [binary, "--port", "0", "--unixsocket", Redis.socket, "--save", "", "--appendonly", "no", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stack.callback(server.wait)
    stack.callback(server.kill)
    while not Path(Redis.socket).exists():
        time.sleep(0.01)


def main() -> int:
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    examples, steps = (*numbers, *(1000, 40)[len(numbers) :])
    names = [word for word in sys.argv[1:] if not word.isdecimal()] or ["memory", "sqlite", "redis"]
    failed = 0
    with ExitStack() as stack:
        for name in names:
            if name == "redis":
                serve(stack)
            suite = {"memory": Memory, "sqlite": Sqlite, "redis": Redis}[name]()
            begun = time.perf_counter()
            ran = run_machine(suite, examples, steps, shrink=False)
            seconds = time.perf_counter() - begun
            print(
                f"{name}: {ran.examples} examples, {ran.steps} steps, {int(ran.error is not None)} divergences, {seconds:.0f} s"
            )
            if ran.error is not None:
                failed += 1
                traceback.print_exception(ran.error)
    return failed


if __name__ == "__main__":
    sys.exit(main())
