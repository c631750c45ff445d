"""The engine as a program uses it: answers, reservations, views, and who holds it."""

import asyncio
import copy
import gc
import logging
import os
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.kernel.made import PAID, answer, catalog, deployment, failure

from rotor_core import (
    AttemptsFailed,
    Chunk,
    ConfigError,
    Failure,
    Limit,
    NoCandidates,
    Outcome,
    Policy,
    ProviderError,
    Request,
    Rotor,
    Usage,
)
from rotor_core.stores.memory import MemoryStore


class Adapter:
    """Answers at once, by whatever `reply` says, and counts calls by deployment."""

    def __init__(self, reply=None):
        self.reply, self.calls, self.closed, self._lock = reply or (lambda d: answer(d.id)), [], 0, threading.Lock()

    def call(self, deployment, request, *, timeout):
        with self._lock:
            self.calls.append(deployment.id)
        said = self.reply(deployment)
        if isinstance(said, BaseException):
            raise said
        return said

    async def acall(self, deployment, request, *, timeout):
        await asyncio.sleep(0)
        return self.call(deployment, request, timeout=timeout)

    def stream(self, deployment, request, *, timeouts):
        yield Chunk("hel")
        yield Chunk("lo", finish_reason="stop", usage=Usage(3, 2))

    async def astream(self, deployment, request, *, timeouts):
        for chunk in self.stream(deployment, request, timeouts=timeouts):
            yield chunk

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


@pytest.fixture
def adapter():
    return Adapter()


@pytest.fixture
def made(adapter):
    """A Rotor of the deployments given, over the adapter and a store of its own."""

    def make(*deployments, **more):
        store = more.pop("store", None) or MemoryStore()
        return Rotor.from_catalog(catalog(*deployments, **more), adapters={"made": adapter}, store=store, seed=1)

    return make


def test_a_text_a_list_of_messages_and_a_request_are_the_same(made):
    rotor = made(deployment())
    messages = [{"role": "user", "content": "hi"}]

    assert rotor.chat("hi").answer.text == "a/m#1"
    assert rotor.chat(messages).demand == rotor.chat("hi").demand == rotor.chat(Request(messages)).demand


async def test_asynchronous_answers_are_the_same(made):
    rotor = made(deployment())

    result = await rotor.achat("hi")

    assert result.answer.text == "a/m#1"
    assert result.deployment.id == "a/m#1"


def test_a_stream_says_at_its_end_who_answered(made):
    stream = made(deployment()).stream("hi")

    with pytest.raises(RuntimeError, match="not ended"):
        stream.result  # noqa: B018
    assert "".join(chunk.text for chunk in stream) == "hello"
    assert stream.result.usage == Usage(3, 2)
    assert list(stream) == []


async def test_an_asynchronous_stream_too(made):
    async with made(deployment()).astream("hi") as stream:
        assert "".join([chunk.text async for chunk in stream]) == "hello"
    assert stream.result.deployment.id == "a/m#1"


ONE_AT_A_TIME = Limit("concurrent", 1, None, "concurrency")


def test_leaving_a_stream_gives_its_slot_back(made):
    rotor = made(deployment(limits=(ONE_AT_A_TIME,)), policy=Policy(max_wait=0.0))

    with rotor.stream("hi") as stream:
        next(stream)
        with pytest.raises(NoCandidates):
            rotor.chat("hi")

    assert rotor.chat("hi").answer.text == "a/m#1"


async def test_leaving_an_asynchronous_stream_gives_its_slot_back(made):
    rotor = made(deployment(limits=(ONE_AT_A_TIME,)), policy=Policy(max_wait=0.0))

    async with rotor.astream("hi") as stream:
        await anext(stream)
    assert (await rotor.achat("hi")).answer.text == "a/m#1"


async def test_a_cancelled_call_gives_its_slot_back(made, adapter):
    rotor = made(deployment(limits=(ONE_AT_A_TIME,)), policy=Policy(max_wait=0.0))
    begun = asyncio.Event()

    async def hang(*_, timeout):
        begun.set()
        await asyncio.Event().wait()

    adapter.acall, calls = hang, adapter.acall
    task = asyncio.create_task(rotor.achat("hi"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    adapter.acall = calls
    assert (await rotor.achat("hi")).answer.text == "a/m#1"


def test_a_host_that_calls_itself_acquires_and_settles(made):
    rotor = made(deployment(price=PAID, limits=(ONE_AT_A_TIME,)), policy=Policy(max_wait=0.0))

    reservation = rotor.acquire("hi")
    with pytest.raises(NoCandidates, match="capacity returns|it never will"):
        rotor.acquire("hi")
    assert rotor.settle(reservation, Outcome(usage=Usage(1_000_000, 0))) == 1.0
    assert rotor.settle(reservation, Outcome(usage=Usage(1_000_000, 0))) == 1.0
    assert rotor.settle(rotor.acquire("hi")) is None


async def test_the_same_on_an_event_loop_and_a_failure_puts_to_rest(made):
    rotor = made(deployment(), policy=Policy(max_wait=0.0))

    reservation = await rotor.aacquire("hi")
    await rotor.asettle(reservation, Outcome(failure=Failure("rate_limit", retry_after=60.0)))

    with pytest.raises(NoCandidates) as caught:
        await rotor.aacquire("hi")
    assert 55 < caught.value.retry_after <= 60


@pytest.mark.parametrize("deadline", [0.0, datetime.now(UTC) - timedelta(seconds=1)])
def test_a_deadline_earlier_than_capacity_is_refused_at_once_with_the_instant(made, adapter, deadline):
    rotor = made(deployment(limits=(Limit("requests", 1, 3600.0, "bucket"),)))
    rotor.chat("takes it all")

    with pytest.raises(NoCandidates) as caught:
        rotor.chat("hi", deadline=deadline)

    assert caught.value.retry_after > 3000
    assert len(adapter.calls) == 1


def test_limits_hold_from_many_threads_and_many_loops_at_once(made, adapter):
    limit = Limit("requests", 20, 3600.0, "rolling")
    rotor = made(deployment(limits=(limit,)), deployment("b", price=PAID))

    def thread(n):
        if n % 2:
            return [rotor.chat("hi").deployment.id for _ in range(10)]

        async def loop():
            return [r.deployment.id for r in await asyncio.gather(*(rotor.achat("hi") for _ in range(10)))]

        return asyncio.run(loop())

    with ThreadPoolExecutor(8) as pool:
        answered = [name for names in pool.map(thread, range(8)) for name in names]

    assert len(answered) == 80
    assert answered.count("a/m#1") == 20
    assert sorted(adapter.calls) == sorted(answered)


def test_a_slot_is_handed_from_thread_to_thread_and_none_waits_for_ever(made, adapter):
    rotor = made(deployment(limits=(ONE_AT_A_TIME,)))
    inside, most = [], []

    def reply(dep):
        inside.append(1)
        most.append(len(inside))
        inside.pop()
        return answer(dep.id)

    adapter.reply = reply
    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(lambda _: rotor.chat("hi").answer.text, range(40)))

    assert len(answered) == 40
    assert max(most) == 1


def test_where_no_limits_are_known_equals_take_turns(made, adapter):
    rotor = made(deployment(limits=None), deployment("b", limits=None), deployment("p", price=PAID, limits=None))

    for _ in range(6):
        rotor.chat("hi")

    assert (adapter.calls.count("a/m#1"), adapter.calls.count("b/m#1")) == (3, 3)


def test_a_failing_one_is_left_for_another(made, adapter):
    adapter.reply = lambda d: failure("server_error") if d.id == "a/m#1" else answer(d.id)
    rotor = made(deployment(), deployment("b", price=PAID))

    result = rotor.chat("hi")

    assert [a.deployment for a in result.attempts] == ["a/m#1", "b/m#1"]
    assert rotor.chat("hi").attempts[0].deployment == "a/m#1", "one failure may be chance"
    assert rotor.chat("hi").attempts[0].deployment == "b/m#1"


def test_attempts_can_be_bounded_by_the_caller(made, adapter):
    adapter.reply = lambda d: failure("server_error")

    with pytest.raises(AttemptsFailed) as caught:
        made(deployment(), deployment("b")).chat("hi", max_attempts=1)

    assert len(caught.value.exceptions) == 1
    assert isinstance(caught.value.exceptions[0], ProviderError)


def test_a_request_can_be_listened_to_alone_and_all_together(made):
    rotor, all_events, one = made(deployment()), [], []
    off = rotor.on("*", all_events.append)

    rotor.chat("hi", listen=one.append)
    rotor.chat("hi")
    off()
    rotor.chat("hi")

    assert [e.name for e in one] == ["selected", "answered"]
    assert len(all_events) == 4


def test_who_begins_to_listen_while_a_request_is_under_way_hears_the_rest_of_it(made, adapter):
    rotor, heard = made(deployment(), deployment("b")), []

    def reply(given):
        if given.provider.name == "a":
            rotor.on("*", heard.append)
            return failure("server_error")
        return answer()

    adapter.reply = reply
    rotor.chat("hi")

    assert [e.name for e in heard] == ["failed", "rotated", "selected", "answered"]


def test_who_begins_to_listen_between_a_stream_and_its_first_piece_hears_all_of_it(made):
    rotor, heard = made(deployment()), []
    chunks = rotor.stream("hi")
    rotor.on("*", heard.append)

    list(chunks)

    assert [e.name for e in heard] == ["selected", "answered"]


def test_status_counts_what_was_done(made):
    rotor = made(
        deployment(limits=(Limit("requests", 10, "minute", "calendar"), ONE_AT_A_TIME)), deployment("b", price=PAID)
    )
    rotor.chat("hi")

    status = rotor.status()

    assert set(status) == {"at", "store", "store_state", "pools", "deployments"}
    assert status["store_state"] == "ok"
    assert status["pools"] == {"main": ["a/m#1", "b/m#1"]}
    row = status["deployments"][0]
    assert (row["state"], row["requests"], row["tokens"]) == ("available", 1, 18)
    assert [x["used"] for x in row["limits"]] == [1, 0]
    assert rotor.pool_state()["available"] == 2


def test_an_explanation_takes_nothing(made, adapter):
    rotor = made(deployment(limits=(Limit("requests", 10, "minute", "calendar"),)), deployment("b", price=PAID))

    assert [v.verdict for v in rotor.explain("hi")] == ["chosen", "ranked"]
    assert rotor.explain("hi").verdicts[0].deployment == "a/m#1"
    assert adapter.calls == []
    assert rotor.status()["deployments"][0]["limits"][0]["used"] == 0


def test_candidates_are_those_of_the_pool(made):
    rotor = made(deployment(), deployment("b"))

    assert [d.id for d in rotor.candidates()] == [d.id for d in rotor.candidates("auto")] == ["a/m#1", "b/m#1"]
    assert [d.id for d in rotor.candidates("b/m")] == ["b/m#1"]


def test_a_secret_shows_in_no_repr(made):
    rotor = made(deployment())

    for thing in (rotor, rotor.catalog, rotor.chat("hi"), rotor.status(), rotor.explain("hi")):
        assert "sk-secret" not in repr(thing) + str(thing)


def test_what_is_not_there_is_a_clear_error(made):
    rotor = made(deployment(adapter="nobodys"))
    with pytest.raises(ConfigError, match="no such adapter.*openai-compatible"):
        rotor.chat("hi")
    with pytest.raises(ConfigError, match="no such ranking.*free-first"):
        made(deployment(), policy=Policy(ranking="luck"))
    with pytest.raises(ConfigError, match="no plugin offers such a store.*memory://"):
        Rotor.from_catalog(catalog(deployment(), store="etcd://:secret@127.0.0.1"))
    with pytest.raises(TypeError, match="no option 'timout'.*did you mean 'timeout'"):
        rotor.chat("hi", timout=1)
    with pytest.raises(TypeError, match="no option 'logit_bias'.*Request.params"):
        rotor.chat("hi", logit_bias=1)


@pytest.mark.parametrize("given", [None, {"role": "user", "content": "hi"}, ["hi"], b"hi", 5])
def test_what_are_no_messages_is_said_in_one_line(made, given):
    with pytest.raises(TypeError, match="a text, a list of dicts"):
        made(deployment()).chat(given)


def test_a_closed_rotor_says_so_and_closes_once(made, adapter):
    rotor = made(deployment())
    rotor.chat("hi")

    with rotor:
        pass
    rotor.close()

    assert adapter.closed == 1
    assert repr(rotor) == "Rotor(closed)"
    with pytest.raises(RuntimeError, match="closed"):
        rotor.chat("hi")


async def test_the_last_holder_closes_the_engine(made, adapter):
    rotor = made(deployment())
    await rotor.achat("hi")
    other = copy.deepcopy(rotor)

    async with rotor:
        pass
    assert adapter.closed == 0
    assert (await other.achat("hi")).answer.text == "a/m#1"
    await other.aclose()
    await other.aclose()

    assert adapter.closed == 1


def config(port=9, **more):
    model = {"context": 1000, "price": {"input": 0, "output": 0}, "limits": []}
    provider = {
        "adapter": "openai-compatible",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "keys": [{"value": "k"}],
        "models": {"m": model},
    }
    return {"providers": {"lab": provider}, **more}


def test_rotors_of_equal_configuration_share_one_engine():
    with (
        Rotor.from_config(config()) as one,
        Rotor.from_config(config()) as two,
        Rotor.from_config(config(port=8)) as three,
    ):
        assert one.store is two.store
        assert one._engine is two._engine
        assert one._engine is not three._engine
        assert one.store is three.store
    with Rotor.from_config(config()) as again:
        assert again._engine is not None
        assert again._engine.holders == 1


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    file = tmp_path / "rotor.yaml"
    file.write_text(
        "version: 1\nproviders: {lab: {adapter: openai-compatible, base_url: 'http://127.0.0.1:9/v1', keys: [], models: {m: {}}}}\n"
    )

    with Rotor.from_config(file) as one, Rotor.from_config(str(file)) as two:
        assert one._engine is two._engine
        file.write_text(file.read_text().replace("m: {}", "other: {}"))
        with Rotor.from_config(file) as three:
            assert [d.id for d in three.candidates()] == ["lab/other#1"]


def test_an_environment_names_its_file(tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "version: 1\nproviders: {lab: {adapter: openai-compatible, base_url: 'http://127.0.0.1:9/v1', keys: [], models: {m: {}}}}\n"
    )
    monkeypatch.setenv("ROTOR_CONFIG", str(file))

    with Rotor.from_env() as rotor:
        assert "mine.yaml" in repr(rotor)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        Rotor.from_config(tmp_path / "none.yaml")


def test_a_pickle_makes_itself_anew_from_its_configuration(made):
    with Rotor.from_config(config()) as rotor, pickle.loads(pickle.dumps(rotor)) as same:
        assert same._engine is rotor._engine
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(made(deployment()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_begins_with_nothing_in_flight_and_one_warning(made, caplog):
    rotor = made(deployment(limits=(ONE_AT_A_TIME,)), policy=Policy(max_wait=0.0))
    held = rotor.acquire("the parent's")
    read, write = os.pipe()

    pid = os.fork()
    if pid == 0:  # the child reports by its exit status and one line
        try:
            ok = bool(rotor.acquire("the child's")) and rotor._engine.next_id().partition("-")[0] not in held.id
            os.write(write, b"ok" if ok else b"no")
        except BaseException as error:  # noqa: BLE001
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(read, 200) == b"ok"
    with pytest.raises(NoCandidates):
        rotor.acquire("still held here")


def test_what_happens_after_a_fork_is_said_once(caplog):
    from rotor_core import _engine

    with Rotor.from_config(config()) as rotor:
        engine = rotor._engine
        made_before = engine.ports.adapter(next(iter(engine.catalog.deployments.values())))
        with caplog.at_level(logging.WARNING, logger="rotor"):
            _engine._after_fork()

        assert caplog.text.count("forked") == 1
        assert made_before not in engine._adapters.values()


def test_adapters_and_listeners_that_a_program_gave_outlive_a_fork(made, adapter):
    from rotor_core import _engine

    rotor, heard = made(deployment()), []
    rotor.on("answered", heard.append)

    _engine._after_fork()

    assert rotor.chat("hi").answer.text == "a/m#1"
    assert adapter.calls == ["a/m#1"]
    assert len(heard) == 1


@pytest.mark.parametrize("ranking", ["fastest", "balanced", "spread", "free-first"])
def test_an_explanation_names_the_one_that_then_answers(made, ranking):
    store = MemoryStore()
    rotor = made(deployment("a"), deployment("b"), deployment("c"), policy=Policy(ranking=ranking), store=store)
    for seconds in (0.9, 0.1, 0.5):
        rotor.settle(rotor.acquire("hi"), Outcome(Usage(1, 1), None, seconds))

    said = next(v.deployment for v in rotor.explain("hi") if v.verdict == "chosen")

    assert said == rotor.chat("hi").deployment.id


@pytest.mark.parametrize("way", ["chat", "achat"])
def test_an_error_that_a_failover_got_over_is_gone_with_it(made, adapter, way):
    """It holds the frames that raised it; were they to hold it, only garbage collection would end that circle."""
    raised = []

    def reply(deployment):
        if deployment.id != "a/m#1":
            return answer(deployment.id)
        raise remembered(failure("server_error"))

    def remembered(error):
        raised.append(weakref.ref(error))
        return error

    adapter.reply = reply
    rotor = made(deployment(), deployment("b"))
    gc.disable()
    try:
        for _ in range(4):
            asked = getattr(rotor, way)("hi")
            if way == "achat":
                asyncio.run(asked)
        assert raised
        assert [ref() for ref in raised] == [None] * len(raised)
    finally:
        gc.enable()
