"""A small body leaves with its headers, at once; what is large or unusual goes aiohttp's own way; and both arrive whole."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self

import aiohttp
import pytest
from tests.adapters.conftest import HELLO, Caller, Scripted, answer_bytes, ask, deployment

from rotor_core.adapters import http_aiohttp
from rotor_core.adapters.aiohttp_request import REQUEST, SMALL, VERSION, AtOnce, suits

pytestmark = pytest.mark.skipif(
    not suits(VERSION, (3, 11)), reason="another version of aiohttp than this was tried with"
)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    """A server on loopback, by its URL. Whoever asked it is to have closed its connections before it ends."""
    talks: list[asyncio.Task[Any] | None] = []

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(talked, "127.0.0.1", 0, limit=2**24) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await asyncio.gather(*(task for task in talks if task is not None))


class Echo:
    """Answers each request with its body. `heads`: of the requests; `connections`: how many there were."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self._serving = serving(self._talk)

    async def __aenter__(self) -> Self:
        self.url = await self._serving.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._serving.__aexit__(*error)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.heads.append(head)
            if "expect: 100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def posted(session: aiohttp.ClientSession, url: str, data: object, **headers: str) -> bytes:
    async with session.post(url, data=data, headers=headers) as answer:
        return await answer.read()


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(request_class=AtOnce)


@contextmanager
def counted(begun: list[object]) -> Iterator[None]:
    """Every task that is begun meanwhile is put there."""
    loop = asyncio.get_running_loop()

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
        begun.append(coro)
        return asyncio.Task(coro, loop=loop, **more)

    loop.set_task_factory(factory)
    try:
        yield
    finally:
        loop.set_task_factory(None)


async def test_a_small_body_is_written_without_a_task():
    begun: list[object] = []
    async with Echo() as echo, session() as ours:
        await posted(ours, echo.url, b"to connect first")
        with counted(begun):
            await posted(ours, echo.url, b"x" * SMALL)
    assert begun == []


@pytest.mark.parametrize("length", [0, 1, 2, SMALL - 1, SMALL])
async def test_a_small_body_arrives_whole_and_its_length_is_told(length: int):
    body = bytes(i % 251 for i in range(length))
    async with Echo() as echo, session() as ours:
        assert await posted(ours, echo.url, body) == body
    (head,) = echo.heads
    assert f"content-length: {length}\r\n" in head
    assert "transfer-encoding" not in head


@pytest.mark.parametrize("length", [SMALL + 1, 2**20 - 1, 3 * 2**20])
async def test_a_larger_body_goes_aiohttps_own_way_and_arrives_whole(length: int):
    begun: list[object] = []
    body = b"x" * length
    async with Echo() as echo, session() as ours:
        await posted(ours, echo.url, b"to connect first")
        with counted(begun):
            assert len(await posted(ours, echo.url, body if length < 2**20 else io.BytesIO(body))) == length
    assert sys.version_info >= (3, 12) or len(begun) == 1


async def test_what_is_read_from_a_file_goes_aiohttps_own_way():
    async with Echo() as echo, session() as ours:
        assert await posted(ours, echo.url, io.BytesIO(b"from a file")) == b"from a file"
        assert await posted(ours, echo.url, "a text") == b"a text"


async def test_requests_one_after_another_share_a_connection():
    async with Echo() as echo, session() as ours:
        for body in (b"first", b"x" * SMALL, b"", b"last"):
            assert await posted(ours, echo.url, body) == body
    assert echo.connections == 1


async def test_who_waits_for_leave_to_send_its_body_goes_aiohttps_own_way():
    async with Echo() as echo, session() as ours, asyncio.timeout(5):
        assert await posted(ours, echo.url, b"after you", Expect="100-continue") == b"after you"


async def test_headers_are_those_that_aiohttp_would_send():
    async with Echo() as echo, session() as ours, aiohttp.ClientSession() as usual:
        await posted(ours, echo.url, b"{}", Authorization="Bearer x", **{"Content-Type": "application/json"})
        await posted(usual, echo.url, b"{}", Authorization="Bearer x", **{"Content-Type": "application/json"})
    assert echo.heads[0] == echo.heads[1]


async def test_a_length_that_the_caller_told_is_kept_to_as_aiohttp_does():
    async with Echo() as echo, session() as ours:
        assert await posted(ours, echo.url, b"{}\nGET / HTTP/1.1", **{"Content-Length": "2"}) == b"{}"
        assert await posted(ours, echo.url, b"next") == b"next"
        with pytest.raises(ValueError, match="Content-Length"):
            await posted(ours, echo.url, b"{}", **{"Content-Length": "many"})


async def test_a_body_in_chunks_goes_aiohttps_own_way():
    received = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.set_result(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(talk) as url, session() as ours, ours.post(url, data=b"hello", chunked=True):
        assert await received == b"5\r\nhello\r\n0\r\n\r\n"


async def test_who_is_told_of_each_piece_is_told():
    told: list[bytes] = []
    trace = aiohttp.TraceConfig()

    async def note(_: object, __: object, params: aiohttp.TraceRequestChunkSentParams) -> None:
        told.append(params.chunk)

    trace.on_request_chunk_sent.append(note)
    async with Echo() as echo, aiohttp.ClientSession(request_class=AtOnce, trace_configs=[trace]) as ours:
        await posted(ours, echo.url, b"hello")
    assert told == [b"hello"]


class Watching(aiohttp.TCPConnector):
    """Whoever connects is watched. `written`: what went to transports. `closing`: they are closed a moment before that."""

    def __init__(self, *, closing: bool = False) -> None:
        super().__init__()
        self.closing = closing
        self.written: list[bytes] = []

    async def connect(self, *given: Any, **more: Any) -> Any:
        connection = await super().connect(*given, **more)
        transport: Any = connection.transport
        write = transport.write

        def watched(data: bytes) -> None:
            self.written.append(bytes(data))
            write(data)

        transport.write = watched
        if self.closing:
            transport.close()
        return connection


async def test_headers_and_body_are_written_as_one():
    connector = Watching()
    async with Echo() as echo, aiohttp.ClientSession(request_class=AtOnce, connector=connector) as ours:
        await posted(ours, echo.url, b"hello")
    (written,) = connector.written
    assert written.endswith(b"\r\n\r\nhello")


async def test_a_connection_that_is_closing_is_not_written_to_and_not_kept():
    connector = Watching(closing=True)
    async with Echo() as echo, aiohttp.ClientSession(request_class=AtOnce, connector=connector) as ours:
        with pytest.raises(aiohttp.ClientConnectionError, match="closing"):
            await posted(ours, echo.url, b"too late")
        assert not connector._acquired
        assert not any(connector._conns.values())
    assert connector.written == []


async def test_what_aiohttp_sends_once_more_over_another_connection_has_its_body():
    bodies: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            bodies.append(await reader.readexactly(5))
            if len(bodies) != 2:  # the second is lost: the connection was kept too long
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(talk) as url, session() as ours, asyncio.timeout(5):
        for body in (b"first", b"again"):
            async with ours.put(url, data=body) as answer:
                assert answer.status == 200
    assert bodies == [b"first", b"again", b"again"]


@pytest.mark.skipif(
    REQUEST is not AtOnce, reason="here aiohttp writes bodies at once by itself, or is of another version"
)
async def test_calls_are_sent_this_way(server: Scripted):
    server.script = [answer_bytes(HELLO)] * 2
    caller, begun = Caller("aiohttp"), list[object]()
    await caller.call(deployment(server.base_url))
    with counted(begun):
        await caller.call(deployment(server.base_url))
    assert begun == []
    await caller.adapter.aclose()


@pytest.mark.parametrize(
    ("version", "python", "does"),
    [
        ((3, 14, 5), (3, 11), True),
        ((3, 12, 2), (3, 11), True),
        ((3, 14), (3, 11), True),
        ((3, 12, 1), (3, 11), False),
        ((3, 15, 0), (3, 11), False),
        ((4, 0, 0), (3, 11), False),
        ((3, 14, 5), (3, 12), False),
        ((3, 14, 5), (3, 14), False),
        ((), (3, 11), False),
    ],
)
def test_it_is_used_where_it_is_of_use_and_known_to_fit(version: tuple[int, ...], python: tuple[int, ...], does: bool):
    assert suits(version, python) is does


async def test_where_it_does_not_fit_calls_go_aiohttps_own_way(server: Scripted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_aiohttp, "REQUEST", aiohttp.ClientRequest)
    server.script = [answer_bytes(HELLO)]
    caller = Caller("aiohttp")
    await caller.call(deployment(server.base_url), ask("hello"))
    await caller.adapter.aclose()
    assert server.seen[0].json["messages"][0]["content"] == "hello"
