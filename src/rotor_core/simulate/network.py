"""The way to the providers and back, in virtual time: connections that open, delays, answers and chunks as they come."""

from __future__ import annotations

from functools import partial
from random import Random

from rotor_core._errors import ProviderError
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk, Failure, Usage
from rotor_core._request import Request
from rotor_core.simulate.exchange import PIECES, Exchange, texts
from rotor_core.simulate.report import Arrival, Report, Upstream, Verdict
from rotor_core.simulate.timeline import Owner, Timeline
from rotor_core.stores.memory import MemoryStore


class Network:
    """`jitter`: the least and most seconds of a way, there or back. `cold`: seconds until a provider's first connection stands."""

    def __init__(
        self,
        time: Timeline,
        store: MemoryStore,
        upstream: Upstream,
        random: Random,
        report: Report,
        jitter: tuple[float, float],
        cold: float,
    ) -> None:
        self._time, self._store, self._upstream, self._random, self._report = time, store, upstream, random, report
        self._jitter, self._cold = jitter, cold
        self._warm_at: dict[str, float] = {}

    def exchange(
        self,
        arrival: Arrival,
        reservation_id: str,
        deployment: Deployment,
        timeout: float,
        request: Request,
        *,
        streamed: bool = False,
    ) -> Exchange:
        """One that begins now, or when the provider's first connection stands."""
        exchange = Exchange(deployment, reservation_id)
        if streamed:
            exchange.words = texts(request, pieces(arrival))
        self.late(exchange, exchange, timeout, "no answer")
        warm_at = self._warm_at.setdefault(deployment.provider.name, self._time.now + self._cold)
        departs = partial(self._depart, arrival, exchange)
        if warm_at > self._time.now:
            self._time.at(warm_at, departs, exchange)
        else:
            departs()
        return exchange

    def late(self, exchange: Exchange, owner: Owner, seconds: float, what: str) -> None:
        """It is given up in so many seconds, unless its owner is over by then."""
        text = f"{exchange.deployment.id}: {what} within {seconds:.3f} s"
        error = ProviderError(text, Failure("timeout", message=text))
        self._time.at(self._time.now + seconds, lambda: exchange.ends(error, self._time.now), owner)

    def _depart(self, arrival: Arrival, exchange: Exchange) -> None:
        self._store.sent(exchange.reservation)
        there = self._random.uniform(*self._jitter)
        self._time.at(self._time.now + there, partial(self._arrive, arrival, exchange), exchange)

    def _arrive(self, arrival: Arrival, exchange: Exchange) -> None:
        deployment = exchange.deployment
        verdict = self._upstream.arrive(self._time.now, deployment, arrival)
        exchange.finished = verdict.finished
        end: Answer | ProviderError
        if verdict.refusal is not None:
            self._report.refusals += 1
            self._report.refused_by[deployment.id] += 1
            end = ProviderError(f"{deployment.id}: {verdict.refusal.message}", verdict.refusal)
            end.request_sent = verdict.reached
        else:
            end = Answer("", finish_reason="stop", usage=Usage(arrival.input_tokens, arrival.used))
        if exchange.words:
            self._send_chunks(exchange, verdict, end, Usage(arrival.input_tokens, arrival.used))
        if verdict.seconds < float("inf"):
            back = self._random.uniform(*self._jitter)
            self._time.at(self._time.now + verdict.seconds, partial(self._out, exchange, end, back), exchange)

    def _out(self, exchange: Exchange, end: Answer | ProviderError, back: float) -> None:
        """An answer leaves its provider, whose seat is free from now."""
        finished, exchange.finished = exchange.finished, None
        if finished is not None:
            finished(self._time.now)
        self._time.at(self._time.now + back, lambda: exchange.ends(end, self._time.now), exchange)

    def _send_chunks(self, exchange: Exchange, verdict: Verdict, end: Answer | ProviderError, usage: Usage) -> None:
        """The chunks of an answer, evenly over its seconds; of one that breaks off or falls silent, the first ones."""
        words, whole = exchange.words, isinstance(end, Answer) and verdict.chunks is None
        count = len(words) if whole else min(verdict.chunks or 0, len(words) - 1)
        seconds = verdict.seconds if verdict.pace is None else verdict.pace
        for n in range(count):
            last = whole and n == count - 1
            chunk = Chunk(words[n], finish_reason="stop", usage=usage) if last else Chunk(words[n])
            at = self._time.now + seconds * (n + 1) / (len(words) + 1)
            self._time.at(at, partial(exchange.comes, chunk), exchange)


def pieces(arrival: Arrival) -> int:
    """How many chunks the answer to a request comes in, when it is streamed."""
    return max(2, min(PIECES, arrival.used // 20))
