"""What is learned of answers' lengths from events, and handed out to requests alike."""

from __future__ import annotations

import json
import threading

from tests.kernel.made import catalog, deployment

from rotor_core._demand import LEAST, Demand, Expected
from rotor_core._events import Answered, Rotated
from rotor_core._outcome import Usage
from rotor_core._policy.charge import usual
from rotor_core.observe.lengths import Calibration

MODELS = {"m": 4000}


def calibration():
    return Calibration(catalog(deployment("a", "m"), deployment("b", "other")).deployments)


def answered(to="a/m#1", output=100, read=50, demand=Demand(50, 200), usage=True):
    used = Usage(read, output) if usage else None
    return Answered(1.0, "r", "main", 1, to, used, 1.0, None, 0.0, None, True, demand)


def hear(of, count=12, **more):
    for _ in range(count):
        of(answered(**more))
    return of


def test_what_answers_took_is_expected_of_the_next():
    of = hear(calibration(), demand=Demand(50, 200, task="chat"), read=60)

    assert of.expect(MODELS, "chat", estimated=50)["m"] == Expected(100, 125, 4000, 1.2)
    assert of.expect(MODELS, "other task", estimated=50, asked=110)["m"] == Expected(100, 110, 110, 1.2)


def test_the_least_of_all_is_worked_out_with_them():
    of = hear(calibration())

    assert of.expect({"m": None, "other": 50}, "", estimated=50)[LEAST] == Expected(50)
    assert of.expect({}, "", estimated=50) == {}


def test_of_a_model_that_was_not_heard_of_the_usual_is_expected():
    assert calibration().expect({"m": None}, "", estimated=50)["m"] == Expected(usual("m"))


def test_what_says_nothing_of_lengths_is_passed_over():
    of = calibration()
    hear(of, usage=False)
    hear(of, demand=None)
    hear(of, to="gone/m#1")
    hear(of, output=0)
    of(Rotated(1.0, "r", "main", 2, "a/m#1", "b/other#1", "timeout"))

    assert of.dump() == {"outputs": [], "scales": []}


def test_several_answers_to_one_call_are_so_many_of_equal_length():
    of = hear(calibration(), output=300, demand=Demand(50, 600, 600, answers=3))

    assert of.expect(MODELS, "", estimated=50)["m"].likely == 100
    assert of.expect(MODELS, "", estimated=50, answers=2)["m"].likely == 200


def test_an_answer_that_ended_at_max_tokens_is_taken_as_cut():
    of = hear(calibration(), output=60, demand=Demand(50, 60, 60))

    assert of.expect(MODELS, "", estimated=50, asked=900)["m"].likely == 900
    assert of.expect(MODELS, "", estimated=50, asked=60)["m"].likely == 60


def test_requests_alike_get_the_same_mapping_until_something_was_learned():
    of = hear(calibration(), 64)
    first = of.expect(MODELS, "", estimated=50)
    assert of.expect(MODELS, "", estimated=50) is first

    hear(of, 64, output=900)

    assert of.expect(MODELS, "", estimated=50)["m"].likely == 900


def test_equal_models_of_another_plan_are_worked_out_apart():
    of, other = hear(calibration()), {"m": 50}

    assert of.expect(MODELS, "", estimated=50)["m"].bound == 4000
    assert of.expect(other, "", estimated=50)["m"].bound == 50


def test_what_is_kept_ready_is_bounded():
    of = hear(calibration())
    for asked in range(1, 2000):
        of.expect(MODELS, "", estimated=50, asked=asked)

    assert len(of._ready) <= 256


def test_what_is_known_can_be_written_and_read_again():
    of, again = hear(calibration()), calibration()
    again.expect(MODELS, "", estimated=50)

    again.load(json.loads(json.dumps(of.dump())))
    again.renew()

    assert again.expect(MODELS, "", estimated=50) == of.expect(MODELS, "", estimated=50)


def test_it_can_be_told_and_asked_from_many_threads():
    of = calibration()
    threads = [threading.Thread(target=hear, args=(of, 200)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        of.expect(MODELS, "", estimated=50)
    for thread in threads:
        thread.join()

    assert of.expect(MODELS, "", estimated=50)["m"].likely == 100
