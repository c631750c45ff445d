"""What docs/litellm.md shows works: each of its configurations makes a Router that Rotor is installed in, each of its programs runs."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import litellm
import pytest
import yaml
from tests.litellm.doors import opened, over
from tests.litellm.made import HELLO, entry, free

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm import provider
from rotor_litellm.provider import RotorProvider

PAGE = (Path(__file__).parents[2] / "docs/litellm.md").read_text()
CONFIGS = re.findall(r"```yml\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def named(path: str) -> Any:
    """What a dotted path of a proxy's configuration names."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_the_page_has_configurations_and_programs():
    assert len(CONFIGS) >= 3
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("block", CONFIGS)
def test_a_configuration_shown_is_one_that_litellm_and_rotor_take(block: str, monkeypatch: pytest.MonkeyPatch):
    for name in re.findall(r"os\.environ/(\w+)", block):
        monkeypatch.setenv(name, f"the-{name.lower()}")
    written = yaml.safe_load(block)
    settings = written.get("litellm_settings", {})

    assert all(
        isinstance(named(path), litellm.integrations.custom_logger.CustomLogger)
        for path in settings.get("callbacks", [])
    )
    doors = settings.get("custom_provider_map", [])
    assert all(isinstance(named(door["custom_handler"]), litellm.CustomLLM) for door in doors)
    monkeypatch.setattr(
        litellm, "custom_provider_map", [{**door, "custom_handler": named(door["custom_handler"])} for door in doors]
    )
    router = litellm.Router(model_list=written["model_list"], **written.get("router_settings", {}))
    strategy = rotor_litellm.install(router)

    stated = {e["model_info"]["id"] for e in written["model_list"] if "rotor" in e.get("model_info", {})}
    rows = strategy.rotor.status()["deployments"]
    assert len(rows) == len(written["model_list"])
    assert {row["id"] for row in rows if row["limits"]} == stated


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_shown_runs(program: str, box: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(litellm, "custom_provider_map", litellm.custom_provider_map)
    monkeypatch.setattr(provider, "rotor", RotorProvider(box.config(pools={"fast": ["one/m", "two/m"]})))
    names: dict[str, Any] = {
        "model_list": [entry(box, "one", group="fast", rotor=free()), entry(box, "two", group="fast")]
    }

    code: CodeType = compile(program, "docs/litellm.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert code.co_flags & CO_COROUTINE
    await FunctionType(code, names)()

    story = names["answer"]._hidden_params["rotor"]
    assert story["provider"]
    told = re.search(r"# (deployment, provider.*)", program)
    assert told is not None
    assert set(told.group(1).split(", ")) <= story.keys()


async def test_the_provider_that_is_shown_answers_those_who_ask_for_thought(
    box: Sandbox,
):
    written = next(w for w in map(yaml.safe_load, CONFIGS) if "custom_provider_map" in w.get("litellm_settings", {}))
    with opened(over(box)):
        r = litellm.Router(model_list=written["model_list"])
        for model in ("fast", "rotor/one/m"):
            thinking = {"type": "enabled", "budget_tokens": 1024}
            message = await r.aanthropic_messages(model=model, messages=HELLO, max_tokens=2000, thinking=thinking)
            response = await r.aresponses(model=model, input="Hello", reasoning={"effort": "low"})

            assert message["content"]
            assert response.output


def test_the_page_names_every_file_and_setting_as_it_is():
    for path in re.findall(r"`(rotor_litellm\.[\w.]+)", PAGE):
        assert named(path) is not None
    for path in re.findall(r"`(benchmarks/\w+\.py)`", PAGE):
        assert (Path(__file__).parents[2] / path).exists()
