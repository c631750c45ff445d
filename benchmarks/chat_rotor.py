"""CPU time of one LangChain call through ChatRotor, beside a bare httpx exchange and ChatOpenAI, in one run.

usage: chat_rotor.py [ROUNDS] [DEPLOYMENTS ...]      prints milliseconds of CPU a call (median) and ratios to bare httpx
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from langchain_openai import ChatOpenAI

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

CALLS = 100
TEXT = "hello there, how are you"
Ask = Callable[[], Awaitable[Any]]


def spec(deployments: int) -> dict[str, Any]:
    """One provider with so many keys, each with limits that nobody reaches."""
    limits = [{"requests": 6_000_000, "per": "minute"}, {"tokens": 6_000_000_000, "per": "minute"}]
    model = {"context": 131072, "price": {"input": 0, "output": 0}, "limits": limits}
    return {
        "providers": {"lab": {"output": 5, "keys": [f"lab-{n}" for n in range(deployments)], "models": {"m": model}}}
    }


async def measure(box: Sandbox, rounds: int) -> dict[str, float]:
    client = httpx.AsyncClient()
    url, headers = f"{box.url('lab')}/chat/completions", {"authorization": f"Bearer {box.key('lab')}"}
    body = {"model": "m", "messages": [{"role": "user", "content": TEXT}], "max_tokens": 5}
    openai = ChatOpenAI(model="m", base_url=box.url("lab"), api_key=box.key("lab"), max_retries=0)
    rotor = ChatRotor(config=box.config())

    async def bare() -> str:
        response = await client.post(url, headers=headers, json=body)
        return str(response.json()["choices"][0]["message"]["content"])

    ways: dict[str, Ask] = {
        "bare httpx": bare,
        "ChatOpenAI": lambda: openai.ainvoke(TEXT, max_tokens=5),
        "ChatRotor": lambda: rotor.ainvoke(TEXT, max_tokens=5),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for ask in ways.values():
        for _ in range(30):
            await ask()
    for _ in range(rounds):
        for name, ask in ways.items():
            began = time.process_time()
            for _ in range(CALLS):
                await ask()
            spent[name].append((time.process_time() - began) / CALLS * 1000)
    await client.aclose()
    return {name: statistics.median(times) for name, times in spent.items()}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    sizes = [int(n) for n in sys.argv[2:]] or [5, 100, 1000]
    print(f"{'deployments':>11}  " + "  ".join(f"{name:>16}" for name in ("bare httpx", "ChatOpenAI", "ChatRotor")))
    for size in sizes:
        with Sandbox(spec(size), process=True) as box:
            times = asyncio.run(measure(box, rounds))
        ratios = [f"{t:.2f} ms {t / times['bare httpx']:>5.2f} x" for t in times.values()]
        print(f"{size:>11}  " + "  ".join(f"{r:>16}" for r in ratios))


if __name__ == "__main__":
    main()
