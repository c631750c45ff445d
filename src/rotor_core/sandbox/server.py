"""The sandbox as a server: providers under `/<provider>`, and what a test wants to know and to break beside them.

POST /<provider>/v1/chat/completions, GET /<provider>/v1/models      each provider in its own dialect
GET  /_stats            a record of each request, `?since=N` for those after number N
GET  /_stats/summary    counts by status and model, and how many a limit refused
GET  /_control          the faults that are set, and how many requests each has met
POST /_control          {"fault": {"kind": "hang", ...}}, {"lift": true or a number}, {"release": true}, {"reset": true}
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs

from rotor_core._errors import ConfigError, RotorError
from rotor_core._policy.content import fields
from rotor_core.sandbox.dialects import dialect
from rotor_core.sandbox.dialects.base import Incoming, to_json
from rotor_core.sandbox.exchange import House, Surroundings, Visit, wrong_key
from rotor_core.sandbox.faults import Faults, read_fault
from rotor_core.sandbox.http import Connection, HttpRequest, Responder
from rotor_core.sandbox.journal import Journal, Record
from rotor_core.sandbox.provider import ProviderModel
from rotor_core.sandbox.spec import SandboxSpec, base_url

Clock = Callable[[], float]

_log: Final = logging.getLogger("rotor_core.sandbox")
_JSON: Final = (("content-type", "application/json"),)
_BACKLOG: Final = 1024
_COMMANDS: Final = frozenset({"fault", "lift", "release", "reset"})


class SandboxError(RotorError):
    """The sandbox cannot do what is asked of it: no such provider, no free port, a fault that there is not."""


class Server:
    """A running sandbox within an event loop. `clock`: seconds since the epoch, for tests that have their own time."""

    def __init__(self, spec: SandboxSpec, *, clock: Clock = time.time, seed: int = 1) -> None:
        self.spec = spec
        self.faults = Faults()
        self.journal = Journal()
        self._clock = clock
        self._houses = {
            name: House(imitation, ProviderModel(imitation), dialect(imitation.dialect))
            for name, imitation in spec.providers.items()
        }
        self._hanging = asyncio.Event()
        self._number = 0
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._around = Surroundings(
            clock,
            Random(seed),  # noqa: S311  latencies, not secrets
            self.faults.next,
            self._until_released,
        )

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, on a free port where `port` is 0; the address is `http://host:port`. Raises `SandboxError`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._handle, self._connections), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise SandboxError(f"the sandbox cannot listen on {host}:{port}: {error.strerror or error}") from None
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for _ in range(2):  # once more for those that were being accepted
            await asyncio.gather(*(connection.shut() for connection in list(self._connections)))
            await asyncio.sleep(0)  # so that the dropped transports close their sockets
        if self._server is not None:
            await self._server.wait_closed()

    async def _until_released(self) -> None:
        """Wait for the next `release`: the event is another one after each."""
        await self._hanging.wait()

    async def _handle(self, request: HttpRequest, responder: Responder) -> None:
        name, _, path = request.path.removeprefix("/").partition("/")
        house = self._houses.get(name)
        if house is None:
            self._own(request, responder)
            return
        self._number += 1
        record = Record(self._number, self._clock(), name, f"/{path}")
        begun = time.perf_counter()
        try:
            await self._visit(
                house,
                Incoming(request.method, f"/{path}", request.headers, request.body, request.query),
                record,
                responder,
            )
        except Exception as error:  # noqa: BLE001  a bug here must not look like a broken connection
            _log.exception("a bug of the sandbox, at request %d", record.number)
            record.status, record.ended = 500, "bug"
            responder.give_up(_JSON, to_json({"error": {"message": f"a bug of the sandbox: {error!r}"}}))
        finally:
            record.seconds = round(time.perf_counter() - begun, 6)
            self.journal.add(record)

    async def _visit(self, house: House, incoming: Incoming, record: Record, responder: Responder) -> None:
        what = house.dialect.route(incoming)
        if what == "chat":
            await Visit(house, incoming, record, responder, self._around).chat()
            return
        if what == "models":
            reply = wrong_key(house, incoming) or house.dialect.models(house.imitation, incoming.path)
        else:
            reply = house.dialect.trouble("no_route", 404)
        record.status, record.ended = reply.status, "whole"
        responder.whole(reply.status, reply.headers, reply.body)

    # ---- what is the sandbox's own --------------------------------------------------------------------------------

    def _own(self, request: HttpRequest, responder: Responder) -> None:
        try:
            status, answer = self._asked(request)
        except (ConfigError, ValueError) as error:
            status, answer = 400, {"error": {"message": str(error)}}
        responder.whole(status, _JSON, to_json(answer))

    def _asked(self, request: HttpRequest) -> tuple[int, Any]:
        match request.method, request.path:
            case "GET", "/":
                return 200, self._index(request)
            case "GET", "/_stats":
                since = int(parse_qs(request.query).get("since", ["0"])[0])
                return 200, [record.to_dict() for record in self.journal.records if record.number > since]
            case "GET", "/_stats/summary":
                return 200, self.journal.summary()
            case "GET", "/_control":
                return 200, {str(number): fault for number, fault in self.faults.listed().items()}
            case "POST", "/_control":
                return 200, self._control(json.loads(request.body))
            case _:
                known = ", ".join(base_url("", name, house.imitation.dialect) for name, house in self._houses.items())
                return 404, {"error": {"message": f"nothing is at {request.path}; providers are at {known}"}}

    def _index(self, request: HttpRequest) -> dict[str, Any]:
        address = f"http://{request.headers.get('host', '127.0.0.1')}"
        return {
            "providers": {
                name: {
                    "base_url": base_url(address, name, imitation.dialect),
                    "dialect": imitation.dialect,
                    "models": list(imitation.models),
                }
                for name, imitation in self.spec.providers.items()
            }
        }

    def _control(self, sent: object) -> dict[str, Any]:
        """Do what is asked, in the order reset, lift, release, fault."""
        commands = fields(sent)
        unknown = [name for name in commands if name not in _COMMANDS]
        if unknown or not commands:
            raise ConfigError(
                "unknown command", key=unknown[0] if unknown else None, expected=" or ".join(sorted(_COMMANDS))
            )
        if commands.get("reset"):
            self.reset()
        lifted = commands.get("lift")
        if lifted:
            self.faults.lift(None if lifted is True else int(lifted))
        if commands.get("release"):
            self.release()
        if "fault" in commands:
            return {"ok": True, "fault": self.fault(fields(commands["fault"]))}
        return {"ok": True}

    def reset(self) -> None:
        """As new: nothing counted, nothing recorded, no faults; what hangs is let go."""
        for house in self._houses.values():
            house.reset()
        self.journal.reset()
        self.faults.lift()
        self.release()

    def release(self) -> None:
        """Let go what hangs now."""
        self._hanging.set()
        self._hanging = asyncio.Event()

    def fault(self, described: Mapping[str, Any]) -> int:
        """Set a fault. Raises `ConfigError` for one that makes no sense here."""
        fault = read_fault(described)
        for name, value, known in (
            ("provider", fault.provider, list(self._houses)),
            ("model", fault.model, [m for i in self.spec.providers.values() for m in i.models]),
            ("key", fault.key, [k.id for i in self.spec.providers.values() for k in i.keys]),
        ):
            if value is not None and value not in known:
                raise ConfigError("is not in this sandbox", key=name, value=value, expected=" or ".join(known))
        return self.faults.set(fault)


async def run(
    spec: SandboxSpec,
    stopped: Callable[[asyncio.Event], None],
    on_ready: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock = time.time,
    seed: int = 1,
) -> None:
    """Run until told to stop. `stopped` is given the event to set; `on_ready` the address, once it is listening."""
    server = Server(spec, clock=clock, seed=seed)
    address = await server.start(host, port)
    stop = asyncio.Event()
    stopped(stop)
    try:
        on_ready(address)
        await stop.wait()
    finally:
        await server.stop()


def serve(
    spec: SandboxSpec | Mapping[str, Any] | str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None] | None = None,
    *,
    seed: int = 1,
) -> None:
    """Run a sandbox here until interrupted (SIGINT, SIGTERM). `spec`: a description, or a preset's name.

    `on_ready` gets the address, such as `http://127.0.0.1:8765`. Raises `ConfigError` for a description that is none
    and `SandboxError` where the port is taken.
    """
    from rotor_core.sandbox.presets import spec_of  # noqa: PLC0415  presets know of specs

    known = spec_of(spec)

    def stopped(stop: asyncio.Event) -> None:
        # Only the main thread has signals, and not every platform has them in its loop.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    with suppress(KeyboardInterrupt):
        asyncio.run(run(known, stopped, on_ready or (lambda _: None), host=host, port=port, seed=seed))
