"""Everything that can be made to go wrong, as a client lives through it."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest
from tests.sandbox.conftest import data

from rotor_core import ConfigError
from rotor_core.sandbox import Fault, SandboxError
from rotor_core.sandbox.faults import KINDS, Faults, read_fault


def last(lab):
    return lab.box.stats()[-1]


# ---- which request a fault is for -------------------------------------------------------------------------------------


def test_a_fault_is_for_whom_it_names():
    faults = Faults()
    fault = Fault("empty", provider="a", model="m", key="a#2")
    faults.set(fault)
    assert faults.next("a", "m", "a#2") == fault
    assert faults.next("b", "m", "a#2") is None
    assert faults.next("a", "n", "a#2") is None
    assert faults.next("a", "m", "a#1") is None


def test_a_fault_is_spent_after_its_times_and_begins_after_so_many_requests():
    faults = Faults()
    faults.set(Fault("empty", times=2, after_requests=1))
    assert [faults.next("a", "m", None) is not None for _ in range(5)] == [False, True, True, False, False]


def test_the_first_that_fits_happens_and_a_lifted_one_never():
    faults = Faults()
    first = faults.set(Fault("empty", provider="a"))
    faults.set(Fault("reset"))
    assert [faults.next(p, "m", None).kind for p in ("a", "b")] == ["empty", "reset"]
    faults.lift(first)
    assert faults.next("a", "m", None).kind == "reset"
    faults.lift()
    assert faults.next("a", "m", None) is None


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"kind": "explode"}, "unknown fault"),
        ({"kind": "empty", "modell": "x"}, "modell: unknown key"),
        ({"kind": "empty", "times": "often"}, "times: is of the wrong type"),
        ({"kind": "slow", "seconds": -1}, "seconds: is of the wrong type"),
        ({"kind": "status", "status": 200}, "status: is no error"),
        ({}, "unknown fault"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(described, told):
    with pytest.raises(ConfigError, match=told):
        read_fault(described)


@pytest.mark.parametrize("about", [{"provider": "nobody"}, {"model": "none"}, {"key": "open#9"}])
def test_a_fault_for_somebody_who_is_not_there_is_refused(lab, about):
    with pytest.raises(SandboxError, match="is not in this sandbox"):
        lab.box.fault("empty", **about)


# ---- each of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "words"), [("open", "Rate limit reached for plain"), ("quick", "Rate limit reached for model `plain`")]
)
def test_a_429_on_demand_is_in_the_providers_wording_and_no_refusal_of_a_limit(lab, provider, words):
    lab.box.fault(429, provider=provider, retry_after=2.5)
    refused = lab.post(provider)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3"
    assert words in refused.json()["error"]["message"]
    assert "Please try again in 2.5s" in refused.json()["error"]["message"]
    assert (last(lab)["fault"], lab.box.refusals()) == ("status", 0)


def test_a_429_without_a_time_names_none(lab):
    lab.box.fault(429)
    refused = lab.post()
    assert "retry-after" not in refused.headers
    assert "try again in" not in refused.text


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_server_errors_have_a_body_in_the_providers_shape(lab, status):
    lab.box.fault(status)
    failed = lab.post()
    assert failed.status_code == status
    assert failed.json()["error"]["message"]


def test_an_error_can_have_words_of_its_own(lab):
    lab.box.fault(500, message="the cat is on the keyboard")
    assert lab.post().json()["error"]["message"] == "the cat is on the keyboard"


def test_what_is_refused_by_a_fault_is_not_counted(lab):
    lab.box.fault(500, times=5)
    for _ in range(5):
        lab.post("tight", "rpm")
    assert lab.post("tight", "rpm").headers["x-ratelimit-remaining-requests"] == "2"


def test_a_key_can_be_revoked_while_others_go_on(lab):
    lab.box.fault("revoked", key="tight#1")
    assert lab.post("tight", "rpm", key=lab.box.key("tight", 1)).status_code == 401
    assert lab.post("tight", "rpm", key=lab.box.key("tight", 2)).status_code == 200


def test_what_hangs_hangs_until_it_is_released_and_then_answers(lab):
    number = lab.box.fault("hang", model="thinker")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(lab.post("open", "thinker")))
    waiting.start()
    while not lab.box.faults()[number]["met"]:
        pass
    assert lab.post().status_code == 200  # another one goes on
    assert not answers
    while waiting.is_alive():
        lab.box.release()  # as often as needed: the first may come before the request is that far
        waiting.join(0.01)
    assert answers[0].status_code == 200
    assert lab.box.summary()["by_status"] == {"200": 2}


def test_what_hangs_for_a_time_answers_after_it(lab):
    lab.box.fault("hang", seconds=0.05)
    begun = time.perf_counter()
    assert lab.post().status_code == 200
    assert time.perf_counter() - begun >= 0.05


def test_who_gives_up_on_what_hangs_is_recorded_as_gone_and_holds_no_slot(lab):
    lab.box.fault("hang", times=1)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.05) as impatient:
        impatient.post(
            f"{lab.box.url('tight')}/chat/completions",
            headers={"authorization": f"Bearer {lab.box.key('tight')}"},
            json=lab.body("single"),
        )
    while not lab.box.stats():
        pass
    assert (last(lab)["ended"], last(lab)["status"]) == ("gone", 0)
    assert lab.post("tight", "single").status_code == 200


def test_a_slow_stream_takes_its_time_and_is_whole(lab):
    lab.box.fault("slow", seconds=0.01)
    begun = time.perf_counter()
    events = lab.events(max_tokens=5)
    assert events[-1] == "[DONE]"
    assert time.perf_counter() - begun >= 0.01 * len(events)


def read_until_it_breaks(lab, provider="open"):
    got, broke = "", False
    url, headers = f"{lab.box.url(provider)}/chat/completions", {"authorization": f"Bearer {lab.box.key(provider)}"}
    with lab.client.stream("POST", url, headers=headers, json=lab.body(stream=True)) as response:
        assert response.status_code == 200
        try:
            for piece in response.iter_text():
                got += piece
        except httpx.TransportError:
            broke = True
    assert broke
    return data(got)


@pytest.mark.parametrize("kind", ["cut", "reset"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_stream_breaks_off_after_so_many_events(lab, kind, after):
    lab.box.fault(kind, after=after)
    events = read_until_it_breaks(lab)
    # A reset may overtake what was sent before it.
    assert len(events) == after if kind == "cut" else len(events) <= after
    assert (last(lab)["status"], last(lab)["ended"], last(lab)["fault"]) == (200, "cut", kind)


def test_a_cut_that_is_set_too_late_comes_before_the_end_all_the_same(lab):
    lab.box.fault("cut", after=10_000)
    events = read_until_it_breaks(lab)
    assert all(json.loads(e)["choices"][0]["finish_reason"] is None for e in events)


def test_a_whole_answer_is_cut_in_its_middle(lab):
    lab.box.fault("cut")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        lab.post()


def test_a_connection_is_reset_before_anything_is_said(lab):
    lab.box.fault("reset", times=1)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        lab.post()
    assert (last(lab)["status"], last(lab)["ended"]) == (0, "cut")
    assert lab.post().status_code == 200


@pytest.mark.parametrize("provider", ["open", "quick"])
def test_a_stream_can_end_early_without_a_sign(lab, provider):
    lab.box.fault("early_end", after=3)
    events = lab.events(provider)
    assert len(events) == 3
    assert all(json.loads(e)["choices"][0]["finish_reason"] is None for e in events)


def test_an_error_stands_in_a_stream_of_status_200(lab):
    lab.box.fault("stream_error", after=2)
    response = lab.post(stream=True)
    assert response.status_code == 200
    events = data(response.text)
    assert len(events) == 3
    assert json.loads(events[-1])["error"]["type"] == "server_error"


def test_groq_names_the_event_of_an_error(lab):
    lab.box.fault("stream_error", after=1)
    text = lab.post("quick", stream=True).text
    assert "event: error\ndata: " in text
    assert json.loads(data(text)[-1])["error"]["status_code"] == 400


def test_a_whole_answer_can_be_an_error_with_status_200(lab):
    lab.box.fault("stream_error")
    response = lab.post()
    assert (response.status_code, "error" in response.json()) == (200, True)


def test_a_body_can_be_a_page_or_nothing(lab):
    lab.box.fault("not_json", times=1)
    page = lab.post()
    assert (page.status_code, page.text[:6]) == (200, "<html>")
    lab.box.fault("empty")
    assert (lab.post().status_code, lab.post().content) == (200, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_after_any_fault_the_next_request_is_answered(lab, kind):
    lab.box.fault(kind, times=1, seconds=0.001, after=1 if kind in {"cut", "early_end"} else 0)
    try:
        lab.post(stream=True)
    except httpx.TransportError:
        pass
    assert lab.post().status_code == 200
    assert lab.box.stats()[0]["fault"] == kind
