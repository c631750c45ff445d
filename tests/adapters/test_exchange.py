"""What travels and what comes of it: the same tests for blocking calls and for both async transports."""

import asyncio
import gzip
import json

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
    hanging,
    in_chunks,
    open_stream,
    stream_bytes,
)
from tests.waiting import until

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


# ---- leaving early


@pytest.mark.parametrize("way", ["httpx", "aiohttp"])
async def test_cancelling_a_call_closes_its_connection(server: Scripted, way):
    server.script = [hanging()]
    caller = Caller(way)
    task = asyncio.ensure_future(caller.call(deployment(server.base_url)))
    await until(lambda: server.seen)
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
