"""Providers that fail: a layer over an upstream, in which every deployment goes through phases drawn from a seed.

At any instant one deployment at least is well, by construction: time is cut into watches, each kept by one deployment
that has room for all the load, and a fault never reaches into a watch of its own deployment, nor into `MARGIN` before
and after it. All the others may be out, alone or with their whole provider.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, get_args

from rotor_core._model import Deployment
from rotor_core._outcome import Failure
from rotor_core.simulate.report import Arrival, Upstream, Verdict

Fault = Literal["errors", "untold_429", "told_429", "overloaded", "hang", "cut", "slow", "refused"]
"""`errors`: 500, all calls or a part of them. `untold_429`, `told_429`: without and with the seconds to wait. `overloaded`: 503.
`hang`: let in, never answered. `cut`: broken off midway. `slow`: ten to fifty times as long. `refused`: no connection."""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

MARGIN: Final = 5.0
"""Seconds for which a watch reaches beyond its ends, so that two overlap."""
WATCH: Final = (60.0, 600.0)
"""Seconds that a watch lasts, at least and at most."""
WELL: Final = 150.0
"""Seconds between two faults of a deployment on the average; of a provider three times as many."""
LASTS: Final = (5.0, 400.0)
"""Seconds that a fault lasts, at least and at most; short ones are as likely as long ones, by their logarithm."""
FEWER: Final = (0.3, 0.6, 1.0, 1.0)
"""The parts of its calls that a deployment may fail during `errors`."""
FLAKY: Final = "flaky"
"""`errors` of a part of the calls only."""


@dataclass(frozen=True, slots=True)
class Phase:
    """From `start` on a deployment has `fault` (None: it is well), until the next phase. `share`: of its calls; `factor`: of its time."""

    start: float
    fault: Fault | None = None
    share: float = 1.0
    factor: float = 1.0

    @property
    def name(self) -> str:
        """The fault's name; who serves a part of its calls is not dead, and counted apart."""
        return FLAKY if self.share < 1 else self.fault or ""


WELL_PHASE: Final = Phase(0.0)


def timetable(
    seed: int, seconds: float, deployments: Mapping[str, str], keepers: Sequence[str]
) -> dict[str, list[Phase]]:
    """Every deployment's phases. `deployments`: each one's provider. `keepers`: those with room for all the load.

    Instants are seconds since the start; `seconds`: no fault begins after it.
    """
    random = Random(seed)  # noqa: S311  a simulation, not a secret
    watches = _watches(random, seconds, keepers)
    found: dict[str, list[tuple[float, float, Phase]]] = {name: [] for name in deployments}
    for provider in sorted(set(deployments.values())):
        for start, end, phase in _faults(random, seconds, 3 * WELL):
            for name in deployments:
                if deployments[name] == provider:
                    found[name].append((start, end, phase))
    for name in deployments:
        found[name] += _faults(random, seconds, WELL)
    return {name: _phases(faults, watches.get(name, [])) for name, faults in found.items()}


def _watches(random: Random, seconds: float, keepers: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    watches: dict[str, list[tuple[float, float]]] = {}
    at, last = 0.0, ""
    while at < seconds + WATCH[1]:
        keeper = random.choice([name for name in keepers if name != last] or list(keepers))
        end = at + random.uniform(*WATCH)
        watches.setdefault(keeper, []).append((at - MARGIN, end + MARGIN))
        at, last = end, keeper
    return watches


def _faults(random: Random, seconds: float, well: float) -> list[tuple[float, float, Phase]]:
    found: list[tuple[float, float, Phase]] = []
    at = random.expovariate(1 / well)
    while at < seconds:
        end = at + math.exp(random.uniform(math.log(LASTS[0]), math.log(LASTS[1])))
        fault = random.choice(FAULTS)
        share = random.choice(FEWER) if fault == "errors" else 1.0
        factor = random.uniform(10, 50) if fault == "slow" else 1.0
        found.append((at, end, Phase(at, fault, share, factor)))
        at = end + random.expovariate(1 / well)
    return found


def _phases(faults: list[tuple[float, float, Phase]], watches: list[tuple[float, float]]) -> list[Phase]:
    """One after the other: of faults that overlap the later one begins when the earlier is over."""
    pieces: list[tuple[float, float, Phase]] = []
    for start, end, phase in faults:
        at = start
        for begins, ends in watches:
            if ends > at and begins < end:
                if begins > at:
                    pieces.append((at, begins, phase))
                at = max(at, ends)
        if at < end:
            pieces.append((at, end, phase))
    pieces.sort(key=lambda piece: (piece[0], piece[1]))
    phases, until = [WELL_PHASE], 0.0
    for start, end, phase in pieces:
        begins = max(start, until)
        if begins >= end:
            continue
        if begins > until:
            phases.append(Phase(until))
        phases.append(Phase(begins, phase.fault, phase.share, phase.factor))
        until = end
    return [*phases, Phase(until)]


class FaultyUpstream:
    """`inner` judges whatever a fault lets through. `start`: the instant at which the timetable begins.

    `sent`: calls that came to somebody during a fault, by its name; `sent_to`: the same by deployment and phase.
    """

    def __init__(self, inner: Upstream, phases: Mapping[str, Sequence[Phase]], start: float, seed: int) -> None:
        self._inner, self._start = inner, start
        self._random = Random(seed)  # noqa: S311  a simulation, not a secret
        self.sent: Counter[str] = Counter()
        self.sent_to: Counter[tuple[str, float]] = Counter()
        self.retime(phases)

    def retime(self, phases: Mapping[str, Sequence[Phase]]) -> None:
        """Another timetable, from the start."""
        self.phases = {name: list(own) for name, own in phases.items()}
        self._starts = {name: [phase.start for phase in own] for name, own in self.phases.items()}

    def phase(self, at: float, deployment: str) -> Phase:
        """What a deployment is going through at an instant."""
        index = bisect_right(self._starts[deployment], at - self._start) - 1
        return self.phases[deployment][max(0, index)]

    def outages(self, seconds: float) -> dict[str, float]:
        """Seconds of each fault, all deployments together, up to so many seconds after the start."""
        lasted: dict[str, float] = dict.fromkeys((*FAULTS, FLAKY), 0.0)
        for own in self.phases.values():
            for phase, following in zip(own, [*own[1:], Phase(math.inf)], strict=True):
                if phase.fault is not None:
                    lasted[phase.name] += max(0.0, min(following.start, seconds) - phase.start)
        return lasted

    def arrive(self, at: float, deployment: Deployment, arrival: Arrival) -> Verdict:
        """A call reaches a deployment at `at`, or fails to."""
        phase = self.phase(at, deployment.id)
        if phase.fault is None:
            return self._inner.arrive(at, deployment, arrival)
        self.sent[phase.name] += 1
        self.sent_to[deployment.id, phase.start] += 1
        if phase.share < 1 and self._random.random() >= phase.share:
            return self._inner.arrive(at, deployment, arrival)
        return self._failing(at, deployment, arrival, phase)

    def _failing(self, at: float, deployment: Deployment, arrival: Arrival, phase: Phase) -> Verdict:
        random = self._random
        match phase.fault:
            case "errors":
                return Verdict(Failure("server_error", status=500, message="it broke"), random.uniform(0.01, 0.3))
            case "overloaded":
                return Verdict(Failure("overloaded", status=503, message="overloaded"), random.uniform(0.01, 0.1))
            case "untold_429":
                return Verdict(Failure("rate_limit", status=429, message="too many requests"))
            case "told_429":
                wait = float(random.randint(1, 20))
                return Verdict(Failure("rate_limit", status=429, retry_after=wait, message=f"again in {wait:.0f} s"))
            case "refused":
                return Verdict(Failure("connection", message="connection refused"), reached=False)
            case _:
                return self._midway(self._inner.arrive(at, deployment, arrival), phase)

    def _midway(self, judged: Verdict, phase: Phase) -> Verdict:
        """It is let in by its limits, and the trouble begins then."""
        if judged.refusal is not None:
            return judged
        random, seconds = self._random, judged.seconds
        if phase.fault == "hang":
            return Verdict(None, math.inf, judged.finished, chunks=random.choice((0, 0, 0, 1, 2)), pace=seconds)
        if phase.fault == "slow":
            return Verdict(None, seconds * phase.factor, judged.finished)
        cut = Failure("connection", message="the connection was reset")
        part = random.random()
        return Verdict(cut, seconds * part, judged.finished, chunks=int(6 * part), pace=seconds)
