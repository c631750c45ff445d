"""What goes wrong on the way: whether the request may have arrived, and when a silent server is given up."""

import asyncio
import contextlib
import socket

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
    free_port,
    hanging,
    open_stream,
    resetting,
    stream_bytes,
    trickling,
)

from rotor_core.adapters import http, http_httpx


@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_refused_connection_was_not_sent(caller: Caller, way):
    error = await failure_of(getattr(caller, way)(deployment(f"http://127.0.0.1:{free_port()}/v1")))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert "could not be reached" in str(error)


async def test_an_unknown_host_was_not_sent(caller: Caller):
    error = await failure_of(caller.call(deployment("http://no-such-host.invalid/v1")))
    assert error.failure.kind == "connection"
    assert not error.request_sent


async def test_a_server_without_tls_was_not_sent_a_request(caller: Caller, server: Scripted):
    error = await failure_of(caller.call(deployment(server.base_url.replace("http:", "https:")), timeout=2))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert not server.seen


@pytest.mark.parametrize(
    "url", ["no-url", "ftp://127.0.0.1/v1", "http://", "http://127.0.0.1:99999/v1", "http://[::1/v1"]
)
async def test_a_base_url_that_is_none_is_named(caller: Caller, url):
    error = await failure_of(caller.call(deployment(url)))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert "base_url" in str(error)


@pytest.mark.parametrize("secret", ["sk-abcdef\n", "sk-“quoted”", "sk-abc\r\nX-Evil: 1", " sk-abcdef "])
async def test_a_key_that_no_header_can_carry_is_an_auth_failure_that_does_not_show_it(caller: Caller, server, secret):
    server.script = [answer_bytes(HELLO)]
    error = await failure_of(caller.call(deployment(server.base_url, secret=secret)))
    assert error.failure.kind == "auth"
    assert not error.request_sent
    assert "sk-" not in str(error)
    assert not server.seen


async def test_a_header_that_cannot_be_sent_is_named(caller: Caller, server: Scripted):
    error = await failure_of(caller.call(deployment(server.base_url, headers={"X-A": "b\nc"})))
    assert "X-A" in str(error)
    assert not error.request_sent


async def test_a_request_that_is_no_json_is_not_sent(caller: Caller, server: Scripted):
    error = await failure_of(caller.call(deployment(server.base_url), ask(params={"x": float("nan")})))
    assert error.failure.kind == "bad_request"
    assert not error.request_sent
    assert not server.seen


@pytest.mark.parametrize(
    "step",
    [
        closing(),
        resetting(),
        closing(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"),
        resetting(b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_a_connection_that_is_lost_may_have_delivered(caller: Caller, server: Scripted, step):
    server.script = [step]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "connection"
    assert error.request_sent
    assert len(server.seen) == 1


async def test_what_is_not_http_is_a_lost_connection(caller: Caller, server: Scripted):
    server.script = [closing(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "connection"
    assert error.request_sent


@pytest.mark.parametrize("cut", [closing, resetting])
async def test_a_stream_that_is_cut_gives_what_came_and_raises(caller: Caller, server: Scripted, cut):
    server.script = [cut(open_stream(), chunked(delta(content="He")), chunked(delta(content="y")))]
    error = await failure_of(caller.stream(deployment(server.base_url)))
    assert error.failure.kind == "connection"
    assert "".join(c.text for c in error.chunks) in ("", "He", "Hey")


async def test_a_stream_that_ends_early_by_the_book_raises_too(caller: Caller, server: Scripted):
    server.script = [stream_bytes(delta(content="He"), delta(content="y"))]
    error = await failure_of(caller.stream(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert "".join(c.text for c in error.chunks) == "Hey"
    assert "broke off" in str(error)


@pytest.mark.parametrize("said", [(), (b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{",)])
async def test_a_server_that_hangs_is_given_up_in_time(caller: Caller, server: Scripted, said):
    server.script = [hanging(*said)]
    error = await failure_of(caller.call(deployment(server.base_url), timeout=0.05))
    assert error.failure.kind == "timeout"
    assert error.request_sent
    assert "within 0.05 s" in str(error)
    assert await asyncio.to_thread(server.closed.wait, 5)


@pytest.mark.parametrize("timeout", [0.0, -3.0])
async def test_a_timeout_of_nothing_is_none_that_waits_for_ever(caller: Caller, server: Scripted, timeout):
    server.script = [hanging()]
    error = await failure_of(caller.call(deployment(server.base_url), timeout=timeout))
    assert error.failure.kind == "timeout"


async def test_a_timeout_without_end_is_taken(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    assert (await caller.call(deployment(server.base_url), timeout=float("inf"))).text == "Hello."


async def test_an_answer_that_trickles_is_given_up_in_time(caller: Caller, server: Scripted):
    server.script = [trickling(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", b" ")]
    error = await failure_of(caller.call(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"


async def test_a_stream_that_falls_silent_is_given_up_in_time(caller: Caller, server: Scripted):
    server.script = [hanging(open_stream(), chunked(delta(content="He")))]
    error = await failure_of(caller.stream(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"
    assert [c.text for c in error.chunks] == ["He"]


async def test_comments_do_not_keep_a_silent_stream_alive(caller: Caller, server: Scripted):
    server.script = [trickling(open_stream() + chunked(delta(content="He")), chunked(": still here\n\n"))]
    error = await failure_of(caller.stream(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"
    assert "comments" in str(error)
    assert [c.text for c in error.chunks] == ["He"]


async def test_a_server_that_takes_no_connection_was_not_sent(caller: Caller, monkeypatch):
    if caller.way == "aiohttp":  # what is patched below must not be what its constant is made of
        from rotor_core.adapters import http_aiohttp

        before = http_aiohttp._TIMEOUT
        soon = type(before)(total=None, connect=0.05, ceil_threshold=before.ceil_threshold)
        monkeypatch.setattr(http_aiohttp, "_TIMEOUT", soon)
    for module in (http, http_httpx):
        monkeypatch.setattr(module, "CONNECT", 0.05)
    with contextlib.ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # its queue of connections that nobody accepts is full after these
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        error = await failure_of(caller.call(deployment(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")))
    assert error.failure.kind == "timeout"
    assert not error.request_sent
    assert "could not be reached within 0.05 s" in str(error)


@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_proxy_that_speaks_tls_is_spoken_to_by_whoever_can(caller: Caller, server: Scripted, way):
    where = deployment("http://nowhere.test/v1", proxy=f"https://127.0.0.1:{server.port}")
    error = await failure_of(getattr(caller, way)(where, timeout=2))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert not server.seen
    caller.adapter.close()


async def test_a_proxy_that_refuses_was_not_sent_the_request(caller: Caller, server: Scripted):
    server.script = [answer_bytes(b"", "403 Forbidden")]
    where = deployment("https://nowhere.test/v1", proxy=f"http://127.0.0.1:{server.port}")
    error = await failure_of(caller.call(where, timeout=2))
    assert error.failure.kind == "connection"
    assert not error.request_sent
