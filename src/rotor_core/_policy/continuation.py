"""Going on elsewhere with an answer that broke off after the caller had part of it: whether, and what to ask. Pure.

Only plain text is continued: half a tool call or half a JSON value has a meaning that another model would have to guess.
Where the caller has nothing of the answer itself yet (thoughts at most), it is asked for anew instead, whatever it is.

The other model gets the conversation, the part that the caller has as its own message, and a user's message that asks it to
finish that. Every provider accepts this; a conversation that ends with the assistant's message is gone on with by some,
answered by others, and refused by the rest. It is asked to begin with the last words once more: a message never begins with
a space, so that a continuation which repeats nothing leaves open whether a word, a space or a line was missing.
`Seam` leaves the repetition out.

Tools stay on offer. Text so far may be what a model says before it calls one, and an answer in which it then cannot
would look complete, and lack the call. Text followed by a whole call, though by another model, is a good answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rotor_core._demand import Demand
from rotor_core._outcome import Chunk
from rotor_core._policy.content import fields, items
from rotor_core._policy.estimate import text_tokens
from rotor_core._policy.seam import HOLD, AnotherAnswerError, Seam, anchor, spoken, thinking_aloud
from rotor_core._request import Request

LEAST_LEFT: Final = 16
"""Output tokens a continuation is given at least, where the caller's bound is that large: what was given is only estimated,
and mostly too high, so an answer at its bound may still lack its last words."""

_BOUNDS: Final = ("max_tokens", "max_completion_tokens")

_PRESCRIBED: Final = (
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "grammar",
    "regex",
)
"""Parameters by which some servers are told what an answer must look like."""

_ASK: Final = (
    "Your last message was cut off before its end. Finish it. {how} Keep to its language and format, and say nothing "
    "about the interruption."
)
_WITH_ANCHOR: Final = (
    "Begin with the last words that arrived, exactly as they stand between the two lines of dashes below, and go straight "
    "on from them; write nothing before them and repeat nothing else."
)
_WITHOUT: Final = "Go on exactly where it stops; repeat nothing of it."


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller has had of an answer that broke off. `text`: all of it, earlier continuations included.

    `tool_calls`, `native`: whether a piece held any of a tool call, or was the host's own object. `finished`: whether a finish
    reason had come.
    """

    text: str = ""
    tool_calls: bool = False
    native: bool = False
    finished: bool = False


def why_not(request: Request, given: Given) -> str | None:
    """Why no other model can go on with this answer, as the end of a sentence; None if one can."""
    if given.native:
        return "its pieces are objects of the model's own kind"
    if given.tool_calls:
        return "a tool call had begun"
    if given.finished:
        return "its text was complete, and only the rest of the stream is missing"
    if thinking_aloud(given.text):
        return "the model was thinking in its text"
    if not spoken(given.text).strip():
        return None
    return next(_shapes(request), None)


def _shapes(request: Request) -> Iterator[str]:
    """Why the answer to a request is not plain text that anyone can go on with."""
    params = request.params
    wanted = request.response_format or fields(params.get("response_format"))
    if wanted.get("type", "text") != "text" or any(params.get(name) for name in _PRESCRIBED):
        yield "the answer has a prescribed form"
    if request.tools and request.tool_choice not in (None, "auto", "none"):
        yield "the answer is to be a tool call"
    answers = params.get("n")
    if isinstance(answers, int) and answers > 1:
        yield "several answers were asked for"
    if params.get("logprobs") or params.get("top_logprobs"):
        yield "probabilities of its tokens were asked for"
    if "audio" in items(params.get("modalities")):
        yield "the answer is spoken"
    if request.messages and request.messages[-1].get("role") == "assistant":
        yield "the request itself ends with an answer begun"


def continued(request: Request, partial: str) -> Request:
    """The request that has another model finish an answer of which the caller has `partial`.

    The bound on the answer's length is reduced by an estimate of what was given, to `LEAST_LEFT` at least. `source` is
    dropped: it says what the messages said before. Where nothing of the answer was given, the request is asked anew.
    """
    had = spoken(partial)
    if not had.strip():
        return replace(request, source=None)
    last = anchor(partial)
    ask = f"{_ASK.format(how=_WITH_ANCHOR)}\n---\n{last}\n---" if last else _ASK.format(how=_WITHOUT)
    messages = [*request.messages, {"role": "assistant", "content": had}, {"role": "user", "content": ask}]
    return replace(request, messages=messages, params=_bounded(request.params, text_tokens(had)), source=None)


def joined(seam: Seam, chunk: Chunk) -> Chunk:
    """A chunk of a continuation as the caller gets it: what is new of its text, and no thoughts, which would stand amid it.

    Where it ends the text (with a tool call, or a finish reason), what was held back comes with it. Raises
    `AnotherAnswerError` as `Seam` does. After the last chunk `seam.end()` is still to be asked: not all streams say that they end.
    """
    text = seam.feed(chunk.text)
    if chunk.tool_calls or chunk.finish_reason is not None:
        text += seam.end()
    return replace(chunk, text=text, reasoning="")


def demanded(demand: Demand, partial: str) -> Demand:
    """What that request takes, where the whole one took `demand`: it reads the part as well, and has less left to write."""
    had = spoken(partial)
    if not had.strip():
        return demand
    given, bound = text_tokens(had), demand.max_tokens
    read = demand.input_tokens + given + _ASKING
    return replace(demand, input_tokens=read, max_tokens=bound and _left(bound, given))


def _bounded(params: Mapping[str, Any], given: int) -> Mapping[str, Any]:
    found = {name: params[name] for name in _BOUNDS if type(params.get(name)) is int and params[name] > 0}
    return {**params, **{name: _left(bound, given) for name, bound in found.items()}} if found else params


def _left(bound: int, given: int) -> int:
    return max(bound - given, min(bound, LEAST_LEFT))


_ASKING: Final = text_tokens(_ASK + _WITH_ANCHOR) + 40 + 2 * 4
"""Tokens of the user's message with an anchor of the longest kind, and of two messages' frames."""

__all__ = [
    "HOLD", "LEAST_LEFT", "AnotherAnswerError", "Given", "Seam", "continued", "demanded", "joined", "why_not",
]  # fmt: skip
