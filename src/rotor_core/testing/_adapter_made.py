"""What the suite's tests of adapters are made of: requests by hand, and the two faces of an adapter as one.

A `Face` calls an adapter as a blocking program does or as an event loop does, so that each test is said once.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import pytest

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk, ToolCall
from rotor_core._request import Request
from rotor_core.adapters.base import Adapter
from rotor_core.sandbox.box import Sandbox

T = TypeVar("T")
Way = Literal["blocking", "async"]

PATIENCE: Final = 10.0
"""Seconds for what should take milliseconds: no test of an answer ends by running out of time."""
BRIEF: Final = 0.2
"""Seconds for what hangs."""
LATE: Final = 3.0
"""Seconds by which what had `BRIEF` has surely ended, on a machine with other work."""

WEATHER: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PIXEL: Final = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""One pixel, whole: what an adapter does with images it does with this one."""


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(text: str = "Tell me about rivers.", **more: Any) -> Request:
    return Request([user(text)], **more)


def called(call: ToolCall) -> dict[str, Any]:
    """A tool call as it stands in the messages of the next request."""
    function = {"name": call.name, "arguments": call.arguments}
    extra = {"extra_content": dict(call.extra)} if call.extra else {}
    return {"id": call.id or f"call_{call.name}", "type": "function", "function": function, **extra}


def arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments of a tool call, which have to be a JSON object."""
    parsed = json.loads(call.arguments)
    assert isinstance(parsed, dict), f"the arguments of {call.name} are no JSON object: {call.arguments}"
    return dict(parsed)  # pyright: ignore[reportUnknownArgumentType]  keys of a JSON object are text


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream that came to its end, or to the error `broken`."""

    chunks: Sequence[Chunk]
    broken: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def reasoning(self) -> str:
        return "".join(chunk.reasoning for chunk in self.chunks)

    @property
    def finish_reasons(self) -> list[str]:
        return [chunk.finish_reason for chunk in self.chunks if chunk.finish_reason is not None]

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls put together from their pieces, in the order in which they began."""
        made: dict[int, ToolCall] = {}
        for piece in (piece for chunk in self.chunks for piece in chunk.tool_calls):
            so_far = made.get(piece.index, ToolCall(None, "", ""))
            made[piece.index] = ToolCall(
                so_far.id or piece.id,
                so_far.name or piece.name or "",
                so_far.arguments + piece.arguments,
                {**so_far.extra, **piece.extra},
            )
        return list(made.values())


@dataclass(slots=True)
class Face:
    """One way to use an adapter. `runner`: the event loop that the async calls share."""

    adapter: Adapter
    way: Way
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def call(self, where: Deployment, request: Request | None = None, timeout: float = PATIENCE) -> Answer:
        request = request or ask()
        if self.way == "blocking":
            return self.adapter.call(where, request, timeout=timeout)
        return self.run(self.adapter.acall(where, request, timeout=timeout))

    def stream(self, where: Deployment, request: Request | None = None, timeouts: Timeouts | None = None) -> Streamed:
        """All that came; a `ProviderError` is part of what came, anything else is raised."""
        request, timeouts = request or ask(), timeouts or Timeouts(PATIENCE, PATIENCE, PATIENCE)
        chunks: list[Chunk] = []
        try:
            if self.way == "blocking":
                _each(self.adapter.stream(where, request, timeouts=timeouts), chunks)
            else:
                self.run(_each_async(self.adapter.astream(where, request, timeouts=timeouts), chunks))
        except ProviderError as error:
            return Streamed(chunks, error)
        return Streamed(chunks)

    def failed(self, where: Deployment, request: Request | None = None, timeout: float = PATIENCE) -> ProviderError:
        """The error of a call that has to fail."""
        with pytest.raises(ProviderError) as caught:
            self.call(where, request, timeout)
        return caught.value

    def broken(
        self, where: Deployment, request: Request | None = None, timeouts: Timeouts | None = None
    ) -> ProviderError:
        """The error of a stream that has to fail."""
        streamed = self.stream(where, request, timeouts)
        assert streamed.broken is not None, f"the stream ended as if nothing were wrong: {streamed.text!r}"
        return streamed.broken

    def close(self) -> None:
        if self.way == "async":
            self.run(self.adapter.aclose())
        self.adapter.close()
        self.runner.close()


def _each(stream: Iterator[Chunk], chunks: list[Chunk]) -> None:
    for chunk in stream:
        chunks.append(chunk)  # noqa: PERF402  one by one: those before an error are kept


async def _each_async(stream: AsyncIterator[Chunk], chunks: list[Chunk]) -> None:
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401  likewise


def everything_said(error: ProviderError) -> str:
    """All that an error shows, wherever somebody might look or log."""
    shown = [str(error), repr(error), error.body, str(dict(error.headers)), error.failure.message, repr(error.failure)]
    return "\n".join((*shown, *traceback.format_exception(error), repr(vars(error))))


def eventually(happened: Callable[[], bool], what: str) -> None:
    """Wait, for as long as a loaded machine may need, until something has happened."""
    from threading import Event  # noqa: PLC0415  only its clock

    pause = Event()
    for _ in range(int(LATE / 0.01)):
        if happened():
            return
        pause.wait(0.01)
    pytest.fail(what)


@dataclass(frozen=True, slots=True)
class Place:
    """A provider of the sandbox, and how to find what it made of a request."""

    box: Sandbox
    name: str

    def last(self) -> Mapping[str, Any]:
        """The record of the last request that has ended."""
        return self.box.stats()[-1]
