"""A request of aiohttp's whose body leaves with its headers, at once.

On Python 3.11 aiohttp writes every body in a task of its own. The task begins with the event loop's next turn, so each
request leaves that much later and pays for the task, the turn and the task's callbacks: a tenth of a short exchange
(`benchmarks/failover.py`). From Python 3.12 on aiohttp starts that task eagerly, it ends before it was ever one, and
nothing of this is used.

What a connection takes without waiting is written as aiohttp would write it in the end: its own `send` makes the headers,
for a stand-in that keeps what is written, and these and the body go to the transport as one. Whatever is larger or
unusual, and any version of aiohttp that this was not tried with, goes aiohttp's own way.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, Final

import aiohttp

TRIED: Final = ((3, 12, 2), (3, 15))
"""Versions of aiohttp that this is known to fit: from the first on, before the second."""
SMALL: Final = 48 * 1024
"""Bytes. With its headers a body stays below the 64 kB that asyncio and aiohttp take before they let a writer wait."""
LARGE: Final = 2**20
"""Bytes from which aiohttp wants a body as a file, so that writing it does not hold up the loop."""


class Small(aiohttp.BytesPayload):
    """A body that a connection takes whole."""

    def __init__(self, whole: bytes) -> None:
        super().__init__(whole)
        self.whole = whole


class _Kept:
    """Stands in for a connection, its protocol and its transport while headers are written: `written` is what was."""

    writing_paused = False

    def __init__(self, connection: Any) -> None:
        self._connector = connection._connector  # noqa: SLF001  aiohttp's `send` asks it whether connections are kept
        self.start_timeout: Callable[[], None] = connection.protocol.start_timeout
        self.written: list[bytes] = []

    @property
    def protocol(self) -> _Kept:
        return self

    @property
    def transport(self) -> _Kept:
        return self

    def is_closing(self) -> bool:
        return False

    def write(self, piece: bytes) -> None:
        self.written.append(piece)


class AtOnce(aiohttp.ClientRequest):
    """Writes a `Small` body itself."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        body = self._body
        if not isinstance(body, Small) or not self._is_plain(len(body.whole)):
            return await super().send(conn)
        kept: Any = _Kept(conn)
        self._body = None  # there are only headers to write
        try:
            response = await super().send(kept)
        finally:
            self._body = body
        transport = conn.protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        transport.write(b"".join((*kept.written, body.whole)))
        return response

    def _is_plain(self, length: int) -> bool:
        """Whether nothing is to be done about the body but to write it. A length that the caller told may be another."""
        told = self.headers.get("Content-Length")
        return told == str(length) and self._continue is None and not self._traces


def suits(version: tuple[int, ...], python: tuple[int, ...]) -> bool:
    """Whether `AtOnce` is of use, and known to fit."""
    first, beyond = TRIED
    return python < (3, 12) and first <= version < beyond


VERSION: Final = tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdecimal())
"""Of aiohttp, as far as it is told in figures: (3, 14, 5)."""
_SUITS: Final = suits(VERSION, sys.version_info[:2])
REQUEST: Final[type[aiohttp.ClientRequest]] = AtOnce if _SUITS else aiohttp.ClientRequest
"""For a session whose bodies `body_of` makes."""


def body_of(content: bytes) -> bytes | io.BytesIO | Small:
    """A request's body as it is to be given to a session."""
    if len(content) <= SMALL and _SUITS:
        return Small(content)
    return content if len(content) < LARGE else io.BytesIO(content)
