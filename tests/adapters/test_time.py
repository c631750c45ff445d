"""Nothing waits longer than it was told to, whatever a server does with its bytes: blocking calls and both async transports."""

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest
from tests.adapters.conftest import (
    HELLO,
    Caller,
    Scripted,
    answer_bytes,
    ask,
    chunked,
    closing,
    delta,
    deployment,
    failure_of,
    hanging,
    open_stream,
    stream_bytes,
    trickling,
)

from rotor_core._health import Timeouts
from rotor_core.adapters.http_deadline import DeadlineBackend, Wait
from rotor_core.adapters.http_httpx import HttpxTransport, _open_pool
from rotor_core.adapters.patience import Patience

SLACK = 2.0
"""Seconds that a loaded machine may be late. Not a bound of ours: without one, these servers would be waited for for ever."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"
SLOW = {
    "says nothing": hanging(),
    "trickles its headers": trickling(b"HTTP/1.1 200 OK\r\n", b"x-a: 1\r\n"),
    "trickles one header": trickling(b"HTTP/1.1 200 OK\r\nx-a: ", b"a"),
    "says again and again that it goes on": trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trickles its body": trickling(HEAD, b" "),
    "trickles a chunk": trickling(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n900\r\n", b" "),
    "stops within its body": hanging(HEAD + b'{"id": '),
    "trickles an error": trickling(b"HTTP/1.1 500 Oops\r\ncontent-length: 900\r\n\r\n", b" "),
}


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_server_that_is_slow_is_given_up_in_time(caller: Caller, server: Scripted, how, way):
    server.script = [SLOW[how]]
    begun = time.monotonic()
    error = await failure_of(getattr(caller, way)(deployment(server.base_url), timeout=0.25))
    assert time.monotonic() - begun < 0.25 + SLACK
    assert error.failure.kind == "timeout"
    assert error.request_sent
    assert "within 0.25 s" in str(error)
    assert await asyncio.to_thread(server.closed.wait, 5)


async def test_a_server_that_reads_nothing_is_given_up_in_time(caller: Caller):
    with ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)  # it has connections, and takes nothing from them
        where = deployment(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")
        begun = time.monotonic()
        error = await failure_of(caller.call(where, ask("x" * 12_000_000), timeout=0.3))
    assert time.monotonic() - begun < 0.3 + SLACK
    assert error.failure.kind == "timeout"


async def test_a_server_that_never_ends_its_tls_handshake_was_not_sent(caller: Caller):
    with ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        begun = time.monotonic()
        error = await failure_of(caller.call(deployment(f"https://127.0.0.1:{deaf.getsockname()[1]}/v1"), timeout=0.1))
    assert time.monotonic() - begun < 0.1 + SLACK
    assert error.failure.kind == "timeout"
    assert not error.request_sent
    assert "could not be reached within 0.1 s" in str(error)


# ---- the three of a stream


ROLE = chunked(delta(role="assistant", content=""))
COMMENT = chunked(": still here\n\n")
NOTHING = chunked(delta())
NO_ARGUMENTS = chunked(delta(tool_calls=[{"index": 0, "function": {"arguments": ""}}]))


@pytest.mark.parametrize("life", [ROLE, COMMENT, NOTHING, NO_ARGUMENTS], ids=["role", "comment", "empty", "arguments"])
async def test_what_is_no_content_does_not_count_as_the_first_chunk(caller: Caller, server: Scripted, life):
    server.script = [trickling(open_stream() + ROLE, life)]
    error = await failure_of(caller.stream(deployment(server.base_url), timeouts=Timeouts(0.15, 9.0, 9.0)))
    assert error.failure.kind == "timeout"
    assert "no content within 0.15 s (first-chunk timeout)" in str(error)
    assert not any(c.has_content for c in error.chunks)


@pytest.mark.parametrize("life", [COMMENT, NOTHING, NO_ARGUMENTS], ids=["comment", "empty", "arguments"])
async def test_what_is_no_content_does_not_lengthen_the_silence_between_two_chunks(
    caller: Caller, server: Scripted, life
):
    server.script = [trickling(open_stream() + chunked(delta(content="He")), life)]
    error = await failure_of(caller.stream(deployment(server.base_url), timeouts=Timeouts(9.0, 0.15, 9.0)))
    assert error.failure.kind == "timeout"
    assert "for 0.15 s (timeout between chunks)" in str(error)
    assert [c.text for c in error.chunks if c.text] == ["He"]


async def test_the_same_usage_said_again_is_no_sign_of_life(caller: Caller, server: Scripted):
    usage = chunked('data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n')
    server.script = [trickling(open_stream() + chunked(delta(content="He")), usage)]
    error = await failure_of(caller.stream(deployment(server.base_url), timeouts=Timeouts(9.0, 0.15, 9.0)))
    assert "(timeout between chunks)" in str(error)


async def test_a_stream_that_trickles_content_for_ever_ends_at_its_total(caller: Caller, server: Scripted):
    server.script = [trickling(open_stream(), chunked(delta(content="He")))]
    begun = time.monotonic()
    error = await failure_of(caller.stream(deployment(server.base_url), timeouts=Timeouts(9.0, 9.0, 0.2)))
    assert time.monotonic() - begun < 0.2 + SLACK
    assert error.failure.kind == "timeout"
    assert "within 0.2 s (total timeout)" in str(error)
    assert error.chunks


async def test_a_slow_stream_is_whole_where_each_of_its_steps_is_in_time(caller: Caller, server: Scripted):
    async def step(writer):
        for event in (delta(content="a"), delta(content="b"), delta("stop"), "data: [DONE]\n\n"):
            await asyncio.sleep(0.1)
            writer.write(chunked(event))

    async def opened(writer):
        writer.write(open_stream())
        await step(writer)
        writer.write(b"0\r\n\r\n")

    server.script = [opened]
    chunks = await caller.stream(deployment(server.base_url), timeouts=Timeouts(0.35, 0.35, 9.0))
    assert "".join(c.text for c in chunks) == "ab"


async def test_the_callers_own_pauses_are_not_the_providers_silence(caller: Caller, server: Scripted):
    async def step(writer):
        writer.write(open_stream() + chunked(delta(content="a")) + chunked(delta(content="b")))
        await asyncio.sleep(0.05)
        writer.write(chunked(delta("stop")) + b"0\r\n\r\n")

    server.script = [step]
    timeouts = Timeouts(0.25, 0.25, 9.0)
    chunks = await caller.stream(deployment(server.base_url), timeouts=timeouts, pause=0.3)
    assert "".join(c.text for c in chunks) == "ab"


async def test_a_stream_is_at_its_end_where_it_says_so_however_long_the_caller_took(caller: Caller, server: Scripted):
    server.script = [stream_bytes(delta(content="a"), delta("stop"), "data: [DONE]\n\n")]
    chunks = await caller.stream(deployment(server.base_url), timeouts=Timeouts(9.0, 9.0, 0.8), pause=0.45)
    assert chunks[-1].finish_reason == "stop"


async def test_timeouts_of_nothing_and_without_end_are_taken(caller: Caller, server: Scripted):
    server.script = [stream_bytes(delta(content="a"), delta("stop"), "data: [DONE]\n\n")]
    forever = float("inf")
    assert await caller.stream(deployment(server.base_url), timeouts=Timeouts(forever, forever, forever))
    server.script = [hanging()]
    error = await failure_of(caller.stream(deployment(server.base_url), timeouts=Timeouts(0.0, 0.0, 0.0)))
    assert error.failure.kind == "timeout"


# ---- once


async def test_a_connection_that_ends_when_it_is_used_again_is_not_asked_a_second_time(
    caller: Caller, server: Scripted
):
    server.script = [answer_bytes(HELLO), closing()]
    await caller.call(deployment(server.base_url))
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "connection"
    assert error.request_sent
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", ["408 Request Timeout", "429 Too Many", "500 Oops", "503 Away", "307 Elsewhere"])
async def test_nothing_but_the_kernel_retries(caller: Caller, server: Scripted, status):
    server.script = [answer_bytes({"error": {"message": "no"}}, status, "retry-after: 0\r\nlocation: /else\r\n")]
    for way in ("call", "stream"):
        await failure_of(getattr(caller, way)(deployment(server.base_url)))
    assert len(server.seen) == 2


# ---- httpcore under a moving deadline


def test_connections_of_the_blocking_transport_are_opened_by_the_deadlines_backend():
    pool = _open_pool((("http", "127.0.0.1", 80), None))
    assert isinstance(pool._pool._network_backend, DeadlineBackend)
    assert pool._pool._retries == 0
    proxied = _open_pool((("https", "example.test", 443), "http://127.0.0.1:9"))
    assert isinstance(proxied._pool._network_backend, DeadlineBackend)
    assert HttpxTransport().send  # the one that uses them


def test_a_wait_is_the_number_of_seconds_for_who_knows_no_better():
    now = [100.0]
    patience = Patience(Timeouts(5.0, 7.0, 60.0), lambda: now[0])
    wait, connecting = Wait(patience), Wait(patience, 2.0)
    assert (wait, connecting) == (5.0, 2.0)
    now[0] = 101.5
    assert (wait.left(), connecting.left()) == (3.5, 0.5)
    patience.heard()
    assert (wait.left(), connecting.left()) == (7.0, 0.5)


def test_a_name_that_resolves_to_nothing_or_is_none_cannot_be_reached(monkeypatch):
    backend = DeadlineBackend()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(Exception, match="no address"):
        backend.connect_tcp("nobody.test", 80, 1.0)
    monkeypatch.undo()
    with pytest.raises(Exception, match="label"):
        backend.connect_tcp("a" * 70 + ".test", 80, 1.0)


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch, server: Scripted):
    with ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.2", server.port))
        deaf.listen(0)
        for _ in range(4):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        family = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        found = [(*family, (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *a, **b: found if host == "two.test" else real(host, *a, **b)
        )
        patience = Patience.whole(0.4, time.monotonic)
        stream = DeadlineBackend().connect_tcp("two.test", server.port, Wait(patience))
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        stream.close()


def test_what_has_no_time_left_is_not_begun():
    backend = DeadlineBackend()
    now = [0.0]
    wait = Wait(Patience.whole(1.0, lambda: now[0]))
    now[0] = 2.0
    with pytest.raises(Exception) as caught:
        backend.connect_tcp("127.0.0.1", 9, wait)
    assert type(caught.value).__name__ == "ConnectTimeout"
