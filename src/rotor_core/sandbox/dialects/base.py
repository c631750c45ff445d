"""What a dialect is: one provider's wire format, from a request's path to the wording of its errors. Pure.

The server knows HTTP and the order of events; a dialect knows where a model and a key stand in a request, and writes
every byte of a reply.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rotor_core._model import Limit
from rotor_core.sandbox.conversation import Asked, Counted, Malformed, Written
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

Headers = tuple[tuple[str, str], ...]
Trouble = Literal["no_key", "wrong_key", "no_route", "not_json", "server_error", "overloaded"]
"""What can go wrong beside a refusal and a malformed request."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came. `path` begins after the provider's name; `headers` are lower case; `body` is bytes yet; `query` has no `?`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    body: bytes
    headers: Headers = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a dialect needs to write an answer: what was asked and written, and the figures around it.

    `number` counts the sandbox's requests, to make ids of. `at`: seconds since the epoch; `took`: seconds.
    """

    asked: Asked
    written: Written
    counted: Counted
    number: int
    at: float
    took: float


class Dialect(Protocol):
    """One wire format. A dialect has no state: one instance serves all providers that speak it."""

    name: str

    def route(self, incoming: Incoming) -> Literal["chat", "models"] | None:
        """What a path asks for; None for one that the provider does not have."""
        ...

    def key(self, incoming: Incoming) -> str | None:
        """The API key of a request, None where it has none."""
        ...

    def read(self, incoming: Incoming) -> Asked:
        """What is asked. Raises `Malformed` for what the provider would not take, and `ValueError` if it is not JSON."""
        ...

    def answer(self, exchange: Exchange, readings: Sequence[Reading]) -> Reply:
        """A whole answer."""
        ...

    def opening(self, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        """The headers of a stream."""
        ...

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        """A streamed answer, chunk by chunk: each is one event, the last ones end the stream."""
        ...

    def is_end(self, event: bytes) -> bool:
        """Whether an event belongs to the end of a stream: its finish reason, its usage, its `[DONE]`."""
        ...

    def stream_error(self) -> bytes:
        """An error in the middle of a stream of status 200."""
        ...

    def refuse(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        """A refusal in the provider's wording."""
        ...

    def malformed(self, problem: Malformed) -> Reply:
        """A request that the provider does not understand."""
        ...

    def over_max_output(self, asked: int, most: int) -> Malformed:
        """More output asked for than a model can give."""
        ...

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:
        """Any other error; `message` replaces the provider's own words."""
        ...

    def models(self, imitation: Imitation, path: str) -> Reply:
        """The list of models, or one of them."""
        ...


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8; half a surrogate pair stays escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def go_duration(seconds: float, *, digits: int = 3) -> str:
    """A duration as Go prints it, rounded up to `digits` decimals of a second: `0s`, `120ms`, `7.66s`, `1m26.4s`."""
    scale = 10**digits
    # Whoever waits as long as is said must not come too early; the small term forgives what floats add.
    units = math.ceil(seconds * scale - 1e-6)
    if units <= 0:
        return "0s"
    if units < scale:
        return f"{_trimmed(units * 1000 / scale)}ms"
    minutes, rest = divmod(units, 60 * scale)
    text = f"{_trimmed(rest / scale)}s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def masked(key: str) -> str:
    """A key as an error may show it: enough to recognise it, not enough to use it."""
    return f"{key[:3]}****{key[-2:]}" if len(key) >= 12 else "****"


def figure(value: float) -> str:
    """A figure in an error: without a fraction where it has none."""
    return str(math.ceil(value)) if value >= 1 or value == 0 else f"{value:g}"


def reading_of(readings: Sequence[Reading], unit: str, *pers: str) -> Reading | None:
    """The reading of a unit's limit for the first of `pers` that has one."""
    for per in pers:
        for reading in readings:
            if reading.limit.unit == unit and reading.limit.per == per:
                return reading
    return None


def spoken(limit: Limit | None) -> str:
    """A limit's unit in words: `requests`, `input tokens`."""
    return "requests" if limit is None else limit.unit.replace("_", " ")


def models_of(imitation: Imitation, path: str) -> ImitatedModel | None:
    """The model that a path ends in, whose name may hold slashes."""
    return imitation.models.get(path.partition("/models/")[2])


def _trimmed(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
