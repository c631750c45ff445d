"""The suite's tests of tools: calls, several at once, their results, and a history that another provider wrote."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from rotor_core._model import Deployment
from rotor_core._outcome import ToolCall
from rotor_core._request import Request
from rotor_core.testing._adapter_made import CLOCK, WEATHER, Face, arguments, ask, called, user

ONE = "What is the weather in Paris?"
TWO = "What is the weather in Paris and Rome?"


class Calling:
    """`face` uses the adapter under test, `where` is a model that knows tools."""

    if TYPE_CHECKING:

        def needs(self, *capabilities: str) -> None: ...

    def test_a_tool_is_called(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        answer = face.call(where, ask(ONE, tools=[WEATHER, CLOCK]))
        (call,) = answer.tool_calls

        assert (call.name, arguments(call)) == ("get_weather", {"city": "Paris"})
        assert answer.finish_reason == "tool_calls"

    def test_a_streamed_call_is_the_whole_one(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        request = ask(ONE, tools=[WEATHER])
        (whole,), (streamed,) = face.call(where, request).tool_calls, face.stream(where, request).tool_calls

        assert (streamed.name, arguments(streamed)) == (whole.name, arguments(whole))
        assert bool(streamed.id) == bool(whole.id)

    def test_several_tools_are_called_at_once(self, face: Face, where: Deployment) -> None:
        self.needs("parallel_tools")
        request = ask(TWO, tools=[WEATHER])
        for calls in (list(face.call(where, request).tool_calls), face.stream(where, request).tool_calls):
            assert [arguments(call)["city"] for call in calls] == ["Paris", "Rome"]
            known = [call.id for call in calls if call.id]
            assert len(set(known)) == len(known), "two calls have one id: their results could not be told apart"

    def test_the_tools_answers_go_back_and_are_used(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        calls = face.call(where, ask(ONE, tools=[WEATHER])).tool_calls
        answer = face.call(where, Request(_after(ONE, list(calls), ["18 degrees and rain"]), tools=[WEATHER]))

        assert not answer.tool_calls
        assert "18" in answer.text

    def test_the_answers_to_several_calls_go_back_together(self, face: Face, where: Deployment) -> None:
        self.needs("parallel_tools")
        calls = face.stream(where, ask(TWO, tools=[WEATHER])).tool_calls
        said = ["18 degrees and rain", "27 degrees and sun"]
        streamed = face.stream(where, Request(_after(TWO, calls, said), tools=[WEATHER]))

        assert streamed.broken is None
        assert "18" in streamed.text
        assert "27" in streamed.text

    def test_tools_may_be_forbidden(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        answer = face.call(where, ask(ONE, tools=[WEATHER], tool_choice="none"))

        assert answer.text
        assert not answer.tool_calls

    def test_some_tool_may_be_asked_for(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        for choice in ("required", "any"):
            assert face.call(where, ask("Hello.", tools=[WEATHER], tool_choice=choice)).tool_calls

    def test_one_tool_may_be_asked_for_by_name(self, face: Face, where: Deployment) -> None:
        self.needs("tools")
        named: list[Any] = ["get_time", {"type": "function", "function": {"name": "get_time"}}]
        for choice in named:
            (call,) = face.call(where, ask(ONE, tools=[WEATHER, CLOCK], tool_choice=choice)).tool_calls

            assert call.name == "get_time"

    def test_a_history_that_another_provider_wrote_is_taken(self, face: Face, where: Deployment) -> None:
        self.needs("parallel_tools")
        request = Request(_foreign(), tools=[WEATHER, CLOCK])
        before = deepcopy(request.messages)
        for streamed in (False, True):
            text = face.stream(where, request).text if streamed else face.call(where, request).text

            assert "18" in text
            assert "noon" in text
        assert request.messages == before, "the caller's own history was rewritten"


def _after(question: str, calls: list[ToolCall], said: list[str]) -> list[dict[str, Any]]:
    """The conversation once the tools have answered."""
    made = [called(call) for call in calls]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "name": call["function"]["name"], "content": text}
        for call, text in zip(made, said, strict=True)
    ]
    return [user(question), {"role": "assistant", "content": None, "tool_calls": made}, *results]


def _foreign() -> list[dict[str, Any]]:
    """Long ids with signs that not everybody takes, a stranger's signature, content in parts, an empty text beside calls."""
    calls = [
        ToolCall("call_Zk3-xW0qP7|fc_68f2a1c9d4e5b6a7", "get_weather", '{"city": "Paris"}'),
        ToolCall("toolu_01A:get_time", "get_time", '{"city": "Paris"}', {"elsewhere": {"signature": "c2lnbmVk"}}),
    ]
    made = [called(call) for call in calls]
    return [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        user("Hello."),
        {"role": "assistant", "content": [{"type": "text", "text": "Hello! How can I help?"}]},
        user([{"type": "text", "text": "What are the weather and the time in Paris?"}]),
        {"role": "assistant", "content": "", "tool_calls": made},
        {"role": "tool", "tool_call_id": made[0]["id"], "content": "18 degrees and rain"},
        {"role": "tool", "tool_call_id": made[1]["id"], "content": [{"type": "text", "text": "noon"}]},
    ]
