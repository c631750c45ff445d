"""A key that nobody has tried yet may be a bad one: one call finds out, however many come at once."""

import pytest

from rotor_core._outcome import Failure
from rotor_core.simulate.report import Arrival, Verdict
from rotor_core.simulate.scenarios import read_world
from rotor_core.simulate.world import World

RANKINGS = ("free-first", "cheapest", "fastest", "spread", "balanced")


class Revoked:
    """One of its keys is no good; it says so after a while. `calls`: by deployment."""

    def __init__(self, bad, seconds=0.3):
        self.bad, self.seconds, self.calls = bad, seconds, []

    def arrive(self, at, deployment, arrival):
        self.calls.append(deployment.id)
        refused = deployment.id == self.bad
        return Verdict(Failure("auth", status=401) if refused else None, self.seconds)


def two_keys(ranking, upstream, **model):
    provider = {"keys": ["lab-one", "lab-two"], "models": {"m": {"price": {"input": 0, "output": 0}, **model}}}
    _, catalog = read_world({"providers": {"a": provider}, "policy": {"ranking": ranking}})
    return World(catalog, upstream, 1)


def together(at, count):
    return [Arrival(at, 10, 20, 5) for _ in range(count)]


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("model", [{"rpm": 30}, {"limits": []}])
def test_of_five_that_come_together_one_goes_to_the_key_that_was_never_tried(ranking, model):
    upstream = Revoked("a/m#2")
    # The first goes to the first key, of equals; by the time of the others it has answered.
    report = two_keys(ranking, upstream, **model).run([*together(0.0, 1), *together(5.0, 5), *together(9.0, 5)])

    assert report.answered == 11
    assert upstream.calls.count("a/m#2") == 1


@pytest.mark.parametrize("ranking", RANKINGS)
def test_a_key_on_trial_is_asked_all_the_same_when_there_is_no_room_elsewhere(ranking):
    upstream = Revoked("nobody")
    report = two_keys(ranking, upstream, rpm=3).run([*together(0.0, 1), *together(5.0, 5)])

    assert report.answered == 6
    assert sorted(upstream.calls) == ["a/m#1"] * 3 + ["a/m#2"] * 3


@pytest.mark.parametrize("ranking", ["free-first", "spread"])
def test_a_key_that_failed_its_trial_by_bad_luck_has_its_turns_again(ranking):
    class Unlucky(Revoked):
        def arrive(self, at, deployment, arrival):
            unlucky = deployment.id == "a/m#2" and "a/m#2" not in self.calls
            self.calls.append(deployment.id)
            return Verdict(Failure("server_error", status=500) if unlucky else None, self.seconds)

    upstream = Unlucky("nobody")
    report = two_keys(ranking, upstream, limits=[]).run([one for n in range(20) for one in together(5.0 * n, 1)])

    assert report.answered == 20
    assert upstream.calls.count("a/m#2") >= 10
