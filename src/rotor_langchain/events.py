"""Status events: the engine's, told to whoever listens on LangChain's side, under the chat model's own run.

LangChain's `dispatch_custom_event` speaks in the name of the enclosing chain, and fails where there is none. So a
call carries a reference to its run, and events go straight to the run's handlers: callbacks, `astream_events`, and
(through LangGraph's writer) the custom stream. Where nobody listens, nothing is made.
"""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, Self
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.callbacks.manager import ahandle_event, handle_event

from rotor_core._events import Event, Exhausted, Recovered, Rotated, Selected

NAMES: Final[Mapping[type[Event], str]] = MappingProxyType(
    {
        Selected: "model_selected",
        Rotated: "model_rotation",
        Exhausted: "no_models_available",
        Recovered: "rate_limit_recovered",
    }
)
"""The engine's events that LangChain's side hears of, and under which name."""

Writer = Callable[[Any], None]
PoolState = Callable[[str], Mapping[str, Any]]


class RunReference(Protocol):
    """What is needed of a run to speak in its name; LangChain's run managers have it."""

    handlers: list[BaseCallbackHandler]
    run_id: UUID
    tags: list[str]
    metadata: dict[str, Any]


@dataclass(slots=True)
class Run:
    """A run that has no manager yet, by the id that it will have."""

    handlers: list[BaseCallbackHandler]
    run_id: UUID
    tags: list[str]
    metadata: dict[str, Any]


_SILENT: Final = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)


def listening(handlers: Sequence[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    """Those of the handlers that would do anything with a custom event."""
    return [h for h in handlers if not h.ignore_custom_event and _hears(h)]


def _hears(handler: BaseCallbackHandler) -> bool:
    return getattr(type(handler), "on_custom_event", None) not in _SILENT or "on_custom_event" in vars(handler)


def stream_writer() -> Writer | None:
    """LangGraph's writer, when this call stands in a node whose caller asked for the custom stream."""
    if "langgraph" not in sys.modules:
        return None
    from langgraph.config import get_stream_writer  # noqa: PLC0415  it is loaded already, or we would not be here

    try:
        writer: Writer = get_stream_writer()
    except (RuntimeError, KeyError):  # outside a node, or in a graph without a runtime
        return None
    # Without the custom stream LangGraph hands out an empty function: it names nothing, so it can do nothing.
    code = getattr(writer, "__code__", None)
    return writer if code is None or code.co_names or code.co_freevars else None


def describe(event: Event, pool_state: PoolState) -> dict[str, Any]:
    """An event's data: plain values, instants in seconds since the epoch, and the pool as it stands now."""
    data: dict[str, Any] = {
        "deployment": getattr(event, "deployment", None),
        "reason": getattr(event, "reason", ""),
        "at": event.at,
        "attempt": event.attempt,
        "request": event.request,
        "pool": dict(pool_state(event.pool)),
    }
    if isinstance(event, Selected | Recovered):
        data["waited_s"] = round(event.waited, 3)
    elif isinstance(event, Rotated):
        data["previous"] = event.previous
        if event.mid_stream:
            data["phase"] = "mid_stream"
    elif isinstance(event, Exhausted):
        data["refused"] = event.refused
        data["retry_at"] = event.retry_at
        data["reasons"] = {name: rejection.detail for name, rejection in event.reasons.items()}
    return data


class _Teller(ABC):
    """Hears the engine's events of one call. Writes to LangGraph at once, and hands on to handlers."""

    def __init__(
        self,
        handlers: list[BaseCallbackHandler],
        run: RunReference | None,
        writer: Writer | None,
        pool_state: PoolState,
    ) -> None:
        self._handlers, self._run, self._writer, self._pool_state = handlers, run, writer, pool_state

    def __call__(self, event: Event) -> None:
        name = NAMES.get(type(event))
        if name is None:
            return
        data = describe(event, self._pool_state)
        if self._writer is not None:
            self._writer({"event": name, "source": "rotor", **data})
        if self._handlers:
            self._tell(name, data)

    @abstractmethod
    def _tell(self, name: str, data: dict[str, Any]) -> None:
        """Hand one event on to the handlers."""

    def _marks(self) -> dict[str, Any]:
        run = self._run
        assert run is not None
        return {"run_id": run.run_id, "tags": run.tags, "metadata": run.metadata}


class Teller(_Teller):
    """For blocking calls: handlers are called in the calling thread."""

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        handle_event(self._handlers, "on_custom_event", "ignore_custom_event", name, data, **self._marks())


class AsyncTeller(_Teller):
    """For calls on an event loop: handlers run beside the call, in order, and `flush` waits until they have."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._untold: deque[tuple[str, dict[str, Any]]] = deque()
        self._telling: asyncio.Task[None] | None = None

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        self._untold.append((name, data))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell_all())

    async def _tell_all(self) -> None:
        while self._untold:
            name, data = self._untold.popleft()
            await ahandle_event(self._handlers, "on_custom_event", "ignore_custom_event", name, data, **self._marks())

    async def flush(self) -> None:
        """Wait until everything so far has been told; a handler with `raise_error` raises here."""
        telling, self._telling = self._telling, None
        if telling is not None:
            await telling

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, Exception):
            await self.flush()
        elif self._telling is not None:  # cancelled or closed: nobody waits for the rest
            self._telling.cancel()


class _Nobody:
    """In a teller's place where nobody listens."""

    async def flush(self) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


NOBODY: Final = _Nobody()


def audience(
    run: RunReference | None, *, custom_stream: bool
) -> tuple[list[BaseCallbackHandler], RunReference | None, Writer | None] | None:
    """Who listens to a call, or None."""
    handlers = listening(run.handlers) if run is not None and run.handlers else []
    writer = stream_writer() if custom_stream else None
    return (handlers, run, writer) if handlers or writer is not None else None
