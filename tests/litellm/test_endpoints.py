"""What a strategy is handed for each endpoint, read as the engine's request; and endpoints beside chat, chosen for and settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import litellm
import pytest
from tests.litellm.beside_chat import beside_chat
from tests.litellm.made import HELLO, PAID, by, entry, free, router
from tests.waiting import until, until_blocking

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm.request import is_call, options_of, wanted

needs_mcp = pytest.mark.skipif(
    find_spec("mcp") is None, reason="responses of LiteLLM 1.106.2 need the package mcp (litellm[proxy])"
)
STAND_IN = [{"role": "user", "content": "prompt"}]


@pytest.mark.parametrize(
    ("messages", "given", "kwargs", "operation", "count"),
    [
        (HELLO, None, {}, "chat", 1),
        (HELLO, None, {"system": "Be kind."}, "chat", 2),
        (STAND_IN, None, {}, "unknown", 0),
        (None, ["one", "two"], {}, "embedding", 2),
        (None, [[1, 2, 3], [4]], {}, "embedding", 2),
        (None, [1, 2, 3], {}, "embedding", 1),
        (None, "Hello", {"litellm_metadata": {}}, "chat", 1),
        (None, [{"role": "user", "content": "Hello"}], {}, "chat", 1),
        (None, None, {}, "unknown", 0),
        (None, object(), {}, "embedding", 0),
    ],
)
def test_what_is_asked_for_is_read_from_what_a_strategy_gets(
    messages: Any, given: Any, kwargs: Any, operation: str, count: int
):
    asked = wanted(messages, given, kwargs)

    assert asked.operation == operation
    assert len(asked.request.messages) == count


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_the_longest_answer_is_known_under_any_endpoints_name(name: str):
    assert wanted(HELLO, None, {name: 7}).request.params == {"max_tokens": 7}


def test_what_a_caller_may_say_is_taken_and_what_cannot_be_meant_is_not():
    said = {"priority": "batch", "deadline": 3, "task": 5, "caller": "ann", "max_wait": -1, "model": "other"}

    assert options_of({"metadata": {"rotor": said}}) == {"priority": "batch", "deadline": 3, "caller": "ann"}
    assert options_of({"metadata": {"rotor": "priority"}}) == {}
    assert options_of({"metadata": None}) == {}


def test_counting_tokens_is_no_call():
    assert not is_call(None)
    assert not is_call({})
    assert is_call({"metadata": {"model_group": "lab"}})
    assert is_call({"litellm_metadata": {"model_group": "lab"}})


@dataclass(frozen=True)
class Endpoint:
    """How a Router is asked. `tokens`: those that two answers say, or None where they say none. `model`: of `litellm_params`."""

    name: str
    tokens: int | None
    ask: Callable[[Any], Any]
    blocking: Callable[[Any], Any] | None = None
    model: str = "openai/m"
    root: str = ""

    def __str__(self) -> str:
        return self.name


def sound() -> tuple[str, bytes, str]:
    return ("hello.wav", b"RIFF....", "audio/wav")


CHAT = Endpoint(
    "chat", 20,
    lambda r: r.acompletion(model="lab", messages=HELLO, max_tokens=5),
    lambda r: r.completion(model="lab", messages=HELLO, max_tokens=5),
)  # fmt: skip
ENDPOINTS = [
    CHAT,
    Endpoint("completion", 20, lambda r: r.atext_completion(model="lab", prompt="Hello", max_tokens=5)),
    Endpoint(
        "embedding", 14,
        lambda r: r.aembedding(model="lab", input=["Hello"]), lambda r: r.embedding(model="lab", input=["Hello"]),
    ),
    pytest.param(
        Endpoint(
            "responses", 20,
            lambda r: r.aresponses(model="lab", input="Hello", max_output_tokens=5),
            lambda r: r.responses(model="lab", input="Hello", max_output_tokens=5),
        ),
        marks=needs_mcp,
    ),
    Endpoint(
        "messages", 20, lambda r: r.aanthropic_messages(model="lab", messages=HELLO, max_tokens=5),
        model="anthropic/m", root="without /v1",
    ),
    Endpoint("transcription", None, lambda r: r.atranscription(model="lab", file=sound())),
    Endpoint("speech", None, lambda r: r.aspeech(model="lab", input="Hello", voice="alloy")),
    Endpoint(
        "image", 20,
        lambda r: r.aimage_generation(model="lab", prompt="Ulm"), lambda r: r.image_generation(model="lab", prompt="Ulm"),
    ),
    Endpoint("moderation", None, lambda r: r.amoderation(model="lab", input="Hello")),
    Endpoint("rerank", None, lambda r: r.arerank(model="lab", query="Ulm", documents=["a"]), model="cohere/m"),
]  # fmt: skip
BLOCKING = [e for e in ENDPOINTS if isinstance(e, Endpoint) and e.blocking] + [
    e for e in ENDPOINTS if not isinstance(e, Endpoint)
]


def over(url: str, endpoint: Endpoint) -> list[dict[str, Any]]:
    """Two free requests a day, and a paid deployment for the rest."""
    base = url.removesuffix("/v1") if endpoint.root else url
    limits = [{"requests": 2, "per": "day"}, {"tokens": 1_000_000, "per": "day", "window": "rolling"}]
    return [
        {
            "model_name": "lab",
            "litellm_params": {"model": endpoint.model, "api_base": base, "api_key": key},
            "model_info": {"id": key, "rotor": rotor},
        }
        for key, rotor in (("key-free", free(limits=limits)), ("key-paid", {"price": PAID}))
    ]


def settled(strategy: Any) -> dict[str, float]:
    """What the free deployment's limits count, by unit. Nothing is under way or reserved any more."""
    engine = strategy.rotor._engine
    assert engine is not None
    assert engine.health.in_flight == 0
    row = next(d for d in strategy.rotor.status()["deployments"] if d["id"] == "key-free")
    assert [limit["reserved"] for limit in row["limits"]] == [0, 0]
    return {limit["unit"]: limit["used"] for limit in row["limits"]}


def wait_for_the_end(strategy: Any) -> None:
    """LiteLLM tells of a blocking call's end in a thread of its own."""
    until_blocking(lambda: not strategy.rotor._engine.health.in_flight)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
async def test_every_endpoint_is_chosen_for_held_to_limits_and_settled_once(endpoint: Endpoint):
    with beside_chat() as (url, asked):
        r = router(*over(url, endpoint))
        strategy = rotor_litellm.install(r)
        for _ in range(3):
            assert await endpoint.ask(r) is not None

        assert asked == {"key-free": 2, "key-paid": 1}
        used = settled(strategy)
        assert used["requests"] == pytest.approx(2, abs=0.01)
        if endpoint.tokens is not None:
            assert used["tokens"] == pytest.approx(endpoint.tokens, abs=1)


IN_PIECES = [
    Endpoint("chat", 20, lambda r: r.acompletion(model="lab", messages=HELLO, max_tokens=5, stream=True)),
    Endpoint("completion", 20, lambda r: r.atext_completion(model="lab", prompt="Hello", max_tokens=5, stream=True)),
    pytest.param(
        Endpoint("responses", 20, lambda r: r.aresponses(model="lab", input="Hello", max_output_tokens=5, stream=True)),
        marks=needs_mcp,
    ),
    pytest.param(
        Endpoint(
            "messages", 20, lambda r: r.aanthropic_messages(model="lab", messages=HELLO, max_tokens=5, stream=True),
            model="anthropic/m", root="without /v1",
        ),
        marks=pytest.mark.skipif(find_spec("fastapi") is None, reason="LiteLLM streams messages with litellm[proxy] only"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("endpoint", IN_PIECES, ids=str)
async def test_a_stream_likewise_when_it_has_been_read(endpoint: Endpoint):
    with beside_chat() as (url, asked):
        r = router(*over(url, endpoint))
        strategy = rotor_litellm.install(r)
        for _ in range(3):
            assert [piece async for piece in await endpoint.ask(r)]

        engine = strategy.rotor._engine
        assert engine is not None
        await until(lambda: engine.health.in_flight == 0)  # LiteLLM tells of a stream's end a little later
        assert asked == {"key-free": 2, "key-paid": 1}
        used = settled(strategy)
        assert used["requests"] == pytest.approx(2, abs=0.01)
        assert used["tokens"] == pytest.approx(endpoint.tokens, abs=1)


@pytest.mark.parametrize("endpoint", BLOCKING, ids=str)
def test_a_blocking_call_likewise(endpoint: Endpoint):
    assert endpoint.blocking is not None
    with beside_chat() as (url, asked):
        r = router(*over(url, endpoint))
        strategy = rotor_litellm.install(r)
        for _ in range(3):
            assert endpoint.blocking(r) is not None

        assert asked == {"key-free": 2, "key-paid": 1}
        wait_for_the_end(strategy)
        used = settled(strategy)
        assert used["requests"] == pytest.approx(2, abs=0.01)
        assert used["tokens"] == pytest.approx(endpoint.tokens, abs=1)


@pytest.mark.xfail(reason="no hook tells of it, and a thread's context is not over: one is held until it expires")
def test_a_call_that_litellm_itself_gives_up_before_it_is_sent_costs_nothing():
    with beside_chat() as (url, asked):
        r = router(*over(url, CHAT))
        strategy = rotor_litellm.install(r)
        for _ in range(3):
            # LiteLLM 1.106.2 asks for a model of the group's name here, whoever chose
            with pytest.raises(litellm.BadRequestError, match="LLM Provider NOT provided"):
                r.text_completion(model="lab", prompt="Hello", max_tokens=5)
        for _ in range(2):
            r.completion(model="lab", messages=HELLO, max_tokens=5)

        assert asked == {"key-free": 2}
        wait_for_the_end(strategy)
        assert settled(strategy) == {"requests": pytest.approx(2, abs=0.01), "tokens": pytest.approx(20, abs=1)}


async def test_an_endpoint_that_a_provider_has_not_says_nothing_against_its_chat(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), num_retries=0)
    rotor_litellm.install(r)
    with pytest.raises(litellm.BadRequestError, match="Invalid URL"):  # so LiteLLM calls this 404
        await r.aembedding(model="lab", input=["Hello"])

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert answer.choices[0].message.content


def test_explain_says_who_would_be_chosen_and_where_tokens_are_not_known(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    strategy = rotor_litellm.install(r)

    chat, recording = strategy.explain("lab", HELLO), strategy.explain("lab", STAND_IN)

    assert chat["tokens"] == "estimated"
    assert chat["input_tokens"] > 0
    assert (recording["tokens"], recording["input_tokens"]) == ("unknown", 0)
    assert [v["deployment"] for v in chat["verdicts"]] == ["one-1", "two-1"]
    assert chat["verdicts"][0]["verdict"] == "chosen"


async def test_300_deployments_without_a_shared_cache_are_held_to_their_limits(box: Sandbox):
    entries = [
        entry(box, "one", id=f"d{n}", rotor=free(quota=f"q{n}", limits=[{"requests": 2, "per": "day"}]))
        for n in range(300)
    ]
    r = router(*entries, num_retries=0)
    rotor_litellm.install(r)

    answers = await asyncio.gather(
        *(
            r.acompletion(
                model="lab", messages=HELLO, max_tokens=1, metadata={"rotor": {"deadline": 60, "max_wait": 0}}
            )
            for _ in range(640)
        ),
        return_exceptions=True,
    )

    served = [by(a) for a in answers if not isinstance(a, BaseException)]
    assert len(served) == 600
    assert max(served.count(i) for i in set(served)) == 2
    assert all(isinstance(a, litellm.RateLimitError) for a in answers if isinstance(a, BaseException))
    assert box.summary()["requests"] == 600
