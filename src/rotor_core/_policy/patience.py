"""How long one attempt is waited for: what was learned of such calls, within what the caller allows. Pure; seconds.

A guard that was learned is multiplied by `WIDER` with each attempt: were the first cut off wrongly, the later are not.
Where nothing was learned, a stream's first chunk is waited for as long as hardly any model thinks, and a whole answer
much longer: nobody can tell a thousand slow tokens, or a reasoning model, from a hang before they are there. Half the
usual two minutes suits a thousand tokens at 20 a second, and what takes longer has the next attempt, with all of it.
On the last attempt there is nothing to save time for, so nothing is given up there that might still come unless it is
known to be overdue.

Under a deadline an attempt leaves time for another: it has `SHARE` of what is left, so three attempts have 60, 24 and
16 % of it. But it has the time in which nineteen of twenty such calls were answered, up to `MOST` of what is left: to cut
off one that is likely to succeed, for one that has less time, is no gain.
"""

from __future__ import annotations

from typing import Final

from rotor_core._health import Guards, Timeouts

WIDER: Final = 4
FIRST: Final = 25.0
"""Seconds to the first chunk of a stream, where nothing was learned."""
WHOLE: Final = 60.0
"""Seconds to the end of an answer that is not streamed, where nothing was learned."""
BETWEEN: Final = 30.0
"""Seconds between two chunks of a stream, where nothing was learned."""
SHARE: Final = 0.6
MOST: Final = 0.8
LEAST: Final = 0.001
"""Seconds. A transport takes zero for no limit, or for an error."""
ENDLESS: Final = 86_400.0
"""Seconds that a stream may take which has no deadline: it is guarded by its silences."""
_STEPS: Final = 10
"""Attempts after which a guard grows no further; it is far beyond any timeout by then."""


def call_timeout(guards: Guards, longest: float, left: float | None, attempt: int, attempts_left: int) -> float:
    """Seconds for all of a call that is not streamed.

    `longest`: the timeout that the caller or the provider's entry sets. `left`: seconds to the deadline; None: there is
    none. `attempt`: from 1, one more for each that was cut off; `attempts_left`: how many may follow it.
    """
    patience = _patience(guards.whole, WHOLE, longest, attempt, attempts_left)
    return _within(patience, left, guards.hedge, attempts_left)


def stream_timeouts(
    guards: Guards, longest: float, left: float | None, attempt: int, attempts_left: int, *, continued: bool = False
) -> Timeouts:
    """Seconds for a stream; arguments as for `call_timeout`. `longest` bounds every wait for a chunk, not all of them.

    `continued`: another one may go on with a stream that has fallen silent.
    """
    first = _patience(guards.first, FIRST, longest, attempt, attempts_left)
    between = min(longest, BETWEEN if guards.between is None else guards.between)
    return Timeouts(
        # What is known as likely speaks of whole answers.
        first=_within(first, left, None, attempts_left),
        between=_within(between, left, None, attempts_left if continued else 0),
        total=max(LEAST, ENDLESS if left is None else left),
    )


def _patience(learned: float | None, default: float, longest: float, attempt: int, attempts_left: int) -> float:
    if learned is None and attempts_left <= 0:
        return longest
    wider = float(WIDER ** min(attempt - 1, _STEPS))
    return min(longest, (default if learned is None else learned) * wider)


def _within(seconds: float, left: float | None, likely: float | None, attempts_left: int) -> float:
    """So many seconds, at most what is left; less, where another attempt may follow."""
    if left is not None:
        share = left if attempts_left <= 0 else max(SHARE * left, min(MOST * left, likely or 0.0))
        seconds = min(seconds, share)
    return max(LEAST, seconds)
