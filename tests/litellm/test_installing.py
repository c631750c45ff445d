"""Rotor installed in a litellm.Router: what is wrong with its configuration is said, and no key with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import litellm
import pytest
from tests.litellm.made import HELLO, by, entry, free, router

import rotor_litellm
from rotor_core import ConfigError
from rotor_core.rotor import Rotor
from rotor_core.sandbox import Sandbox
from rotor_litellm.provider import RotorProvider


async def test_a_misspelt_entry_that_joins_later_takes_nobody_down(box: Sandbox, caplog: pytest.LogCaptureFixture):
    r = router(entry(box, "one", rotor=free()))
    rotor_litellm.install(r)

    r.add_deployment(litellm.types.router.Deployment(**entry(box, "two", group="other", rotor={"limts": []})))

    for group, name in (("lab", "one-1"), ("other", "two-1")):
        assert by(await r.acompletion(model=group, messages=HELLO, max_tokens=5)) == name
    assert "limts" in caplog.text


def test_a_misspelt_key_is_an_error_that_names_its_place(box: Sandbox):
    r = router(entry(box, "one", rotor={"limts": []}))

    with pytest.raises(ConfigError, match=r"model_list: one-1\.model_info\.rotor.*limts.*limits"):
        rotor_litellm.install(r)


def test_no_error_of_a_configuration_shows_a_key(box: Sandbox):
    r = router(entry(box, "one", rotor={"price": "nothing"}))

    with pytest.raises(ConfigError) as caught:
        rotor_litellm.install(r)

    assert box.key("one") not in str(caught.value)


def test_installing_in_what_is_no_router_says_so():
    with pytest.raises(TypeError, match=r"litellm\.Router, not a dict"):
        rotor_litellm.install({})


def test_a_configuration_that_is_none_is_refused_by_every_door_at_once(box: Sandbox):
    r = router(entry(box, "one"))
    made: tuple[Callable[[Any], object], ...] = (
        RotorProvider, Rotor.from_config, lambda config: rotor_litellm.install(r, config),
    )  # fmt: skip

    for make in made:
        for wrong in (5, ["rotor.yaml"], True):
            with pytest.raises(TypeError, match=f"a path, a mapping or None, not {type(wrong).__name__}"):
                make(wrong)


def test_settings_that_undo_rotors_work_are_told_of_once_each(box: Sandbox, caplog: pytest.LogCaptureFixture):
    entries = [entry(box, name, key=key, max_parallel_requests=3) for name in ("one", "two") for key in (1, 2)]
    r = router(*entries, num_retries=1, retry_after=2)

    with caplog.at_level(logging.WARNING, logger="rotor"):
        rotor_litellm.install(r)

    said = [record.getMessage() for record in caplog.records]
    for setting in ("num_retries=1", "retry_after=2", "max_parallel_requests"):
        assert sum(setting in line for line in said) == 1


def test_settings_that_suit_are_not_talked_about(box: Sandbox, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="rotor"):
        rotor_litellm.install(router(entry(box, "one"), entry(box, "two"), disable_cooldowns=True))

    assert not caplog.records
