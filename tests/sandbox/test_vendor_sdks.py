"""The vendors' own SDKs against the sandbox: what they cannot read would be wrong there. No retries, no network.

`pytest -n0 -s` on this file prints the table of SDK by feature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import cohere
import groq
import httpx
import openai
import pytest
import together
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from pydantic import BaseModel
from tests.sandbox.conftest import function

from rotor_core.sandbox import Sandbox

FEATURES = ("chat", "stream", "tools", "structured", "error", "rate limit")
ASKED = [{"role": "user", "content": "What is the weather in Oslo and Rome?"}]
HOME = [{"role": "user", "content": "I live in Oslo"}]
WEATHER = function("get_weather", "Get the weather.", city={"type": "string"})
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MODELS = {
    "plain": {"context": 4000, "max_output": 500},
    "thinker": {"capabilities": ["reasoning", "tools"]},
    "limited": {"limits": [{"requests": 1, "per": "day", "window": "rolling"}]},
}
NAMES = ("openai", "groq", "mistral", "together", "cohere")
SPEC = {"providers": {name: {"dialect": name, "keys": [f"{name}-key-0001"], "models": MODELS} for name in NAMES}}


class Place(BaseModel):
    city: str


class OpenAIShaped:
    """The SDKs that Stainless made of OpenAI's shapes: openai, groq, together."""

    def __init__(self, module: Any, client: Any) -> None:
        self.module, self.client = module, client
        self.create = client.chat.completions.create

    def chat(self, model: str = "plain", **more: Any) -> tuple[str, str, int]:
        answer = self.create(model=model, messages=ASKED, **more)
        return answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.total_tokens

    def stream(self, **more: Any) -> tuple[str, list[Any], int]:
        if self.module is not together:  # which has no such parameter, and is told unasked
            more["stream_options"] = {"include_usage": True}
        if self.module is groq:  # whose SDK does not know it either, though the API does
            more["extra_body"] = {"stream_options": more.pop("stream_options")}
        chunks = list(self.create(model="plain", messages=ASKED, stream=True, **more))
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        calls: dict[int, list[str]] = {}
        for delta in deltas:
            for call in delta.tool_calls or ():
                one = calls.setdefault(call.index, ["", ""])
                one[0] += call.function.name or ""
                one[1] += call.function.arguments or ""
        totals = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
        return "".join(delta.content or "" for delta in deltas), list(calls.values()), totals[-1]

    def tools(self) -> list[tuple[str, str]]:
        answer = self.create(model="plain", messages=ASKED, tools=[WEATHER])
        return [(call.function.name, call.function.arguments) for call in answer.choices[0].message.tool_calls]

    def after_tools(self) -> str:
        answer = self.create(model="plain", messages=ASKED, tools=[WEATHER])
        made = answer.choices[0].message.model_dump(exclude_none=True)
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "It rains"} for call in made["tool_calls"]]
        return self.create(model="plain", messages=[*ASKED, made, *results], tools=[WEATHER]).choices[0].message.content

    def structured(self) -> Any:
        if self.module is openai:
            parsed = self.client.chat.completions.parse(model="plain", messages=HOME, response_format=Place)
            return parsed.choices[0].message.parsed.model_dump()
        form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE}}
        return json.loads(self.create(model="plain", messages=HOME, response_format=form).choices[0].message.content)

    def errors(self) -> dict[str, Any]:
        sdk = self.module
        return {
            "auth": sdk.AuthenticationError,
            "model": sdk.NotFoundError,
            "server": sdk.InternalServerError,
            "rate": sdk.RateLimitError,
        }

    def with_key(self, key: str) -> OpenAIShaped:
        return OpenAIShaped(self.module, self.client.with_options(api_key=key))

    def status(self, error: Any) -> int:
        assert error.body
        return error.status_code


class MistralShaped:
    def __init__(self, key: str, base: str, http: httpx.Client) -> None:
        self.base, self.http = base, http
        self.client = Mistral(api_key=key, server_url=base, client=http)

    def chat(self, model: str = "plain", **more: Any) -> tuple[str, str, int]:
        answer = self.client.chat.complete(model=model, messages=ASKED, **more)
        return answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.total_tokens

    def stream(self, **more: Any) -> tuple[str, list[Any], int]:
        with self.client.chat.stream(model="plain", messages=ASKED, **more) as events:
            chunks = [event.data for event in events]
        deltas = [chunk.choices[0].delta for chunk in chunks]
        calls = [[c.function.name, c.function.arguments] for delta in deltas for c in delta.tool_calls or ()]
        return "".join(delta.content or "" for delta in deltas), calls, chunks[-1].usage.total_tokens

    def tools(self) -> list[tuple[str, str]]:
        answer = self.client.chat.complete(model="plain", messages=ASKED, tools=[WEATHER])
        return [(call.function.name, call.function.arguments) for call in answer.choices[0].message.tool_calls]

    def after_tools(self) -> str:
        made = self.client.chat.complete(model="plain", messages=ASKED, tools=[WEATHER]).choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "It rains"} for call in made.tool_calls]
        answer = self.client.chat.complete(model="plain", messages=[*ASKED, made, *results], tools=[WEATHER])
        return answer.choices[0].message.content

    def structured(self) -> Any:
        parsed = self.client.chat.parse(Place, model="plain", messages=HOME)
        return parsed.choices[0].message.parsed.model_dump()

    def errors(self) -> dict[str, Any]:
        return dict.fromkeys(("auth", "model", "server", "rate"), SDKError)

    def with_key(self, key: str) -> MistralShaped:
        return MistralShaped(key, self.base, self.http)

    def status(self, error: Any) -> int:
        assert error.body
        return error.status_code


class CohereShaped:
    def __init__(self, key: str, base: str, http: httpx.Client) -> None:
        self.base, self.http = base, http
        self.client = cohere.ClientV2(api_key=key, base_url=base, httpx_client=http)
        self.once = {"request_options": {"max_retries": 0}}

    def chat(self, model: str = "plain", **more: Any) -> tuple[str, str, int]:
        answer = self.client.chat(model=model, messages=ASKED, **more, **self.once)
        tokens = answer.usage.tokens
        finish = {"COMPLETE": "stop", "MAX_TOKENS": "length"}[answer.finish_reason]
        return answer.message.content[0].text, finish, int(tokens.input_tokens + tokens.output_tokens)

    def stream(self, **more: Any) -> tuple[str, list[Any], int]:
        text, calls, total = "", [], 0
        for event in self.client.chat_stream(model="plain", messages=ASKED, **more, **self.once):
            match event.type:
                case "content-delta":
                    text += event.delta.message.content.text
                case "tool-call-start":
                    calls.append([event.delta.message.tool_calls.function.name, ""])
                case "tool-call-delta":
                    calls[event.index][1] += event.delta.message.tool_calls.function.arguments
                case "message-end":
                    total = int(event.delta.usage.tokens.input_tokens + event.delta.usage.tokens.output_tokens)
        return text, calls, total

    def tools(self) -> list[tuple[str, str]]:
        answer = self.client.chat(model="plain", messages=ASKED, tools=[WEATHER], **self.once)
        return [(call.function.name, call.function.arguments) for call in answer.message.tool_calls]

    def after_tools(self) -> str:
        made = self.client.chat(model="plain", messages=ASKED, tools=[WEATHER], **self.once).message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "It rains"} for call in made.tool_calls]
        answer = self.client.chat(model="plain", messages=[*ASKED, made, *results], tools=[WEATHER], **self.once)
        return answer.message.content[0].text

    def structured(self) -> Any:
        form = cohere.JsonObjectResponseFormatV2(json_schema=PLACE)
        answer = self.client.chat(model="plain", messages=HOME, response_format=form, **self.once)
        return json.loads(answer.message.content[0].text)

    def errors(self) -> dict[str, Any]:
        sdk = cohere
        return {
            "auth": sdk.UnauthorizedError,
            "model": sdk.NotFoundError,
            "server": sdk.InternalServerError,
            "rate": sdk.TooManyRequestsError,
        }

    def with_key(self, key: str) -> CohereShaped:
        return CohereShaped(key, self.base, self.http)

    def status(self, error: Any) -> int:
        assert error.body["message"]
        return error.status_code


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], str]]:
    found: dict[tuple[str, str], str] = {}
    yield found
    packages = {"mistral": "mistralai"}
    print(f"\n| SDK | {' | '.join(FEATURES)} |\n|---|{'---|' * len(FEATURES)}")
    for name in NAMES:
        package = packages.get(name, name)
        cells = " | ".join(found.get((name, feature), "-") for feature in FEATURES)
        print(f"| {package} {version(package)} | {cells} |")


@pytest.fixture(scope="module")
def _box() -> Iterator[Sandbox]:
    with Sandbox(SPEC) as box:
        yield box


@pytest.fixture
def box(_box: Sandbox) -> Sandbox:
    _box.reset()
    return _box


@pytest.fixture(params=NAMES)
def sdk(request: pytest.FixtureRequest, box: Sandbox) -> Iterator[Any]:
    name = request.param
    key, base = box.key(name), box.url(name).removesuffix("/v1")
    match name:
        case "openai":
            with openai.OpenAI(api_key=key, base_url=box.url(name), max_retries=0) as client:
                yield OpenAIShaped(openai, client)
        case "groq":
            with groq.Groq(api_key=key, base_url=base, max_retries=0) as client:
                yield OpenAIShaped(groq, client)
        case "together":
            with together.Together(api_key=key, base_url=base, max_retries=0) as client:
                yield OpenAIShaped(together, client)
        case "mistral":
            with httpx.Client(timeout=10) as client:
                yield MistralShaped(key, base, client)
        case "cohere":
            with httpx.Client(timeout=10) as client:
                yield CohereShaped(key, base, client)


@pytest.fixture
def passed(request: pytest.FixtureRequest, table: dict[tuple[str, str], str]) -> Any:
    name = request.node.callspec.params["sdk"]

    def note(feature: str) -> None:
        table[name, feature] = "pass"

    return note


def test_chat(sdk, box, passed):
    text, finish, total = sdk.chat()
    record = box.stats()[-1]
    assert text.startswith("This is the sandbox")
    assert (finish, total) == ("stop", record["prompt_tokens"] + record["completion_tokens"])
    text, finish, _ = sdk.chat(max_tokens=3)
    assert (len(text.split()), finish) == (3, "length")
    passed("chat")


def test_stream(sdk, passed):
    whole, _, total = sdk.chat()
    assert sdk.stream() == (whole, [], total)
    passed("stream")


def test_tools(sdk, passed):
    expected = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    assert [(name, json.loads(arguments)) for name, arguments in sdk.tools()] == expected
    text, calls, _ = sdk.stream(tools=[WEATHER])
    assert (text, [(name, json.loads(arguments)) for name, arguments in calls]) == ("", expected)
    assert "It rains" in sdk.after_tools()
    passed("tools")


def test_structured(sdk, passed):
    assert sdk.structured() == {"city": "Oslo"}
    passed("structured")


def test_error(sdk, box, passed):
    errors = sdk.errors()
    with pytest.raises(errors["model"]) as caught:
        sdk.chat("none")
    assert sdk.status(caught.value) in {400, 404}
    with pytest.raises(errors["auth"]) as caught:
        sdk.with_key("wrong-key-0123456789").chat()
    assert sdk.status(caught.value) == 401
    box.fault(500, times=1)
    with pytest.raises(errors["server"]) as caught:
        sdk.chat()
    assert sdk.status(caught.value) == 500
    assert len(box.stats()) == 3, "it was tried again"
    passed("error")


def test_rate_limit(sdk, box, passed):
    box.fault(429, times=1)
    with pytest.raises(sdk.errors()["rate"]) as caught:
        sdk.chat()
    assert sdk.status(caught.value) == 429
    sdk.chat("limited", max_tokens=1)
    with pytest.raises(sdk.errors()["rate"]) as caught:
        sdk.chat("limited", max_tokens=1)
    assert sdk.status(caught.value) == 429
    passed("rate limit")


def test_groqs_sdk_finds_the_models_under_its_own_paths(box):
    base = box.url("groq").removesuffix("/v1")
    with groq.Groq(api_key=box.key("groq"), base_url=base, max_retries=0) as client:
        assert {model.id for model in client.models.list().data} == set(MODELS)


def test_mistrals_and_coheres_sdks_read_the_lists_of_models(box):
    with httpx.Client(timeout=10) as http:
        mistral = Mistral(api_key=box.key("mistral"), server_url=box.url("mistral").removesuffix("/v1"), client=http)
        assert {model.id for model in mistral.models.list().data} == set(MODELS)
        client = cohere.ClientV2(api_key=box.key("cohere"), base_url=box.url("cohere"), httpx_client=http)
        assert {model.name for model in client.models.list(endpoint="chat").models} == set(MODELS)
