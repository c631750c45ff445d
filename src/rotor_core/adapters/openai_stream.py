"""A streamed chat completion, out of bytes into chunks. No IO and no clock: an adapter feeds it what it reads.

Content goes on at once. `finish_reason` and `usage` are held back and come once, on one last chunk: providers repeat
them (Groq sends usage in two places, OpenRouter a finish reason twice, others usage on every chunk), and whoever adds
chunks up would count them as often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rotor_core._outcome import Chunk, ToolCallDelta, Usage
from rotor_core.adapters import openai_wire as wire
from rotor_core.adapters.event_reader import EventReader
from rotor_core.adapters.json_values import EMPTY, name, string, table
from rotor_core.adapters.openai_calls import CallPieces
from rotor_core.adapters.sse import ServerSentEvent
from rotor_core.adapters.wire import WireError


class StreamReader(EventReader):
    """One per stream. `feed` until it is `done` or the bytes end, then `end`.

    A server that answers a request for a stream with one JSON body is understood too: it becomes one chunk.
    """

    def __init__(self, headers: Mapping[str, str] = EMPTY) -> None:
        super().__init__(headers)
        self._begun = self._said = False
        self._finish_reason: str | None = None
        self._trouble: WireError | None = None
        self._usage: Usage | None = None
        self._model: str | None = None
        self._id: str | None = None
        self._calls = CallPieces()

    def feed(self, piece: bytes) -> Iterator[Chunk]:
        """The chunks that this piece completes. Raises `WireError`, after what came before the trouble."""
        for event in self.taken(piece):
            if self.done:
                return
            chunk = self._take(event)
            if chunk is not None:
                yield chunk
            if self._trouble is not None:
                raise self._trouble

    def end(self) -> Iterator[Chunk]:
        """The last chunk, with `finish_reason` and `usage`. Raises `WireError` if the stream is not at its end."""
        if self._whole is not None:
            yield self._from_whole(bytes(self._whole))
            return
        for event in () if self.done else self._events.end():
            try:
                chunk = self._take(event)
            except WireError as error:
                if error.error_body is not None:
                    raise
                break  # the cut went through an event; that it was cut is said below
            if chunk is not None:
                yield chunk
        if self._trouble is not None:
            raise self._trouble
        if not self.done and self._finish_reason is None:
            raise WireError("a stream that broke off before its end" if self._begun else "no event stream")
        if self._finish_reason is None and not self._said:
            raise WireError("a stream that ended without an answer in it")
        yield self._chunk(finish_reason=self._finish_reason, usage=self._usage)

    def _take(self, event: ServerSentEvent) -> Chunk | None:
        data = event.data.strip()
        if data == b"[DONE]":
            self.done = True
            return None
        if event.name == "error":
            raise WireError("an error in the stream", data.decode("utf-8", "replace"))
        if not data:
            return None
        body = wire.body_without_error(wire.load(data))
        self._begun = True
        self._note(body)
        return self._content(body)

    def _note(self, body: Mapping[str, Any]) -> None:
        """What is said of the whole answer; the first to name the model and the id, the last word on usage."""
        if self._id is None:
            self._id = name(body.get("id"))
        if self._model is None:
            self._model = name(body.get("model"))
        usage = wire.usage_of(body)
        if usage is not None and usage != self._usage:
            self._usage = usage
            self.notes += 1

    def _content(self, body: Mapping[str, Any]) -> Chunk | None:
        """What a caller would see of it, or None; the stream's first chunk is given even when there is nothing to see."""
        choice = wire.first_choice(body)
        self._trouble = wire.trouble_of(choice)
        finish_reason = name(choice.get("finish_reason"))
        if finish_reason is not None and finish_reason != self._finish_reason:
            self._finish_reason = finish_reason
            self.notes += 1
        delta = table(choice.get("delta"))
        text, thoughts = wire.content_of(delta.get("content"))
        text = text or string(delta.get("refusal"))
        reasoning = thoughts + wire.reasoning_of(delta)
        calls = self._calls.take(delta.get("tool_calls"), self._id)
        self._said = self._said or bool(text or reasoning or calls)
        if text or reasoning or calls or self._headers:
            return self._chunk(text, reasoning, calls)
        return None

    def _chunk(
        self,
        text: str = "",
        reasoning: str = "",
        calls: tuple[ToolCallDelta, ...] = (),
        finish_reason: str | None = None,
        usage: Usage | None = None,
    ) -> Chunk:
        headers, self._headers = self._headers, EMPTY
        return Chunk(text, calls, reasoning, finish_reason, usage, self._model, self._id, headers)

    def _from_whole(self, content: bytes) -> Chunk:
        answer = wire.decode(content, self._headers)
        calls = tuple(ToolCallDelta(i, c.id, c.name, c.arguments, c.extra) for i, c in enumerate(answer.tool_calls))
        self._model, self._id = answer.model, answer.id
        return self._chunk(answer.text, answer.reasoning, calls, answer.finish_reason, answer.usage)
