"""`fast`, `research`, `code` and `vision` exist by rule, from what is stated of models."""

from __future__ import annotations

import pytest

from rotor_core.hookspecs import ProviderSpec

TOOLS = ["parallel_tools"]
MODELS = {
    "tiny": {"category": "tiny", "capabilities": TOOLS},
    "small": {"category": "small", "capabilities": [*TOOLS, "vision"]},
    "large": {"category": "large", "capabilities": TOOLS},
    "thinker": {"category": "reasoning", "capabilities": TOOLS},
    "coder": {"category": "small", "capabilities": TOOLS, "suits": ["code"]},
    "one-at-a-time": {"category": "small", "capabilities": ["tools", "vision"]},
    "unsaid": {"category": "large"},
    "agent": {"category": "large", "capabilities": [*TOOLS, "vision"], "pooled": False},
    "ear": {"category": "small", "capabilities": ["transcription", *TOOLS]},
}


def specs(**more):
    return {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), {"models": MODELS, **more})}


@pytest.fixture
def pools(read):
    def pools(source=None, **more):
        catalog = read(source, {"ACME_API_KEY": "k"}, specs=specs(**more)).catalog
        return {name: [s.deployment.model.name for s in pool.seats] for name, pool in catalog.pools.items()}

    return pools


def test_a_key_is_enough_for_four_pools_and_a_default(pools) -> None:
    assert pools() == {
        "fast": ["tiny", "small"],
        "research": ["large", "thinker"],
        "code": ["large", "thinker", "coder"],
        "vision": ["small", "one-at-a-time"],
        "default": ["tiny", "small", "large", "thinker", "coder", "one-at-a-time", "unsaid"],
    }


def test_the_default_pool_is_everything_that_chats(read) -> None:
    assert read(None, {"ACME_API_KEY": "k"}, specs=specs()).catalog.default_pool == "default"


def test_a_plugin_that_names_its_models_has_its_way(pools) -> None:
    found = pools(pools={"fast": ["thinker"], "own": ["unsaid"]})
    assert (found["fast"], found["own"], found["research"]) == (["thinker"], ["unsaid"], ["large", "thinker"])


def test_the_users_pool_of_the_name_stands_alone(pools) -> None:
    found = pools({"pools": {"fast": ["acme/large", "acme/agent"]}})
    assert found["fast"] == ["large", "agent"]
    assert found["vision"] == ["small", "one-at-a-time"]


def test_a_users_own_model_is_in_the_pools_that_its_figures_promise(read, local) -> None:
    stated = {"category": "small", "capabilities": ["parallel_tools"]}
    assert list(read(local(stated)).catalog.pools) == ["fast", "default"]
    assert list(read(local({"category": "small"})).catalog.pools) == ["default"]


def test_a_pool_that_nobody_can_fill_does_not_exist(read) -> None:
    models = {"m": {"category": "large", "capabilities": ["tools"]}}
    spec = ProviderSpec("acme", "a:b", "https://acme.test/v1", (), {"models": models})
    assert list(read(None, {"ACME_API_KEY": "k"}, specs={"acme": spec}).catalog.pools) == ["default"]
