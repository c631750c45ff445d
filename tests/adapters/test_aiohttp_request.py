"""A small body leaves with its headers, at once; what is large or unusual goes aiohttp's own way; and both arrive whole."""

import asyncio
import io
from contextlib import suppress
from typing import Self

import aiohttp
import pytest
from tests.adapters.conftest import HELLO, Caller, Scripted, answer_bytes, ask, deployment

from rotor_core.adapters import aiohttp_request, http_aiohttp
from rotor_core.adapters.aiohttp_request import LARGE, SMALL, AtOnce, Small, body_of, suits


class Echo:
    """Answers each request with its body. `heads`: of the requests; `connections`: how many there were."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=2**24)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                self.heads.append(head)
                if "expect: 100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def posted(session: aiohttp.ClientSession, url: str, data: object, **headers: str) -> bytes:
    async with session.post(url, data=data, headers=headers) as answer:
        return await answer.read()


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(request_class=AtOnce)


async def tasks_of(session: aiohttp.ClientSession, url: str, data: object) -> int:
    """How many tasks a request begins."""
    loop, begun = asyncio.get_running_loop(), []

    def factory(loop: asyncio.AbstractEventLoop, coro: object, **more: object) -> asyncio.Task[object]:
        begun.append(coro)
        return asyncio.Task(coro, loop=loop, **more)  # type: ignore[arg-type]

    loop.set_task_factory(factory)
    try:
        await posted(session, url, data)
    finally:
        loop.set_task_factory(None)
    return len(begun)


async def test_a_small_body_is_written_without_a_task():
    async with Echo() as echo, session() as ours:
        await posted(ours, echo.url, Small(b"to connect first"))
        assert await tasks_of(ours, echo.url, Small(b"x" * SMALL)) == 0


@pytest.mark.parametrize("length", [0, 1, 2, SMALL - 1, SMALL])
async def test_a_small_body_arrives_whole_and_its_length_is_told(length: int):
    body = bytes(i % 251 for i in range(length))
    async with Echo() as echo, session() as ours:
        assert await posted(ours, echo.url, Small(body)) == body
    (head,) = echo.heads
    assert f"content-length: {length}\r\n" in head
    assert "transfer-encoding" not in head


@pytest.mark.parametrize("length", [SMALL + 1, LARGE - 1, LARGE, 3 * LARGE])
async def test_a_larger_body_goes_aiohttps_own_way_and_arrives_whole(length: int):
    body = body_of(b"x" * length)
    assert not isinstance(body, Small)
    assert isinstance(body, io.BytesIO) is (length >= LARGE)
    async with Echo() as echo, session() as ours:
        assert len(await posted(ours, echo.url, body)) == length


async def test_requests_one_after_another_share_a_connection():
    async with Echo() as echo, session() as ours:
        for body in (b"first", b"x" * SMALL, b"", b"last"):
            assert await posted(ours, echo.url, Small(body)) == body
    assert echo.connections == 1


async def test_who_waits_for_leave_to_send_its_body_goes_aiohttps_own_way():
    async with Echo() as echo, session() as ours:
        assert await posted(ours, echo.url, Small(b"after you"), Expect="100-continue") == b"after you"


async def test_headers_are_those_that_aiohttp_would_send():
    async with Echo() as echo, session() as ours, aiohttp.ClientSession() as usual:
        await posted(ours, echo.url, Small(b"{}"), Authorization="Bearer x", **{"Content-Type": "application/json"})
        await posted(usual, echo.url, b"{}", Authorization="Bearer x", **{"Content-Type": "application/json"})
    assert echo.heads[0] == echo.heads[1]


class Closing(aiohttp.TCPConnector):
    """Its connections are closed a moment before they are written to."""

    async def connect(self, *given: object, **more: object) -> object:
        connection = await super().connect(*given, **more)  # type: ignore[arg-type]
        connection.transport.close()
        return connection


async def test_a_connection_that_is_closing_is_an_error_of_the_connection_and_not_kept():
    connector = Closing()
    async with Echo() as echo, aiohttp.ClientSession(request_class=AtOnce, connector=connector) as ours:
        with pytest.raises(aiohttp.ClientConnectionError):
            await posted(ours, echo.url, Small(b"too late"))
        assert not connector._acquired
        assert not any(connector._conns.values())
    assert echo.heads == []


@pytest.mark.parametrize(
    ("version", "python", "does"),
    [
        ("3.14.5", (3, 11), True),
        ("3.12.2", (3, 11), True),
        ("3.14.0rc1", (3, 11), True),
        ("3.12.1", (3, 11), False),
        ("3.15.0", (3, 11), False),
        ("4.0.0", (3, 11), False),
        ("3.14.5", (3, 12), False),
        ("3.14.5", (3, 14), False),
        ("of nobody", (3, 11), False),
    ],
)
def test_it_is_used_where_it_is_of_use_and_known_to_fit(version: str, python: tuple[int, ...], does: bool):
    assert suits(version, python) is does


async def test_where_it_does_not_fit_calls_go_aiohttps_own_way(server: Scripted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_request, "_SUITS", False)
    monkeypatch.setattr(http_aiohttp, "REQUEST", aiohttp.ClientRequest)
    assert isinstance(body_of(b"{}"), bytes)
    server.script = [answer_bytes(HELLO)]
    caller = Caller("aiohttp")
    await caller.call(deployment(server.base_url), ask("hello"))
    await caller.adapter.aclose()
    assert server.seen[0].json["messages"][0]["content"] == "hello"
