"""The asynchronous driver: answers a flow's commands on the running event loop. `_drive` is its blocking twin.

Cancellation arrives as an exception in whatever is awaited, is thrown into the flow, and the flow settles.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar

from rotor_core import _commands as c
from rotor_core import _racing
from rotor_core._drive import UNDER_WAY
from rotor_core._instant import INSTANT
from rotor_core._ledger import Grant
from rotor_core._outcome import Answer, Chunk
from rotor_core._ports import Ports
from rotor_core.adapters.base import DISPATCHING

T = TypeVar("T")


async def adrive(flow: c.Flow[T], ports: Ports) -> T:
    """Run a flow to its end and return its result, or raise what it raises."""
    try:
        command = next(flow)
        while True:
            try:
                answering, waits = _ANSWERS[type(command)]
                answer = answering(command, ports)
                if waits:
                    answer = await answer
            except BaseException as error:  # noqa: BLE001  the flow decides, and must give capacity back
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    except BaseException:
        await _abandon(flow, ports)
        raise


async def adrive_stream(  # noqa: C901  one loop over one table; a generator that awaits cannot be split
    flow: c.Flow[T], ports: Ports
) -> AsyncIterator[Chunk | T]:
    """Run a streaming flow: yields its chunks and, last of all, its result."""
    UNDER_WAY.add(flow)
    try:
        command = next(flow)
        while True:
            answer: Any
            try:
                match command:
                    case c.Relay(opened, observe):
                        async with aclosing(opened.rest) as rest:
                            for chunk in opened.head:
                                yield observe(chunk)
                            longest = 0.0
                            asked_at = time.monotonic()
                            async for chunk in rest:
                                longest = max(longest, time.monotonic() - asked_at)
                                yield observe(chunk)
                                asked_at = time.monotonic()
                        answer = longest
                    case c.Deliver(chunk):
                        yield chunk
                        answer = None
                    case _:
                        answer = await _answer(command, ports)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  as in `adrive`
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except StopIteration as end:
        yield end.value
    except BaseException:
        await _abandon(flow, ports)
        raise
    finally:
        UNDER_WAY.discard(flow)


async def _abandon(flow: c.Flow[Any], ports: Ports) -> None:
    """The caller closed the stream: let the flow settle."""
    try:
        command = flow.throw(c.Abandoned())
        while True:
            try:
                answer = await _answer(command, ports)
            except BaseException as error:  # noqa: BLE001  as in `adrive`
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except (c.Abandoned, StopIteration):
        return


async def _answer(command: c.Command, ports: Ports) -> Any:
    answering, waits = _ANSWERS[type(command)]
    answer = answering(command, ports)
    return await answer if waits else answer


def _call(command: c.Call, ports: Ports) -> Awaitable[Answer]:
    deployment = ports.deployment(command.reservation.deployment)
    DISPATCHING.set(partial(ports.store.sent, command.reservation.id))
    return ports.adapter(deployment).acall(deployment, command.request, timeout=command.timeout)


async def _started(command: c.Call, ports: Ports) -> Answer:
    return await _call(command, ports)


async def _open(command: c.Open, ports: Ports) -> c.Opened:
    deployment = ports.deployment(command.reservation.deployment)
    DISPATCHING.set(partial(ports.store.sent, command.reservation.id))
    chunks = ports.adapter(deployment).astream(deployment, command.request, timeouts=command.timeouts)
    head: list[Chunk] = []
    async for chunk in chunks:
        head.append(chunk)
        if chunk.has_content:
            break
    return c.Opened(tuple(head), chunks)


async def _sleep(command: c.Sleep, ports: Ports) -> None:
    import asyncio  # noqa: PLC0415  it takes 8 ms, which who never waits on a loop need not pay

    while (left := command.until - ports.store.now()) > 0:  # noqa: ASYNC110  until an instant on another clock
        await asyncio.sleep(left)


async def _redeem(command: c.Redeem, ports: Ports) -> Grant:
    import asyncio  # noqa: PLC0415  as above

    called = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is gone, and the waiter with it
            loop.call_soon_threadsafe(called.set)

    ports.store.watch(command.ticket.id, wake)
    with suppress(TimeoutError):  # it is worth asking again then, called or not
        await asyncio.wait_for(called.wait(), max(0.0, command.ticket.check_at - ports.store.now()))
    return await ports.store.areserve(command.ask)


_WAITED_FOR: Mapping[type, Callable[[Any, Ports], Awaitable[Any]]] = {
    c.Reserve: lambda command, ports: ports.store.areserve(command.ask),
    c.Redeem: _redeem,
    c.Dispatched: lambda command, ports: ports.store.adispatched(command.reservation.id),
    c.Settle: lambda command, ports: ports.store.asettle(
        command.reservation_id, command.used, command.latency, command.told
    ),
    c.Rest: lambda command, ports: ports.store.arest(command.scope, command.until, command.reason),
    c.Call: _call,
    c.Race: lambda command, _: _racing.afirst_over(command.pending, command.within),
    c.CallOff: lambda command, _: _racing.acall_off(command.pending),
    c.Open: _open,
    c.Sleep: _sleep,
}

_ANSWERS: Mapping[type, tuple[Callable[[Any, Ports], Any], bool]] = {
    **{kind: (answering, False) for kind, answering in INSTANT.items()},
    **{kind: (answering, True) for kind, answering in _WAITED_FOR.items()},
    c.Start: (lambda command, ports: _racing.astart(_started(command.call, ports)), False),
}
"""Who answers a command, and whether what that returns is to be awaited."""
