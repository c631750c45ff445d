"""From when a call is charged: it counts at its provider from its arrival, however long LiteLLM takes to send it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import httpcore
import litellm
import pytest
from tests.litellm.made import HELLO, entry, free, router

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm import dispatch

MOST = 0.3
"""Seconds for which calls are watched here."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come."""
    given_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < given_up, "it did not come"
        await asyncio.sleep(0.001)


class Lab:
    """A Router with one provider that lets nobody have an answer before `finish`; `charged` says from when a call counts."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.router = router(entry(box, "one", rotor=free()))
        engine = rotor_litellm.install(self.router).rotor._engine
        assert engine is not None
        self.store: Any = engine.store

    async def ask(self) -> Any:
        return await self.router.acompletion(model="lab", messages=HELLO, max_tokens=5)

    async def begun(self) -> asyncio.Task[Any]:
        """A call that goes out over what others have left open, if anything."""
        self.box.fault("hang", provider="one", seconds=60)
        call = asyncio.create_task(self.ask())
        await until(lambda: bool(self.store._book.open) or call.done())
        return call

    @property
    def charged(self) -> float:
        (only,) = self.store._book.open.values()
        return float(only.at)

    async def finish(self, call: asyncio.Task[Any]) -> None:
        self.box.lift()
        while not call.done():
            self.box.release()
            await asyncio.sleep(0.001)
        await call


@pytest.fixture(autouse=True)
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MOST", MOST)


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """By which LiteLLM sends, and where it waits for a connection."""
    monkeypatch.setattr(litellm, "disable_aiohttp_transport", request.param == "httpx")
    litellm.in_memory_llm_clients_cache.flush_cache()
    return aiohttp.TCPConnector if request.param == "aiohttp" else httpcore.AsyncConnectionPool


@pytest.fixture
def gate(transport: type[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[], asyncio.Event]:
    """Connections are to be had only once the event is set that this makes."""
    name = "connect" if transport is aiohttp.TCPConnector else "handle_async_request"
    before = getattr(transport, name)

    def shut() -> asyncio.Event:
        opened = asyncio.Event()

        async def after_opening(self: Any, *args: Any, **kwargs: Any) -> Any:
            await opened.wait()
            return await before(self, *args, **kwargs)

        monkeypatch.setattr(transport, name, after_opening)
        return opened

    return shut


async def test_a_call_that_waits_for_a_connection_is_charged_from_when_it_has_one(
    box: Sandbox, gate: Callable[[], asyncio.Event]
):
    lab = Lab(box)
    await lab.ask()  # no first call's imports are in the way
    opened = gate()

    call = await lab.begun()
    asked = lab.charged
    await until(lambda: lab.store.now() > asked + 0.1)
    at = lab.store.now()
    opened.set()
    await until(lambda: lab.charged >= at)
    await lab.finish(call)

    (*_, record) = box.stats()
    assert record["status"] == 200


async def charged_from_when_it_left(lab: Lab, call: Any, box: Sandbox) -> None:
    """However long the call has been out by now."""
    begun = lab.charged
    await until(lambda: lab.store.now() > begun + MOST + 0.1)
    charged = lab.charged
    await lab.finish(call)

    (*_, record) = box.stats()
    assert charged < record["at"] + MOST / 2


async def test_a_call_that_is_out_is_charged_from_then_and_not_from_later(box: Sandbox, transport: type[Any]):
    lab = Lab(box)
    await lab.ask()

    call = await lab.begun()
    await charged_from_when_it_left(lab, call, box)


async def test_who_asks_from_within_an_asynchronous_generator_is_not_charged_later_for_that(box: Sandbox):
    lab = Lab(box)
    await lab.ask()

    async def answers() -> AsyncIterator[Any]:
        yield await lab.ask()

    async def asked() -> list[Any]:
        return [answer async for answer in answers()]

    box.fault("hang", provider="one", seconds=60)
    call = asyncio.create_task(asked())
    await until(lambda: bool(lab.store._book.open))
    await charged_from_when_it_left(lab, call, box)
