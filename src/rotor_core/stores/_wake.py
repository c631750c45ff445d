"""Waking waiters of other processes on this machine: a datagram on the loopback says that a ticket's turn has come.

It carries nothing but the ticket's id and is only a hint to look at the journal, so it does no harm when it comes twice,
late, from a stranger, or for a waiter that is gone; and a lost one costs no more than the time until the waiter asks by
itself.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

_log = logging.getLogger("rotor_core")

_HERE: Final = "127.0.0.1"
_LONGEST: Final = 512


class Bell:
    """`rung` runs in a thread of the bell's own, with the id of a ticket."""

    def __init__(self, rung: Callable[[str], None]) -> None:
        self._rung = rung
        self._socket: socket.socket | None = None
        self.address = ""
        self._deaf = False

    def open(self) -> str:
        """Listen, if that has not begun; the address. Empty where this machine has no loopback."""
        if self._socket is None and not self._deaf:
            try:
                self._socket = listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                listening.bind((_HERE, 0))
            except OSError as error:
                self.drop()
                self._deaf = True
                _log.warning("waiters of this process cannot be woken by others (%s): they ask now and then", error)
                return ""
            self.address = f"{_HERE}:{listening.getsockname()[1]}"
            threading.Thread(target=_listen, args=(listening, self._rung), name="rotor-bell", daemon=True).start()
        return self.address

    def ring(self, whom: Iterable[tuple[str, str]]) -> None:
        """Wake waiters, given as `(address, ticket id)`. Never raises."""
        for address, ticket_id in whom:
            host, _, port = address.rpartition(":")
            if host != _HERE or not port.isdecimal() or address == self.address:
                continue
            with suppress(OSError, OverflowError), _sender() as sender:
                sender.sendto(ticket_id.encode()[:_LONGEST], (host, int(port)))

    def close(self) -> None:
        """End the thread."""
        listening, address = self._socket, self.address
        self._socket, self.address = None, ""
        if listening is not None:
            with suppress(OSError), _sender() as sender:
                sender.sendto(b"", (_HERE, int(address.rpartition(":")[2])))

    def drop(self) -> None:
        """After a fork, in the child, whose copy of the socket nobody listens at."""
        listening, self._socket, self.address = self._socket, None, ""
        if listening is not None:
            listening.close()


def _sender() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(0.0)
    return made


def _listen(listening: socket.socket, rung: Callable[[str], None]) -> None:
    with listening:
        while True:
            try:
                said, _ = listening.recvfrom(_LONGEST)
            except ConnectionError:
                continue  # somebody to whom nothing was ever sent through this socket: one system's way
            except OSError:
                return
            if not said:
                return
            with suppress(Exception):
                rung(said.decode("utf-8", "replace"))
