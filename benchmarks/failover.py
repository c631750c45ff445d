"""What a failover costs beyond the failed exchange: Rotor, ChatOpenAI's `with_fallbacks` and LiteLLM's router, in one run.

usage: failover.py [ROUNDS]      prints one JSON line; figures are medians in microseconds

Two providers on loopback answer at once. The first one answers 500, with an error of OpenAI's shape, to a request that
says "fail", and 200 to any other, so a router is the same one with and without failover, in the same state. Then

    cost = (the request that fails over) - (the same request served by the first) - (a bare exchange that ends in 500)

`new words`: the same where the error's text is another one each time, as of providers that write a request's number into
it. What such an answer means has to be read anew; what a text means that was read before is remembered.

The bare exchange is a request's bytes by the library that carries that router's requests (aiohttp or httpx), with the
answer's bytes read and nothing done with them: whatever a router does about the error, to classify it, to choose anew
and to note it, is in its cost. So is what it costs to open a second call. Rotor's asynchronous calls are shown over both
libraries, each beside its own bare exchange: httpx is what an installation has, aiohttp what an extra adds to it. An
exchange by aiohttp takes a third of the time, so the whole failover (`added`) does too, though what is beyond it weighs more.
Both are taken as they come. Rotor uses them more sparingly than that, and what it saves on the failed exchange is off its
cost. Most of it is the task that aiohttp makes for a body on Python 3.11: `aiohttp, at once` is the bare exchange without it.

Requests that fail and requests that do not alternate, so the failing provider is first in line every time and nothing
has to be reset: one failure between two answers is chance, for which no breaker opens. LiteLLM's cooldowns and retries
are off and it goes to another group by `fallbacks`, which is its shortest way: a retry within a group may ask the
failing one again. ChatOpenAI's own retries are off. Servers count by key: a run in which any request that was to fail
over did not take exactly one failed and one good exchange is an error.

Ways take turns within each round, in an order drawn anew; a turn is one pair of requests that is not counted, after
which caches are warm as in a program that has one router, and two pairs that are. No sample is dropped. The providers
have one processor and their callers another. What was allocated before the run is frozen for the garbage collector, as
LiteLLM's hundred thousands of objects are nobody else's to pay for.
`added` is the whole difference that a failover makes, the failed exchange included; `cpu` is `cost` in CPU time of this
process, which other load on the machine changes less. `kernel`: the same without HTTP, by
adapters that raise and return what was made before.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random, getrandbits
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

BOUND = 200
WARM_UP = 30
PAIRS = 2
FINE, FAILING = "hello there, please work", "hello there, please fail"
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine, thank you."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}  # fmt: skip
ERROR = {"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}


# --- the providers


class Talk(asyncio.Protocol):
    """One connection of a provider; `fails`: whether this is the provider that may."""

    def __init__(self, counts: Counter[str], *, fails: bool) -> None:
        self.counts, self.fails, self.received = counts, fails, b""
        self.anew = worded_anew()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        if lower.startswith(b"get "):
            self.transport.write(response("200 OK", self.counts))
            self.received = b""
            return
        if len(body) < int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self.received = b""
        key = head[lower.index(b"bearer ") + 7 :].partition(b"\r\n")[0].decode()
        bad = self.fails and FAILING.encode() in body
        self.counts[f"{key} {500 if bad else 200}"] += 1
        anew = ANEW in body
        self.transport.write(GOOD if not bad else self.anew if anew else BAD)
        if anew:
            self.anew = worded_anew()  # once the answer is away: it is not the asker's to wait for


def response(status: str, body: Any) -> bytes:
    data = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


GOOD, BAD = response("200 OK", ANSWER), response("500 Internal Server Error", ERROR)
ANEW, NUMBER = b"with new words", b"number-of-24-characters."
NUMBERED = {"error": ERROR["error"] | {"message": f"The server had an error. (request req_{NUMBER.decode()})"}}
BAD_ANEW = response("500 Internal Server Error", NUMBERED)


def worded_anew() -> bytes:
    """The error with a number that none had before."""
    return BAD_ANEW.replace(NUMBER, b"%024x" % getrandbits(96))


def stay_on(number: int) -> None:
    """Keep to one processor, by its place among those there are: the providers and their callers never on the same one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})


async def serve() -> None:
    stay_on(-1)
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda fails=fails: Talk(counts, fails=fails), "127.0.0.1", 0)
        for fails in (True, False)
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


# --- the ways to ask


@dataclass
class Way:
    """`ask`: one request by its text. `bare`: the way whose failing exchange is taken off.

    `key`: what the servers know it by, where they see it; `single`: it does not fail over.
    """

    name: str
    ask: Callable[[str], Awaitable[Any]] | Callable[[str], Any]
    bare: str | None = None
    key: str | None = None
    single: bool = False
    asked: int = 0
    times: dict[str, list[float]] = field(default_factory=lambda: {FINE: [], FAILING: []})
    work: dict[str, list[float]] = field(default_factory=lambda: {FINE: [], FAILING: []})

    def median(self, text: str) -> float:
        return statistics.median(self.times[text])

    def cpu(self, text: str) -> float:
        return statistics.median(self.work[text])


async def sample(way: Way, text: str, *, measured: bool = True) -> None:
    way.asked += 1
    worked, began = time.process_time(), time.perf_counter()
    answer = way.ask(text)
    if isinstance(answer, Coroutine):
        await answer
    took, work = time.perf_counter() - began, time.process_time() - worked
    if measured:
        way.times[text].append(took * 1e6)
        way.work[text].append(work * 1e6)
    await asyncio.sleep(0.001)  # what a way does after its answer is not the next one's to pay


def bare_ways(first: str) -> tuple[list[Way], Callable[[], Awaitable[None]]]:
    import aiohttp
    import httpx

    from rotor_core.adapters.aiohttp_request import REQUEST

    url = f"{first}/chat/completions"
    session, aclient, client = aiohttp.ClientSession(), httpx.AsyncClient(), httpx.Client()
    quick = aiohttp.ClientSession(request_class=REQUEST)

    def sent(text: str) -> bytes:
        return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()

    bodies = {text: sent(text) for text in (FINE, FAILING)}
    anew = {text: sent(f"{text} {ANEW.decode()}") for text in (FINE, FAILING)}

    def headers(key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}

    async def by_aiohttp(text: str) -> bytes:
        async with session.post(url, data=bodies[text], headers=headers("sk-bare-aiohttp")) as answer:
            return await answer.read()

    async def by_aiohttp_anew(text: str) -> bytes:
        async with session.post(url, data=anew[text], headers=headers("sk-bare-anew")) as answer:
            return await answer.read()

    async def at_once(text: str) -> bytes:
        async with quick.post(url, data=bodies[text], headers=headers("sk-bare-at-once")) as answer:
            return await answer.read()

    async def by_httpx(text: str) -> bytes:
        return (await aclient.post(url, content=bodies[text], headers=headers("sk-bare-httpx"))).content

    def by_blocking_httpx(text: str) -> bytes:
        return client.post(url, content=bodies[text], headers=headers("sk-bare-httpx-blocking")).content

    async def close() -> None:
        await session.close()
        await quick.close()
        await aclient.aclose()
        client.close()

    ways = [
        Way("aiohttp", by_aiohttp, key="sk-bare-aiohttp", single=True),
        Way("aiohttp, new words", by_aiohttp_anew, key="sk-bare-anew", single=True),
        Way("aiohttp, at once", at_once, key="sk-bare-at-once", single=True),
        Way("httpx", by_httpx, key="sk-bare-httpx", single=True),
        Way("httpx, blocking", by_blocking_httpx, key="sk-bare-httpx-blocking", single=True),
    ]
    return ways, close


def rotor_ways(first: str, second: str) -> list[Way]:
    from rotor_core import Rotor
    from rotor_core.adapters.openai_compatible import OpenAICompatible
    from rotor_core.stores.memory import MemoryStore
    from rotor_langchain import ChatRotor

    def config(key: str) -> dict[str, Any]:
        model = {"m": {"context": 131072, "price": {"input": 0, "output": 0}, "limits": []}}
        return {
            "version": 1,
            "store": f"memory://{key}",
            "providers": {
                name: {
                    "adapter": "openai-compatible",
                    "base_url": url,
                    "keys": [{"value": f"sk-rotor-{key}"}],
                    "models": model,
                }
                for name, url in (("first", first), ("second", second))
            },
            "pools": {"main": [{"model": "first/m", "priority": 1}, {"model": "second/m", "priority": 2}]},
            "default_pool": "main",
        }

    def rotor(key: str, transport: str) -> Rotor:
        catalog = Rotor.from_config(config(key)).catalog
        adapter = OpenAICompatible(transport)
        return Rotor.from_catalog(catalog, adapters={"openai-compatible": adapter}, store=MemoryStore())

    def chat(key: str, transport: str) -> ChatRotor:
        return ChatRotor(rotor=rotor(key, transport))

    anew = rotor("anew", "aiohttp")

    def with_new_words(text: str) -> Any:
        return anew.achat(f"{text} {ANEW.decode()}")

    return [
        Way("Rotor.achat", rotor("achat", "aiohttp").achat, "aiohttp", "sk-rotor-achat"),
        Way("Rotor.achat, new words", with_new_words, "aiohttp, new words", "sk-rotor-anew"),
        Way("Rotor.achat over httpx", rotor("achat-httpx", "httpx").achat, "httpx", "sk-rotor-achat-httpx"),
        Way("Rotor.chat", rotor("chat", "httpx").chat, "httpx, blocking", "sk-rotor-chat"),
        Way("ChatRotor.ainvoke", chat("ainvoke", "aiohttp").ainvoke, "aiohttp", "sk-rotor-ainvoke"),
        Way("ChatRotor.ainvoke over httpx", chat("ainvoke-httpx", "httpx").ainvoke, "httpx", "sk-rotor-ainvoke-httpx"),
        Way("ChatRotor.invoke", chat("invoke", "httpx").invoke, "httpx, blocking", "sk-rotor-invoke"),
    ]


def langchain_ways(first: str, second: str) -> list[Way]:
    from langchain_openai import ChatOpenAI

    def chain(key: str) -> Any:
        a, b = (ChatOpenAI(model="m", base_url=url, api_key=key, max_retries=0) for url in (first, second))
        return a.with_fallbacks([b])

    return [
        Way("with_fallbacks, ainvoke", chain("sk-lc-async").ainvoke, "httpx", key="sk-lc-async"),
        Way("with_fallbacks, invoke", chain("sk-lc-blocking").invoke, "httpx, blocking", key="sk-lc-blocking"),
    ]


def litellm_ways(first: str, second: str) -> list[Way]:
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    router = litellm.Router(
        model_list=[
            {"model_name": name, "litellm_params": {"model": "openai/m", "api_base": url, "api_key": "sk-litellm"}}
            for name, url in (("first", first), ("second", second))
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
        disable_cooldowns=True,
    )

    async def ask(text: str) -> Any:
        return await router.acompletion(model="first", messages=[{"role": "user", "content": text}])

    return [Way("LiteLLM Router.acompletion", ask, "aiohttp", key="sk-litellm")]


def kernel_ways() -> list[Way]:
    """Rotor over adapters that do nothing: the first raises an error made before, the second returns an answer made before."""
    from rotor_core import Rotor
    from rotor_core._errors import ProviderError
    from rotor_core._model import Catalog, Credential, Deployment, Model, Policy, Pool, Price, Provider, Seat, Secret
    from rotor_core._outcome import Answer, Failure, Usage
    from rotor_core.stores.memory import MemoryStore

    answer = Answer("Fine, thank you.", finish_reason="stop", usage=Usage(12, 5))
    failure = Failure("server_error", status=500, message="The server had an error.")

    class Scripted:
        def call(self, deployment: Any, request: Any, *, timeout: float) -> Answer:  # noqa: ARG002
            if deployment.provider.name == "first" and request.messages[0]["content"] == FAILING:
                raise ProviderError("first/m#1 answered HTTP 500", failure)
            return answer

        async def acall(self, deployment: Any, request: Any, *, timeout: float) -> Answer:
            return self.call(deployment, request, timeout=timeout)

        def close(self) -> None: ...

        async def aclose(self) -> None: ...

    free = Price(0, 0)

    def rotor() -> Any:
        deployments = [
            Deployment(
                f"{n}/m#1", Provider(n, "scripted", f"http://{n}.invalid"), Model("m", 131072, None, None, None, free, ()),
                Credential(f"{n}#1", Secret("k"), f"fp-{n}", f"fp-{n}"), (), free,
            )
            for n in ("first", "second")
        ]  # fmt: skip
        pool = Pool("main", tuple(Seat(d, priority=number) for number, d in enumerate(deployments, 1)))
        catalog = Catalog({d.id: d for d in deployments}, {"main": pool}, "main", Policy())
        return Rotor.from_catalog(catalog, adapters={"scripted": Scripted()}, store=MemoryStore())

    by_loop, by_thread = rotor(), rotor()
    return [
        Way("kernel, achat", by_loop.achat),
        Way("kernel, chat", by_thread.chat),
    ]


# --- the run


async def measure(ways: list[Way], rounds: int) -> None:
    for way in ways:
        for n in range(WARM_UP):
            await sample(way, (FINE, FAILING)[n % 2])
        way.asked = 0
        way.times, way.work = {FINE: [], FAILING: []}, {FINE: [], FAILING: []}
    gc.collect()
    gc.freeze()
    order, random = list(ways), Random(1)
    for _ in range(rounds):
        random.shuffle(order)
        for way in order:
            for pair in range(1 + PAIRS):
                for text in (FINE, FAILING):
                    await sample(way, text, measured=pair > 0)
            await asyncio.sleep(0.005)


def check(ways: list[Way], before: dict[str, int], after: dict[str, int]) -> None:
    """Every request that failed over took one failed and one good exchange; every other, one good one."""
    for way in ways:
        if way.key is None:
            continue
        failed, good = (after.get(f"{way.key} {s}", 0) - before.get(f"{way.key} {s}", 0) for s in (500, 200))
        half = (way.asked + WARM_UP) // 2
        if (failed, good) != (half, half if way.single else 2 * half):
            raise SystemExit(
                f"{way.name}: {failed} failed and {good} good exchanges for {way.asked + WARM_UP} requests"
            )


def figures(ways: list[Way]) -> dict[str, Any]:
    bare = {way.name: way for way in ways if way.single}
    found: dict[str, Any] = {}
    for way in ways:
        fine, failing = way.median(FINE), way.median(FAILING)
        row: dict[str, Any] = {"ok": round(fine), "failing": round(failing)}
        if not way.single:
            off, off_cpu = (bare[way.bare].median(FAILING), bare[way.bare].cpu(FAILING)) if way.bare else (0.0, 0.0)
            row |= {"added": round(failing - fine), "cost": round(failing - fine - off)}
            row["cpu"] = round(way.cpu(FAILING) - way.cpu(FINE) - off_cpu)
        found[way.name] = row
    return found


async def run(ports: list[str], rounds: int) -> dict[str, Any]:
    first, second = (f"http://127.0.0.1:{port}/v1" for port in ports)
    bare, close = bare_ways(first)
    ways = [
        *bare,
        *rotor_ways(first, second),
        *langchain_ways(first, second),
        *litellm_ways(first, second),
        *kernel_ways(),
    ]

    def counts() -> dict[str, int]:
        with urllib.request.urlopen(first) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    before, load = counts(), os.getloadavg()[0]
    await measure(ways, rounds)
    check(ways, before, counts())
    await close()
    found = figures(ways)
    ours = [way for way in ways if way.name.startswith(("Rotor", "ChatRotor")) and way.bare]
    worst = {
        library: max(found[way.name]["cost"] for way in ours if str(way.bare).startswith(library))
        for library in ("httpx", "aiohttp")
    }
    return {
        "unit": "us", "rounds": rounds, "load": [round(load, 2), round(os.getloadavg()[0], 2)], "cpus": os.cpu_count(),
        **found, "worst of Rotor": worst, "bound": BOUND,
    }  # fmt: skip


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            stay_on(0)
            print(json.dumps(asyncio.run(run(server.stdout.readline().split(), rounds))))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
