"""A server on loopback that answers by script, byte for byte, from its own thread and event loop."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._request import Request
from rotor_core.adapters import http_httpx
from rotor_core.adapters.openai_compatible import OpenAICompatible

SELF_SIGNED = """\
-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUW6DRKHHjeH3MXFZFYBCar0ePBXcwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMTA5NTgzNVoYDzIxMjYxMDI4
MDk1ODM1WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT5zoiGZVJVk1RXgoPThyZfDwsVMkpKVW8e3djJfClq08vfly4cfG7a
uorbgNk8PJtEzf3mtLqD/AVih4EKWuH1o2QwYjAdBgNVHQ4EFgQU0WUXmK+hYi3+
S/Pu7UVaVVzzwrowHwYDVR0jBBgwFoAU0WUXmK+hYi3+S/Pu7UVaVVzzwrowDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IGY0QT+VaaAQvo4UYXyipVgWG9cnDMAXheedo9K9A5bqAiALd498/KBLCIEnmbb4
tSlHh2q8RiF7v1Y2FI5WjOHVOA==
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGvlSXGy1boIQCkqK
13XUsAVptUO6aSA+4KCX9J+x/DyhRANCAAT5zoiGZVJVk1RXgoPThyZfDwsVMkpK
VW8e3djJfClq08vfly4cfG7auorbgNk8PJtEzf3mtLqD/AVih4EKWuH1
-----END PRIVATE KEY-----
"""
"""A certificate for 127.0.0.1 and its key, made for these tests and good for nothing else."""

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
                ended.add_done_callback(lambda read: read.cancelled() or read.exception())
                playing = asyncio.ensure_future(step(writer))
                await asyncio.wait({ended, playing}, return_when=asyncio.FIRST_COMPLETED)
                playing.cancel()
                if ended.done():
                    break
                ended.cancel()
                await asyncio.wait({ended})  # else it is in the way of who reads the next request
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """A scripted server while the block runs."""
    scripted = Scripted()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        listening = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=tls)
        scripted.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        # No connection more; but a server that is closed at once drops, open, those that it has just accepted.
        loop.remove_reader(listening.sockets[0].fileno())
        for _ in range(10):  # a connection accepted just now takes some rounds to become a writer
            await asyncio.sleep(0)
        for _ in range(100):  # and time, if there is a handshake
            if not any("_accept_connection" in repr(task) for task in asyncio.all_tasks()):
                break
            await asyncio.sleep(0.001)
        listening.close()
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
    try:
        yield scripted
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as scripted:
        yield scripted


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Scripted]:
    """One whose certificate nobody has signed but itself."""
    pem = tmp_path / "self-signed.pem"
    pem.write_text(SELF_SIGNED)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    with serving(context) as scripted:
        yield scripted


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


class _Ahead:
    """Puts on the clocks by which an exchange's deadlines are kept: that of blocking calls, and this event loop's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def put_on(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        clock = loop.time
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http_httpx, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + self.seconds))
            patch.setattr(loop, "time", lambda: clock() + self.seconds)
            yield


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

    async def stream(
        self,
        where: Deployment,
        request: Request | None = None,
        timeout: float = 5.0,
        timeouts: Timeouts | None = None,
        pause: float = 0.0,
    ) -> list[Any]:
        """All chunks, with a `pause` after each, which passes at once. Those that came before an error are its `chunks`."""
        request, clock = request or ask(), _Ahead()
        timeouts = timeouts or Timeouts(timeout, timeout, 60.0)
        chunks: list[Any] = []
        try:
            if self.way == "blocking":

                def collect() -> None:
                    for chunk in self.adapter.stream(where, request, timeouts=timeouts):
                        chunks.append(chunk)
                        clock.seconds += pause

                with clock.put_on() if pause else nullcontext():
                    await asyncio.to_thread(collect)
            else:
                with clock.put_on() if pause else nullcontext():
                    async for chunk in self.adapter.astream(where, request, timeouts=timeouts):
                        chunks.append(chunk)
                        clock.seconds += pause
                        await asyncio.sleep(0)
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


# ---- steps


def closing(*pieces: bytes) -> Step:
    """Write, and close the connection."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        writer.close()

    return step


def hanging(*pieces: bytes) -> Step:
    """Write, and never say another word."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await asyncio.Event().wait()

    return step


def resetting(*pieces: bytes) -> Step:
    """Write, and reset the connection."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    return step


def trickling(first: bytes, then: bytes, every: float = 0.01) -> Step:
    """Write, and go on with a little now and then, for ever."""

    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(then)
            await asyncio.sleep(every)

    return step


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def failure_of(doing: Awaitable[Any]) -> ProviderError:
    """The failure that it ends as, whose text is held to what every such text keeps to."""
    with pytest.raises(ProviderError) as caught:
        await doing
    error = caught.value
    assert error.deployment == "acme/m@k1"
    assert str(error).startswith("acme/m@k1 ")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert error.__context__ is None
    assert error.__cause__ is None
    return error


def in_chunks(status: str, *pieces: bytes, headers: str = "") -> list[bytes]:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n{headers}\r\n"
    return [head.encode(), *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


def said(text: str) -> dict[str, object]:
    return {**HELLO, "choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
