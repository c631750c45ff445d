"""A thousand calls cut off at random instants, on an event loop and blocking, streams too: what they leave behind.

usage: cancelling.py [CALLS] [SEED]      prints one JSON line; status 1 if anything was left

`loop`: calls in seven ways to five pools of a sandbox (few slots, a short window, providers that fail, break off and
hang), each cancelled at an instant of its own. `far ledger`: the same with a ledger that has to be awaited. `awaits`:
calls cancelled at each of their awaits in turn. `blocking`: calls and streams that are left early, or whose listener or
thread is interrupted (Ctrl-C) at a random instant. `left`: reservations, slots, waiters, calls in flight by health,
connections that are neither idle nor closed, tasks, exchanges that a provider still works at; `threads` more than before.

`torn`: calls whose Ctrl-C came in the middle of the ledger's own arithmetic or of the HTTP library's. No Python program
can keep an interrupt out of there, and what such a call had is given back by its lease; they are counted, not hidden.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.kernel.cancelling import (
    POOLS,
    House,
    Interrupted,
    Yielding,
    at_random,
    cut_at,
    interrupted_after,
    seats_taken,
    ways,
)

from rotor_core._errors import RotorError
from rotor_core.rotor import Rotor
from rotor_core.stores.memory import MemoryStore


async def by_loop(house: House, store: MemoryStore, calls: int, seed: int) -> dict[str, Any]:
    rotor, began = house.rotor(store), time.perf_counter()
    cut = await at_random(rotor, calls, 60, seed)
    found = {"calls": calls, "cut": cut, "left": await house.aleft(rotor), "s": round(time.perf_counter() - began, 1)}
    await rotor.aclose()
    return found


async def by_await(house: House) -> dict[str, Any]:
    left, cut = [], 0
    for pool in POOLS:
        rotor = house.rotor(Yielding())
        for way in ways(rotor):
            step, ended = 0, False
            while not ended:
                step += 1
                ask = ways(rotor)[way]
                if pool == "queue":
                    with seats_taken(rotor):
                        asking = asyncio.ensure_future(cut_at(ask, pool, step))
                        await asyncio.sleep(0.001)
                    ended = await asking
                else:
                    ended = await cut_at(ask, pool, step)
                cut += not ended
                found = await house.aleft(rotor)
                if found:
                    left.append([pool, way, step, found])
                    await rotor.aclose()
                    rotor = house.rotor(Yielding())
                rotor.reset()
        await rotor.aclose()
    return {"cut": cut, "left": left}


def blocking(house: House, calls: int, seed: int) -> dict[str, Any]:
    rotor, random, how = house.rotor(), Random(seed), Counter[str]()
    left: list[Any] = []
    torn = 0
    for number in range(calls):
        way, pool = random.choice(["closed", "dropped", "listener", "ctrl-c", "ctrl-c stream"]), random.choice(POOLS)
        how[way] += 1
        one(rotor, way, pool, random)
        try:
            found = house.left(rotor)
        except Exception as error:
            found = {"error": repr(error)}
        if found:
            torn += way.startswith("ctrl-c")
            left += [] if way.startswith("ctrl-c") else [[number, way, pool, found]]
            how[f"torn: {', '.join(found)}"] += 1
            rotor.close()
            rotor = house.rotor()
        rotor.reset()
    rotor.close()
    return {"calls": calls, "how": dict(how), "left": left, "torn": torn}


def one(rotor: Rotor, way: str, pool: str, random: Random) -> None:
    try:
        match way:
            case "closed" | "dropped":
                stream = rotor.stream("hi", model=pool)
                for _ in zip(range(random.randrange(12)), stream, strict=False):
                    pass
                if way == "closed":
                    stream.close()
            case "listener":
                rotor.chat("hi", model=pool, listen=Interrupt(random.randrange(1, 5)))
            case "ctrl-c":
                with interrupted_after(random.random() ** 2 * 0.02):
                    rotor.chat("hi", model=pool)
            case _:
                with interrupted_after(random.random() ** 2 * 0.02):
                    for _ in rotor.stream("hi", model=pool):
                        pass
    except (RotorError, KeyboardInterrupt):
        pass


class Interrupt:
    """A listener that is interrupted at its n-th event."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, _: object) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def main() -> int:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    threads, load = threading.active_count(), os.getloadavg()[0]
    with Interrupted() as heard:
        with House() as house:
            found: dict[str, Any] = {
                "loop": asyncio.run(by_loop(house, MemoryStore(), calls, seed)),
                "far ledger": asyncio.run(by_loop(house, Yielding(), calls, seed)),
                "awaits": asyncio.run(by_await(house)),
                "blocking": blocking(house, calls, seed),
            }
        found["threads"] = threading.active_count() - threads
    found["unheard"] = dict(Counter(what.partition(":")[0] for what in heard))
    found["load"] = round(load, 2)
    print(json.dumps(found))
    return int(any(part["left"] for part in found.values() if isinstance(part, dict) and "left" in part))


if __name__ == "__main__":
    sys.exit(main())
