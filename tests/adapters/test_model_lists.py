"""Lists of models with entries that name no model."""

import logging

import pytest
from tests.adapters.conftest import SECRET, answer_bytes

from rotor_core._model import Provider, Secret
from rotor_core.adapters import preset_wires
from rotor_core.adapters.openai_compatible import OpenAICompatible
from rotor_core.plugins import installed
from rotor_core.plugins.reach import adapter_of

ODD = [{"id": 7}, {"id": None}, {"id": ["a"]}, {"id": {"b": 1}}, {"id": ""}, {}, "text", None, 3]
FOUND = {"id": "good", "active": True, "type": "chat", "context_length": 4096}


def listed(server, adapter, listing) -> list[str]:
    server.script.append(answer_bytes(listing))
    provider = Provider("here", "here", server.base_url)
    try:
        return [model.name for model in adapter.list_models(provider, Secret(SECRET), timeout=5)]
    finally:
        adapter.close()


@pytest.mark.parametrize("name", ["openai", "groq", "mistral", "together"])
def test_entries_without_a_name_are_left_out_and_one_line_says_so(name, server, caplog):
    adapter = adapter_of(installed().providers[name])
    with caplog.at_level(logging.WARNING, "rotor_core"):
        assert listed(server, adapter, {"object": "list", "data": [*ODD, FOUND]}) == ["good"]
    (line,) = caplog.messages
    assert line == "here lists 9 models without a name, which were left out"


@pytest.mark.parametrize("name", ["cohere", "gemini"])
def test_lists_of_another_form_lose_no_model_to_such_entries(name, server):
    odd = [{"name": 7}, {"name": ["a"]}, {"name": {"b": 1}}, {"name": ""}]
    adapter = adapter_of(installed().providers[name])
    assert listed(server, adapter, {"models": [*odd, {"name": "good"}]}) == ["good"]


@pytest.mark.parametrize("adapter", [OpenAICompatible, preset_wires.OpenRouter, preset_wires.Cerebras])
def test_so_are_those_of_presets(adapter, server, caplog):
    with caplog.at_level(logging.WARNING, "rotor_core"):
        assert listed(server, adapter(), {"data": [*ODD, FOUND]}) == ["good"]
    assert len(caplog.messages) == 1


def test_of_a_list_in_which_everything_has_a_name_nothing_is_said(server, caplog):
    with caplog.at_level(logging.WARNING, "rotor_core"):
        assert listed(server, OpenAICompatible(), {"data": [FOUND]}) == ["good"]
    assert not caplog.messages
