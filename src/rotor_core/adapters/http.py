"""HTTP exchanges: what an adapter says to a transport, and which transport makes them.

    transport    one way to move bytes: `http_httpx` (blocking and async), `http_aiohttp` (async only, and faster)
    endpoint     where one deployment's requests go and with which headers, worked out once
    pool         connections kept open; one per origin and proxy, and per event loop, never per deployment or key
    patience     how long the exchange is waited for; its deadline holds for every single wait (`patience`)

A transport returns whatever the server answered, errors included; it raises `ExchangeError` when there is no answer.
It asks once: nothing here or in the libraries below sends a POST a second time.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rotor_core._errors import ConfigError
from rotor_core._health import Timeouts
from rotor_core._outcome import FailureKind
from rotor_core.adapters.patience import Patience
from rotor_core.adapters.unpack import Unpacker, UnpackError

TransportName = Literal["auto", "httpx", "aiohttp"]
_BY_NAME: Final[Mapping[str, TransportName]] = {"auto": "auto", "httpx": "httpx", "aiohttp": "aiohttp"}

MAX_CONTENT: Final = 32 * 1024 * 1024
"""Bytes of an answer, unpacked. The longest that a chat model writes is under a hundredth of it."""
MAX_REFUSAL: Final = 1024 * 1024
"""Bytes of an answer that is an error. What is beyond is not read: its beginning and its status say what it is."""
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


Received = tuple[int, dict[str, str], bytes]
"""A whole answer: its status, its headers by their names in lower case, its body."""


@dataclass(slots=True, eq=False)
class Endpoint:
    """`native` is the transports' own: their form of the URL, so that it is parsed once."""

    url: str
    headers: dict[str, str] = field(repr=False)
    proxy: str | None = field(repr=False)
    origin: tuple[str, str, int]
    native: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


class Reply(Protocol):
    """An answer whose body is still to be read. Whoever reads tells `patience` what it heard."""

    status: int
    headers: dict[str, str]
    patience: Patience

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, unpacked."""
        ...

    def read(self) -> bytes:
        """All of the body. Raises `OversizeError`; of an error the beginning is enough (`MAX_REFUSAL`)."""
        ...

    def drain(self) -> None:
        """The body's end has been read: see whether the exchange's own end comes too, shortly."""
        ...


class AsyncReply(Protocol):
    """`Reply` for event loops."""

    status: int
    headers: dict[str, str]
    patience: Patience

    def pieces(self) -> AsyncGenerator[bytes, None]: ...

    async def read(self) -> bytes: ...

    async def drain(self) -> None: ...


class Transport(Protocol):
    """Blocking exchanges, from any thread. `timeout` is for all of it, in seconds; `timeouts` are those of a stream.

    `body` None: a GET; else a POST.
    """

    def send(self, endpoint: Endpoint, body: bytes | None, timeout: float) -> Received: ...

    def open(self, endpoint: Endpoint, body: bytes, timeouts: Timeouts) -> AbstractContextManager[Reply]: ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """`Transport` for event loops, any number of them. `close` is for whoever cannot await."""

    async def send(self, endpoint: Endpoint, body: bytes, timeout: float) -> Received: ...

    def open(self, endpoint: Endpoint, body: bytes, timeouts: Timeouts) -> AbstractAsyncContextManager[AsyncReply]: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class Gathered:
    """A whole body out of its pieces, never more of it than any answer has."""

    __slots__ = ("_limit", "_pieces", "_size", "_strict")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        """Raises `OversizeError` where the headers say already how long it is."""
        self._strict = 200 <= status < 300
        self._limit = MAX_CONTENT if self._strict else MAX_REFUSAL
        self._pieces: list[bytes] = []
        self._size = 0
        length = headers.get("content-length", "")
        if self._strict and length.isdecimal() and (len(length) > 15 or int(length) > self._limit):
            raise OversizeError

    def full(self, piece: bytes) -> bool:
        """Take one more, and say whether it is enough. Raises `OversizeError`."""
        self._size += len(piece)
        self._pieces.append(piece)
        if self._size <= self._limit:
            return False
        if self._strict:
            raise OversizeError
        return True

    def content(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def unpacker(headers: Mapping[str, str]) -> Unpacker:
    """For the body that these headers announce. Raises `ExchangeError`."""
    try:
        return Unpacker(headers.get("content-encoding", ""))
    except UnpackError as error:
        raise packed_wrongly(error) from None


def packed_wrongly(error: UnpackError) -> ExchangeError:
    """A body that cannot be read."""
    return ExchangeError("server_error", f"answered with a body {error}", sent=True)


def overdue(patience: Patience, *, sent: bool) -> ExchangeError:
    """Its deadline has passed."""
    if not sent:
        return ExchangeError("timeout", f"could not be reached within {min(CONNECT, patience.seconds):g} s", sent=False)
    return ExchangeError("timeout", patience.problem, sent=True)


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
            if name.lower() in _CREDENTIALS:
                problem = "has a credential with characters in it that no HTTP header can carry (a line break or quote copied along?)"
                raise ExchangeError("auth", problem, sent=False)
            raise ExchangeError("connection", f"has a header that cannot be sent: {name!r}", sent=False)
    origin = (parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])
    return Endpoint(url, dict(headers), proxy or environment_proxy(*origin), origin)


_CREDENTIALS: Final = frozenset({"authorization", "x-goog-api-key", "x-api-key", "api-key"})


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
        if not value.isascii():  # undecoded bytes can be in it, which could not be written anywhere
            value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # noqa: PLW2901
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
