"""ChatRotor as a chat model: what it takes, what it says, how it is copied, kept and cached."""

from __future__ import annotations

import asyncio
import copy
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage, trim_messages
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import BaseTracer
from tests.langchain.scripted import HELLO, Heard, pieces, scripted

from rotor_core._errors import ConfigError
from rotor_core._model import Budget, Limit, Policy, Price
from rotor_core._outcome import Answer, Failure, ToolCall, Usage
from rotor_core.rotor import Rotor
from rotor_langchain import ChatRotor

CONFIG: dict[str, Any] = {
    "version": 1,
    "providers": {
        "local": {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:9/v1",
            "keys": [{"value": "a-very-secret-key"}],
            "models": {"m": {"context": 8000, "capabilities": ["tools"]}, "n": {"context": 16000}},
        }
    },
    "pools": {"fast": ["local/m"], "code": ["local/n"]},
    "default_pool": "fast",
}


# -- making one


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("modle", "model"),
        ("stop_sequence", "stop_sequences"),
    ],
)
def test_a_misspelt_keyword_is_named_with_the_nearest_one(keyword: str, meant: str):
    with pytest.raises(ConfigError, match=f"{keyword}: ChatRotor has no such keyword.*did you mean '{meant}'"):
        ChatRotor(config=CONFIG, **{keyword: 1})


@pytest.mark.parametrize(("keyword", "meant"), [("temprature", "temperature"), ("deadlin", "deadline")])
async def test_a_call_refuses_a_keyword_that_is_all_but_one_of_ours(keyword: str, meant: str):
    rotor, adapter = scripted()
    model = ChatRotor(rotor=rotor)

    with pytest.raises(ConfigError, match=f"{keyword}: there is no such keyword.*did you mean '{meant}'"):
        model.invoke("hi", **{keyword: 1})
    with pytest.raises(ConfigError, match=keyword):
        [_ async for _ in model.astream("hi", **{keyword: 1})]

    assert adapter.calls == []


@pytest.mark.parametrize("name", ["top_k", "min_tokens", "models", "reasoning_effort", "stream_options", "user"])
def test_a_providers_own_parameter_is_sent_as_it_stands(name: str):
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor).invoke("hi", **{name: 7})

    assert adapter.last.params == {name: 7}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("deadline", "soon"), ("timeout", "x"), ("timeout", -1), ("timeout", 0), ("max_retries", -1),
        ("max_retries", "x"), ("priority", "high"), ("model", 3), ("task", 3), ("caller", 3),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_sent(keyword: str, value: Any):
    rotor, adapter = scripted()

    with pytest.raises(ConfigError, match=f"^{keyword}: "):
        ChatRotor(rotor=rotor).invoke("hi", **{keyword: value})
    with pytest.raises(ConfigError, match=f"^{keyword}: "):
        ChatRotor(rotor=rotor, **{keyword: value})

    assert adapter.calls == []


def test_a_keywords_wrong_value_is_one_line_that_does_not_show_it():
    for given in ({"temperature": "the-secret"}, {"model_kwargs": "the-secret"}, {"api_key": {"x": "the-secret"}}):
        with pytest.raises(ConfigError) as raised:
            ChatRotor(config=CONFIG, **given)
        assert str(raised.value).startswith(f"{next(iter(given))}: ")
        assert "the-secret" not in repr(raised.value) + str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("config", [3, ["rotor.yaml"]])
def test_what_is_no_configuration_is_said_to_be_none(config: Any):
    with pytest.raises(ConfigError, match="config: is no configuration"):
        ChatRotor(config=config)


def test_a_bad_configuration_is_said_when_the_model_is_made_and_as_it_is():
    with pytest.raises(ConfigError, match=r"providers\.local\.base_ulr.*did you mean 'base_url'"):
        ChatRotor(config={"version": 1, "providers": {"local": {"base_ulr": "x"}}})
    with pytest.raises(ConfigError, match="no such pool or model.*did you mean 'code'"):
        ChatRotor(config=CONFIG, model="cod")
    with pytest.raises(ConfigError, match="rotor: is no engine"):
        ChatRotor(rotor="engine")


def test_without_any_key_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    import os

    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_KEY")) or name.startswith("ROTOR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"no API key was found.*rotor\.yaml"):
        ChatRotor()


def test_a_configuration_is_taken_from_a_file_a_mapping_or_an_engine(tmp_path: Any):
    import yaml

    file = tmp_path / "rotor.yaml"
    file.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    engine = Rotor.from_config(CONFIG)

    by_path, by_text, by_mapping, by_engine = (
        ChatRotor(config=file), ChatRotor(config=str(file)), ChatRotor(config=CONFIG), ChatRotor(rotor=engine),
    )  # fmt: skip

    assert by_engine.engine is engine
    assert {m.engine.catalog.digest for m in (by_path, by_text, by_mapping, by_engine)} == {engine.catalog.digest}
    assert by_mapping.engine.store is engine.store


def test_a_key_beside_a_pinned_model_is_that_models_key():
    model = ChatRotor(config=CONFIG, model="local/m", api_key="unused")
    assert model.engine.candidates("local/m")[0].credential.secret.reveal() == "a-very-secret-key"

    with pytest.raises(ConfigError, match="unknown provider"):
        ChatRotor(model="nowhere/m", api_key="k")


def test_no_secret_stands_in_a_repr_a_dump_or_a_trace():
    model = ChatRotor(config=CONFIG, api_key="another-secret")
    seen = repr(model) + str(model) + dumps(model) + str(model.asdict()) + str(model._serialized)

    assert "a-very-secret-key" not in seen
    assert "another-secret" not in seen
    assert model.is_lc_serializable() is False


# -- what is sent


def test_parameters_of_the_model_and_of_the_call_are_sent_the_calls_first():
    rotor, adapter = scripted()
    model = ChatRotor(
        rotor=rotor, temperature=0, max_tokens=50, seed=1, top_p=0.9, stop_sequences=["END"], model_kwargs={"user": "u"}
    )

    model.invoke("hi", temperature=1.0, logit_bias={"5": 1}, seed=None)
    assert adapter.last.params == {
        "temperature": 1.0, "max_tokens": 50, "top_p": 0.9, "stop": ["END"], "user": "u", "logit_bias": {"5": 1},
    }  # fmt: skip

    model.invoke("hi", stop=["\n"], max_completion_tokens=9)
    assert adapter.last.params["stop"] == ["\n"]
    assert adapter.last.params["max_completion_tokens"] == 9
    assert "max_tokens" not in adapter.last.params


def test_an_empty_stop_is_not_sent():
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor, stop=[]).invoke("hi")

    assert "stop" not in adapter.last.params


def test_a_pool_or_a_model_may_be_named_by_the_model_or_by_the_call():
    rotor, adapter = scripted({"a": [HELLO], "b": [HELLO]}, pools={"code": ["b"]})
    model = ChatRotor(rotor=rotor, model="fast")

    used = [
        model.invoke("hi").response_metadata["model_name"],
        model.invoke("hi", model="code").response_metadata["model_name"],
        model.invoke("hi", model="b/m").response_metadata["model_name"],
        model.bind(model="code").invoke("hi").response_metadata["model_name"],
        ChatRotor(rotor=rotor, task="code").invoke("hi").response_metadata["model_name"],
        model.invoke("hi", task="code", model="auto").response_metadata["model_name"],
    ]

    assert used == ["a/m", "b/m", "b/m", "b/m", "b/m", "b/m"]
    assert all("model" not in r.params and "task" not in r.params for _, r in adapter.calls)


def test_retries_are_calls_after_the_first():
    for retries in (0, 2):
        rotor, adapter = scripted({"a": [Failure("server_error", retry_after=0.0)]})
        with pytest.raises(Exception, match=f"{retries + 1} attempts?"):
            ChatRotor(rotor=rotor, max_retries=retries).invoke("hi")
        assert len(adapter.calls) == retries + 1


def test_a_deadline_in_seconds_or_as_an_instant_is_kept_without_waiting():
    from rotor_langchain.errors import NoModelsAvailable

    rotor, adapter = scripted(limits=(Limit("requests", 1, 100.0, "rolling"),), policy=Policy(max_wait=1000))
    model = ChatRotor(rotor=rotor)
    model.invoke("first")

    for deadline in (5, datetime.fromtimestamp(rotor.store.now() + 5, tz=UTC)):
        with pytest.raises(NoModelsAvailable) as caught:
            model.invoke("second", deadline=deadline)
        assert caught.value.retry_after == pytest.approx(100, abs=2)
    assert len(adapter.calls) == 1


async def test_a_higher_priority_goes_first_where_there_is_a_queue():
    gate, order = asyncio.Event(), []

    async def wait() -> Answer:
        await gate.wait()
        return HELLO

    rotor, _ = scripted({"a": [wait, HELLO]}, limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor, priority=1)

    async def ask(name: str, **how: Any) -> None:
        await model.ainvoke("hi", **how)
        order.append(name)

    first = asyncio.create_task(ask("first"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(ask(name, priority=p)) for name, p in (("low", 0), ("own", None), ("high", 9))]
    for _ in range(20):
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *others)

    assert order == ["first", "high", "own", "low"]


def test_each_caller_spends_its_own_budget():
    from rotor_langchain.errors import NoModelsAvailable

    # A prompt costs next to nothing, an answer of five tokens half a dollar.
    price, hello = Price(0.05, 100_000), replace(HELLO, usage=Usage(1, 5))
    policy = Policy(budgets=(Budget(0.6, "day", caller="each"),), max_wait=0)
    rotor, adapter = scripted({"a": [hello]}, price=price, policy=policy)
    model = ChatRotor(rotor=rotor, caller="team-a", max_tokens=5)

    model.invoke("hi")
    with pytest.raises(NoModelsAvailable):
        model.invoke("hi")
    model.invoke("hi", caller="team-b")

    assert len(adapter.calls) == 2


# -- what is said


@pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
async def test_an_answer_says_who_gave_it_after_what(how: str):
    rotor, _ = scripted(
        {"a": [Failure("server_error")], "b": [Answer("hello", finish_reason="stop", usage=Usage(11, 7, 4, 3))]}
    )
    model = ChatRotor(rotor=rotor)
    if how == "invoke":
        message: Any = model.invoke("hi")
    elif how == "ainvoke":
        message = await model.ainvoke("hi")
    elif how == "stream":
        message = sum_of(list(model.stream("hi")))
    else:
        message = sum_of([chunk async for chunk in model.astream("hi")])

    assert message.content == "hello"
    about = dict(message.response_metadata)
    facts = about.pop("rotor")
    assert about == {"model_name": "b/m", "model_provider": "rotor", "finish_reason": "stop"}
    assert facts.pop("estimated_tokens") > 200
    assert facts.pop("waited_s") == pytest.approx(0, abs=0.5)
    assert facts == {
        "provider": "b", "model": "m", "credential": "b#1", "attempts": 2, "cost_usd": 0.0,
        "decision": "free-first: free, attempt 2",
    }  # fmt: skip
    assert message.usage_metadata == {
        "input_tokens": 11, "output_tokens": 7, "total_tokens": 18,
        "input_token_details": {"cache_read": 4}, "output_token_details": {"reasoning": 3},
    }  # fmt: skip


def sum_of(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def test_a_stream_says_each_thing_about_the_whole_once():
    rotor, _ = scripted()

    chunks = list(ChatRotor(rotor=rotor).stream("hi"))

    assert [bool(c.usage_metadata) for c in chunks].count(True) == 1
    assert ["model_name" in c.response_metadata for c in chunks].count(True) == 1
    assert chunks[0].response_metadata == {"model_provider": "rotor"}
    assert chunks[-1].chunk_position == "last"


def test_reasoning_is_kept_apart_and_stands_in_the_standard_blocks():
    rotor, _ = scripted({"a": [Answer("4", reasoning="2 and 2", finish_reason="stop")]})
    model = ChatRotor(rotor=rotor)

    for message in (model.invoke("2+2"), sum_of(list(model.stream("2+2")))):
        assert message.content == "4"
        assert message.additional_kwargs == {"reasoning_content": "2 and 2"}
        assert [b["type"] for b in message.content_blocks] == ["reasoning", "text"]
    v1 = ChatRotor(rotor=rotor, output_version="v1").invoke("2+2")
    assert [b["type"] for b in v1.content] == ["reasoning", "text"]


@pytest.mark.parametrize(
    "before", [{"reasoning": "hm"}, {"text": "Let me see."}, {"reasoning": "hm", "text": "Let me see."}]
)
def test_tool_calls_after_other_content_stay_apart_from_it_in_standard_blocks(before: dict[str, str]):
    calls = (ToolCall("c1", "add", '{"a": 1}'), ToolCall("c2", "add", '{"a": 2}'))
    answer = Answer(before.get("text", ""), calls, before.get("reasoning", ""), finish_reason="tool_calls")
    rotor, _ = scripted({"a": [answer]})

    v0, v1 = (sum_of(list(ChatRotor(rotor=rotor, output_version=v).stream("hi"))) for v in ("v0", "v1"))

    assert v0.tool_calls == v1.tool_calls
    assert [c["args"] for c in v1.tool_calls] == [{"a": 1}, {"a": 2}]
    assert [b["type"] for b in v1.content] == [*before.keys(), "tool_call", "tool_call"]
    assert [c["index"] for c in v0.tool_call_chunks] == [0, 1]


def test_a_stream_that_is_left_early_is_closed_and_its_capacity_is_back():
    rotor, adapter = scripted(limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)

    stream = model.stream("hi")
    next(stream)
    stream.close()

    assert adapter.closed_streams == 1
    assert rotor.pool_state()["available"] == 1
    assert model.invoke("again", deadline=1).content == "hello"


async def test_a_cancelled_call_gives_its_capacity_back():
    started = asyncio.Event()

    async def hang() -> Answer:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    rotor, _ = scripted({"a": [hang, HELLO]}, limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)
    task = asyncio.create_task(model.ainvoke("hi"))
    await started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await model.ainvoke("again", deadline=1)).content == "hello"


async def test_an_asynchronous_stream_that_is_left_early_gives_its_capacity_back():
    from contextlib import aclosing

    rotor, _ = scripted(limits=(Limit("concurrent", 1, None, "concurrency"),))
    model = ChatRotor(rotor=rotor)

    async with aclosing(model.astream("hi")) as stream:
        async for _ in stream:
            break

    assert (await model.ainvoke("again", deadline=1)).content == "hello"


def test_streaming_inside_and_no_streaming_at_all_can_be_asked_for():
    rotor, _ = scripted()

    assert ChatRotor(rotor=rotor, streaming=True).invoke("hi").content == "hello"
    assert [c.content for c in ChatRotor(rotor=rotor, streaming=False).stream("hi")] == ["hello"]
    assert [c.content for c in ChatRotor(rotor=rotor, disable_streaming=True).stream("hi")] == ["hello"]


# -- traces


class Runs(BaseTracer):
    """Keeps finished runs."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.runs.append(run)


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_learns_afterwards_which_model_answered(stream: bool):
    rotor, _ = scripted()
    model, tracer = ChatRotor(rotor=rotor, temperature=0.5), Runs()

    message = (
        sum_of(list(model.stream("hi", {"callbacks": [tracer]})))
        if stream
        else model.invoke("hi", {"callbacks": [tracer]})
    )

    run = tracer.runs[0]
    assert run.outputs["generations"][0][0]["generation_info"]["lc_gateway_metadata"] == {"provider": "a", "model": "m"}
    assert (run.extra["metadata"]["ls_provider"], run.extra["metadata"]["ls_model_name"]) == ("a", "m")
    assert run.extra["metadata"]["ls_temperature"] == 0.5
    assert "lc_gateway_metadata" not in message.response_metadata
    assert model.metadata["lc_versions"]["llm-rotor"]


def test_standard_parameters_honour_a_model_named_by_the_call():
    model = ChatRotor(config=CONFIG, max_tokens=5, stop=["x"])

    assert model._get_ls_params() == {
        "ls_provider": "rotor", "ls_model_name": "fast", "ls_model_type": "chat", "ls_max_tokens": 5, "ls_stop": ["x"],
    }  # fmt: skip
    assert model._get_ls_params(model="code")["ls_model_name"] == "code"


def test_usage_is_gathered_by_the_model_that_answered():
    rotor, _ = scripted()

    with get_usage_metadata_callback() as usage:
        ChatRotor(rotor=rotor).invoke("hi")

    assert usage.usage_metadata["a/m"]["total_tokens"] == 18


def test_the_tokens_of_several_prompts_are_added_up():
    rotor, _ = scripted()

    result = ChatRotor(rotor=rotor).generate([[HumanMessage("a")], [HumanMessage("b")]])

    assert result.llm_output == {
        "token_usage": {"prompt_tokens": 22, "completion_tokens": 14, "total_tokens": 36}, "model_name": "a/m",
    }  # fmt: skip


# -- copies


def test_copies_share_the_engine():
    rotor, _ = scripted()
    model = ChatRotor(rotor=rotor, temperature=0.3)

    for other in (copy.copy(model), copy.deepcopy(model), model.model_copy(update={"temperature": 1})):
        assert other.engine is rotor
        assert other.invoke("hi").content == "hello"


def test_a_pickle_finds_its_engine_again():
    model = ChatRotor(config=CONFIG, model="code", temperature=0.3)

    back = pickle.loads(pickle.dumps(model))

    assert (back.model, back.temperature) == ("code", 0.3)
    assert back.engine.catalog.digest == model.engine.catalog.digest
    assert back.engine.store is model.engine.store


def test_fields_can_be_configured_per_call_and_the_engine_stays():
    rotor, adapter = scripted({"a": [HELLO], "b": [HELLO]}, pools={"code": ["b"]})
    model = ChatRotor(rotor=rotor, temperature=0).configurable_fields(
        temperature=ConfigurableField("heat"), model=ConfigurableField("pool")
    )

    answer = model.with_config(configurable={"heat": 0.9, "pool": "code"}).invoke("hi")
    chunks = list(model.stream("hi", {"configurable": {"heat": 0.8}}))

    assert answer.response_metadata["model_name"] == "b/m"
    assert [r.params["temperature"] for _, r in adapter.calls] == [0.9, 0.8]
    assert len(chunks) > 2


def test_alternatives_can_be_configured_per_call():
    one, _ = scripted({"a": [HELLO]})
    two, _ = scripted({"b": [HELLO]})
    model = ChatRotor(rotor=one).configurable_alternatives(ConfigurableField("which"), other=ChatRotor(rotor=two))

    assert model.invoke("hi").response_metadata["model_name"] == "a/m"
    assert model.invoke("hi", {"configurable": {"which": "other"}}).response_metadata["model_name"] == "b/m"


# -- caching


def test_equal_calls_are_answered_from_the_cache_and_no_others():
    rotor, adapter = scripted({"a": [HELLO]}, pools={"code": ["a"]})
    model = ChatRotor(rotor=rotor, cache=InMemoryCache(), temperature=0)

    first = model.invoke("hi")
    again = model.invoke("hi", priority=3, deadline=5, timeout=9, max_retries=1)
    assert len(adapter.calls) == 1
    assert again.content == first.content
    assert again.usage_metadata["total_cost"] == 0

    for different in ({"temperature": 1}, {"model": "code"}, {"task": "code"}, {"seed": 3}, {"stop": ["x"]}):
        before = len(adapter.calls)
        model.invoke("hi", **different)
        assert len(adapter.calls) == before + 1, different


async def test_models_of_equal_configuration_share_cached_answers_and_others_do_not():
    def key(**given: Any) -> str:
        return ChatRotor(**given)._get_llm_string(stop=None)

    assert key(config=CONFIG) == key(config=copy.deepcopy(CONFIG))
    assert key(config=CONFIG) == key(config=CONFIG, priority=5, timeout=3)
    assert key(config=CONFIG) != key(config=CONFIG, model="code")
    assert key(config=CONFIG) != key(config=CONFIG, temperature=0)
    assert key(config=CONFIG) != key(config={**CONFIG, "default_pool": "code"})
    assert "secret" not in key(config=CONFIG)


def test_an_answer_from_the_cache_counts_no_tokens():
    rotor, _ = scripted()
    model = ChatRotor(rotor=rotor, cache=InMemoryCache())
    model.invoke("hi")

    assert model.generate([[HumanMessage("hi")]]).llm_output == {}


# -- the rest of a chat model


def test_the_profile_is_what_the_best_candidate_can_and_the_largest_holds():
    model = ChatRotor(config={**CONFIG, "pools": {"fast": ["local/m", "local/n"]}})

    assert model.profile["max_input_tokens"] == 16000
    assert model.profile["tool_calling"] is True
    assert model.profile["structured_output"] is False
    assert "image_inputs" not in model.profile
    assert ChatRotor(config=CONFIG, model="code").profile == {
        "max_input_tokens": 16000, "text_inputs": True, "text_outputs": True,
    }  # fmt: skip


def test_a_pool_that_has_stated_all_denies_what_none_can():
    rotor, _ = scripted(capabilities={"vision", "json_schema"})

    profile = ChatRotor(rotor=rotor).profile

    assert profile["image_inputs"] is True
    assert profile["structured_output"] is True
    assert profile["tool_calling"] is False
    assert profile["audio_inputs"] is False


def test_tokens_are_counted_without_a_tokenizer():
    model = ChatRotor(config=CONFIG)
    messages = [HumanMessage("one two three four five " * 20)]

    assert 80 <= model.get_num_tokens("one two three four five " * 20) <= 160
    assert len(model.get_token_ids("one two three")) == model.get_num_tokens("one two three")
    assert model.get_num_tokens_from_messages(messages) > 80
    assert trim_messages([*messages, HumanMessage("last")], max_tokens=60, token_counter=model)[0].content == "last"
    assert ChatRotor(config=CONFIG, custom_get_token_ids=lambda text: [7]).get_token_ids("a b c") == [7]


def test_langchains_rate_limiter_is_respected_too():
    rotor, _ = scripted()
    limiter = InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001)

    assert ChatRotor(rotor=rotor, rate_limiter=limiter).invoke("hi").content == "hello"


def test_an_image_reaches_the_provider_and_only_models_that_see():
    from rotor_langchain.errors import NoModelCapable

    block = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, block])
    rotor, adapter = scripted(capabilities={"vision"})
    blind, _ = scripted(capabilities={"tools"})

    ChatRotor(rotor=rotor).invoke([message])

    assert adapter.last.messages[0]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    with pytest.raises(NoModelCapable, match="vision"):
        ChatRotor(rotor=blind).invoke([message])


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_a_v3_stream_is_valid_and_carries_all_that_v1_does():
    from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

    rotor, _ = scripted({"a": [Answer("hello", reasoning="hm", finish_reason="stop", usage=Usage(3, 2))]})
    model = ChatRotor(rotor=rotor)

    events = list(model.stream_events("hi", version="v3"))
    stream = await model.astream_events("hi", version="v3")
    message = await stream.output

    assert_valid_event_stream(events)
    assert events[0]["metadata"] == {"provider": "rotor"}
    assert [b["type"] for b in message.content] == ["reasoning", "text"]
    assert message.response_metadata["rotor"]["provider"] == "a"
    assert message.response_metadata["model_name"] == "a/m"
    assert message.usage_metadata["total_tokens"] == 5


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_a_v3_stream_that_fails_raises_ours():
    from langchain_core.exceptions import ModelAuthenticationError

    rotor, _ = scripted({"a": [Failure("auth")]})
    handler = Heard()

    stream = await ChatRotor(rotor=rotor, max_retries=0).astream_events("hi", {"callbacks": [handler]}, version="v3")
    with pytest.raises(ModelAuthenticationError):
        await stream.text
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    assert isinstance(handler.errors[0], ModelAuthenticationError)


def test_register_lets_langchain_find_it_by_name_and_only_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    import yaml
    from langchain.agents import create_agent
    from langchain.chat_models import base, init_chat_model

    from rotor_langchain import register

    file = tmp_path / "rotor.yaml"
    file.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    monkeypatch.setenv("ROTOR_CONFIG", str(file))
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    with pytest.raises(ValueError, match="rotor"):
        init_chat_model("rotor:code")

    register()
    register()
    model = init_chat_model("rotor:code", temperature=0)

    assert isinstance(model, ChatRotor)
    assert (model.model, model.temperature) == ("code", 0)
    assert create_agent("rotor:code") is not None


def test_register_says_so_where_langchain_keeps_no_such_table(monkeypatch: pytest.MonkeyPatch):
    from langchain.chat_models import base

    from rotor_langchain import register

    monkeypatch.delattr(base, "_BUILTIN_PROVIDERS")
    with pytest.raises(ConfigError, match="keeps its providers elsewhere"):
        register()


def test_pieces_of_the_script_are_what_the_whole_is():
    assert "".join(c.text for c in pieces(HELLO)) == HELLO.text
