"""What is known of a vendor's rate headers beyond what they say: in which period it counts what its names leave open.

Recognized by a header that only this vendor sends, or by its name within the provider's (`lab-groq`, `work-openai`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from rotor_core._model import PeriodName, Unit


@dataclass(frozen=True, slots=True)
class Dialect:
    """`per`: a unit's period where nothing else tells it. `candidates`: the only periods that a unit has there.

    `buckets`: units known to refill all the time, whose triple must fit a bucket or is not understood.
    """

    per: Mapping[Unit, PeriodName] = field(default_factory=dict[Unit, PeriodName])
    candidates: Mapping[Unit, tuple[PeriodName, ...]] = field(default_factory=dict[Unit, tuple[PeriodName, ...]])
    buckets: frozenset[Unit] = frozenset()


GENERAL: Final = Dialect()
DURATIONS: Final = Dialect(per={"tokens": "minute"})
"""Whoever writes Go durations has OpenAI's headers, of which those of tokens speak of the minute."""

_MINUTES: Final[Mapping[Unit, PeriodName]] = {
    "requests": "minute", "tokens": "minute", "input_tokens": "minute", "output_tokens": "minute",
}  # fmt: skip
_MINUTE_OR_DAY: Final[Mapping[Unit, tuple[PeriodName, ...]]] = {
    "requests": ("minute", "day"), "tokens": ("minute", "day"), "audio_seconds": ("hour", "day"),
}  # fmt: skip

DIALECTS: Final[Mapping[str, Dialect]] = {
    "groq": Dialect(
        {"requests": "day", "tokens": "minute", "audio_seconds": "hour"}, _MINUTE_OR_DAY, frozenset({"requests"})
    ),
    "azure": Dialect(_MINUTES),
    # OpenAI's requests are a minute's on most plans and a day's on small ones, under one name.
    "openai": Dialect({"tokens": "minute"}, _MINUTE_OR_DAY),
    "together": Dialect({"requests": "second", "tokens": "second"}),
    "xai": Dialect(_MINUTES),
}
"""By the word that stands in a provider's name. Azure before OpenAI: `azure_openai` is Azure's."""

_WORDS: Final = re.compile(r"azure|groq|openai|together|\bxai\b")


@lru_cache(maxsize=256)
def dialect_named(provider: str) -> Dialect:
    """The dialect of the vendor whose name stands in the provider's."""
    found = _WORDS.findall(provider.lower().replace("_", "-"))
    return DIALECTS["azure" if "azure" in found else found[0]] if found else GENERAL
