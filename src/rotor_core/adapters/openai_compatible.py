"""The adapter for everyone who speaks OpenAI's chat completions: `adapter: openai-compatible` in a configuration.

What is sent and what comes back is read by pure code (`openai_wire`, `openai_stream`, `failures`); how bytes travel is
a transport's (`http`). The four methods here differ in nothing but how they wait.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import Final

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request
from rotor_core.adapters import failures, http
from rotor_core.adapters import openai_wire as wire
from rotor_core.adapters.http import AsyncTransport, Endpoint, ExchangeError, Received, Transport
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.patience import Patience
from rotor_core.hookspecs import ProviderSpec, hookimpl

PATH: Final = "/chat/completions"
USER_AGENT: Final = "llm-rotor/0.1"
_REMEMBERED: Final = 10_000
"""Endpoints kept at once: more deployments than anyone has, so that only a stream of new catalogs ever clears them."""


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Any server that speaks this dialect; where it is, the configuration says."""
    return [ProviderSpec("openai-compatible", adapter="rotor_core.adapters.openai_compatible:OpenAICompatible")]


class OpenAICompatible:
    """One instance serves all deployments, threads and event loops. See `rotor_core.adapters.base.Adapter`.

    `transport`: `auto` takes aiohttp for event loops where it is installed and httpx otherwise; `ROTOR_TRANSPORT` may
    name one too. Blocking calls are always httpx's. Raises ConfigError for any other name.
    """

    def __init__(self, transport: str = "auto") -> None:
        self._wanted: http.TransportName = http.wanted(transport)
        self._blocking: Transport | None = None
        self._async: AsyncTransport | None = None
        self._making = threading.Lock()
        self._endpoints: dict[Deployment, Endpoint] = {}

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        endpoint, body = self._prepare(deployment, request, stream=False)
        try:
            received = self._transport().send(endpoint, body, timeout)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        else:
            return _answer(deployment, received)
        raise failed  # outside of the handler: a transport's exception may show what it sent, and must not tag along

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        endpoint, body = self._prepare(deployment, request, stream=False)
        try:
            received = await self._async_transport().send(endpoint, body, timeout)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        else:
            return _answer(deployment, received)
        raise failed

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:
        endpoint, body = self._prepare(deployment, request, stream=True)
        reading = _Reading(deployment)
        try:
            with self._transport().open(endpoint, body, timeouts) as reply:
                if reading.begin(reply.status, reply.headers, reply.patience):
                    for piece in reply.pieces():
                        yield from reading.take(piece)
                        if reading.done:
                            break
                    yield from reading.end()
                    reply.drain()
                else:
                    reading.refuse(reply.read())
        except (ExchangeError, wire.WireError) as error:
            failed = reading.failed(error)
        else:
            return
        raise failed

    async def astream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> AsyncIterator[Chunk]:
        endpoint, body = self._prepare(deployment, request, stream=True)
        reading = _Reading(deployment)
        try:
            async with self._async_transport().open(endpoint, body, timeouts) as reply:
                if reading.begin(reply.status, reply.headers, reply.patience):
                    async with aclosing(reply.pieces()) as pieces:
                        async for piece in pieces:
                            for chunk in reading.take(piece):
                                yield chunk
                            if reading.done:
                                break
                    for chunk in reading.end():
                        yield chunk
                    await reply.drain()
                else:
                    reading.refuse(await reply.read())
        except (ExchangeError, wire.WireError) as error:
            failed = reading.failed(error)
        else:
            return
        raise failed

    def close(self) -> None:
        """Close all connections; a later call opens new ones. Those of running event loops are closed by their loops."""
        for transport in (self._blocking, self._async):
            if transport is not None:
                transport.close()

    async def aclose(self) -> None:
        """As `close`, and wait for the running event loop's own connections."""
        if self._async is not None:
            await self._async.aclose()
        if self._blocking is not None:
            self._blocking.close()

    def _prepare(self, deployment: Deployment, request: Request, *, stream: bool) -> tuple[Endpoint, bytes]:
        """Where to and what, before anything is sent. Raises ProviderError for what cannot be."""
        try:
            endpoint = self._endpoints.get(deployment) or self._endpoint(deployment)
            return endpoint, wire.encode(deployment.model.name, request, stream=stream)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        except (TypeError, ValueError, RecursionError) as error:
            failed = failures.unreachable(
                deployment, "bad_request", f"was not asked: the request cannot be written as JSON: {error}", sent=False
            )
        raise failed

    def _endpoint(self, deployment: Deployment) -> Endpoint:
        provider = deployment.provider
        headers = {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "gzip, deflate",
        }
        secret = deployment.credential.secret
        if secret:
            headers["Authorization"] = f"Bearer {secret.reveal()}"
        own = {name.lower() for name in provider.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own} | dict(provider.headers)
        endpoint = http.endpoint(provider.base_url.rstrip("/") + PATH, headers, provider.proxy)
        if len(self._endpoints) >= _REMEMBERED:
            self._endpoints.clear()
        self._endpoints[deployment] = endpoint
        return endpoint

    def _transport(self) -> Transport:
        if self._blocking is None:
            with self._making:
                self._blocking = self._blocking or http.blocking_transport()
        return self._blocking

    def _async_transport(self) -> AsyncTransport:
        if self._async is None:
            with self._making:
                self._async = self._async or http.async_transport(self._wanted)
        return self._async


class _Reading:
    """One stream's story, from its status to its end. What it hears moves the exchange's deadline on.

    Every read ends at the deadline; but a server that sends comments or empty deltas while it has nothing to say lets
    every read succeed, so the deadline is looked at after each of them too.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._status = 0
        self._reader = StreamReader()
        self._headers: dict[str, str] = {}
        self._patience: Patience | None = None

    @property
    def done(self) -> bool:
        return self._reader.done

    def begin(self, status: int, headers: dict[str, str], patience: Patience) -> bool:
        """Whether there is a stream to read; if not, `refuse` it by its whole body."""
        self._status, self._headers, self._patience = status, headers, patience
        self._reader = StreamReader(headers)
        return 200 <= status < 300

    def refuse(self, content: bytes) -> None:
        raise failures.refused(self._deployment, self._status, self._headers, content)

    def take(self, piece: bytes) -> Iterator[Chunk]:
        patience, reader = self._patience, self._reader
        assert patience is not None
        notes = reader.notes
        for chunk in reader.feed(piece):
            yield chunk
            if chunk.has_content:
                patience.heard()  # from when the caller asks for more: its own time is not the provider's
        if reader.notes != notes:
            patience.heard(content=False)
        if not reader.done and patience.left() <= 0:
            raise http.overdue(patience, sent=True)

    def end(self) -> Iterator[Chunk]:
        return self._reader.end()

    def failed(self, error: ExchangeError | wire.WireError) -> ProviderError:
        if isinstance(error, ExchangeError):
            return _unreachable(self._deployment, error)
        return _malformed(self._deployment, error, self._headers, self._reader.opening, self._status)


def _answer(deployment: Deployment, received: Received) -> Answer:
    status, headers, content = received
    if not 200 <= status < 300:
        raise failures.refused(deployment, status, headers, content)
    try:
        return wire.decode(content, headers)
    except wire.WireError as error:
        failed = _malformed(deployment, error, headers, content, status)
    raise failed


def _malformed(
    deployment: Deployment, error: wire.WireError, headers: dict[str, str], content: bytes, status: int
) -> ProviderError:
    if error.error_body is not None:
        return failures.refused(deployment, None, headers, error.error_body.encode("utf-8", "replace"))
    return failures.malformed(deployment, str(error), headers, content, status)


def _unreachable(deployment: Deployment, error: ExchangeError) -> ProviderError:
    problem = str(error) if error.sent else f"{error} (base_url {deployment.provider.base_url})"
    return failures.unreachable(deployment, error.kind, problem, sent=error.sent)
