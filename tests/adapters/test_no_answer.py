"""What comes and is no answer: each is an error of the right kind, and cut off where it has no end."""

import gzip

import pytest
from tests.adapters.conftest import (
    HELLO,
    Caller,
    Scripted,
    answer_bytes,
    chunked,
    closing,
    delta,
    deployment,
    failure_of,
    in_chunks,
    stream_bytes,
)

from rotor_core.adapters import http

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
