"""How deployments fare, as one process sees it: overdue calls, probes, breakers of deployments and of providers."""

from __future__ import annotations

from random import Random

import pytest
from tests.kernel.made import deployment

from rotor_core._demand import Demand, Expected
from rotor_core._health import NO_BAR, Ending
from rotor_core._ledger import Plan, Reservation
from rotor_core._policy.plan import health_scopes
from rotor_core._state.breaker import FIRST_REST, JITTER
from rotor_core.observe.health import AGAIN, Health, _lengths

A, B, OTHER = deployment("a"), deployment("b"), deployment("a", "other")
PLAN = Plan((), lambda _: 0.0)
SERVED, FAILED, NOTHING = Ending("", 0.2, None, 50), Ending("server_error", 0.1), Ending(None)


class Site:
    """A health with a clock and numbered calls."""

    def __init__(self, *deployments) -> None:
        self.health = Health({d.id: d for d in deployments or (A, B, OTHER)}, Random(1))
        self.at = 1000.0
        self.number = 0

    def begin(self, to=A, *, forced=False, streamed=False):
        self.number += 1
        made = Reservation(f"r.{self.number}", to.id, self.at, self.at, self.at + 600, Demand(10, 50, 50))
        return made if self.health.begin(made, self.at, forced=forced, streamed=streamed) is not None else None

    def end(self, made, ending=SERVED):
        return self.health.finish(made.id, ending, self.at)

    def call(self, to=A, ending=SERVED, seconds=0.2):
        made = self.begin(to)
        self.at += seconds
        return self.end(made, ending)

    def well(self, to=A, calls=30):
        for _ in range(calls):
            self.call(to)

    def barred(self):
        return self.health.barred(PLAN, self.at)


def test_where_all_are_well_nobody_is_barred():
    site = Site()
    site.well()

    assert site.barred() is NO_BAR
    assert site.health.state(A.id, site.at) == ("closed", None)
    assert site.health.in_flight == 0


def test_failures_in_a_row_turn_the_breaker_of_a_deployment():
    site = Site()
    site.well()
    site.well(B)

    assert site.call(ending=FAILED) == []
    (turn,) = site.call(ending=FAILED)

    assert (turn.scope, turn.before, turn.after) == (health_scopes(A)[0], "closed", "open")
    assert turn.reason == "server_error"
    assert turn.evidence == "2 failures in a row, the last one server_error"
    assert site.at + FIRST_REST * (1 - JITTER) <= turn.until <= site.at + FIRST_REST * (1 + JITTER)
    assert site.health.state(A.id, site.at)[0] == "open"
    assert site.health.state(B.id, site.at)[0] == "closed"
    assert site.health.score(A.id) < 1.0


def fallen(site, to=A):
    site.well(to)
    while not site.call(to, FAILED):
        pass
    return site


def test_a_half_open_one_has_one_place_and_whoever_finds_it_taken_is_sent_elsewhere():
    site = fallen(Site())
    site.at += 10.0
    probe = site.begin()

    assert site.begin() is None
    assert site.barred().options == {A.id}
    assert site.barred().until == site.at + AGAIN
    assert site.health.state(A.id, site.at)[0] == "half_open"

    (turn,) = [] or site.end(probe) or [None]
    assert turn is None
    assert site.barred() is NO_BAR
    assert site.begin() is not None


def test_a_probe_that_says_nothing_gives_its_place_back():
    site = fallen(Site())
    site.at += 10.0
    site.end(site.begin(), NOTHING)

    assert site.begin() is not None


def test_trust_returns_after_four_answers():
    site = fallen(Site())
    site.at += 10.0
    turns = [turn for _ in range(4) for turn in site.call()]

    assert [(t.before, t.after) for t in turns] == [("half_open", "closed")]
    assert site.barred() is NO_BAR


def test_a_forced_call_that_is_answered_ends_the_rest():
    site = fallen(Site())
    made = site.begin(forced=True)
    (turn,) = site.end(made)

    assert (turn.before, turn.after, turn.until) == ("open", "half_open", None)


def test_an_open_one_has_no_place():
    site = fallen(Site())

    assert site.begin() is None
    assert site.barred().options == {A.id}


def test_calls_that_are_overdue_put_a_deployment_in_doubt_before_they_time_out():
    site = Site()
    site.well(calls=50)
    hung = site.begin()
    site.at += 0.1
    assert site.barred() is NO_BAR
    site.at += 1.5

    assert site.barred().options == {A.id}

    site.end(hung, Ending("timeout", 2.0))
    assert site.barred() is NO_BAR, "one timeout alone is no proof"


def test_an_answer_clears_the_doubt():
    site = Site()
    site.well(calls=50)
    site.begin()
    other = site.begin()
    site.at += 1.6
    assert site.barred().options == {A.id}

    site.end(other)

    assert site.barred() is NO_BAR


def test_a_provider_all_of_whose_deployments_fail_is_left_alone_as_a_whole():
    site = Site()
    site.well()
    site.well(OTHER)
    turns = []
    for _ in range(4):
        turns += site.call(A, FAILED) if site.health.state(A.id, site.at)[0] != "open" else []
        turns += site.call(OTHER, FAILED) if site.health.state(OTHER.id, site.at)[0] != "open" else []

    assert health_scopes(A)[1] in {turn.scope for turn in turns}
    assert site.health.state(A.id, site.at)[0] == "open"
    assert site.begin(B) is not None


def test_one_failing_deployment_leaves_its_provider_in_use():
    site = fallen(Site())

    assert site.begin(OTHER) is not None


def test_after_a_providers_rest_its_deployments_share_one_place():
    site = Site(A, OTHER)
    site.well()
    site.well(OTHER)
    for _ in range(2):
        for to in (A, OTHER):
            made = site.begin(to, forced=True)
            site.end(made, FAILED)
    site.at += 20.0
    assert site.begin(A) is not None

    assert site.begin(OTHER) is None
    assert OTHER.id in site.barred().options


def test_a_second_end_says_nothing():
    site = Site()
    made = site.begin()
    site.end(made)

    assert site.end(made) == ()
    assert site.health.in_flight == 0


def test_what_is_overdue_is_forgotten_with_its_call():
    site = Site()
    site.well(calls=400)
    assert len(site.health._due) < 100


def test_reset_forgets_failures_and_keeps_what_is_under_way():
    site = fallen(Site())
    site.well(B)
    made = site.begin(B)
    under_way = site.begin(A, forced=True)
    site.health.forget([A.id, "nobody"])

    assert site.health.state(A.id, site.at) == ("closed", None)
    assert site.health.in_flight == 2
    assert site.health.read(A.id, site.at)["in_flight"] == 1
    site.end(under_way)
    site.end(made)
    assert site.health.in_flight == 0
    assert site.health.read(A.id, site.at)["in_flight"] == 0


def test_a_catalog_that_changes_keeps_what_is_known_of_those_that_stay():
    site = Site()
    site.well()
    turns = []
    while not turns:
        turns = site.call(B, FAILED)
    under_way = site.begin(A)

    site.health.follow({d.id: d for d in (A, B)})

    assert site.health.state(B.id, site.at)[0] == "open"
    assert site.health.read(A.id, site.at)["answer_ms"]["p50"] is not None
    assert site.health.read(A.id, site.at)["in_flight"] == 1
    site.end(under_way)
    assert site.health.read(A.id, site.at)["in_flight"] == site.health.in_flight == 0


def test_a_call_that_begins_when_its_deployment_is_gone_is_let_through_and_not_noted():
    site = Site()
    under_way = site.begin(OTHER)
    site.health.follow({d.id: d for d in (A, B)})

    late = site.begin(OTHER)

    assert late is not None
    assert list(site.end(late)) == list(site.end(under_way)) == []
    assert site.health.in_flight == 0
    assert site.barred() is NO_BAR


def test_a_child_process_begins_anew():
    site = fallen(Site())
    site.begin(B)
    site.health.renew()

    assert site.health.in_flight == 0
    assert site.health.state(A.id, site.at) == ("closed", None)


def test_retries_have_a_budget():
    site = Site()
    assert site.health.may_retry(1000.0)
    assert not all(site.health.may_retry(1000.0) for _ in range(1000))


def test_what_is_shown_to_people():
    site = Site()
    site.well()
    shown = site.health.read(A.id, site.at)

    assert shown["health"] == 1.0
    assert shown["in_flight"] == 0
    assert shown["tokens_per_second"] > 0
    assert set(shown["first_chunk_ms"]) == {"p50", "p95", "p99"}
    nothing = dict.fromkeys(("p50", "p95", "p99"))
    other = site.health.read(B.id, site.at)
    assert other == {**shown, "tokens_per_second": None, "answer_ms": nothing}
    assert shown["answer_ms"]["p50"] == pytest.approx(200, rel=0.05)
    assert (shown["state"], shown["until"]) == ("closed", None)


def test_no_call_is_expected_to_be_longer_than_its_bound_or_half_as_much_again_as_the_longest_seen():
    def demand(most, bound):
        return Demand(10, 20, bound, outputs={"m": Expected(20, most, bound)})

    assert _lengths(Demand(10, 20, 77), "m") == (77, None)
    assert _lengths(Demand(10, 20), "m") == (None, None)
    assert _lengths(demand(None, 8000), "m") == (8000, None)
    assert _lengths(demand(300, 8000), "m") == (450, 20)
    assert _lengths(demand(20, 8000), "m") == (128, 20)
    assert _lengths(demand(300, 100), "m") == (100, 20)
    assert _lengths(demand(300, None), "m") == (450, 20)


def test_a_stream_that_flows_is_overdue_no_more_however_long_it_goes_on():
    site = Site()
    for _ in range(50):
        made = site.begin()
        site.at += 0.2
        site.end(made, Ending("", 0.2, 0.1, 50, 0.05))
    flowing, silent = site.begin(streamed=True), site.begin(streamed=True)
    site.health.flowing(flowing.id)
    site.health.flowing("nobody's")
    site.at += 60.0
    assert site.barred().options == {A.id}

    site.health.flowing(silent.id)

    assert site.barred() is NO_BAR


def test_who_answers_much_slower_than_it_used_to_gets_few_calls_at_a_time():
    site = Site()
    site.well(calls=100)
    for _ in range(3):
        site.call(ending=Ending("", 4.0, None, 50), seconds=4.0)
    first, second = site.begin(), site.begin()

    assert first is not None
    assert second is not None
    assert site.begin() is None
    assert site.barred().options == {A.id}
    assert site.begin(forced=True) is not None


def test_a_call_that_ends_in_the_middle_of_another_question_is_noted_after_it():
    site = Site()
    call = site.begin()

    with site.health._lock:  # as when garbage collection closes a stream then, in the same thread
        assert site.health.finish(call.id, FAILED, site.at) == ()
        assert site.health.in_flight == 1

    assert site.health.in_flight == 0
    assert site.health.score("a/m#1") < 1.0
