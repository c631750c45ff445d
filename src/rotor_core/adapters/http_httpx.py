"""Exchanges by httpx, blocking and async.

httpx's transports are used without its clients: redirects, cookies, authentication flows and event hooks are nothing
that an adapter wants, and they cost as much CPU again as the exchange. One transport per origin and proxy, because
httpx searches its whole pool for every request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import lru_cache
from ssl import SSLContext
from typing import Any, cast

import httpcore
import httpx

from rotor_core._health import Timeouts
from rotor_core._outcome import FailureKind
from rotor_core.adapters.base import dispatching
from rotor_core.adapters.http import (
    CONNECT,
    KEEP_ALIVE,
    LAST_BYTES,
    AsyncReply,
    Endpoint,
    ExchangeError,
    Gathered,
    Received,
    Reply,
    overdue,
    packed_wrongly,
    plain_headers,
    unpacker,
)
from rotor_core.adapters.http_deadline import DeadlineBackend, Wait
from rotor_core.adapters.http_pools import PerKey, PerLoop
from rotor_core.adapters.patience import Patience
from rotor_core.adapters.unpack import UnpackError

Key = tuple[tuple[str, str, int], str | None]
"""Origin and proxy: whatever shares them shares a pool."""

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)
_PROBLEMS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, UnpackError)


class HttpxTransport:
    """Blocking; for all threads at once."""

    def __init__(self) -> None:
        self._pools: PerKey[Key, httpx.HTTPTransport] = PerKey(_open_pool, httpx.HTTPTransport.close)

    def send(self, endpoint: Endpoint, body: bytes | None, timeout: float) -> Received:
        with self._exchange(endpoint, body, Patience.whole(timeout, time.monotonic)) as reply:
            return reply.status, reply.headers, reply.read()

    def open(self, endpoint: Endpoint, body: bytes, timeouts: Timeouts) -> AbstractContextManager[Reply]:
        return self._exchange(endpoint, body, Patience(timeouts, time.monotonic))

    @contextmanager
    def _exchange(
        self, endpoint: Endpoint, body: bytes | None, patience: Patience
    ) -> Generator[_HttpxReply, None, None]:
        leaving = _Leaving()
        waiting = Wait(patience)
        limits = {"connect": Wait(patience, CONNECT), "read": waiting, "write": waiting, "pool": waiting}
        try:
            pool = self._pools.get((endpoint.origin, endpoint.proxy))
            response = pool.handle_request(_request(endpoint, body, {"timeout": limits, "trace": leaving.told}))
            try:
                yield _HttpxReply(response, patience)
            finally:
                response.close()
        except _PROBLEMS as error:
            raise _problem(error, patience, sent=leaving.left) from None

    def close(self) -> None:
        self._pools.close()


class _HttpxReply:
    __slots__ = ("_response", "_source", "headers", "patience", "status")

    def __init__(self, response: httpx.Response, patience: Patience) -> None:
        self._response = response
        # Httpx's own reading would unpack a body however large that makes it.
        self._source = iter(cast("httpx.SyncByteStream", response.stream))
        self.patience = patience
        self.status = response.status_code
        self.headers = plain_headers(response.headers.multi_items())

    def pieces(self) -> Iterator[bytes]:
        unpack = unpacker(self.headers).feed
        for piece in self._source:
            yield from unpack(piece)

    def read(self) -> bytes:
        gathered = Gathered(self.status, self.headers)
        for piece in self.pieces():
            if gathered.full(piece):
                break
        return gathered.content()

    def drain(self) -> None:
        self.patience.shorten(LAST_BYTES)
        with suppress(httpx.HTTPError):
            next(self._source, None)


class AsyncHttpxTransport:
    """For all event loops at once."""

    def __init__(self) -> None:
        self._pools: PerLoop[dict[Key, httpx.AsyncHTTPTransport]] = PerLoop(self, dict, _close_all, _drop_all)

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received:
        patience = Patience.whole(timeout, asyncio.get_running_loop().time)
        async with self._exchange(endpoint, body, patience) as reply:
            return reply.status, reply.headers, await reply.read()

    def open(self, endpoint: Endpoint, body: bytes, timeouts: Timeouts) -> AbstractAsyncContextManager[AsyncReply]:
        return self._exchange(endpoint, body, Patience(timeouts, asyncio.get_running_loop().time))

    @asynccontextmanager
    async def _exchange(
        self, endpoint: Endpoint, body: bytes, patience: Patience
    ) -> AsyncGenerator[_AsyncHttpxReply, None]:
        leaving = _Leaving()
        limits = {"connect": CONNECT}  # everything else is cut off from outside
        key = (endpoint.origin, endpoint.proxy)
        try:
            async with asyncio.timeout_at(patience.until):
                pools = self._pools.find()
                if pools is None:
                    pools = await self._pools.get()
                pool = pools.get(key)
                if pool is None:
                    pool = pools[key] = _open_async_pool(key)
                response = await pool.handle_async_request(
                    _request(endpoint, body, {"timeout": limits, "trace": leaving.atold})
                )
            try:
                yield _AsyncHttpxReply(response, patience)
            finally:
                await response.aclose()
        except _PROBLEMS as error:
            raise _problem(error, patience, sent=leaving.left) from None

    def close(self) -> None:
        self._pools.close()

    async def aclose(self) -> None:
        await self._pools.aclose()


class _AsyncHttpxReply:
    __slots__ = ("_response", "_source", "headers", "patience", "status")

    def __init__(self, response: httpx.Response, patience: Patience) -> None:
        self._response = response
        self._source = aiter(cast("httpx.AsyncByteStream", response.stream))
        self.patience = patience
        self.status = response.status_code
        self.headers = plain_headers(response.headers.multi_items())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        unpack = unpacker(self.headers).feed
        while True:
            async with asyncio.timeout_at(self.patience.until):
                packed = await anext(self._source, None)
            if packed is None:
                return
            for piece in unpack(packed):
                yield piece

    async def read(self) -> bytes:
        gathered = Gathered(self.status, self.headers)
        unpack = unpacker(self.headers).feed
        async with asyncio.timeout_at(self.patience.until):
            async for packed in self._source:
                if any(gathered.full(piece) for piece in unpack(packed)):
                    break
        return gathered.content()

    async def drain(self) -> None:
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(LAST_BYTES):
                await anext(self._source, None)


def _open_pool(key: Key) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(verify=_ssl_context(), limits=_LIMITS, proxy=key[1])
    _open_by(transport, DeadlineBackend())
    return transport


def _open_async_pool(key: Key) -> httpx.AsyncHTTPTransport:
    transport = httpx.AsyncHTTPTransport(verify=_ssl_context(), limits=_LIMITS, proxy=key[1])
    _open_by(transport, _AsyncBackend())
    return transport


def _open_by(transport: Any, backend: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend) -> None:
    """Choose how connections are opened, for which httpx has no way of its own."""
    transport._pool._network_backend = backend  # noqa: SLF001


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """Closes a connection whose TLS handshake is cancelled; httpcore's own leaves it to the garbage collector."""

    def __init__(self) -> None:
        self._plain: Any = httpcore.AnyIOBackend()

    async def connect_tcp(self, *given: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        stream: Any = await self._plain.connect_tcp(*given, **more)
        handshake = stream.start_tls

        async def start_tls(*given: Any, **more: Any) -> httpcore.AsyncNetworkStream:
            try:
                return cast("httpcore.AsyncNetworkStream", await handshake(*given, **more))
            except BaseException:
                await stream.aclose()
                raise

        stream.start_tls = start_tls
        return cast("httpcore.AsyncNetworkStream", stream)


async def _close_all(pools: dict[Key, httpx.AsyncHTTPTransport]) -> None:
    while pools:
        await pools.popitem()[1].aclose()


def _drop_all(pools: dict[Key, httpx.AsyncHTTPTransport]) -> None:
    pools.clear()


@lru_cache(maxsize=1)
def _ssl_context() -> SSLContext:
    """One for all pools: reading the roots takes 10 ms."""
    return httpx.create_ssl_context()


class _Leaving:
    """Whether a request has left. Httpcore tells its steps; the one that matters comes when there is a connection."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False

    def told(self, step: str, about: Mapping[str, Any]) -> None:
        # A proxy is asked for a tunnel first, and that is no request of ours.
        if step.endswith(".send_request_headers.started") and about["request"].method != b"CONNECT":
            self.left = True
            dispatching()

    async def atold(self, step: str, about: Mapping[str, Any]) -> None:
        self.told(step, about)


def _request(endpoint: Endpoint, body: bytes | None, extensions: dict[str, Any]) -> httpx.Request:
    url = endpoint.native.get("httpx")
    if url is None:
        url = endpoint.native["httpx"] = httpx.URL(endpoint.url)
    return httpx.Request(
        "GET" if body is None else "POST", url, headers=endpoint.headers, content=body, extensions=extensions
    )


def _problem(error: Exception, patience: Patience, *, sent: bool) -> ExchangeError:
    """The libraries' exceptions in our words."""
    match error:
        case httpx.TimeoutException() | TimeoutError():
            return overdue(patience, sent=sent)
        case UnpackError():
            return packed_wrongly(error)
        case _:
            kind, problem = _lost(error, sent=sent)
            return ExchangeError(kind, problem, sent=sent)


def _lost(error: Exception, *, sent: bool) -> tuple[FailureKind, str]:
    if not sent:
        return "connection", f"could not be reached: {error}"
    match error:
        case httpx.RemoteProtocolError() if "without sending a response" in str(error):
            return "connection", "closed the connection without an answer"
        case httpx.RemoteProtocolError() if "complete message" in str(error):
            return "connection", "closed the connection before the answer's end"
        case httpx.RemoteProtocolError():
            return "connection", f"answered with something that is not HTTP: {error}"
        case _:
            return "connection", f"broke the connection: {type(error).__name__}: {error}"
