"""What comes into a world, how its providers judge it, and what the world saw."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from rotor_core._errors import AttemptsFailed, NoCandidates, StreamBroken
from rotor_core._model import Deployment
from rotor_core._outcome import Failure

KEPT = 200
"""Requests whose refusal is kept word for word."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that comes in `at` seconds after the start. `used`: tokens that the answer really takes.

    `patience`: seconds to its deadline. `streamed`: the answer is to come in pieces. `leaves`: the caller goes away after
    so many seconds.
    """

    at: float
    input_tokens: int
    max_tokens: int
    used: int
    patience: float | None = None
    streamed: bool = False
    leaves: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a provider judged a call when it arrived. `refusal` None: it was admitted.

    `seconds`: to its answer or refusal; infinite: it never says a word (more). `reached` False: the call never arrived.
    `chunks`: of a stream that breaks off or falls silent, how many come before that; `pace`: the seconds that the whole of
    it would have taken.
    """

    refusal: Failure | None = None
    seconds: float = 0.0
    finished: Callable[[float], None] | None = None
    """Called with the instant at which the answer is out, or nobody waits for it any more."""
    reached: bool = True
    chunks: int | None = None
    pace: float | None = None


class Upstream(Protocol):
    """All providers of a world, counting by their own arithmetic."""

    def arrive(self, at: float, deployment: Deployment, arrival: Arrival) -> Verdict:
        """A call reaches a provider at `at`."""
        ...


@dataclass(slots=True)
class Report:
    """What a world saw. `refusals`: calls that a provider refused; `checksum`: who sent what when, to compare two runs by.

    `seconds`: from each arrival to its answer. `unserved_by`: those without an answer by the reason, `lost`: the first of
    them as (number, reason, what the error said). `late`: answered after the deadline. `left`: whose caller went away.
    `garbled`: streams that ended well with another text than was sent. `panics`: calls to somebody thought to be failing.
    """

    offered: int = 0
    answered: int = 0
    unserved: int = 0
    refusals: int = 0
    waited: float = 0.0
    by: Counter[str] = field(default_factory=Counter[str])
    refused_by: Counter[str] = field(default_factory=Counter[str])
    checksum: str = ""
    seconds: array[float] = field(default_factory=lambda: array("d"))
    unserved_by: Counter[str] = field(default_factory=Counter[str])
    lost: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    late: int = 0
    left: int = 0
    continued: int = 0
    panics: int = 0
    garbled: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    events: Counter[str] = field(default_factory=Counter[str])

    def refused(self, number: int, reason: str, text: str) -> None:
        """A request ended without an answer."""
        self.unserved += 1
        self.unserved_by[reason] += 1
        if len(self.lost) < KEPT:
            self.lost.append((number, reason, text))

    def quantile(self, q: float) -> float:
        """Seconds within which this part of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def why(error: BaseException) -> str:
    """A refusal in short: `attempts failed: timeout, timeout, server_error`."""
    match error:
        case StreamBroken():
            return "stream broken"
        case AttemptsFailed():
            kinds = [a.failure.kind for a in error.attempts if a.failure is not None]
            return f"attempts failed: {', '.join(kinds)}"
        case NoCandidates():
            return "no candidates"
        case _:
            return type(error).__name__
