"""The blocking driver: answers a flow's commands one by one, in the caller's thread.

`_adrive` is its twin for event loops. Both are one loop over one table; an error in an answer is thrown into the flow,
whose own `except` gives capacity back before it comes out again here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, Final, TypeVar

from rotor_core import _commands as c
from rotor_core import _racing
from rotor_core._instant import INSTANT
from rotor_core._ledger import Grant
from rotor_core._outcome import Answer, Chunk
from rotor_core._ports import Ports
from rotor_core.adapters.base import DISPATCHING

T = TypeVar("T")

UNDER_WAY: Final[set[c.Flow[Any]]] = set()
"""Flows of streams that are open. A stream that only a cycle holds is closed by the garbage collector, which would close
its flow just as soon, in no order; a flow that is known here outlives its stream, and settles."""


def drive(flow: c.Flow[T], ports: Ports) -> T:
    """Run a flow to its end and return its result, or raise what it raises."""
    try:
        command = next(flow)
        while True:
            try:
                answer = _ANSWERS[type(command)](command, ports)
            except BaseException as error:  # noqa: BLE001  the flow decides, and must give capacity back
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    except BaseException:
        _abandon(flow, ports)
        raise


def drive_stream(  # noqa: C901  one loop over one table, as its twin, which cannot be split
    flow: c.Flow[T], ports: Ports
) -> Iterator[Chunk | T]:
    """Run a streaming flow: yields its chunks and, last of all, its result."""
    UNDER_WAY.add(flow)
    try:
        command = next(flow)
        while True:
            answer: Any
            try:
                match command:
                    case c.Relay(opened, observe):
                        with closing(opened.rest) as rest:
                            for chunk in opened.head:
                                yield observe(chunk)
                            longest = 0.0
                            asked_at = time.monotonic()
                            for chunk in rest:
                                longest = max(longest, time.monotonic() - asked_at)
                                yield observe(chunk)
                                asked_at = time.monotonic()
                        answer = longest
                    case c.Deliver(chunk):
                        yield chunk
                        answer = None
                    case _:
                        answer = _answer(command, ports)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  as in `drive`
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except StopIteration as end:
        yield end.value
    except BaseException:
        _abandon(flow, ports)
        raise
    finally:
        UNDER_WAY.discard(flow)


def _abandon(flow: c.Flow[Any], ports: Ports) -> None:
    """The caller closed the stream, or an interrupt came between two commands: let the flow settle. One that is over does not mind."""
    try:
        command = flow.throw(c.Abandoned())
        while True:
            try:
                answer = _answer(command, ports)
            except BaseException as error:  # noqa: BLE001  as in `drive`
                command = flow.throw(error)
            else:
                command = flow.send(answer)
    except (c.Abandoned, StopIteration):
        return


def _answer(command: c.Command, ports: Ports) -> Any:
    return _ANSWERS[type(command)](command, ports)


def _call(command: c.Call, ports: Ports) -> Answer:
    deployment = ports.deployment(command.reservation.deployment)
    DISPATCHING.set(partial(ports.store.sent, command.reservation.id))
    return ports.adapter(deployment).call(deployment, command.request, timeout=command.timeout)


def _open(command: c.Open, ports: Ports) -> c.Opened:
    deployment = ports.deployment(command.reservation.deployment)
    DISPATCHING.set(partial(ports.store.sent, command.reservation.id))
    chunks = ports.adapter(deployment).stream(deployment, command.request, timeouts=command.timeouts)
    head: list[Chunk] = []
    for chunk in chunks:
        head.append(chunk)
        if chunk.has_content:
            break
    return c.Opened(tuple(head), chunks)


def _sleep(command: c.Sleep, ports: Ports) -> None:
    while (left := command.until - ports.store.now()) > 0:
        time.sleep(left)


def _redeem(command: c.Redeem, ports: Ports) -> Grant:
    called = threading.Event()
    ports.store.watch(command.ticket.id, called.set)
    called.wait(max(0.0, command.ticket.check_at - ports.store.now()))
    return ports.store.reserve(command.ask)


_ANSWERS: dict[type, Callable[[Any, Ports], Any]] = {
    **INSTANT,
    c.Reserve: lambda command, ports: ports.store.reserve(command.ask),
    c.Redeem: _redeem,
    c.Dispatched: lambda command, ports: ports.store.dispatched(command.reservation.id),
    c.Settle: lambda command, ports: ports.store.settle(
        command.reservation_id, command.used, command.latency, command.told
    ),
    c.Rest: lambda command, ports: ports.store.rest(command.scope, command.until, command.reason),
    c.Call: _call,
    c.Start: lambda command, ports: _racing.start(partial(_call, command.call, ports)),
    c.Race: lambda command, _: _racing.first_over(command.pending, command.within),
    c.CallOff: lambda command, _: _racing.call_off(command.pending),
    c.Open: _open,
    c.Sleep: _sleep,
}
