"""What one request takes of a limit: its size as far as it is known beforehand, and how much of each unit that comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from rotor_core._model import Limit, Price
from rotor_core._values import quick

SHARE: Final = 0.05
"""Of a limit: so much may be held back by reservations that are larger than answers turn out to be."""


@quick
@dataclass(frozen=True, slots=True)
class Expected:
    """How long a model's answer to one request may be, in output tokens, all its answers together.

    `likely`: seldom exceeded (one in twenty, where that is known). `most`: hardly ever exceeded; None: too few were seen.
    `bound`: never exceeded, nor below `likely`; None: nobody said. `scale`: by what to multiply our count of the prompt to have theirs.
    """

    likely: int
    most: int | None = None
    bound: int | None = None
    scale: float = 1.0


LEAST: Final = "*"
"""Among expectations by model: the least of all of them, where whoever made them worked it out. No model has this name."""


def least_of(every: Collection[Expected]) -> Expected:
    """What none of some expectations is below."""
    return Expected(min(e.likely for e in every), scale=min(e.scale for e in every))


@quick
@dataclass(frozen=True, slots=True)
class Demand:
    """What one request takes. `output_tokens` is what we reserve for the answer, `max_tokens` what the provider is told.

    `task`: what the request is for, where that is known: answers to one task are alike in length. `answers`: how many
    answers one call gives, which `output_tokens` and `max_tokens` cover together. `outputs`: what is expected of a
    model, by its name, where more is known than `output_tokens` says.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    max_tokens: int | None = None
    requests: int = 1
    audio_seconds: float = 0.0
    task: str = ""
    answers: int = 1
    outputs: Mapping[str, Expected] | None = field(default=None, compare=False, repr=False)

    def charge(self, limit: Limit, price: Price | None, model: str = "", flying: int = 0) -> tuple[float, float]:
        """What to take of `limit` for a call to `model`, and what has to fit, in the limit's unit. The latter is no less.

        The most that the call can take is taken while that is cheap: while what it and the `flying` calls under way
        would hold back in vain is at most `SHARE` of the limit. Else what it is likely to take, where there is room for
        the most that was seen lately. What is deducted as requested is what is requested.

        Money is held together more tightly: as long as twenty such calls fit into the limit, the most is taken; and where
        nothing is known of an answer's length, a twentieth of the limit at least.
        """
        unit = limit.unit
        expected = self.outputs.get(model) if self.outputs else None
        if unit not in _BY_LENGTH:
            amount = self.amount(limit, price)
            if unit == "input_tokens" and expected is not None:
                amount = ceil(amount * expected.scale)
            return amount, amount
        if expected is None:
            read, expected = self.input_tokens, Expected(self.output_tokens, None, self.max_tokens)
        else:
            read = ceil(self.input_tokens * expected.scale)
        if unit == "usd":
            return _money(limit.value, price, read, expected, flying) if price else (0.0, 0.0)
        if unit == "output_tokens":
            read = 0
        if limit.counts == "requested":
            asked = read + (self.max_tokens or expected.likely)
            return asked, asked
        return _tokens(limit.value, read, expected, flying)

    def least(self) -> Demand:
        """A demand of no more than this can come to, with any model."""
        if not self.outputs:
            return self
        least = self.outputs.get(LEAST) or least_of(self.outputs.values())
        return Demand(
            int(self.input_tokens * min(1.0, least.scale)),
            min(self.output_tokens, least.likely),
            self.max_tokens,
            self.requests,
            self.audio_seconds,
            self.task,
            self.answers,
        )

    def amount(self, limit: Limit, price: Price | None) -> float:
        """How much of `limit` this takes, in the limit's unit. USD by the option's price, 0 where that is unknown."""
        match limit.unit:
            case "requests" | "concurrent":
                return self.requests
            case "tokens":
                asked = self.max_tokens if limit.counts == "requested" and self.max_tokens else self.output_tokens
                return self.input_tokens + asked
            case "input_tokens":
                return self.input_tokens
            case "output_tokens":
                return self.max_tokens if limit.counts == "requested" and self.max_tokens else self.output_tokens
            case "audio_seconds":
                return self.audio_seconds
            case "usd":
                return price.cost(self.input_tokens, self.output_tokens) if price else 0.0


_BY_LENGTH: Final = frozenset({"tokens", "output_tokens", "usd"})
"""Units of which a longer answer takes more."""


def _tokens(limit: float, read: int, expected: Expected, flying: int) -> tuple[float, float]:
    """`Demand.charge` in tokens."""
    likely, most, bound = expected.likely, expected.most, expected.bound
    if bound is not None and (bound - likely) * (flying + 1) <= SHARE * limit:
        return read + bound, read + bound
    if most is None or most <= likely:
        return read + likely, read + likely
    return read + likely, read + (most if bound is None else max(likely, min(most, bound)))


def _money(limit: float, price: Price, read: int, expected: Expected, flying: int) -> tuple[float, float]:
    """`Demand.charge` in USD."""
    most, bound = expected.most, expected.bound
    take = price.cost(read, expected.likely)
    if bound is not None:
        dearest = price.cost(read, bound)
        if dearest <= SHARE * limit or (dearest - take) * (flying + 1) <= SHARE * limit:
            return dearest, dearest
    if most is None:
        floor = max(take, SHARE * limit)
        return floor, floor
    return take, max(take, price.cost(read, most if bound is None else min(most, bound)))
