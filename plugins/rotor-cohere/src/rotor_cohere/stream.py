"""A streamed answer of Cohere's, out of bytes into chunks. No IO and no clock: an adapter feeds it what it reads.

Its events are typed and say each thing once; `message-end` is the last, and a `[DONE]` after it has nothing to add.
Citations are passed over, since nobody here can show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rotor_cohere import answer
from rotor_core._outcome import Chunk, ToolCallDelta, Usage
from rotor_core.adapters.event_reader import EventReader
from rotor_core.adapters.json_values import EMPTY, is_list, name, string, table
from rotor_core.adapters.openai_calls import arguments_of
from rotor_core.adapters.openai_wire import load
from rotor_core.adapters.sse import ServerSentEvent
from rotor_core.adapters.wire import WireError


class CohereReader(EventReader):
    """One per stream. See `rotor_core.adapters.wire.Reader`. A body that is one JSON answer is understood too."""

    def __init__(self, headers: Mapping[str, str] = EMPTY) -> None:
        super().__init__(headers)
        self._begun = False
        self._id: str | None = None
        self._finish_reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, piece: bytes) -> Iterator[Chunk]:
        """The chunks that this piece completes. Raises `WireError`, after what came before the trouble."""
        for event in self.taken(piece):
            if self.done:
                return
            chunk = self._take(event)
            if chunk is not None:
                yield chunk

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
        if not self.done:
            raise WireError("a stream that broke off before its end" if self._begun else "no event stream")
        yield self._chunk(finish_reason=self._finish_reason, usage=self._usage)

    def _take(self, event: ServerSentEvent) -> Chunk | None:
        data = event.data.strip()
        if not data or data == b"[DONE]":
            return None
        if event.name == "error":
            raise WireError("an error in the stream", data.decode("utf-8", "replace"))
        body = answer.body_without_error(load(data))
        self._begun = True
        delta = table(body.get("delta"))
        message = table(delta.get("message"))
        what = string(body.get("type")) or event.name
        text = reasoning = ""
        calls: tuple[ToolCallDelta, ...] = ()
        match what:
            case "message-start":
                self._id = name(body.get("id"))
            case "content-start" | "content-delta":
                text, reasoning = answer.spoken(message.get("content"))
            case "tool-plan-delta":
                reasoning = string(message.get("tool_plan"))
            case "tool-call-start" | "tool-call-delta":
                calls = _calls(body.get("index"), message.get("tool_calls"))
            case "message-end":
                self._end_with(delta)
                return None
            case _:
                return None
        return self._chunk(text, reasoning, calls) if text or reasoning or calls or self._headers else None

    def _end_with(self, delta: Mapping[str, Any]) -> None:
        self._finish_reason = answer.finish_of(delta)
        self._usage = answer.usage_of(delta)
        self.done = True
        self.notes += 1

    def _chunk(
        self,
        text: str = "",
        reasoning: str = "",
        calls: tuple[ToolCallDelta, ...] = (),
        finish_reason: str | None = None,
        usage: Usage | None = None,
    ) -> Chunk:
        headers, self._headers = self._headers, EMPTY
        return Chunk(text, calls, reasoning, finish_reason, usage, None, self._id, headers)

    def _from_whole(self, content: bytes) -> Chunk:
        whole = answer.answer_of(load(content), self._headers)
        calls = tuple(ToolCallDelta(i, c.id, c.name, c.arguments) for i, c in enumerate(whole.tool_calls))
        self._id = whole.id
        return self._chunk(whole.text, whole.reasoning, calls, whole.finish_reason, whole.usage)


def _calls(index: Any, calls: Any) -> tuple[ToolCallDelta, ...]:
    """A piece of one call; it is an object where an answer has a list."""
    call = table(calls[0] if is_list(calls) and calls else calls)
    function = table(call.get("function"))
    delta = ToolCallDelta(
        index if isinstance(index, int) else 0, name(call.get("id")), name(function.get("name")), arguments_of(function)
    )
    return (delta,) if delta.id or delta.name or delta.arguments else ()
