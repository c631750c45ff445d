"""What to reserve for answers of unknown length: the charge rule beside the bound and a fixed 256, in virtual time.

Two models with a limit of 60,000 tokens a minute each, one deducting what is used, one what is requested; three kinds of
task with answers of log-normal length (medians 12, 150 and 700 tokens), `max_tokens` of 60 to 4,000 or absent (then the
model's 8,192 is the bound), prompts that we count 15 % too high. More comes than fits; who waits longer than 3 s gives up.

usage: charge.py [SEEDS] [SECONDS]   prints a line for each way of counting and reserving: providers' refusals, the share of
the limit that answers used, the share of requests that settled within what was reserved
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from rotor_core import _commands as c
from rotor_core._demand import Demand
from rotor_core._events import Answered, Event
from rotor_core._flow import Work
from rotor_core._model import Deployment
from rotor_core._policy.eligible import Need
from rotor_core.observe.lengths import Calibration
from rotor_core.simulate.report import Arrival, Verdict
from rotor_core.simulate.scenarios import _read
from rotor_core.simulate.upstream import SandboxUpstream
from rotor_core.simulate.world import World

LIMIT = 60_000
LONGEST = 8192
FIXED = 256
OVERCOUNT = 1.15
TASKS = {"classify": (12, 0.5), "chat": (150, 0.8), "write": (700, 0.6)}
CAPS = (60, 250, 600, 1500, 4000, None)


def written(counts: str) -> dict[str, Any]:
    limit = {"tokens": LIMIT, "per": "minute", "counts": counts}
    model = {"context": 131072, "max_output": LONGEST, "price": {"input": 0, "output": 0}, "limits": [limit]}
    provider = {"keys": ["lab"], "latency": [0.3, 8.0], "models": {"m": model}}
    return {"providers": {"lab": provider}, "policy": {"max_wait": 3}}


@dataclass(frozen=True, slots=True)
class Request(Arrival):
    task: str = ""


def arrivals(seed: int, seconds: float, per_second: float) -> Iterator[Request]:
    random, at = Random(seed), 0.0
    while (at := at + random.expovariate(per_second)) < seconds:
        task = random.choice(list(TASKS))
        middle, spread = TASKS[task]
        cap = random.choice(CAPS)
        length = max(1, int(random.lognormvariate(math.log(middle), spread)))
        read = min(9000, int(random.lognormvariate(math.log(270), 0.9)) + 8)
        yield Request(at, read, cap, min(length, cap or LONGEST), 3.0, task)  # type: ignore[arg-type]


class Upstream(SandboxUpstream):
    """Refusals name the limit, as providers' do."""

    def arrive(self, at: float, deployment: Deployment, arrival: Arrival) -> Verdict:
        verdict = super().arrive(at, deployment, arrival)
        if verdict.refusal is None:
            return verdict
        return Verdict(replace(verdict.refusal, unit="tokens", per="minute", limit=LIMIT))


class Trial(World):
    """A world whose requests reserve by `way`: rule, bound or fixed."""

    def __init__(self, counts: str, way: str, seed: int) -> None:
        spec, catalog = _read(written(counts))
        super().__init__(catalog, Upstream(spec, seed), seed)
        self._way, self._catalog = way, catalog
        self._calibration = Calibration(catalog.deployments)
        self._models = {"m": LONGEST}
        self.settled = self.within = self.used = 0
        settle = self._instant[c.Settle]

        def settling(command: Any) -> object:
            known = self.store._book.open.get(command.reservation_id)
            used = command.used
            if known is not None and used.output_tokens is not None:
                reserved, total = known.amounts[0], used.input_tokens + used.output_tokens
                self.settled += 1
                self.within += total <= reserved
                self.used += total
            return settle(command)

        self._instant[c.Settle] = settling

    def _work(self, ident: str, arrival: Arrival) -> Work:
        assert isinstance(arrival, Request)
        read, asked = int(arrival.input_tokens * OVERCOUNT), arrival.max_tokens
        policy, pool = self._catalog.policy, self._catalog.default_pool
        plan = self._engine.planner.plan(pool, Need()).plan
        likely = FIXED if asked is None else asked
        demand = Demand(read, likely, asked, task=arrival.task)
        if self._way == "rule":
            outputs = self._calibration.expect(self._models, arrival.task, estimated=read, asked=asked)
            demand = replace(demand, outputs=outputs)
        elif self._way == "bound":
            demand = replace(demand, output_tokens=asked or LONGEST, max_tokens=asked or LONGEST)
        else:
            demand = replace(demand, output_tokens=FIXED, max_tokens=None)
        deadline = self.at + (arrival.patience or 0)
        return Work(
            ident, pool, plan, demand, self._catalog.deployments, {}, policy.ranking, 1, policy.max_wait, None, deadline
        )

    def _tell(self, running: Any, event: Event) -> None:
        super()._tell(running, event)
        if isinstance(event, Answered):
            self._calibration(event)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1200.0
    for counts, per_second in (("usage", 2.2), ("requested", 1.2)):
        for way in ("rule", "bound", "fixed"):
            offered = answered = refusals = settled = within = used = 0
            for seed in range(1, seeds + 1):
                trial = Trial(counts, way, seed)
                report = trial.run(arrivals(seed, seconds, per_second))
                offered, answered, refusals = (
                    offered + report.offered,
                    answered + report.answered,
                    refusals + report.refusals,
                )
                settled, within, used = settled + trial.settled, within + trial.within, used + trial.used
            minutes = seeds * (seconds / 60 + 1)  # a bucket is full at first
            print(
                f"{counts:9} {way:5}: {answered} of {offered} answered, {refusals} refused by the provider, "
                f"{used / (LIMIT * minutes):.1%} of the limit used, {within / settled:.1%} settled within what was reserved"
            )


if __name__ == "__main__":
    main()
