"""What every reader of a stream does with the bytes it is fed: keep the first of them, and make events of them.

A server that answers a request for a stream with one JSON body is noticed by its headers: then there are no events, and
the whole of it is kept until its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rotor_core.adapters.json_values import EMPTY
from rotor_core.adapters.sse import EventParser, EventTooLargeError, ServerSentEvent
from rotor_core.adapters.wire import WireError

OPENING: Final = 4_000
"""Bytes of a stream's beginning that are kept to say what came, should it turn out to be no stream."""


class EventReader:
    """The beginning of a `rotor_core.adapters.wire.Reader`; a format adds `feed` and `end`."""

    def __init__(self, headers: Mapping[str, str] = EMPTY) -> None:
        self.done = False
        self.notes = 0
        self.opening = b""
        self._headers = headers
        self._events = EventParser()
        content_type = headers.get("content-type", "")
        json_body = "json" in content_type and "event-stream" not in content_type
        self._whole: bytearray | None = bytearray() if json_body else None

    def taken(self, piece: bytes) -> Sequence[ServerSentEvent]:
        """The events that this piece completes. Raises `WireError` for what is too large to be any answer."""
        if len(self.opening) < OPENING:
            self.opening += piece[:OPENING]
        if self._whole is not None:
            self._whole += piece
            if len(self._whole) > self._events.max_event:
                raise WireError("a body that is too large")
            return ()
        try:
            return tuple(self._events.feed(piece))
        except EventTooLargeError as error:
            raise WireError(str(error)) from None
