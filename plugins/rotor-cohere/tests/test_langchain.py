"""LangChain's own suite for chat models, on ChatRotor through Cohere's wire, over an imitation of Cohere."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

ABLE = ["tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning", "prompt_cache"]
LAB: dict[str, Any] = {
    "providers": {
        "lab": {
            "dialect": "cohere",
            "keys": ["first-key", "second-key"],
            "models": {
                name: {"context": 32000, "capabilities": ABLE, "price": {"input": 0, "output": 0}, "limits": []}
                for name in ("m", "n")
            },
        }
    },
    "pools": {"main": ["lab/m"], "other": ["lab/n"]},
    "default_pool": "main",
}


class TestThroughCohere(ChatModelIntegrationTests):
    """Every model is made with a ledger of its own."""

    box: Sandbox

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _sandbox(cls) -> Iterator[None]:
        with Sandbox(LAB) as cls.box:
            yield

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
