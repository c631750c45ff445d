"""What the ledger in Redis costs: microseconds of a reserve and its settle, by options, and pairs a second from 8 processes.

    python benchmarks/redis_store.py [rounds] [seconds]

Starts a `redis-server` of its own on a unix socket. Each option has four limits. `open`: the first has room. `last`: all but
the last are full, and a constant score keeps the full ones first. `headroom`: the same, ordered by what is left, as most
rankings do. `server`: microseconds of a script on the server, from its own statistics.
"""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from time import perf_counter

import redis

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Option, Plan, Refusal, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import RANKINGS
from rotor_core.stores.redis import RedisStore

DEMAND = Demand(input_tokens=300, output_tokens=200, max_tokens=400)
USED = Used(1, 290, 130)


def option(number: int, scale: float = 1e6) -> Option:
    limits = (
        Limit("requests", 30 * scale, "minute"),
        Limit("tokens", 12_000 * scale, "minute", "rolling" if number % 2 else "bucket"),
        Limit("requests", 1_000 * scale, "day", "calendar"),
        Limit("tokens", 500_000 * scale, "day", "calendar"),
    )
    bound = tuple(BoundLimit(f"o{number}/{i}", limit) for i, limit in enumerate(limits))
    return Option(f"o{number}", bound, (f"deployment:o{number}", "provider:p"), free=True)


def alike(_: object) -> float:
    return 0.0


def measure(url: str, client: redis.Redis, count: int, rounds: int, kind: str) -> tuple[float, float, float]:
    """Median and 99th percentile of a pair, and the server's mean of a pair, in microseconds."""
    store = RedisStore(f"{url}&namespace={kind}-{count}")
    score = RANKINGS["free-first"].score if kind == "headroom" else alike
    options = [option(n, scale=1e-1 if kind != "open" and n < count - 1 else 1e6) for n in range(count)]
    if kind != "open":
        for full in options[:-1]:
            one, number = Plan((Tier((full,)),), score), 0
            while not isinstance(store.reserve(Ask(f"fill {full.id} {number}", one, DEMAND, max_wait=0.0)), Refusal):
                number += 1
    plan = Plan((Tier(tuple(options)),), score)
    for i in range(50):
        store.settle(store.reserve(Ask(f"w{i}", plan, DEMAND, max_wait=0.0)).id, USED, 0.5)
    client.config_resetstat()
    times: list[float] = []
    for i in range(rounds):
        start = perf_counter()
        store.settle(store.reserve(Ask(f"r{i}", plan, DEMAND, max_wait=0.0)).id, USED, 0.5)
        times.append(perf_counter() - start)
    stats = client.info("commandstats")["cmdstat_evalsha"]
    assert stats["calls"] == 2 * rounds, "one round trip to reserve, one to settle"
    store.close()
    times.sort()
    return median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6, stats["usec"] / rounds


def work(url: str, number: int, seconds: float, done: multiprocessing.Queue[int]) -> None:
    store = RedisStore(f"{url}&namespace=many")
    plan = Plan((Tier(tuple(option(n) for n in range(20))),), RANKINGS["free-first"].score)
    end, pairs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        store.settle(store.reserve(Ask(f"{number}-{pairs}", plan, DEMAND)).id, USED, 0.5)
        pairs += 1
    store.close()
    done.put(pairs)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    folder = Path(tempfile.mkdtemp(prefix="rotor-"))
    socket = folder / "r.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client, url = redis.Redis(unix_socket_path=str(socket)), f"unix://{socket}?db=0"
    try:
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        print(f"{'options':>7} {'':<9} {'pair µs':>8} {'p99':>7} {'server µs a pair':>17}")
        for count in (5, 20, 100):
            for kind in ("open", "last", "headroom"):
                pair, high, on_server = measure(url, client, count, rounds, kind)
                print(f"{count:>7} {kind:<9} {pair:8.0f} {high:7.0f} {on_server:17.0f}")
        done: multiprocessing.Queue[int] = multiprocessing.Queue()
        crowd = [multiprocessing.Process(target=work, args=(url, n, seconds, done)) for n in range(8)]
        for one in crowd:
            one.start()
        pairs = sum(done.get() for _ in crowd)
        for one in crowd:
            one.join()
        print(f"8 processes, 20 options: {pairs / seconds:,.0f} pairs a second")
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
