"""Calls through a Router that are cancelled, and streams that are left, at random points: what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

import litellm
from tests.litellm.made import FREE, HELLO, router

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm.trail import asweep, sweep, under_way

LEASE = 601.0
"""Seconds after which a reservation that nobody settled has expired."""
LONGEST = 0.06
"""Seconds after which a call is cut off at the latest."""

SPEC: dict[str, Any] = {
    "providers": {
        name: {
            "dialect": "openai",
            "keys": [f"{name}-secret-key"],
            "models": {"m": {"context": 32000, "latency": [0, latency], "output": [4, 12]}},
        }
        for name, latency in (("quick", 0.002), ("slow", 0.05), ("failing", 0.002), ("hanging", 0.002))
    }
}
LIMITS: dict[str, list[dict[str, Any]]] = {
    "quick": [{"requests": 60000, "per": "minute"}, {"concurrent": 40}],
    "slow": [{"concurrent": 3}],
    "failing": [{"requests": 60000, "per": "minute"}],
    "hanging": [{"concurrent": 60}, {"requests": 60000, "per": "minute"}],
}
GROUPS = {"well": ["quick"], "queue": ["slow"], "failover": ["failing", "quick"], "patience": ["hanging"]}


def made(box: Sandbox, max_wait: str = "5s") -> tuple[Any, rotor_litellm.RotorStrategy]:
    """A router with a group for each kind of trouble, and Rotor in it. The sandbox's faults are set."""
    box.fault(500, provider="failing")
    box.fault("hang", provider="hanging", seconds=0.04)
    entries = [
        {
            "model_name": group,
            "litellm_params": {"model": "openai/m", "api_base": box.url(name), "api_key": box.key(name)},
            "model_info": {
                "id": f"{group}-{name}",
                "rotor": {"price": FREE, "priority": number, "limits": LIMITS[name]},
            },
        }
        for group, names in GROUPS.items()
        for number, name in enumerate(names, 1)
    ]
    r = router(*entries, num_retries=3)
    return r, rotor_litellm.install(r, {"version": 1, "policy": {"max_wait": max_wait}})


async def cancelled(r: Any, calls: int, at_once: int, seed: int) -> Counter[str]:
    """Calls on an event loop, each cut off at an instant of its own, or a stream left after some of its chunks."""
    random, gate, how = Random(seed), asyncio.Semaphore(at_once), Counter[str]()

    async def one(way: str, group: str, chunks: int) -> None:
        if way == "call":
            await r.acompletion(model=group, messages=HELLO, max_tokens=10)
            return
        stream = await r.acompletion(model=group, messages=HELLO, max_tokens=10, stream=True)
        async for _ in stream:
            chunks -= 1
            if not chunks:
                return

    async def cut(way: str, group: str, chunks: int, after: float) -> None:
        async with gate:
            task = asyncio.create_task(one(way, group, chunks))
            if way != "left":
                await asyncio.wait([task], timeout=after)
                task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            how[f"{way}: {type(done).__name__ if done is not None else 'done'}"] += 1

    await asyncio.gather(*(
        cut(random.choice(["call", "stream", "left"]), random.choice([*GROUPS]), random.randrange(1, 6),
            random.random() ** 2 * LONGEST)
        for _ in range(calls)
    ))  # fmt: skip
    return how


def left_blocking(r: Any, calls: int, threads: int, seed: int) -> Counter[str]:
    """Blocking calls that time out at an instant of their own, and streams that are left after some of their chunks."""
    random, how, lock = Random(seed), Counter[str](), threading.Lock()

    def one(way: str, group: str, chunks: int, after: float) -> None:
        done = "done"
        try:
            if way == "timed out":
                r.completion(model=group, messages=HELLO, max_tokens=10, timeout=0.001 + after, num_retries=0)
            else:
                stream = r.completion(model=group, messages=HELLO, max_tokens=10, stream=True)
                for _ in zip(range(chunks), stream, strict=False):
                    pass
        except Exception as error:
            done = type(error).__name__
        with lock:
            how[f"{way}: {done}"] += 1

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(calls):
            way, group = random.choice(["timed out", "left", "left"]), random.choice([*GROUPS])
            pool.submit(one, way, group, random.randrange(1, 6), random.random() ** 2 * LONGEST)
    return how


def left(strategy: rotor_litellm.RotorStrategy) -> dict[str, int]:
    """What is still held; nothing at all is an empty mapping."""
    engine = strategy.rotor._live
    found = {
        "reservations": len(engine.store._book.open),  # type: ignore[attr-defined]
        "in flight": engine.health.in_flight,
        "followed": under_way(),
    }
    return {name: count for name, count in found.items() if count}


async def aleft_soon(strategy: rotor_litellm.RotorStrategy, seconds: float = 5.0) -> dict[str, int]:
    """What is still held when LiteLLM has told of all ends that it tells of, and garbage is gone."""
    end = time.monotonic() + seconds
    while True:
        gc.collect()
        await asweep()
        found = left(strategy)
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(0.01)


def left_soon(strategy: rotor_litellm.RotorStrategy, seconds: float = 5.0) -> dict[str, int]:
    """The same, blocking."""
    end = time.monotonic() + seconds
    while True:
        gc.collect()
        sweep()
        found = left(strategy)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.01)


def expire(strategy: rotor_litellm.RotorStrategy, *, for_good: bool = False) -> dict[str, int]:
    """What is still held when every lease is over: the ledger's clock goes on by that much, and back unless `for_good`."""
    store: Any = strategy.rotor._live.store
    clock = store._clock
    store._clock = store._turn._clock = lambda: clock() + LEASE
    try:
        with suppress(litellm.RateLimitError):
            sweep()
        store.read([])
        return left(strategy)
    finally:
        if not for_good:
            store._clock = store._turn._clock = clock
