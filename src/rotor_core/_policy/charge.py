"""How long a model's answer may be, for the ledger to reserve by: from what was asked for, and from what answers took. Pure.

What is reserved decides both what is refused and what is wasted. Tried in virtual time with answers of unknown length:
a charge of the median met hundreds of refusals, the 95 % quantile tens, the bound none, but where answers may be long
the bound left 3 % of the capacity unused. So the ledger takes the bound while that is cheap, else the quantile, with room
for somewhat more than the longest answer of late (`Demand.charge`); what these are is worked out here.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Final

from rotor_core._demand import Expected
from rotor_core._policy.estimate import estimate_tokens
from rotor_core._state.lengths import Lengths

LIKELY: Final = 0.95
"""The share of answers, and of prompts, that stay within what is likely."""
MARGIN: Final = 1.25
"""How much longer than the longest of late an answer may be."""


def expected(
    lengths: Lengths,
    model: str,
    task: str,
    *,
    estimated: int,
    asked: int | None = None,
    max_output: int | None = None,
    answers: int = 1,
) -> Expected:
    """What to expect of a model, in output tokens, for all `answers` that one call gives.

    `estimated`: our count of the prompt. `asked`: `max_tokens` as the caller gave it, for one answer. `max_output`: the
    longest answer that the model can give. Below ten answers seen, what is likely is what was asked for, or what such
    models commonly take.
    """
    bound = max_output if asked is None else asked
    known = lengths.known(model, task)
    likely = longest = None
    if known is not None:
        likely, longest = known.quantile(LIKELY), known.largest()
    if likely is None:
        likely = usual(model) if asked is None else asked
    most = None if longest is None else ceil(longest * MARGIN)
    if bound is not None:
        likely = min(likely, bound)
        most = None if most is None else min(most, bound)
    return Expected(
        likely=ceil(likely) * answers,
        most=None if most is None else most * answers,
        bound=None if bound is None else bound * answers,
        scale=lengths.scale(model, estimated, LIKELY) or 1.0,
    )


@lru_cache(maxsize=1024)
def usual(model: str) -> int:
    """What answers of such a model commonly take, in output tokens, where none was seen."""
    return estimate_tokens("", model=model).output_tokens
