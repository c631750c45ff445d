"""An adapter that cannot be had takes down no request that somebody else can answer."""

import asyncio
from types import SimpleNamespace

import pytest

from rotor_core import AttemptsFailed, ConfigError, ProviderError, Request, Rotor
from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core.catalog.load import load
from rotor_core.hookspecs import ProviderSpec, StoreSpec
from rotor_core.plugins import Loaded, Plugins, adapter_of, collect, unreachable
from rotor_core.sandbox import Sandbox

WHERE = Deployment(
    "acme/m#1", Provider("acme", "acme", "http://x"), Model("m"), Credential("acme#1", Secret(""), "f", "q")
)
ASK = Request([{"role": "user", "content": "hi"}])


def broken():
    raise OSError("no kettle\nat all")


NOT_ADAPTERS = [
    ("nowhere.at.all:Acme", "ModuleNotFoundError: No module named 'nowhere'"),
    ("collections:Acme", "AttributeError: module 'collections' has no attribute 'Acme'"),
    (broken, "the adapter broken of provider 'acme' cannot be used: OSError: no kettle at all"),
    (
        SimpleNamespace,
        "TypeError: a SimpleNamespace is no adapter: it has no call, acall, stream, astream, close, aclose",
    ),
]


@pytest.mark.parametrize(("adapter", "problem"), NOT_ADAPTERS)
def test_its_every_call_says_so_and_nothing_is_sent(adapter, problem):
    standing_in = adapter_of(ProviderSpec("acme", adapter=adapter))
    timeouts = Timeouts(1, 1, 1)

    async def streamed():
        return [chunk async for chunk in standing_in.astream(WHERE, ASK, timeouts=timeouts)]

    for call in (
        lambda: standing_in.call(WHERE, ASK, timeout=1),
        lambda: asyncio.run(standing_in.acall(WHERE, ASK, timeout=1)),
        lambda: list(standing_in.stream(WHERE, ASK, timeouts=timeouts)),
        lambda: asyncio.run(streamed()),
    ):
        with pytest.raises(ProviderError) as caught:
            call()
        assert problem in str(caught.value)
        assert "`rotor check`" in str(caught.value)
        assert (caught.value.deployment, caught.value.request_sent) == ("acme/m#1", False)
    standing_in.close()
    asyncio.run(standing_in.aclose())


@pytest.mark.parametrize(("adapter", "problem"), NOT_ADAPTERS)
def test_it_is_found_before_it_is_needed(adapter, problem):
    specs = {"acme": ProviderSpec("acme", adapter=adapter)}

    (finding,) = unreachable(Plugins(specs, loaded=(Loaded("tea", "installed", providers=("acme",)),)))

    assert finding.plugin == "tea"
    assert problem in finding.problem


def test_a_store_that_cannot_be_had_is_found_too_but_not_that_an_extra_is_missing():
    specs = {"acme": StoreSpec("acme", "nowhere:Store"), "redis": StoreSpec("redis", "nowhere:Store")}
    loaded = (Loaded("ours", "shipped", stores=("redis",)), Loaded("tea", "installed", stores=("acme",)))

    (finding,) = unreachable(Plugins(stores=specs, loaded=loaded))

    assert (finding.plugin, "the factory of store 'acme' cannot be had: ModuleNotFoundError" in finding.problem) == (
        "tea",
        True,
    )


def test_what_ships_can_all_be_had():
    assert unreachable(collect([])) == ()


def test_a_configuration_that_an_adapter_refuses_is_the_users_matter():
    def choosy():
        raise ConfigError("there is no such transport", key="ROTOR_TRANSPORT")

    with pytest.raises(ConfigError):
        adapter_of(ProviderSpec("acme", adapter=choosy))


@pytest.fixture
def two(monkeypatch, request):
    """A provider whose adapter is broken, and one that answers."""
    monkeypatch.setenv("ROTOR_PLUGINS", "")
    found = collect([])
    plugins = Plugins(
        {**found.providers, "acme": ProviderSpec("acme", adapter="nowhere:Acme")}, found.stores, found.rankings
    )
    with Sandbox("plain") as box:
        written = box.config(
            store=f"memory://{request.node.name}",
            pools={"main": [{"model": "acme/m", "priority": 1}, {"model": "lab/m-1", "priority": 2}]},
        )
        written["providers"]["acme"] = {
            "base_url": "http://127.0.0.1:1/v1", "keys": [{"value": "none"}],
            "models": {"m": {"limits": [], "price": {"input": 0, "output": 0}}},
        }  # fmt: skip
        catalog = load(written, environ={}, specs=plugins.providers, rankings=plugins.rankings, schemes=plugins.stores)
        with Rotor.from_catalog(catalog, plugins=plugins) as rotor:
            yield rotor


def test_another_provider_answers_instead(two):
    result = two.chat("Tell me about rivers.", model="main")

    assert "rivers" in result.answer.text
    assert [a.failure.kind for a in result.attempts if a.failure] == ["unknown"]


def test_where_there_is_no_other_the_error_says_why(two):
    with pytest.raises(AttemptsFailed) as caught:
        two.chat("Tell me about rivers.", model="acme/m", max_attempts=1)

    assert "No module named 'nowhere'" in str(caught.value.exceptions[0])
