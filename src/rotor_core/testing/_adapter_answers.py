"""The suite's tests of answers: whole ones and streamed ones, that they are the same, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from rotor_core._model import Deployment
from rotor_core._policy.headers import told_by_headers
from rotor_core._request import Request
from rotor_core.sandbox.box import Sandbox
from rotor_core.testing._adapter_made import PERSON, PIXEL, Face, Place, ask, user


class Answering:
    """`face` uses the adapter under test; `where` is a model of the imitation, `place` what the imitation made of it."""

    if TYPE_CHECKING:
        thinker: ClassVar[str]
        reasoning_params: ClassVar[Mapping[str, Any]]

        def needs(self, *capabilities: str) -> None: ...
        def deployment(self, box: Sandbox, model: str | None = None, secret: str = "") -> Deployment: ...

    def test_a_question_is_answered(self, face: Face, where: Deployment) -> None:
        answer = face.call(where, ask("Tell me about rivers."))

        assert "rivers" in answer.text
        assert (answer.finish_reason, answer.tool_calls) == ("stop", ())

    def test_a_stream_says_what_the_whole_answer_says(self, face: Face, where: Deployment) -> None:
        whole, streamed = face.call(where), face.stream(where)

        assert streamed.broken is None
        assert len(streamed.chunks) > 2, "the answer came in one piece: it was not streamed"
        assert streamed.text == whole.text

    def test_a_stream_ends_once_and_nothing_comes_after_its_end(self, face: Face, where: Deployment) -> None:
        streamed = face.stream(where)

        assert streamed.finish_reasons == ["stop"]
        assert sum(chunk.usage is not None for chunk in streamed.chunks) == 1, "usage has to come once"
        ends = [n for n, chunk in enumerate(streamed.chunks) if chunk.finish_reason or chunk.usage]
        assert not any(chunk.has_content for chunk in streamed.chunks[min(ends) + 1 :])

    def test_the_first_chunk_of_a_stream_carries_its_headers_and_no_other_does(
        self, face: Face, where: Deployment
    ) -> None:
        first, *others = face.stream(where).chunks

        assert first.headers, "limits are learned from headers: the first chunk has to carry them"
        assert all(name == name.lower() for name in first.headers)
        assert not any(chunk.headers for chunk in others)

    def test_what_comes_after_the_commit_point_is_content(self, face: Face, where: Deployment) -> None:
        chunks = face.stream(where).chunks
        begun = next(n for n, chunk in enumerate(chunks) if chunk.has_content)

        assert chunks[begun].text, "the first chunk with content is what a caller sees first"
        assert all(chunk.has_content or chunk.finish_reason or chunk.usage for chunk in chunks[begun:])

    def test_usage_is_what_the_provider_counted(self, face: Face, where: Deployment, place: Place) -> None:
        usage = face.call(where).usage
        counted = place.last()

        assert usage is not None, "the usage was lost"
        assert (usage.input_tokens, usage.output_tokens) == (counted["prompt_tokens"], counted["completion_tokens"])

    def test_a_streams_usage_is_what_the_provider_counted(self, face: Face, where: Deployment, place: Place) -> None:
        usage = [chunk.usage for chunk in face.stream(where).chunks if chunk.usage is not None]
        counted = place.last()

        assert len(usage) == 1, "the usage was lost: some providers send it only to who asks"
        assert (usage[0].input_tokens, usage[0].output_tokens) == (
            counted["prompt_tokens"],
            counted["completion_tokens"],
        )

    def test_the_longest_answer_allowed_is_kept_to_and_said(self, face: Face, where: Deployment, place: Place) -> None:
        request = ask(params={"max_tokens": 5})
        answer, streamed = face.call(where, request), face.stream(where, request)

        assert place.last()["completion_tokens"] <= 5
        assert (answer.finish_reason, streamed.finish_reasons) == ("length", ["length"])

    def test_a_system_message_and_the_turns_before_arrive(self, face: Face, where: Deployment, place: Place) -> None:
        face.call(where, ask("And lakes?"))
        alone = place.last()["prompt_tokens"]
        history = [
            {"role": "system", "content": "You speak of water, in short sentences that everybody understands."},
            user("Tell me about rivers."),
            {"role": "assistant", "content": "Rivers run to the sea, and sometimes they do not get there."},
            user("And lakes?"),
        ]
        answer = face.call(where, Request(history))

        assert answer.text
        assert place.last()["prompt_tokens"] > alone + 20, "the messages before the last one did not arrive"

    def test_text_in_parts_is_text(self, face: Face, where: Deployment) -> None:
        parts = [{"type": "text", "text": "Tell me "}, {"type": "text", "text": "about rivers."}]

        assert "rivers" in face.call(where, Request([user(parts)])).text

    def test_letters_of_every_alphabet_come_back(self, face: Face, where: Deployment) -> None:
        request = ask("Tell me about Łódź 東京.")

        assert "Łódź 東京" in face.call(where, request).text
        assert "Łódź 東京" in face.stream(where, request).text

    def test_a_request_is_not_changed(self, face: Face, where: Deployment) -> None:
        request = Request([{"role": "system", "content": "Short."}, user([{"type": "text", "text": "Rivers?"}])])
        before = deepcopy((request.messages, dict(request.params)))
        face.call(where, request)
        face.stream(where, request)

        assert (request.messages, dict(request.params)) == before

    def test_an_answer_in_a_schema_fits_it(self, face: Face, where: Deployment) -> None:
        self.needs("json_schema")
        shape = {"type": "json_schema", "json_schema": {"name": "person", "schema": dict(PERSON), "strict": True}}
        request = ask("Ada Lovelace is 36 years old. Who is she?", response_format=shape)
        whole, streamed = json.loads(face.call(where, request).text), json.loads(face.stream(where, request).text)

        assert whole == streamed
        assert (type(whole["name"]), type(whole["age"]), len(whole)) == (str, int, 2)

    def test_json_mode_gives_json(self, face: Face, where: Deployment) -> None:
        self.needs("json_mode")
        request = ask('Who is Ada? Answer in JSON with the key "name".', response_format={"type": "json_object"})

        assert isinstance(json.loads(face.call(where, request).text), dict)

    def test_an_image_arrives(self, face: Face, where: Deployment, place: Place) -> None:
        self.needs("vision")
        seen = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
        face.call(where, ask("What is this?"))
        without = place.last()["prompt_tokens"]
        answer = face.call(where, Request([user(seen)]))

        assert answer.text
        assert place.last()["prompt_tokens"] > without + 20, "the image did not arrive"

    def test_reasoning_is_apart_from_the_text(self, face: Face, box: Sandbox) -> None:
        self.needs("reasoning")
        thinker = self.deployment(box, self.thinker)
        request = ask(params=dict(self.reasoning_params))
        whole, streamed = face.call(thinker, request), face.stream(thinker, request)

        assert whole.reasoning
        assert whole.reasoning not in whole.text
        assert (streamed.reasoning, streamed.text) == (whole.reasoning, whole.text)

    def test_what_headers_tell_of_limits_is_understood(self, face: Face, where: Deployment) -> None:
        self.needs("limit_headers")
        _tells_of_limits(where.provider.name, face.call(where).headers)

    def test_what_a_streams_headers_tell_of_limits_is_understood(self, face: Face, where: Deployment) -> None:
        self.needs("stream_limit_headers")
        _tells_of_limits(where.provider.name, face.stream(where).chunks[0].headers)


def _tells_of_limits(provider: str, headers: Mapping[str, str]) -> None:
    told, odd = told_by_headers(provider, headers)

    assert told, f"no header tells of a limit: {sorted(headers)}"
    assert not odd
    assert any(limit.limit is not None or limit.remaining is not None for limit in told)
