"""The adapter for chat models that live in this process: LangChain's messages go in and come out as they are.

The inner call is not a run of its own: its tokens and its traces would show everything twice.

Asynchronous calls are cut off when their time is over, as any other adapter's are. Somebody else's blocking call cannot
be interrupted from outside: a blocking `call` takes as long as the model's own timeout lets it, and its answer is
taken however late. A blocking `stream` is looked at whenever the model hands something over: past its total it ends;
past `first` or `between` it ends if what came is no content, for content that is late is still better than none. While
the model hands nothing over, nothing ends it. Who needs a bound there gives the model one (`timeout=` of most) or
calls it asynchronously.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tracers import context as tracers
from langsmith.run_helpers import tracing_context  # pyright: ignore[reportUnknownVariableType]

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk, FailureKind, Usage
from rotor_core._request import Request
from rotor_core.adapters.failures import refused, unreachable
from rotor_core.adapters.patience import Patience

T = TypeVar("T")

_KINDS: Final[Mapping[type[ModelError], FailureKind]] = MappingProxyType(
    {
        ModelRateLimitError: "rate_limit",
        ModelAuthenticationError: "auth",
        ModelPermissionDeniedError: "permission",
        ModelInvalidRequestError: "bad_request",
        ModelNotFoundError: "not_found",
        ContextOverflowError: "context_length",
        ModelConnectionError: "connection",
        ModelTimeoutError: "timeout",
        ModelAPIError: "server_error",
    }
)

_BUGS: Final = (TypeError, AttributeError, NameError, NotImplementedError, AssertionError, LookupError)
"""What no provider says: shown as it is, at once."""


class LangChainAdapter:
    """Calls the chat model that a deployment holds."""

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:  # noqa: ARG002
        with _failures(deployment), _unheard():
            return _answer(_bound(deployment, request).invoke(request.source, _alone(), **_rest(request)))

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        patience = Patience.whole(timeout, asyncio.get_running_loop().time)
        with _failures(deployment, patience):
            model = _bound(deployment, request)
            return _answer(await _in_time(patience, model.ainvoke(request.source, _alone(), **_rest(request))))

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:
        whole = _Whole()
        patience = Patience(timeouts, time.monotonic)
        with _failures(deployment, patience):
            messages = iter(_bound(deployment, request).stream(request.source, _alone(), **_rest(request)))
            while True:
                with _unheard():
                    message = next(messages, None)
                if message is None:
                    break
                chunk = whole.chunk(message)
                if patience.left() <= 0 and (patience.bound == "total" or not chunk.has_content):
                    raise _OverdueError
                yield chunk
                _hear(patience, chunk, message)
            yield whole.end()

    async def astream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> AsyncIterator[Chunk]:
        whole = _Whole()
        patience = Patience(timeouts, asyncio.get_running_loop().time)
        with _failures(deployment, patience):
            messages = aiter(_bound(deployment, request).astream(request.source, _alone(), **_rest(request)))
            try:
                while (message := await _in_time(patience, anext(messages, None))) is not None:
                    chunk = whole.chunk(message)
                    if patience.left() <= 0:
                        raise _OverdueError
                    yield chunk
                    _hear(patience, chunk, message)
            finally:
                await _close(messages)
            yield whole.end()

    def close(self) -> None:
        """The models are the user's, and so are their connections."""

    async def aclose(self) -> None:
        """As `close`."""


class _OverdueError(Exception):
    """The exchange's own deadline has passed."""


async def _in_time(patience: Patience, step: Awaitable[T]) -> T:
    limit = asyncio.timeout_at(patience.until)
    try:
        async with limit:
            with _unheard():
                return await step
    except TimeoutError:
        if limit.expired():
            raise _OverdueError from None
        raise


def _hear(patience: Patience, chunk: Chunk, message: AIMessage) -> None:
    """From when the caller asks for more: its own time is not the model's."""
    if chunk.has_content:
        patience.heard()
    elif message.usage_metadata is not None or _finish_reason(message):
        patience.heard(content=False)


async def _close(messages: AsyncIterator[Any]) -> None:
    """A caller that leaves early leaves nothing open. Only generators can be closed."""
    close: Any = getattr(messages, "aclose", None)
    if close is not None:
        with _unheard():
            await close()


def _alone() -> RunnableConfig:
    return {"callbacks": []}


@contextmanager
def _unheard() -> Generator[None]:
    """Without the tracers and counters that LangChain adds to each run by itself: ChatRotor's own run has told them all.

    Entered for each step of a stream, not around it: what a generator sets stays set for whoever reads it.
    """
    hooks: Any = getattr(tracers, "_configure_hooks", ())  # there is no public way
    held = [(hook[0], hook[0].set(None)) for hook in hooks]
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        for variable, token in held:
            variable.reset(token)


def _bound(deployment: Deployment, request: Request) -> Runnable[LanguageModelInput, AIMessage]:
    """The deployment's model, with the request's tools bound its own way."""
    model = deployment.handle
    if not request.tools:
        return cast("Runnable[LanguageModelInput, AIMessage]", model)
    choice = request.tool_choice
    more: dict[str, Any] = {}
    if choice is not None:
        more["tool_choice"] = "any" if choice == "required" else choice
    if request.params.get("parallel_tool_calls") is not None:
        more["parallel_tool_calls"] = request.params["parallel_tool_calls"]
    tools: list[Any] = list(request.tools)
    if request.response_format is not None:
        # Some models want tools of another form beside a schema (OpenAI's client: strict ones), and see to it here
        # as they do for LangChain's agents, if only the tools are not in their final form yet.
        more["response_format"] = _titled(request.response_format)
        tools = [_plain(tool) for tool in tools]
    return cast("Runnable[LanguageModelInput, AIMessage]", model.bind_tools(tools, **more))


def _titled(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same, with the schema's name in the schema too: LangChain's own models look for it there."""
    about: Any = wanted.get("json_schema")
    if not isinstance(about, dict) or "schema" not in about:
        return wanted
    described = cast("dict[str, Any]", about)
    return {**wanted, "json_schema": {**described, "schema": {"title": described.get("name"), **described["schema"]}}}


def _plain(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A function alone, without the dress of OpenAI's wire, unless how strict it is has been said."""
    function: Any = tool.get("function")
    if isinstance(function, dict) and "strict" not in function:
        return cast("Mapping[str, Any]", function)
    return tool


def _rest(request: Request) -> dict[str, Any]:
    """What is sent beside messages and tools."""
    rest = {name: value for name, value in request.params.items() if name != "parallel_tool_calls"}
    if request.response_format is not None and not request.tools:
        rest["response_format"] = request.response_format
    return rest


def _answer(message: AIMessage) -> Answer:
    return Answer(
        text=str(message.text),
        finish_reason=_finish_reason(message),
        usage=_usage(message.usage_metadata),
        model=message.response_metadata.get("model_name"),
        native=message,
    )


def _finish_reason(message: AIMessage) -> str | None:
    about = message.response_metadata
    return about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")


def _usage(usage: UsageMetadata | None) -> Usage | None:
    if usage is None:
        return None
    cached = usage.get("input_token_details", {}).get("cache_read", 0)
    reasoning = usage.get("output_token_details", {}).get("reasoning", 0)
    return Usage(usage["input_tokens"], usage["output_tokens"], cached, reasoning)


class _Whole:
    """A stream's messages as chunks. What they say of the whole is added up and said at its end."""

    def __init__(self) -> None:
        self._usage: UsageMetadata | None = None
        self._finish_reason: str | None = None

    def chunk(self, message: AIMessage) -> Chunk:
        self._finish_reason = _finish_reason(message) or self._finish_reason
        if message.usage_metadata is not None:
            self._usage = add_usage(self._usage, message.usage_metadata)
        piece = _as_chunk(message)
        shown = bool(piece.content or piece.tool_call_chunks or piece.additional_kwargs)
        return Chunk(text=str(piece.text), native=piece if shown else None)

    def end(self) -> Chunk:
        return Chunk(finish_reason=self._finish_reason or "stop", usage=_usage(self._usage))


def _as_chunk(message: AIMessage) -> AIMessageChunk:
    """A model that does not stream hands over a whole message."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        tool_calls=message.tool_calls,
        invalid_tool_calls=message.invalid_tool_calls,
    )


@contextmanager
def _failures(deployment: Deployment, patience: Patience | None = None) -> Generator[None]:
    """Whatever a model raises, as the failure that it stands for; bugs are shown as they are."""
    try:
        yield
    except _BUGS:
        raise
    except _OverdueError:
        assert patience is not None
        raise unreachable(deployment, "timeout", patience.problem, sent=True) from None
    except Exception as error:
        raise _failure(deployment, error) from error


def _failure(deployment: Deployment, error: Exception) -> ProviderError:
    response: Any = getattr(error, "response", None)
    status: Any = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(status, int):
        headers = {str(k).lower(): str(v) for k, v in dict(getattr(response, "headers", None) or {}).items()}
        return refused(deployment, status, headers, _body(response, error))
    kind, sent = _kind(error)
    return unreachable(deployment, kind, f"{type(error).__name__}: {error}", sent=sent)


def _body(response: Any, error: Exception) -> bytes:
    text: Any
    try:
        text = response.text
    except Exception:  # noqa: BLE001  a streamed response that was not read says so in whatever way its library does
        text = None
    return (text if isinstance(text, str) and text else str(error)).encode()


def _kind(error: Exception) -> tuple[FailureKind, bool]:
    """The kind of an error without a status, and whether the request may have arrived."""
    for kind in type(error).__mro__:
        if kind in _KINDS:
            return _KINDS[kind], True
        name = kind.__name__
        if kind is TimeoutError or "Timeout" in name:
            return "timeout", True
        if name in {"ConnectError", "ConnectionRefusedError", "gaierror"}:
            return "connection", False
        if kind is ConnectionError or name in {"APIConnectionError", "TransportError"}:
            return "connection", True
    return "unknown", True
