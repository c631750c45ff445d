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

import sys
from collections.abc import Callable
from typing import Any, Final

import aiohttp

TRIED: Final = ((3, 12, 2), (3, 15))
"""Versions of aiohttp that this is known to fit: from the first on, before the second."""
SMALL: Final = 48 * 1024
"""Bytes. With its headers a body stays below the 64 kB that asyncio and aiohttp take before they let a writer wait."""


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
    """Writes a small body itself."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        body = self._body
        if type(body) is not aiohttp.BytesPayload or not self._is_plain(body.size):
            return await super().send(conn)
        kept: Any = _Kept(conn)
        self._body = None  # there are only headers to write
        try:
            response = await super().send(kept)
        finally:
            self._body = body
        transport, whole = conn.protocol.transport, await body.as_bytes()
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        transport.write(b"".join((*kept.written, whole)))
        return response

    def _is_plain(self, size: int | None) -> bool:
        """Whether nothing is to be done about a body but to write it, and that at once. The caller may have told another length."""
        if size is None or size > SMALL or self.headers.get("Content-Length") != str(size):
            return False
        return self._continue is None and not self._traces


def suits(version: tuple[int, ...], python: tuple[int, ...]) -> bool:
    """Whether `AtOnce` is of use, and known to fit."""
    first, beyond = TRIED
    return python < (3, 12) and first <= version < beyond


VERSION: Final = tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdecimal())
"""Of aiohttp, as far as it is told in figures: (3, 14, 5)."""
REQUEST: Final[type[aiohttp.ClientRequest]] = AtOnce if suits(VERSION, sys.version_info[:2]) else aiohttp.ClientRequest
"""For a session that is given bodies as bytes."""
