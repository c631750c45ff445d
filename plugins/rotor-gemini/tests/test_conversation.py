"""Where a conversation is sent, and its turns and parts in Gemini's words."""

from __future__ import annotations

import pytest
from gemini_requests import NEW, body, said, user

from rotor_core._model import Secret
from rotor_core.adapters.wire import UnfitError
from rotor_gemini.wire import GeminiWire

# ---- where to, and as whom ----------------------------------------------------------------------------------------


def test_the_url_names_the_model_and_how_it_is_to_answer():
    wire = GeminiWire()
    assert (
        wire.url("http://x/v1beta", "gemma-4-31b-it", stream=False)
        == "http://x/v1beta/models/gemma-4-31b-it:generateContent"
    )
    assert (
        wire.url("http://x/v1beta", NEW, stream=True) == f"http://x/v1beta/models/{NEW}:streamGenerateContent?alt=sse"
    )
    assert (
        wire.url("http://x/v1beta", "tunedModels/my one", stream=False)
        == "http://x/v1beta/tunedModels/my%20one:generateContent"
    )
    assert wire.models_url("http://x/v1beta") == "http://x/v1beta/models?pageSize=1000"


def test_the_key_goes_into_a_header_and_an_empty_one_nowhere():
    assert GeminiWire().headers(Secret("abc")) == {"x-goog-api-key": "abc"}
    assert GeminiWire().headers(Secret("")) == {}


# ---- turns --------------------------------------------------------------------------------------------------------


def test_roles_and_instructions_in_their_places():
    made = body(
        {"role": "system", "content": "Be brief."},
        user("hi"),
        said("hello"),
        {"role": "developer", "content": "In French."},
        user("again"),
    )
    assert made["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert made["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "hello"}]},
        {"role": "user", "parts": [{"text": "again"}]},
    ]


def test_messages_of_one_side_are_one_turn():
    made = body(user("a"), user("b"), said("c"), said("d"), user("e"))
    assert [[part["text"] for part in turn["parts"]] for turn in made["contents"]] == [["a", "b"], ["c", "d"], ["e"]]


def test_instructions_alone_become_what_the_user_says():
    made = body({"role": "system", "content": "Say hello."})
    assert made == {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}


@pytest.mark.parametrize("empty", ["", None, []])
def test_an_empty_answer_leaves_no_turn_and_an_empty_question_a_space(empty):
    made = body(user("a"), said(empty), user(empty or ""), said("b"), user("c"))
    assert [turn["role"] for turn in made["contents"]] == ["user", "model", "user"]
    assert made["contents"][0]["parts"] == [{"text": "a"}, {"text": " "}]


def test_a_conversation_that_begins_with_an_answer_gets_a_word_before_it():
    made = body(said("Hello, how can I help?"), user("hi"))
    assert [turn["role"] for turn in made["contents"]] == ["user", "model", "user"]
    assert made["contents"][0]["parts"][0]["text"]


def test_older_gemmas_are_told_instructions_by_the_user():
    made = body({"role": "system", "content": "Be brief."}, user("hi"), model="gemma-3-27b-it")
    assert made == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "hi"}]}]}
    assert "systemInstruction" in body({"role": "system", "content": "Be brief."}, user("hi"), model="gemma-4-31b-it")


def test_a_refusal_and_thinking_of_others_in_the_history():
    thinking = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}]
    made = body(
        user("a"), {"role": "assistant", "content": None, "refusal": "No."}, user("b"), said(thinking), user("c")
    )
    assert [turn["parts"] for turn in made["contents"][1::2]] == [[{"text": "No."}], [{"text": "b"}]]


# ---- parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
        ({"type": "image_url", "image_url": "data:image/svg+xml,%3Csvg/%3E"}, {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}}),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png?b=c"}}, {"fileData": {"fileUri": "https://x.test/a.png?b=c", "mimeType": "image/png"}}),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a"}}, {"fileData": {"fileUri": "https://x.test/a"}}),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}, {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "flac"}}, {"inlineData": {"mimeType": "audio/flac", "data": "aGk="}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}}, {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}}),
        ({"type": "file", "file": {"file_data": "aGk=", "filename": "a.txt"}}, {"inlineData": {"mimeType": "text/plain", "data": "aGk="}}),
        ({"type": "file", "file": {"file_id": "https://x.test/files/1"}}, {"fileData": {"fileUri": "https://x.test/files/1"}}),
        ({"type": "file", "file": {"file_data": "https://x.test/a.pdf"}}, {"fileData": {"fileUri": "https://x.test/a.pdf", "mimeType": "application/pdf"}}),
        ({"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}}, {"fileData": {"fileUri": "https://x.test/a.mp4", "mimeType": "video/mp4"}}),
        ({"type": "audio", "url": "https://x.test/a.mp3"}, {"fileData": {"fileUri": "https://x.test/a.mp3", "mimeType": "audio/mpeg"}}),
    ],
)  # fmt: skip
def test_parts_of_every_kind(part, made):
    assert body(user(["What is this?", part]))["contents"][0]["parts"] == [{"text": "What is this?"}, made]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"type": "video_url", "video_url": {}}, "'video_url'"),
        ({"type": "image_url", "image_url": {}}, "neither data nor a URL"),
        ({"type": "image_url", "image_url": "data:image/png;base64"}, "without data"),
        ({"type": "image", "mime_type": "image/png"}, "'image' has neither data nor a URL"),
        ({"type": "input_audio", "input_audio": {}}, "has no data"),
    ],
)
def test_what_has_no_form_is_named(part, named):
    with pytest.raises(UnfitError, match=named):
        body(user([part]))


@pytest.mark.parametrize(
    "messages",
    [[], [said(None)], [{"role": "critic", "content": "x"}], [{"role": "system", "content": [{"type": "image_url", "image_url": "https://x.test/a.png"}]}]],
)  # fmt: skip
def test_conversations_that_are_none_are_refused(messages):
    with pytest.raises(UnfitError):
        body(*messages)
