"""An adapter for whoever has a `Wire`: one HTTP exchange for each call, blocking or not, whole or streamed.

What is sent and what comes back is read by pure code (a `Wire`, and `failures`); how bytes travel is a transport's
(`http`). The four methods here differ in nothing but how they wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import ClassVar, Final

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request
from rotor_core.adapters import failures, http
from rotor_core.adapters.http import AsyncTransport, Endpoint, ExchangeError, Received, Transport
from rotor_core.adapters.patience import Patience
from rotor_core.adapters.wire import LiveModel, Reader, UnfitError, Wire, WireError

USER_AGENT: Final = "llm-rotor/0.1"
_REMEMBERED: Final = 10_000
"""Endpoints kept at once: more deployments than anyone has, so that only a stream of new catalogs ever clears them."""


class HttpAdapter:
    """A provider's adapter is a subclass with its `wire`. One instance serves all deployments, threads and event loops. See `rotor_core.adapters.base.Adapter`.

    `transport`: `auto` takes aiohttp for event loops where it is installed and httpx otherwise; `ROTOR_TRANSPORT` may
    name one too. Blocking calls are always httpx's. Raises ConfigError for any other name.
    """

    wire: ClassVar[Wire]

    def __init__(self, transport: str = "auto") -> None:
        self._wanted: http.TransportName = http.wanted(transport)
        self._blocking: Transport | None = None
        self._async: AsyncTransport | None = None
        self._making = threading.Lock()
        self._endpoints: dict[tuple[Deployment, bool], Endpoint] = {}

    def call(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        endpoint, body = self._prepare(deployment, request, stream=False)
        try:
            received = self._transport().send(endpoint, body, timeout)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        else:
            return self._answer(deployment, received)
        raise failed  # outside of the handler: a transport's exception may show what it sent, and must not tag along

    async def acall(self, deployment: Deployment, request: Request, *, timeout: float) -> Answer:
        endpoint, body = self._prepare(deployment, request, stream=False)
        try:
            received = await (self._async or self._async_transport()).send(endpoint, body, timeout)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        else:
            return self._answer(deployment, received)
        raise failed

    def stream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> Iterator[Chunk]:
        endpoint, body = self._prepare(deployment, request, stream=True)
        reading = _Reading(deployment, self.wire)
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
        except (ExchangeError, WireError) as error:
            failed = reading.failed(error)
        else:
            return
        raise failed

    async def astream(self, deployment: Deployment, request: Request, *, timeouts: Timeouts) -> AsyncIterator[Chunk]:
        endpoint, body = self._prepare(deployment, request, stream=True)
        reading = _Reading(deployment, self.wire)
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
        except (ExchangeError, WireError) as error:
            failed = reading.failed(error)
        else:
            return
        raise failed

    def list_models(self, provider: Provider, secret: Secret, *, timeout: float) -> tuple[LiveModel, ...] | None:
        """The models that the provider lists for a key, which costs nothing; None where it lists none.

        Raises ProviderError, as a call would: of the kind `auth` for a bad key.
        """
        deployment = Deployment(
            provider.name, provider, Model("models"), Credential(provider.name, secret, provider.name, provider.name)
        )
        url = self.wire.models_url(provider.base_url.rstrip("/"))
        if url is None:
            return None
        try:
            endpoint = http.endpoint(url, self._headers(provider, secret), provider.proxy)
            received = self._transport().send(endpoint, None, timeout)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
            raise failed from None
        status, headers, content = received
        if not 200 <= status < 300:
            raise failures.refused(deployment, status, headers, content)
        try:
            return _named(provider, self.wire.models(content))
        except WireError as error:
            failed = _malformed(deployment, error, headers, content, status)
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
            endpoint = self._endpoints.get((deployment, stream)) or self._endpoint(deployment, stream=stream)
            return endpoint, self.wire.encode(deployment.model, request, stream=stream)
        except ExchangeError as error:
            failed = _unreachable(deployment, error)
        except UnfitError as error:
            failed = failures.unfit(deployment, str(error))
        except (TypeError, ValueError, RecursionError) as error:
            failed = failures.unreachable(
                deployment, "bad_request", f"was not asked: the request cannot be written as JSON: {error}", sent=False
            )
        raise failed

    def _endpoint(self, deployment: Deployment, *, stream: bool) -> Endpoint:
        provider = deployment.provider
        headers = self._headers(provider, deployment.credential.secret)
        url = self.wire.url(provider.base_url.rstrip("/"), deployment.model.name, stream=stream)
        endpoint = http.endpoint(url, headers, provider.proxy)
        if len(self._endpoints) >= _REMEMBERED:
            self._endpoints.clear()
        self._endpoints[deployment, stream] = endpoint
        return endpoint

    def _headers(self, provider: Provider, secret: Secret) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "gzip, deflate",
        }
        headers |= self.wire.headers(secret)
        own = {name.lower() for name in provider.headers}
        return {name: value for name, value in headers.items() if name.lower() not in own} | dict(provider.headers)

    def _answer(self, deployment: Deployment, received: Received) -> Answer:
        status, headers, content = received
        if not 200 <= status < 300:
            raise failures.refused(deployment, status, headers, content)
        try:
            return self.wire.decode(content, headers)
        except WireError as error:
            failed = _malformed(deployment, error, headers, content, status)
        raise failed

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

    def __init__(self, deployment: Deployment, wire: Wire) -> None:
        self._deployment, self._wire = deployment, wire
        self._status = 0
        self._reader: Reader = wire.reader({})
        self._headers: dict[str, str] = {}
        self._patience: Patience | None = None

    @property
    def done(self) -> bool:
        return self._reader.done

    def begin(self, status: int, headers: dict[str, str], patience: Patience) -> bool:
        """Whether there is a stream to read; if not, `refuse` it by its whole body."""
        self._status, self._headers, self._patience = status, headers, patience
        self._reader = self._wire.reader(headers)
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

    def failed(self, error: ExchangeError | WireError) -> ProviderError:
        if isinstance(error, ExchangeError):
            return _unreachable(self._deployment, error)
        return _malformed(self._deployment, error, self._headers, _seen(self._reader.opening), self._status)


def _seen(opening: bytes) -> bytes:
    """What of a stream's opening may be shown: a secret that its end cuts through would not be known for one."""
    return opening if len(opening) < _CUT else opening[:-_LONGEST_SECRET]


_CUT: Final = 4_000
_LONGEST_SECRET: Final = 1_000


def _named(provider: Provider, models: Sequence[LiveModel]) -> tuple[LiveModel, ...]:
    """Those that can be asked for: an entry without a name, or with something else in its place, costs a line in the log."""
    named = tuple(model for model in models if model.name)
    if len(named) < len(models):
        _log.warning("%s lists %d models without a name, which were left out", provider.name, len(models) - len(named))
    return named


_log: Final = logging.getLogger("rotor_core")


def _malformed(
    deployment: Deployment, error: WireError, headers: dict[str, str], content: bytes, status: int
) -> ProviderError:
    if error.error_body is not None:
        return failures.refused(deployment, None, headers, error.error_body.encode("utf-8", "replace"))
    return failures.malformed(deployment, str(error), headers, content, status)


def _unreachable(deployment: Deployment, error: ExchangeError) -> ProviderError:
    problem = str(error) if error.sent else f"{error} (base_url {deployment.provider.base_url})"
    return failures.unreachable(deployment, error.kind, problem, sent=error.sent)
