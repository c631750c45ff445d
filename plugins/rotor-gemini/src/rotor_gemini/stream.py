"""A stream of Gemini's, out of bytes into chunks. No IO and no clock: an adapter feeds it what it reads.

With `alt=sse` each event holds one response, and no event says that the stream is over: the finish reason does. Without
it (or from a gateway that pays no heed) the same responses come as one JSON list, which is read when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rotor_core._outcome import Chunk, ToolCallDelta, Usage
from rotor_core.adapters.event_reader import EventReader
from rotor_core.adapters.json_values import EMPTY, is_list
from rotor_core.adapters.openai_wire import load
from rotor_core.adapters.sse import ServerSentEvent
from rotor_core.adapters.wire import WireError
from rotor_gemini.answers import Piece, Telling


class StreamReader(EventReader):
    """One per stream. See `rotor_core.adapters.wire.Reader`."""

    def __init__(self, headers: Mapping[str, str] = EMPTY) -> None:
        super().__init__(headers)
        self._telling = Telling()

    def feed(self, piece: bytes) -> Iterator[Chunk]:
        for event in self.taken(piece):
            yield from self._take(event)

    def end(self) -> Iterator[Chunk]:
        if self._whole is not None:
            data = load(bytes(self._whole))
            for one in data if is_list(data) else [data]:
                yield from self._seen(self._told(one))
        for event in self._events.end():
            try:
                yield from self._take(event)
            except WireError as error:
                if error.error_body is not None:
                    raise
                break  # the cut went through an event; that it was cut is said below
        if not self._telling.ended:
            raise WireError("a stream that broke off before its end" if self._telling.begun else "no event stream")
        yield self._chunk(finish_reason=self._telling.finish_reason(), usage=self._telling.usage)

    def _take(self, event: ServerSentEvent) -> Iterator[Chunk]:
        data = event.data.strip()
        if event.name == "error":
            raise WireError("an error in the stream", data.decode("utf-8", "replace"))
        if data and data != b"[DONE]":  # which Google never sends, and gateways do
            yield from self._seen(self._told(load(data)))

    def _told(self, data: Any) -> Piece:
        piece = self._telling.take(data)
        self.notes = self._telling.changes
        return piece

    def _seen(self, piece: Piece) -> Iterator[Chunk]:
        """What a caller sees of it; the stream's first chunk is given even when there is nothing to see."""
        if piece.text or piece.reasoning or piece.calls or self._headers:
            begun = self._telling.calls - len(piece.calls)
            calls = tuple(
                ToolCallDelta(begun + n, call.id, call.name, call.arguments, call.extra)
                for n, call in enumerate(piece.calls)
            )
            yield self._chunk(piece.text, calls, piece.reasoning)

    def _chunk(
        self,
        text: str = "",
        calls: tuple[ToolCallDelta, ...] = (),
        reasoning: str = "",
        finish_reason: str | None = None,
        usage: Usage | None = None,
    ) -> Chunk:
        headers, self._headers = self._headers, EMPTY
        return Chunk(text, calls, reasoning, finish_reason, usage, self._telling.model, self._telling.id, headers)
