"""Blocking sockets under a deadline that moves: what httpcore's own, a fixed timeout for each single read, cannot be.

Httpcore asks once for a timeout and gives it to every read of a header or of a body, so a server that sends a byte now
and then is read for ever. But it hands a timeout through to the socket as it got it. So the timeout here is a `Wait`,
a number that knows the deadline of its exchange, and the sockets below ask it, before each wait, how much is left. Who
does not know it takes it for the number that it is.

Not bounded is the resolver: `getaddrinfo` cannot be interrupted (its own configuration says how long it tries,
`options timeout:` in resolv.conf, and most answer within milliseconds or not at all).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any, Self

import httpcore

from rotor_core.adapters.patience import SHORTEST, Patience

_SLICE = 16 * 1024
"""Bytes that are handed to a socket at once. It may take them in parts, each with a wait of its own."""


class Wait(float):
    """Seconds, and whom to ask how many are left of them. `cap`: an instant that is no deadline of the exchange's."""

    patience: Patience
    cap: float

    def __new__(cls, patience: Patience, seconds: float = float("inf")) -> Self:
        self = super().__new__(cls, max(SHORTEST, min(patience.left(), seconds)))
        self.patience = patience
        self.cap = patience.clock() + seconds
        return self

    def left(self) -> float:
        """Seconds; not above 0 when it is over."""
        return min(self.patience.until, self.cap) - self.patience.clock()


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """What to set a socket to. Raises `late` when nothing is left, which a socket would take for something else."""
    if not isinstance(timeout, Wait):
        return timeout
    left = timeout.left()
    if left <= 0:
        raise late
    return left


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections that keep to the deadline of a `Wait`."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The host's addresses in turn, each with its share of the time, so that a dead first one does not take it all."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (
            OSError,
            UnicodeError,
        ) as error:  # UnicodeError: a name that is none, by the rules for international ones
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        failed: Exception = httpcore.ConnectError("no address")
        for number, address in enumerate(addresses):
            left = _left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - number)
            try:
                stream = self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _DeadlineStream(stream, timeout)
        raise failed


class _DeadlineStream(httpcore.NetworkStream):
    __slots__ = ("_inner", "_opened_with")

    def __init__(self, inner: httpcore.NetworkStream, opened_with: float | None) -> None:
        self._inner = inner
        self._opened_with = opened_with
        """For who asks without a timeout: httpcore does while it talks to a SOCKS proxy."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout or self._opened_with, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            left = _left(timeout or self._opened_with, httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + _SLICE], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = _left(timeout, httpcore.ConnectTimeout)
        except httpcore.ConnectTimeout:
            self.close()
            raise
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
