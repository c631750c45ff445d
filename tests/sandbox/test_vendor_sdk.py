"""OpenAI's own client against the sandbox: what it cannot read would be wrong here."""

from __future__ import annotations

import json

import openai
import pytest
from pydantic import BaseModel
from tests.sandbox.conftest import function

USER = [{"role": "user", "content": "What is the weather in Oslo and Rome?"}]


class Place(BaseModel):
    city: str
    inhabitants: int | None = None


@pytest.fixture(params=["open", "quick"])
def client(lab, request):
    with openai.OpenAI(base_url=lab.box.url(request.param), api_key=lab.box.key(request.param), max_retries=0) as made:
        yield made


def test_it_reads_answers_calls_streams_and_parsed_output(client):
    tools = [function("get_weather", "Get the weather.", city={"type": "string"})]
    answer = client.chat.completions.create(model="plain", messages=USER, max_tokens=7)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 7)

    called = client.chat.completions.create(model="plain", messages=USER, tools=tools)
    assert [json.loads(c.function.arguments) for c in called.choices[0].message.tool_calls] == [
        {"city": "Oslo"},
        {"city": "Rome"},
    ]

    with client.chat.completions.stream(model="plain", messages=USER, stream_options={"include_usage": True}) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content.startswith("This is the sandbox")
    assert final.usage.total_tokens > 0

    parsed = client.chat.completions.parse(
        model="plain", messages=[{"role": "user", "content": "I live in Oslo"}], response_format=Place
    )
    assert parsed.choices[0].message.parsed.city == "Oslo"
    assert {m.id for m in client.models.list()} >= {"plain", "thinker"}


def test_it_raises_its_own_errors(lab, client):
    for status, error in ((429, openai.RateLimitError), (500, openai.InternalServerError)):
        lab.box.fault(status, times=1, retry_after=1)
        with pytest.raises(error) as caught:
            client.chat.completions.create(model="plain", messages=USER)
        assert caught.value.body["message"]
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="none", messages=USER)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(model="plain", messages=USER)
    lab.box.fault("cut", after=2, times=1)
    with pytest.raises(Exception, match="incomplete|closed|peer"):
        list(client.chat.completions.create(model="plain", messages=USER, stream=True))
