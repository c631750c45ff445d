"""How long answers are, and how far the count of a prompt is off: what calls really took, by model and task.

An answer that was cut at its `max_tokens` would have been longer, so of it only the least length is known. Quantiles
are therefore those of the product-limit estimate (Kaplan and Meier, 1958), which takes such answers at their word and
no further. With few answers a quantile is the next larger one that they can prove (split conformal prediction: rank
`(n + 1) q`), and below `ENOUGH` there is none. Who asks for a task of which too little is known gets what is known of
the model.

The count of a prompt is off by a factor which depends on the model's tokenizer and chat template: the shorter the
prompt, the more. So it is kept by size, in classes of a factor of four.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from math import ceil
from typing import Any, Final

KEPT: Final = 200
"""Answers that count: older ones are forgotten."""
ENOUGH: Final = 10
"""Answers below which nothing is said."""
KEYS: Final = 512
"""Pairs of model and task that are kept; beyond, the one that was heard of longest ago is forgotten."""
_ANY: Final = ""
_STALE: Final = 32
"""A quantile may be as old as this part of what is kept: it costs a walk over all of it."""
_ROUNDING: Final = 1e-9


class Sample:
    """The last `KEPT` values of something; some of them are only known to be no less than what was seen. Not thread-safe."""

    __slots__ = ("_cut", "_new", "_quantiles", "_seen", "_whole")

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque()
        self._whole: list[float] = []
        self._cut: list[float] = []
        self._quantiles: dict[float, float | None] = {}
        self._new = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, value: float, *, cut: bool = False) -> None:
        """`cut`: it would have been larger."""
        self._seen.append((value, cut))
        insort(self._cut if cut else self._whole, value)
        if len(self._seen) > KEPT:
            old, was_cut = self._seen.popleft()
            ordered = self._cut if was_cut else self._whole
            del ordered[bisect_left(ordered, old)]
        self._new += 1
        if self._new > len(self._seen) // _STALE:
            self._quantiles.clear()
            self._new = 0

    def quantile(self, q: float) -> float | None:
        """The smallest value that a share of `q` does not exceed. None: too few were seen, or too many were cut before it."""
        if len(self._seen) < ENOUGH:
            return None
        if q not in self._quantiles:
            self._quantiles[q] = self._estimate(q)
        return self._quantiles[q]

    def largest(self) -> float | None:
        """The largest that was seen, whole or cut; None: too few were seen."""
        if len(self._seen) < ENOUGH:
            return None
        if not self._cut:
            return self._whole[-1]
        return self._cut[-1] if not self._whole else max(self._whole[-1], self._cut[-1])

    def values(self) -> list[list[float | bool]]:
        """All that counts, oldest first, as values that JSON can carry."""
        return [[value, cut] for value, cut in self._seen]

    def _estimate(self, q: float) -> float | None:
        """The share that exceeds a value falls at each whole value by the part it is of those that reach so far."""
        count = len(self._seen)
        # Among n values the rank (n + 1) q proves the quantile; where that is beyond the last one, the last has to do.
        rank = min(ceil((count + 1) * q), count)
        if not self._cut:
            return self._whole[rank - 1]
        rest = 1.0 - rank / count + _ROUNDING
        exceeds, passed_cut = 1.0, 0
        for passed, value in enumerate(self._whole):
            while passed_cut < len(self._cut) and self._cut[passed_cut] < value:
                passed_cut += 1
            exceeds *= 1.0 - 1.0 / (count - passed - passed_cut)
            if exceeds <= rest:
                return value
        return None


class Lengths:
    """Of each model, and of each task of a model: what answers took, in output tokens, and how far off prompts were.

    Not safe from several threads at once: whoever holds it has the lock.
    """

    __slots__ = ("_outputs", "_scales")

    def __init__(self) -> None:
        self._outputs: dict[tuple[str, str], Sample] = {}
        self._scales: dict[tuple[str, str], Sample] = {}

    def answered(self, model: str, task: str, output_tokens: int, *, cut: bool = False) -> None:
        """An answer took so many tokens. `cut`: it ended because it was allowed no more."""
        for key in {(model, task), (model, _ANY)}:
            _of(self._outputs, key).add(output_tokens, cut=cut)

    def read(self, model: str, estimated: int, input_tokens: int) -> None:
        """A prompt that was estimated at so many tokens was counted as `input_tokens`."""
        if estimated > 0:
            _of(self._scales, (model, _size(estimated))).add(input_tokens / estimated)

    def known(self, model: str, task: str) -> Sample | None:
        """What answers took, in output tokens: those of the task, or else of the model; None: there were none."""
        sample = self._outputs.get((model, task))
        if task != _ANY and (sample is None or len(sample) < ENOUGH):
            sample = self._outputs.get((model, _ANY))
        return sample

    def quantile(self, model: str, task: str, q: float) -> float | None:
        """Output tokens that a share of `q` of such answers does not exceed; None where too little is known."""
        sample = self.known(model, task)
        return None if sample is None else sample.quantile(q)

    def largest(self, model: str, task: str) -> float | None:
        """Output tokens of the longest such answer lately; None where too little is known."""
        sample = self.known(model, task)
        return None if sample is None else sample.largest()

    def scale(self, model: str, estimated: int, q: float) -> float | None:
        """By what to multiply such an estimate so that a share of `q` of the counts does not exceed it; None: not known."""
        sample = self._scales.get((model, _size(estimated)))
        return None if sample is None else sample.quantile(q)

    def dump(self) -> dict[str, Any]:
        """Everything, as values that JSON can carry."""
        return {
            name: [[*key, sample.values()] for key, sample in samples.items()]
            for name, samples in (("outputs", self._outputs), ("scales", self._scales))
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """What `dump` wrote, instead of what is known here."""
        for name, samples in (("outputs", self._outputs), ("scales", self._scales)):
            samples.clear()
            for model, task, values in data.get(name, ()):
                for value, cut in values:
                    _of(samples, (model, task)).add(value, cut=cut)


def _of(samples: dict[tuple[str, str], Sample], key: tuple[str, str]) -> Sample:
    """The sample of a key, which is now the latest."""
    sample = samples.pop(key, None) or Sample()
    samples[key] = sample
    if len(samples) > KEYS:
        del samples[next(iter(samples))]
    return sample


def _size(estimated: int) -> str:
    return str(estimated.bit_length() >> 1)
