"""What travels and what comes of it: the same tests for blocking calls and for both async transports."""

import asyncio
import contextlib
import gzip
import json
import socket

import pytest
from tests.adapters.conftest import (
    HELLO,
    SECRET,
    Caller,
    Scripted,
    Step,
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
)

from rotor_core import ProviderError
from rotor_core._health import Timeouts
from rotor_core._outcome import Usage
from rotor_core.adapters import http

# ---- sending


async def test_a_call_is_a_post_of_json_with_the_key_as_bearer(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await caller.call(deployment(server.base_url + "/"), ask("hé", params={"temperature": 0.5}))
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.json == {"model": "m", "messages": [{"role": "user", "content": "hé"}], "temperature": 0.5}
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["content-type"] == "application/json"


async def test_without_a_secret_there_is_no_authorization(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await caller.call(deployment(server.base_url, secret=""))
    assert "authorization" not in server.seen[0].headers


async def test_a_providers_own_headers_are_sent_and_outrank_ours(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await caller.call(
        deployment(server.base_url, headers={"X-Team": "a", "authorization": "Basic zzz", "User-Agent": "me"})
    )
    sent = server.seen[0].headers
    assert (sent["x-team"], sent["authorization"], sent["user-agent"]) == ("a", "Basic zzz", "me")


async def test_a_large_body_is_sent_whole(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    text = "x" * 3_000_000
    await caller.call(deployment(server.base_url), ask(text))
    assert server.seen[0].json["messages"][0]["content"] == text


async def test_the_proxy_is_asked_instead_of_the_provider(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await caller.call(deployment("http://nowhere.test/v1", proxy=f"http://user:hunter22@127.0.0.1:{server.port}"))
    assert server.seen[0].path == "http://nowhere.test/v1/chat/completions"
    assert server.seen[0].headers["proxy-authorization"].startswith("Basic ")


async def test_the_environments_proxy_is_used_unless_it_excepts_the_host(caller: Caller, server: Scripted, monkeypatch):
    server.script = [answer_bytes(HELLO)]
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{server.port}")
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    await caller.call(deployment("http://nowhere.test/v1"))
    await caller.call(deployment(server.base_url))
    assert [seen.path for seen in server.seen] == ["http://nowhere.test/v1/chat/completions", "/v1/chat/completions"]


# ---- receiving


async def test_an_answer_comes_with_its_headers_in_lower_case_and_without_cookies(caller: Caller, server: Scripted):
    more = "X-RateLimit-Remaining-Requests: 7\r\nSet-Cookie: a=b\r\nVia: one\r\nVia: two\r\n"
    server.script = [answer_bytes(HELLO, headers=more)]
    answer = await caller.call(deployment(server.base_url))
    assert (answer.text, answer.finish_reason, answer.usage, answer.model) == ("Hello.", "stop", Usage(9, 3), "m-2026")
    assert answer.headers["x-ratelimit-remaining-requests"] == "7"
    assert answer.headers["via"] == "one, two"
    assert "set-cookie" not in answer.headers


async def test_a_compressed_answer_is_unpacked(caller: Caller, server: Scripted):
    packed = gzip.compress(json.dumps(HELLO).encode())
    server.script = [answer_bytes(packed, headers="content-encoding: gzip\r\n")]
    assert (await caller.call(deployment(server.base_url))).text == "Hello."


def slowly(*pieces: bytes) -> Step:
    """Write with a pause before each further piece, while the server waits for the next request already."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for number, piece in enumerate(pieces):
            asyncio.get_running_loop().call_later(0.02 * number, writer.write, piece)

    return step


_BODY = json.dumps(HELLO).encode()
_NO = json.dumps({"error": {"message": "not today", "type": "server_error"}}).encode()
_ZIP = "content-encoding: gzip\r\n"


def in_chunks(status: str, *pieces: bytes, headers: str = "") -> list[bytes]:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n{headers}\r\n"
    return [head.encode(), *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


def in_two(whole: bytes) -> list[bytes]:
    return [whole[:-20], whole[-20:]]


def comings(status: str, body: bytes) -> dict[str, Step]:
    """The ways in which one body can come over a connection that stays open."""
    pieces, packed = in_two(body), gzip.compress(body)
    head, _, _ = answer_bytes(body, status).partition(b"\r\n\r\n")
    return {
        "at once": answer_bytes(body, status),
        "after its headers": slowly(head + b"\r\n\r\n", body),
        "in two": slowly(*in_two(answer_bytes(body, status))),
        "in chunks at once": b"".join(in_chunks(status, *pieces)),
        "in chunks, slowly": slowly(*in_chunks(status, *pieces)),
        "its end late": slowly(*in_two(b"".join(in_chunks(status, *pieces, b" " * 20)))),
        "packed": answer_bytes(packed, status, _ZIP),
        "packed, in two": slowly(*in_two(answer_bytes(packed, status, _ZIP))),
        "packed, in chunks": slowly(*in_chunks(status, *in_two(packed), headers=_ZIP)),
        "large": slowly(*in_two(answer_bytes(body + b" " * 1_000_500, status))),
    }


@pytest.mark.parametrize("how", comings("", b""))
async def test_a_body_is_read_to_its_end_however_it_comes(caller: Caller, server: Scripted, how):
    server.script = [comings("200 OK", _BODY)[how], comings("500 Oops", _NO)[how], answer_bytes(HELLO)]
    where = deployment(server.base_url)
    assert (await caller.call(where)).text == "Hello."
    error = await failure_of(caller.call(where))
    assert (error.failure.kind, error.failure.message) == ("server_error", "not today")
    assert error.body.strip() == _NO.decode()
    assert (await caller.call(where)).text == "Hello."
    assert server.connections == 1


@pytest.mark.parametrize("encoding", ["identity", "none", "zstd"])
async def test_a_body_said_to_be_plain_is_read_and_one_packed_as_nobody_asked_is_not(
    caller: Caller, server: Scripted, encoding
):
    server.script = [answer_bytes(_BODY, headers=f"content-encoding: {encoding}\r\n")]
    if encoding == "zstd":
        error = await failure_of(caller.call(deployment(server.base_url)))
        assert "an encoding that was not asked for" in str(error)
    else:
        assert (await caller.call(deployment(server.base_url))).text == "Hello."


async def test_a_stream_is_read_chunk_by_chunk_with_headers_on_the_first(caller: Caller, server: Scripted):
    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n'
    server.script = [
        stream_bytes(
            delta(content="He"), delta(content="y"), delta("stop"), usage, "data: [DONE]\n\n", headers="X-A: 1\r\n"
        )
    ]
    chunks = await caller.stream(deployment(server.base_url))
    assert "".join(c.text for c in chunks) == "Hey"
    assert chunks[0].headers["x-a"] == "1"
    assert all(not c.headers for c in chunks[1:])
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(4, 2))
    assert server.seen[0].json["stream"] is True


async def test_a_stream_that_only_its_closing_ends_is_whole(caller: Caller, server: Scripted):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    server.script = [closing(head, delta(content="Hey").encode(), delta("stop").encode())]
    assert [c.text for c in await caller.stream(deployment(server.base_url))] == ["Hey", ""]


async def test_connections_are_used_again_after_answers_and_streams_and_refusals(caller: Caller, server: Scripted):
    server.script = [
        answer_bytes(HELLO),
        stream_bytes(delta("stop", content="x"), "data: [DONE]\n\n"),
        answer_bytes({"error": {"message": "slow down"}}, "429 Too Many Requests"),
        answer_bytes(HELLO),
    ]
    one, other = deployment(server.base_url), deployment(server.base_url, model="n", secret="another-secret")
    await caller.call(one)
    await caller.stream(other)
    with pytest.raises(ProviderError):
        await caller.call(one)
    await caller.call(other)
    assert len(server.seen) == 4
    assert server.connections == 1


async def test_a_stream_whose_closing_bytes_come_late_does_not_hold_up_the_caller(
    caller: Caller, server: Scripted, monkeypatch
):
    monkeypatch.setattr("rotor_core.adapters.http_httpx.LAST_BYTES", 0.01)
    monkeypatch.setattr("rotor_core.adapters.http_aiohttp.LAST_BYTES", 0.01)
    server.script = [hanging(open_stream(), chunked(delta("stop", content="x")), chunked("data: [DONE]\n\n"))]
    assert (await caller.stream(deployment(server.base_url)))[0].text == "x"
    assert await asyncio.to_thread(server.closed.wait, 5)


# ---- what is no answer


BODIES = [
    (b"", "an empty body"),
    (b"<html><h1>It works</h1></html>", "an HTML page"),
    (b"all good", "a body that is not JSON"),
    (b"[1]", "a list"),
    (b'{"a": "\xff"}', "not UTF-8"),
    (b'{"id": "x"}', "without a message"),
]


@pytest.mark.parametrize(("content", "problem"), BODIES)
async def test_a_success_without_an_answer_is_a_server_error_that_says_what_came(
    caller: Caller, server, content, problem
):
    server.script = [answer_bytes(content)]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert error.failure.status == 200
    assert problem in str(error)


@pytest.mark.parametrize(("content", "problem"), [*BODIES[:3], (b'data: {"choices": []}\n\n', "broke off")])
async def test_a_stream_that_is_none_says_what_came(caller: Caller, server, content, problem):
    server.script = [answer_bytes(content, content_type="text/event-stream")]
    error = await failure_of(caller.stream(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert problem in str(error) or ("no event stream" in str(error) and content.decode() in str(error))


async def test_an_error_inside_a_success_is_classified_by_its_own_account(caller: Caller, server: Scripted):
    server.script = [
        answer_bytes({"error": {"message": "Rate limit exceeded", "code": 429}}, headers="retry-after: 30\r\n")
    ]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "rate_limit"
    assert "inside an answer of HTTP 200" in str(error)


async def test_an_error_event_ends_the_stream_after_what_came_before(caller: Caller, server: Scripted):
    failed = 'event: error\ndata: {"error": {"message": "The server is overloaded", "type": "overloaded_error"}}\n\n'
    server.script = [stream_bytes(delta(content="He"), failed)]
    error = await failure_of(caller.stream(deployment(server.base_url)))
    assert error.failure.kind == "overloaded"
    assert [c.text for c in error.chunks] == ["He"]


@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_refusal_is_classified_with_its_headers_kept(caller: Caller, server: Scripted, way):
    text = "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 1200. Please try again in 2.5s."
    body = {"error": {"message": text, "type": "tokens", "code": "rate_limit_exceeded"}}
    server.script = [
        answer_bytes(body, "429 Too Many Requests", "X-RateLimit-Limit-Tokens: 6000\r\nretry-after: 3\r\n")
    ]
    error = await failure_of(getattr(caller, way)(deployment(server.base_url)))
    failure = error.failure
    assert (failure.kind, failure.unit, failure.per, failure.limit, failure.used, failure.requested, failure.retry_after) == (
        "rate_limit", "tokens", "minute", 6000, 5000, 1200, 2.5,
    )  # fmt: skip
    assert failure.status == 429
    assert error.headers["x-ratelimit-limit-tokens"] == "6000"
    assert "Limit 6000" in error.body
    assert "HTTP 429 (rate_limit)" in str(error)
    assert error.request_sent


async def test_a_redirect_is_not_followed(caller: Caller, server: Scripted):
    server.script = [answer_bytes(b"", "307 Temporary Redirect", f"location: {server.base_url}/else\r\n")]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "not_found"
    assert len(server.seen) == 1


@pytest.mark.parametrize("length", ["content-length: 1000000", "transfer-encoding: chunked"])
async def test_an_answer_beyond_all_measure_is_cut_off(caller: Caller, server: Scripted, monkeypatch, length):
    monkeypatch.setattr(http, "MAX_CONTENT", 100_000)
    head = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode()
    server.script = [closing(head, b" " * 1_000_000 if "length" in length else chunked(" " * 1_000_000))]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind == "server_error"
    assert "more than" in str(error)


@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_refusal_beyond_all_measure_is_told_by_its_status_and_beginning(
    caller: Caller, server: Scripted, monkeypatch, way
):
    monkeypatch.setattr(http, "MAX_REFUSAL", 1_000)
    server.script = [answer_bytes(b"Rate limit reached. " * 50_000, "429 Too Many Requests")]
    error = await failure_of(getattr(caller, way)(deployment(server.base_url)))
    assert error.failure.kind == "rate_limit"
    assert len(error.body) < 300_000


async def test_a_refusal_that_was_not_read_to_its_end_is_in_no_later_answer(
    caller: Caller, server: Scripted, monkeypatch
):
    monkeypatch.setattr(http, "MAX_REFUSAL", 1_000)
    flood = b"".join(in_chunks("500 Oops", *[b"no " * 30_000] * 40))
    server.script = [closing(flood), answer_bytes(HELLO)]
    where = deployment(server.base_url)
    assert (await failure_of(caller.call(where))).failure.kind == "server_error"
    assert (await caller.call(where)).text == "Hello."


async def test_a_small_body_that_unpacks_to_a_huge_one_is_cut_off(caller: Caller, server: Scripted, monkeypatch):
    monkeypatch.setattr(http, "MAX_CONTENT", 1_000_000)
    server.script = [answer_bytes(gzip.compress(b" " * 30_000_000), headers="content-encoding: gzip\r\n")]
    assert (await failure_of(caller.call(deployment(server.base_url)))).failure.kind == "server_error"


async def test_a_body_that_cannot_be_unpacked_is_an_error_of_the_server(caller: Caller, server: Scripted):
    server.script = [answer_bytes(b"not gzip at all", headers="content-encoding: gzip\r\n")]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert error.failure.kind in ("server_error", "connection")
    assert error.request_sent


# ---- what goes wrong on the way


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
    async def trickle(writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    server.script = [trickle]
    error = await failure_of(caller.call(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"


async def test_a_stream_that_falls_silent_is_given_up_in_time(caller: Caller, server: Scripted):
    server.script = [hanging(open_stream(), chunked(delta(content="He")))]
    error = await failure_of(caller.stream(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"
    assert [c.text for c in error.chunks] == ["He"]


async def test_comments_do_not_keep_a_silent_stream_alive(caller: Caller, server: Scripted):
    async def comments(writer):
        writer.write(open_stream() + chunked(delta(content="He")))
        while not writer.is_closing():
            writer.write(chunked(": still here\n\n"))
            await asyncio.sleep(0.01)

    server.script = [comments]
    error = await failure_of(caller.stream(deployment(server.base_url), timeout=0.3))
    assert error.failure.kind == "timeout"
    assert "comments" in str(error)
    assert [c.text for c in error.chunks] == ["He"]


async def test_a_server_that_takes_no_connection_was_not_sent(caller: Caller, monkeypatch):
    for module in ("http", "http_httpx", "http_aiohttp"):
        monkeypatch.setattr(f"rotor_core.adapters.{module}.CONNECT", 0.05)
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


# ---- secrets


@pytest.mark.parametrize("way", ["call", "stream"])
@pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
async def test_a_secret_that_the_provider_echoes_is_nowhere_in_the_error(caller: Caller, server: Scripted, way, status):
    secret = 'sk-a/b"c+d-0123456789'
    echo = {
        "error": {"message": f"Incorrect API key provided: {secret}. Headers: Bearer {secret} and gateway-token-42"}
    }
    server.script = [answer_bytes(echo, status, f"x-echo: {secret}\r\n")]
    where = deployment(server.base_url, secret=secret, headers={"X-Api-Key": "gateway-token-42"})
    error = await failure_of(getattr(caller, way)(where))
    told = f"{error} {error!r} {error.failure} {error.headers} {error.body}"
    assert "Incorrect API key" in told
    assert error.failure.kind == "auth"
    assert "gateway-token-42" not in told
    assert "0123456789" not in told


@pytest.mark.parametrize("way", ["call", "stream"])
@pytest.mark.parametrize("status", ["500 Oops", "200 OK"])
@pytest.mark.parametrize("held", ["x-first", "x-second", "both"])
async def test_a_secret_in_a_header_is_taken_out_and_all_else_in_the_headers_stays(
    caller: Caller, server: Scripted, way, status, held
):
    said = {"x-first": "id 1", "x-second": f"gateway-token-42, {SECRET}/{SECRET}; id 2"}
    shown = {"x-first": "id 1", "x-second": "**********, **********/**********; id 2"}
    if held != "x-second":
        said |= {"x-first": f"for {SECRET}"}
        shown |= {"x-first": "for **********"}
    if held == "x-first":
        said |= {"x-second": "id 2"}
        shown |= {"x-second": "id 2"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    server.script = [answer_bytes({"error": {"message": "not today"}}, status, lines)]
    where = deployment(server.base_url, headers={"X-Api-Key": "gateway-token-42"})
    error = await failure_of(getattr(caller, way)(where))
    assert {name: error.headers[name] for name in said} == shown
    assert error.headers["content-type"] == "application/json"
    assert SECRET not in f"{error} {error!r} {error.failure} {error.headers} {error.body}"


async def test_a_secret_in_a_body_that_is_no_json_is_not_quoted(caller: Caller, server: Scripted):
    server.script = [answer_bytes(f"<html>{SECRET}</html>".encode())]
    error = await failure_of(caller.call(deployment(server.base_url)))
    assert SECRET not in f"{error} {error.failure} {error.body}"
    assert "<html>" in str(error)


async def test_a_proxys_password_is_not_shown(caller: Caller):
    where = deployment("http://nowhere.test/v1", proxy=f"http://user:hunter22@127.0.0.1:{free_port()}")
    error = await failure_of(caller.call(where))
    assert "hunter22" not in f"{error} {error.failure}"
    assert not error.request_sent


# ---- leaving early


@pytest.mark.parametrize("way", ["httpx", "aiohttp"])
async def test_cancelling_a_call_closes_its_connection(server: Scripted, way):
    server.script = [hanging()]
    caller = Caller(way)
    task = asyncio.ensure_future(caller.call(deployment(server.base_url)))
    while not server.seen:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.closed.wait, 5)
    await caller.adapter.aclose()


@pytest.mark.parametrize("way", ["httpx", "aiohttp"])
async def test_closing_a_stream_early_closes_its_connection(server: Scripted, way):
    server.script = [hanging(open_stream(), chunked(delta(content="He")))]
    caller = Caller(way)
    chunks = caller.adapter.astream(deployment(server.base_url), ask(), timeouts=Timeouts(5.0, 5.0, 60.0))
    assert (await anext(chunks)).text == "He"
    await chunks.aclose()
    assert await asyncio.to_thread(server.closed.wait, 5)
    await caller.adapter.aclose()


async def test_closing_a_blocking_stream_early_closes_its_connection(server: Scripted):
    server.script = [hanging(open_stream(), chunked(delta(content="He")))]
    caller = Caller("blocking")

    def take_one():
        chunks = caller.adapter.stream(deployment(server.base_url), ask(), timeouts=Timeouts(5.0, 5.0, 60.0))
        first = next(chunks)
        chunks.close()
        return first.text

    assert await asyncio.to_thread(take_one) == "He"
    assert await asyncio.to_thread(server.closed.wait, 5)
    caller.adapter.close()


async def test_the_adapter_can_be_used_again_after_it_was_closed(caller: Caller, server: Scripted):
    server.script = [answer_bytes(HELLO)]
    await caller.call(deployment(server.base_url))
    await caller.adapter.aclose()
    assert (await caller.call(deployment(server.base_url))).text == "Hello."
    assert server.connections == 2


def test_a_transport_that_does_not_exist_is_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match=r"transport.*curl.*auto, httpx, aiohttp"):
        Caller("curl")
    monkeypatch.setenv("ROTOR_TRANSPORT", "urllib")
    with pytest.raises(ValueError, match=r"ROTOR_TRANSPORT.*urllib"):
        Caller("auto")


def test_the_environment_may_choose_the_transport(monkeypatch):
    monkeypatch.setenv("ROTOR_TRANSPORT", "httpx")
    assert type(http.async_transport(http.wanted("auto"))).__name__ == "AsyncHttpxTransport"
    monkeypatch.delenv("ROTOR_TRANSPORT")
    monkeypatch.setattr(http, "find_spec", lambda _: None)
    assert type(http.async_transport(http.wanted("auto"))).__name__ == "AsyncHttpxTransport"
    with pytest.raises(ValueError, match=r"llm-rotor\[aiohttp\]"):
        http.wanted("aiohttp")
