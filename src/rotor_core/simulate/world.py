"""A world in virtual time: many requests, one ledger, providers that count for themselves, and delays on the way.

It is the third driver of the kernel's flows. Everything that happens is an entry in one heap, so the same seed gives
the same world to the last detail, and one request of it can be told again by `story`.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Protocol

from rotor_core import _commands as c
from rotor_core._engine import Engine
from rotor_core._errors import ProviderError, RotorError
from rotor_core._events import Answered, Event
from rotor_core._flow import Result, Work, run
from rotor_core._ledger import Demand
from rotor_core._model import Catalog, Deployment
from rotor_core._outcome import Answer, Failure, Usage
from rotor_core._policy.eligible import Need
from rotor_core._request import Request
from rotor_core.plugins import installed
from rotor_core.stores.memory import MemoryStore

NOON = 1_700_000_000.0
"""Where a world's clock starts: seconds since the epoch, at no window's edge."""

_REQUEST = Request(())


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that comes in `at` seconds after the start. `used`: tokens that the answer really takes."""

    at: float
    input_tokens: int
    max_tokens: int
    used: int
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a provider judged a call when it arrived. `refusal` None: it was admitted and takes `seconds`."""

    refusal: Failure | None = None
    seconds: float = 0.0
    finished: Callable[[float], None] | None = None
    """Called with the instant at which the answer is out."""


class Upstream(Protocol):
    """All providers of a world, counting by their own arithmetic."""

    def arrive(self, at: float, deployment: Deployment, arrival: Arrival) -> Verdict:
        """A call reaches a provider at `at`."""
        ...


@dataclass(slots=True)
class Report:
    """What a world saw. `refusals`: calls that a provider refused; `checksum`: who sent what when, to compare two runs by."""

    offered: int = 0
    answered: int = 0
    unserved: int = 0
    refusals: int = 0
    waited: float = 0.0
    by: Counter[str] = field(default_factory=Counter[str])
    refused_by: Counter[str] = field(default_factory=Counter[str])
    checksum: str = ""


class _Running:
    """A request under way."""

    __slots__ = ("arrival", "flow", "id")

    def __init__(self, ident: str, arrival: Arrival, flow: c.Flow[Result]) -> None:
        self.id, self.arrival, self.flow = ident, arrival, flow


class World:
    """`jitter`: the least and most seconds between a dispatch and a provider's count. `lag`: how late a sleeper may wake.

    `cold`: seconds until a provider's first connection stands; calls that begin before it does wait for it.
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
    ) -> None:
        self.at = self._start = start
        self._jitter, self._lag, self._cold = jitter, lag, cold
        self._warm_at: dict[str, float] = {}
        self.store = store or MemoryStore(clock=lambda: self.at)
        self._engine = Engine(catalog, installed(), store=self.store, seed=seed)
        self._upstream, self._random = upstream, Random(seed)  # noqa: S311  a simulation, not a secret
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._sum = hashlib.sha256()
        self._told: dict[str, list[Event]] = {}
        self._waits: dict[type, Callable[[_Running, Any], None]] = {
            c.Sleep: self._sleep,
            c.Redeem: self._redeem,
            c.Call: self._call,
        }
        store_ = self.store
        self._instant: dict[type, Callable[[Any], object]] = {
            c.Now: lambda _: self.at,
            c.Draw: lambda _: self._random.random(),
            c.Reserve: lambda command: store_.reserve(command.ask),
            c.Dispatched: lambda command: store_.dispatched(command.reservation.id),
            c.Settle: lambda command: store_.settle(
                command.reservation_id, command.used, command.latency, command.told
            ),
            c.Rest: lambda command: store_.rest(command.scope, command.until, command.reason),
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
            self.at, _, happen = heapq.heappop(heap)
            happen()
        self.report.checksum = self._sum.hexdigest()[:16]
        return self.report

    def story(self, number: int) -> list[Event]:
        """All that happened to the nth request, in order, if `run` was told to keep it."""
        return self._told[str(number)]

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, happen))

    def _begin(self, ident: str, arrival: Arrival) -> None:
        running = _Running(ident, arrival, run(self._work(ident, arrival), _REQUEST))
        self._step(running, None)

    def _work(self, ident: str, arrival: Arrival) -> Work:
        catalog, policy = self._engine.catalog, self._engine.catalog.policy
        need = Need(context=arrival.input_tokens + arrival.max_tokens, paid=policy.paid != "never")
        planned = self._engine.planner.plan(catalog.default_pool, need)
        return Work(
            id=ident,
            pool=catalog.default_pool,
            plan=planned.plan,
            demand=Demand(arrival.input_tokens, arrival.max_tokens, arrival.max_tokens),
            deployments=catalog.deployments,
            static=planned.rejections,
            ranking=policy.ranking,
            max_attempts=policy.max_attempts,
            max_wait=policy.max_wait,
            deadline=None if arrival.patience is None else self.at + arrival.patience,
        )

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
            self._answered(end.value)
        except RotorError:
            self.report.unserved += 1

    def _answer(self, running: _Running, command: c.Command) -> object:
        if isinstance(command, c.Emit):
            self._tell(running, command.event)
            return None
        return self._instant[type(command)](command)

    def _tell(self, running: _Running, event: Event) -> None:
        told = self._told.get(running.id)
        if told is not None:
            told.append(event)
        if isinstance(event, Answered):
            self._sum.update(f"{running.id} {event.deployment} {event.at:.6f};".encode())

    def _sleep(self, running: _Running, command: c.Sleep) -> None:
        self._at(command.until + self._random.random() * self._lag, lambda: self._step(running, None))

    def _redeem(self, running: _Running, command: c.Redeem) -> None:
        done = False

        def again() -> None:
            nonlocal done
            if not done:
                done = True
                self._step(running, self.store.reserve(command.ask))

        self.store.watch(command.ticket.id, lambda: self._at(self.at, again))
        self._at(max(self.at, command.ticket.check_at), again)

    def _call(self, running: _Running, command: c.Call) -> None:
        deployment = self._engine.catalog.deployments[command.reservation.deployment]
        warm_at = self._warm_at.setdefault(deployment.provider.name, self.at + self._cold)
        departs = partial(self._depart, running, deployment, command.reservation.id)
        if warm_at > self.at:
            self._at(warm_at, departs)
        else:
            departs()

    def _depart(self, running: _Running, deployment: Deployment, reservation_id: str) -> None:
        self.store.sent(reservation_id)
        self._at(self.at + self._random.uniform(*self._jitter), partial(self._arrive, running, deployment))

    def _arrive(self, running: _Running, deployment: Deployment) -> None:
        verdict = self._upstream.arrive(self.at, deployment, running.arrival)
        failure = verdict.refusal
        if failure is not None:
            self.report.refusals += 1
            self.report.refused_by[deployment.id] += 1
            error = ProviderError(f"{deployment.id}: {failure.message}", failure)
            self._at(self.at + self._random.uniform(*self._jitter), lambda: self._step(running, None, error))
            return
        arrival = running.arrival
        answer = Answer("", finish_reason="stop", usage=Usage(arrival.input_tokens, arrival.used))

        def out() -> None:
            if verdict.finished is not None:
                verdict.finished(self.at)
            self._at(self.at + self._random.uniform(*self._jitter), lambda: self._step(running, answer))

        self._at(self.at + verdict.seconds, out)

    def _answered(self, result: Result) -> None:
        self.report.answered += 1
        self.report.waited += result.waited
        self.report.by[result.deployment.id] += 1
