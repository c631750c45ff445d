"""Copies, pickles and configured variants of a ChatRotor, and LangChain's cache."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField
from tests.langchain.scripted import CONFIG, HELLO, scripted

from rotor_langchain import ChatRotor

# -- copies


def test_copies_share_the_engine():
    rotor, _ = scripted()
    model = ChatRotor(rotor=rotor, temperature=0.3)

    for other in (copy.copy(model), copy.deepcopy(model), model.model_copy(update={"temperature": 1})):
        assert other.engine is rotor
        assert other.invoke("hi").content == "hello"


def test_a_pickle_finds_its_engine_again():
    model = ChatRotor(config=CONFIG, model="code", temperature=0.3)

    back = pickle.loads(pickle.dumps(model))

    assert (back.model, back.temperature) == ("code", 0.3)
    assert back.engine.catalog.digest == model.engine.catalog.digest
    assert back.engine.store is model.engine.store


def test_fields_can_be_configured_per_call_and_the_engine_stays():
    rotor, adapter = scripted({"a": [HELLO], "b": [HELLO]}, pools={"code": ["b"]})
    model = ChatRotor(rotor=rotor, temperature=0).configurable_fields(
        temperature=ConfigurableField("heat"), model=ConfigurableField("pool")
    )

    answer = model.with_config(configurable={"heat": 0.9, "pool": "code"}).invoke("hi")
    chunks = list(model.stream("hi", {"configurable": {"heat": 0.8}}))

    assert answer.response_metadata["model_name"] == "b/m"
    assert [r.params["temperature"] for _, r in adapter.calls] == [0.9, 0.8]
    assert len(chunks) > 2


def test_alternatives_can_be_configured_per_call():
    one, _ = scripted({"a": [HELLO]})
    two, _ = scripted({"b": [HELLO]})
    model = ChatRotor(rotor=one).configurable_alternatives(ConfigurableField("which"), other=ChatRotor(rotor=two))

    assert model.invoke("hi").response_metadata["model_name"] == "a/m"
    assert model.invoke("hi", {"configurable": {"which": "other"}}).response_metadata["model_name"] == "b/m"


# -- caching


def test_equal_calls_are_answered_from_the_cache_and_no_others():
    rotor, adapter = scripted({"a": [HELLO]}, pools={"code": ["a"]})
    model = ChatRotor(rotor=rotor, cache=InMemoryCache(), temperature=0)

    first = model.invoke("hi")
    again = model.invoke("hi", priority=3, deadline=5, timeout=9, max_retries=1)
    assert len(adapter.calls) == 1
    assert again.content == first.content
    assert again.usage_metadata["total_cost"] == 0

    for different in ({"temperature": 1}, {"model": "code"}, {"task": "code"}, {"seed": 3}, {"stop": ["x"]}):
        before = len(adapter.calls)
        model.invoke("hi", **different)
        assert len(adapter.calls) == before + 1, different


async def test_models_of_equal_configuration_share_cached_answers_and_others_do_not():
    def key(**given: Any) -> str:
        return ChatRotor(**given)._get_llm_string(stop=None)

    assert key(config=CONFIG) == key(config=copy.deepcopy(CONFIG))
    assert key(config=CONFIG) == key(config=CONFIG, priority=5, timeout=3)
    assert key(config=CONFIG) != key(config=CONFIG, model="code")
    assert key(config=CONFIG) != key(config=CONFIG, temperature=0)
    assert key(config=CONFIG) != key(config={**CONFIG, "default_pool": "code"})
    assert "secret" not in key(config=CONFIG)


def test_an_answer_from_the_cache_counts_no_tokens():
    rotor, _ = scripted()
    model = ChatRotor(rotor=rotor, cache=InMemoryCache())
    model.invoke("hi")

    assert model.generate([[HumanMessage("hi")]]).llm_output == {}
