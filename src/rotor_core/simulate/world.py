"""A world in virtual time: many requests, one ledger, providers that count for themselves, and delays on the way.

It is the third driver of the kernel's flows. Everything that happens is an entry in one heap, so the same seed gives
the same world to the last detail, and one request of it can be told again by `story`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from rotor_core import _commands as c
from rotor_core._demand import Demand
from rotor_core._engine import Engine
from rotor_core._errors import ProviderError, RotorError
from rotor_core._events import Answered, Event
from rotor_core._flow import Result, Work, run, stream
from rotor_core._instant import INSTANT
from rotor_core._model import Catalog
from rotor_core._outcome import Chunk, Failure
from rotor_core._policy.eligible import Need
from rotor_core._ports import Ports
from rotor_core._request import Request
from rotor_core.plugins import installed
from rotor_core.simulate.exchange import Exchange, whole
from rotor_core.simulate.network import Network, pieces
from rotor_core.simulate.report import Arrival, Report, Upstream, why
from rotor_core.simulate.timeline import Timeline, Timer
from rotor_core.stores.memory import MemoryStore

NOON = 1_700_000_000.0
"""Where a world's clock starts: seconds since the epoch, at no window's edge."""

_REQUEST = Request(())


class Running:
    """A request under way. `turn`: which of its waits it is in, so that a wait that was left wakes nobody."""

    __slots__ = ("arrival", "began", "exchange", "flow", "given", "id", "turn")

    def __init__(self, ident: str, arrival: Arrival, flow: c.Flow[Result], began: float) -> None:
        self.id, self.arrival, self.flow, self.began = ident, arrival, flow, began
        self.turn = 0
        self.exchange: Exchange | None = None
        self.given: list[str] = []


class World:
    """`jitter`: the least and most seconds between a dispatch and a provider's count. `lag`: how late a sleeper may wake.

    `cold`: seconds until a provider's first connection stands; calls that begin before it does wait for it.
    `calibrated`: answers' lengths are learned and expected, as the library does; else each may be as long as it is allowed.
    """

    def __init__(
        self,
        catalog: Catalog,
        upstream: Upstream,
        seed: int,
        *,
        jitter: tuple[float, float] = (0.001, 0.005),
        lag: float = 0.002,
        cold: float = 0.0,
        start: float = NOON,
        store: MemoryStore | None = None,
        calibrated: bool = False,
    ) -> None:
        self._start, self._time = start, Timeline(start)
        self._at = self._time.at
        self._lag, self._calibrated = lag, calibrated
        self.store = store or MemoryStore(clock=lambda: self.at)
        self.engine = Engine(catalog, installed(), store=self.store, seed=seed)
        self._random = Random(seed)  # noqa: S311  a simulation, not a secret
        self.report = Report()
        self._network = Network(self._time, self.store, upstream, self._random, self.report, jitter, cold)
        self._sum = hashlib.sha256()
        self._told: dict[str, list[Event]] = {}
        self._waits: dict[type, Callable[[Running, Any], None]] = {
            c.Sleep: self._sleep,
            c.Redeem: self._redeem,
            c.Call: self._call,
            c.Race: self._race,
            c.Open: self._open,
            c.Relay: self._relay,
        }
        store_, ports = self.store, replace(self.engine.ports, random=self._random, emit=_to_nobody)
        self._instant: dict[type, Callable[[Any], object]] = {
            **{kind: partial(_at_once, answer, ports) for kind, answer in INSTANT.items()},
            c.Reserve: lambda command: store_.reserve(command.ask),
            c.Dispatched: lambda command: store_.dispatched(command.reservation.id),
            c.Settle: lambda command: store_.settle(
                command.reservation_id, command.used, command.latency, command.told
            ),
            c.Rest: lambda command: store_.rest(command.scope, command.until, command.reason),
        }

    @property
    def at(self) -> float:
        """The present instant."""
        return self._time.now

    def run(self, arrivals: Iterable[Arrival], *, story: int | None = None) -> Report:
        """Let every request in at its time and run until all are done. `story`: keep the events of the nth request, from 0."""
        if story is not None:
            self._told[str(story)] = []
        for number, arrival in enumerate(arrivals):
            self._at(self._start + arrival.at, partial(self._begin, str(number), arrival))
            self.report.offered += 1
        self._time.run()
        self.report.checksum = self._sum.hexdigest()[:16]
        return self.report

    def story(self, number: int) -> list[Event]:
        """All that happened to the nth request, in order, if `run` was told to keep it."""
        return self._told[str(number)]

    # --- requests ----------------------------------------------------------------------------------------------------

    def _begin(self, ident: str, arrival: Arrival) -> None:
        work = self._work(ident, arrival)
        flow = stream(work, _REQUEST) if arrival.streamed else run(work, _REQUEST)
        running = Running(ident, arrival, flow, self.at)
        if arrival.leaves is not None:
            self._at(self.at + arrival.leaves, partial(self._leave, running))
        self._step(running, None)

    def _work(self, ident: str, arrival: Arrival) -> Work:
        engine, catalog, policy = self.engine, self.engine.catalog, self.engine.catalog.policy
        need = Need(context=arrival.input_tokens + arrival.max_tokens, paid=policy.paid != "never")
        planned = engine.planner.plan(catalog.default_pool, need)
        outputs = None
        if self._calibrated:
            asked, estimated = arrival.max_tokens, arrival.input_tokens
            outputs = engine.calibration.expect(planned.models, "", estimated=estimated, asked=asked)
        return Work(
            id=ident,
            pool=catalog.default_pool,
            plan=planned.plan,
            demand=Demand(arrival.input_tokens, arrival.max_tokens, arrival.max_tokens, outputs=outputs),
            deployments=catalog.deployments,
            static=planned.rejections,
            ranking=policy.ranking,
            max_attempts=policy.max_attempts,
            max_wait=policy.max_wait,
            deadline=None if arrival.patience is None else self.at + arrival.patience,
            regardless=planned.regardless,
            stream_break=policy.stream_break,
        )

    def _leave(self, running: Running) -> None:
        """The caller goes away, wherever its request is."""
        if running.turn >= 0:
            if running.exchange is not None:
                running.exchange.leave(self.at)
            running.turn += 1
            self._step(running, None, c.Abandoned())

    def _wait(self, running: Running) -> Callable[..., None]:
        """What goes on with a flow when its wait is over. Only the first call does."""
        running.turn += 1
        turn = running.turn

        def resume(value: Any = None, error: BaseException | None = None) -> None:
            if running.turn == turn:
                running.turn += 1
                self._step(running, value, error)

        return resume

    def _step(self, running: Running, value: Any, error: BaseException | None = None) -> None:
        """Answer a flow's commands until it has to wait for something, or ends."""
        flow = running.flow
        try:
            while True:
                command = flow.send(value) if error is None else flow.throw(error)
                error = None
                waits = self._waits.get(type(command))
                if waits is not None:
                    waits(running, command)
                    return
                value = self._answer(running, command)
        except StopIteration as end:
            self._answered(running, end.value)
        except RotorError as refused:
            self.report.refused(int(running.id), why(refused), str(refused))
        except c.Abandoned:
            self.report.left += 1
        except BaseException as broken:
            broken.add_note(f"request {running.id}, {self.at - self._start:.3f} s after the start")
            raise
        running.turn = -1

    def _answer(self, running: Running, command: c.Command) -> object:
        match command:
            case c.Emit(event):
                self._tell(running, event)
                return None
            case c.Fell(event):
                self._tell(running, event)
            case c.Deliver(chunk):
                running.given.append(chunk.text)
                return None
            case c.Start(call):
                return c.Pending(self._exchange(running, call))
            case c.CallOff(pending):
                for each in pending:
                    each.exchange.leave(self.at)
                return None
            case c.Begin(forced=True, latest=latest) if latest is None or self.at <= latest:
                self.report.panics += 1
            case _:
                pass
        return self._instant[type(command)](command)

    def _tell(self, running: Running, event: Event) -> None:
        told = self._told.get(running.id)
        if told is not None:
            told.append(event)
        self.report.events[event.name] += 1
        if isinstance(event, Answered):
            if self._calibrated:
                self.engine.calibration(event)
            self._sum.update(f"{running.id} {event.deployment} {event.at:.6f};".encode())

    def _answered(self, running: Running, result: Result) -> None:
        report, seconds = self.report, self.at - running.began
        report.answered += 1
        report.waited += result.waited
        report.by[result.deployment.id] += 1
        report.seconds.append(seconds)
        report.continued += result.continued > 0
        report.late += running.arrival.patience is not None and seconds > running.arrival.patience
        if running.arrival.streamed and "".join(running.given) != whole(pieces(running.arrival)):
            report.garbled.append((int(running.id), "".join(running.given)))

    def _exchange(self, running: Running, command: c.Call | c.Open) -> Exchange:
        reservation, request = command.reservation, command.request
        deployment, arrival = self.engine.catalog.deployments[reservation.deployment], running.arrival
        streamed = isinstance(command, c.Open)
        timeout = command.timeouts.total if isinstance(command, c.Open) else command.timeout
        return self._network.exchange(arrival, reservation.id, deployment, timeout, request, streamed=streamed)

    # --- waits -------------------------------------------------------------------------------------------------------

    def _sleep(self, running: Running, command: c.Sleep) -> None:
        self._at(command.until + self._random.random() * self._lag, self._wait(running))

    def _redeem(self, running: Running, command: c.Redeem) -> None:
        resume = self._wait(running)
        turn, done = running.turn, Timer()

        def again() -> None:
            done.over = True
            if running.turn == turn:
                resume(self.store.reserve(command.ask))

        self.store.watch(command.ticket.id, lambda: self._at(self.at, again, done))
        self._at(max(self.at, command.ticket.check_at), again, done)

    def _call(self, running: Running, command: c.Call) -> None:
        exchange = self._exchange(running, command)
        resume, running.exchange = self._wait(running), exchange

        def heard() -> None:
            if isinstance(exchange.end, ProviderError):
                resume(None, exchange.end)
            elif exchange.end is not None:
                resume(exchange.end)

        exchange.heard = heard

    def _race(self, running: Running, command: c.Race) -> None:
        resume, timer = self._wait(running), Timer()

        def heard() -> None:
            ended = [p for p in command.pending if p.exchange.end is not None]
            ended.sort(key=lambda p: isinstance(p.exchange.end, ProviderError))
            if ended and not timer.over:
                timer.over = True
                resume(c.Over(ended[0], ended[0].exchange.end))

        def nobody() -> None:
            timer.over = True
            resume(None)

        for each in command.pending:
            each.exchange.heard = heard
        if command.within is not None:
            self._at(self.at + command.within, nobody, timer)
        if any(p.exchange.end is not None for p in command.pending):
            self._at(self.at, heard, timer)

    def _open(self, running: Running, command: c.Open) -> None:
        waits = command.timeouts
        exchange = self._exchange(running, command)
        resume, running.exchange, timer = self._wait(running), exchange, Timer()
        self._network.late(exchange, timer, waits.first, "no chunk")

        def heard() -> None:
            if exchange.came and not timer.over:
                timer.over = True
                exchange.heard = None
                resume(c.Opened((exchange.came.popleft(),), (exchange, waits.between)))
            elif exchange.end is not None and not timer.over:
                timer.over = True
                resume(None, _no_end(exchange))

        exchange.heard = heard

    def _relay(self, running: Running, command: c.Relay) -> None:
        exchange, between = command.opened.rest
        resume, timer, longest, last = self._wait(running), Timer(), 0.0, self.at

        def hand(chunk: Chunk) -> None:
            running.given.append(command.observe(chunk).text)

        def heard() -> None:
            nonlocal timer, longest, last
            try:
                while exchange.came:
                    longest, last = max(longest, self.at - last), self.at
                    hand(exchange.came.popleft())
            except Exception as error:  # noqa: BLE001  the flow decides
                timer.over = True
                exchange.leave(self.at)
                resume(None, error)
                return
            timer.over = True
            if isinstance(exchange.end, ProviderError):
                resume(None, exchange.end)
            elif exchange.end is not None:
                resume(longest)
            else:
                timer = Timer()
                self._network.late(exchange, timer, between, "silence")

        def first() -> None:
            exchange.came.extendleft(reversed(command.opened.head))
            exchange.heard = heard
            heard()

        self._at(self.at, first, timer)


def _to_nobody(event: Event) -> None:
    """What happens is told by the world, which knows to whose request it does."""


def _at_once(answer: Callable[[Any, Ports], object], ports: Ports, command: c.Command) -> object:
    return answer(command, ports)


def _no_end(exchange: Exchange) -> ProviderError:
    if isinstance(exchange.end, ProviderError):
        return exchange.end
    text = f"{exchange.deployment.id}: the stream ended without a chunk"
    return ProviderError(text, Failure("server_error", message=text))
