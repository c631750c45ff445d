"""Hearing from Redis that a slot was handed over: one connection and one thread, from the first ticket on.

The server publishes a ticket's id on its client's channel when it has made the reservation. What was said while nobody
listened (before the connection stood, or while it was broken) is lost; so whoever watched meanwhile is called when the
connection stands, and asks again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_log = logging.getLogger("rotor_core")

Called = Callable[[], None]

EARLY = 256
"""Calls that came before anybody watched, remembered at most."""

PAUSES = (0.05, 0.2, 1.0, 5.0)
"""Seconds between attempts to listen again."""


class Calls:
    """`channel`: where this client is told. `ready`: set while it listens."""

    def __init__(self, client: Callable[[], Any], channel: str) -> None:
        self._client, self.channel = client, channel
        self.ready = threading.Event()
        self._lock = threading.Lock()
        self._watching: dict[str, Called] = {}
        self._early: dict[str, None] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._heard: Any = None

    def listen(self) -> None:
        """Begin to listen, if that has not begun. Does not wait for the connection."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="rotor-redis-calls", daemon=True
                )
                self._thread.start()

    def watch(self, ticket_id: str, called: Called, *, sure: bool) -> None:
        """Run `called` when the ticket's id is heard. Not `sure`: it may have been said while nobody listened."""
        with self._lock:
            early = ticket_id in self._early
            if early:
                del self._early[ticket_id]
            elif sure or not self.ready.is_set():
                self._watching[ticket_id] = called
                return
        _tell(called)

    def forget(self, ticket_id: str) -> None:
        with self._lock:
            self._watching.pop(ticket_id, None)
            self._early.pop(ticket_id, None)

    def close(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
            heard = self._heard
        if heard is not None:
            with suppress(Exception):
                heard.connection.disconnect()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _run(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                self._hear(stop)
                failures = 0
            except Exception as error:  # noqa: BLE001  whatever it is: listen again, waiters ask by themselves meanwhile
                if self.ready.is_set():
                    failures = 0
                self.ready.clear()
                _log.debug("not listening for slots at present: %s", type(error).__name__)
                stop.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def _hear(self, stop: threading.Event) -> None:
        with self._client().pubsub() as heard:
            heard.subscribe(self.channel)
            self._heard = heard
            try:
                while not stop.is_set():
                    message = heard.get_message(timeout=5.0)
                    if message is None:
                        continue
                    if message["type"] == "subscribe":
                        self._stands()
                    elif message["type"] == "message":
                        self._said(message["data"].decode())
            finally:
                self._heard = None
                self.ready.clear()

    def _stands(self) -> None:
        with self._lock:
            self.ready.set()
            missed, self._watching = list(self._watching.values()), {}
        for called in missed:
            _tell(called)

    def _said(self, ticket_id: str) -> None:
        with self._lock:
            called = self._watching.pop(ticket_id, None)
            if called is None:
                self._early[ticket_id] = None
                while len(self._early) > EARLY:
                    del self._early[next(iter(self._early))]
        if called is not None:
            _tell(called)


def _tell(called: Called) -> None:
    try:
        called()
    except Exception:  # noqa: BLE001  somebody else's event loop may be closed: no reason to stop listening
        _log.warning("an asker that waited for a slot could not be called", exc_info=True)
