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
        assert calls <= 75
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
        for _ in range(2000):
            there.call(draw.choice(keys), jitter=0.5)
        assert there.found == []
