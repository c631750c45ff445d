"""The sandbox as an object: started by `with`, asked and broken by methods, gone at the end.

It runs in a thread of this process, or with `process=True` in a process of its own, which leaves this one's
interpreter lock alone. Either way it is spoken to over HTTP, so both behave alike.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, Queue
from typing import Any, Self
from urllib.parse import urlsplit

from rotor_core.sandbox.presets import spec_of
from rotor_core.sandbox.server import Clock, SandboxError, run
from rotor_core.sandbox.spec import SandboxSpec, base_url, config_of

_PATIENCE = 30.0
"""Seconds for a sandbox to start, to answer and to end."""


class Sandbox:
    """Providers on loopback.

        with Sandbox(spec) as box:
            rotor = Rotor.from_config(box.config())

    `spec`: a description (see `spec`), or a preset's name; `demo` when absent. `clock` gives a sandbox in a thread its
    own time, in seconds since the epoch. Raises `ConfigError` for a description that is none.
    """

    def __init__(
        self,
        spec: SandboxSpec | Mapping[str, Any] | str | None = None,
        *,
        process: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        seed: int = 1,
    ) -> None:
        if process and clock is not None:
            raise ValueError("a sandbox in a process of its own has the real time: no `clock` with `process=True`")
        self.spec = spec_of(spec)
        self._runner: _Thread | _Process = (
            _Process(self.spec, host, port, seed)
            if process
            else _Thread(self.spec, host, port, seed, clock or time.time)
        )
        self._address: str | None = None

    def __enter__(self) -> Self:
        self._address = self._runner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and wait until it has. Doing it twice changes nothing."""
        self._address = None
        self._runner.stop()

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`. Raises `SandboxError` while it does not run."""
        if self._address is None:
            raise SandboxError("the sandbox is not running: use it within `with`")
        return self._address

    def url(self, provider: str) -> str:
        """The base URL of a provider: what precedes `/chat/completions` for most. Raises `SandboxError` for an unknown one."""
        self._known(provider)
        return base_url(self.address, provider, self.spec.providers[provider].dialect)

    def key(self, provider: str, number: int = 1) -> str:
        """A provider's key, numbered from 1. Raises `SandboxError` for one that there is not."""
        self._known(provider)
        keys = self.spec.providers[provider].keys
        if not 1 <= number <= len(keys):
            raise SandboxError(f"{provider} has {len(keys)} keys in this sandbox, no number {number}")
        return keys[number - 1].secret.reveal()

    def config(self, **more: Any) -> dict[str, Any]:
        """A `rotor.yaml` as a mapping: every provider at its place here, with its models, limits and keys. `more` on top."""
        return {**config_of(self.spec.written, self.address), **more}

    def stats(self, since: int = 0) -> list[dict[str, Any]]:
        """A record of each request that has ended, as `journal.Record` describes it, after number `since`."""
        found: list[dict[str, Any]] = self._ask("GET", f"/_stats?since={since}")
        return found

    def summary(self) -> dict[str, Any]:
        """Counts: `requests`, `refusals`, `by_status`, `answered` by `provider/model`."""
        found: dict[str, Any] = self._ask("GET", "/_stats/summary")
        return found

    def refusals(self) -> int:
        """How many requests a limit has refused so far; those of faults do not count."""
        return int(self.summary()["refusals"])

    def fault(self, kind: str | int, **about: Any) -> int:
        """Let something go wrong, as `faults.Fault` describes it; a number is an error of that status.

        The answer is the number to `lift` it by. Raises `SandboxError` for a fault, provider, model or key that there
        is not.
        """
        described = {"kind": "status", "status": kind} if isinstance(kind, int) else {"kind": kind}
        return int(self._ask("POST", "/_control", {"fault": {**described, **about}})["fault"])

    def faults(self) -> dict[int, dict[str, Any]]:
        """The faults that are set, by number; `met` in each says how many requests it has hit so far."""
        return {int(number): about for number, about in self._ask("GET", "/_control").items()}

    def lift(self, number: int | None = None) -> None:
        """Take one fault away, or all. What hangs already goes on hanging: see `release`."""
        self._ask("POST", "/_control", {"lift": True if number is None else number})

    def release(self) -> None:
        """Let every request go on that hangs now."""
        self._ask("POST", "/_control", {"release": True})

    def reset(self) -> None:
        """As new: nothing counted, nothing recorded, no faults."""
        self._ask("POST", "/_control", {"reset": True})

    def _known(self, provider: str) -> None:
        if provider not in self.spec.providers:
            known = ", ".join(self.spec.providers)
            raise SandboxError(f"there is no provider {provider!r} in this sandbox, only {known}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        there = urlsplit(self.address)
        connection = http.client.HTTPConnection(there.hostname or "127.0.0.1", there.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except OSError as error:
            raise SandboxError(f"the sandbox at {self.address} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise SandboxError(answer["error"]["message"])
        return answer


class _Thread:
    """A sandbox in a daemon thread."""

    def __init__(self, spec: SandboxSpec, host: str, port: int, seed: int, clock: Clock) -> None:
        self._spec, self._host, self._port, self._seed, self._clock = spec, host, port, seed, clock
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] | None = None

    def start(self) -> str:
        started: Queue[str | Exception] = Queue()
        self._thread = threading.Thread(target=self._run, args=(started,), name="rotor-sandbox", daemon=True)
        self._thread.start()
        try:
            told = started.get(timeout=_PATIENCE)
        except Empty:
            raise SandboxError(f"the sandbox did not start within {_PATIENCE:g} seconds") from None
        if isinstance(told, Exception):
            self._thread.join()
            raise told
        return told

    def stop(self) -> None:
        if self._thread is None or self._stop is None:
            return
        self._stop()
        self._thread.join(_PATIENCE)
        self._thread = self._stop = None

    def _run(self, started: Queue[str | Exception]) -> None:
        def stopped(event: asyncio.Event) -> None:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                loop.call_soon_threadsafe(event.set)

            self._stop = stop

        try:
            asyncio.run(
                run(
                    self._spec, stopped, started.put,
                    host=self._host, port=self._port, clock=self._clock, seed=self._seed,
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  told to whoever started the thread
            started.put(error)


class _Process:
    """A sandbox in a process of its own, which ends when its standard input does: it never outlives this one."""

    def __init__(self, spec: SandboxSpec, host: str, port: int, seed: int) -> None:
        self._order = json.dumps({"spec": dict(spec.written), "host": host, "port": port, "seed": seed})
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rotor_core.sandbox"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._order + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        told: dict[str, str] = json.loads(line) if line else {"error": "the sandbox's process ended before it began"}
        if "error" in told:
            self.stop()
            raise SandboxError(told["error"])
        return told["address"]

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
