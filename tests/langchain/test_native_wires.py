"""LangChain's own suites for chat models, through each provider's own wire, over imitations that are as strict as it is."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.integration_tests import chat_models as standard
from langchain_tests.unit_tests import ChatModelUnitTests

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

pytestmark = [
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
    # LangChain's own, of any document without a name; the suite's documents have none.
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename:UserWarning"),
]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CAPABILITIES = ["tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning", "prompt_cache", "audio"]
LONG = "A paragraph that every call begins with, as an application's instructions do. " * 120


def imitated(wire: str) -> dict[str, Any]:
    model = {"context": 64000, "capabilities": CAPABILITIES, "price": {"input": 0, "output": 0}, "limits": []}
    return {
        "providers": {wire: {"dialect": wire, "keys": [f"{wire}-key"], "models": {"m": model, "n": model}}},
        "pools": {"main": [f"{wire}/m"]},
        "default_pool": "main",
    }


def by_its_own_wire(config: dict[str, Any]) -> dict[str, Any]:
    """Each provider spoken to by the plugin of its name, whoever else could."""
    providers = {name: {**section, "adapter": name} for name, section in config["providers"].items()}
    return {**config, "providers": providers}


class _Unit(ChatModelUnitTests):
    wire: ClassVar[str]
    env: ClassVar[str]

    @property
    def chat_model_class(self) -> type[ChatRotor]:
        return ChatRotor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        models = {"m": {"capabilities": ["tools", "json_schema"]}, "n": {}}
        section = {"base_url": "http://127.0.0.1:9", "keys": [{"value": "k"}], "models": models}
        return {"config": {"version": 1, "providers": {self.wire: section}}, "model": f"{self.wire}/m"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return f"{self.wire}/n"

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        config = {"version": 1, "providers": {self.wire: {"models": {"m": {}}}}}
        model = {"model": f"{self.wire}/m"}
        return {self.env: "k"}, {"config": config, **model}, model


class _Native(ChatModelIntegrationTests):
    """`reads`: what its messages may hold beside text and images. `counts`: the parts of its usage that it tells."""

    wire: ClassVar[str]
    reads: ClassVar[frozenset[str]] = frozenset()
    counts: ClassVar[tuple[str, ...]] = ("reasoning_output", "cache_read_input")
    box: ClassVar[Sandbox]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _sandbox(cls) -> Iterator[None]:
        with Sandbox(imitated(cls.wire)) as cls.box:
            yield

    @pytest.fixture(autouse=True)
    def _no_downloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite fetches its pictures, documents and sounds from the network; what is in them nobody here looks at."""
        monkeypatch.setattr(standard.httpx, "get", lambda url, **_: httpx.Response(200, content=PIXEL))
        monkeypatch.setattr(standard, "_get_base64_from_url", lambda url: base64.b64encode(PIXEL).decode())

    @property
    def chat_model_class(self) -> type[ChatRotor]:
        return ChatRotor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        config = by_its_own_wire(self.box.config(store=f"memory://{uuid.uuid4().hex}"))
        return {"config": config, "model": "main"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return "pdf" in self.reads

    @property
    def supports_audio_inputs(self) -> bool:
        return "audio" in self.reads

    @property
    def supports_image_tool_message(self) -> bool:
        return "image from a tool" in self.reads

    @property
    def supports_pdf_tool_message(self) -> bool:
        return "pdf from a tool" in self.reads

    @property
    def model_override_value(self) -> str:
        return f"{self.wire}/n"

    @property
    def supported_usage_metadata_details(self) -> Any:
        return {"invoke": list(self.counts), "stream": list(self.counts)}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        model = ChatRotor(**self.chat_model_params, model_kwargs={"reasoning_effort": "low"})
        return asked(model, "Think about rain.", stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatRotor(**self.chat_model_params)
        asked(model, [("system", LONG), ("user", "Once.")], stream=stream)
        return asked(model, [("system", LONG), ("user", "Once more.")], stream=stream)


def asked(model: ChatRotor, text: Any, *, stream: bool) -> AIMessage:
    if not stream:
        return model.invoke(text)
    total: Any = None
    for chunk in model.stream(text):
        total = chunk if total is None else total + chunk
    return total


class TestGroqUnit(_Unit):
    wire, env = "groq", "GROQ_API_KEY"


class TestOpenAIUnit(_Unit):
    wire, env = "openai", "OPENAI_API_KEY"


class TestGeminiUnit(_Unit):
    wire, env = "gemini", "GEMINI_API_KEY"


class TestCohereUnit(_Unit):
    wire, env = "cohere", "COHERE_API_KEY"


class TestMistralUnit(_Unit):
    wire, env = "mistral", "MISTRAL_API_KEY"


class TestTogetherUnit(_Unit):
    wire, env = "together", "TOGETHER_API_KEY"


class TestGroq(_Native):
    wire = "groq"


class TestOpenAI(_Native):
    wire = "openai"
    reads = frozenset({"pdf", "audio"})


class TestGemini(_Native):
    wire = "gemini"
    reads = frozenset({"pdf", "audio", "image from a tool", "pdf from a tool"})


class TestCohere(_Native):
    wire = "cohere"


class TestMistral(_Native):
    wire = "mistral"
    reads = frozenset({"image from a tool"})
    counts = ("cache_read_input",)  # it does not say how many tokens were thoughts


class TestTogether(_Native):
    wire = "together"
