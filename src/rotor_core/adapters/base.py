"""What an adapter is: whoever speaks one provider's wire format. Four methods, no retries, no choice, no clock of its own.

An adapter raises `ProviderError` (with a classified `failure`) for whatever goes wrong at the provider or on the way,
and sets `request_sent = False` on it when the request surely did not arrive. Whatever else it raises is a bug and is
shown as such. A stream that ends without its end (no finish reason, no `[DONE]`) raises `ProviderError` too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Final, Protocol

from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request

DISPATCHING: Final[ContextVar[Callable[[], object] | None]] = ContextVar("rotor_dispatching", default=None)
"""Whom to tell when the call that is under way in this context goes out; drivers set it."""


def dispatching() -> None:
    """For adapters: the request goes out now, its connection being made.

    A provider counts from then, not from when the call began: a first call's imports and connections take a tenth of a
    second. An adapter that cannot tell says nothing, and the beginning of the call stands.
    """
    tell = DISPATCHING.get()
    if tell is not None:
        tell()


class Adapter(Protocol):
    """One instance serves all deployments that name it. Safe from several threads and event loops at once."""

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        """One exchange. `timeout`: seconds for all of it, to the last byte."""
        ...

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer: ...

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:
        """Chunks as they come. Closing the iterator ends the exchange. Past any of its `timeouts` it raises."""
        ...

    def astream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> AsyncIterator[Chunk]: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...
