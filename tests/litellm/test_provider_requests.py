"""What LiteLLM's callers say to `rotor/...`, and what of it reaches whom; what cannot be meant is refused in LiteLLM's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import litellm
import pydantic
import pytest
from tests.litellm.doors import TOWN, opened, over
from tests.litellm.made import HELLO

from rotor_core.sandbox import Sandbox
from rotor_litellm.asked import options_for, request_of
from rotor_litellm.provider import RotorProvider


def given(**params: Any) -> dict[str, Any]:
    """A provider's arguments, as LiteLLM gives them."""
    return {"model": "fast", "messages": HELLO, "optional_params": params, "litellm_params": {}}


@pytest.fixture
def rotor(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RotorProvider]:
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(box)) as provider:
        yield provider


def test_parameters_go_to_whoever_answers_and_those_for_litellm_do_not():
    asked = given(
        temperature=0.5, seed=7, top_p=None, never_heard_of=1, extra_body={"unheard_of": 2},
        user="ann", max_retries=3, stream=True, stream_options={"include_usage": True}, extra_headers={"x": "y"},
    )  # fmt: skip

    assert request_of(asked).params == {"temperature": 0.5, "seed": 7, "never_heard_of": 1, "unheard_of": 2}


def test_a_message_of_litellms_is_sent_back_without_what_litellm_added():
    answer = litellm.Message(
        content="Hm.", role="assistant", provider_specific_fields={"refusal": None}, annotations=[]
    )
    asked = {**given(), "messages": [answer, {"role": "assistant", "content": None, "function_call": None}]}

    assert list(request_of(asked).messages) == [
        {"role": "assistant", "content": "Hm."},
        {"role": "assistant", "content": None},
    ]


@pytest.mark.parametrize(
    "params", [{"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"]}, {"audio": {"voice": "a"}}]
)
def test_what_an_answer_has_no_place_for_is_refused_and_left_out_where_that_is_allowed(params: dict[str, Any]):
    with pytest.raises(litellm.UnsupportedParamsError, match=next(iter(params))):
        request_of(given(**params))

    assert not request_of({**given(**params), "litellm_params": {"drop_params": True}}).params


def test_what_asks_for_nothing_more_is_no_reason_to_refuse():
    assert request_of(given(n=1, logprobs=False, modalities=["text"], temperature=1)).params == {
        "n": 1,
        "temperature": 1,
    }


@pytest.mark.parametrize(
    "asked", [given(tools="add"), given(tools=["add"]), given(response_format=7), {**given(), "messages": ["Hello"]}]
)
def test_what_cannot_be_meant_is_a_bad_request(asked: dict[str, Any]):
    with pytest.raises(litellm.BadRequestError):
        request_of(asked)


def test_a_pydantic_class_is_a_schema():
    class Town(pydantic.BaseModel):
        name: str

    wants = request_of(given(response_format=Town)).response_format

    assert wants is not None
    assert wants["type"] == "json_schema"
    assert wants["json_schema"]["schema"]["properties"]["name"] == {"title": "Name", "type": "string"}


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (600.0, None),
        (6000.0, None),
        (None, None),
        (0, None),
        (7, 7.0),
        (httpx.Timeout(9, connect=2), 9.0),
        (900.0, 900.0),
    ],
)
def test_a_timeout_that_somebody_said_bounds_a_call_and_litellms_default_does_not(timeout: Any, seconds: float | None):
    assert options_for({**given(), "timeout": timeout}).get("timeout") == seconds


@pytest.mark.parametrize(
    "said", [7, "priority", {"priority": [1]}, {"deadline": "soon"}, {"task": 5, "caller": ""}, {"max_wait": 3}]
)
def test_what_cannot_be_meant_of_our_own_is_left_out(said: Any):
    assert options_for({**given(), "litellm_params": {"metadata": {"rotor": said}}}) == {"model": "fast"}
    assert options_for(given(rotor=said)) == {"model": "fast"}


async def test_a_pydantic_class_shapes_an_answer(rotor: RotorProvider):
    class Town(pydantic.BaseModel):
        name: str

    for wants in (Town, TOWN):
        answer = await litellm.acompletion(model="rotor/fast", messages=HELLO, response_format=wants)
        assert Town.model_validate_json(answer.choices[0].message.content).name


@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_written_as_json_is_a_bad_request(box: Sandbox, rotor: RotorProvider, stream: bool):
    async def ask() -> None:
        answer: Any = await litellm.acompletion(model="rotor/fast", messages=HELLO, odd=object(), stream=stream)
        if stream:
            await anext(answer)

    with pytest.raises(litellm.BadRequestError, match="JSON"):
        await ask()

    assert box.summary()["requests"] == 0


async def test_a_picture_that_nobody_can_look_at_is_a_bad_request(box: Sandbox, rotor: RotorProvider):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(litellm.BadRequestError, match="has no vision"):
        await litellm.acompletion(model="rotor/fast", messages=[{"role": "user", "content": [picture]}])

    assert box.summary()["requests"] == 0


async def test_a_text_too_long_for_all_is_what_litellm_calls_that(box: Sandbox, rotor: RotorProvider):
    with pytest.raises(litellm.ContextWindowExceededError, match="too small"):
        await litellm.acompletion(model="rotor/fast", messages=[{"role": "user", "content": "word " * 60_000}])


async def test_embeddings_and_images_are_refused_with_a_way_to_have_them(rotor: RotorProvider):
    for asked in (
        litellm.aembedding(model="rotor/fast", input=["Hello"]),
        litellm.aimage_generation(model="rotor/fast", prompt="Ulm"),
    ):
        with pytest.raises(litellm.BadRequestError, match=r"rotor_litellm\.install"):
            await asked
    for ask in (
        lambda: litellm.embedding(model="rotor/fast", input=["Hello"]),
        lambda: litellm.image_generation(model="rotor/fast", prompt="Ulm"),
    ):
        with pytest.raises(litellm.BadRequestError, match=r"rotor_litellm\.install"):
            ask()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"version": 1, "providrs": {}}, "did you mean 'providers'"),
        ({"version": 1, "providers": {"lab": {"adapter": "openai-compatible", "base_url": "http://127.0.0.1:1/v1", "models": {"m": {}}}}}, "no key was found"),
        ("/nowhere/rotor.yaml", "/nowhere/rotor.yaml"),
    ],
)  # fmt: skip
async def test_a_configuration_that_cannot_be_used_is_told_with_its_place(config: Any, told: str):
    with opened(config), pytest.raises(litellm.BadRequestError, match=told) as caught:
        await litellm.acompletion(model="rotor/fast", messages=HELLO)

    assert caught.value.num_retries == 0


async def test_a_store_that_is_away_is_no_capacity_where_the_policy_says_refuse(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("redis")
    monkeypatch.delenv("ROTOR_STORE")
    away = over(box, store="redis://:a-password@127.0.0.1:1/0", policy={"on_store_error": "refuse"})
    with opened(away), pytest.raises(litellm.ServiceUnavailableError, match="cannot be used") as caught:
        await litellm.acompletion(model="rotor/fast", messages=HELLO)

    assert "a-password" not in str(caught.value)
    assert box.summary()["requests"] == 0


async def test_a_store_that_is_away_is_done_without_where_the_policy_does_not(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("redis")
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(box, store="redis://127.0.0.1:1/0")):
        answer = await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=5)

    assert answer.choices[0].message.content
