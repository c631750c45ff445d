"""The tool calls of an answer in OpenAI's dialect, whole or in pieces: whose a streamed piece is, and what it is called.

OpenAI numbers the calls of an answer, and a call's id and name come once, with its first piece. Others do not: Ollama
and gateways in front of Gemini number every call 0, some without an id; Google's own endpoint leaves `index` out and may
go on in pieces that name nothing; vLLM repeats the id with every piece, older ones make up another for each (public
issues of ollama, litellm, vercel/ai, smolagents, spring-ai and open-webui, 2026-01 to 2026-09). So a call begins with its
name, where the call before it is another (its id says so) or over (its arguments are whole); every other piece goes on
with a call. What is given on is what OpenAI would have sent: one number for a call, one id and its name once. A
call without an id gets one, since its result has to name it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rotor_core._outcome import ToolCall, ToolCallDelta
from rotor_core.adapters.history import digest
from rotor_core.adapters.json_values import is_object, name, rows, string, table


def tool_calls_of(calls: Any, answer: str | None = None) -> tuple[ToolCall, ...]:
    """A whole answer's calls of functions; of other kinds of tools there are none, as Rotor sends none. `answer`: its id."""
    if not calls:
        return ()
    functions = ((table(call), table(table(call).get("function"))) for call in rows(calls))
    return tuple(
        ToolCall(
            name(call.get("id")) or _made_id(answer, number, string(function.get("name"))),
            string(function.get("name")),
            arguments_of(function),
            table(call.get("extra_content")),
        )
        for number, (call, function) in enumerate(functions)
        if function
    )


def arguments_of(function: Mapping[str, Any]) -> str:
    """The arguments as text. Some servers send the object itself instead of its JSON."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)


def _made_id(answer: str | None, number: int, called: str) -> str:
    """An id for a call that came without: always the same for one place in one answer."""
    return f"call_{digest(f'{answer}/{number}/{called}', 24)}"


@dataclass(slots=True)
class _Call:
    """A call as far as it has come. `arguments`: its pieces that say anything. `again`: it was named once more when it
    was whole, perhaps to begin another one.
    """

    number: int
    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    again: bool = False

    @property
    def whole(self) -> bool:
        """Whether its arguments are the JSON of an object, so that nothing can follow."""
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            return is_object(json.loads("".join(self.arguments)))
        except (ValueError, RecursionError):
            return False

    def ends_before(self, piece: ToolCallDelta) -> bool:
        """Whether this piece, which nothing but its place makes one of this call, begins another."""
        if not piece.name:
            return self.again and bool(piece.arguments.strip()) and self.whole
        if not self.name or (piece.id and piece.id == self.id):
            return False
        renamed = piece.name != self.name
        if piece.id and self.id:
            # The same name once more before the arguments are whole: an id that was made up for a piece.
            return renamed or not self.arguments or self.whole
        if self.whole:
            self.again = not (renamed or piece.arguments.strip())
            return not self.again
        return renamed and bool(self.arguments)


class CallPieces:
    """The calls of one streamed answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._latest: dict[int, _Call] = {}
        """Of each index in the stream: the call that its pieces go on with."""

    def take(self, pieces: Any, answer: str | None = None) -> tuple[ToolCallDelta, ...]:
        """A chunk's pieces, each with the number of its call. `answer`: the id of the whole, as far as it is known."""
        return tuple(self._taken(rows(pieces), answer)) if pieces else ()

    def _taken(self, pieces: list[Any], answer: str | None) -> Iterator[ToolCallDelta]:
        for place, piece in enumerate(map(table, pieces)):
            function = table(piece.get("function"))
            given = ToolCallDelta(
                place,
                name(piece.get("id")),
                name(function.get("name")),
                arguments_of(function),
                table(piece.get("extra_content")),
            )
            if given.id or given.name or given.arguments or given.extra:
                index = piece.get("index")
                yield self._told(index if isinstance(index, int) else None, given, answer)

    def _told(self, index: int | None, piece: ToolCallDelta, answer: str | None) -> ToolCallDelta:
        """The piece with its call's number; what was said of the call before is not said again."""
        call = self._before(index, piece)
        called = piece.name
        if call is None or call.ends_before(piece):
            called = called or (call.name if call else None)
            call = self._begun(index)
        if index is not None:
            self._latest[index] = call
        ident = piece.id if piece.id == call.id else None
        if call.id is None and (piece.id or (called and not call.name)):
            call.id = ident = piece.id or _made_id(answer, call.number, called or "")
        called = called if called != call.name else None
        call.name += called or ""
        if piece.arguments.strip():
            call.arguments.append(piece.arguments)
        return ToolCallDelta(call.number, ident, called, piece.arguments, piece.extra)

    def _before(self, index: int | None, piece: ToolCallDelta) -> _Call | None:
        """The call that this piece may go on with: by its index; without one, by its id, or else the last one."""
        if index is not None:
            known = self._latest.get(index)
            if known is None:
                return None
        else:
            beside = piece.index > 0 and piece.name  # two calls in one chunk
            known = self._calls[-1] if self._calls and not beside else None
        if known is not None and known.id == piece.id:
            return known
        return next((call for call in self._calls if piece.id and call.id == piece.id), known)

    def _begun(self, index: int | None) -> _Call:
        taken = {call.number for call in self._calls}
        number = index if index is not None and index not in taken else max(taken, default=-1) + 1
        self._calls.append(_Call(number))
        return self._calls[-1]
