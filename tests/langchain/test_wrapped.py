"""`ChatRotor(models=[...])`: the user's own chat models, rotated."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.exceptions import ModelAuthenticationError, ModelRateLimitError
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import Field, SecretStr
from tests.langchain.scripted import Heard

from rotor_core._errors import ConfigError
from rotor_langchain import ChatRotor
from rotor_langchain.errors import NoModelCapable, NoModelsAvailable
from rotor_langchain.wrapped import without_retries


class Own(BaseChatModel):
    """Someone's chat model, of today's kind: native chunks, blocks, its own errors."""

    model: str = "own-1"
    fails: list[Any] = Field(default_factory=list)
    seen: list[Any] = Field(default_factory=list)
    content: Any = "hello"
    max_retries: int = 6

    @property
    def _llm_type(self) -> str:
        return "own-chat"

    def _begin(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> None:
        self.seen.append((messages, kwargs))
        if self.fails:
            raise self.fails.pop(0)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self._begin(messages, {"stop": stop, **kwargs})
        message = AIMessage(
            self.content, response_metadata={"finish_reason": "stop", "model_provider": "anthropic"},
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        )  # fmt: skip
        if kwargs.get("tools"):
            message.tool_calls = [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self._begin(messages, {"stop": stop, **kwargs})
        chunks = [
            AIMessageChunk("hel", usage_metadata={"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}),
            AIMessageChunk("lo"),
        ]
        if kwargs.get("tools"):
            chunks = [
                AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name="add", args='{"a"', id="c1", index=0)]),
                AIMessageChunk("", tool_call_chunks=[tool_call_chunk(args=": 1}", index=0)]),
            ]
        last = AIMessageChunk(
            "",
            response_metadata={"finish_reason": "stop", "model_name": "x"},
            usage_metadata={"input_tokens": 0, "output_tokens": 2, "total_tokens": 2},
        )
        for message in (*chunks, last):
            yield ChatGenerationChunk(message=message)

    def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
        return self.bind(tools=tools, tool_choice=tool_choice, **kwargs)


@tool
def add(a: int) -> int:
    """Add."""
    return a


class Http(Exception):
    """An SDK's error, as they commonly are."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, text: str = "") -> None:
        super().__init__(text or f"HTTP {status}")
        self.status_code = status
        self.response = type("Response", (), {"headers": headers or {}, "text": text, "status_code": status})()


def test_a_model_answers_as_itself_and_the_rest_is_rotors():
    own = Own()
    heard = Heard()

    message = ChatRotor(models=[own]).invoke("hi", {"callbacks": [heard]}, stop=["x"], seed=3)

    assert message.content == "hello"
    assert message.response_metadata["model_name"] == "own/own-1"
    assert message.response_metadata["model_provider"] == "rotor"
    assert message.usage_metadata["total_tokens"] == 5
    assert own.seen[0][0] == [HumanMessage("hi")]
    assert {k: v for k, v in own.seen[0][1].items() if v is not None} == {"stop": ["x"], "seed": 3}
    assert len(heard.runs) == 1


async def test_its_stream_is_passed_on_and_what_it_says_of_the_whole_is_said_once():
    model = ChatRotor(models=[Own()])

    for chunks in (list(model.stream("hi")), [c async for c in model.astream("hi")]):
        total = chunks[0]
        for chunk in chunks[1:]:
            total = total + chunk
        assert [c.content for c in chunks if c.content] == ["hel", "lo"]
        assert total.response_metadata["model_name"] == "own/own-1"
        assert total.response_metadata["finish_reason"] == "stop"
        assert total.usage_metadata["total_tokens"] == 5


async def test_tokens_of_the_inner_model_are_not_shown_twice():
    events = [e async for e in ChatRotor(models=[Own()]).astream_events("hi", version="v2")]

    assert [e["event"] for e in events].count("on_chat_model_start") == 1
    assert "".join(e["data"]["chunk"].content for e in events if e["event"] == "on_chat_model_stream") == "hello"


async def test_tokens_are_counted_once_by_a_handler_that_hears_every_run():
    model = ChatRotor(models=[Own()])

    with get_usage_metadata_callback() as counted:
        model.invoke("hi")
        await model.ainvoke("hi")
        list(model.stream("hi"))
        [_ async for _ in model.astream("hi")]

    assert list(counted.usage_metadata) == ["own/own-1"]
    assert counted.usage_metadata["own/own-1"]["total_tokens"] == 4 * 5


def test_a_stream_that_is_left_early_leaves_the_callers_own_counter_in_place():
    with get_usage_metadata_callback() as counted:
        stream = ChatRotor(models=[Own()]).stream("hi")
        next(stream)
        FakeListChatModel(responses=["x"]).invoke("hi")
        Own().invoke("hi")
        stream.close()
        ChatRotor(models=[Own()]).invoke("hi")

    assert counted.usage_metadata["own/own-1"]["total_tokens"] == 5


async def test_beside_a_schema_a_model_is_given_tools_in_the_form_that_it_wants_there():
    own = Own()
    schema = {"type": "json_schema", "json_schema": {"name": "Sum", "schema": {"type": "object", "properties": {}}}}

    await ChatRotor(models=[own]).bind_tools([add], response_format=schema).ainvoke("hi")

    sent = own.seen[0][1]
    assert sent["tools"][0]["name"] == "add"
    assert sent["response_format"]["json_schema"]["schema"] == {"title": "Sum", "type": "object", "properties": {}}
    bound = ChatOpenAI(model="m", api_key="k").bind_tools(sent["tools"], response_format=sent["response_format"])
    assert bound.kwargs["tools"][0]["function"]["strict"] is True


def test_an_error_in_an_entrys_options_names_the_entry():
    entries = [Own(), (Own(model="own-2"), {"priority": "x"})]

    with pytest.raises(ConfigError, match=r"^models\[1\]\.priority"):
        ChatRotor(models=entries)


async def test_tools_are_bound_each_models_own_way():
    own = Own()
    model = ChatRotor(models=[own]).bind_tools([add], tool_choice="any")

    message = await model.ainvoke("hi")
    chunks = list(model.stream("hi"))

    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    assert (
        message.tool_calls == total.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
    )
    assert own.seen[0][1]["tool_choice"] == "any"
    assert own.seen[0][1]["tools"][0]["function"]["name"] == "add"


def test_another_providers_blocks_come_out_in_the_standard_form():
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hello"}]

    message = ChatRotor(models=[Own(content=content)]).invoke("hi")

    assert message.text == "hello"
    assert [b["type"] for b in message.content_blocks] == ["reasoning", "text"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Http(429, {"Retry-After": "30"}, "rate limit"), "rate_limit"),
        (Http(500), "server_error"),
        (Http(401), "auth"),
        (ModelRateLimitError("slow down"), "rate_limit"),
        (TimeoutError("late"), "timeout"),
        (ConnectionError("gone"), "connection"),
        (RuntimeError("who knows"), "unknown"),
    ],
    ids=lambda e: e if isinstance(e, str) else type(e).__name__,
)
def test_a_models_own_error_is_understood_and_the_next_model_answers(error: Exception, kind: str):
    heard = Heard()
    model = ChatRotor(
        models=[{"model": Own(fails=[error]), "priority": 1}, {"model": Own(model="own-2"), "priority": 2}]
    )

    message = model.invoke("hi", {"callbacks": [heard]})

    assert message.response_metadata["model_name"] == "own/own-2"
    assert message.response_metadata["rotor"]["attempts"] == 2
    assert [d["reason"] for n, d, _ in heard.events if n == "model_rotation"] == [kind]


def test_an_error_of_programming_is_shown_as_it_is():
    with pytest.raises(TypeError, match="mine"):
        ChatRotor(models=[Own(fails=[TypeError("mine")]), Own(fails=[TypeError("mine")])]).invoke("hi")


def test_when_all_fail_the_error_is_langchains():
    models = [Own(fails=[Http(401)] * 3), Own(fails=[Http(401)] * 3, model="own-2")]

    with pytest.raises(ModelAuthenticationError, match=r"own/own-1#1.*own/own-2#1"):
        ChatRotor(models=models).invoke("hi")


def test_limits_are_held_and_the_refusal_is_ours():
    own = Own()
    model = ChatRotor(models=[(own, {"rpm": 2, "window": "rolling"})], config={"version": 1, "policy": {"max_wait": 0}})

    model.invoke("1"), model.invoke("2")
    with pytest.raises(NoModelsAvailable):
        model.invoke("3")

    assert len(own.seen) == 2


def test_free_models_go_before_those_with_a_price():
    dear, cheap = Own(model="dear"), Own(model="cheap")
    model = ChatRotor(
        models=[(dear, {"price": {"input": 1, "output": 2}}), (cheap, {"price": {"input": 0, "output": 0}})]
    )

    message = model.invoke("hi")

    assert message.response_metadata["model_name"] == "own/cheap"
    assert message.response_metadata["rotor"]["cost_usd"] == 0


class OfAWS(Own):
    """One that authenticates with several secrets at a time."""

    aws_access_key_id: SecretStr = SecretStr("AKONE123")
    aws_secret_access_key: SecretStr = SecretStr("secret-of/aws+=")
    aws_session_token: SecretStr = SecretStr("session-of-aws")
    unset: SecretStr | None = None


def test_of_a_model_with_several_secrets_none_is_shown_though_its_provider_quotes_them():
    text = "denied: <AKONE123> <secret-of/aws+=> <session-of-aws> <'secret-of%2Faws%2B%3D'>"
    model = ChatRotor(
        models=[OfAWS(fails=[PermissionError(text)])], config={"version": 1, "policy": {"max_attempts": 1}}
    )

    with pytest.raises(Exception, match="denied: <") as raised:
        model.invoke("hi")

    shown = "".join(traceback.format_exception_only(raised.value)) + repr(raised.value)
    assert not any(secret in shown for secret in ("AKONE123", "secret-of", "session-of-aws"))


def test_two_keys_of_one_model_are_two_credentials_and_one_key_is_one():
    two = ChatRotor(
        models=[
            ChatOpenAI(model="gpt-x", api_key=k, base_url="http://127.0.0.1:9/v1") for k in ("k1-secret", "k2-secret")
        ]
    )
    a, b = two.engine.candidates()

    assert (a.id, b.id) == ("openai/gpt-x#1", "openai/gpt-x#2")
    assert a.credential.fingerprint != b.credential.fingerprint
    config = {
        "version": 1,
        "providers": {
            "else": {
                "adapter": "openai-compatible",
                "base_url": "http://127.0.0.1:9/v1",
                "keys": [{"value": "k1-secret"}],
                "models": {"gpt-x": {}},
            }
        },
    }
    assert ChatRotor(config=config).engine.candidates()[0].credential.fingerprint == a.credential.fingerprint
    assert "k1-secret" not in repr(two) + str(two.asdict()) + two._get_llm_string()


def test_what_a_model_cannot_is_not_asked_of_it():
    with pytest.raises(NoModelCapable, match="tools"):
        ChatRotor(models=[FakeListChatModel(responses=["x"])]).bind_tools([add]).invoke("hi")

    rotating = ChatRotor(models=[FakeListChatModel(responses=["x"]), Own()])
    assert rotating.bind_tools([add]).invoke("hi").tool_calls[0]["name"] == "add"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "models: holds no chat model"),
        (["gpt"], r"models\[0\]: is no chat model.*got 'str'"),
        ([(FakeListChatModel(responses=["x"]), {"rpmm": 3})], r"models\[0\]\.rpmm: unknown key.*did you mean 'rpm'"),
        ([(FakeListChatModel(responses=["x"]), {"rpm": 0})], r"models\[0\]\.rpm"),
        ([(FakeListChatModel(responses=["x"]),)], r"models\[0\]: is no chat model"),
    ],
)
def test_what_is_wrong_with_the_list_is_named(models: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        ChatRotor(models=models)


def test_a_configuration_beside_models_has_no_providers():
    with pytest.raises(ConfigError, match=r"config\.providers"):
        ChatRotor(models=[Own()], config={"version": 1, "providers": {}})


def test_the_outer_cache_is_the_only_one():
    own = Own(cache=InMemoryCache())
    model = ChatRotor(models=[own])

    model.invoke("hi"), model.invoke("hi")

    assert len(own.seen) == 2


def test_copies_and_pickles_work():
    model = ChatRotor(models=[(FakeListChatModel(responses=["a"]), {"rpm": 30})], temperature=0)

    assert copy.deepcopy(model).engine is model.engine
    back = pickle.loads(pickle.dumps(model))

    assert back.invoke("hi").content == "a"
    assert back.engine is not model.engine


async def test_a_call_that_takes_too_long_is_left_for_the_next_model():
    class Slow(Own):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            await asyncio.Event().wait()
            raise AssertionError

    model = ChatRotor(
        models=[{"model": Slow(model="slow"), "priority": 1}, {"model": Own(), "priority": 2}], timeout=0.2
    )

    assert (await model.ainvoke("hi")).response_metadata["model_name"] == "own/own-1"


class Refusing(BaseHTTPRequestHandler):
    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}).encode()
        self.send_response(429)
        self.send_header("retry-after", "0.001")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def test_an_sdks_client_does_not_retry_by_itself_and_the_users_own_still_does():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}/v1"
        users = ChatOpenAI(model="gpt-x", api_key="k", base_url=base, max_retries=2)
        with pytest.raises(ModelRateLimitError):
            ChatRotor(models=[users], max_retries=0).invoke("hi")
        assert Refusing.calls == 1
    finally:
        server.shutdown()
        server.server_close()
    assert users.max_retries == 2
    assert users.root_client.max_retries == 2
    assert without_retries(users).root_client.max_retries == 0


def test_a_response_format_and_parallel_calls_are_handed_on():
    own = Own()
    model = ChatRotor(models=[own])

    model.bind_tools(
        [add], parallel_tool_calls=False, tool_choice="required", response_format={"type": "json_object"}
    ).invoke("hi")

    sent = own.seen[0][1]
    assert (sent["parallel_tool_calls"], sent["tool_choice"]) == (False, "any")
    assert sent["response_format"] == {"type": "json_object"}


def test_a_model_that_does_not_stream_is_streamed_whole():
    class Whole(Own):
        disable_streaming: bool = True

    chunks = list(ChatRotor(models=[Whole()]).bind_tools([add]).stream("hi"))

    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    assert total.content == "hello"
    assert total.tool_calls[0]["args"] == {"a": 1}
    assert total.usage_metadata["total_tokens"] == 5


def test_what_a_models_profile_says_it_can_is_what_is_asked_of_it():
    seeing = Own(profile={"image_inputs": True, "tool_calling": True, "max_input_tokens": 1000})
    (deployment,) = ChatRotor(models=[seeing]).engine.candidates()

    assert deployment.model.capabilities == {"vision", "tools", "parallel_tools", "json_mode"}


def test_errors_of_the_connection_are_told_by_their_names():
    class ReadTimeout(Exception):
        pass

    class ConnectError(Exception):
        pass

    for error, kind in ((ReadTimeout(), "timeout"), (ConnectError(), "connection")):
        heard = Heard()
        models = [{"model": Own(fails=[error]), "priority": 1}, {"model": Own(model="own-2"), "priority": 2}]
        ChatRotor(models=models).invoke("hi", {"callbacks": [heard]})
        assert [d["reason"] for n, d, _ in heard.events if n == "model_rotation"] == [kind]


def test_an_error_whose_response_was_not_read_is_told_by_its_own_words():
    class Unread:
        status_code = 429
        headers: dict[str, str] = {}

        @property
        def text(self) -> str:
            raise RuntimeError("not read")

    class StreamRefused(Exception):
        response = Unread()

    with pytest.raises(ModelRateLimitError, match="too many"):
        ChatRotor(models=[Own(fails=[StreamRefused("too many")])], max_retries=0).invoke("hi")


def test_an_object_without_a_key_is_known_for_what_it_is_and_forgotten_when_it_is_gone():
    import gc

    one, two = Own(), Own()
    (first,), (again,), (other,) = (ChatRotor(models=[m]).engine.candidates() for m in (one, one, two))
    assert first.credential.fingerprint == again.credential.fingerprint != other.credential.fingerprint

    from rotor_langchain.wrapped import _OBJECTS

    at = id(one)
    assert at in _OBJECTS
    del one
    gc.collect()
    assert at not in _OBJECTS
