"""When a call really goes out. A provider counts from its arrival, and LiteLLM says only that it is about to send.

Between that and the first byte stand the turns of a busy event loop, and on a first call a connection to be made. A
charge that is taken too early is refused later; one that is taken some milliseconds late costs next to nothing. So the
instant is told again some turns of the loop later, and while a connection may still be under way.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import Final

from rotor_litellm.trail import Held

TURNS: Final = 3
"""Of the event loop: one in which the connection is looked for, one in which it is made, one in which it is written to."""
CONNECTING: Final = (0.03, 0.1, 0.3)
"""Seconds after which a call that may be making a connection is told again, unless it has been answered."""
IDLE: Final = 45.0
"""Seconds without a call after which connections may be closed."""
_MOST: Final = 10_000

_last: dict[str, float] = {}


def going_out(held: Held) -> None:
    """The call is about to be sent."""
    now = held.started
    cold = now - _last.get(held.id, 0.0) > IDLE
    if len(_last) > _MOST:
        _last.clear()
    _last[held.id] = now
    _tell(held)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # a blocking call: it goes out from this very thread
        return
    loop.call_soon(_later, loop, held, TURNS - 1)
    if cold:
        for seconds in CONNECTING:
            loop.call_later(seconds, _tell, held)


def _later(loop: asyncio.AbstractEventLoop, held: Held, turns: int) -> None:
    _tell(held)
    if turns > 1:
        loop.call_soon(_later, loop, held, turns - 1)


def _tell(held: Held) -> None:
    if not held.over:
        held.engine.store.sent(held.reservation.id)


def preload() -> None:
    """Import now what LiteLLM would import between choosing and sending its first call: half a second, in which it is late."""
    for name in ("openai.resources.chat.completions", "aiohttp"):
        with suppress(ImportError):
            import_module(name)
