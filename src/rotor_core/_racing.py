"""Calls under way beside each other, for both drivers: begun, waited for, called off.

On an event loop each is a task, which is cancelled and awaited when it is called off. For the blocking driver each has a
thread; that cannot be stopped, so a call that is called off there ends by its own timeout, and nobody reads its answer.
Either runs in a copy of the caller's context, so that each tells its own reservation when it goes out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from rotor_core._commands import Over, Pending
from rotor_core._errors import ProviderError
from rotor_core._outcome import Answer

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future


def start(call: Callable[[], Answer]) -> Pending:
    from concurrent.futures import Future  # noqa: PLC0415  who never hedges need not load it

    future: Future[Answer] = Future()
    # A program that ends does not wait for a call that nobody waits for.
    threading.Thread(target=copy_context().run, args=(_serve, future, call), name="rotor-call", daemon=True).start()
    return Pending(future)


def _serve(future: Future[Answer], call: Callable[[], Answer]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = call()
    except BaseException as error:  # noqa: BLE001  it is raised where the call is waited for
        future.set_exception(error)
    else:
        future.set_result(answer)


def first_over(pending: Sequence[Pending], within: float | None) -> Over | None:
    from concurrent.futures import FIRST_COMPLETED, wait  # noqa: PLC0415  as above

    wait([each.exchange for each in pending], within, FIRST_COMPLETED)
    return _over(pending)


def call_off(pending: Sequence[Pending]) -> None:
    for each in pending:
        each.exchange.cancel()  # where its thread has not begun, it is not sent at all


def astart(call: Coroutine[Any, Any, Answer]) -> Pending:
    import asyncio  # noqa: PLC0415  the blocking driver needs none of it

    return Pending(asyncio.get_running_loop().create_task(call))


async def afirst_over(pending: Sequence[Pending], within: float | None) -> Over | None:
    import asyncio  # noqa: PLC0415  as above

    await asyncio.wait([each.exchange for each in pending], timeout=within, return_when=asyncio.FIRST_COMPLETED)
    return _over(pending)


async def acall_off(pending: Sequence[Pending]) -> None:
    import asyncio  # noqa: PLC0415  as above

    tasks: list[asyncio.Task[Answer]] = [each.exchange for each in pending]
    for task in tasks:
        task.add_done_callback(_looked_at)
        task.cancel()
    await asyncio.wait(tasks)


def _looked_at(task: asyncio.Task[Answer]) -> None:
    """An error that nobody has looked at would be logged."""
    if not task.cancelled():
        task.exception()


def _over(pending: Sequence[Pending]) -> Over | None:
    """An answer among those that are over, else the first that failed. Raises what is no provider's error."""
    failed: Over | None = None
    for each in pending:
        if each.exchange.done():
            try:
                return Over(each, each.exchange.result())
            except ProviderError as error:
                failed = failed or Over(each, error)
    return failed
