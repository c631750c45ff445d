"""LangChain's own suites for chat models, on ChatRotor over imitated providers: healthy, one key refused, two refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from rotor_langchain import ChatRotor

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

UNIT: dict[str, Any] = {
    "version": 1,
    "providers": {
        "local": {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:9/v1",
            "keys": [{"value": "k"}],
            "models": {"m": {"capabilities": ["tools", "json_schema"]}, "n": {}},
        }
    },
}


class TestChatRotorUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatRotor]:
        return ChatRotor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"config": UNIT, "model": "local/m"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "local/n"

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        provider = {name: value for name, value in UNIT["providers"]["local"].items() if name != "keys"}
        config = {"version": 1, "providers": {"local": provider}}
        return {"LOCAL_API_KEY": "k"}, {"config": config, "model": "local/m"}, {"model": "local/m"}
