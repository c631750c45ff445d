"""The whole story of a request, told once: acquire, call, settle, go on elsewhere. Asks for everything, does nothing.

`acquire` and `settle` stand alone, for hosts that make the call themselves; `run` and `stream` are loops over them.
Whoever takes capacity gives it back: errors and cancellation are thrown into the flow by its driver, and
what is owed by then is given back (`give_back`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rotor_core._acquire import LATE, acquire, decision, give_back, kept
from rotor_core._attempts import Result, answered, failed, goes_on, next_seat, patience, record
from rotor_core._commands import NOW, Call, Deliver, Flow, Flowing, Open, Opened, Relay
from rotor_core._errors import AttemptsFailed, NoCandidates, ProviderError, StreamBroken
from rotor_core._hedge import hedged, may_hedge
from rotor_core._ledger import Reservation
from rotor_core._outcome import ABANDONED, Answer, Chunk, Failure, Usage
from rotor_core._policy.continuation import AnotherAnswerError, Given, Seam, continued, demanded, joined, why_not
from rotor_core._policy.patience import call_timeout, stream_timeouts
from rotor_core._request import Request
from rotor_core._settle import settle
from rotor_core._work import Progress, Work, anybody


def run(work: Work, request: Request) -> Flow[Result]:
    """Answer one request: as many attempts as the policy allows, each settled, none hidden.

    Raises `NoCandidates` when nothing could be tried, `AttemptsFailed` when what was tried failed.
    """
    progress = Progress()
    try:
        while True:
            reservation = yield from next_seat(work, progress)
            if work.hedge and may_hedge(work, progress):
                result = yield from hedged(work, progress, reservation, request)
                if result is not None:
                    return _over(progress, result)
                continue
            started = progress.sent_at
            try:
                timeout = call_timeout(*patience(work, progress, reservation, started))
                answer: Answer = yield Call(reservation, request, timeout)
            except ProviderError as error:
                yield from failed(work, progress, reservation, started, error)
            else:
                headers = answer.headers
                result = yield from answered(work, progress, reservation, started, answer.usage, headers, answer)
                return _over(progress, result)
    except GeneratorExit:  # `kept`, written out: each command of the busiest story would pass through it
        raise
    except BaseException:
        yield from give_back(progress)
        raise


def _over(progress: Progress, result: Result) -> Result:
    """The attempts tell what failed before. Its errors have the frames that raised them, which have this: a circle, unless it is cut."""
    progress.errors.clear()
    return result


def stream(work: Work, request: Request) -> Flow[Result]:
    """Answer one request in pieces. Until the first piece with content a failure is hidden.

    After it, another one goes on with the answer where the policy says so and that is possible; else `StreamBroken`.
    """
    progress = Progress(streamed=True)
    return kept(progress, _stream(work, request, progress))


def _stream(work: Work, request: Request, progress: Progress) -> Flow[Result]:
    seen, asked, given = Seen(), request, work
    while True:
        reservation = yield from _next_voice(given, progress, seen)
        started = progress.sent_at
        try:
            may = work.stream_break == "continue"
            timeouts = stream_timeouts(*patience(work, progress, reservation, started), continued=may)
            opened: Opened = yield Open(reservation, asked, timeouts)
            yield Flowing(reservation.id)
            first: float = yield NOW
            silence: float = yield Relay(opened, seen.observe)
            if tail := seen.end():
                yield Deliver(tail)
        except ProviderError as error:
            cut = error
        except AnotherAnswerError as error:
            cut = _no_continuation(reservation, error)
            progress.exclude.add(reservation.deployment)
        else:
            result = yield from answered(
                work,
                progress,
                reservation,
                started,
                seen.usage,
                seen.headers,
                first_chunk=first - started,
                silence=silence,
                continued=seen.breaks,
            )
            return _over(progress, result)
        if seen.committed:
            yield from record(work, progress, reservation, started, cut)
            yield from _may_continue(work, request, progress, reservation, cut, seen)
            text, progress.continuing = seen.break_off(), True
            asked, given = continued(request, text), replace(work, demand=demanded(work.demand, text))
        else:
            yield from failed(work, progress, reservation, started, cut)


def _next_voice(work: Work, progress: Progress, seen: Seen) -> Flow[Reservation]:
    """Capacity for whoever is to begin the answer, or to go on with it."""
    try:
        return (yield from next_seat(work, progress))
    except (NoCandidates, AttemptsFailed) as none:
        if not seen.committed:
            raise
        raise _broken(progress, seen, f"; and nobody could go on with it: {none}") from none


def _may_continue(
    work: Work, request: Request, progress: Progress, reservation: Reservation, cut: ProviderError, seen: Seen
) -> Flow[None]:
    """Return when another one may go on with the answer that the caller has part of; raise `StreamBroken` when none may."""
    if work.stream_break != "continue":
        raise _broken(progress, seen) from cut
    if why := why_not(request, seen.given()):
        raise _broken(progress, seen, f"; nobody else can go on with it, because {why}") from cut
    more = yield from goes_on(work, progress, reservation, cut)
    if more is not None:
        raise _broken(progress, seen, more) from cut


@dataclass(slots=True, eq=False)
class Seen:
    """What a caller has had of a stream. `breaks`: how often another one went on with it."""

    committed: bool = False
    tool_calls: bool = False
    native: bool = False
    finished: bool = False
    breaks: int = 0
    text: list[str] = field(default_factory=list[str])
    usage: Usage | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    _seam: Seam | None = None
    _joins: bool = False

    def observe(self, chunk: Chunk) -> Chunk:
        """A chunk on its way: as the caller is to have it. Raises `AnotherAnswerError` where it is no continuation."""
        if chunk.headers and not self.headers:
            self.headers = chunk.headers
        if self._seam is not None:
            chunk = joined(self._seam, chunk)
        if chunk.has_content:
            self.committed = True
            self._joins = False
            self.tool_calls = self.tool_calls or bool(chunk.tool_calls)
            self.native = self.native or chunk.native is not None
        if chunk.text:
            self.text.append(chunk.text)
        if chunk.usage is not None:
            self.usage = chunk.usage
        self.finished = self.finished or chunk.finish_reason is not None
        return chunk

    def end(self) -> Chunk | None:
        """What a continuation still held back at the stream's end."""
        tail = self._seam.end() if self._seam is not None and not self.finished else ""
        if not tail:
            return None
        self.text.append(tail)
        return Chunk(tail)

    def given(self) -> Given:
        return Given("".join(self.text), self.tool_calls, self.native, self.finished)

    def break_off(self) -> str:
        """Another one is to go on: from here what it says is joined to what there is, which is returned."""
        text = "".join(self.text)
        self._seam, self.headers, self.usage = Seam(text), {}, None
        self.breaks += not self._joins  # one that failed before its first word is no further break
        self._joins = True
        return text


def _no_continuation(reservation: Reservation, error: AnotherAnswerError) -> ProviderError:
    """It answered, and something else: no use to this caller."""
    text = f"{reservation.deployment} did not go on with the answer begun: {error}"
    return ProviderError(text, Failure("unknown", message=text))


def _broken(progress: Progress, seen: Seen, more: str = "") -> StreamBroken:
    """The caller has part of the answer: say so, with the part. A cut never looks like a whole answer."""
    partial = "".join(seen.text)
    last, error = progress.attempts[-1], progress.errors[-1]
    text = f"{last.deployment}: the stream broke after {len(partial):,} characters: {error}{more}"
    return StreamBroken(text, partial, attempts=progress.attempts, failure=error.failure)


__all__ = [
    "ABANDONED",
    "LATE",
    "Progress",
    "Result",
    "Seen",
    "Work",
    "acquire",
    "anybody",
    "decision",
    "run",
    "settle",
    "stream",
]
