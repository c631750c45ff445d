"""How fast one deployment answers, and so how long its next call is worth waiting for. Pure; time is an argument.

An answer that is not streamed takes some time for whatever it says, and more for each token. Both are kept as one
figure: its seconds by its output tokens and `FIXED`, as if every answer were so many tokens longer. Of that figure the
99 % quantile, times the tokens which a call may give, is how long such a call takes at most, near enough; the guard is
`FACTOR` times that. It is never below what half of all answers took, for where answers were long so far, the part
that does not depend on length (a long prompt, a queue) is hidden in their tokens.

Few answers prove little: the guards begin at `ENOUGH` of them, twice as wide, and narrow as more come. Calls that are
cut off teach nothing of how long they would have taken. So that a deployment which has become slow is not cut off for
ever, cuts make the guards wider: after `WAVES` of them each one `STEP` times, `STRETCH` times at most, until something is
answered again.

A stream is guarded to its first chunk, and by its longest silence after that. What it took altogether says as much of
its reader as of its sender, so that is no measure for others.

Tried with lognormal latencies of 0.2 to 20 s, 100,000 calls a run: with a spread of 0.35 at most four calls in ten
thousand were late and none was cut off; with 0.7 three in a thousand, and three in ten thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rotor_core._health import NO_GUARDS, Guards
from rotor_core._state.latency import ALPHA, ENOUGH, Latency
from rotor_core._values import quick

FIXED: Final = 50
"""Tokens: what an answer takes beside its length. Providers need 0.3 to 1 s to begin and 10 to 20 ms for each token."""
FACTOR: Final = 2.5
FLOOR: Final = 2.0
"""Seconds; no guard on a first chunk or a whole answer is shorter."""
LATE: Final = 1.25
SLACK: Final = 0.1
"""Seconds. Late is who takes `LATE` times the 99 % quantile and this; always before the guard cuts the call off."""
SILENCE: Final = 4.0
SILENCE_FLOOR: Final = 10.0
"""Seconds, and the factor above: a silent stream is cut with more care, for its reader has had a part of it."""
WAVES: Final = 3
"""Cuts that change nothing yet. A short outage is the likelier reason, and each probe of it should be short."""
STEP: Final = 1.5
STRETCH: Final = 4.0
SLOW: Final = 4.0
"""Times the median that the smoothed mean has to reach: three calls in a row of six times the usual, or one of eleven."""
LIFE: Final = 3600.0
"""Seconds after the last answer for which what was learned is believed."""
_STALE: Final = 32
"""What is known may be old by this part of the answers it is drawn from."""


@quick
@dataclass(frozen=True, slots=True)
class _Known:
    """What hardly any call takes, and what nineteen in twenty stay within; `rate`: for each token. None: too few were seen."""

    rate: float | None = None
    rate_median: float | None = None
    rate_likely: float | None = None
    median: float = 0.0
    whole: float | None = None
    whole_likely: float | None = None
    first: float | None = None
    first_median: float | None = None
    first_likely: float | None = None
    silence: float | None = None

    def longest(self, tokens: int | None) -> float | None:
        """Seconds that hardly any answer of so many tokens takes; None: of whatever length."""
        if tokens is None or self.rate is None:
            return self.whole if tokens is None else None
        return max(self.rate * (max(0, tokens) + FIXED), self.median)

    def likely(self, tokens: int | None) -> float | None:
        """The same, for nineteen in twenty."""
        if tokens is None or self.rate_likely is None:
            return self.whole_likely if tokens is None else None
        return self.rate_likely * (max(0, tokens) + FIXED)


class Pace:
    """Not safe from several threads at once: whoever holds it has the lock.

    `latency`: of answers that were not streamed. `first`: of streams, to their first chunk. `tokens_per_second`:
    smoothed; of streams, from the first chunk on.
    """

    __slots__ = (
        "_asked", "_guards", "_heard", "_known", "_new", "_rate", "_silence", "_stretch", "_stretched", "_waves", "first", "latency", "tokens_per_second",
    )  # fmt: skip

    def __init__(self) -> None:
        self.latency = Latency()
        self.first = Latency()
        self.tokens_per_second: float | None = None
        self._rate = Latency()
        self._silence = Latency()
        self._known = _Known()
        self._guards = NO_GUARDS
        self._asked: tuple[int | None, int | None, bool, float] | None = None
        self._new = 0
        self._heard = float("-inf")
        self._stretch = 1.0
        self._stretched = float("-inf")
        self._waves = 0

    def answered(self, at: float, seconds: float, output_tokens: int | None, first_chunk: float | None) -> None:
        """A call was answered at `at`, `seconds` after its sending. `first_chunk`: seconds to it; None: not streamed.

        `output_tokens`: as the provider counted them; None: it did not.
        """
        self._heard = at
        self._new += 1
        self._stretch, self._waves = 1.0, 0
        if first_chunk is not None:
            self.first.add(first_chunk, at)
        else:
            self.latency.add(seconds, at)
            if output_tokens is not None:
                self._rate.add(seconds / (max(0, output_tokens) + FIXED), at)
        flowing = seconds - (first_chunk or 0.0)
        if output_tokens and flowing > 0:
            speed = output_tokens / flowing
            before = self.tokens_per_second
            self.tokens_per_second = speed if before is None else before + ALPHA * (speed - before)

    def outrun(self, at: float, seconds: float, output_tokens: int | None) -> None:
        """A call was called off at `at`, `seconds` after its sending, because another one had answered by then.

        It would have taken longer; that it took so long keeps the slow ones in sight, or what is late would creep down.
        """
        self._new += 1
        self.latency.add(seconds, at)
        if output_tokens is not None:
            self._rate.add(seconds / (max(0, output_tokens) + FIXED), at)

    def gap(self, at: float, seconds: float) -> None:
        """The longest silence between two chunks of a stream that ended well."""
        self._new += 1
        self._silence.add(seconds, at)

    def cut(self, at: float, seconds: float) -> None:
        """A call was given up at `at`, `seconds` after its sending, because a guard said so."""
        if at - seconds >= self._stretched:  # those sent before the last stretching had the shorter guard
            self._stretched = at
            self._waves += 1
            if self._waves > WAVES:
                self._stretch = min(STRETCH, STEP * self._stretch)

    def guards(self, tokens: int | None, at: float, *, likely: int | None = None, streamed: bool = False) -> Guards:
        """What is known at `at` of a call that may give so many output tokens at most, and seldom more than `likely`.

        `tokens`: as few as is safe to say; all that a model may say makes for a guard of minutes. None: not known. Then
        there is no guard on the whole answer, which may be longer than any before. `streamed`: whether `late` and
        `hedge` speak of the first chunk rather than of the whole answer.
        """
        if at - self._heard >= LIFE:
            return NO_GUARDS
        known, stretch = self._learned(), self._stretch
        asked = (tokens, likely, streamed, stretch)
        if asked == self._asked:  # as often: what is known has not changed since, and requests are alike
            return self._guards
        whole = known.longest(tokens)
        if streamed:
            late, soon = known.first, known.first_likely
        elif likely is not None and tokens is not None and likely < tokens:
            late, soon = known.longest(likely), known.likely(likely)
        else:
            late, soon = whole, known.likely(tokens)
        self._asked = asked
        self._guards = Guards(
            None if known.first is None else _cut_off(known.first, stretch),
            None if tokens is None or whole is None else _cut_off(whole, stretch),
            None if known.silence is None else max(SILENCE_FLOOR, SILENCE * known.silence),
            None if late is None else LATE * late * stretch + SLACK,
            soon,
        )
        return self._guards

    @property
    def slow(self) -> bool:
        """Whether the latest calls took `SLOW` times what half of all calls take: it answers, and is not well."""
        known = self._learned()
        return _slower(self._rate, known.rate_median) or _slower(self.first, known.first_median)

    def _learned(self) -> _Known:
        """The quantiles, as of now or of a few answers ago: each costs a walk over a histogram."""
        if self._new > (self.latency.count + self.first.count) // _STALE:
            self._new, self._asked = 0, None
            rate_median, rate_likely, rate = _drawn(self._rate)
            median, whole_likely, whole = _drawn(self.latency)
            first_median, first_likely, first = _drawn(self.first)
            self._known = _Known(
                rate=rate,
                rate_median=rate_median,
                rate_likely=rate_likely,
                median=(self.latency.quantile(0.5) if median is None else median) or 0.0,
                whole=whole,
                whole_likely=whole_likely,
                first=first,
                first_median=first_median,
                first_likely=first_likely,
                silence=_drawn(self._silence)[2],
            )
        return self._known


def _cut_off(most: float, stretch: float) -> float:
    return max(FLOOR, FACTOR * most) * stretch


def _slower(latency: Latency, median: float | None) -> bool:
    return median is not None and latency.ewma is not None and latency.ewma > SLOW * median


def _drawn(latency: Latency) -> tuple[float, float, float] | tuple[None, None, None]:
    """The median, the 95 % quantile, and the 99 % one, up to twice as large while it is of few; None while they are too few."""
    count = latency.count
    if count < ENOUGH:
        return None, None, None
    median, likely, most = latency.quantiles(0.5, 0.95, 0.99)
    return median, likely, most * (1 + ENOUGH / count)
