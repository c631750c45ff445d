"""A world in virtual time: many requests, one ledger, providers that count for themselves, and delays on the way.

It is the third driver of the kernel's flows. Everything that happens is an entry in one heap, so the same seed gives
the same world to the last detail, and one request of it can be told again by `story`.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

from rotor_core import _commands as c
from rotor_core._engine import Engine
from rotor_core._errors import ProviderError, RotorError
from rotor_core._events import Answered, Event
from rotor_core._flow import Result, Work, run, stream
from rotor_core._ledger import Demand
from rotor_core._model import Catalog
from rotor_core._outcome import Answer, Chunk, Failure, Usage
from rotor_core._policy.eligible import Need
from rotor_core._request import Request
from rotor_core.plugins import installed
from rotor_core.simulate.exchange import PIECES, Exchange, texts, whole
from rotor_core.simulate.report import Arrival, Report, Upstream, Verdict, why
from rotor_core.stores.memory import MemoryStore

NOON = 1_700_000_000.0
"""Where a world's clock starts: seconds since the epoch, at no window's edge."""

_REQUEST = Request(())


class _Running:
    """A request under way. `turn`: which of its waits it is in, so that a wait that was left wakes nobody."""

    __slots__ = ("arrival", "began", "exchange", "flow", "given", "id", "turn")

    def __init__(self, ident: str, arrival: Arrival, flow: c.Flow[Result], began: float) -> None:
        self.id, self.arrival, self.flow, self.began = ident, arrival, flow, began
        self.turn = 0
        self.exchange: Exchange | None = None
        self.given: list[str] = []


class _Timer:
    """What an entry of the heap belongs to: it is passed over when that is over."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


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
        self.at = self._start = start
        self._jitter, self._lag, self._cold, self._calibrated = jitter, lag, cold, calibrated
        self._warm_at: dict[str, float] = {}
        self.store = store or MemoryStore(clock=lambda: self.at)
        self.engine = Engine(catalog, installed(), store=self.store, seed=seed)
        self._upstream, self._random = upstream, Random(seed)  # noqa: S311  a simulation, not a secret
        self._heap: list[tuple[float, int, Callable[[], None], Exchange | _Timer | None]] = []
        self._order = 0
        self._sum = hashlib.sha256()
        self._told: dict[str, list[Event]] = {}
        self._waits: dict[type, Callable[[_Running, Any], None]] = {
            c.Sleep: self._sleep,
            c.Redeem: self._redeem,
            c.Call: self._call,
            c.Race: self._race,
            c.Open: self._open,
            c.Relay: self._relay,
        }
        store_, health = self.store, self.engine.health
        self._instant: dict[type, Callable[[Any], object]] = {
            c.Now: lambda _: self.at,
            c.Draw: lambda _: self._random.random(),
            c.Reserve: lambda command: store_.reserve(command.ask),
            c.Dispatched: lambda command: store_.dispatched(command.reservation.id),
            c.Settle: lambda command: store_.settle(
                command.reservation_id, command.used, command.latency, command.told
            ),
            c.Rest: lambda command: store_.rest(command.scope, command.until, command.reason),
            c.Barred: lambda command: health.barred(command.plan, self.at, strictly=command.strictly),
            c.Begin: self._let_in,
            c.Flowing: lambda command: health.flowing(command.reservation_id),
            c.Finish: lambda command: health.finish(command.reservation_id, command.ending, self.at),
            c.MayRetry: lambda _: health.may_retry(self.at),
            c.Glance: lambda command: store_.glance(command.options),
        }
        self.report = Report()

    def run(self, arrivals: Iterable[Arrival], *, story: int | None = None) -> Report:
        """Let every request in at its time and run until all are done. `story`: keep the events of the nth request, from 0."""
        if story is not None:
            self._told[str(story)] = []
        for number, arrival in enumerate(arrivals):
            self._at(self._start + arrival.at, partial(self._begin, str(number), arrival))
            self.report.offered += 1
        heap = self._heap
        while heap:
            at, _, happen, owner = heapq.heappop(heap)
            if owner is None or not owner.over:
                self.at = max(self.at, at)  # who sleeps until an instant that is past wakes now
                happen()
        self.report.checksum = self._sum.hexdigest()[:16]
        return self.report

    def story(self, number: int) -> list[Event]:
        """All that happened to the nth request, in order, if `run` was told to keep it."""
        return self._told[str(number)]

    def _at(self, at: float, happen: Callable[[], None], owner: Exchange | _Timer | None = None) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, happen, owner))

    # --- requests ----------------------------------------------------------------------------------------------------

    def _begin(self, ident: str, arrival: Arrival) -> None:
        work = self._work(ident, arrival)
        flow = stream(work, _REQUEST) if arrival.streamed else run(work, _REQUEST)
        running = _Running(ident, arrival, flow, self.at)
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

    def _leave(self, running: _Running) -> None:
        """The caller goes away, wherever its request is."""
        if running.turn >= 0:
            if running.exchange is not None:
                running.exchange.leave(self.at)
            running.turn += 1
            self._step(running, None, c.Abandoned())

    def _wait(self, running: _Running) -> Callable[..., None]:
        """What goes on with a flow when its wait is over. Only the first call does."""
        running.turn += 1
        turn = running.turn

        def resume(value: Any = None, error: BaseException | None = None) -> None:
            if running.turn == turn:
                running.turn += 1
                self._step(running, value, error)

        return resume

    def _step(self, running: _Running, value: Any, error: BaseException | None = None) -> None:
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

    def _answer(self, running: _Running, command: c.Command) -> object:
        match command:
            case c.Emit(event):
                self._tell(running, event)
                return None
            case c.Deliver(chunk):
                running.given.append(chunk.text)
                return None
            case c.Start(call):
                return c.Pending(
                    self._exchange(running, call.reservation.id, call.reservation.deployment, call.timeout)
                )
            case c.CallOff(pending):
                for each in pending:
                    each.exchange.leave(self.at)
                return None
            case _:
                return self._instant[type(command)](command)

    def _tell(self, running: _Running, event: Event) -> None:
        told = self._told.get(running.id)
        if told is not None:
            told.append(event)
        self.report.events[event.name] += 1
        if isinstance(event, Answered):
            if self._calibrated:
                self.engine.calibration(event)
            self._sum.update(f"{running.id} {event.deployment} {event.at:.6f};".encode())

    def _answered(self, running: _Running, result: Result) -> None:
        report, seconds = self.report, self.at - running.began
        report.answered += 1
        report.waited += result.waited
        report.by[result.deployment.id] += 1
        report.seconds.append(seconds)
        report.continued += result.continued > 0
        report.late += running.arrival.patience is not None and seconds > running.arrival.patience
        if running.arrival.streamed and "".join(running.given) != whole(self._pieces(running)):
            report.garbled.append((int(running.id), "".join(running.given)))

    def _let_in(self, command: c.Begin) -> object:
        self.report.panics += command.forced
        return self.engine.health.begin(command.reservation, self.at, forced=command.forced, streamed=command.streamed)

    # --- waits -------------------------------------------------------------------------------------------------------

    def _sleep(self, running: _Running, command: c.Sleep) -> None:
        self._at(command.until + self._random.random() * self._lag, self._wait(running))

    def _redeem(self, running: _Running, command: c.Redeem) -> None:
        resume = self._wait(running)
        turn, done = running.turn, _Timer()

        def again() -> None:
            done.over = True
            if running.turn == turn:
                resume(self.store.reserve(command.ask))

        self.store.watch(command.ticket.id, lambda: self._at(self.at, again, done))
        self._at(max(self.at, command.ticket.check_at), again, done)

    def _call(self, running: _Running, command: c.Call) -> None:
        reservation = command.reservation
        exchange = self._exchange(running, reservation.id, reservation.deployment, command.timeout, command.request)
        resume, running.exchange = self._wait(running), exchange

        def heard() -> None:
            if isinstance(exchange.end, ProviderError):
                resume(None, exchange.end)
            elif exchange.end is not None:
                resume(exchange.end)

        exchange.heard = heard

    def _race(self, running: _Running, command: c.Race) -> None:
        resume, timer = self._wait(running), _Timer()

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

    def _open(self, running: _Running, command: c.Open) -> None:
        reservation, waits = command.reservation, command.timeouts
        total, request = waits.total, command.request
        exchange = self._exchange(running, reservation.id, reservation.deployment, total, request, streamed=True)
        resume, running.exchange, timer = self._wait(running), exchange, _Timer()
        self._late(exchange, timer, waits.first, "no chunk")

        def heard() -> None:
            if exchange.came and not timer.over:
                timer.over = True
                exchange.heard = None
                resume(c.Opened((exchange.came.popleft(),), (exchange, waits.between)))
            elif exchange.end is not None and not timer.over:
                timer.over = True
                resume(None, _no_end(exchange))

        exchange.heard = heard

    def _relay(self, running: _Running, command: c.Relay) -> None:
        exchange, between = command.opened.rest
        resume, timer, longest, last = self._wait(running), _Timer(), 0.0, self.at

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
                timer = _Timer()
                self._late(exchange, timer, between, "silence")

        def first() -> None:
            exchange.came.extendleft(reversed(command.opened.head))
            exchange.heard = heard
            heard()

        self._at(self.at, first, timer)

    # --- on the wire -------------------------------------------------------------------------------------------------

    def _exchange(
        self,
        running: _Running,
        reservation_id: str,
        to: str,
        timeout: float,
        request: Request = _REQUEST,
        *,
        streamed: bool = False,
    ) -> Exchange:
        deployment = self.engine.catalog.deployments[to]
        exchange = Exchange(deployment, reservation_id)
        if streamed:
            exchange.words = texts(request, self._pieces(running))
        self._late(exchange, exchange, timeout, "no answer")
        warm_at = self._warm_at.setdefault(deployment.provider.name, self.at + self._cold)
        departs = partial(self._depart, running, exchange)
        if warm_at > self.at:
            self._at(warm_at, departs, exchange)
        else:
            departs()
        return exchange

    def _pieces(self, running: _Running) -> int:
        return max(2, min(PIECES, running.arrival.used // 20))

    def _late(self, exchange: Exchange, owner: Exchange | _Timer, seconds: float, what: str) -> None:
        text = f"{exchange.deployment.id}: {what} within {seconds:.3f} s"
        error = ProviderError(text, Failure("timeout", message=text))
        self._at(self.at + seconds, lambda: exchange.ends(error, self.at), owner)

    def _depart(self, running: _Running, exchange: Exchange) -> None:
        self.store.sent(exchange.reservation)
        self._at(self.at + self._random.uniform(*self._jitter), partial(self._arrive, running, exchange), exchange)

    def _arrive(self, running: _Running, exchange: Exchange) -> None:
        deployment, arrival, random = exchange.deployment, running.arrival, self._random
        verdict = self._upstream.arrive(self.at, deployment, arrival)
        exchange.finished = verdict.finished
        end: Answer | ProviderError
        if verdict.refusal is not None:
            self.report.refusals += 1
            self.report.refused_by[deployment.id] += 1
            end = ProviderError(f"{deployment.id}: {verdict.refusal.message}", verdict.refusal)
            end.request_sent = verdict.reached
        else:
            end = Answer("", finish_reason="stop", usage=Usage(arrival.input_tokens, arrival.used))
        if exchange.words:
            self._send_chunks(exchange, verdict, end, Usage(arrival.input_tokens, arrival.used))
        if verdict.seconds < float("inf"):
            back = random.uniform(*self._jitter)
            self._at(self.at + verdict.seconds, partial(self._out, exchange, end, back), exchange)

    def _out(self, exchange: Exchange, end: Answer | ProviderError, back: float) -> None:
        """An answer leaves its provider, whose seat is free from now."""
        finished, exchange.finished = exchange.finished, None
        if finished is not None:
            finished(self.at)
        self._at(self.at + back, lambda: exchange.ends(end, self.at), exchange)

    def _send_chunks(self, exchange: Exchange, verdict: Verdict, end: Answer | ProviderError, usage: Usage) -> None:
        """The chunks of an answer, evenly over its seconds; of one that breaks off or falls silent, the first ones."""
        words, whole_ = exchange.words, isinstance(end, Answer) and verdict.chunks is None
        count = len(words) if whole_ else min(verdict.chunks or 0, len(words) - 1)
        seconds = verdict.seconds if verdict.pace is None else verdict.pace
        for n in range(count):
            last = whole_ and n == count - 1
            chunk = Chunk(words[n], finish_reason="stop", usage=usage) if last else Chunk(words[n])
            self._at(self.at + seconds * (n + 1) / (len(words) + 1), partial(exchange.comes, chunk), exchange)


def _no_end(exchange: Exchange) -> ProviderError:
    if isinstance(exchange.end, ProviderError):
        return exchange.end
    text = f"{exchange.deployment.id}: the stream ended without a chunk"
    return ProviderError(text, Failure("server_error", message=text))
