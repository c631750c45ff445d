"""One sandbox for the whole session, reset before each test that uses it; a clock of its own, so that nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rotor_core.sandbox import Sandbox

NOON = 1_700_000_000.0
SPEC: dict[str, Any] = {
    "providers": {
        "open": {  # OpenAI's dialect, no limits
            "keys": ["open-key-0001-secret", {"value": "gone-key-0002-secret", "revoked": True}],
            "models": {
                "plain": {"context": 4000, "max_output": 500, "price": {"input": 1, "output": 2}},
                "thinker": {"capabilities": ["reasoning", "tools"]},
                "with/slash": {},
            },
        },
        "quick": {  # Groq's dialect, no limits
            "dialect": "groq",
            "keys": ["quick-key-0001-secret"],
            "models": {"plain": {"context": 4000, "max_output": 500}, "thinker": {"capabilities": ["reasoning", "tools"]}},
        },
        "tight": {  # OpenAI's dialect, limited
            "keys": ["tight-key-1", "tight-key-2", {"value": "tight-key-3", "quota": "team"}, {"value": "tight-key-4", "quota": "team"}],
            "models": {
                "rpm": {"limits": [{"requests": 3, "per": "minute", "window": "bucket"}]},
                "tpm": {"limits": [{"tokens": 400, "per": "minute", "window": "bucket"}]},
                "asked": {"limits": [{"tokens": 400, "per": "minute", "window": "bucket", "counts": "requested"}]},
                "single": {"limits": [{"concurrent": 1}]},
            },
        },
        "tightgroq": {
            "dialect": "groq",
            "keys": ["tightgroq-key"],
            "models": {
                "both": {
                    "limits": [
                        {"requests": 2, "per": "minute", "window": "bucket"},
                        {"requests": 1000, "per": "day", "window": "bucket"},
                        {"tokens": 400, "per": "minute", "window": "bucket"},
                    ]
                }
            },
        },
        "keyless": {"keys": [], "models": {"plain": {}}},
    }
}  # fmt: skip


class Lab:
    """The sandbox with what tests say to it. `at`: its time, moved by hand."""

    def __init__(self) -> None:
        self.at = NOON
        self.box = Sandbox(SPEC, clock=lambda: self.at)
        self.client = httpx.Client(timeout=10)

    def body(self, model: str = "plain", said: str = "Why is the sky blue?", **more: Any) -> dict[str, Any]:
        return {"model": model, "messages": [{"role": "user", "content": said}], **more}

    def post(self, provider: str = "open", *args: Any, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key if key is not None else self.box.key(provider)}"} if key != "" else {}
        return self.client.post(
            f"{self.box.url(provider)}/chat/completions", headers=headers, json=self.body(*args, **more)
        )

    def ask(self, provider: str = "open", *args: Any, **more: Any) -> Any:
        """The JSON of an answer that has to come."""
        response = self.post(provider, *args, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def say(self, provider: str = "open", *args: Any, **more: Any) -> Any:
        return self.ask(provider, *args, **more)["choices"][0]["message"]

    def events(self, provider: str = "open", *args: Any, **more: Any) -> list[str]:
        """The data of each event of a stream."""
        return data(self.post(provider, *args, stream=True, **more).text)


def data(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    made = Lab()
    with made.box, made.client:
        yield made


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    _lab.box.reset()
    _lab.at = NOON
    return _lab


def function(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    """A tool of OpenAI's shape, all of whose properties are required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


@pytest.fixture
def tools() -> SimpleNamespace:
    text = {"type": "string"}
    return SimpleNamespace(
        weather=function("get_weather", "Get the weather.", location=text),
        time=function("get_time", "Tells the time in a city.", city=text),
        add=function("my_adder", "Adds two integers.", a={"type": "integer"}, b={"type": "integer"}),
        report=function("WeatherReport", "", city=text, temperature={"type": "number"}),
    )
