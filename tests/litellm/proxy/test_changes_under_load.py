"""LiteLLM changes its router while requests are under way: none is lost, no limit is broken, and Rotor goes on choosing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.litellm.proxy.changing import changes_in, laboratory, under_load
from tests.litellm.proxy.running import Proxy

from rotor_core.sandbox import Sandbox

TAKES_AWAY = {"routing strategy switched", "router made anew", "configuration reloaded"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Proxy, Sandbox]]:
    folder: Path = tmp_path_factory.mktemp("changing")
    async with laboratory(folder) as running:
        yield running


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "what",
    [
        "routing strategy switched", "router settings changed", "router made anew", "configuration reloaded",
        "models added and taken away",
    ],
)  # fmt: skip
async def test_no_request_is_lost_and_rotor_goes_on_choosing(lab: tuple[Proxy, Sandbox], what: str):
    proxy, box = lab
    assert what in changes_in(proxy, box)

    figures = await under_load(proxy, box, what)

    print(figures)
    assert figures.errors == ()
    assert (figures.answered, figures.by_rotor, figures.upstream_429) == (figures.offered, figures.offered, 0)
    assert (figures.before, figures.after) == ("6 of 6", "6 of 6")
    assert (figures.taken_away > 0) == (what in TAKES_AWAY)  # else this shows nothing


@pytest.mark.asyncio(loop_scope="module")
async def test_a_model_that_is_added_is_chosen_and_one_that_is_taken_away_is_not(lab: tuple[Proxy, Sandbox]):
    proxy, box = lab
    more = {
        "model_name": "added",
        "litellm_params": {"model": "openai/m", "api_base": box.url("two"), "api_key": box.key("two", 2)},
        "model_info": {"id": "added-1", "rotor": {"price": {"input": 0, "output": 0}}},
    }

    assert "added-1" in proxy.ask("/inside/models", {"entries": [more]}).json()["deployments"]
    assert proxy.chat("added").headers["x-rotor-deployment"] == "added-1"
    assert "added-1" in {row["id"] for row in proxy.ask("/rotor/status").json()["deployments"]}

    assert "added-1" not in proxy.ask("/inside/models", {"entries": []}).json()["deployments"]
    assert proxy.chat("added").status_code == 400
    assert "added-1" not in {row["id"] for row in proxy.ask("/rotor/status").json()["deployments"]}
