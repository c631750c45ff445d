"""Quotas that are one are found by what their provider counts; quotas that are not never are."""

from __future__ import annotations

from random import Random

import pytest

from rotor_core._state import kinships
from rotor_core._state.kinships import ENOUGH, FAMILIES, KEPT, MEMBERS, STRETCH, Kinships

FAMILY = "https://a|m|requests|minute|30"


class Provider:
    """Counts calls by the quota that a key really belongs to. Figures come with what was on its way a moment ago or not."""

    def __init__(self, draw: Random, owners: dict[str, str], family: str = FAMILY) -> None:
        self.draw, self.owners, self.family = draw, owners, family
        self.kin, self.at = Kinships(), 1000.0
        self.counted, self.ours = dict.fromkeys(owners.values(), 0.0), dict.fromkeys(owners, 0.0)
        self.coming: list[tuple[str, float]] = []
        self.found: list[tuple[str, str]] = []

    def others_took(self, key: str, amount: float) -> None:
        self.counted[self.owners[key]] += amount

    def call(self, key: str, amount: float = 1.0, jitter: float = 0.0) -> None:
        self.at += 0.1
        self.ours[key] += amount
        self.kin.took(self.family, key, self.at, amount)
        late, self.coming = self.coming, []
        if late and self.draw.random() < 0.5:  # the one before arrives after this one
            self._count(key, amount)
            self._tell(key)
            self._arrive(late)
            return
        self._arrive(late)
        if self.draw.random() < jitter:
            self.coming = [(key, amount)]
            return
        self._count(key, amount)
        self._tell(key)

    def _arrive(self, late: list[tuple[str, float]]) -> None:
        for key, amount in late:
            self._count(key, amount)

    def _count(self, key: str, amount: float) -> None:
        self.counted[self.owners[key]] += amount

    def _tell(self, key: str) -> None:
        pair = self.kin.told(self.family, key, self.at, self.counted[self.owners[key]] - self.ours[key])
        if pair is not None:
            self.found.append(pair)


def test_keys_of_one_quota_are_found_within_fifty_calls() -> None:
    for seed in range(200):
        draw = Random(seed)
        there = Provider(draw, {"a": "x", "b": "x"})
        calls = 0
        while not there.found:
            there.call(draw.choice("ab"))
            calls += 1
        assert there.found == [("a", "b")]
        assert calls <= 75  # the median is 54
        for _ in range(300):
            there.call(draw.choice("ab"))
        assert there.found == [("a", "b")]


def test_they_are_found_with_calls_on_their_way() -> None:
    for seed in range(200):
        draw = Random(seed)
        there = Provider(draw, {"a": "x", "b": "x"})
        for _ in range(300):
            there.call(draw.choice("ab"), jitter=0.5)
        assert there.found == [("a", "b")]


@pytest.mark.parametrize("keys", ["ab", "abcde"])
def test_independent_quotas_are_never_found_in_busy_traffic(keys: str) -> None:
    for seed in range(200):
        draw = Random(seed)
        there = Provider(draw, {key: key for key in keys})
        for _ in range(1000):
            there.call(draw.choice(keys), jitter=0.5)
        assert there.found == []


@pytest.mark.parametrize("others", ["c", "cd"])
def test_two_of_several_are_found_and_none_else(others: str) -> None:
    for seed in range(50):
        draw = Random(seed)
        owners = {"a": "x", "b": "x"} | {key: key for key in others}
        there = Provider(draw, owners)
        for _ in range(600):
            there.call(draw.choice(list(owners)), jitter=0.3)
        assert there.found == [("a", "b")]


def test_three_of_one_quota_are_found_in_pairs() -> None:
    for seed in range(50):
        draw = Random(seed)
        there = Provider(draw, {"a": "x", "b": "x", "c": "x"})
        for _ in range(400):
            there.call(draw.choice("abc"), jitter=0.3)
        assert sorted(there.found) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_tokens_need_not_be_exact() -> None:
    for seed in range(50):
        draw = Random(seed)
        there = Provider(draw, {"a": "x", "b": "x"}, "tokens")
        for _ in range(300):
            amount = draw.randint(500, 2000)
            there.call(draw.choice("ab"), amount)
            there.ours["a"] += amount * 0.05
        assert there.found == [("a", "b")]


def test_what_others_take_of_independent_quotas_is_not_taken_for_ours() -> None:
    for seed in range(200):
        draw = Random(seed)
        there = Provider(draw, {"a": "a", "b": "b"})
        for _ in range(1000):
            there.call(draw.choice("ab"), jitter=0.5)
            if draw.random() < 0.3:
                there.others_took(draw.choice("ab"), 1.0)
        assert there.found == []


def test_one_direction_is_not_enough() -> None:
    kin = Kinships()
    beyond = 0.0
    for n in range(500):
        kin.took(FAMILY, "b", n, 1.0)
        beyond += 1.0
        assert kin.told(FAMILY, "a", n + 0.5, beyond) is None


def test_after_a_contradiction_twice_as_many_confirmations_are_needed() -> None:
    def calls_until_found(contradicted: int) -> int:
        there = Provider(Random(1), {"a": "a", "b": "b"} if contradicted else {"a": "x", "b": "x"})
        for n in range(contradicted):
            there.call("ab"[n % 2])
        there.owners = {"a": "x", "b": "x"}
        there.counted = {"a": 0.0, "b": 0.0, "x": there.ours["a"] + there.ours["b"]}
        calls = 0
        while not there.found:
            there.call("ab"[calls % 2])
            calls += 1
        return calls

    assert calls_until_found(0) < calls_until_found(12) < calls_until_found(60)
    assert calls_until_found(100) <= calls_until_found(1000) <= 2 * STRETCH * kinships.MOST


def test_a_figure_for_an_instant_before_the_last_is_passed_over() -> None:
    kin = Kinships()
    kin.told(FAMILY, "a", 10.0, 0.0)
    for n in range(ENOUGH * STRETCH):
        kin.took(FAMILY, "b", 11.0 + n, 1.0)
        kin.took(FAMILY, "a", 11.0 + n, 1.0)
        assert kin.told(FAMILY, "a", 9.0, n) is None
        assert kin.told(FAMILY, "b", 9.0 - n, n) is None


def test_calls_that_are_no_longer_kept_are_not_compared() -> None:
    kin = Kinships()
    kin.took(FAMILY, "b", 0.0, 1.0)
    kin.told(FAMILY, "a", 0.5, 1.0)
    for n in range(20):
        for call in range(2 * KEPT):
            at = 1.0 + n + call / 1000
            kin.took(FAMILY, "a", at, 1.0)
            kin.took(FAMILY, "b", at, 1.0)
        assert kin.told(FAMILY, "a", n + 1.9, 2.0 * KEPT * n) is None
        assert kin.told(FAMILY, "b", n + 1.9, 2.0 * KEPT * n) is None


def test_what_is_kept_is_bounded() -> None:
    kin = Kinships()
    for n in range(FAMILIES + 50):
        kin.took(f"family {n}", "a", 1.0, 1.0)
    for n in range(MEMBERS + 5):
        kin.took(FAMILY, f"quota {n}", 1.0, 1.0)
        kin.counts(FAMILY, f"quota {n}", 1.0)
        assert kin.told(FAMILY, f"quota {n}", 2.0, 1.0) is None

    assert len(kin._families) == len(kin._pairs) == FAMILIES
    assert len(kin._families[FAMILY]) == MEMBERS


def test_a_quota_that_was_forgotten_begins_anew() -> None:
    there = Provider(Random(3), {"a": "x", "b": "x", "c": "x"})
    for _ in range(30):
        there.call(there.draw.choice("abc"))
    there.kin.forget("c")
    there.kin.forget("never heard of")

    while len(there.found) < 3:
        there.call(there.draw.choice("abc"))

    assert sorted(there.found) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_call_that_was_taken_back_is_not_expected_in_a_figure() -> None:
    for seed in range(20):
        there = Provider(Random(seed), {"a": "x", "b": "x"})
        for _ in range(200):
            key = there.draw.choice("ab")
            there.kin.took(FAMILY, key, there.at, 1.0)
            there.kin.took(FAMILY, key, there.at, -1.0)
            there.call(key)
        assert there.found == [("a", "b")]
