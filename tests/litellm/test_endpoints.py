"""What a strategy is handed for each endpoint, read as the engine's request; and endpoints beside chat, chosen for and settled."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any

import litellm
import pytest
from tests.litellm.beside_chat import beside_chat
from tests.litellm.made import HELLO, PAID, by, entry, free, router

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


def ask_for(endpoint: str, r: Any) -> Any:
    """The coroutine of one call to an endpoint."""
    match endpoint:
        case "embedding":
            return r.aembedding(model="lab", input=["Hello"])
        case "completion":
            return r.atext_completion(model="lab", prompt="Hello", max_tokens=5)
        case "responses":
            return r.aresponses(model="lab", input="Hello", max_output_tokens=5)
        case _:
            return r.atranscription(model="lab", file=("hello.wav", b"RIFF....", "audio/wav"))


@pytest.mark.parametrize(
    ("endpoint", "tokens"),
    [("embedding", 14), ("completion", 20), pytest.param("responses", 20, marks=needs_mcp), ("transcription", None)],
)
async def test_endpoints_beside_chat_are_chosen_for_held_to_limits_and_settled(endpoint: str, tokens: int | None):
    with beside_chat() as (url, asked):
        limits = [{"requests": 2, "per": "day"}, {"tokens": 1_000_000, "per": "day", "window": "rolling"}]
        entries = [
            {
                "model_name": "lab",
                "litellm_params": {"model": "openai/m", "api_base": url, "api_key": key},
                "model_info": {"id": key, "rotor": rotor},
            }
            for key, rotor in (("key-free", free(limits=limits)), ("key-paid", {"price": PAID}))
        ]
        r = router(*entries)
        strategy = rotor_litellm.install(r)
        for _ in range(3):
            await ask_for(endpoint, r)

        assert asked == {"key-free": 2, "key-paid": 1}
        row = strategy.rotor.status()["deployments"][0]
        used = {limit["unit"]: limit["used"] + limit["reserved"] for limit in row["limits"]}
        assert used["requests"] == pytest.approx(2, abs=0.01)
        assert used["tokens"] == pytest.approx(tokens or 0, abs=1)
        engine = strategy.rotor._engine
        assert engine is not None
        assert engine.health.in_flight == 0


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
