"""Catalogs and requests made by hand, and a driver that a test scripts: no clock, no store, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rotor_core import _commands as c
from rotor_core._demand import Demand
from rotor_core._errors import ProviderError
from rotor_core._flow import Work
from rotor_core._health import NO_BAR, NO_GUARDS
from rotor_core._ledger import Reservation
from rotor_core._model import (
    BoundLimit,
    Catalog,
    Credential,
    Deployment,
    Limit,
    Model,
    Policy,
    Pool,
    Price,
    Provider,
    Seat,
    Secret,
)
from rotor_core._outcome import Answer, Chunk, Failure, Usage
from rotor_core._policy.plan import build_plan
from rotor_core._policy.rank import RANKINGS

FREE, PAID = Price(0, 0), Price(1.0, 3.0)


def deployment(
    name: str = "a",
    model: str = "m",
    *,
    price: Price | None = FREE,
    limits: tuple[Limit, ...] | None = (),
    context: int | None = 1000,
    capabilities: frozenset[str] | None = None,
    category: str | None = None,
    adapter: str = "made",
    timeout: float = 60.0,
) -> Deployment:
    """One deployment `name/model#1`."""
    key = Credential(f"{name}#1", Secret("sk-secret"), f"fp-{name}", f"fp-{name}")
    bound = (
        None
        if limits is None
        else tuple(BoundLimit(f"fp-{name}|{model}|{x.unit}|{x.per}|{x.window}", x) for x in limits)
    )
    made = Model(model, context, None, capabilities, category, price, limits)
    provider = Provider(name, adapter, f"http://127.0.0.1/{name}", timeout=timeout)
    return Deployment(f"{name}/{model}#1", provider, made, key, bound, price)


def catalog(*deployments: Deployment, policy: Policy | None = None, **more: Any) -> Catalog:
    """One pool `main` of all of them."""
    pool = Pool("main", tuple(Seat(d) for d in deployments))
    return Catalog({d.id: d for d in deployments}, {"main": pool}, "main", policy or Policy(), **more)


def work(*deployments: Deployment, policy: Policy | None = None, **more: Any) -> Work:
    policy = policy or Policy()
    plan = build_plan([Seat(d) for d in deployments], RANKINGS[policy.ranking], policy)
    made: dict[str, Any] = {
        "id": "r",
        "pool": "main",
        "plan": plan,
        "demand": Demand(10, 20, 20),
        "deployments": {d.id: d for d in deployments},
        "static": {},
        "ranking": policy.ranking,
        "max_attempts": policy.max_attempts,
        "max_wait": policy.max_wait,
    }
    return Work(**{**made, **more})


def reservation(
    to: str = "a/m#1", at: float = 100.0, asked_at: float = 100.0, number: int = 1, rested: str | None = None
) -> Reservation:
    return Reservation(f"r.{number}", to, at, asked_at, at + 600, Demand(10, 20, 20), rested)


def answer(text: str = "hello", **more: Any) -> Answer:
    return Answer(text, finish_reason="stop", usage=more.pop("usage", Usage(11, 7)), **more)


def failure(kind: str = "rate_limit", **more: Any) -> ProviderError:
    sent = more.pop("request_sent", True)
    error = ProviderError(f"it said {kind}", Failure(kind, **more))  # type: ignore[arg-type]
    error.request_sent = sent
    return error


class Script:
    """Answers commands from what the test wrote: a value, an exception (thrown), a list of them in turn, or a function."""

    def __init__(self, answers: Mapping[type, Any], at: float = 100.0) -> None:
        self.at = at
        self.answers = {kind: list(v) if isinstance(v, list) else v for kind, v in answers.items()}
        self.asked: list[Any] = []
        self.delivered: list[Chunk] = []

    def play(self, flow: Any) -> Any:
        """Run the flow to its end; returns its result or raises what it raises."""
        try:
            command = next(flow)
            while True:
                if not isinstance(command, c.Fell):  # which is asked as its parts
                    self.asked.append(command)
                try:
                    value = self.answer(command)
                except BaseException as error:
                    command = flow.throw(error)
                else:
                    command = flow.send(value)
        except StopIteration as end:
            return end.value

    def answer(self, command: Any) -> Any:
        if isinstance(command, c.Fell):
            return self._fallen(command)
        said = self.answers.get(type(command), _WELL.get(type(command)))
        if isinstance(said, list):
            said = said.pop(0)
        if isinstance(said, BaseException):
            raise said
        if callable(said):
            said = said(command)
            if not isinstance(command, (c.Barred, c.Begin, c.MayRetry)):
                return said
        if isinstance(command, c.Begin) and command.latest is not None and self.at > command.latest:
            return self.at, None
        if isinstance(command, (c.Barred, c.Begin)):
            return self.at, said
        if isinstance(command, c.MayRetry):
            return self._retrial(command, said)
        if said is None and isinstance(command, c.Now):
            return self.at
        if said is None and isinstance(command, c.Dispatched):
            return self.at
        if said is None and isinstance(command, c.Settle):
            return ()
        if said is None and isinstance(command, c.Draw):
            return 0.5
        if isinstance(command, c.Sleep):
            self.at = max(self.at, command.until)
        if isinstance(command, c.Relay) and said is None:
            self.delivered += [command.observe(chunk) for chunk in command.opened.head]
            self.delivered += [command.observe(chunk) for chunk in command.opened.rest]
        return said

    def _fallen(self, command: c.Fell) -> Any:
        """As the two questions that it stands for."""
        said: Any = None
        for part in (c.Emit(command.event), c.Finish(command.reservation_id, command.ending, command.event.at)):
            self.asked.append(part)
            said = self.answer(part)
        return said

    def _retrial(self, command: c.MayRetry, may: bool) -> c.Retrial | None:
        """`Barred` as a function says who is unwell, `Draw` what the number is; whom the next asking leaves out is what `Barred` says."""
        if not may:
            return None
        if command.plan is None:
            return c.Retrial(0.0, NO_BAR)
        barred = self.answers.get(c.Barred)
        unwell = barred(c.Barred(command.plan, strictly=True)) if callable(barred) else NO_BAR
        return c.Retrial(self.answer(c.DRAW), unwell, self.answer(c.Barred(command.plan)))

    def of(self, kind: type) -> list[Any]:
        return [command for command in self.asked if isinstance(command, kind)]

    def events(self) -> list[Any]:
        return [command.event for command in self.of(c.Emit)]

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events()]


_WELL: dict[type, Any] = {c.Barred: NO_BAR, c.Begin: NO_GUARDS, c.Flowing: None, c.Finish: (), c.MayRetry: True}
"""What health says where nobody fails."""

Answers = Callable[[Any], Any]
