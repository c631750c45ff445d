"""Who asks what, and when. Seeded and pure: the same seed offers the same questions at the same instants."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from rotor_core import Deployment, Limit

AUDIENCES: Final = ("a child of ten", "a colleague", "a hurried manager", "an examiner", "a curious neighbour")
QUESTIONS: Final = (
    "Why is the sky blue?",
    "What does a rate limit protect?",
    "How do bees find their way home?",
    "What is a token bucket?",
    "Name three uses of a paper clip.",
    "Summarize the plot of Hamlet.",
    "Why do cats purr?",
    "What makes bread rise?",
    "How does a fridge keep cold?",
    "Explain compound interest with one example.",
    "Which is older, tea or coffee, and how do we know?",
    "What would a good name for a small sailing boat be, and why?",
)
BACKGROUND: Final = (
    "",
    "",
    "I have read a little about it already, but what I read contradicted itself in places. ",
    """Please keep in mind that I will read your answer aloud to a group, that some of them are hard of hearing, \
and that we have about two minutes before the next item of the evening. """,
)


TOKENS_EACH: Final = 120
"""What one question and its answer come to, about: to guess how many of them a token limit lets pass."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request of the load. `at`: seconds after the beginning."""

    at: float
    text: str
    audience: str


def questions(seed: int, seconds: float, per_minute: float) -> list[Question]:
    """A Poisson stream of `per_minute` on average, `seconds` long, in order of time."""
    random = Random(seed)  # noqa: S311  a load, not a secret
    found: list[Question] = []
    at = random.expovariate(per_minute / 60)
    while at < seconds:
        text = random.choice(BACKGROUND) + random.choice(QUESTIONS)
        found.append(Question(at, text, random.choice(AUDIENCES)))
        at += random.expovariate(per_minute / 60)
    return found


def free_answers(deployments: Iterable[Deployment], seconds: float) -> float:
    """About how many questions the free deployments let pass in `seconds`, windows empty at the beginning.

    A limit that several deployments share is spent once.
    """
    left: dict[str, float] = {}
    total = 0.0
    for deployment in deployments:
        if not deployment.free or not deployment.limits:
            continue
        for bound in deployment.limits:
            left.setdefault(bound.key, allowance(bound.limit, seconds))
        share = min(left[bound.key] for bound in deployment.limits)
        total += share
        for bound in deployment.limits:
            left[bound.key] -= share
    return total


def allowance(limit: Limit, seconds: float) -> float:
    """How many questions one limit lets pass in `seconds`."""
    if limit.unit in {"requests", "tokens", "input_tokens", "output_tokens"}:
        value = limit.value if limit.unit == "requests" else limit.value / TOKENS_EACH
        periods = seconds / limit.seconds
        return value * (1 + periods if limit.window == "bucket" else math.ceil(periods))
    return math.inf


def default_rate(deployments: Iterable[Deployment], seconds: float) -> float:
    """Questions a minute: about twice what the free deployments let pass; 60 where none of them has a limit."""
    free = free_answers(deployments, seconds)
    return 60.0 if not math.isfinite(free) or free <= 0 else round(2 * free / seconds * 60)
