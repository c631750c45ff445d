"""The server: connections, records, control, beginning and end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from urllib.parse import urlsplit

import httpx
import pytest

from rotor_core import ConfigError, Rotor
from rotor_core.sandbox import Sandbox, SandboxError, serve


def raw(lab, sent: bytes, *, until_closed: bool = True) -> bytes:
    there = urlsplit(lab.box.address)
    with socket.create_connection((there.hostname, there.port), timeout=5) as s:
        s.sendall(sent)
        got = b""
        while piece := s.recv(65536):
            got += piece
            if not until_closed and b"\r\n\r\n" in got:
                break
    return got


def request(lab, body: dict, *headers: str, provider: str = "open") -> bytes:
    content = json.dumps(body).encode()
    lines = [
        f"POST /{provider}/v1/chat/completions HTTP/1.1",
        "host: x",
        f"authorization: Bearer {lab.box.key(provider)}",
        f"content-length: {len(content)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def test_one_connection_serves_many_requests(lab):
    there = urlsplit(lab.box.address)
    with socket.create_connection((there.hostname, there.port), timeout=5) as s:
        for _ in range(3):
            s.sendall(request(lab, lab.body(max_tokens=1)))
            got = b""
            while b"}}}" not in got and b"fp_sandbox" not in got:
                got += s.recv(65536)
            assert got.startswith(b"HTTP/1.1 200")


def test_requests_that_come_at_once_are_answered_in_order(lab):
    sent = request(lab, lab.body(max_tokens=1)) + request(lab, lab.body(max_tokens=2), "connection: close")
    got = raw(lab, sent)
    assert got.count(b"HTTP/1.1 200") == 2
    assert got.index(b'"completion_tokens":1') < got.index(b'"completion_tokens":2')


def test_a_body_may_come_in_chunks_and_byte_by_byte(lab):
    content = json.dumps(lab.body(max_tokens=1)).encode()
    chunked = b"".join(b"%x\r\n%s\r\n" % (1, content[n : n + 1]) for n in range(len(content))) + b"0\r\n\r\n"
    head = (
        f"POST /open/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {lab.box.key('open')}\r\n"
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    assert raw(lab, head.encode() + chunked).startswith(b"HTTP/1.1 200")


def test_a_client_that_waits_for_leave_to_send_gets_it(lab):
    sent = request(lab, lab.body(max_tokens=1), "expect: 100-continue", "connection: close")
    head, _, body = sent.partition(b"\r\n\r\n")
    there = urlsplit(lab.box.address)
    with socket.create_connection((there.hostname, there.port), timeout=5) as s:
        s.sendall(head + b"\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 100")
        s.sendall(body)
        assert s.recv(1000).startswith(b"HTTP/1.1 200")


def test_what_is_not_http_is_refused_and_the_connection_closed(lab):
    got = raw(lab, b"this is no request\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400")
    assert lab.post().status_code == 200


def test_a_connection_that_says_nothing_harms_nobody(lab):
    there = urlsplit(lab.box.address)
    with socket.create_connection((there.hostname, there.port)):
        assert lab.post().status_code == 200


async def test_many_at_once_are_all_answered(lab):
    async with httpx.AsyncClient(timeout=30) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    f"{lab.box.url('open')}/chat/completions",
                    headers={"authorization": f"Bearer {lab.box.key('open')}"},
                    json=lab.body(stream=n % 2 == 0, max_tokens=10),
                )
                for n in range(150)
            )
        )
    assert [a.status_code for a in answers] == [200] * 150
    assert lab.box.summary()["requests"] == 150


def test_a_client_that_leaves_in_the_middle_of_a_stream_is_recorded_as_gone(lab):
    lab.box.fault("slow", seconds=0.01)
    with lab.client.stream(
        "POST",
        f"{lab.box.url('open')}/chat/completions",
        headers={"authorization": f"Bearer {lab.box.key('open')}"},
        json=lab.body(stream=True),
    ) as response:
        next(response.iter_bytes())
    while not lab.box.stats():
        pass
    assert lab.box.stats()[0]["ended"] == "gone"


def test_a_bug_is_a_500_that_says_so_and_stands_in_the_log(lab, monkeypatch, caplog):
    import rotor_core.sandbox.exchange as exchange

    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(exchange, "compose", broken)
    failed = lab.post()
    assert failed.status_code == 500
    assert "a bug of the sandbox" in failed.json()["error"]["message"]
    assert "ZeroDivisionError" in caplog.text
    assert lab.box.stats()[0]["ended"] == "bug"


# ---- records ----------------------------------------------------------------------------------------------------------


def test_every_request_is_recorded_with_who_what_and_how_much(lab):
    usage = lab.ask()["usage"]
    lab.post("open", "none")
    lab.post(key="wrong")
    good, unknown, stranger = lab.box.stats()
    assert (good["provider"], good["model"], good["key"], good["status"], good["ended"]) == (
        "open",
        "plain",
        "open#1",
        200,
        "whole",
    )
    assert good["tokens"] == usage["total_tokens"]
    assert good["cost_usd"] == pytest.approx((usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6)
    assert good["at"] == lab.at
    assert (unknown["model"], unknown["status"], unknown["tokens"]) == ("none", 404, 0)
    assert (stranger["key"], stranger["status"]) == (None, 401)
    assert [r["number"] for r in lab.box.stats(since=good["number"])] == [unknown["number"], stranger["number"]]


def test_no_record_holds_a_key(lab):
    lab.ask()
    lab.post(key="wrong-key-0123456789")
    text = json.dumps(lab.box.stats())
    assert lab.box.key("open") not in text
    assert "wrong-key" not in text


def test_refusals_are_counted_with_their_limit(lab):
    for _ in range(5):
        lab.post("tight", "rpm")
    assert lab.box.refusals() == 2
    assert [r["dimension"] for r in lab.box.stats()] == [None, None, None, "RPM", "RPM"]
    summary = lab.box.summary()
    assert summary["by_status"] == {"200": 3, "429": 2}
    assert summary["answered"] == {"tight/rpm": 3}


def test_a_slot_is_free_again_when_the_answer_is_out(lab):
    assert [lab.post("tight", "single", stream=s).status_code for s in (False, True, False)] == [200] * 3


def test_a_second_call_in_flight_is_refused_where_one_is_allowed(lab):
    number = lab.box.fault("hang", model="single", times=1)
    first = threading.Thread(target=lambda: lab.post("tight", "single"))
    first.start()
    while not lab.box.faults()[number]["met"]:
        pass
    assert lab.post("tight", "single").status_code == 429
    assert lab.box.stats()[-1]["dimension"] == "concurrent"
    while first.is_alive():
        lab.box.release()
        first.join(0.01)


def test_reset_makes_it_as_new(lab):
    for _ in range(4):
        lab.post("tight", "rpm")
    lab.box.fault(500)
    lab.box.reset()
    assert lab.box.stats() == []
    assert lab.box.summary()["requests"] == 0
    assert lab.post("tight", "rpm").headers["x-ratelimit-remaining-requests"] == "2"


def test_latency_is_waited_for():
    spec = {"providers": {"lab": {"keys": [], "latency": [0.03, 0.05], "models": {"m": {}}}}}
    with Sandbox(spec) as box, httpx.Client() as client:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        answer = client.post(f"{box.url('lab')}/chat/completions", json=body)
        assert 30 <= int(answer.headers["openai-processing-ms"]) <= 50
        assert box.stats()[0]["seconds"] >= 0.03


# ---- control over HTTP ------------------------------------------------------------------------------------------------


def test_control_is_plain_http_too(lab):
    control = f"{lab.box.address}/_control"
    set_ = lab.client.post(control, json={"fault": {"kind": "status", "status": 503, "provider": "open"}}).json()
    assert lab.post().status_code == 503
    assert lab.client.get(control).json()[str(set_["fault"])]["status"] == 503
    lab.client.post(control, json={"lift": set_["fault"]})
    assert lab.post().status_code == 200
    lab.client.post(control, json={"reset": True})
    assert lab.client.get(f"{lab.box.address}/_stats").json() == []


@pytest.mark.parametrize(
    "body", [{}, {"rest": True}, {"fault": {"kind": "x"}}, [1], {"fault": {"kind": "empty", "provider": "x"}}]
)
def test_a_command_that_there_is_not_is_a_400(lab, body):
    assert lab.client.post(f"{lab.box.address}/_control", json=body).status_code == 400
    assert lab.client.post(f"{lab.box.address}/_control", content=b"{").status_code == 400


def test_the_front_page_says_where_providers_are(lab):
    listed = lab.client.get(f"{lab.box.address}/").json()["providers"]
    assert listed["quick"] == {"base_url": lab.box.url("quick"), "dialect": "groq", "models": ["plain", "thinker"]}
    missing = lab.client.get(f"{lab.box.address}/nobody/v1/models")
    assert (missing.status_code, "/open/v1" in missing.text) == (404, True)


def test_unknown_providers_and_keys_are_told_with_the_known_ones(lab):
    with pytest.raises(SandboxError, match="no provider 'nobody'.*open, quick"):
        lab.box.url("nobody")
    with pytest.raises(SandboxError, match="has 1 keys in this sandbox, no number 2"):
        lab.box.key("quick", 2)


# ---- beginning and end ------------------------------------------------------------------------------------------------


def test_it_leaves_no_thread_no_socket_and_no_warning_behind():
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Sandbox("plain") as box:
            url, key = box.url("lab"), box.key("lab")
            box.fault("hang", times=1)
            with httpx.Client(timeout=0.05) as client, pytest.raises(httpx.ReadTimeout):
                client.post(f"{url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json={"model": "m-1", "messages": [{"role": "user", "content": "x"}]})  # fmt: skip
            idle = httpx.Client()
            assert idle.get(f"{url}/models").status_code == 200
        idle.close()
        gc.collect()
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


def test_it_ends_while_requests_hang():
    with Sandbox("plain") as box:
        box.fault("hang")
        hanging = threading.Thread(target=_ask_and_fail, args=(box.url("lab"), box.key("lab")))
        hanging.start()
        while not json.loads(httpx.get(f"{box.address}/_control").content)["1"]["met"]:
            pass
    hanging.join(5)
    assert not hanging.is_alive()


def _ask_and_fail(url: str, key: str) -> None:
    try:
        httpx.post(f"{url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json={"model": "m-1", "messages": [{"role": "user", "content": "x"}]})  # fmt: skip
    except httpx.TransportError:
        return


def test_closing_twice_and_closing_what_never_ran_is_nothing():
    box = Sandbox("plain")
    box.close()
    with box:
        box.close()
    box.close()
    with box:
        assert box.summary()["requests"] == 0


def test_a_port_that_is_taken_is_told():
    with Sandbox("plain") as box:
        port = urlsplit(box.address).port
        for process in (False, True):
            with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}"):
                Sandbox("plain", port=port, process=process).__enter__()


def test_a_process_of_its_own_behaves_alike():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Sandbox({"providers": {"lab": {"keys": ["k"], "models": {"m": {"rpm": 1}}}}}, process=True) as box:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            headers = {"authorization": "Bearer k"}
            statuses = [
                httpx.post(f"{box.url('lab')}/chat/completions", headers=headers, json=body).status_code for _ in "ab"
            ]
            assert statuses == [200, 429]
            assert box.refusals() == 1
            box.fault(500, provider="lab")
            assert httpx.post(f"{box.url('lab')}/chat/completions", headers=headers, json=body).status_code == 500
            address = box.address
        gc.collect()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_process_does_not_outlive_who_started_it():
    code = (
        "import os; from rotor_core.sandbox import Sandbox\n"
        "box = Sandbox('plain', process=True).__enter__(); print(box.address, flush=True); os._exit(1)"
    )
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    address = started.stdout.strip()
    for _ in range(500):
        try:
            httpx.get(address, timeout=1)
        except httpx.TransportError:
            return
    raise AssertionError(f"{address} still answers")


def test_a_clock_of_its_own_is_for_threads_alone():
    with pytest.raises(ValueError, match="real time"):
        Sandbox("plain", process=True, clock=lambda: 0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_it_is_interrupted(sent):
    code = (
        "from rotor_core.sandbox import serve; serve('plain', on_ready=lambda a: print(a, flush=True)); print('ended')"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as p:
        address = p.stdout.readline().strip()
        assert httpx.get(f"{address}/_stats").json() == []
        os.kill(p.pid, sent)
        out, err = p.communicate(timeout=10)
    assert (out.strip(), err, p.returncode) == ("ended", "", 0)


def test_serve_refuses_what_is_no_description():
    with pytest.raises(ConfigError, match="providers"):
        serve({"providers": {}})


def test_rotor_talks_to_it_by_the_configuration_it_gives(lab):
    with Sandbox("plain") as box, Rotor.from_config(box.config()) as rotor:
        result = rotor.chat("Why is the sky blue?")
        assert "sky blue" in result.answer.text
        assert box.stats()[0]["status"] == 200
