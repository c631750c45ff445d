"""The proxy's handler: as a filter in any router, and as what puts Rotor's strategy back when LiteLLM has taken it away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import litellm
import pytest
from tests.litellm.made import HELLO, PAID, by, entry, free, router

from rotor_core._errors import ConfigError
from rotor_core.sandbox import Sandbox
from rotor_litellm.proxy import RotorHandler
from rotor_litellm.story import mark, told_by
from rotor_litellm.strategy import installed_in


@pytest.fixture
def handler() -> RotorHandler:
    made = RotorHandler()
    litellm.callbacks.append(made)
    return made


async def test_as_a_filter_it_leaves_one_candidate_and_limits_hold(box: Sandbox, handler: RotorHandler):
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 2, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(4)]

    assert [by(a) for a in answers] == ["one-1", "one-1", "two-1", "two-1"]
    assert handler.roster.engine.health.in_flight == 0


async def test_registered_twice_it_chooses_once(box: Sandbox, handler: RotorHandler):
    litellm.callbacks.append(handler)
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 2, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(3)]

    assert [by(a) for a in answers] == ["one-1", "one-1", "two-1"]
    assert handler.roster.engine.health.in_flight == 0


async def test_a_switch_of_strategies_under_load_loses_no_request_and_no_limit(box: Sandbox, handler: RotorHandler):
    limit = free(limits=[{"requests": 20, "per": "day"}])
    r = router(entry(box, "one", rotor=limit), entry(box, "two", rotor={"price": PAID}))
    handler.take_over(r)

    async def ask(number: int) -> Any:
        if number == 10:
            r.update_settings(routing_strategy="least-busy")
        if number == 30:
            handler.take_over(r)
        return await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    answers = await asyncio.gather(*(ask(n) for n in range(40)))

    assert sum(by(a) == "one-1" for a in answers) == 20
    assert installed_in(r) is not None


async def test_a_misspelt_key_does_not_take_a_running_proxy_down(
    box: Sandbox, handler: RotorHandler, caplog: pytest.LogCaptureFixture
):
    r = router(entry(box, "one", rotor={"limts": []}))

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    assert "limts" in caplog.text


def test_a_rotor_yaml_that_cannot_be_used_is_an_error_of_the_handler_and_not_an_empty_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "rotor.yaml").write_text("version: 1\nstoer: memory://\n")
    monkeypatch.setenv("ROTOR_CONFIG", str(tmp_path / "rotor.yaml"))

    with pytest.raises(ConfigError, match="stoer"):
        _ = RotorHandler().roster


async def test_the_status_is_the_workers_own_and_says_whether_it_counts_alone(handler: RotorHandler):
    status = await handler.status()

    assert status["worker"]["alone"] is True
    assert status["deployments"] == []


class Open:
    """What LiteLLM keeps hidden on a text completion: an object that takes more."""


class Answer:
    def __init__(self, hidden: Any) -> None:
        self._hidden_params = hidden


class Record:
    """LiteLLM's of a call."""


@pytest.mark.parametrize("answer", [Answer({}), Answer(Open()), {"_hidden_params": {}}])
def test_an_answer_tells_its_story_wherever_litellm_lets_it(answer: Any):
    mark(answer, {"deployment": "one-1"})

    assert told_by(answer) == {"deployment": "one-1"}


@pytest.mark.parametrize("answer", [Answer(None), Answer(3), {}, object(), None])
def test_where_it_does_not_the_story_stands_beside_its_record(answer: Any):
    record = Record()
    mark(answer, {"deployment": "one-1"}, record)

    assert told_by(answer, record) == {"deployment": "one-1"}
    assert told_by(answer, Record()) is None
    assert told_by(answer, 3) is None
