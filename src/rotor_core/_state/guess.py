"""A limit that refuses and never tells its figures: guessed from what passed, lowered when wrong, probed upwards. Pure.

The first guess is the shortest period in which as much had gone out before the refusal as ever went out in so long a
time, or a minute: a longer period would explain the refusal as well, but be stricter than it need be; in a shorter one as much had
passed before. From then on a guess only changes pace, by stretching or shrinking its period, so that a limit of 1 can
change gently too.

- Refused while nothing has passed since the guess was made: the next longer period that explains it, or half the pace.
- A guess of a minute or more that is refused lets one through at a time from then on, at its pace.
- Refused otherwise: a fifth slower, or a tenth when much has passed since.
- Not refused for a while, and in the way of calls all that time: faster by `step`, on trial. A trial that is not refused
  stands, and the next stride is twice as long; one that is refused is taken back at once, the next stride is half as
  long and waits twice as long.

In a guess's record `seen_at` is when it last changed, so `raise_at - seen_at` is how long it waits. `step` above 0: it is
on trial, raised by that fraction. Otherwise `-step` is the next stride (0: `STRIDE`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rotor_core._ledger import LimitRecord
from rotor_core._model import SECONDS, Limit, Per, Unit
from rotor_core._state.trail import Trail

PERIODS: Final = (1.0, 2.0, 5.0, 10.0, 60.0)
"""Seconds. A limit of 20 a minute may be kept as one in 3 seconds, hence the short ones that nobody names. A longer one that
is only guessed would keep everybody out for longer than it takes to ask."""

_MINUTE: Final = SECONDS["minute"]
STRIDE: Final = 0.1
_STRIDES: Final = (0.0125, 0.5)
WAIT: Final = 30.0
"""Seconds without a refusal before a guess is probed, or five of its periods."""

_LONGEST_WAIT: Final = 3600.0
LIFE: Final = 1800.0
"""Seconds for which a guess is believed that nothing probes, as nobody comes near it; or two of its periods."""

CONFIDENCE: Final = 0.5
_IN_THE_WAY: Final = 0.5
"""Of what a guess lets through: callers who do not wait use about half of a limit that equals what they offer."""

_MANY: Final = 10
_SLOWEST: Final = SECONDS["month"]
_FASTEST: Final = 0.01


def first_guess(
    subject: str, unit: Unit, per: Per, trail: Trail, at: float, amount: float, text: str, now: float
) -> LimitRecord:
    """A record for a limit on `unit` that refused a call of `amount` at `at`. `per`: the period, where that was told."""
    if per is None:
        value, seconds = explained(unit, trail, at, 0.0) or (0.0, 10.0)
    else:
        seconds = SECONDS[per] if isinstance(per, str) else per
        value = trail.passed(unit, at - seconds, at)
    # A guess below one call would shut it out for good.
    limit = Limit(unit, max(value, amount, 1.0), _named(seconds), "rolling", source="guess")
    return changed(LimitRecord(f"{subject}|{unit}|guess", limit), limit, 0.0, waits(limit), text, now)


def explained(unit: Unit, trail: Trail, at: float, longer_than: float) -> tuple[float, float] | None:
    """`(value, seconds)`: the shortest period in which as much as ever had passed when a call was refused at `at`."""
    for seconds in PERIODS:
        if seconds > longer_than:
            value = trail.passed(unit, at - seconds, at)
            # From a minute on, the past seldom reaches back far enough to compare.
            if value > 0 and (seconds >= _MINUTE or value >= trail.most(unit, seconds, at) * (1 - 1e-9)):
                return value, seconds
    return None


def lowered(record: LimitRecord, trail: Trail, at: float, text: str, now: float) -> LimitRecord:
    """A guess after it was refused at `at`, later than `seen_at`. Its `seen_at` is now."""
    limit, wait = record.limit, _wait_of(record)
    if record.step > 0:
        back = paced(limit, 1 / (1 + record.step))
        return changed(record, back, -max(_STRIDES[0], record.step / 2), min(2 * wait, _LONGEST_WAIT), text, now)
    if limit.unit == "requests" and limit.seconds >= _MINUTE and limit.value > 1 and record.declared is None:
        # One at a time at that pace suits every kind of window; as many at once as had passed may not.
        limit = replace(limit, value=1.0, per=_named(limit.seconds / limit.value))
    passed = trail.passed(limit.unit, now if record.seen_at is None else record.seen_at, at)
    if passed:
        slower = paced(limit, 0.9 if passed >= _MANY * limit.value else 0.8)
        return changed(record, slower, record.step, wait, text, now)
    found = explained(limit.unit, trail, at, limit.seconds) if record.limit.seconds < _MINUTE else None
    if found is not None and found[0] / found[1] < limit.value / limit.seconds:
        slower = replace(limit, value=max(found[0], 1.0), per=_named(found[1]))
    else:
        slower = paced(limit, 0.5)
    return changed(record, slower, record.step, max(wait, waits(slower)), text, now)


def probed(record: LimitRecord, trail: Trail, now: float) -> LimitRecord:
    """A guess whose `raise_at` has come: raised, if it was in the way; else to be looked at again later."""
    limit, wait = record.limit, _wait_of(record)
    watched = max(limit.seconds, min(wait, 10 * limit.seconds))
    let_through = limit.value * watched / limit.seconds
    if trail.passed(limit.unit, now - watched, now) < _IN_THE_WAY * let_through:
        # A trial that nobody put to the test is still one.
        return replace(record, seen_at=now, raise_at=now + wait, expires_at=now + life(limit))
    step = min(_STRIDES[1], 2 * record.step) if record.step > 0 else -record.step or STRIDE
    return changed(record, paced(limit, 1 + step), step, wait, "not refused for a while: probed upwards", now)


def recounted(record: LimitRecord, amount: float) -> LimitRecord:
    """A guess, when a call that went out before it was made turns out to have been refused: it had counted as passed."""
    return replace(record, limit=replace(record.limit, value=max(amount, 1.0, record.limit.value - amount)))


def changed(record: LimitRecord, limit: Limit, step: float, wait: float, text: str, now: float) -> LimitRecord:
    """A guess as it stands from now on, to be looked at again after `wait` seconds."""
    return replace(
        record, limit=limit, seen_at=now, expires_at=now + max(life(limit), 2 * wait), confidence=CONFIDENCE,
        evidence=text, raise_at=now + wait, step=step,
    )  # fmt: skip


def paced(limit: Limit, factor: float) -> Limit:
    """The same amount in a longer or shorter time. A calendar's periods cannot be stretched: it becomes a rolling window."""
    seconds = min(_SLOWEST, max(_FASTEST, limit.seconds / factor))
    window = "rolling" if limit.window == "calendar" else limit.window
    return replace(limit, per=_named(seconds), window=window, source="guess")


def _wait_of(record: LimitRecord) -> float:
    first = waits(record.limit)
    if record.seen_at is None or record.raise_at is None:
        return first
    return max(first, record.raise_at - record.seen_at)


def waits(limit: Limit) -> float:
    """Seconds until a guess may be probed for the first time."""
    return min(_LONGEST_WAIT, max(WAIT, 5 * limit.seconds))


def life(limit: Limit) -> float:
    """Seconds for which a guess is believed."""
    return max(LIFE, 2 * limit.seconds)


def _named(seconds: float) -> Per:
    """A period by its name, where it has one; rounded, as stretching and shrinking back leaves a trace."""
    for name, length in SECONDS.items():
        if abs(seconds - length) <= 1e-9 * length:
            return name  # type: ignore[return-value]
    return seconds
