"""The error tree. Every message says what happened, to whom, what was tried and what to do; none holds a secret.

RotorError
  x ConfigError      you wrote it wrong: names the file, line, key, value, and what was expected
  x NoCandidates     nothing could serve it in time: `reasons` by deployment, `retry_at`
  x AttemptsFailed   an ExceptionGroup of every attempt's own error
  x StreamBroken     a stream ended early, after the caller had part of it: `partial`
  x ProviderError    one attempt's error, as an adapter raises it: `failure`
  x StoreError       state is out of reach
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self, cast

from rotor_core._ledger import Rejection
from rotor_core._outcome import Attempt, Failure


class RotorError(Exception):
    """The root of all that Rotor raises by itself. Every one can be pickled, and comes back with what it knew."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, {name: _plain(value) for name, value in self.__dict__.items()})


def _plain(value: Any) -> Any:
    """A read-only view of a mapping cannot be pickled; a copy can."""
    return dict(cast("Mapping[Any, Any]", value)) if isinstance(value, MappingProxyType) else value


def _revive(kind: type[RotorError], args: tuple[Any, ...], state: Mapping[str, Any]) -> RotorError:
    """Errors here have keyword arguments, which an exception's own way of pickling would lose."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(RotorError, ValueError):
    """A configuration that cannot be used. `str` is one line, ready to show."""

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        value: object = None,
        expected: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.problem, self.file, self.line, self.key = problem, file, line, key
        self.value, self.expected, self.suggestion = value, expected, suggestion
        where = ":".join(str(part) for part in (file, line) if part is not None)
        text = ": ".join(part for part in (where, key, problem) if part)
        if value is not None:
            text += f" (got {value!r})"
        if expected:
            text += f"; expected {expected}"
        if suggestion:
            text += f"; did you mean {suggestion!r}?"
        super().__init__(text)


class NoCandidates(RotorError):
    """Nothing could serve the request in time, and nothing was taken.

    `reasons`: why each candidate was out. `retry_at`: the instant at which capacity returns (seconds since the
    epoch), None if it never will for such a request. `attempts`: the calls that were made before.
    """

    def __init__(
        self,
        message: str,
        *,
        reasons: Mapping[str, Rejection] = MappingProxyType({}),
        retry_at: float | None = None,
        retry_after: float | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(message)
        self.reasons, self.retry_at, self.retry_after, self.attempts = reasons, retry_at, retry_after, tuple(attempts)


class ProviderError(RotorError):
    """One call failed at its provider. Adapters raise it; `headers` and `body` are what the provider sent, secrets excepted."""

    def __init__(
        self,
        message: str,
        failure: Failure,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.failure, self.headers, self.body = failure, headers, body
        self.deployment: str | None = None
        self.request_sent = True
        """Whether the request may have reached the provider; False lets the ledger take its charge back."""


class AttemptsFailed(RotorError, ExceptionGroup[Exception]):
    """Every attempt failed: the group holds each one's own error, in order. `attempts` says to whom and when."""

    attempts: tuple[Attempt, ...]
    retry_at: float | None

    def __new__(
        cls, message: str, errors: Sequence[Exception], attempts: Sequence[Attempt] = (), retry_at: float | None = None
    ) -> Self:
        self = super().__new__(cls, message, list(errors))
        self.attempts, self.retry_at = tuple(attempts), retry_at
        return self

    def __init__(  # pyright: ignore[reportInconsistentConstructor]  the rest is `__new__`'s
        self, message: str, errors: Sequence[Exception], *_: object
    ) -> None:
        super().__init__(message, list(errors))

    def derive(self, excs: Sequence[Exception], /) -> AttemptsFailed:  # type: ignore[override]  # we hold Exceptions only
        return AttemptsFailed(self.message, excs, self.attempts, self.retry_at)

    def __str__(self) -> str:
        """The whole story on one line: a group's own `str` would say only how many."""
        return self.message


class StreamBroken(RotorError):
    """A stream ended before its end, after the caller had `partial` of it. A cut never looks like a whole answer."""

    def __init__(
        self, message: str, partial: str, *, attempts: Sequence[Attempt] = (), failure: Failure | None = None
    ) -> None:
        super().__init__(message)
        self.partial, self.attempts, self.failure = partial, tuple(attempts), failure


class StoreError(RotorError):
    """The ledger's store is out of reach; `__cause__` is the driver's own error."""
