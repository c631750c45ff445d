"""Google's own client against the sandbox: what it cannot read would be wrong there. No network, and it does not retry."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

genai = pytest.importorskip("google.genai", reason="Google's client is not installed")
from google.genai import errors, types

from rotor_core.sandbox import Sandbox

MODEL, OLDER = "gemini-3.6-flash", "gemini-2.5-flash"


class Place(BaseModel):
    city: str
    inhabitants: int | None = None


@pytest.fixture(params=[MODEL, OLDER])
def model(request):
    return request.param


def client_of(box: Sandbox, provider: str = "google", key: str | None = None):
    options = types.HttpOptions(
        base_url=box.url(provider).removesuffix("/v1beta"),
        api_version="v1beta",
        retry_options=types.HttpRetryOptions(attempts=1),
        timeout=10_000,
    )
    return genai.Client(api_key=key or box.key(provider), http_options=options, vertexai=False)


@pytest.fixture
def client(box):
    with client_of(box) as made:
        yield made


WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Get the weather.",
            parameters_json_schema={
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        )
    ]
)


def test_chat(client, model):
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", max_output_tokens=200, temperature=0.5, stop_sequences=["###"], seed=7
    )
    answer = client.models.generate_content(model=model, contents="Why is the sky blue?", config=config)
    assert answer.text.startswith("This is the sandbox")
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    used = answer.usage_metadata
    assert used.total_token_count == used.prompt_token_count + used.candidates_token_count + (
        used.thoughts_token_count or 0
    )
    assert answer.model_version == model


def test_a_conversation_that_the_client_keeps(client, model):
    chat = client.chats.create(model=model)
    assert chat.send_message("My name is Ada.").text
    assert chat.send_message("And what is my name?").text
    assert len(chat.get_history()) == 4


def test_stream(client, model):
    whole = client.models.generate_content(model=model, contents="Why is the sky blue?").text
    pieces = list(client.models.generate_content_stream(model=model, contents="Why is the sky blue?"))
    assert "".join(piece.text or "" for piece in pieces) == whole
    assert len(pieces) > 3
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # Google's own doing
async def test_stream_without_blocking(client, model):
    stream = await client.aio.models.generate_content_stream(model=model, contents="Why is the sky blue?")
    pieces = [piece async for piece in stream]
    assert "".join(piece.text or "" for piece in pieces).startswith("This is the sandbox")
    await client.aio.aclose()


def test_tools_there_and_back_with_their_signatures(client, model):
    config = types.GenerateContentConfig(
        tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    question = types.Content(role="user", parts=[types.Part(text="What is the weather in Oslo and Rome?")])
    called = client.models.generate_content(model=model, contents=[question], config=config)
    assert [call.args for call in called.function_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = types.Content(
        role="user",
        parts=[
            types.Part(
                function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "minus 3"})
            )
            for call in called.function_calls
        ],
    )
    history = [question, called.candidates[0].content, results]
    assert "minus 3" in client.models.generate_content(model=model, contents=history, config=config).text


def test_a_function_that_the_client_calls_by_itself(client):
    def get_weather(city: str) -> str:
        """Get the weather.

        Args:
            city: The city.
        """
        return f"{city}: minus 3 degrees"

    config = types.GenerateContentConfig(tools=[get_weather])
    answer = client.models.generate_content(model=MODEL, contents="What is the weather in Oslo?", config=config)
    assert "Oslo: minus 3 degrees" in answer.text


def test_structured(client, model):
    for config in (
        types.GenerateContentConfig(response_mime_type="application/json", response_schema=Place),
        types.GenerateContentConfig(
            response_mime_type="application/json", response_json_schema=Place.model_json_schema()
        ),
    ):
        answer = client.models.generate_content(model=model, contents="I live in Oslo", config=config)
        assert json.loads(answer.text)["city"] == "Oslo"


def test_thoughts(client):
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW)
    )
    answer = client.models.generate_content(model=MODEL, contents="Why is the sky blue?", config=config)
    thoughts = [part.text for part in answer.candidates[0].content.parts if part.thought]
    assert thoughts
    assert thoughts[0] not in answer.text
    assert answer.usage_metadata.thoughts_token_count > 0


def test_images(client, model):
    picture = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    assert client.models.generate_content(model=model, contents=[picture, "What is this?"]).text


def test_errors(box, client, model):
    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="none", contents="hi")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")
    with client_of(box, key="wrong") as stranger, pytest.raises(errors.ClientError, match="API key not valid") as bad:
        stranger.models.generate_content(model=model, contents="hi")
    assert bad.value.code == 400
    for status, name in ((500, "INTERNAL"), (503, "UNAVAILABLE")):
        box.fault(status, times=1)
        with pytest.raises(errors.ServerError) as broken:
            client.models.generate_content(model=model, contents="hi")
        assert (broken.value.code, broken.value.status) == (status, name)
    with pytest.raises(errors.ClientError, match="range"):
        client.models.generate_content(model=model, contents="hi", config=types.GenerateContentConfig(temperature=5))


def test_an_error_in_the_middle_of_a_stream(box, client):
    box.fault("stream_error", after=2, times=1)
    stream = client.models.generate_content_stream(model=MODEL, contents="Why is the sky blue?")
    with pytest.raises(errors.APIError):
        list(stream)


def test_rate_limit(box):
    with client_of(box, "tight") as client:
        assert client.models.generate_content(model=MODEL, contents="hi").text
        with pytest.raises(errors.ClientError, match="exceeded your current quota") as refused:
            client.models.generate_content(model=MODEL, contents="hi")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
    kinds = [detail["@type"].rpartition(".")[2] for detail in refused.value.details["error"]["details"]]
    assert kinds == ["QuotaFailure", "RetryInfo"]
    assert box.refusals() == 1


def test_the_list_of_models(client):
    listed = {entry.name: entry for entry in client.models.list()}
    assert listed[f"models/{MODEL}"].input_token_limit == 131072
