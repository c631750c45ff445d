"""LangChain's own suites for chat models, on ChatRotor over imitated providers: healthy, one key refused, two refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from rotor_core.sandbox import Sandbox
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


LAB: dict[str, Any] = {
    "providers": {
        "lab": {
            "dialect": "groq",
            "keys": ["first-key", "second-key", "third-key"],
            "models": {
                name: {
                    "context": 32000,
                    "capabilities": [
                        "tools",
                        "parallel_tools",
                        "json_schema",
                        "json_mode",
                        "vision",
                        "reasoning",
                        "prompt_cache",
                    ],
                    "price": {"input": 0, "output": 0},
                    "limits": [],
                }
                for name in ("m", "n")
            },
        }
    },
    "pools": {"main": ["lab/m"], "other": ["lab/n"]},
    "default_pool": "main",
}


class _OverTheSandbox(ChatModelIntegrationTests):
    """Every model is made with a ledger of its own, so each meets its refused keys anew."""

    refused: tuple[str, ...] = ()
    box: Sandbox

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _sandbox(cls) -> Iterator[None]:
        with Sandbox(LAB) as cls.box:
            for key in cls.refused:
                cls.box.fault(429, key=key, retry_after=30)
            yield

    @pytest.fixture(autouse=True)
    def _refusals_are_met(self, _sandbox: None, request: pytest.FixtureRequest) -> Iterator[None]:
        if request.node.get_closest_marker("vcr"):  # the connections of this test, and ours with them, are a recorder's
            yield
            return
        seen = len(self.box.stats())
        yield
        met = {r["key"] for r in self.box.stats()[seen:] if r["status"] == 429}
        assert met <= set(self.refused)
        asked = len(self.box.stats()) > seen
        assert not asked or met == set(self.refused)

    @property
    def chat_model_class(self) -> type[ChatRotor]:
        return ChatRotor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"config": self.box.config(store=f"memory://{uuid.uuid4().hex}"), "model": "main"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "lab/n"

    @property
    def supported_usage_metadata_details(self) -> Any:
        return {"invoke": ["reasoning_output"], "stream": ["reasoning_output"]}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        model = ChatRotor(**self.chat_model_params, model_kwargs={"reasoning_effort": "low"})
        if not stream:
            return model.invoke("Think about rain.")
        total: Any = None
        for chunk in model.stream("Think about rain."):
            total = chunk if total is None else total + chunk
        return total


class TestHealthy(_OverTheSandbox):
    pass


class TestFirstKeyRefused(_OverTheSandbox):
    refused = ("lab#1",)


class TestTwoKeysRefused(_OverTheSandbox):
    refused = ("lab#1", "lab#2")
