"""What traces and callbacks learn of a ChatRotor's calls."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import HumanMessage
from langchain_core.tracers import BaseTracer
from tests.langchain.scripted import CONFIG, scripted, sum_of

from rotor_langchain import ChatRotor


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
