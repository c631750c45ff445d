"""HTTP exchanges: what an adapter says to a transport, and which transport makes them.

    transport    one way to move bytes: `http_httpx` (blocking and async), `http_aiohttp` (async only, and faster)
    endpoint     where one deployment's requests go and with which headers, worked out once
    pool         connections kept open; one per origin and proxy, and per event loop, never per deployment or key

A transport returns whatever the server answered, errors included; it raises `ExchangeError` when there is no answer.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rotor_core._errors import ConfigError
from rotor_core._outcome import FailureKind

TransportName = Literal["auto", "httpx", "aiohttp"]
_BY_NAME: Final[Mapping[str, TransportName]] = {"auto": "auto", "httpx": "httpx", "aiohttp": "aiohttp"}

MAX_CONTENT: Final = 32 * 1024 * 1024
"""Bytes of an answer, unpacked. The longest that a chat model writes is under a hundredth of it."""
CONNECT: Final = 10.0
"""Seconds to connect, at most: a server that takes longer will not be worth the wait."""
KEEP_ALIVE: Final = 50.0
"""Seconds that an idle connection is kept: less than the minute after which common load balancers drop it."""
LAST_BYTES: Final = 0.25
"""Seconds to wait for a finished stream's closing bytes, so that its connection can be used again."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class ExchangeError(Exception):
    """There is no answer. `sent`: whether the request may have reached the server."""

    def __init__(self, kind: FailureKind, problem: str, *, sent: bool) -> None:
        super().__init__(problem)
        self.kind: FailureKind = kind
        self.sent = sent


class OversizeError(ExchangeError):
    """The answer is larger than any answer is."""

    def __init__(self) -> None:
        super().__init__("server_error", f"answered with more than {MAX_CONTENT // 2**20} MB", sent=True)


class Received(NamedTuple):
    """A whole answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(slots=True, eq=False)
class Endpoint:
    """`native` is the transports' own: their form of the URL, so that it is parsed once."""

    url: str
    headers: dict[str, str] = field(repr=False)
    proxy: str | None = field(repr=False)
    origin: tuple[str, str, int]
    native: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


class Reply(Protocol):
    """An answer whose body is still to be read."""

    status: int
    headers: dict[str, str]

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, unpacked."""
        ...

    def read(self) -> bytes:
        """All of the body. Raises `OversizeError`."""
        ...

    def drain(self) -> None:
        """The body's end has been read: see whether the exchange's own end comes too, shortly."""
        ...


class AsyncReply(Protocol):
    """`Reply` for event loops."""

    status: int
    headers: dict[str, str]

    def pieces(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes: ...

    async def drain(self) -> None: ...


class Transport(Protocol):
    """Blocking exchanges, from any thread. `send`: `timeout` is for all of it; `open`: between any two reads."""

    def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received: ...

    def open(self, endpoint: Endpoint, body: bytes, timeout: float) -> AbstractContextManager[Reply]: ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """`Transport` for event loops, any number of them. `close` is for whoever cannot await."""

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received: ...

    def open(self, endpoint: Endpoint, body: bytes, timeout: float) -> AbstractAsyncContextManager[AsyncReply]: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def bounded(timeout: float) -> float:
    """A timeout that every library takes: 0 means none at all to some, and infinity is more than a socket can count."""
    return min(max(timeout, 0.001), 86400.0)


def endpoint(url: str, headers: Mapping[str, str], proxy: str | None) -> Endpoint:
    """Work out where requests go. Raises `ExchangeError` for a URL or a header that cannot be sent."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ExchangeError("connection", f"has no usable base_url: {url!r}: {error}", sent=False) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ExchangeError("connection", f"has no usable base_url: {url!r} is not an http(s) URL", sent=False)
    for name, value in headers.items():
        if not (
            name.isascii() and value.isascii() and value.isprintable() and name.isprintable() and value == value.strip()
        ):
            if name == "Authorization":
                problem = "has a credential with characters in it that no HTTP header can carry (a line break or quote copied along?)"
                raise ExchangeError("auth", problem, sent=False)
            raise ExchangeError("connection", f"has a header that cannot be sent: {name!r}", sent=False)
    origin = (parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])
    return Endpoint(url, dict(headers), proxy or environment_proxy(*origin), origin)


def environment_proxy(scheme: str, host: str, port: int) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the system's settings) name for this origin."""
    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or proxy_bypass(f"{host}:{port}") or proxy_bypass(host):
        return None
    return found if "://" in found else f"http://{found}"


def plain_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Response headers by lower-case name, repeated ones joined. Cookies are dropped: nobody here wants them."""
    headers: dict[str, str] = {}
    for name, value in items:
        lower = name.lower()
        if lower in headers:
            headers[lower] += f", {value}"
        elif lower != "set-cookie":
            headers[lower] = value
    return headers


def wanted(transport: str) -> TransportName:
    """The transport's name, checked; where it is left to Rotor, `ROTOR_TRANSPORT` may say. Raises ConfigError."""
    name, key = transport, "transport"
    if name == "auto" and os.environ.get("ROTOR_TRANSPORT"):
        name, key = os.environ["ROTOR_TRANSPORT"].strip().lower(), "ROTOR_TRANSPORT"
    found = _BY_NAME.get(name)
    if found is None:
        raise ConfigError("there is no such transport", key=key, value=name, expected=", ".join(_BY_NAME))
    if found == "aiohttp" and find_spec("aiohttp") is None:
        expected = "httpx, or `pip install llm-rotor[aiohttp]`"
        raise ConfigError("aiohttp is not installed", key=key, value=name, expected=expected)
    return found


def blocking_transport() -> Transport:
    """The transport for blocking calls: always httpx."""
    from rotor_core.adapters.http_httpx import HttpxTransport  # noqa: PLC0415  httpx takes 80 ms to import

    return HttpxTransport()


def async_transport(name: TransportName) -> AsyncTransport:
    """The transport for event loops: aiohttp where it is installed, unless httpx is asked for."""
    if name == "httpx" or find_spec("aiohttp") is None:
        from rotor_core.adapters.http_httpx import AsyncHttpxTransport  # noqa: PLC0415  as above

        return AsyncHttpxTransport()
    from rotor_core.adapters.http_aiohttp import AiohttpTransport  # noqa: PLC0415  optional, and slow to import

    return AiohttpTransport()
