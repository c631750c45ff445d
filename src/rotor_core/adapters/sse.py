"""Server-sent events out of bytes, however the bytes were cut. No IO: what `feed` is given decides what it returns.

The format is the WHATWG HTML standard's, section 9.2: lines end in LF, CRLF or CR; a line that starts with a colon is
a comment; several `data` lines of one event are joined by LF; an empty line ends the event. Where the standard drops
an event that the stream's end cut short, `end` hands it over, because some servers leave the last empty line out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_EVENT: Final = 32 * 1024 * 1024
"""Bytes that one event may hold before the stream counts as broken."""

_BOM: Final = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """`name` is empty where the event has none. `data` is as it was sent: UTF-8, if the server keeps to the standard."""

    name: str
    data: bytes


class EventTooLargeError(ValueError):
    """One event grew beyond `MAX_EVENT`: nothing that speaks this format means that."""


class EventParser:
    """Feed it bytes as they come; it returns the events that they complete."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.max_event = max_event
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._name = ""
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Events completed by this piece, often none. Raises EventTooLargeError."""
        if not piece:
            return []
        if self._after_cr and piece[:1] == b"\n":
            piece = piece[1:]  # the second half of a CRLF that was cut in two
            self._after_cr = False
            if not piece:
                return []
        self._after_cr = piece[-1:] == b"\r"
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = piece.split(b"\n")
        self._line += first
        events: list[ServerSentEvent] = []
        if others:
            unfinished = others.pop()
            self._take(bytes(self._line), events)
            for line in others:
                self._take(line, events)
            self._line = bytearray(unfinished)
        if len(self._line) + self._size > self.max_event:
            raise EventTooLargeError(f"an event of more than {self.max_event} bytes")
        return events

    def end(self) -> list[ServerSentEvent]:
        """The event that the stream's end left without its empty line, if there is one."""
        events: list[ServerSentEvent] = []
        if self._line:
            self._take(bytes(self._line), events)
            self._line = bytearray()
        self._take(b"", events)
        return events

    def _take(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append(ServerSentEvent(self._name, b"\n".join(self._data)))
                self._data, self._size = [], 0
            self._name = ""
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
