"""HTTP/1.1 on h11 over asyncio: keep-alive, chunked answers, one request of a connection at a time.

It knows nothing of providers: a handler gets each request with a responder, writes to it, and may misbehave on
purpose (cut a body short, reset the connection).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import h11

Headers = Iterable[tuple[str, str]]

_LARGEST_BODY: Final = 64 * 2**20
_TOO_LARGE: Final = b'{"error":{"message":"the body is larger than the sandbox takes","type":"invalid_request_error"}}'


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`path` without its query; `headers` in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[HttpRequest, "Responder"], Awaitable[None]]


class Responder:
    """Writes one response. Either `whole`, or `start`, any number of `send`s and `end`; or a way of breaking off."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A response with its length."""
        self._connection.write(
            _response(status, (*headers, ("content-length", str(len(body))))), h11.Data(data=body), h11.EndOfMessage()
        )

    def start(self, status: int, headers: Headers) -> None:
        """Status and headers of a chunked response."""
        self._connection.write(_response(status, (*headers, ("transfer-encoding", "chunked"))))

    def now(self, data: bytes) -> None:
        """One chunk, without waiting."""
        self._connection.write(h11.Data(data=data))

    async def send(self, data: bytes) -> None:
        """One chunk. Waits while the client does not read."""
        self.now(data)
        await self._connection.writable()

    def end(self) -> None:
        """The proper end of a chunked response."""
        self._connection.write(h11.EndOfMessage())

    def give_up(self, headers: Headers, body: bytes) -> None:
        """Status 500 where nothing was said yet, else the end of the connection."""
        if self._connection.silent:
            self.whole(500, headers, body)
        else:
            self.cut()

    def part(self, status: int, headers: Headers, body: bytes, sent: int) -> None:
        """A response that announces `body` and breaks off after `sent` bytes of it."""
        self._connection.write(
            _response(status, (*headers, ("content-length", str(len(body))))), h11.Data(data=body[:sent])
        )
        self.cut()

    def cut(self) -> None:
        """End the connection where it stands, after what was written."""
        self._connection.drop(reset=False)

    def reset(self) -> None:
        """End the connection as a crashed peer does."""
        self._connection.drop(reset=True)


class Connection(asyncio.Protocol):
    """One client's connection. `open_ones`: where all open connections are known, for the end of the server."""

    def __init__(self, handler: Handler, open_ones: set[Connection]) -> None:
        self._handler, self._open_ones = handler, open_ones
        self._h11 = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._request: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._may_write: asyncio.Event | None = None

    # ---- what asyncio calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        self._h11.receive_data(data)
        if self._task is None:
            self._advance()

    def eof_received(self) -> bool:
        """The client has gone: there is nobody left to write to."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._open_ones.discard(self)
        if self._may_write is not None:
            self._may_write.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write = asyncio.Event()

    def resume_writing(self) -> None:
        if self._may_write is not None:
            self._may_write.set()
            self._may_write = None

    # ---- what a responder calls -----------------------------------------------------------------------------------

    def write(self, *events: h11.Event) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"".join([self._h11.send(event) or b"" for event in events]))

    @property
    def silent(self) -> bool:
        """Whether nothing of a response was written yet."""
        return self._h11.our_state is h11.SEND_RESPONSE

    async def writable(self) -> None:
        if self._may_write is not None:
            await self._may_write.wait()

    def drop(self, *, reset: bool) -> None:
        if reset:
            sock: socket.socket | None = self._transport.get_extra_info("socket")
            if sock is not None:
                # A linger of no seconds makes the kernel send a reset instead of an orderly end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    # ---- the server's side ----------------------------------------------------------------------------------------

    async def shut(self) -> None:
        """Drop the connection and wait until its handler has seen it."""
        task = self._task
        self._transport.abort()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _advance(self) -> None:
        """Read what has come, up to a whole request or the end of what there is."""
        try:
            while self._take(self._h11.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error).encode("latin-1", "replace"))

    def _take(self, event: type[h11.NEED_DATA | h11.PAUSED] | h11.Event) -> bool:
        """One event of the protocol; whether to go on reading."""
        if isinstance(event, h11.Request):
            self._request, self._body, self._size = event, [], 0
            if self._h11.they_are_waiting_for_100_continue:
                self._transport.write(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            return True
        if isinstance(event, h11.Data):
            self._size += len(event.data)
            if self._size > _LARGEST_BODY:
                self._refuse(413, _TOO_LARGE)
                return False
            self._body.append(bytes(event.data))
            return True
        if isinstance(event, h11.EndOfMessage) and self._request is not None:
            self._task = asyncio.get_running_loop().create_task(self._answer(self._read(self._request)))
            return False
        if isinstance(event, h11.ConnectionClosed):
            self._transport.close()
        return False

    def _read(self, request: h11.Request) -> HttpRequest:
        path, _, query = request.target.decode("latin-1").partition("?")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        return HttpRequest(request.method.decode("latin-1"), path, query, headers, b"".join(self._body))

    async def _answer(self, request: HttpRequest) -> None:
        try:
            await self._handler(request, Responder(self))
        finally:
            self._task = None
            self._next()

    def _next(self) -> None:
        """Make ready for the connection's next request, or close it."""
        if self._transport.is_closing():
            return
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            self._advance()
        else:
            self._transport.close()

    def _refuse(self, status: int, text: bytes) -> None:
        """Say what is wrong with the protocol, as far as that can still be said, and close."""
        if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            kind = "application/json" if text.startswith(b"{") else "text/plain"
            Responder(self).whole(status, (("content-type", kind), ("connection", "close")), text)
        self._transport.close()


def _response(status: int, headers: Headers) -> h11.Response:
    return h11.Response(status_code=status, headers=list(headers))
