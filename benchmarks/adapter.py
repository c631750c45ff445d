"""CPU time of one call: bare httpx, and the adapter over each of its transports, against a small server on loopback.

usage: adapter.py [ROUNDS]      prints milliseconds of CPU a call (median of the rounds) and their ratio to bare httpx
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._request import Request
from rotor_core.adapters.openai_compatible import OpenAICompatible

CALLS = 200
BODY = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine, thank you."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}  # fmt: skip
HEADERS = {
    "content-type": "application/json", "date": "Wed, 21 Oct 2026 07:28:00 GMT", "x-request-id": "req_1",
    **{f"x-ratelimit-{what}-{unit}": "1000" for what in ("limit", "remaining") for unit in ("requests", "tokens")},
    **{f"x-ratelimit-reset-{unit}": "6ms" for unit in ("requests", "tokens")},
}  # fmt: skip


async def serve() -> None:
    body = json.dumps(BODY).encode()
    head = "".join(f"{k}: {v}\r\n" for k, v in {**HEADERS, "content-length": str(len(body))}.items())
    answer = f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(rounds: int, base_url: str) -> dict[str, float]:
    where = Deployment(
        "p/m@k", Provider("p", "openai-compatible", base_url), Model("m"), Credential("k", Secret("k"), "f", "q")
    )
    messages = [{"role": "user", "content": "hello there, how are you"}]
    request = Request(messages, params={"max_tokens": 5})
    client = httpx.AsyncClient()
    by_httpx, by_aiohttp = OpenAICompatible("httpx"), OpenAICompatible("aiohttp")

    async def bare() -> object:
        sent = {"model": "m", "messages": messages, "max_tokens": 5}
        answer = await client.post(f"{base_url}/chat/completions", headers={"authorization": "Bearer k"}, json=sent)
        return answer.json()

    async def blocking() -> object:
        return by_httpx.call(where, request, timeout=60)

    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "bare httpx": bare,
        "adapter, httpx": lambda: by_httpx.acall(where, request, timeout=60),
        "adapter, aiohttp": lambda: by_aiohttp.acall(where, request, timeout=60),
        "adapter, blocking": blocking,
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        for _ in range(30):
            await call()
    for _ in range(rounds):
        for name, call in ways.items():
            start = time.process_time()
            for _ in range(CALLS):
                await call()
            spent[name].append((time.process_time() - start) * 1000 / CALLS)
    await client.aclose()
    await by_httpx.aclose()
    await by_aiohttp.aclose()
    return {name: statistics.median(figures) for name, figures in spent.items()}


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = asyncio.run(measure(rounds, f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"))
        finally:
            server.terminate()
    for name, cpu in found.items():
        print(f"{name:20} {cpu:.3f} ms CPU a call   {cpu / found['bare httpx']:.2f} of bare httpx")


if __name__ == "__main__":
    main()
