"""Async exchanges by aiohttp: measured at a quarter of httpx's CPU time per call (`benchmarks/adapter.py`).

One session per event loop; its connector keeps a pool per origin and proxy. Where aiohttp cannot go (a SOCKS or https
proxy) the exchange is httpx's.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import aiohttp
import yarl

from rotor_core._outcome import FailureKind
from rotor_core.adapters.base import dispatching
from rotor_core.adapters.http import (
    CONNECT,
    KEEP_ALIVE,
    LAST_BYTES,
    MAX_CONTENT,
    AsyncReply,
    AsyncTransport,
    Endpoint,
    ExchangeError,
    OversizeError,
    Received,
    bounded,
    plain_headers,
)
from rotor_core.adapters.http_pools import PerLoop

_DNS_CACHE: Final = 60
"""Seconds that an address is remembered."""
_LARGE: Final = 2**20
"""Bytes from which aiohttp wants a body as a file, so that writing it does not hold up the loop."""


class AiohttpTransport:
    """For all event loops at once."""

    def __init__(self) -> None:
        self._sessions = PerLoop(self, _open_session, aiohttp.ClientSession.close, _drop)
        self._by_httpx: AsyncTransport | None = None

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received:
        if not _can_go(endpoint.proxy):
            return await self._httpx().send(endpoint, body, timeout)
        timeout = bounded(timeout)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(CONNECT, timeout))
        async with self._exchange(endpoint, body, limits) as reply:
            return Received(reply.status, reply.headers, await reply.read())

    def open(self, endpoint: Endpoint, body: bytes, timeout: float) -> AbstractAsyncContextManager[AsyncReply]:
        if not _can_go(endpoint.proxy):
            return self._httpx().open(endpoint, body, timeout)
        timeout = bounded(timeout)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT, timeout), sock_read=timeout)
        return self._exchange(endpoint, body, limits)

    @asynccontextmanager
    async def _exchange(
        self, endpoint: Endpoint, body: bytes, limits: aiohttp.ClientTimeout
    ) -> AsyncGenerator[AsyncReply, None]:
        session = self._sessions.find() or await self._sessions.get()
        url = endpoint.native.get("yarl")
        if url is None:
            url = endpoint.native["yarl"] = yarl.URL(endpoint.url)
        try:
            async with session.post(
                url,
                data=body if len(body) < _LARGE else io.BytesIO(body),
                headers=endpoint.headers,
                allow_redirects=False,
                proxy=endpoint.proxy,
                timeout=limits,
                ssl=True if endpoint.origin[0] == "http" else _ssl_context(),
            ) as response:
                yield _AiohttpReply(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _problem(error, limits) from None

    def _httpx(self) -> AsyncTransport:
        if self._by_httpx is None:
            from rotor_core.adapters.http_httpx import AsyncHttpxTransport  # noqa: PLC0415  only where it is needed

            self._by_httpx = AsyncHttpxTransport()
        return self._by_httpx

    def close(self) -> None:
        self._sessions.close()
        if self._by_httpx is not None:
            self._by_httpx.close()

    async def aclose(self) -> None:
        await self._sessions.aclose()
        if self._by_httpx is not None:
            await self._by_httpx.aclose()


class _AiohttpReply:
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = plain_headers(response.headers.items())

    def pieces(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def read(self) -> bytes:
        first = b""
        others: list[bytes] = []
        size = 0
        async for piece in self._response.content.iter_any():
            size += len(piece)
            if size > MAX_CONTENT:
                raise OversizeError
            if first:
                others.append(piece)
            else:
                first = piece
        return b"".join((first, *others)) if others else first

    async def drain(self) -> None:
        if not self._response.content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(LAST_BYTES):
                    async for _ in self._response.content.iter_any():
                        pass


def _can_go(proxy: str | None) -> bool:
    return proxy is None or proxy.startswith("http://")


class _Connector(aiohttp.TCPConnector):
    """Says when a request has its connection: what comes next is the sending."""

    async def connect(self, *given: Any, **more: Any) -> Any:
        connection = await super().connect(*given, **more)
        dispatching()
        return connection


def _open_session() -> aiohttp.ClientSession:
    connector = _Connector(limit=0, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=_DNS_CACHE)
    # Proxies were worked out with the endpoint, so the environment is not asked again, nor any .netrc read.
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _drop(session: aiohttp.ClientSession) -> None:
    """Mark it closed. Its loop is gone, so its closing has nothing to wait for and ends at its first step."""
    closing: Any = session.close()
    with suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """The same trust as httpx has: certifi's roots, or SSL_CERT_FILE and SSL_CERT_DIR."""
    import httpx  # noqa: PLC0415  takes 80 ms to import; without TLS it is not needed

    return httpx.create_ssl_context()


def _problem(error: Exception, limits: aiohttp.ClientTimeout) -> ExchangeError:
    """The library's exceptions in our words. Their own `repr` shows request headers, so no more than their text is kept."""
    said: tuple[FailureKind, str, bool]
    match error:
        case aiohttp.ConnectionTimeoutError():
            said = ("timeout", f"could not be reached within {limits.sock_connect:g} s", False)
        case aiohttp.ClientConnectorError() | aiohttp.InvalidURL():
            said = ("connection", f"could not be reached: {error}", False)
        case aiohttp.ClientHttpProxyError():
            said = ("connection", f"could not be reached: its proxy answered HTTP {error.status}", False)
        case TimeoutError():
            said = ("timeout", f"did not answer within {limits.total or limits.sock_read or 0:g} s", True)
        case aiohttp.ServerDisconnectedError():
            said = ("connection", "closed the connection without an answer", True)
        case aiohttp.ClientPayloadError():
            said = ("connection", "closed the connection before the answer's end", True)
        case aiohttp.ClientResponseError():
            said = ("connection", f"answered with something that is not HTTP: {error.message}", True)
        case _:
            said = ("connection", f"broke the connection: {type(error).__name__}: {error}", True)
    kind, problem, sent = said
    return ExchangeError(kind, problem, sent=sent)
