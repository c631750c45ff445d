"""The demo's arithmetic: what callers saw and what events told, summed up."""

from __future__ import annotations

from rotor_cli.demo.account import Account, percentile
from rotor_core import Answered, Selected, Usage

WANTED = {"offered", "answered", "free", "paid", "upstream_429", "waited_s", "p50_ms", "p95_ms", "by"}


def an_answer(deployment: str, *, free: bool = True, waited: float = 0.0, cost: float | None = 0.0) -> Answered:
    return Answered(1.0, "r-1", "demo", 1, deployment, Usage(10, 5), 0.2, None, waited, cost, free)


def an_account(answered: int = 2, offered: int = 2) -> Account:
    account = Account(offered=offered)
    account.seconds = [0.1 * (n + 1) for n in range(answered)]
    return account


def test_answers_are_counted_by_deployment_and_by_what_they_cost() -> None:
    account = an_account(3, 3)
    for event in (an_answer("b#1"), an_answer("b#1", waited=1.5), an_answer("a#1", free=False, cost=0.25)):
        account.hear(event)
    summary = account.summary(0)
    assert summary.by == {"a#1": 1, "b#1": 2}
    assert (summary.free, summary.paid, summary.cost_usd) == (2, 1, 0.25)
    assert (summary.waited_s, summary.longest_wait_s) == (1.5, 1.5)
    assert summary.seats["b#1"].tokens == 30


def test_an_answer_of_unknown_cost_or_usage_is_still_an_answer() -> None:
    account = Account()
    account.hear(Answered(1.0, "r-1", "demo", 1, "a#1", None, 0.2, None, 0.0, None, False))
    assert (account.answers(free=False), account.cost_usd, account.seats["a#1"].tokens) == (1, 0.0, 0)


def test_other_events_are_not_answers() -> None:
    account = Account()
    account.hear(Selected(1.0, "r-1", "demo", 1, "a#1", "free", 1.0, 0.0))
    assert account.seats == {}


def test_json_has_exactly_the_promised_keys() -> None:
    assert set(an_account().summary(0).to_dict()) == WANTED


def test_percentiles_are_what_callers_saw_in_milliseconds() -> None:
    summary = an_account(20, 20).summary(0)
    assert (summary.p50_ms, summary.p95_ms) == (1000.0, 1900.0)


def test_nothing_answered_has_no_percentiles() -> None:
    summary = an_account(0, 1).summary(0)
    assert (summary.p50_ms, summary.p95_ms) == (None, None)


def test_all_is_well_when_everything_was_answered_and_nobody_refused() -> None:
    assert an_account().summary(0).all_well


def test_one_refusal_at_a_provider_is_not_well() -> None:
    assert not an_account().summary(1).all_well


def test_one_unanswered_question_is_not_well() -> None:
    assert not an_account(1, 2).summary(0).all_well


def test_an_interrupted_demo_is_not_well() -> None:
    assert not an_account().summary(0, interrupted=True).all_well


def test_what_is_under_way_is_what_was_offered_and_has_not_ended() -> None:
    account = an_account(2, 5)
    account.errors.append("NoCandidates: ...")
    assert account.summary(0, interrupted=True).under_way == 2


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0], 100) == 3.0
    assert percentile([], 50) is None
