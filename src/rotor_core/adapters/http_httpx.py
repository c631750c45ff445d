"""Exchanges by httpx, blocking and async.

httpx's transports are used without its clients: redirects, cookies, authentication flows and event hooks are nothing
that an adapter wants, and they cost as much CPU again as the exchange. One transport per origin and proxy, because
httpx searches its whole pool for every request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import lru_cache
from ssl import SSLContext
from typing import Any

import httpx

from rotor_core._outcome import FailureKind
from rotor_core.adapters.base import dispatching
from rotor_core.adapters.http import (
    CONNECT,
    KEEP_ALIVE,
    LAST_BYTES,
    MAX_CONTENT,
    AsyncReply,
    Endpoint,
    ExchangeError,
    OversizeError,
    Received,
    Reply,
    bounded,
    plain_headers,
)
from rotor_core.adapters.http_pools import PerKey, PerLoop

Key = tuple[tuple[str, str, int], str | None]
"""Origin and proxy: whatever shares them shares a pool."""

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)
_PROBLEMS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


class HttpxTransport:
    """Blocking; for all threads at once."""

    def __init__(self) -> None:
        self._pools: PerKey[Key, httpx.HTTPTransport] = PerKey(_open_pool, httpx.HTTPTransport.close)

    def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received:
        deadline = time.monotonic() + timeout
        limits = _limits(timeout)
        with self._exchange(endpoint, body, limits) as reply:
            limits["read"] = max(0.001, deadline - time.monotonic())  # read by httpx when the body's turn comes
            return Received(reply.status, reply.headers, reply.read(deadline))

    def open(self, endpoint: Endpoint, body: bytes, timeout: float) -> AbstractContextManager[Reply]:
        return self._exchange(endpoint, body, _limits(timeout))

    @contextmanager
    def _exchange(
        self, endpoint: Endpoint, body: bytes, limits: dict[str, float]
    ) -> Generator[_HttpxReply, None, None]:
        timeout = limits["read"]
        try:
            pool = self._pools.get((endpoint.origin, endpoint.proxy))
            response = pool.handle_request(_request(endpoint, body, limits, _trace))
            try:
                yield _HttpxReply(response)
            finally:
                response.close()
        except _PROBLEMS as error:
            raise _problem(error, timeout) from None

    def close(self) -> None:
        self._pools.close()


class _HttpxReply:
    __slots__ = ("_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces: Iterator[bytes] | None = None
        self.status = response.status_code
        self.headers = plain_headers(response.headers.multi_items())

    def pieces(self) -> Iterator[bytes]:
        self._pieces = self._response.iter_bytes()
        return self._pieces

    def read(self, deadline: float = float("inf")) -> bytes:
        """Every single read has its own timeout; an answer that trickles is stopped here."""
        pieces: list[bytes] = []
        size = 0
        for piece in self._response.iter_bytes():
            size += len(piece)
            pieces.append(piece)
            if size > MAX_CONTENT:
                raise OversizeError
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer trickles")
        return b"".join(pieces)

    def drain(self) -> None:
        """Httpx fixed the timeout of this body's reads when it began, so the last one is shortened below it."""
        network: Any = self._response.extensions.get("network_stream")
        if self._pieces is None or network is None:
            return
        unbounded: Callable[[int, float | None], bytes] = network.read

        def read(max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG001  httpx's own is too long
            return unbounded(max_bytes, LAST_BYTES)

        network.read = read
        try:
            with suppress(httpx.HTTPError):
                next(self._pieces, None)
        finally:
            del network.read


class AsyncHttpxTransport:
    """For all event loops at once."""

    def __init__(self) -> None:
        self._pools: PerLoop[dict[Key, httpx.AsyncHTTPTransport]] = PerLoop(self, dict, _close_all, _drop_all)

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received:
        try:
            async with asyncio.timeout(bounded(timeout)), self._exchange(endpoint, body, timeout) as reply:
                return Received(reply.status, reply.headers, await reply.read())
        except TimeoutError as error:
            raise _problem(error, timeout) from None

    def open(self, endpoint: Endpoint, body: bytes, timeout: float) -> AbstractAsyncContextManager[AsyncReply]:
        return self._exchange(endpoint, body, timeout)

    @asynccontextmanager
    async def _exchange(self, endpoint: Endpoint, body: bytes, timeout: float) -> AsyncGenerator[AsyncReply, None]:
        pools = self._pools.find()
        if pools is None:
            pools = await self._pools.get()
        key = (endpoint.origin, endpoint.proxy)
        try:
            pool = pools.get(key)
            if pool is None:
                pool = pools[key] = httpx.AsyncHTTPTransport(
                    verify=_ssl_context(), limits=_LIMITS, proxy=endpoint.proxy
                )
            response = await pool.handle_async_request(_request(endpoint, body, _limits(timeout), _atrace))
            try:
                yield _AsyncHttpxReply(response)
            finally:
                await response.aclose()
        except _PROBLEMS as error:
            raise _problem(error, timeout) from None

    def close(self) -> None:
        self._pools.close()

    async def aclose(self) -> None:
        await self._pools.aclose()


class _AsyncHttpxReply:
    __slots__ = ("_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] | None = None
        self.status = response.status_code
        self.headers = plain_headers(response.headers.multi_items())

    def pieces(self) -> AsyncIterator[bytes]:
        self._pieces = self._response.aiter_bytes()
        return self._pieces

    async def read(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self._response.aiter_bytes():
            size += len(piece)
            pieces.append(piece)
            if size > MAX_CONTENT:
                raise OversizeError
        return b"".join(pieces)

    async def drain(self) -> None:
        if self._pieces is not None:
            with suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(LAST_BYTES):
                    async for _ in self._pieces:
                        pass


def _open_pool(key: Key) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=_ssl_context(), limits=_LIMITS, proxy=key[1])


async def _close_all(pools: dict[Key, httpx.AsyncHTTPTransport]) -> None:
    while pools:
        await pools.popitem()[1].aclose()


def _drop_all(pools: dict[Key, httpx.AsyncHTTPTransport]) -> None:
    pools.clear()


@lru_cache(maxsize=1)
def _ssl_context() -> SSLContext:
    """One for all pools: reading the roots takes 10 ms."""
    return httpx.create_ssl_context()


def _trace(name: str, _: object) -> None:
    """Httpcore tells its steps; the one that matters comes when there is a connection."""
    if name.endswith(".send_request_headers.started"):
        dispatching()


async def _atrace(name: str, info: object) -> None:
    _trace(name, info)


def _limits(timeout: float) -> dict[str, float]:
    timeout = bounded(timeout)
    return {"connect": min(CONNECT, timeout), "read": timeout, "write": timeout, "pool": timeout}


def _request(endpoint: Endpoint, body: bytes, limits: dict[str, float], trace: Callable[..., object]) -> httpx.Request:
    url = endpoint.native.get("httpx")
    if url is None:
        url = endpoint.native["httpx"] = httpx.URL(endpoint.url)
    return httpx.Request(
        "POST", url, headers=endpoint.headers, content=body, extensions={"timeout": limits, "trace": trace}
    )


def _problem(error: Exception, timeout: float) -> ExchangeError:
    """The library's exceptions in our words."""
    said: tuple[FailureKind, str, bool]
    match error:
        case httpx.ConnectTimeout():
            said = ("timeout", f"could not be reached within {min(CONNECT, timeout):g} s", False)
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            said = ("connection", f"could not be reached: {error}", False)
        case httpx.TimeoutException() | TimeoutError():
            said = ("timeout", f"did not answer within {timeout:g} s", True)
        case httpx.RemoteProtocolError() if "without sending a response" in str(error):
            said = ("connection", "closed the connection without an answer", True)
        case httpx.RemoteProtocolError() if "complete message" in str(error):
            said = ("connection", "closed the connection before the answer's end", True)
        case httpx.RemoteProtocolError():
            said = ("connection", f"answered with something that is not HTTP: {error}", True)
        case httpx.DecodingError():
            said = ("server_error", f"answered with a body that cannot be unpacked: {error}", True)
        case _:
            said = ("connection", f"broke the connection: {type(error).__name__}: {error}", True)
    kind, problem, sent = said
    return ExchangeError(kind, problem, sent=sent)
