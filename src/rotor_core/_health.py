"""What is said across the border of health: how an attempt ended, how long one is waited for, who is given a rest.

A cooldown is what a provider told us. Health is what we conclude by ourselves, from failures that nobody explained:
it may keep a request away from a deployment, never refuse it an answer that somebody might still give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from rotor_core._values import quick

BreakerState = Literal["closed", "open", "half_open"]
"""`closed`: in use. `open`: failing, and left alone. `half_open`: tried again, by a few calls at a time."""

HEALTH: Final = "health:"
"""What the scopes begin with at which a deployment or provider rests because we think it fails. No one told us so."""


FAILING: Final = "failing: "
"""What the reason of such a rest begins with; then the last failure's kind."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that a streamed call may take: to its first chunk with content, between two of those, altogether."""

    first: float
    between: float
    total: float


@quick
@dataclass(frozen=True, slots=True)
class Guards:
    """What is known of how long one call can take, in seconds from its sending; None: too little is known.

    `first`: to the first chunk of a stream. `whole`: to the end of an answer that is not streamed. `between`: two
    chunks. `late`: past this hardly any such call was; who waits longer counts as evidence. `hedge`: nineteen in twenty
    were answered by then.
    """

    first: float | None = None
    whole: float | None = None
    between: float | None = None
    late: float | None = None
    hedge: float | None = None


NO_GUARDS: Final = Guards()


@quick
@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. `blame`: None, it says nothing of its deployment; a failure's kind, the deployment failed; "", it served.

    `seconds`: from its sending to its end. Of an answer: `output_tokens`; `first_chunk`, the seconds to it, and `silence`, the
    longest between two chunks, where it was streamed. `outrun`: it was late, was joined by another one, and that one
    answered first, with `output_tokens`.
    """

    blame: str | None
    seconds: float = 0.0
    first_chunk: float | None = None
    output_tokens: int | None = None
    silence: float | None = None
    outrun: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A breaker has turned. `until`: when an open one is tried again, as an instant. `evidence` is for people."""

    scope: str
    deployment: str
    before: BreakerState
    after: BreakerState
    until: float | None
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Options not to be tried just now, though the ledger would let them through; `until`: worth asking again by then.

    `dead`: those whose breaker is open, where all who are not well were asked for. `last`: to be tried after all others
    that have room, because there are no more retries for their failures.
    """

    options: frozenset[str] = frozenset()
    until: float | None = None
    dead: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()


NO_BAR: Final = Bar()
