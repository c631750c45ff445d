"""What one decision costs in a ledger that lives in a file: microseconds of reserve, dispatch and settle.

    python benchmarks/sqlite_store.py [rounds]

By the number of options, each with four limits; from one process, and from four at once on the same file, as fast as
they can (`pairs/s` is of all together). `loop`: the longest that one event loop was kept by its own async calls while
three other processes did nothing but write. The file lies in the temporary directory (TMPDIR), so the disk's own pauses
are in it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from rotor_core._ledger import Ask, Demand, Option, Plan, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import RANKINGS
from rotor_core.stores.sqlite import SqliteStore

DEMAND = Demand(input_tokens=300, output_tokens=200, max_tokens=400)
USED = Used(1, 290, 130)
SIZES = (5, 20, 100)


def option(number: int) -> Option:
    limits = (
        Limit("requests", 30e6, "minute", "bucket"),
        Limit("tokens", 12e9, "minute", "bucket"),
        Limit("requests", 1e9, "day", "calendar"),
        Limit("tokens", 5e11, "day", "calendar"),
    )
    bound = tuple(BoundLimit(f"o{number}/{i}", limit) for i, limit in enumerate(limits))
    scopes = (f"deployment:o{number}", f"quota:o{number}", f"credential:o{number}", "provider:p")
    return Option(f"o{number}", bound, scopes, free=True, subject=f"q{number}|m", model="m")


def plan(count: int) -> Plan:
    return Plan((Tier(tuple(option(n) for n in range(count))),), RANKINGS["free-first"].score)


def work(path: str, name: str, count: int, rounds: int) -> list[float]:
    """Seconds of each reserve, dispatch and settle."""
    store, of, times = SqliteStore(path), plan(count), []
    for i in range(rounds):
        start = perf_counter()
        grant = store.reserve(Ask(f"{name}.{i}", of, DEMAND))
        assert isinstance(grant, Reservation)
        store.sent(grant.id)
        store.settle(grant.id, USED, 0.5)
        times.append(perf_counter() - start)
    store.close()
    return times


def together(path: str, count: int, rounds: int, processes: int) -> tuple[list[float], float]:
    """The times of all, and pairs a second."""
    command = [sys.executable, __file__, "--worker", path, str(count), str(rounds)]
    running = [
        subprocess.Popen([*command, f"p{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()
    start = perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    times: list[float] = []
    for one in running:
        out, _ = one.communicate()
        times += json.loads(out)
    return times, len(times) / (perf_counter() - start)


async def loop_kept(path: str, count: int, rounds: int) -> float:
    """Seconds that one step of the event loop took at most."""
    store, of, longest = SqliteStore(path), plan(count), 0.0

    async def busy() -> None:
        for i in range(rounds):
            grant = await store.areserve(Ask(f"async.{id(asyncio.current_task())}.{i}", of, DEMAND))
            await store.asettle(grant.id, USED, 0.5) if isinstance(grant, Reservation) else None

    async def watch() -> None:
        nonlocal longest
        while True:
            start = perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, perf_counter() - start)

    await store.areserve(Ask("first", of, DEMAND))
    watching = asyncio.create_task(watch())
    await asyncio.gather(*(busy() for _ in range(4)))
    watching.cancel()
    store.close()
    return longest


def row(times: list[float]) -> str:
    times = sorted(times)
    return "  ".join(f"{x * 1e6:8,.0f}" for x in (median(times), times[int(len(times) * 0.99)], times[-1]))


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        path, count, rounds, name = sys.argv[2:6]
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(work(path, name, int(count), int(rounds))))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print("options  processes    median       p99       max   pairs/s   (µs a pair)")
    with tempfile.TemporaryDirectory() as directory:
        for count in SIZES:
            times = work(f"{directory}/{count}.db", "one", count, rounds)
            print(f"{count:7}  {1:9}  {row(times)}  {len(times) / sum(times):8,.0f}")
        for count in SIZES:
            times, pace = together(f"{directory}/{count}-4.db", count, rounds // 2, 4)
            print(f"{count:7}  {4:9}  {row(times)}  {pace:8,.0f}")
        path = Path(directory, "loop.db")
        command = [sys.executable, __file__, "--worker", str(path), "20", "1000000"]
        others = [
            subprocess.Popen([*command, f"o{n}"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for n in range(3)
        ]
        for one in others:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        kept = asyncio.run(loop_kept(str(path), 20, 100))
        for one in others:
            one.kill()
            one.communicate()
        print(f"loop: kept {kept * 1e3:.1f} ms at most")


if __name__ == "__main__":
    main()
