"""What another task, thread or process will do is waited for until it is so, and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

NEVER = "it never was so"


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Let other tasks go on until something is so. Raises AssertionError where it never is."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, NEVER
        await asyncio.sleep(0.001)


def until_blocking(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """The same, of other threads and processes."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, NEVER
        time.sleep(0.001)
