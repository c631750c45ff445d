"""`ChatRotor(models=[...])`: what may stand in the list, who of it goes first, and which of it are one."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_openai import ChatOpenAI
from tests.langchain.own import Own

from rotor_core._errors import ConfigError
from rotor_langchain import ChatRotor
from rotor_langchain.errors import NoModelsAvailable


def test_an_error_in_an_entrys_options_names_the_entry():
    entries = [Own(), (Own(model="own-2"), {"priority": "x"})]

    with pytest.raises(ConfigError, match=r"^models\[1\]\.priority"):
        ChatRotor(models=entries)


def test_limits_are_held_and_the_refusal_is_ours():
    own = Own()
    model = ChatRotor(models=[(own, {"rpm": 2, "window": "rolling"})], config={"version": 1, "policy": {"max_wait": 0}})

    model.invoke("1"), model.invoke("2")
    with pytest.raises(NoModelsAvailable):
        model.invoke("3")

    assert len(own.seen) == 2


def test_free_models_go_before_those_with_a_price():
    dear, cheap = Own(model="dear"), Own(model="cheap")
    model = ChatRotor(
        models=[(dear, {"price": {"input": 1, "output": 2}}), (cheap, {"price": {"input": 0, "output": 0}})]
    )

    message = model.invoke("hi")

    assert message.response_metadata["model_name"] == "own/cheap"
    assert message.response_metadata["rotor"]["cost_usd"] == 0


def test_two_keys_of_one_model_are_two_credentials_and_one_key_is_one():
    two = ChatRotor(
        models=[
            ChatOpenAI(model="gpt-x", api_key=k, base_url="http://127.0.0.1:9/v1") for k in ("k1-secret", "k2-secret")
        ]
    )
    a, b = two.engine.candidates()

    assert (a.id, b.id) == ("openai/gpt-x#1", "openai/gpt-x#2")
    assert a.credential.fingerprint != b.credential.fingerprint
    config = {
        "version": 1,
        "providers": {
            "else": {
                "adapter": "openai-compatible",
                "base_url": "http://127.0.0.1:9/v1",
                "keys": [{"value": "k1-secret"}],
                "models": {"gpt-x": {}},
            }
        },
    }
    assert ChatRotor(config=config).engine.candidates()[0].credential.fingerprint == a.credential.fingerprint
    assert "k1-secret" not in repr(two) + str(two.asdict()) + two._get_llm_string()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "models: holds no chat model"),
        (["gpt"], r"models\[0\]: is no chat model.*got 'str'"),
        ([(FakeListChatModel(responses=["x"]), {"rpmm": 3})], r"models\[0\]\.rpmm: unknown key.*did you mean 'rpm'"),
        ([(FakeListChatModel(responses=["x"]), {"rpm": 0})], r"models\[0\]\.rpm"),
        ([(FakeListChatModel(responses=["x"]),)], r"models\[0\]: is no chat model"),
    ],
)
def test_what_is_wrong_with_the_list_is_named(models: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        ChatRotor(models=models)


def test_a_configuration_beside_models_has_no_providers():
    with pytest.raises(ConfigError, match=r"config\.providers"):
        ChatRotor(models=[Own()], config={"version": 1, "providers": {}})


def test_copies_and_pickles_work():
    model = ChatRotor(models=[(FakeListChatModel(responses=["a"]), {"rpm": 30})], temperature=0)

    assert copy.deepcopy(model).engine is model.engine
    back = pickle.loads(pickle.dumps(model))

    assert back.invoke("hi").content == "a"
    assert back.engine is not model.engine


def test_an_object_without_a_key_is_known_for_what_it_is_and_forgotten_when_it_is_gone():
    import gc

    one, two = Own(), Own()
    (first,), (again,), (other,) = (ChatRotor(models=[m]).engine.candidates() for m in (one, one, two))
    assert first.credential.fingerprint == again.credential.fingerprint != other.credential.fingerprint

    from rotor_langchain.wrapped import _OBJECTS

    at = id(one)
    assert at in _OBJECTS
    del one
    gc.collect()
    assert at not in _OBJECTS
