"""What servers send that nobody asked for: each ends as the right kind of failure, soon, without filling the memory."""

import asyncio
import gzip
import json
import time
import tracemalloc
from contextlib import suppress

import pytest
from tests.adapters.conftest import (
    HELLO,
    SECRET,
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
    said,
    stream_bytes,
)

from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core.adapters import http
from rotor_core.adapters.http import ExchangeError, endpoint
from rotor_core.adapters.http_adapter import _Reading
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.patience import Patience
from rotor_core.adapters.wire import WireError

MB = 1024 * 1024


# ---- bodies


GARBAGE = {
    "truncated": json.dumps(HELLO).encode()[:-20],
    "nested beyond all measure": b"[" * 200_000,
    "a number beyond all measure": b'{"choices": ' + b"9" * 10_000 + b"}",
    "half a character": json.dumps(said("é"), ensure_ascii=False).encode().replace(b"\xc3\xa9", b"\xc3"),
    "utf-16": json.dumps(HELLO).encode("utf-16"),
    "null": b"null",
    "a string": b'"fine"',
    "zeros": bytes(1000),
    "a list of answers": json.dumps([HELLO]).encode(),
    "choices that are none": b'{"choices": {"message": 7}}',
    "a choice that is none": b'{"choices": [null, 3]}',
}


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("way", ["call", "stream"])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_a_body_that_holds_no_answer_is_an_error_of_the_server(
    caller: Caller, server: Scripted, what, way, content_type
):
    server.script = [answer_bytes(GARBAGE[what], content_type=content_type)]
    error = await failure_of(getattr(caller, way)(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert error.request_sent
    json.dumps([str(error), error.body], ensure_ascii=False).encode()


@pytest.mark.parametrize("status", ["400 Bad", "429 Too Many", "500 Oops", "503 Away"])
@pytest.mark.parametrize("what", GARBAGE)
async def test_a_refusal_without_a_readable_body_is_told_by_its_status(caller: Caller, server: Scripted, status, what):
    server.script = [answer_bytes(GARBAGE[what], status)]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.status == int(status[:3])
    assert error.failure.kind in {"bad_request", "rate_limit", "server_error", "overloaded"}


async def test_an_answer_of_ten_megabytes_is_taken(caller: Caller, server: Scripted):
    text = "x" * (10 * MB)
    server.script = [answer_bytes(said(text))]
    assert (await caller.call(deployment(server.base_url), timeout=20)).text == text


async def test_ten_megabytes_of_html_are_no_answer_and_not_quoted(caller: Caller, server: Scripted):
    server.script = [answer_bytes(b"<html>" * (10 * MB // 6))]
    error = await failure_of(caller.call(deployment(server.base_url), timeout=20))
    assert error.failure.kind == "server_error"
    assert "an HTML page" in str(error)
    assert len(error.body) <= 32_000


def flood(*pieces: bytes):
    """Write piece after piece, as fast as they are taken."""

    async def step(writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await asyncio.Event().wait()

    return step


def packed_spaces(megabytes: int) -> list[bytes]:
    bomb = gzip.compress(b" " * (megabytes * MB), 9)
    return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
            b"content-length: %d\r\n\r\n" % len(bomb), bomb]  # fmt: skip


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"

PIECE = b"10000\r\n" + b" " * 65536 + b"\r\n"

FLOODS = {
    "40 MB announced": [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (40 * MB), *[b" " * 65536] * 640],
    "40 MB in chunks": [CHUNKED % b"application/json", *[PIECE] * 640],
    "40 MB of one event": [CHUNKED % b"text/event-stream", *[PIECE] * 640],
    "40 MB of an error": [b"HTTP/1.1 500 Oops\r\ncontent-length: %d\r\n\r\n" % (40 * MB), *[b" " * 65536] * 640],
    "200 MB in 200 kB": packed_spaces(200),
}  # fmt: skip


@pytest.mark.parametrize("what", FLOODS)
@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_flood_is_cut_off_before_it_fills_the_memory(caller: Caller, server: Scripted, monkeypatch, what, way):
    monkeypatch.setattr(http, "MAX_CONTENT", 4 * MB)
    monkeypatch.setattr("rotor_core.adapters.sse.EventParser.__init__.__defaults__", (4 * MB,))
    server.script = [flood(*FLOODS[what])]
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        error = await failure_of(getattr(caller, way)(deployment(server.base_url), timeout=60))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert error.failure.kind == "server_error"
    assert peak < 16 * MB


# ---- headers


async def with_headers(caller: Caller, server: Scripted, headers: bytes):
    content = json.dumps(HELLO).encode()
    server.script = [closing(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n" % (len(content), headers) + content)]
    return await caller.call(deployment(server.base_url))


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"x-%d: a\r\n" % i for i in range(1000)),
        b"x-repeated: a\r\n" * 1000,
        b"x-long: " + b"a" * 30_000 + b"\r\n",
        b"x-bytes: \xff\xfe\x80 caf\xc3\xa9\r\n",
        b"x-empty:\r\nx-space:    \r\n",
        b"retry-after: -5\r\nx-ratelimit-limit-requests: 1e999\r\nx-ratelimit-reset-requests: -1h\r\n",
    ],
    ids=["many", "repeated", "long", "bytes", "empty", "nonsense"],
)
async def test_headers_of_no_sense_do_not_keep_an_answer_from_its_caller(caller: Caller, server: Scripted, headers):
    answer = await with_headers(caller, server, headers)
    assert answer.text == "Hello."
    json.dumps(dict(answer.headers), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "headers",
    [
        b"x-long: " + b"a" * 300_000 + b"\r\n",
        b"".join(b"x-%d: %s\r\n" % (i, b"a" * 90) for i in range(4000)),
        b"content-length: 3\r\n",
        b"x-zero: a\0b\r\n",
        b"no colon at all\r\n",
    ],
    ids=["too long", "too many", "two lengths", "zero", "no header"],
)
async def test_a_head_that_is_not_http_is_a_lost_connection(caller: Caller, server: Scripted, headers):
    error = await failure_of(with_headers(caller, server, headers))
    assert error.failure.kind == "connection"
    assert error.request_sent


@pytest.mark.parametrize("retry_after", ["-5", "soon", "1e999", "nan", "99999999999999999999", "\xff", ""])
async def test_a_retry_after_of_no_sense_is_none(caller: Caller, server: Scripted, retry_after):
    body = json.dumps({"error": {"message": "Rate limit reached"}}).encode()
    head = b"HTTP/1.1 429 Too Many\r\ncontent-length: %d\r\nretry-after: %s\r\n\r\n"
    server.script = [closing(head % (len(body), retry_after.encode("latin-1")) + body)]
    failure = (await failure_of(caller.call(deployment(server.base_url)))).failure
    assert failure.kind == "rate_limit"
    assert failure.retry_after is None or 0 <= failure.retry_after < float("inf")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "rot13"])
async def test_an_encoding_that_was_not_asked_for_is_an_error_of_the_server(caller: Caller, server: Scripted, encoding):
    server.script = [answer_bytes(b"\x8b\x03\x80abc\x03", headers=f"content-encoding: {encoding}\r\n")]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert "not asked for" in str(error)


async def test_a_packed_stream_is_unpacked_as_it_comes(caller: Caller, server: Scripted):
    packed = gzip.compress("".join((delta(content="He"), delta("stop"), "data: [DONE]\n\n")).encode())
    head = open_stream("content-encoding: gzip\r\n")
    pieces = [b"%x\r\n%s\r\n" % (len(packed[i : i + 20]), packed[i : i + 20]) for i in range(0, len(packed), 20)]
    server.script = [closing(head, *pieces, b"0\r\n\r\n")]
    assert "".join(c.text for c in await caller.stream(deployment(server.base_url))) == "He"


# ---- errors where there should be an answer


ERRORS = [
    ({"error": {"message": "Rate limit reached", "code": 429}}, "rate_limit"),
    ({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, "auth"),
    ({"error": "The model is overloaded, try again later"}, "overloaded"),
    ({"error": {"message": "Internal error"}}, "server_error"),
    ({"object": "error", "message": "Internal server error", "type": "internal_server_error"}, "server_error"),
    ({"error": [1, 2]}, "server_error"),
    ({"error": True}, "server_error"),
]


@pytest.mark.parametrize(("body", "kind"), ERRORS)
@pytest.mark.parametrize("event", ["", "event: error\n"])
async def test_an_error_anywhere_in_a_stream_is_one(caller: Caller, server: Scripted, body, kind, event):
    failed = f"{event}data: {json.dumps(body)}\n\n"
    for before in ([], [delta(content="He")], [delta(content="He"), delta("stop")]):
        server.script = [stream_bytes(*before, failed, "data: [DONE]\n\n")]
        error = await failure_of(caller.stream(deployment(server.base_url)))
        assert error.failure.kind == kind
        assert "".join(c.text for c in error.chunks) == ("He" if before else "")
        assert not any(c.finish_reason for c in error.chunks)


@pytest.mark.parametrize(("body", "kind"), ERRORS)
async def test_an_error_with_a_status_of_success_is_one(caller: Caller, server: Scripted, body, kind):
    server.script = [answer_bytes(body)]
    assert (await failure_of(caller.call(deployment(server.base_url)))).failure.kind == kind


# ---- connections


async def test_a_certificate_that_nobody_signed_is_not_spoken_to(caller: Caller, tls_server: Scripted):
    tls_server.script = [answer_bytes(HELLO)]
    error = await failure_of(caller.call(deployment(tls_server.base_url.replace("http:", "https:"))))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert "certificate" in str(error).lower()
    assert not tls_server.seen


async def test_a_server_that_wants_tls_and_is_not_offered_it_may_have_had_the_request(
    caller: Caller, tls_server: Scripted
):
    tls_server.script = [answer_bytes(HELLO)]
    error = await failure_of(caller.call(deployment(tls_server.base_url)))
    assert error.failure.kind == "connection"
    assert error.request_sent


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/v1", "https://no-such-host.invalid/v1", "http://a..b/v1"])
@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_name_that_nobody_knows_was_not_sent(caller: Caller, url, way):
    begun = time.monotonic()
    error = await failure_of(getattr(caller, way)(deployment(url)))
    assert error.failure.kind == "connection"
    assert not error.request_sent
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_port_where_nobody_listens_was_not_sent(caller: Caller, scheme):
    error = await failure_of(caller.stream(deployment(f"{scheme}://127.0.0.1:{free_port()}/v1")))
    assert error.failure.kind == "connection"
    assert not error.request_sent


RESETS = {
    "before a word": (),
    "in its headers": (b"HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b",),
    "in its body": (b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{",),
    "in a chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n900\r\n{",),
    "in an error": (b"HTTP/1.1 500 Oops\r\ncontent-length: 900\r\n\r\n{",),
}


@pytest.mark.parametrize("how", [closing, resetting])
@pytest.mark.parametrize("where", RESETS)
@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_connection_that_breaks_may_have_delivered(caller: Caller, server: Scripted, how, where, way):
    server.script = [how(*RESETS[where])]
    error = await failure_of(getattr(caller, way)(deployment(server.base_url)))
    assert error.failure.kind == "connection"
    assert error.request_sent
    assert len(server.seen) == 1


# ---- what is not shown, and who leaves


async def test_a_secret_in_a_head_that_is_no_http_is_not_shown(caller: Caller, server: Scripted):
    server.script = [closing(f"Bearer {SECRET} what is that\r\n\r\n".encode())]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert SECRET not in f"{error} {error!r} {error.failure} {error.body}"


async def test_who_leaves_a_stream_leaves_no_task(caller: Caller, server: Scripted):
    if caller.way == "blocking":
        pytest.skip("there are no tasks")
    server.script = [hanging(open_stream(), chunked(delta(content="He")))]
    before = asyncio.all_tasks()
    for _ in range(20):
        chunks = caller.adapter.astream(deployment(server.base_url), ask(), timeouts=Timeouts(5.0, 5.0, 9.0))
        await anext(chunks)
        await chunks.aclose()
    for _ in range(30):  # httpx's own generators are closed one inside the other, each by the loop
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


def test_what_a_streams_opening_may_cut_through_is_not_shown():
    deployment = Deployment(
        "p/m#1", Provider("p", "a", "http://127.0.0.1"), Model("m"), Credential("p#1", Secret(SECRET), "f", "f")
    )
    reading = _Reading(deployment, OpenAIWire())
    reading.begin(200, {}, Patience.whole(5.0, lambda: 0.0))
    before = b"<html>" + b" " * (4_000 - 6 - len(SECRET) // 2)
    with suppress(WireError):
        list(reading.take(before))
        list(reading.take(SECRET.encode() + b"</html>"))
    shown = reading.failed(WireError("no event stream"))
    assert SECRET[:8] not in f"{shown} {shown.body}"


@pytest.mark.parametrize("name", ["Authorization", "x-goog-api-key"])
def test_a_key_that_no_header_can_carry_is_a_bad_key_whichever_header_it_goes_in(name):
    with pytest.raises(ExchangeError) as caught:
        endpoint("https://p.test/v1", {name: "\u201ckey\u201d"}, None)
    assert caught.value.kind == "auth"
