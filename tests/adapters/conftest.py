"""A server on loopback that answers by script, byte for byte, from its own thread and event loop."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._request import Request
from rotor_core.adapters.openai_compatible import OpenAICompatible

SECRET = "sk-very-secret-0123456789"

Step = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scripted:
    """`script` holds one step per request; the last one repeats. `connections` counts those that were opened."""

    port: int = 0
    script: list[Step] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list, repr=False)
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when a client closed a connection."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"\x16":  # TLS begins so, and nobody speaks it here
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.seen.append(Seen(head[0].split(" ")[1], headers, body))
                step = self.script[min(len(self.seen), len(self.script)) - 1]
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                    continue
                ended = asyncio.ensure_future(reader.read(1))
                playing = asyncio.ensure_future(step(writer))
                await asyncio.wait({ended, playing}, return_when=asyncio.FIRST_COMPLETED)
                playing.cancel()
                if ended.done():
                    break
                ended.cancel()
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        listening = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
        scripted.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listening.close()
        for _ in range(10):  # a connection accepted just now takes some rounds to become a writer
            await asyncio.sleep(0)
        for writer in scripted.writers:
            writer.transport.abort()
        for _ in range(5):  # what was aborted is closed in the loop's next rounds
            await asyncio.sleep(0)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(5)
    yield scripted
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)


def answer_bytes(
    data: object, status: str = "200 OK", headers: str = "", content_type: str = "application/json"
) -> bytes:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def stream_bytes(*events: str, headers: str = "") -> bytes:
    """A stream that ends as a server ends it: with the last, empty chunk."""
    return open_stream(headers) + b"".join(map(chunked, events)) + b"0\r\n\r\n"


def open_stream(headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{headers}\r\n".encode()


def chunked(text: str) -> bytes:
    data = text.encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def delta(finish_reason: str | None = None, **content: object) -> str:
    choice = {"index": 0, "delta": content, "finish_reason": finish_reason}
    return "data: " + json.dumps({"id": "c1", "model": "m1", "choices": [choice]}) + "\n\n"


HELLO = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


def deployment(
    base_url: str, *, secret: str = SECRET, model: str = "m", name: str = "acme", **provider: Any
) -> Deployment:
    return Deployment(
        id=f"{name}/{model}@k1",
        provider=Provider(name, "openai-compatible", base_url, **provider),
        model=Model(model),
        credential=Credential("k1", Secret(secret), "fp", "k1"),
    )


def ask(text: str = "hi", **more: Any) -> Request:
    return Request([{"role": "user", "content": text}], **more)


class Caller:
    """One of the ways to use the adapter, so that each test is said once and holds for all."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.adapter = OpenAICompatible("auto" if way == "blocking" else way)

    async def call(self, where: Deployment, request: Request | None = None, timeout: float = 5.0) -> Any:
        request = request or ask()
        if self.way == "blocking":
            return await asyncio.to_thread(self.adapter.call, where, request, timeout=timeout)
        return await self.adapter.acall(where, request, timeout=timeout)

    async def stream(self, where: Deployment, request: Request | None = None, timeout: float = 5.0) -> list[Any]:
        """All chunks. Those that came before an error are its `chunks`."""
        request = request or ask()
        timeouts = Timeouts(timeout, timeout, 60.0)
        chunks: list[Any] = []
        try:
            if self.way == "blocking":

                def collect() -> None:
                    for chunk in self.adapter.stream(where, request, timeouts=timeouts):
                        chunks.append(chunk)

                await asyncio.to_thread(collect)
            else:
                async for chunk in self.adapter.astream(where, request, timeouts=timeouts):
                    chunks.append(chunk)
        except Exception as error:
            error.chunks = chunks  # type: ignore[attr-defined]
            raise
        return chunks


@pytest.fixture(params=["blocking", "httpx", "aiohttp"])
async def caller(request: pytest.FixtureRequest) -> Any:
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp")
    caller = Caller(request.param)
    yield caller
    await caller.adapter.aclose()
