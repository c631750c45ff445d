"""One chat request at one provider, from its bytes to the last byte of its answer, faults included.

The order is a provider's: key, then body, then model and limits, then the answer. A request is counted when it has
arrived whole, before its answer is begun; its slot is free when the answer is out or its client has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from rotor_core._model import Limit
from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.compose import compose
from rotor_core.sandbox.conversation import Asked, Counted, Malformed
from rotor_core.sandbox.dialects.base import Dialect, Exchange, Incoming, Reply, Trouble
from rotor_core.sandbox.faults import Fault
from rotor_core.sandbox.http import Responder
from rotor_core.sandbox.journal import Record
from rotor_core.sandbox.provider import STATUS, Admitted, ProviderModel, Reading, Refused, dimension_of
from rotor_core.sandbox.spec import ImitatedModel, Imitation
from rotor_core.sandbox.tokens import PromptCache, prompt_tokens

_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
_HTML: Final = (("content-type", "text/html"),)
_JSON: Final = (("content-type", "application/json"),)
_SLOW: Final = 0.1
_UNKNOWN_LIMIT: Final = Limit("requests", 60, "minute")


@dataclass(slots=True)
class House:
    """One provider of the running sandbox."""

    imitation: Imitation
    provider: ProviderModel
    dialect: Dialect
    cache: PromptCache = field(default_factory=PromptCache)

    def reset(self) -> None:
        self.provider.reset()
        self.cache = PromptCache()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all requests share. `released`: a wait that ends when hanging requests are let go."""

    clock: Callable[[], float]
    random: Random
    fault: Callable[[str, str, str | None], Fault | None]
    released: Callable[[], Awaitable[None]]


def wrong_key(house: House, incoming: Incoming) -> Reply | None:
    """A refusal of a key that is none of the provider's; a request without one is not what this is about."""
    secret = house.dialect.key(incoming)
    if not secret or not house.imitation.keys:
        return None
    key = house.provider.key(secret)
    return house.dialect.trouble("wrong_key", STATUS["auth"], key=secret) if key is None or key.revoked else None


class Visit:
    """One request at one provider. `record` is filled in as things happen."""

    def __init__(
        self, house: House, incoming: Incoming, record: Record, responder: Responder, around: Surroundings
    ) -> None:
        self._house, self._incoming, self._record = house, incoming, record
        self._responder, self._around = responder, around
        self._secret = ""

    async def chat(self) -> None:
        """The whole story."""
        refusal = self._refused_at_the_door()
        if refusal is not None:
            self._say(refusal)
            return
        dialect = self._house.dialect
        try:
            asked = dialect.read(self._incoming)
        except Malformed as problem:
            self._say(dialect.malformed(problem))
            return
        except ValueError:
            self._say(dialect.trouble("not_json", 400))
            return
        self._record.model, self._record.stream = asked.model, asked.stream
        fault = self._around.fault(self._house.imitation.name, asked.model, self._record.key)
        self._record.fault = fault.kind if fault else None
        if fault is None or not self._instead(fault, asked):
            await self._serve(asked, fault)

    def _refused_at_the_door(self) -> Reply | None:
        """A refusal for want of a good key."""
        self._secret = self._house.dialect.key(self._incoming) or ""
        if not self._house.imitation.keys:
            return None
        if not self._secret:
            return self._house.dialect.trouble("no_key", STATUS["auth"])
        key = self._house.provider.key(self._secret)
        self._record.key = key.id if key else None
        return wrong_key(self._house, self._incoming)

    def _instead(self, fault: Fault, asked: Asked) -> bool:
        """A fault that takes the place of the answer, before anything is counted; whether it was one."""
        dialect = self._house.dialect
        match fault.kind:
            case "status" if fault.status == STATUS["rate"]:
                self._say(self._told_to_wait(fault, asked))
            case "status":
                trouble: Trouble = "overloaded" if fault.status == 503 else "server_error"
                self._say(dialect.trouble(trouble, fault.status, message=fault.message))
            case "revoked":
                self._say(dialect.trouble("wrong_key", STATUS["auth"], key=self._secret))
            case "not_json":
                self._say(Reply(200, _PAGE, _HTML))
            case "empty":
                self._say(Reply(200, b"", _JSON))
            case "reset" if not fault.after:
                self._record.ended = "cut"
                self._responder.reset()
            case _:
                return False
        return True

    def _told_to_wait(self, fault: Fault, asked: Asked) -> Reply:
        """A 429 that no limit is behind, in the wording of one that could be."""
        dialect, model = self._house.dialect, self._house.imitation.models.get(asked.model)
        if fault.message is not None:
            return dialect.trouble("server_error", fault.status, message=fault.message)
        limit = (
            next((limit for limit in model.limits if limit.unit == "requests"), _UNKNOWN_LIMIT)
            if model
            else _UNKNOWN_LIMIT
        )
        refused = Refused(
            "rate", fault.status, dimension_of(limit), limit.value, limit.value, 1, fault.retry_after, limit
        )
        return dialect.refuse(refused, asked.model, ())

    async def _serve(self, asked: Asked, fault: Fault | None) -> None:
        judged = self._judge(asked)
        if isinstance(judged, Reply):
            self._say(judged)
            return
        admitted, exchange, readings = judged
        try:
            await self._pause(exchange, fault)
            if asked.stream:
                await self._stream(exchange, readings, fault)
            else:
                self._whole(exchange, readings, fault)
        finally:
            self._house.provider.release(admitted)

    def _judge(self, asked: Asked) -> Reply | tuple[Admitted, Exchange, tuple[Reading, ...]]:
        """Whether the request may pass, and what it will get: counted, once it may."""
        house, dialect, at = self._house, self._house.dialect, self._around.clock()
        model = house.imitation.models.get(asked.model)
        if model is None:
            return dialect.refuse(Refused("model", STATUS["model"]), asked.model, ())
        if asked.max_tokens and model.max_output and asked.max_tokens > model.max_output:
            return dialect.malformed(dialect.over_max_output(asked.max_tokens, model.max_output))
        try:
            _check_capabilities(model, asked)
            written = compose(_thinking(model, asked), model.output)
        except Malformed as problem:
            return dialect.malformed(problem)
        prompt = prompt_tokens(asked)
        verdict = house.provider.admit(
            at, self._secret, asked.model, prompt, written.completion_tokens, asked.max_tokens
        )
        readings = house.provider.readings(at, self._secret, asked.model)
        if isinstance(verdict, Refused):
            self._record.dimension = verdict.dimension
            return dialect.refuse(verdict, asked.model, readings)
        cached = house.cache.cached(f"{self._record.key}\n{asked.model}", asked, prompt)
        counted = Counted(prompt, written.completion_tokens, cached, written.reasoning_tokens)
        low, high = model.latency
        # Most answers are quick and a few are not.
        took = low + (high - low) * self._around.random.random() ** 2
        self._note(model, counted)
        return verdict, Exchange(asked, written, counted, self._record.number, at, took), readings

    def _note(self, model: ImitatedModel, counted: Counted) -> None:
        self._record.prompt_tokens, self._record.completion_tokens = counted.prompt, counted.completion
        if model.price:
            self._record.cost_usd = model.price.cost(counted.prompt, counted.completion, counted.cached)

    async def _pause(self, exchange: Exchange, fault: Fault | None) -> None:
        """The time that an answer takes, and the one that it hangs."""
        if exchange.took:
            await asyncio.sleep(exchange.took)
        if fault and fault.kind == "hang":
            try:
                await asyncio.wait_for(self._around.released(), fault.seconds)
            except TimeoutError:
                return

    def _whole(self, exchange: Exchange, readings: tuple[Reading, ...], fault: Fault | None) -> None:
        reply = self._house.dialect.answer(exchange, readings)
        match fault.kind if fault else None:
            case "cut" | "early_end" | "reset":
                self._record.status, self._record.ended = reply.status, "cut"
                self._responder.part(reply.status, reply.headers, reply.body, len(reply.body) // 2)
            case "stream_error":
                error = self._house.dialect.trouble("server_error", 200)
                self._say(error)
            case _:
                self._say(reply)

    async def _stream(self, exchange: Exchange, readings: tuple[Reading, ...], fault: Fault | None) -> None:
        dialect, responder = self._house.dialect, self._responder
        responder.start(200, dialect.opening(exchange, readings))
        self._record.status = 200
        pause = fault.seconds or _SLOW if fault and fault.kind == "slow" else 0.0
        for sent, event in enumerate(dialect.events(exchange)):
            if fault and self._broken_off(fault, event, sent):
                return
            if pause:
                await asyncio.sleep(pause)
            await responder.send(event)
        responder.end()
        self._record.ended = "whole"

    def _broken_off(self, fault: Fault, event: bytes, sent: int) -> bool:
        """Whether the stream ends before `event`; if so it has been ended, in the fault's way."""
        over = sent >= fault.after or self._house.dialect.is_end(event)
        if not over or fault.kind not in {"cut", "reset", "early_end", "stream_error"}:
            return False
        self._record.ended = "cut"
        match fault.kind:
            case "cut":
                self._responder.cut()
            case "reset":
                self._responder.reset()
            case "stream_error":
                self._responder.now(self._house.dialect.stream_error())
                self._responder.end()
            case _:
                self._responder.end()
        return True

    def _say(self, reply: Reply) -> None:
        self._record.status, self._record.ended = reply.status, "whole"
        self._responder.whole(reply.status, reply.headers, reply.body)


def _thinking(model: ImitatedModel, asked: Asked) -> Asked:
    """A reasoning model reasons unless it is told not to."""
    reasons = asked.think is None and model.capabilities is not None and "reasoning" in model.capabilities
    return replace(asked, think="medium") if reasons else asked


def _check_capabilities(model: ImitatedModel, asked: Asked) -> None:
    """Raise `Malformed` for what a model cannot do, where it is stated what it can."""
    stated = model.capabilities
    if stated is None:
        return
    if asked.tools and "tools" not in stated:
        raise Malformed(f"`tools` is not supported with the model `{model.name}`.", "tools")
    if asked.shape == "schema" and "json_schema" not in stated:
        raise Malformed("This model does not support response format `json_schema`.", "response_format")
    if "vision" not in stated and _has_images(asked):
        raise Malformed(f"The model `{model.name}` does not take images.", "messages")


def _has_images(asked: Asked) -> bool:
    return any(
        fields(part).get("type") == "image_url" for message in asked.messages for part in items(message.get("content"))
    )
