"""What a wire format is: how one provider writes a request and how its answers read. Pure; `HttpAdapter` moves the bytes.

A provider that speaks HTTP and JSON needs no adapter of its own, only a `Wire`: where to send, what headers carry the
key, a request as bytes, an answer out of bytes, a stream out of pieces. `openai_compatible.OpenAIWire` is the one to
begin from for everybody who speaks OpenAI's chat completions or nearly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rotor_core._model import Model, Secret
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request


class WireError(Exception):
    """What came is no answer. `error_body`: the provider's own account of what went wrong, when it gave one."""

    def __init__(self, problem: str, error_body: str | None = None) -> None:
        super().__init__(problem)
        self.error_body = error_body


class UnfitError(ValueError):
    """A request holds something that this provider cannot be told. The text goes on "was not asked: "."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model as its provider lists it at this moment; None where the list does not say. Prices: USD per million tokens.

    `retired`: the day on which it ends or ended (ISO date), `replacement`: what its provider names in its place.
    """

    name: str
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    input_price: float | None = None
    output_price: float | None = None
    retired: str | None = None
    replacement: str | None = None


class Reader(Protocol):
    """One stream's bytes made chunks. `feed` until it is `done` or the bytes end, then `end`.

    `notes`: how often something of the whole answer was said that was not known (its usage, why it ended): a sign of
    life that is no content. `opening`: the stream's first 4,000 bytes or some more, to say what came where it was no stream.
    """

    done: bool
    notes: int
    opening: bytes

    def feed(self, piece: bytes) -> Iterator[Chunk]:
        """The chunks that this piece completes. Raises `WireError`, after what came before the trouble."""
        ...

    def end(self) -> Iterator[Chunk]:
        """The last chunk, with `finish_reason` and `usage`, once. Raises `WireError` if the stream is not at its end."""
        ...


class Wire(Protocol):
    """One format. Without state: an instance serves all deployments, threads and event loops."""

    def url(self, base_url: str, model: str, *, stream: bool) -> str:
        """Where a request goes. `base_url` has no slash at its end."""
        ...

    def headers(self, secret: Secret) -> dict[str, str]:
        """The headers that carry the key, by their names; none for an empty secret."""
        ...

    def encode(self, model: Model, request: Request, *, stream: bool) -> bytes:
        """The body, as JSON. Never changes the request. Raises `UnfitError`, TypeError or ValueError for what cannot be written."""
        ...

    def decode(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        """A whole answer of status 2xx. Raises `WireError` for anything that is none."""
        ...

    def reader(self, headers: Mapping[str, str]) -> Reader:
        """For one stream whose headers (names in lower case) these are; its first chunk carries them."""
        ...

    def models_url(self, base_url: str) -> str | None:
        """Where the provider lists its models, which is the light call that tells whether a key is good; None: nowhere."""
        ...

    def models(self, content: bytes) -> Sequence[LiveModel]:
        """That list, read; an entry that names no model may have the empty name. Raises `WireError` for anything that is no list."""
        ...
