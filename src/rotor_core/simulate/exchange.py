"""One exchange with a provider in virtual time: on its way, judged, answered in one piece or in several, or given up.

An answer's words are numbered, so a text that lost or doubled some is seen to have. A provider that is asked to go on
with an answer says the last words once more, as it was told to, and then the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from rotor_core._errors import ProviderError
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request

PIECES: Final = 6
"""Chunks of an answer that is streamed whole."""
WORDS: Final = 5
"""Words of a chunk."""
AGAIN: Final = 6
"""Words that a continuation begins with which the caller has already."""


class Exchange:
    """`came`: chunks that nobody has read. `end`: the answer, or what the provider's side failed with; None while it lasts.

    `heard` is called whenever there is more to read. `over`: nothing more will come, or nobody would read it.
    """

    __slots__ = ("came", "deployment", "end", "finished", "heard", "over", "reservation", "words")

    def __init__(self, deployment: Deployment, reservation: str) -> None:
        self.deployment, self.reservation = deployment, reservation
        self.came: deque[Chunk] = deque()
        self.end: Answer | ProviderError | None = None
        self.over = False
        self.heard: Callable[[], None] | None = None
        self.finished: Callable[[float], None] | None = None
        self.words: list[str] = []

    def comes(self, chunk: Chunk) -> None:
        """A chunk has arrived."""
        self.came.append(chunk)
        if self.heard is not None:
            self.heard()

    def ends(self, end: Answer | ProviderError, at: float) -> None:
        """It is over. What comes after its end is not heard."""
        if self.over:
            return
        self.end = end
        self.leave(at)
        if self.heard is not None:
            self.heard()

    def leave(self, at: float) -> None:
        """Nobody reads on: the provider's seat is free."""
        self.over = True
        finished, self.finished = self.finished, None
        if finished is not None:
            finished(at)


def whole(pieces: int = PIECES) -> str:
    """The text of an answer of so many pieces."""
    return "".join(_words(0, pieces * WORDS))


def texts(request: Request, pieces: int = PIECES) -> list[str]:
    """The pieces in which a provider answers: from the beginning, or from where the conversation breaks off."""
    had = _had(request)
    words = _words(max(0, had - AGAIN), pieces * WORDS)
    if had:
        words[0] = words[0].lstrip()  # a message never begins with a space
    return ["".join(words[n : n + WORDS]) for n in range(0, len(words), WORDS)] or [""]


def _had(request: Request) -> int:
    messages = request.messages
    if len(messages) < 2 or messages[-2].get("role") != "assistant":
        return 0
    return len(str(messages[-2]["content"]).split())


def _words(start: int, stop: int) -> list[str]:
    return [f"{' ' if n else ''}word{n:03}" for n in range(start, stop)]
