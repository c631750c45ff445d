"""Frozen values that cost little to make are frozen dataclasses in every other respect."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core import _events, _health, _ledger, _outcome
from rotor_core._values import quick


@dataclass(frozen=True, slots=True)
class Base:
    at: float
    name: str


@dataclass(frozen=True, slots=True)
class Plain(Base):
    more: tuple[int, ...] = ()
    kept: list[int] = field(default_factory=list, hash=False)
    hidden: str = field(default="", repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Quick(Base):
    more: tuple[int, ...] = ()
    kept: list[int] = field(default_factory=list, hash=False)
    hidden: str = field(default="", repr=False)


given_values = st.tuples(
    st.floats(allow_nan=False), st.text(), st.tuples(st.integers()), st.lists(st.integers()), st.text()
)


@given(given_values, st.integers(2, 5))
def test_it_holds_what_the_plain_one_holds(values: tuple[Any, ...], many: int):
    quick_one, plain = Quick(*values[:many]), Plain(*values[:many])

    assert [getattr(quick_one, n) for n in ("at", "name", "more", "kept", "hidden")] == [
        getattr(plain, n) for n in ("at", "name", "more", "kept", "hidden")
    ]
    assert repr(quick_one) == repr(plain).replace("Plain", "Quick")
    assert hash(quick_one) == hash(plain)


@given(given_values)
def test_it_compares_copies_and_travels_as_a_plain_one(values: tuple[Any, ...]):
    one = Quick(*values)

    assert type(one) is Quick
    assert one == Quick(*values) == copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert replace(one, name="other") == Quick(values[0], "other", *values[2:])


def test_it_cannot_be_changed():
    one = Quick(1.0, "one")

    with pytest.raises(FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.name  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        one.other = 1  # type: ignore[attr-defined]
    assert one == Quick(1.0, "one")


def test_each_has_a_default_of_its_own_where_a_factory_makes_it():
    first, second = Quick(1.0, "one"), Quick(1.0, "one")

    assert first.kept == second.kept == []
    assert first.kept is not second.kept


@dataclass(frozen=True, slots=True)
class Further(Quick):
    last: int = 0


class Methodical(Quick):
    __slots__ = ()

    def loud(self) -> str:
        return self.name.upper()


class Open(Quick):
    def __init__(self, name: str) -> None:
        super().__init__(1.0, name)


def test_who_is_derived_from_it_is_what_it_says():
    assert Further(1.0, "one", last=3) == Further(1.0, "one", (), [], "", 3)
    assert Methodical(1.0, "one").loud() == "ONE"
    assert type(Open("one")) is Open
    assert Open("one").kept == []
    with pytest.raises(FrozenInstanceError):
        Methodical(1.0, "one").name = "other"  # type: ignore[misc]


def test_its_arguments_can_be_asked_for_their_types():
    assert typing.get_type_hints(_outcome.Answer.__init__)["usage"] == _outcome.Usage | None


def test_arguments_are_named_as_the_fields_are():
    assert list(inspect.signature(Quick).parameters) == ["at", "name", "more", "kept", "hidden"]
    assert Quick(name="one", at=2.0, hidden="x") == Quick(2.0, "one", hidden="x")
    with pytest.raises(TypeError, match="name"):
        Quick(1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unknown"):
        Quick(1.0, "one", unknown=1)  # type: ignore[call-arg]


def _thawed() -> type:
    return dataclass(slots=True)(type("Thawed", (), {"__annotations__": {"a": int}}))


def _loose() -> type:
    return dataclass(frozen=True)(type("Loose", (), {"__annotations__": {"a": int}}))


def _busy() -> type:
    made = type("Busy", (), {"__annotations__": {"a": int}, "__post_init__": lambda _: None})
    return dataclass(frozen=True, slots=True)(made)


def _by_name() -> type:
    return dataclass(frozen=True, slots=True, kw_only=True)(type("ByName", (), {"__annotations__": {"a": int}}))


@pytest.mark.parametrize("made", [_thawed, _loose, _busy, _by_name])
def test_who_is_no_plain_frozen_value_is_refused(made: Any):
    cls = made()
    with pytest.raises(TypeError, match=cls.__name__):
        quick(cls)


@pytest.mark.parametrize(
    "value",
    [
        _events.Selected(1.0, "r", "p", 1, "d", "why", 1.0, 0.0),
        _outcome.Attempt(1, "d", 1.0, 2.0),
        _outcome.Failure("timeout"),
        _health.Guards(),
        _ledger.Standing(1.0, 0, None, 1.0, 0.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_crosses_borders_is_frozen(value: Any):
    name = next(iter(inspect.signature(type(value)).parameters))

    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)
    assert replace(value) == value
