"""What comes back: texts, thoughts, calls, usage and reasons, whole and in pieces; and what is no answer."""

from __future__ import annotations

import json

import pytest

from rotor_core import classify_failure
from rotor_core._outcome import Usage
from rotor_core._policy.classify import add_dialects
from rotor_core._policy.error_rules import dialect_of
from rotor_core.adapters.wire import WireError
from rotor_gemini.errors import ERRORS
from rotor_gemini.wire import GeminiWire

SSE = {"content-type": "text/event-stream"}
USAGE = {
    "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 25, "thoughtsTokenCount": 7,
    "toolUsePromptTokenCount": 3, "cachedContentTokenCount": 4,
}  # fmt: skip


def response(*parts, finish="STOP", usage=USAGE, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    made = {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1"}
    return {**made, **({"usageMetadata": usage} if usage else {}), **more}


def text(said, **more):
    return {"text": said, **more}


def called(name="add", args=None, **more):
    return {"functionCall": {"name": name, "args": args or {}, **more}}


def decode(body):
    return GeminiWire().decode(json.dumps(body).encode(), {"x": "y"})


def events(*bodies, end="\r\n\r\n"):
    return b"".join(b"data: " + json.dumps(body).encode() + end.encode() for body in bodies)


def read(raw, headers=SSE, size=10**6):
    reader = GeminiWire().reader(headers)
    chunks = [chunk for at in range(0, len(raw), size) for chunk in reader.feed(raw[at : at + size])]
    return [*chunks, *reader.end()]


# ---- whole --------------------------------------------------------------------------------------------------------


def test_text_is_all_text_parts_and_thoughts_are_none_of_it():
    parts = [text("hm", thought=True), text("a"), {"executableCode": {"code": "x"}}, text("b", thoughtSignature="c2ln")]
    answer = decode(response(*parts))
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("ab", "hm", "stop")
    assert (answer.model, answer.id, answer.headers) == ("gemini-x", "r1", {"x": "y"})


def test_usage_adds_what_tools_read_and_what_was_thought():
    assert decode(response(text("a"))).usage == Usage(13, 12, 4, 7)
    assert decode(response(text("a"), usage={"promptTokenCount": 3, "totalTokenCount": 3})).usage == Usage(3, 0)
    assert decode(response(text("a"), usage=None)).usage is None
    assert decode(response(text("a"), usage={"serviceTier": "standard"})).usage is None


def test_calls_have_ids_of_their_own_and_what_is_wanted_back_with_them():
    answer = decode(
        response(
            {**called("add", {"a": "ü"}, id="g1"), "thoughtSignature": "c2ln"},
            called("add"),
            called("add"),
            called(id="g1"),
        )
    )
    assert [(c.name, json.loads(c.arguments)) for c in answer.tool_calls] == [("add", {"a": "ü"}), *[("add", {})] * 3]
    assert [c.extra for c in answer.tool_calls] == [{"google": {"thought_signature": "c2ln"}}, {}, {}, {}]
    ids = [c.id for c in answer.tool_calls]
    assert ids[0] == "g1"
    assert len(set(ids)) == 4
    assert answer.finish_reason == "tool_calls"
    assert [c.id for c in decode(response(called("add"), called("add"))).tool_calls] == [
        c.id for c in decode(response(called("add"), called("add"))).tool_calls
    ]


@pytest.mark.parametrize(
    ("finish", "told"),
    [
        ("MAX_TOKENS", "length"), (2, "length"), (1, "stop"), ("SAFETY", "content_filter"), (3, "content_filter"),
        ("RECITATION", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"), ("SPII", "content_filter"),
        ("BLOCKLIST", "content_filter"), ("LANGUAGE", "content_filter"), ("OTHER", "other"), ("SOMETHING_NEW", "something_new"),
        (None, None),
    ],
)  # fmt: skip
def test_why_it_ended_in_openais_words(finish, told):
    assert decode(response(text("a"), finish=finish)).finish_reason == told


def test_what_googles_filters_stopped_is_an_answer_even_without_a_word():
    stopped = {"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": USAGE}
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
    for body, tokens in ((stopped, 13), (blocked, 9)):
        answer = decode(body)
        assert (answer.text, answer.finish_reason, answer.usage.input_tokens) == ("", "content_filter", tokens)
        assert read(events(body))[-1].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("finish", "kind"),
    [
        ("MALFORMED_FUNCTION_CALL", "server_error"), (10, "server_error"), ("UNEXPECTED_TOOL_CALL", "server_error"),
        ("MISSING_THOUGHT_SIGNATURE", "server_error"), ("MALFORMED_RESPONSE", "server_error"), ("OTHER", "server_error"),
        ("TOO_MANY_TOOL_CALLS", "server_error"), ("PUP_LIMITED_DISABLED", "permission"),
    ],
)  # fmt: skip
def test_an_answer_that_the_model_made_a_mess_of_is_an_error_worth_another_try(finish, kind):
    body = response(finish=finish)
    body["candidates"][0]["finishMessage"] = "print(default_api.rate_limit_exceeded(content_filter=1))"
    add_dialects({"gemini": dialect_of(ERRORS)})
    for told in (decode, lambda made: read(events(made))):
        with pytest.raises(WireError) as failed:
            told(body)
        failure = classify_failure("gemini", None, {}, failed.value.error_body)
        assert failure.kind == kind
        assert "the model's answer ended with" in failure.message


@pytest.mark.parametrize(
    ("content", "said", "has_body"),
    [
        (b"", "empty body", False),
        (b"<html>", "HTML page", False),
        (b"[]", "without a candidate", False),
        (b"[1]", "a number, not an object", False),
        (b'"a"', "a string, not an object", False),
        (b'{"usageMetadata": {"promptTokenCount": 3}}', "without a candidate", False),
        (b'{"candidates": []}', "without a candidate", False),
        (b'{"message": "no"}', "without an answer", True),
        (b'{"choices": []}', "without an answer", True),
        (b'{"error": {"code": 503}}', "error with a status of success", True),
        (b'[{"error": {"code": 503}}]', "error with a status of success", True),
    ],
)
def test_what_is_no_answer_is_none(content, said, has_body):
    with pytest.raises(WireError, match=said) as failed:
        GeminiWire().decode(content, {})
    assert (failed.value.error_body is not None) == has_body


# ---- in pieces ----------------------------------------------------------------------------------------------------

STREAM = [
    response(text("hm", thought=True), finish=None, usage={"promptTokenCount": 10}),
    response(text("a"), finish=None, usage={"promptTokenCount": 10, "candidatesTokenCount": 1}),
    response(called("add", {"a": 1}), finish=None),
    response(text("b"), {**called("add", {"a": 2}, id="g1"), "thoughtSignature": "c2ln"}, finish=None),
    response(text(""), finish="STOP"),
]


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("end", ["\r\n\r\n", "\n\n"])
def test_a_stream_says_the_same_however_it_is_cut(size, end):
    chunks = read(events(*STREAM, end=end), size=size)
    assert "".join(c.text for c in chunks) == "ab"
    assert "".join(c.reasoning for c in chunks) == "hm"
    calls = [call for chunk in chunks for call in chunk.tool_calls]
    assert [(c.index, c.name, c.arguments) for c in calls] == [(0, "add", '{"a": 1}'), (1, "add", '{"a": 2}')]
    assert [c.extra for c in calls] == [{}, {"google": {"thought_signature": "c2ln"}}]
    assert calls[0].id.startswith("call_")
    assert calls[1].id == "g1"
    assert [(c.finish_reason, c.usage) for c in chunks[:-1]] == [(None, None)] * (len(chunks) - 1)
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("tool_calls", Usage(13, 12, 4, 7))
    assert chunks[0].headers == SSE
    assert {c.model for c in chunks} == {"gemini-x"}


def test_a_stream_that_comes_as_one_list_says_the_same():
    raw = json.dumps(STREAM).encode()
    chunks = read(raw, {"content-type": "application/json; charset=UTF-8"}, size=9)
    assert "".join(c.text for c in chunks) == "ab"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("tool_calls", Usage(13, 12, 4, 7))
    whole = GeminiWire().decode(raw, {})
    assert (whole.text, len(whole.tool_calls), whole.usage) == ("ab", 2, Usage(13, 12, 4, 7))


def test_one_body_where_a_stream_was_asked_for_is_understood():
    chunks = read(json.dumps(response(text("a"))).encode(), {"content-type": "application/json"})
    assert [c.text for c in chunks] == ["a", ""]
    assert chunks[-1].finish_reason == "stop"


def test_what_is_said_of_the_whole_is_a_sign_of_life():
    reader = GeminiWire().reader(SSE)
    noted = []
    for body in STREAM:
        list(reader.feed(events(body)))
        noted.append(reader.notes)
    assert noted == [1, 2, 3, 3, 4]
    assert reader.opening.startswith(b"data: {")
    assert not reader.done


def test_a_last_event_without_its_empty_line_counts():
    assert read(events(*STREAM).removesuffix(b"\r\n\r\n"))[-1].finish_reason == "tool_calls"


def test_a_word_of_done_from_a_gateway_is_passed_over():
    assert read(events(*STREAM) + b"data: [DONE]\n\n")[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("raw", "said", "has_body"),
    [
        (events(*STREAM[:-1]), "broke off", False),
        (events(*STREAM)[:-40], "broke off", False),
        (b"", "no event stream", False),
        (b"hello", "no event stream", False),
        (events(STREAM[0], {"error": {"code": 503, "status": "UNAVAILABLE"}}), "error", True),
        (events(STREAM[0], [{"error": {"code": 503, "status": "UNAVAILABLE"}}]), "error", True),
        (events(STREAM[0]) + b'event: error\ndata: {"code": 500}\n\n', "error in the stream", True),
        (events(STREAM[0]) + b'data: {"error": {"code": 500}}', "error", True),
        (events(STREAM[0]) + b"data: {oops\n\n", "not JSON", False),
    ],
)
def test_a_stream_that_is_none_or_breaks_off_never_looks_complete(raw, said, has_body):
    with pytest.raises(WireError, match=said) as failed:
        read(raw)
    assert (failed.value.error_body is not None) == has_body


def test_what_came_before_the_trouble_is_given_first():
    reader = GeminiWire().reader({})
    given = reader.feed(events(STREAM[1], {"error": {"code": 500}}))
    assert next(given).text == "a"
    with pytest.raises(WireError):
        next(given)


def test_an_error_in_a_body_instead_of_a_stream_is_an_error():
    with pytest.raises(WireError, match="error"):
        read(b'[{"error": {"code": 500}}]', {"content-type": "application/json"})


# ---- models and errors --------------------------------------------------------------------------------------------


def test_the_list_of_models_is_of_those_that_answer():
    listed = {
        "models": [
            {"name": "models/gemini-a", "inputTokenLimit": 1000, "outputTokenLimit": 50, "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
            {"name": "tunedModels/mine"},
            {},
        ]
    }  # fmt: skip
    made = GeminiWire().models(json.dumps(listed).encode())
    assert [(m.name, m.context, m.max_output) for m in made] == [
        ("gemini-a", 1000, 50),
        ("tunedModels/mine", None, None),
    ]
    with pytest.raises(WireError):
        GeminiWire().models(b'{"data": []}')


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Corrupted thought signature.", "server_error"),
        (400, "Function call is missing a thought_signature in functionCall parts.", "server_error"),
        (400, "Please enable billing on your project in Google AI Studio.", "billing"),
        (400, "User location is not supported for the API use.", "permission"),
        (
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "context_length",
        ),
        (400, "Please use a valid role: user, model.", "bad_request"),
        (403, "Your API key was reported as leaked. Please use another API key.", "auth"),
        (503, "This model is currently experiencing high demand.", "overloaded"),
    ],
)
def test_googles_errors_are_of_the_kinds_that_they_mean(status, message, kind):
    add_dialects({"gemini": dialect_of(ERRORS)})
    error = {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT" if status == 400 else "X"}}
    for body in (error, [error]):
        assert classify_failure("gemini", status, {}, json.dumps(body)).kind == kind
