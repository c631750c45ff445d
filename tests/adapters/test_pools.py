"""Who owns connections: loops, threads and processes that come and go."""

import asyncio
import gc
import os
import threading

import pytest
from tests.adapters.conftest import HELLO, Caller, Scripted, answer_bytes, ask, deployment

from rotor_core.adapters.http_pools import PerKey, PerLoop
from rotor_core.adapters.openai_compatible import OpenAICompatible

WAYS = ["httpx", "aiohttp"]


@pytest.fixture(params=WAYS)
def adapter(request: pytest.FixtureRequest) -> OpenAICompatible:
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp")
    return OpenAICompatible(request.param)


def held(adapter: OpenAICompatible) -> int:
    """For how many loops the adapter holds connections."""
    transport = adapter._async
    return len(transport._clients if hasattr(transport, "_clients") else transport._pools)


async def test_a_hundred_deployments_of_one_origin_share_one_connection(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    for i in range(100):
        await caller.call(deployment(server.base_url, model=f"m{i}", secret=f"secret-number-{i}"))
    assert len(server.seen) == 100
    assert server.connections == 1


def test_an_event_loop_that_ends_takes_its_connections_along(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    where = deployment(server.base_url)

    async def twice():
        await adapter.acall(where, ask(), timeout=5)
        answer = await adapter.acall(where, ask(), timeout=5)
        return answer.text, held(adapter)

    assert asyncio.run(twice()) == ("Hello.", 1)
    assert held(adapter) == 0
    assert asyncio.run(twice()) == ("Hello.", 1)
    assert held(adapter) == 0
    assert server.connections == 2


def test_two_event_loops_at_once_have_connections_of_their_own(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    where = deployment(server.base_url)
    meeting = threading.Barrier(2, timeout=5)
    told = []

    async def call():
        for _ in range(3):
            told.append((await adapter.acall(where, ask(), timeout=5)).text)
        await asyncio.to_thread(meeting.wait)

    threads = [threading.Thread(target=lambda: asyncio.run(call())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert told == ["Hello."] * 6
    assert server.connections == 2
    assert held(adapter) == 0


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # asyncio's own, about such a loop
def test_a_loop_that_was_closed_without_notice_is_forgotten(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    where = deployment(server.base_url)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(adapter.acall(where, ask(), timeout=5)).text == "Hello."
    loop.close()

    async def again():
        answer = await adapter.acall(where, ask(), timeout=5)
        return answer.text, held(adapter)

    assert asyncio.run(again()) == ("Hello.", 1)
    del loop
    gc.collect()
    assert held(adapter) == 0


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_close_forgets_a_loop_that_was_closed_without_notice(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(adapter.acall(deployment(server.base_url), ask(), timeout=5))
    loop.close()
    adapter.close()
    gc.collect()
    assert held(adapter) == 0


def test_close_reaches_a_loop_at_rest(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(adapter.acall(deployment(server.base_url), ask(), timeout=5))
    adapter.close()
    assert held(adapter) == 0
    assert server.closed.wait(5)
    loop.close()


async def test_close_inside_a_loop_closes_soon(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await adapter.acall(deployment(server.base_url), ask(), timeout=5)
    adapter.close()
    assert await asyncio.to_thread(server.closed.wait, 5)
    assert held(adapter) == 0


async def test_close_from_another_thread_reaches_a_running_loop(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await adapter.acall(deployment(server.base_url), ask(), timeout=5)
    await asyncio.to_thread(adapter.close)
    assert await asyncio.to_thread(server.closed.wait, 5)
    assert held(adapter) == 0


async def test_an_adapter_that_is_let_go_closes_its_connections(adapter: OpenAICompatible, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    own = OpenAICompatible(adapter._wanted)
    await own.acall(deployment(server.base_url), ask(), timeout=5)
    del own
    gc.collect()
    assert await asyncio.to_thread(server.closed.wait, 5)


def test_a_blocking_adapter_that_is_let_go_closes_its_connections(server: Scripted):
    server.script = [answer_bytes(HELLO)]
    own = OpenAICompatible()
    own.call(deployment(server.base_url), ask(), timeout=5)
    del own
    gc.collect()
    assert server.closed.wait(5)


def test_threads_share_one_pool(server: Scripted):
    server.script = [answer_bytes(HELLO)]
    adapter = OpenAICompatible()
    where = deployment(server.base_url)
    told = []

    def work():
        for _ in range(5):
            told.append(adapter.call(where, ask(), timeout=5).text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    pools = adapter._blocking._pools
    assert told == ["Hello."] * 20
    assert len(pools) == 1
    assert 1 <= server.connections <= 4
    adapter.close()
    assert len(pools) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(server: Scripted):
    server.script = [answer_bytes(HELLO)]
    adapter = OpenAICompatible()
    where = deployment(server.base_url)
    adapter.call(where, ask(), timeout=5)
    child = os.fork()
    if child == 0:
        text = "nothing"
        try:
            text = adapter.call(where, ask("from the child"), timeout=5).text
        finally:
            os._exit(0 if text == "Hello." else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert adapter.call(where, ask("from the parent"), timeout=5).text == "Hello."
    assert server.connections == 2
    adapter.close()


# ---- the two holders by themselves


async def _end(ended: list[object], one: object) -> None:
    ended.append(one)


async def test_one_thing_per_loop_is_made_once_however_many_ask():
    ended: list[object] = []
    owner = OpenAICompatible()
    per_loop: PerLoop[object] = PerLoop(owner, object, lambda one: _end(ended, one), ended.append)
    assert per_loop.find() is None
    found = await asyncio.gather(*(per_loop.get() for _ in range(10)))
    assert len({id(one) for one in found}) == 1
    assert per_loop.find() is found[0]
    await per_loop.aclose()
    assert ended == [found[0]]
    assert per_loop.find() is None


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_who_is_closed_as_a_loop_ends_is_ended_once_and_without_complaint(turns: int):
    ended: list[object] = []
    complaints: list[object] = []
    owner = OpenAICompatible()

    async def end(one: object) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append(one)

    per_loop: PerLoop[object] = PerLoop(owner, object, end, ended.append)

    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await per_loop.get()
        per_loop.close()
        for _ in range(turns):
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

    assert (len(ended), len(per_loop), complaints) == (1, 0, [])


async def test_what_is_opened_while_the_one_before_is_ending_is_another_ones_to_end():
    ended: list[object] = []
    owner, gate = OpenAICompatible(), asyncio.Event()

    async def end(one: object) -> None:
        await gate.wait()
        ended.append(one)

    per_loop: PerLoop[object] = PerLoop(owner, object, end, ended.append)
    first = await per_loop.get()
    per_loop.close()
    await asyncio.sleep(0)
    second = await per_loop.get()
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)

    assert ended == [first]
    assert per_loop.find() is second
    await per_loop.aclose()
    assert ended == [first, second]


async def test_two_who_close_at_once_end_it_once():
    ended: list[object] = []
    owner = OpenAICompatible()

    async def end(one: object) -> None:
        await asyncio.sleep(0)
        ended.append(one)

    per_loop: PerLoop[object] = PerLoop(owner, object, end, ended.append)
    one = await per_loop.get()

    await asyncio.gather(per_loop.aclose(), per_loop.aclose())

    assert ended == [one]


def test_one_thing_per_key_is_made_once_and_ended_once():
    ended: list[str] = []
    per_key: PerKey[str, str] = PerKey(lambda key: key * 2, ended.append)
    assert [per_key.get(key) for key in "aba"] == ["aa", "bb", "aa"]
    assert len(per_key) == 2
    per_key.close()
    per_key.close()
    assert sorted(ended) == ["aa", "bb"]
    assert len(per_key) == 0


def test_after_a_fork_nothing_of_the_parents_is_found_or_ended():
    ended: list[object] = []
    per_key: PerKey[str, str] = PerKey(lambda key: key, ended.append)
    owner = OpenAICompatible()
    per_loop: PerLoop[object] = PerLoop(owner, object, lambda one: _end(ended, one), ended.append)
    per_key.get("a")

    async def use():
        before = await per_loop.get()
        per_loop.after_fork()
        return per_loop.find() is None and before is not None

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(use())
    loop.close()
    per_key.after_fork()
    per_key.close()
    assert ended == []
    assert len(per_key) == len(per_loop) == 0
