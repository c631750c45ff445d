"""Async exchanges by aiohttp: measured at a quarter of httpx's CPU time per call (`benchmarks/adapter.py`).

One session per event loop; its connector keeps a pool per origin and proxy. Where aiohttp cannot go (a SOCKS or https
proxy) the exchange is httpx's.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, NamedTuple

import aiohttp
import yarl
from multidict import CIMultiDict

from rotor_core._health import Timeouts
from rotor_core._outcome import FailureKind
from rotor_core.adapters.aiohttp_request import REQUEST, VERSION
from rotor_core.adapters.base import dispatching
from rotor_core.adapters.deadline import Deadline, Deadlines
from rotor_core.adapters.http import (
    CONNECT,
    KEEP_ALIVE,
    LAST_BYTES,
    AsyncReply,
    AsyncTransport,
    Endpoint,
    ExchangeError,
    Gathered,
    Received,
    overdue,
    packed_wrongly,
    plain_headers,
    unpacker,
)
from rotor_core.adapters.http_pools import PerLoop
from rotor_core.adapters.patience import LONGEST, Patience, bounded
from rotor_core.adapters.unpack import UnpackError

_DNS_CACHE: Final = 60
"""Seconds that an address is remembered."""
_MAX_FIELD: Final = 32 * 1024
_MAX_FIELDS: Final = 1024
"""Bytes of a header, and how many of them: aiohttp's own 8 kB and 128 are less than some gateways send. Httpcore takes 100 kB in all."""
_MAX_HEADERS: Final[dict[str, Any]] = {"max_headers": _MAX_FIELDS} if VERSION >= (3, 13, 4) else {}
"""Before 3.13.4 aiohttp has no such bound."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=CONNECT, ceil_threshold=LONGEST)
"""The library rounds longer timeouts up to whole seconds; what is not connecting is cut off from outside."""
_LARGE: Final = 2**20
"""Bytes from which aiohttp wants a body as a file, so that writing it does not hold up the loop."""
_SMALL: Final = 999_999
"""Bytes of a body that is within every limit, whatever its status."""
_DIGITS: Final = len(str(_SMALL))


class AiohttpTransport:
    """For all event loops at once."""

    def __init__(self) -> None:
        self._clients = PerLoop(self, _open_client, _close, _drop)
        self._by_httpx: AsyncTransport | None = None

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received:
        if endpoint.proxy is not None and not _can_go(endpoint.proxy):
            return await self._httpx().send(endpoint, body, timeout)
        loop, leaving = asyncio.get_running_loop(), _leaving()
        until = loop.time() + bounded(timeout)
        try:
            client = self._clients.find(loop) or await self._clients.get()
            with Deadline(client.deadlines, until):  # one for all of it: no part has a time of its own
                response = await _post(client.session, endpoint, body)
                try:
                    headers, coming = plain_headers(response.headers.items()), response.content
                    if coming.is_eof() and coming.total_bytes <= _SMALL and "content-encoding" not in headers:
                        content = coming.read_nowait()  # it came with its headers, plain and small: as most bodies do
                    else:
                        content = await _gathered(response.status, headers, coming)
                finally:
                    # What the response's own context does at its end. A body that was read to its end has done it by itself.
                    if response.connection is not None:
                        response.release()
                        await response.wait_for_close()
        except _PROBLEMS as error:
            # Only now is there anything to be told of the deadline.
            raise _problem(error, Patience.whole(timeout, loop.time), sent=leaving.left) from None
        return response.status, headers, content

    def open(self, endpoint: Endpoint, body: bytes, timeouts: Timeouts) -> AbstractAsyncContextManager[AsyncReply]:
        if endpoint.proxy is not None and not _can_go(endpoint.proxy):
            return self._httpx().open(endpoint, body, timeouts)
        loop = asyncio.get_running_loop()
        return self._exchange(endpoint, body, Patience(timeouts, loop.time), loop)

    @asynccontextmanager
    async def _exchange(
        self, endpoint: Endpoint, body: bytes, patience: Patience, loop: asyncio.AbstractEventLoop
    ) -> AsyncGenerator[_Reply, None]:
        leaving = _leaving()
        try:
            client = self._clients.find(loop) or await self._clients.get()
            with Deadline(client.deadlines, patience.until):
                response = await _post(client.session, endpoint, body)
            async with response:
                yield _Reply(response, patience, client.deadlines)
        except _PROBLEMS as error:
            raise _problem(error, patience, sent=leaving.left) from None

    def _httpx(self) -> AsyncTransport:
        if self._by_httpx is None:
            from rotor_core.adapters.http_httpx import AsyncHttpxTransport  # noqa: PLC0415  only where it is needed

            self._by_httpx = AsyncHttpxTransport()
        return self._by_httpx

    def close(self) -> None:
        self._clients.close()
        if self._by_httpx is not None:
            self._by_httpx.close()

    async def aclose(self) -> None:
        await self._clients.aclose()
        if self._by_httpx is not None:
            await self._by_httpx.aclose()


class _Reply:
    __slots__ = ("_deadlines", "_response", "headers", "patience", "status")

    def __init__(self, response: aiohttp.ClientResponse, patience: Patience, deadlines: Deadlines) -> None:
        self._response = response
        self._deadlines = deadlines
        self.patience = patience
        self.status = response.status
        self.headers = plain_headers(response.headers.items())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        unpack = unpacker(self.headers).feed
        content = self._response.content
        while True:
            with Deadline(self._deadlines, self.patience.until):
                packed = await content.readany()
            if not packed:
                return
            for piece in unpack(packed):
                yield piece

    async def read(self) -> bytes:
        with Deadline(self._deadlines, self.patience.until):
            return await _gathered(self.status, self.headers, self._response.content)

    async def drain(self) -> None:
        if not self._response.content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(LAST_BYTES):
                    await self._response.content.readany()


def _post(session: aiohttp.ClientSession, endpoint: Endpoint, body: bytes) -> Awaitable[aiohttp.ClientResponse]:
    """Send a request; to be awaited until its answer's headers are there."""
    native = endpoint.native.get("aiohttp")
    if native is None:
        native = endpoint.native["aiohttp"] = yarl.URL(endpoint.url), CIMultiDict(endpoint.headers)
    url, headers = native
    return session.post(
        url,
        data=body if len(body) < _LARGE else io.BytesIO(body),
        headers=headers,
        allow_redirects=False,
        proxy=endpoint.proxy,
        timeout=_TIMEOUT,
        ssl=True if endpoint.origin[0] == "http" else _ssl_context(),
    )


async def _gathered(status: int, headers: dict[str, str], content: aiohttp.StreamReader) -> bytes:
    """A whole body, as far as it is wanted."""
    first = b""
    if "content-encoding" not in headers and len(headers.get("content-length", "")) <= _DIGITS:
        first = await content.readany()
        if content.at_eof() and len(first) <= _SMALL:
            return first  # all of it at once, plain and small: as nearly all bodies are
    gathered = Gathered(status, headers)
    unpack = unpacker(headers).feed
    packed = first or await content.readany()
    while packed:
        if any(gathered.full(piece) for piece in unpack(packed)):
            break
        packed = await content.readany()
    return gathered.content()


def _can_go(proxy: str) -> bool:
    return proxy.startswith("http://")


class _Leaving:
    """Whether a request has left."""

    left = False


_LEAVING: Final[ContextVar[_Leaving]] = ContextVar("rotor_leaving")
"""The exchange that is looking for a connection in this context."""


def _leaving() -> _Leaving:
    leaving = _Leaving()
    _LEAVING.set(leaving)
    return leaving


_PROBLEMS: Final = (aiohttp.ClientError, OSError, ValueError, UnpackError)
"""What the library raises, a deadline's end (`TimeoutError`) among it."""


class _Connector(aiohttp.TCPConnector):
    """Says when a request has its connection: what comes next is the sending."""

    async def connect(self, *given: Any, **more: Any) -> Any:
        connection = await super().connect(*given, **more)
        _LEAVING.get().left = True
        dispatching()
        return connection


class _Client(NamedTuple):
    """What an event loop has of its own."""

    session: aiohttp.ClientSession
    deadlines: Deadlines


def _open_client() -> _Client:
    connector = _Connector(limit=0, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=_DNS_CACHE)
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=REQUEST,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # proxies were worked out with the endpoint; the environment is not asked again, nor any .netrc
        auto_decompress=False,
        max_line_size=_MAX_FIELD,
        max_field_size=_MAX_FIELD,
        **_MAX_HEADERS,
    )
    return _Client(session, Deadlines(asyncio.get_running_loop()))


async def _close(client: _Client) -> None:
    client.deadlines.close()
    await client.session.close()


def _drop(client: _Client) -> None:
    """Mark it closed. Its loop is gone, so its closing has nothing to wait for and ends at its first step."""
    closing: Any = client.session.close()
    with suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """The same trust as httpx has: certifi's roots, or SSL_CERT_FILE and SSL_CERT_DIR."""
    import httpx  # noqa: PLC0415  takes 80 ms to import; without TLS it is not needed

    return httpx.create_ssl_context()


def _problem(error: Exception, patience: Patience, *, sent: bool) -> ExchangeError:
    """The library's exceptions in our words. Their own `repr` shows request headers, so no more than their text is kept."""
    match error:
        case UnpackError():
            return packed_wrongly(error)
        case TimeoutError():
            return overdue(patience, sent=sent)
        case _:
            kind, problem = _lost(error, sent=sent)
            return ExchangeError(kind, problem, sent=sent)


def _lost(error: Exception, *, sent: bool) -> tuple[FailureKind, str]:
    match error:
        case aiohttp.ClientHttpProxyError():
            return "connection", f"could not be reached: its proxy answered HTTP {error.status}"
        case _ if not sent:
            return "connection", f"could not be reached: {error}"
        case aiohttp.ServerDisconnectedError():
            return "connection", "closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return "connection", "closed the connection before the answer's end"
        case aiohttp.ClientResponseError():
            return "connection", f"answered with something that is not HTTP: {error.message}"
        case _:
            return "connection", f"broke the connection: {type(error).__name__}: {error}"
