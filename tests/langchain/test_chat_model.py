"""What a ChatRotor is made of, what it says it can, and the name by which LangChain finds it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage, trim_messages
from tests.langchain.scripted import CONFIG, scripted

from rotor_core._errors import ConfigError
from rotor_core.rotor import Rotor
from rotor_langchain import ChatRotor

# -- making one


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("modle", "model"),
        ("stop_sequence", "stop_sequences"),
    ],
)
def test_a_misspelt_keyword_is_named_with_the_nearest_one(keyword: str, meant: str):
    with pytest.raises(ConfigError, match=f"{keyword}: ChatRotor has no such keyword.*did you mean '{meant}'"):
        ChatRotor(config=CONFIG, **{keyword: 1})


@pytest.mark.parametrize(("keyword", "meant"), [("temprature", "temperature"), ("deadlin", "deadline")])
async def test_a_call_refuses_a_keyword_that_is_all_but_one_of_ours(keyword: str, meant: str):
    rotor, adapter = scripted()
    model = ChatRotor(rotor=rotor)

    with pytest.raises(ConfigError, match=f"{keyword}: there is no such keyword.*did you mean '{meant}'"):
        model.invoke("hi", **{keyword: 1})
    with pytest.raises(ConfigError, match=keyword):
        [_ async for _ in model.astream("hi", **{keyword: 1})]

    assert adapter.calls == []


@pytest.mark.parametrize("name", ["top_k", "min_tokens", "models", "reasoning_effort", "stream_options", "user"])
def test_a_providers_own_parameter_is_sent_as_it_stands(name: str):
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor).invoke("hi", **{name: 7})

    assert adapter.last.params == {name: 7}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("deadline", "soon"), ("timeout", "x"), ("timeout", -1), ("timeout", 0), ("max_retries", -1),
        ("max_retries", "x"), ("priority", "high"), ("model", 3), ("task", 3), ("caller", 3),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_sent(keyword: str, value: Any):
    rotor, adapter = scripted()

    with pytest.raises(ConfigError, match=f"^{keyword}: "):
        ChatRotor(rotor=rotor).invoke("hi", **{keyword: value})
    with pytest.raises(ConfigError, match=f"^{keyword}: "):
        ChatRotor(rotor=rotor, **{keyword: value})

    assert adapter.calls == []


def test_a_keywords_wrong_value_is_one_line_that_does_not_show_it():
    for given in ({"temperature": "the-secret"}, {"model_kwargs": "the-secret"}, {"api_key": {"x": "the-secret"}}):
        with pytest.raises(ConfigError) as raised:
            ChatRotor(config=CONFIG, **given)
        assert str(raised.value).startswith(f"{next(iter(given))}: ")
        assert "the-secret" not in repr(raised.value) + str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("config", [3, ["rotor.yaml"]])
def test_what_is_no_configuration_is_said_to_be_none(config: Any):
    with pytest.raises(ConfigError, match="config: is no configuration"):
        ChatRotor(config=config)


def test_a_bad_configuration_is_said_when_the_model_is_made_and_as_it_is():
    with pytest.raises(ConfigError, match=r"providers\.local\.base_ulr.*did you mean 'base_url'"):
        ChatRotor(config={"version": 1, "providers": {"local": {"base_ulr": "x"}}})
    with pytest.raises(ConfigError, match="no such pool or model.*did you mean 'code'"):
        ChatRotor(config=CONFIG, model="cod")
    with pytest.raises(ConfigError, match="rotor: is no engine"):
        ChatRotor(rotor="engine")


def test_without_any_key_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    import os

    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_KEY")) or name.startswith("ROTOR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"no API key was found.*rotor\.yaml"):
        ChatRotor()


def test_a_configuration_is_taken_from_a_file_a_mapping_or_an_engine(tmp_path: Any):
    import yaml

    file = tmp_path / "rotor.yaml"
    file.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    engine = Rotor.from_config(CONFIG)

    by_path, by_text, by_mapping, by_engine = (
        ChatRotor(config=file), ChatRotor(config=str(file)), ChatRotor(config=CONFIG), ChatRotor(rotor=engine),
    )  # fmt: skip

    assert by_engine.engine is engine
    assert {m.engine.catalog.digest for m in (by_path, by_text, by_mapping, by_engine)} == {engine.catalog.digest}
    assert by_mapping.engine.store is engine.store


def test_a_key_beside_a_pinned_model_is_that_models_key():
    model = ChatRotor(config=CONFIG, model="local/m", api_key="unused")
    assert model.engine.candidates("local/m")[0].credential.secret.reveal() == "a-very-secret-key"

    with pytest.raises(ConfigError, match="unknown provider"):
        ChatRotor(model="nowhere/m", api_key="k")


def test_no_secret_stands_in_a_repr_a_dump_or_a_trace():
    model = ChatRotor(config=CONFIG, api_key="another-secret")
    seen = repr(model) + str(model) + dumps(model) + str(model.asdict()) + str(model._serialized)

    assert "a-very-secret-key" not in seen
    assert "another-secret" not in seen
    assert model.is_lc_serializable() is False


# -- what it says it can, and its name


def test_the_profile_is_what_the_best_candidate_can_and_the_largest_holds():
    model = ChatRotor(config={**CONFIG, "pools": {"fast": ["local/m", "local/n"]}})

    assert model.profile["max_input_tokens"] == 16000
    assert model.profile["tool_calling"] is True
    assert model.profile["structured_output"] is False
    assert "image_inputs" not in model.profile
    assert ChatRotor(config=CONFIG, model="code").profile == {
        "max_input_tokens": 16000, "text_inputs": True, "text_outputs": True,
    }  # fmt: skip


def test_a_pool_that_has_stated_all_denies_what_none_can():
    rotor, _ = scripted(capabilities={"vision", "json_schema"})

    profile = ChatRotor(rotor=rotor).profile

    assert profile["image_inputs"] is True
    assert profile["structured_output"] is True
    assert profile["tool_calling"] is False
    assert profile["audio_inputs"] is False


def test_tokens_are_counted_without_a_tokenizer():
    model = ChatRotor(config=CONFIG)
    messages = [HumanMessage("one two three four five " * 20)]

    assert 80 <= model.get_num_tokens("one two three four five " * 20) <= 160
    assert len(model.get_token_ids("one two three")) == model.get_num_tokens("one two three")
    assert model.get_num_tokens_from_messages(messages) > 80
    assert trim_messages([*messages, HumanMessage("last")], max_tokens=60, token_counter=model)[0].content == "last"
    assert ChatRotor(config=CONFIG, custom_get_token_ids=lambda text: [7]).get_token_ids("a b c") == [7]


def test_register_lets_langchain_find_it_by_name_and_only_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    import yaml
    from langchain.agents import create_agent
    from langchain.chat_models import base, init_chat_model

    from rotor_langchain import register

    file = tmp_path / "rotor.yaml"
    file.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    monkeypatch.setenv("ROTOR_CONFIG", str(file))
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    with pytest.raises(ValueError, match="rotor"):
        init_chat_model("rotor:code")

    register()
    register()
    model = init_chat_model("rotor:code", temperature=0)

    assert isinstance(model, ChatRotor)
    assert (model.model, model.temperature) == ("code", 0)
    assert create_agent("rotor:code") is not None


def test_register_says_so_where_langchain_keeps_no_such_table(monkeypatch: pytest.MonkeyPatch):
    from langchain.chat_models import base

    from rotor_langchain import register

    monkeypatch.delattr(base, "_BUILTIN_PROVIDERS")
    with pytest.raises(ConfigError, match="keeps its providers elsewhere"):
        register()
