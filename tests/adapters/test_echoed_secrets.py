"""A secret that the provider sends back is nowhere in what is told of it."""

import pytest
from tests.adapters.conftest import SECRET, Caller, Scripted, answer_bytes, deployment, failure_of, free_port


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
