"""Time that passes at once: whoever sleeps moves the clock on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest


@pytest.fixture
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock for a store; blocking and asynchronous sleeps move it instead of waiting."""
    now = [1_700_000_000.0]
    really = asyncio.sleep

    def sleep(seconds: float) -> None:
        now[0] += seconds

    async def asleep(seconds: float, result: object = None) -> object:
        now[0] += seconds
        return await really(0, result)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(asyncio, "sleep", asleep)
    return lambda: now[0]
