"""Gemini's own format: its turns, its strictness, its answers and its errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rotor_core._policy.classify import classify_failure
from rotor_core.sandbox import Sandbox

NEW, OLD = "gemini-3.6-flash", "gemini-2.5-flash"
SPEC: dict[str, Any] = {
    "providers": {
        "google": {
            "dialect": "gemini",
            "keys": ["google-key-0001-secret", {"value": "gone-key-0002-secret", "revoked": True}],
            "models": {
                NEW: {"context": 4000, "max_output": 500, "capabilities": ["tools", "json_schema", "vision", "reasoning"]},
                OLD: {"context": 4000, "max_output": 500},
                "gemini-3.1-pro-preview": {},
                "gemma-4-31b-it": {},
            },
        },
        "tight": {
            "dialect": "gemini",
            "keys": ["tight-key"],
            "models": {
                "minute": {"limits": [{"requests": 2, "per": "minute", "window": "calendar"}]},
                "day": {
                    "limits": [{"requests": 1, "per": "day", "window": "calendar", "tz": "America/Los_Angeles"}]
                },
                "tokens": {"limits": [{"tokens": 60, "per": "minute", "window": "calendar"}]},
                "single": {"limits": [{"concurrent": 1}]},
            },
        },
    }
}  # fmt: skip
WEATHER = {
    "functionDeclarations": [
        {
            "name": "get_weather",
            "description": "Get the weather.",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        }
    ]
}


class Lab:
    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.box = Sandbox(SPEC, clock=lambda: self.at)
        self.client = httpx.Client(timeout=10)

    def post(
        self, model: str = OLD, *, provider: str = "google", key: str | None = None, stream: str = "", **body: Any
    ):
        method = f"streamGenerateContent{stream}" if stream else "generateContent"
        headers = {"x-goog-api-key": self.box.key(provider) if key is None else key} if key != "" else {}
        sent = {"contents": [user("Why is the sky blue?")], **body}
        return self.client.post(f"{self.box.url(provider)}/models/{model}:{method}", headers=headers, json=sent)

    def ask(self, *args: Any, **more: Any) -> Any:
        response = self.post(*args, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, *args: Any, status: int = 400, **more: Any) -> str:
        response = self.post(*args, **more)
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert error["code"] == status
        return error["message"]


@pytest.fixture(scope="module")
def _lab() -> Iterator[Lab]:
    made = Lab()
    with made.box, made.client:
        yield made


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    _lab.box.reset()
    _lab.at = 1_700_000_000.0
    return _lab


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return {**user(*parts), "role": "model"}


def call(name: str = "get_weather", signature: str | None = None, **args: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": args}}
    return {**part, "thoughtSignature": signature} if signature else part


def result(name: str = "get_weather", **response: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response}}


def events(text: str) -> list[Any]:
    assert text.endswith("\r\n\r\n")
    return [json.loads(event.removeprefix("data: ")) for event in text.removesuffix("\r\n\r\n").split("\r\n\r\n")]


# ---- answers ------------------------------------------------------------------------------------------------------


def test_an_answer_has_a_candidate_its_usage_and_no_header_about_limits(lab):
    response = lab.post()
    body = response.json()
    (candidate,) = body["candidates"]
    assert candidate["content"]["role"] == "model"
    assert candidate["content"]["parts"][0]["text"].startswith("This is the sandbox")
    assert (candidate["finishReason"], body["modelVersion"]) == ("STOP", OLD)
    usage = body["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert not [name for name in response.headers if "ratelimit" in name or name == "retry-after"]


def test_thoughts_count_beside_the_candidates_and_are_shown_when_asked_for(lab):
    hidden = lab.ask(NEW)
    shown = lab.ask(NEW, generationConfig={"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"}})
    assert "thought" not in json.dumps(hidden["candidates"][0]["content"]["parts"][0].get("text", ""))
    assert shown["candidates"][0]["content"]["parts"][0]["thought"] is True
    usage = shown["usageMetadata"]
    assert usage["thoughtsTokenCount"] > hidden["usageMetadata"]["thoughtsTokenCount"] > 0
    assert usage["totalTokenCount"] == sum(
        usage[name] for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    )


def test_calls_come_with_ids_and_one_signature_from_the_third_generation_on(lab):
    contents = [user("What is the weather in Oslo and Rome?")]
    new = lab.ask(NEW, contents=contents, tools=[WEATHER])["candidates"][0]["content"]["parts"]
    old = lab.ask(OLD, contents=contents, tools=[WEATHER])["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["args"] for part in new] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert ["thoughtSignature" in part for part in new] == [True, False]
    assert len({part["functionCall"]["id"] for part in new}) == 2
    assert all("id" not in part["functionCall"] and "thoughtSignature" not in part for part in old)


def test_a_stream_ends_with_its_reason_and_has_usage_on_every_event(lab):
    text = lab.post(stream="?alt=sse").text
    pieces = events(text)
    whole = lab.ask()["candidates"][0]["content"]["parts"][0]["text"]
    assert (
        "".join(
            piece["candidates"][0]["content"]["parts"][0]["text"]
            for piece in pieces
            if piece["candidates"][0]["content"].get("parts")
        )
        == whole
    )
    assert ["finishReason" in piece["candidates"][0] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece["usageMetadata"]["totalTokenCount"] for piece in pieces)
    assert "[DONE]" not in text


def test_a_stream_without_alt_sse_is_one_json_list(lab):
    response = lab.post(stream="?")
    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    assert [*response.json()[-1]["candidates"][0]][-1] == "finishReason"


def test_what_is_cut_by_the_bound_says_so(lab):
    body = lab.ask(generationConfig={"maxOutputTokens": 5})
    assert body["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert body["usageMetadata"]["candidatesTokenCount"] == 5


def test_json_of_a_schema_in_googles_own_words_or_as_json_schema(lab):
    own = {"type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}, "required": ["city"]}
    plain = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    for name, schema in (("responseSchema", own), ("responseJsonSchema", plain)):
        body = lab.ask(
            generationConfig={"responseMimeType": "application/json", name: schema}, contents=[user("I live in Oslo")]
        )
        assert json.loads(body["candidates"][0]["content"]["parts"][0]["text"]) == {"city": "Oslo"}


def test_names_may_be_written_with_underscores_too(lab):
    body = lab.ask(generation_config={"max_output_tokens": 3}, system_instruction={"parts": [{"text": "Be brief."}]})
    assert body["usageMetadata"]["candidatesTokenCount"] == 3


def test_a_tools_result_is_told_again(lab):
    contents = [user("Weather in Oslo?"), model(call(city="Oslo")), user(result(output="minus 3 degrees"))]
    body = lab.ask(contents=contents, tools=[WEATHER])
    assert "minus 3 degrees" in body["candidates"][0]["content"]["parts"][0]["text"]


def test_the_list_of_models_says_how_much_goes_in_and_out(lab):
    url = f"{lab.box.url('google')}/models"
    listed = {entry["name"]: entry for entry in lab.client.get(url, params={"pageSize": 1000}).json()["models"]}
    assert listed[f"models/{OLD}"]["inputTokenLimit"] == 4000
    assert listed[f"models/{OLD}"]["outputTokenLimit"] == 500
    assert listed[f"models/{NEW}"]["thinking"] is True
    assert lab.client.get(f"{url}/{OLD}").json()["name"] == f"models/{OLD}"
    assert lab.client.get(f"{url}/none").status_code == 404


# ---- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"foo": 1}, 'Unknown name "foo": Cannot find field'),
        ({"generationConfig": {"maxTokens": 1}}, "Unknown name \"maxTokens\" at 'generation_config'"),
        ({"contents": [{"role": "user", "content": "hi"}]}, "Unknown name \"content\" at 'contents[0]'"),
        ({"contents": [user({"image_url": "x"})]}, "Unknown name \"imageUrl\" at 'contents[0].parts[0]'"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [user()]}, "contents.parts must not be empty"),
        ({"contents": [user("")]}, "required oneof field 'data'"),
        ({"contents": [user({"text": "a", "fileData": {"fileUri": "x"}})]}, "Cannot set 'file_data'"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}, "Please use a valid role"),
        ({"contents": [user({"inlineData": {"mimeType": "image/png", "data": "?"}})]}, "Base64 decoding failed"),
        ({"contents": [user("a"), model(call()), user("b")]}, "number of function response parts is equal"),
        ({"contents": [user("a"), model(call())]}, "number of function response parts is equal"),
        ({"contents": [user("a"), model(call(), call()), user(result())]}, "number of function response parts is equal"),
        ({"contents": [user("a"), user(result())]}, "immediately after a function call turn"),
        ({"contents": [model(call()), user(result())]}, "immediately after a user turn"),
        ({"contents": [user("a"), model("b"), model(call()), user(result())]}, "immediately after a user turn"),
        ({"contents": [user("a"), model(call()), user(result("other"))]}, "answers no function call"),
        ({"contents": [user("a"), model({"functionCall": {"args": {}}})]}, "Name cannot be empty"),
        ({"contents": [user("a"), model({"functionCall": {"name": "f", "args": "{}"}})]}, "google.protobuf.Struct"),
        ({"contents": [user("a"), model({**call(), "thoughtSignature": "*"})]}, "Base64 decoding failed"),
        ({"systemInstruction": {"parts": [{"fileData": {"fileUri": "x"}}]}}, "text only"),
        ({"generationConfig": {"temperature": 3}}, "temperature"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "must be positive"),
        ({"generationConfig": {"maxOutputTokens": 501}}, "from 1 to 500"),
        ({"generationConfig": {"candidateCount": 2}}, "Multiple candidates"),
        ({"generationConfig": {"stopSequences": list("abcdef")}}, "5 texts at most"),
        ({"generationConfig": {"responseMimeType": "text/html"}}, "allowed mimetypes"),
        ({"generationConfig": {"responseJsonSchema": {"type": "object"}}}, "must be application/json"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}}, "only one of"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "not supported for this model"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 99999}}}, "is invalid"),
        ({"tools": [{"functions": []}]}, "Unknown name \"functions\" at 'tools[0]'"),
        ({"tools": [{"functionDeclarations": [{"name": "1st"}]}]}, "Invalid function name"),
        ({"tools": [WEATHER, WEATHER]}, "Duplicate function declaration"),
        ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "$ref": "#"}}]}]}, "Unknown name"),
        ({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"$ref": "#/$defs/A", "title": "x"}}]}]}, "beside other words"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
        ({"tools": [WEATHER], "toolConfig": {"functionCallingConfig": {"mode": "REQUIRED"}}}, "Invalid value"),
        ({"tools": [WEATHER], "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["get_weather"]}}}, "only when"),
        ({"tools": [WEATHER], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}}, "not declared: x"),
        ({"tools": [WEATHER], "generationConfig": {"responseMimeType": "application/json"}}, "Function calling with a response mime type"),
        ({"cachedContent": "cachedContents/x"}, "CachedContent not found"),
    ],
)  # fmt: skip
def test_what_google_refuses_is_refused(lab, body, said):
    assert said in lab.refused(**body)


@pytest.mark.parametrize(
    ("name", "level"),
    [("gemini-3.1-pro-preview", "MINIMAL"), ("gemma-4-31b-it", "LOW"), (NEW, "ENORMOUS")],
)
def test_a_level_of_thinking_that_a_model_does_not_have_is_refused(lab, name, level):
    said = lab.refused(name, generationConfig={"thinkingConfig": {"thinkingLevel": level}})
    assert f"Thinking level {level} is not supported" in said


def test_the_third_generation_wants_the_signature_of_each_steps_first_call_since_the_user_spoke(lab):
    (first, second) = lab.ask(NEW, contents=[user("Weather in Oslo and Rome?")], tools=[WEATHER])["candidates"][0][
        "content"
    ]["parts"]
    results = user(result(output="-3"), result(output="20"))
    question = user("Weather in Oslo and Rome?")
    lab.ask(NEW, contents=[question, model(first, second), results], tools=[WEATHER])
    bare = {"functionCall": first["functionCall"]}
    said = lab.refused(NEW, contents=[question, model(bare, second), results], tools=[WEATHER])
    assert "missing a thought_signature in functionCall parts" in said
    assert "`default_api:get_weather`" in said
    lab.ask(
        NEW, contents=[question, model(bare, second), results, model("Cold and warm."), user("Thanks")], tools=[WEATHER]
    )
    lab.ask(
        NEW,
        contents=[question, model({**bare, "thoughtSignature": "skip_thought_signature_validator"}, second), results],
    )
    lab.ask(OLD, contents=[question, model(call(city="Oslo")), user(result(output="-3"))])


def test_a_signature_that_nobody_gave_is_corrupted(lab):
    forged = base64.b64encode(b"mine").decode()
    contents = [user("a"), model(call(signature=forged)), user(result())]
    assert lab.refused(NEW, contents=contents) == "Corrupted thought signature."


def test_a_budget_of_nothing_is_refused_by_the_pro_models(lab):
    said = lab.refused("gemini-3.1-pro-preview", generationConfig={"thinkingConfig": {"thinkingBudget": 0}})
    assert "only works in thinking mode" in said


# ---- errors -------------------------------------------------------------------------------------------------------


def kind(response: httpx.Response) -> str:
    return classify_failure("gemini", response.status_code, dict(response.headers), response.content).kind


def test_a_bad_key_is_a_400_that_says_so_in_its_reason(lab):
    for key in ("nonsense", "gone-key-0002-secret"):
        response = lab.post(key=key)
        assert response.status_code == 400
        assert response.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        assert kind(response) == "auth"
    assert lab.post(key="").status_code == 403


def test_a_key_may_stand_in_the_query(lab):
    url = f"{lab.box.url('google')}/models/{OLD}:generateContent"
    body = {"contents": [user("hi")]}
    assert lab.client.post(url, params={"key": lab.box.key("google")}, json=body).status_code == 200


def test_what_is_not_there_is_not_found(lab):
    response = lab.post("none")
    assert (response.status_code, kind(response)) == (404, "not_found")
    assert "models/none is not found for API version v1beta" in response.json()["error"]["message"]
    assert lab.client.post(f"{lab.box.url('google')}/models/{OLD}:countTokens").status_code == 404


def test_too_long_a_prompt_says_by_how_much(lab):
    response = lab.post(contents=[user("word " * 9000)])
    assert kind(response) == "context_length"
    assert "exceeds the maximum number of tokens allowed (4000)" in response.text


def test_a_spent_minute_names_its_quota_and_a_wait(lab):
    for _ in range(2):
        assert lab.post("minute", provider="tight").status_code == 200
    response = lab.post("minute", provider="tight")
    failure = classify_failure("gemini", response.status_code, dict(response.headers), response.content)
    assert (failure.kind, failure.unit, failure.per, failure.limit) == ("rate_limit", "requests", "minute", 2)
    assert failure.retry_after == pytest.approx(
        40, abs=0.01
    )  # to the end of the minute: 1_700_000_000 is 20 s into one
    quota, retry = response.json()["error"]["details"]
    assert quota["violations"][0]["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
    assert retry["retryDelay"] == "40s"
    assert "retry-after" not in response.headers


def test_a_spent_day_tells_a_wait_of_less_than_a_minute_all_the_same(lab):
    assert lab.post("day", provider="tight").status_code == 200
    response = lab.post("day", provider="tight")
    failure = classify_failure("gemini", response.status_code, dict(response.headers), response.content)
    assert (failure.kind, failure.per, failure.limit) == ("quota_exhausted", "day", 1)
    assert failure.retry_after < 60


def test_spent_tokens_are_those_of_the_input(lab):
    lab.post("tokens", provider="tight", generationConfig={"maxOutputTokens": 5})
    lab.post("tokens", provider="tight", generationConfig={"maxOutputTokens": 5})
    response = lab.post(
        "tokens", provider="tight", contents=[user("word " * 20)], generationConfig={"maxOutputTokens": 5}
    )
    failure = classify_failure("gemini", response.status_code, dict(response.headers), response.content)
    assert (failure.kind, failure.unit, failure.per, failure.limit) == ("rate_limit", "input_tokens", "minute", 60)


def test_faults_are_in_googles_shape(lab):
    for status, name in ((429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE")):
        lab.box.fault(status, times=1)
        response = lab.post()
        assert (response.status_code, response.json()["error"]["status"]) == (status, name)
    lab.box.fault("stream_error", after=1, times=1)
    last = events(lab.post(stream="?alt=sse").text)[-1]
    assert last["error"]["status"] == "INTERNAL"
    lab.box.fault("early_end", after=2, times=1)
    cut = events(lab.post(stream="?alt=sse").text)
    assert len(cut) == 2
    assert all("finishReason" not in piece["candidates"][0] for piece in cut)


def test_a_body_that_is_no_json_is_told_so(lab):
    url = f"{lab.box.url('google')}/models/{OLD}:generateContent"
    response = lab.client.post(url, headers={"x-goog-api-key": lab.box.key("google")}, content=b"{")
    assert response.status_code == 400
    assert "Invalid JSON payload" in response.text


def test_a_configuration_for_it_names_the_adapter_and_the_base_url(lab):
    section = lab.box.config()["providers"]["google"]
    assert section["adapter"] == "gemini"
    assert section["base_url"].endswith("/google/v1beta")
