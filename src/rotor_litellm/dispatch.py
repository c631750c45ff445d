"""When a call really goes out. A provider counts from its arrival, and LiteLLM says only that it is about to send.

Between that and the first byte stand a look for proxies in another thread, the turns of a busy event loop, and each time
that more calls are under way than before, or with another timeout, a connection to be made. A charge that is taken too
early gives back too early: a window's length later, its provider refuses whoever follows.

LiteLLM has no hook for that instant, so the task that sends is looked at, and what it waits for tells: once it is for the
answer, the request has gone. The charge then counts from that look, which comes soon after.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from types import CoroutineType
from typing import Any, Final

from rotor_litellm.trail import Held

ANSWERING: Final = frozenset({
    "ClientResponse.start",
    "AsyncHTTP11Connection._receive_response_headers",
    "AsyncHTTP2Connection._receive_response",
})  # fmt: skip
"""What waits for an answer's first bytes, in the libraries that LiteLLM calls by: aiohttp and httpcore."""
STEP: Final = 0.002
PART: Final = 0.05
"""Between looks so many seconds, or such a part of those since the first where that is more."""
MOST: Final = 1.0
"""Seconds after which nothing more is looked for; a call of which nothing was seen is charged as if it went out then."""
_OPAQUE: Final = frozenset({"async_generator_asend", "async_generator_athrow", "coroutine_wrapper"})
"""Awaitables that do not say what they wait for: a caller who asks from within an asynchronous generator is one's."""


def going_out(held: Held) -> None:
    """The call is about to be sent."""
    _tell(held)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # a blocking call: it goes out from this very thread
        return
    task = asyncio.current_task(loop)
    if task is not None:
        loop.call_soon(_look, loop, held, task, None)


def _look(loop: asyncio.AbstractEventLoop, held: Held, task: asyncio.Task[Any], since: float | None) -> None:
    """See whether it has gone, and if not, look again. `since`: the instant of the first look."""
    if held.over or task.done():
        return
    if not _gone(task):
        at = loop.time()
        first = at if since is None else since
        if at - first < MOST:
            loop.call_later(max(STEP, PART * (at - first)), _look, loop, held, task, first)
            return
    loop.call_soon(_tell, held)  # aiohttp writes in a task of its own, begun in this turn


def _gone(task: asyncio.Task[Any]) -> bool:
    """Whether what a task waits for is an answer, or cannot be seen."""
    awaited: Any = task.get_coro()
    while type(awaited) is CoroutineType:  # as nearly all are, a dozen deep
        if awaited.cr_code.co_qualname in ANSWERING:
            return True
        awaited = awaited.cr_await
    while awaited is not None:
        code = getattr(awaited, "cr_code", None) or getattr(awaited, "gi_code", None)
        if code is None:
            return type(awaited).__name__ in _OPAQUE
        if code.co_qualname in ANSWERING:
            return True
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return False


def _tell(held: Held) -> None:
    if not held.over:
        held.engine.store.sent(held.reservation.id)


def preload() -> None:
    """Import now what LiteLLM would import between choosing and sending its first call: half a second, in which it is late."""
    for name in ("openai.resources.chat.completions", "aiohttp"):
        with suppress(ImportError):
            import_module(name)
