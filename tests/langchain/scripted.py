"""Engines over an adapter that plays a script, and handlers that write down what they hear."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import (
    BoundLimit,
    Catalog,
    Credential,
    Deployment,
    Limit,
    Model,
    Policy,
    Pool,
    Price,
    Provider,
    Seat,
    Secret,
)
from rotor_core._outcome import Answer, Chunk, Failure, ToolCall, ToolCallDelta, Usage
from rotor_core._request import Request
from rotor_core.rotor import Rotor
from rotor_core.stores.memory import MemoryStore

CONFIG: dict[str, Any] = {
    "version": 1,
    "providers": {
        "local": {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:9/v1",
            "keys": [{"value": "a-very-secret-key"}],
            "models": {"m": {"context": 8000, "capabilities": ["tools"]}, "n": {"context": 16000}},
        }
    },
    "pools": {"fast": ["local/m"], "code": ["local/n"]},
    "default_pool": "fast",
}
HELLO = Answer("hello", finish_reason="stop", usage=Usage(11, 7))
FREE = Price(0, 0)
ONE_IN_TEN_SECONDS = Limit("requests", 1, 10.0, "rolling")


class ScriptedAdapter:
    """Plays, for each deployment, its list of outcomes (the last one for ever), and keeps every request."""

    def __init__(self, script: dict[str, list[Any]]) -> None:
        self.script = script
        self.calls: list[tuple[str, Request]] = []
        self.closed_streams = 0

    @property
    def last(self) -> Request:
        return self.calls[-1][1]

    def _outcome(self, deployment: Deployment, request: Request) -> Any:
        self.calls.append((deployment.id, request))
        outcomes = self.script[deployment.provider.name]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Failure):
            raise ProviderError(f"{deployment.id} said {outcome.kind}", outcome)
        return outcome

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        outcome = self._outcome(deployment, request)
        return outcome if isinstance(outcome, Answer) else whole(outcome)

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        outcome = self._outcome(deployment, request)
        if callable(outcome):
            return await outcome()
        return outcome if isinstance(outcome, Answer) else whole(outcome)

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:
        outcome = self._outcome(deployment, request)
        try:
            for chunk in pieces(outcome) if isinstance(outcome, Answer) else outcome:
                if isinstance(chunk, Failure):
                    raise ProviderError("the connection broke", chunk)
                yield chunk
        finally:
            self.closed_streams += 1

    async def astream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> AsyncIterator[Chunk]:
        for chunk in self.stream(deployment, request, timeouts=timeouts):
            yield chunk

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def pieces(answer: Answer) -> list[Chunk]:
    """An answer as a provider would stream it."""
    chunks = [Chunk(reasoning=answer.reasoning)] if answer.reasoning else []
    half = len(answer.text) // 2
    chunks += [Chunk(text=part) for part in (answer.text[:half], answer.text[half:]) if part]
    for index, call in enumerate(answer.tool_calls):
        middle = len(call.arguments) // 2
        chunks.append(Chunk(tool_calls=(ToolCallDelta(index, call.id, call.name, call.arguments[:middle]),)))
        chunks.append(Chunk(tool_calls=(ToolCallDelta(index, arguments=call.arguments[middle:]),)))
    return [*chunks, Chunk(finish_reason=answer.finish_reason), Chunk(usage=answer.usage)]


def whole(chunks: list[Any]) -> Answer:
    return Answer("".join(c.text for c in chunks), finish_reason="stop", usage=Usage(1, 1))


def scripted(
    script: dict[str, list[Any]] | None = None,
    *,
    limits: tuple[Limit, ...] | None = (),
    capabilities: set[str] | None = None,
    context: int | None = 8000,
    price: Price | None = FREE,
    policy: Policy | None = None,
    clock: Any = None,
    pools: dict[str, list[str]] | None = None,
) -> tuple[Rotor, ScriptedAdapter]:
    """An engine with one deployment for each provider of the script, in the script's order; nothing is shared."""
    script = script if script is not None else {"a": [HELLO]}
    deployments = {}
    for name in script:
        mark = uuid.uuid4().hex
        model = Model(
            "m", context, 1000, None if capabilities is None else frozenset(capabilities), None, price, limits
        )
        bound = None if limits is None else tuple(BoundLimit(f"{mark}|{n}", limit) for n, limit in enumerate(limits))
        deployment = Deployment(
            f"{name}/m#1", Provider(name, "scripted", f"http://{name}.invalid"), model,
            Credential(f"{name}#1", Secret("the-secret"), mark, mark), bound, price,
        )  # fmt: skip
        deployments[name] = deployment
    seats = {n: Seat(d, priority=number) for number, (n, d) in enumerate(deployments.items(), 1)}
    made = {"fast": Pool("fast", tuple(seats.values()))}
    for pool, names in (pools or {}).items():
        made[pool] = Pool(pool, tuple(seats[n] for n in names))
    catalog = Catalog({d.id: d for d in deployments.values()}, made, "fast", policy or Policy())
    adapter = ScriptedAdapter(script)
    store = MemoryStore(clock=clock) if clock else MemoryStore()
    return Rotor.from_catalog(catalog, adapters={"scripted": adapter}, store=store), adapter


def calls_tool(name: str = "add", arguments: str = '{"a": 1, "b": 2}', call_id: str = "call_1") -> Answer:
    return Answer("", (ToolCall(call_id, name, arguments),), finish_reason="tool_calls", usage=Usage(20, 5))


class Heard(BaseCallbackHandler):
    """Writes down runs as they begin, and custom events."""

    run_inline = True

    def __init__(self) -> None:
        self.runs: list[uuid.UUID] = []
        self.events: list[tuple[str, dict[str, Any], uuid.UUID]] = []
        self.results: list[Any] = []
        self.errors: list[BaseException] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        self.runs.append(run_id)
        self.started = {"serialized": serialized, **kwargs}

    def on_custom_event(self, name: str, data: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        self.events.append((name, data, run_id))
        self.marks = kwargs

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.results.append(response)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]


class AsyncHeard(AsyncCallbackHandler):
    """The same, told on the event loop."""

    def __init__(self) -> None:
        self.heard = Heard()

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.heard.on_chat_model_start(*args, **kwargs)

    async def on_custom_event(self, *args: Any, **kwargs: Any) -> None:
        self.heard.on_custom_event(*args, **kwargs)


def sum_of(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total
