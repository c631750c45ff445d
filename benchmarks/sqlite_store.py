"""What one decision costs in a ledger that lives in a file: microseconds of reserve, dispatch and settle.

    python benchmarks/sqlite_store.py [rounds]

By the number of options, each with four limits; from one process, and from four at once on the same file, as fast as
they can (`pairs/s` is of all together), and from four that make a hundred requests a second each. `cpu`: mean microseconds of this machine's time, which tell what it costs where
others keep the machine busy. `loop`: the longest that one event loop was kept while it made async calls and two other
processes did nothing but write; beside it the same loop with a ledger in memory, which is what the machine did to it.
The file lies in the temporary directory (TMPDIR), so the disk's own pauses are in it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Option, Plan, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import RANKINGS
from rotor_core.stores.memory import MemoryStore
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


def work(path: str, name: str, count: int, rounds: int, pause: float = 0.0) -> tuple[list[float], float]:
    """Seconds of each reserve, dispatch and settle; and of the processor's time for all."""
    store, of, times = SqliteStore(path), plan(count), []
    begun = process_time()
    for i in range(rounds):
        start = perf_counter()
        grant = store.reserve(Ask(f"{name}.{i}", of, DEMAND))
        assert isinstance(grant, Reservation)
        store.sent(grant.id)
        store.settle(grant.id, USED, 0.5)
        times.append(perf_counter() - start)
        if pause:
            sleep(pause)
    store.close()
    return times, process_time() - begun


def together(
    path: str, count: int, rounds: int, processes: int, pause: float = 0.0
) -> tuple[list[float], float, float]:
    """The times of all, the processor's time, and pairs a second."""
    command = [sys.executable, __file__, "--worker", path, str(count), str(rounds)]
    running = [
        subprocess.Popen([*command, f"p{n}", str(pause)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
    cpu = 0.0
    for one in running:
        out, _ = one.communicate()
        mine, spent = json.loads(out)
        times += mine
        cpu += spent
    return times, cpu, len(times) / (perf_counter() - start)


async def loop_kept(store: SqliteStore | MemoryStore, count: int, rounds: int) -> float:
    """Seconds that one step of the event loop took at most."""
    of, longest = plan(count), 0.0

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


def row(times: list[float], cpu: float) -> str:
    times = sorted(times)
    shown = (median(times), times[int(len(times) * 0.99)], times[-1], cpu / len(times))
    return "  ".join(f"{x * 1e6:8,.0f}" for x in shown)


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        path, count, rounds, name, pause = sys.argv[2:7]
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(work(path, name, int(count), int(rounds), float(pause))))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print("options  processes    median       p99       max       cpu   pairs/s   (µs a pair)")
    with tempfile.TemporaryDirectory() as directory:
        for count in SIZES:
            times, cpu = work(f"{directory}/{count}.db", "one", count, rounds)
            print(f"{count:7}  {1:9}  {row(times, cpu)}  {len(times) / sum(times):8,.0f}")
        for count in SIZES:
            times, cpu, pace = together(f"{directory}/{count}-4.db", count, rounds // 2, 4)
            print(f"{count:7}  {4:9}  {row(times, cpu)}  {pace:8,.0f}")
        for count in SIZES:
            times, cpu, pace = together(f"{directory}/{count}-p.db", count, min(rounds, 400), 4, 0.01)
            print(f"{count:7}  {'4 paced':>9}  {row(times, cpu)}  {pace:8,.0f}")
        path = Path(directory, "loop.db")
        command = [sys.executable, __file__, "--worker", str(path), "20", "1000000"]
        others = [
            subprocess.Popen([*command, f"o{n}", "0"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for n in range(2)
        ]
        for one in others:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        sleep(0.5)
        kept = asyncio.run(loop_kept(SqliteStore(path), 20, 100))
        besides = asyncio.run(loop_kept(MemoryStore(), 20, 100))
        for one in others:
            one.kill()
            one.communicate()
        print(f"loop: kept {kept * 1e3:.1f} ms at most (with a ledger in memory {besides * 1e3:.1f} ms)")


if __name__ == "__main__":
    main()
