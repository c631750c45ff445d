"""The demo's load: seeded, and about twice what is free."""

from __future__ import annotations

import math

import pytest

from rotor_cli.demo.load import TOKENS_EACH, allowance, default_rate, free_answers, questions
from rotor_core import Credential, Deployment, Limit, Model, Price, Provider, Secret
from rotor_core._model import BoundLimit

FREE = Price(0, 0)


def a_deployment(name: str, *limits: BoundLimit, price: Price | None = FREE) -> Deployment:
    credential = Credential(f"{name}#1", Secret("x"), name, name)
    provider = Provider(name, "openai-compatible", "http://127.0.0.1:1")
    return Deployment(f"{name}#1", provider, Model("m", price=price), credential, limits, price)


def bound(key: str, unit: str = "requests", value: float = 30, **more: object) -> BoundLimit:
    return BoundLimit(key, Limit(unit, value, **more))  # type: ignore[arg-type]


def test_the_same_seed_asks_the_same_questions_at_the_same_instants() -> None:
    assert questions(7, 30, 120) == questions(7, 30, 120)
    assert questions(7, 30, 120) != questions(8, 30, 120)


def test_questions_come_in_order_and_within_the_time() -> None:
    at = [q.at for q in questions(1, 30, 120)]
    assert at == sorted(at)
    assert at[0] >= 0
    assert at[-1] < 30


def test_questions_come_at_the_rate_that_was_asked_for() -> None:
    assert len(questions(1, 3600, 120)) == pytest.approx(7200, rel=0.05)


def test_questions_vary_in_length() -> None:
    lengths = {len(q.text) for q in questions(1, 60, 120)}
    assert max(lengths) > 4 * min(lengths)


@pytest.mark.parametrize(
    ("limit", "passes"),
    [
        (Limit("requests", 30, "minute", "bucket"), 45),
        (Limit("requests", 30, "minute", "rolling"), 30),
        (Limit("requests", 5, 10.0, "calendar"), 15),
        (Limit("tokens", 12 * TOKENS_EACH, "minute", "rolling"), 12),
        (Limit("concurrent", 4, None, "concurrency"), math.inf),
    ],
)
def test_a_limit_lets_pass_what_its_window_holds_in_the_time(limit: Limit, passes: float) -> None:
    assert allowance(limit, 30) == passes


def test_the_scarcest_limit_of_a_deployment_counts() -> None:
    seats = [a_deployment("a", bound("r", value=30), bound("t", "tokens", 10 * TOKENS_EACH, window="rolling"))]
    assert free_answers(seats, 30) == 10


def test_a_limit_that_two_deployments_share_is_counted_once() -> None:
    shared = bound("shared", value=20, window="rolling")
    assert free_answers([a_deployment("a", shared), a_deployment("b", shared)], 30) == 20


def test_paid_deployments_and_those_without_limits_do_not_count_as_free_seats() -> None:
    seats = [
        a_deployment("a", bound("a"), price=Price(1, 2)),
        a_deployment("b", bound("b"), price=None),
        a_deployment("c"),
    ]
    assert free_answers(seats, 30) == 0


def test_the_default_rate_is_twice_what_is_free() -> None:
    assert default_rate([a_deployment("a", bound("a", value=30, window="rolling"))], 30) == 120


def test_where_nothing_free_is_limited_the_rate_is_one_a_second() -> None:
    assert default_rate([], 30) == 60
    assert default_rate([a_deployment("a", bound("a", "concurrent", 4, per=None, window="concurrency"))], 30) == 60
