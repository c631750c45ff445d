"""`ChatRotor(models=[...])`: errors of the user's own chat models, understood, hidden or shown."""

from __future__ import annotations

import asyncio
import json
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from langchain_core.exceptions import ModelAuthenticationError, ModelRateLimitError
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tests.langchain.own import Http, Own
from tests.langchain.scripted import Heard

from rotor_langchain import ChatRotor
from rotor_langchain.wrapped import without_retries


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
