"""The HTTP of the sandbox where a real client would not get: a peer that does not read, a body without measure."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import threading

import httpx
import pytest

from rotor_core.sandbox import __main__ as process
from rotor_core.sandbox import http, serve
from rotor_core.sandbox.http import Connection, HttpRequest, Responder


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_does_not_read_is_waited_for():
    async def handler(_: HttpRequest, responder: Responder) -> None:
        responder.start(200, ())
        await responder.send(b"one")
        await responder.send(b"two")
        responder.end()

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.pause_writing()
    connection.data_received(GET)
    await settle()
    assert b"one" in wire.written
    assert b"two" not in wire.written
    connection.resume_writing()
    connection.resume_writing()
    await settle()
    assert b"two" in wire.written
    assert wire.written.endswith(b"0\r\n\r\n")


async def test_a_peer_that_goes_while_it_is_waited_for_ends_the_answer():
    ended = []

    async def handler(_: HttpRequest, responder: Responder) -> None:
        try:
            responder.start(200, ())
            await responder.send(b"one")
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.pause_writing()
    connection.data_received(GET)
    await settle()
    wire.close()
    connection.connection_lost(None)
    await settle()
    assert ended == [True]


async def test_a_body_without_measure_is_refused(monkeypatch):
    monkeypatch.setattr(http, "_LARGEST_BODY", 10)

    async def handler(_: HttpRequest, responder: Responder) -> None:
        raise AssertionError("it should not come to that")

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\nhello world")
    assert wire.written.startswith(b"HTTP/1.1 413")
    assert wire.closed


async def test_an_answer_that_was_not_finished_closes_the_connection():
    async def handler(_: HttpRequest, responder: Responder) -> None:
        responder.start(200, ())

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.data_received(GET)
    await settle()
    assert wire.closed


async def test_giving_up_in_the_middle_ends_the_connection():
    async def handler(_: HttpRequest, responder: Responder) -> None:
        responder.start(200, ())
        responder.give_up((), b"{}")

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.data_received(GET)
    await settle()
    assert wire.closed
    assert b"500" not in wire.written


async def test_what_is_not_http_while_an_answer_is_out_only_closes():
    async def handler(_: HttpRequest, responder: Responder) -> None:
        responder.whole(200, (), b"ok")

    wire, connection = Wire(), Connection(handler, set())
    connection.connection_made(wire)
    connection.data_received(GET + b"nonsense\r\n\r\n")
    await settle()
    assert wire.written.count(b"HTTP/1.1") == 2
    assert b"HTTP/1.1 400" in wire.written
    assert wire.closed


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_serve_ends_by_a_signal():
    got = []

    def ready(address: str) -> None:
        def visit() -> None:
            got.append(httpx.get(f"{address}/").status_code)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=visit).start()

    serve("plain", on_ready=ready)
    assert got == [200]


class Told(io.StringIO):
    """Keeps what is written. `line`: set once it is a whole line."""

    def __init__(self) -> None:
        super().__init__()
        self.line = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if "\n" in text:
            self.line.set()
        return count


def run_process(monkeypatch, order: str, during) -> tuple[int, str]:
    """`main` with its standard input and output held here; `during` is run beside it with the output, then input ends."""
    read, write = os.pipe()
    out = Told()
    before = signal.getsignal(signal.SIGINT)

    def beside() -> None:
        try:
            os.write(write, order.encode())
            assert out.line.wait(60), "it never said where it is"
            during(out.getvalue())
        finally:
            os.close(write)

    helper = threading.Thread(target=beside)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", out)
        helper.start()
        try:
            status = process.main()
            helper.join()
        finally:
            signal.signal(signal.SIGINT, before)
    return status, out.getvalue()


PLAIN = (
    '{"spec": {"providers": {"lab": {"keys": [], "models": {"m": {}}}}}, "host": "127.0.0.1", "port": 0, "seed": 1}\n'
)


def test_the_process_says_where_it_is_and_ends_with_its_input(monkeypatch):
    seen = []
    status, out = run_process(monkeypatch, PLAIN, lambda said: seen.append(httpx.get(said.split('"')[3]).status_code))
    assert (status, seen) == (0, [200])
    assert out.startswith('{"address": "http://127.0.0.1:')


def test_the_process_says_what_is_wrong(monkeypatch):
    status, out = run_process(monkeypatch, PLAIN.replace('"keys": []', '"kesy": []'), lambda _: None)
    assert status == 1
    assert "kesy" in out
