"""The suite's tests of failure: each is of the right kind, in time, and what broke never looks whole."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment
from rotor_core.sandbox.box import Sandbox
from rotor_core.testing._adapter_made import BRIEF, LATE, PATIENCE, Face, ask, everything_said

_NO_ANSWER = frozenset({"server_error", "overloaded", "connection", "unknown"})
"""What a provider that answers with rubbish, or breaks off, may be said to have done."""

_DOWN = frozenset({"server_error", "overloaded"})


class Failing:
    """`face` uses the adapter under test, `box` is told what goes wrong."""

    if TYPE_CHECKING:
        model: ClassVar[str]

        def needs(self, *capabilities: str) -> None: ...
        def deployment(self, box: Sandbox, model: str | None = None, secret: str = "") -> Deployment: ...

    def test_a_limit_that_is_reached_is_a_rate_limit(self, face: Face, box: Sandbox) -> None:
        tight = self.deployment(box, "suite-tight")
        face.call(tight)
        for error in (face.failed(tight), face.broken(tight)):
            assert (error.failure.kind, error.failure.status) == ("rate_limit", 429)
            assert error.deployment == tight.id

    def test_how_long_to_wait_is_understood(self, face: Face, box: Sandbox) -> None:
        self.needs("retry_after")
        tight = self.deployment(box, "suite-tight")
        face.call(tight)
        for error in (face.failed(tight), face.broken(tight)):
            assert error.failure.retry_after is not None, f"the wait was not understood: {error}"
            assert 50 < error.failure.retry_after <= 62

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_a_provider_that_is_down_is_not_the_callers_fault(
        self, face: Face, where: Deployment, box: Sandbox, status: int
    ) -> None:
        box.fault(status)
        for error in (face.failed(where), face.broken(where)):
            assert error.failure.kind in _DOWN, error
            assert error.failure.status == status

    def test_a_revoked_key_is_told_as_such(self, face: Face, where: Deployment, box: Sandbox) -> None:
        box.fault("revoked")
        for error in (face.failed(where), face.broken(where)):
            assert error.failure.kind == "auth", error

    def test_a_wrong_key_is_told_as_such_and_not_shown(self, face: Face, box: Sandbox) -> None:
        wrong = "suite-" + "wrong-abcdefghijklmnop"
        elsewhere = self.deployment(box, secret=wrong)
        for error in (face.failed(elsewhere), face.broken(elsewhere)):
            assert error.failure.kind == "auth", error
            assert wrong not in everything_said(error)

    def test_a_model_that_there_is_not_is_not_found(self, face: Face, box: Sandbox) -> None:
        nowhere = self.deployment(box, "suite-nowhere")
        for error in (face.failed(nowhere), face.broken(nowhere)):
            assert error.failure.kind == "not_found", error

    def test_a_prompt_beyond_the_context_is_told_as_such(self, face: Face, box: Sandbox) -> None:
        small, long = self.deployment(box, "suite-small"), ask("Tell me about rivers. " * 60)
        for error in (face.failed(small, long), face.broken(small, long)):
            assert error.failure.kind in {"context_length", "too_large"}, error

    def test_what_cannot_be_written_is_not_sent(self, face: Face, where: Deployment, box: Sandbox) -> None:
        unwritable: Any = object()
        error = face.failed(where, ask(params={"temperature": unwritable}))

        assert error.failure.kind == "bad_request"
        assert error.request_sent is False
        assert not box.stats()

    def test_who_says_nothing_is_given_up_in_time(self, face: Face, where: Deployment, box: Sandbox) -> None:
        box.fault("hang")
        begun = time.perf_counter()
        error = face.failed(where, timeout=BRIEF)

        assert time.perf_counter() - begun < LATE
        assert (error.failure.kind, error.request_sent) == ("timeout", True)

    def test_a_stream_that_does_not_begin_is_given_up_in_time(
        self, face: Face, where: Deployment, box: Sandbox
    ) -> None:
        box.fault("hang")
        begun = time.perf_counter()
        error = face.broken(where, timeouts=Timeouts(BRIEF, PATIENCE, PATIENCE))

        assert time.perf_counter() - begun < LATE
        assert error.failure.kind == "timeout"

    def test_a_stream_that_falls_silent_is_given_up_in_time(self, face: Face, where: Deployment, box: Sandbox) -> None:
        box.fault("slow", seconds=BRIEF)
        begun = time.perf_counter()
        error = face.broken(where, timeouts=Timeouts(PATIENCE, BRIEF / 4, PATIENCE))

        assert time.perf_counter() - begun < LATE
        assert error.failure.kind == "timeout"

    def test_where_nobody_listens_is_a_matter_of_the_connection(self, face: Face, where: Deployment) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and not listened to, so that nobody else does
            provider = replace(where.provider, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
            nobody = replace(where, provider=provider)
            for error in (face.failed(nobody), face.broken(nobody)):
                assert (error.failure.kind, error.request_sent) == ("connection", False)

    @pytest.mark.parametrize("after", [0, 1, 3, 1000])
    @pytest.mark.parametrize("fault", ["cut", "early_end", "reset", "stream_error"])
    def test_a_stream_that_breaks_never_looks_whole(
        self, face: Face, where: Deployment, box: Sandbox, fault: str, after: int
    ) -> None:
        whole = face.call(where).text
        box.fault(fault, after=after)
        streamed = face.stream(where)

        assert streamed.broken is not None, f"it ended as if it were whole, with {len(streamed.text)} characters"
        assert streamed.broken.failure.kind in _NO_ANSWER, streamed.broken
        assert not streamed.finish_reasons
        assert whole.startswith(streamed.text), "what came before the break is part of the answer"

    @pytest.mark.parametrize("fault", ["cut", "reset", "not_json", "empty"])
    def test_a_body_that_is_no_answer_is_none(self, face: Face, where: Deployment, box: Sandbox, fault: str) -> None:
        box.fault(fault)

        assert face.failed(where).failure.kind in _NO_ANSWER

    @pytest.mark.parametrize("fault", ["not_json", "empty"])
    def test_a_body_that_is_no_stream_is_none(self, face: Face, where: Deployment, box: Sandbox, fault: str) -> None:
        box.fault(fault)
        streamed = face.stream(where)

        assert streamed.broken is not None
        assert streamed.broken.failure.kind in _NO_ANSWER
        assert not streamed.finish_reasons

    def test_an_error_within_an_answer_of_success_is_an_error(
        self, face: Face, where: Deployment, box: Sandbox
    ) -> None:
        box.fault("stream_error")

        assert face.failed(where).failure.kind in _NO_ANSWER

    @pytest.mark.parametrize("status", [401, 429, 500])
    def test_a_secret_that_the_provider_repeats_is_not_shown(
        self, face: Face, where: Deployment, box: Sandbox, status: int
    ) -> None:
        secret = where.credential.secret.reveal()
        box.fault(status, message=f"cannot serve the key {secret}, see https://example.test/?key={secret}")
        for error in (face.failed(where), face.broken(where)):
            assert secret not in everything_said(error)

    def test_an_error_names_the_deployment_and_keeps_the_answer(
        self, face: Face, where: Deployment, box: Sandbox
    ) -> None:
        box.fault(500, message="the kettle is broken")
        error = face.failed(where)

        assert isinstance(error, ProviderError)
        assert where.id in str(error)
        assert "kettle" in error.body
        assert error.failure.message

    def test_after_a_failure_the_next_call_is_answered(self, face: Face, where: Deployment, box: Sandbox) -> None:
        for fault in ("reset", "cut", "not_json"):
            box.fault(fault, times=1)
            face.failed(where)

            assert face.call(where).text
