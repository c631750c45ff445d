"""Faults on demand: what goes wrong, for whom, how often. Pure; the server asks it at each request.

The first fault that fits a request is the one that happens, in the order in which they were set. A fault with `times`
is spent after so many requests; `after_requests` lets so many pass first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import count
from typing import Any, Final, Literal, cast, get_args

from rotor_core._errors import ConfigError

FaultKind = Literal[
    "status", "revoked", "hang", "slow", "cut", "early_end", "stream_error", "not_json", "empty", "reset",
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(FaultKind)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    status        an error of this `status`, in the provider's wording or with `message`; `retry_after` in seconds for a 429
    revoked       the key is refused
    hang          nothing comes for `seconds`, or until released where that is None; then the answer
    slow          `seconds` before each event of a stream (before a whole answer: once)
    cut           the connection ends after `after` events of a stream, or within a whole body
    early_end     a stream ends properly after `after` events of content, without its finish reason and `[DONE]`
    stream_error  after `after` events an error stands in the stream; a whole answer is an error with status 200
    not_json      a page of HTML with status 200
    empty         status 200 and nothing
    reset         the connection is reset, after `after` events of a stream, or at once

    `provider`, `model` and `key` (an id such as `lab-groq#1`) say for whom; None is everyone. What was refused, reset at
    once or answered with rubbish is not counted by any limit; what hangs, is slow or breaks off is.
    """

    kind: FaultKind
    provider: str | None = None
    model: str | None = None
    key: str | None = None
    status: int = 503
    retry_after: float | None = None
    message: str | None = None
    seconds: float | None = None
    after: int = 0
    times: int | None = None
    after_requests: int = 0


_NAMES: Final = tuple(field.name for field in fields(Fault))


def read_fault(described: Mapping[str, Any]) -> Fault:
    """A fault from JSON. Raises `ConfigError` for an unknown kind, key or type of a value."""
    for name, value in described.items():
        if name not in _NAMES:
            raise ConfigError("unknown key of a fault", key=name, expected=" or ".join(_NAMES))
        if not _fits(name, value):
            raise ConfigError("is of the wrong type for a fault", key=name, value=value)
    kind = described.get("kind")
    if kind not in KINDS:
        raise ConfigError("unknown fault", key="kind", value=kind, expected=" or ".join(KINDS))
    if kind == "status" and not 400 <= described.get("status", 503) <= 599:
        raise ConfigError("is no error", key="status", value=described["status"], expected="400 to 599")
    return Fault(**cast("Any", described))


def _fits(name: str, value: object) -> bool:
    if name in {"status", "after", "after_requests", "times"}:
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return whole or (name == "times" and value is None)
    if name in {"seconds", "retry_after"}:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0)
    return value is None or isinstance(value, str)


class Faults:
    """The faults that are set, by number."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._set: dict[int, Fault] = {}
        self._seen: dict[int, int] = {}

    def set(self, fault: Fault) -> int:
        """Let it happen from now on; the answer is the number to lift it by."""
        number = next(self._numbers)
        self._set[number], self._seen[number] = fault, 0
        return number

    def lift(self, number: int | None = None) -> None:
        """Take one fault away, or all."""
        for lifted in list(self._set) if number is None else [number]:
            self._set.pop(lifted, None)
            self._seen.pop(lifted, None)

    def next(self, provider: str, model: str, key: str | None) -> Fault | None:
        """What goes wrong with a request that has just come, if anything does."""
        for number, fault in self._set.items():
            if not _meant(fault, provider, model, key):
                continue
            seen = self._seen[number]
            self._seen[number] = seen + 1
            if seen < fault.after_requests:
                continue
            if fault.times is None or seen < fault.after_requests + fault.times:
                return fault
        return None

    def listed(self) -> dict[int, dict[str, Any]]:
        """Those that are set, spent ones too, each with how many requests have `met` it."""
        return {number: {**asdict(fault), "met": self._met(number, fault)} for number, fault in self._set.items()}

    def _met(self, number: int, fault: Fault) -> int:
        met = max(0, self._seen[number] - fault.after_requests)
        return met if fault.times is None else min(met, fault.times)


def _meant(fault: Fault, provider: str, model: str, key: str | None) -> bool:
    return (
        fault.provider in {None, provider} and fault.model in {None, model} and (fault.key is None or fault.key == key)
    )
