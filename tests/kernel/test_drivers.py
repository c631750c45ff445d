"""Both drivers answer the same commands the same way; what differs is only how they wait."""

import asyncio
import threading
from dataclasses import replace
from random import Random

import pytest
from tests.kernel.made import answer, catalog, deployment, reservation

from rotor_core import _commands as c
from rotor_core._adrive import adrive, adrive_stream
from rotor_core._drive import drive, drive_stream
from rotor_core._events import Failed, Selected
from rotor_core._health import NO_BAR, Bar, Ending, Turn
from rotor_core._ledger import NOTHING_USED, Plan, Ticket
from rotor_core._outcome import Chunk, Failure
from rotor_core._ports import Ports
from rotor_core._request import Request
from rotor_core._state.retries import SHARE
from rotor_core.adapters.base import dispatching
from rotor_core.observe.health import Health

REQUEST = Request([])


class Store:
    """Remembers what was asked of it; its clock stands still unless a test moves it."""

    def __init__(self, grant=None):
        self.at, self.asked, self.grant, self.watching = 100.0, [], grant, {}

    def now(self):
        return self.at

    def _note(self, *what):
        self.asked.append(what)

    def reserve(self, ask):
        self._note("reserve", ask)
        return self.grant

    def dispatched(self, reservation_id):
        self._note("dispatched", reservation_id)
        return self.at

    def sent(self, reservation_id):
        self._note("sent", reservation_id)

    def settle(self, reservation_id, used, latency=None, told=()):
        self._note("settle", reservation_id, used, latency)
        return ()

    def rest(self, scope, until, reason):
        self._note("rest", scope, until, reason)

    def watch(self, ticket_id, called):
        self.watching[ticket_id] = called

    async def areserve(self, ask):
        return self.reserve(ask)

    async def adispatched(self, reservation_id):
        return self.dispatched(reservation_id)

    async def asettle(self, reservation_id, used, latency=None, told=()):
        return self.settle(reservation_id, used, latency, told)

    async def arest(self, scope, until, reason):
        self.rest(scope, until, reason)


class Adapter:
    def __init__(self, reply=None, chunks=()):
        self.reply, self.chunks, self.closed, self.timeouts = reply, chunks, False, []

    def call(self, deployment, request, *, timeout):
        dispatching()
        self.timeouts.append(timeout)
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply

    async def acall(self, deployment, request, *, timeout):
        return self.call(deployment, request, timeout=timeout)

    def stream(self, deployment, request, *, timeouts):
        dispatching()
        try:
            yield from self.chunks
        finally:
            self.closed = True

    async def astream(self, deployment, request, *, timeouts):
        dispatching()
        try:
            for chunk in self.chunks:
                yield chunk
        finally:
            self.closed = True


def ports(store=None, adapter=None, heard=None):
    heard = [] if heard is None else heard
    adapter = adapter or Adapter()
    made = catalog(deployment())
    health = Health(made.deployments, Random(1))
    return Ports(made, store or Store(), health, lambda _: adapter, Random(1), heard.append)


@pytest.fixture(params=["sync", "async"])
def run(request):
    """Run a flow to its end by one driver or the other."""
    return drive if request.param == "sync" else lambda flow, given: asyncio.run(adrive(flow, given))


@pytest.fixture(params=["sync", "async"])
def pull(request):
    """Take a stream's items, `stop` of them at most, then close it."""

    def sync(flow, given, stop=None):
        source, items = drive_stream(flow, given), []
        for item in source:
            items.append(item)
            if len(items) == stop:
                break
        source.close()
        return items

    async def aside(flow, given, stop=None):
        source, items = adrive_stream(flow, given), []
        async for item in source:
            items.append(item)
            if len(items) == stop:
                break
        await source.aclose()
        return items

    return sync if request.param == "sync" else lambda *given, **more: asyncio.run(aside(*given, **more))


def ask_everything():
    at = yield c.NOW
    chance = yield c.DRAW
    grant = yield c.Reserve("an ask")
    assert (yield c.Dispatched(grant))
    yield c.Rest("deployment:x", at + 1, "why")
    yield c.Settle("r.1", NOTHING_USED, 0.5)
    yield c.Emit("an event")
    reply = yield c.Call(grant, REQUEST, 7.0)
    return at, chance, reply.text


def test_every_command_finds_its_port(run):
    store, adapter, heard = Store(reservation()), Adapter(answer("hi")), []

    assert run(ask_everything(), ports(store, adapter, heard)) == (100.0, Random(1).random(), "hi")
    assert [name for name, *_ in store.asked] == ["reserve", "dispatched", "rest", "settle", "sent"]
    assert (heard, adapter.timeouts) == (["an event"], [7.0])


def test_a_call_that_comes_too_late_to_begin_takes_no_place_and_earns_no_retries(run):
    given = ports()

    def asking():
        late = yield c.Begin(reservation(), latest=99.9)
        level = given.health._retries.level
        begun = yield c.Begin(reservation(), latest=100.1)
        return late, level, begun, given.health._retries.level

    (at, none), before, (_, guards), after = run(asking(), given)

    assert (at, none) == (100.0, None)
    assert guards is not None
    assert after - before == pytest.approx(SHARE)


def test_of_a_failed_attempt_whoever_listens_is_told_and_then_health(run):
    told: list[object] = []
    event = Failed(101.5, "r", "main", 1, "a/m#1", Failure("server_error"), 1.5)
    turn = Turn("health:a", "a/m#1", "closed", "open", 120.0, "server_error", "five in a row")

    class Noting(Health):
        def finish(self, reservation_id, ending, at):
            told.append((reservation_id, ending, at))
            return [turn]

    def failing():
        return (yield c.Fell(event, "r.1", Ending("server_error", 1.5)))

    given = replace(ports(heard=told), health=Noting({}, Random(1)))
    assert run(failing(), given) == [turn]
    assert told == [event, ("r.1", Ending("server_error", 1.5), 101.5)]


def test_a_retry_that_goes_by_no_plan_leaves_the_source_of_chance_alone(run):
    given = ports()
    state = given.random.getstate()

    def asking():
        return (yield c.MayRetry())

    assert run(asking(), given) == (0.0, NO_BAR, None)
    assert given.random.getstate() == state


def test_a_retrys_answer_tells_who_is_unwell_and_whom_its_asking_is_to_leave_out(run):
    unwell, taken, plan = Bar(frozenset({"a"})), Bar(frozenset({"b"})), Plan((), lambda option: (0.0,))

    class Half(Health):
        def barred(self, of, at, *, strictly=False):
            assert of is plan
            return unwell if strictly else taken

    def asking():
        return (yield c.MayRetry(plan))

    given = ports()
    given = replace(given, health=Half({}, Random(1)))
    retrial = run(asking(), given)
    assert (retrial.unwell, retrial.barred) == (unwell, (given.store.now(), taken))


def test_an_error_in_an_answer_is_thrown_into_the_flow(run):
    def flow():
        try:
            yield c.Call(reservation(), REQUEST, 1.0)
        except LookupError as error:
            yield c.Settle("r.1", NOTHING_USED)
            return str(error)

    store = Store()
    assert run(flow(), ports(store, Adapter(LookupError("gone")))) == "gone"
    assert store.asked[-1][0] == "settle"


def test_what_the_flow_raises_comes_out(run):
    def flow():
        yield c.NOW
        raise ArithmeticError("wrong")

    with pytest.raises(ArithmeticError):
        run(flow(), ports())


def test_a_sleep_lasts_until_its_instant_by_the_stores_clock(run):
    store = Store()
    store.now = iter([100.0, 100.001, 100.002, 100.003]).__next__

    def flow():
        yield c.Sleep(100.002)
        return "woken"

    assert run(flow(), ports(store)) == "woken"
    assert store.now() == 100.003


def test_a_ticket_is_asked_for_again_when_it_is_called_from_any_thread(run):
    store = Store(reservation())
    called = threading.Thread(target=lambda: wait_for(store.watching, "r.1")())

    def flow():
        called.start()
        return (yield c.Redeem("the ask", Ticket("r.1", 100.0, 160.0, 160.0)))

    assert run(flow(), ports(store)) == reservation()
    called.join()
    assert store.asked == [("reserve", "the ask")]


def wait_for(mapping, key):
    for _ in range(10**7):
        if key in mapping:
            return mapping[key]
    raise AssertionError("nobody watches")


def test_a_ticket_is_asked_for_again_when_its_time_has_come(run):
    store = Store(reservation())

    def flow():
        return (yield c.Redeem("the ask", Ticket("r.1", 100.0, 100.01, 160.0)))

    assert run(flow(), ports(store)) == reservation()


async def test_a_call_for_a_waiter_whose_loop_is_gone_is_lost_quietly():
    store = Store(reservation())

    def flow():
        return (yield c.Redeem("the ask", Ticket("r.1", 100.0, 100.0, 160.0)))

    await asyncio.to_thread(lambda: asyncio.run(adrive(flow(), ports(store))))
    assert store.watching["r.1"]() is None


async def test_cancelling_a_task_reaches_the_flow_which_settles():
    store = Store()

    def flow():
        try:
            yield c.Sleep(10**9)
        except asyncio.CancelledError:
            yield c.Settle("r.1", NOTHING_USED)
            raise

    task = asyncio.create_task(adrive(flow(), ports(store)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.asked[0][:2] == ("settle", "r.1")


def streaming():
    opened = yield c.Open(reservation(), REQUEST, 1.0)
    seen = []
    try:
        yield c.Relay(opened, lambda chunk: seen.append(chunk.text) or chunk)
        yield c.Deliver(Chunk("!"))
    except BaseException as error:
        yield c.Settle("r.1", type(error).__name__)
        raise
    return seen


CHUNKS = (Chunk(), Chunk("a"), Chunk("b"))


def test_a_stream_gives_all_chunks_and_last_its_result(pull):
    store, adapter = Store(), Adapter(chunks=CHUNKS)

    *chunks, result = pull(streaming(), ports(store, adapter))

    assert store.asked == [("sent", "r.1")]

    assert [x.text for x in chunks] == ["", "a", "b", "!"]
    assert result == ["", "a", "b"]
    assert adapter.closed


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_caller_who_leaves_a_stream_has_it_settled_and_closed(pull, stop):
    store, adapter = Store(), Adapter(chunks=CHUNKS)

    pull(streaming(), ports(store, adapter), stop=stop)

    assert store.asked[1:] == [("settle", "r.1", "Abandoned", None)]
    assert adapter.closed


def test_a_stream_of_nothing_ends(pull):
    assert pull(streaming(), ports(adapter=Adapter(chunks=())))[-1] == []


def test_an_error_while_relaying_is_thrown_into_the_flow(pull):
    def breaks():
        yield Chunk("a")
        raise ConnectionError("cut")

    store, adapter = Store(), Adapter(chunks=breaks())

    with pytest.raises(ConnectionError):
        pull(streaming(), ports(store, adapter))
    assert store.asked[-1] == ("settle", "r.1", "ConnectionError", None)


def test_an_error_while_opening_is_thrown_into_the_flow(pull):
    def flow():
        try:
            yield c.Open(reservation(), REQUEST, 1.0)
        except ConnectionError:
            yield c.NOW
        return "seen"

    def breaks():
        raise ConnectionError("refused")
        yield

    assert pull(flow(), ports(adapter=Adapter(chunks=breaks()))) == ["seen"]


def test_a_flow_that_swallows_its_abandonment_still_ends(pull):
    def flow():
        try:
            yield c.Deliver(Chunk("x"))
        except c.Abandoned:
            yield c.NOW

    assert len(pull(flow(), ports(), stop=1)) == 1


def test_events_are_facts_and_cannot_be_changed():
    event = Selected(1.0, "r", "main", 1, "a/m#1", "why", 1.0, 0.0)

    with pytest.raises(AttributeError):
        event.at = 2.0
