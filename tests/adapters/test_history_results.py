"""Results of tools in histories that other providers left behind: text, pictures, files, sounds and data."""

import json

import pytest
from tests.adapters.histories import PICTURE, USER, asked, call, result

from rotor_core.adapters.history import Manner, neutral
from rotor_core.adapters.media import media_of
from rotor_core.adapters.wire import UnfitError

# ---- results


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("3", "3"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, "b"], "a\nb"),
        ({"sum": 3}, '{"sum": 3}'),
        (3, "3"),
        ([1, {"a": 2}], '[1, {"a": 2}]'),
        ([{"type": "json", "json": {"a": 1}}], '{"type": "json", "json": {"a": 1}}'),
    ],
)
def test_a_results_content_is_a_text(content, text):
    assert neutral([asked(call()), result("call_1", content, name="add", status="success")])[1] == result(
        "call_1", text
    )


def test_images_of_results_follow_in_a_users_message_after_the_last_result():
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    made = neutral([asked(call("a"), call("b")), result("a", ["see", block]), result("b"), USER])
    assert [m["role"] for m in made] == ["assistant", "tool", "tool", "user", "user"]
    assert made[1]["content"] == "see"
    assert made[3]["content"][1:] == [PICTURE]
    assert neutral([asked(call()), result("call_1", [block])])[-1]["content"][1:] == [PICTURE], "also at the very end"


def test_images_of_results_stay_where_a_server_takes_them_there():
    made = neutral([asked(call()), result("call_1", [PICTURE])], Manner(media_in_results=True))
    assert made[1:] == [result("call_1", [PICTURE])]


def test_a_user_who_speaks_after_a_result_is_preceded_by_the_assistant_where_a_server_wants_that():
    history = [USER, asked(call()), result(), USER]
    assert [m["role"] for m in neutral(history)] == ["user", "assistant", "tool", "user"]
    made = neutral(history, Manner(answers_results=True))
    assert [m["role"] for m in made] == ["user", "assistant", "tool", "assistant", "user"]
    assert made[3]["content"]


# ---- media and data in results


PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}

SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (PDF, PDF),
        (SOUND, SOUND),
        ({"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "filename": "a.pdf", "id": "lc_1"}, PDF),
        (
            {
                "type": "file",
                "source_type": "base64",
                "data": "AAAA",
                "mime_type": "application/pdf",
                "filename": "a.pdf",
            },
            PDF,
        ),
        ({"type": "media", "mime_type": "application/pdf", "data": "AAAA", "title": "a.pdf"}, PDF),
        ({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}, PDF),
        (
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "cache_control": {"type": "ephemeral"},
            },
            PDF,
        ),
        (
            {
                "type": "resource",
                "name": "a.pdf",
                "resource": {"uri": "r://a", "mimeType": "application/pdf", "blob": "AAAA"},
            },
            PDF,
        ),
        ({"type": "file", "file_id": "file-1"}, {"type": "file", "file": {"file_id": "file-1"}}),
        (
            {"type": "file", "url": "https://a.example/b.pdf", "mime_type": "application/pdf"},
            {"type": "file", "file": {"file_data": "https://a.example/b.pdf", "filename": "file.pdf"}},
        ),
        ({"type": "audio", "base64": "AAAA", "mime_type": "audio/x-wav"}, SOUND),
        ({"type": "audio", "data": "AAAA", "mimeType": "audio/wav", "annotations": {"audience": ["user"]}}, SOUND),
        ({"type": "audio", "url": "data:audio/wav;base64,AAAA"}, SOUND),
        ({"type": "media", "mime_type": "audio/wav", "data": "AAAA"}, SOUND),
        ({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, SOUND),
        (
            {"type": "audio", "url": "https://a.example/b.wav", "mime_type": "audio/wav"},
            {"type": "audio_url", "audio_url": {"url": "https://a.example/b.wav"}},
        ),
        (
            {"type": "video", "url": "https://a.example/b.mp4", "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}},
        ),
        ({"type": "image", "data": "AAAA", "mimeType": "image/png"}, PICTURE),
    ],
)
def test_files_and_sounds_of_results_follow_in_a_users_message_as_images_do(block, part):
    made = neutral([asked(call()), result("call_1", ["see", block])])
    assert made[1]["content"] == "see"
    assert made[2]["content"][1:] == [part]
    assert neutral([{"role": "user", "content": [block]}])[0]["content"] == [part], "and a user's are the same"


def test_files_and_sounds_of_results_stay_where_a_server_takes_them_there():
    made = neutral([asked(call()), result("call_1", [PDF, SOUND])], Manner(media_in_results=True))
    assert made[1:] == [result("call_1", [PDF, SOUND])]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "user", "name": "Ada"},
        {"type": "text", "text": "hi", "author": "bob"},
        {"type": "reasoning", "reasoning": "so"},
        {"text": "hi"},
        {"type": "image", "caption": "no image at all"},
        {"type": "file", "name": "a.txt", "url": "https://a.example/a.txt", "size": 3},
        [{"type": "file", "name": "a.txt", "data": "plain"}, {"a": 1}],
        {"type": "file", "name": "a.py", "mime_type": "text/x-python", "data": "print('hi')"},
        {"type": "file", "name": "a.py", "mime_type": "text/x-python", "data": "abcde"},
        {"type": "file", "name": "a.pdf", "mimeType": "application/pdf", "url": "https://a.example/a.pdf"},
        [{"type": "video", "title": "cats", "url": "https://a.example/v"}, {"a": 1}],
        [{"text": "hi", "score": 0.5}, {"text": "ho", "score": 0.25}],
        [{"a": 1}],
        [{"a": 1}, {"type": "b", "c": 2}],
        [[1, 2], [3]],
        ["a", {"b": 1}],
    ],
)
def test_plain_data_of_a_result_is_the_json_that_it_is(data):
    assert json.loads(neutral([asked(call()), result("call_1", data)])[1]["content"]) == data


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([{"type": "text", "text": "hi"}, {"type": "text", "text": "hi", "author": "bob"}], ["hi", {"type": "text", "text": "hi", "author": "bob"}]),
        ([{"type": "search_result", "source": "s", "title": "t"}, {"a": 1}], [[{"type": "search_result", "source": "s", "title": "t"}, {"a": 1}]]),
        ([{"type": "text", "text": "hi"}, {"a": 1}], ["hi", {"a": 1}]),
        ([{"type": "image", "url": "data:image/png;base64,AAAA", "caption": "a cat"}], [{"caption": "a cat"}]),
        ([{"type": "image", "base64": "AAAA", "mime_type": "image/png", "title": "a cat", "id": "cat-7"}], [{"title": "a cat", "id": "cat-7"}]),
        ([{"type": "image", "base64": "AAAA", "mime_type": "image/png", "id": "lc_7"}], [""]),
        ([{"type": "text", "text": "hi", "annotations": None, "meta": None}, {"type": "text", "text": None}], ["hi"]),
        ([{"type": "resource", "resource": {"uri": "r://a", "text": "b"}}], [{"type": "resource", "resource": {"uri": "r://a", "text": "b"}}]),
    ],
)  # fmt: skip
def test_what_of_a_blocks_fields_is_not_known_is_told_as_json(blocks, lines):
    told = neutral([asked(call()), result("call_1", blocks)])[1]["content"].split("\n")
    assert told == [line if isinstance(line, str) else json.dumps(line) for line in lines]


@pytest.mark.parametrize("part", [PDF, SOUND, {"type": "mystery", "mystery": 1}])
def test_a_part_that_a_server_is_known_not_to_take_makes_the_request_unfit_for_it(part):
    looks = Manner(takes=frozenset({"image_url"}))
    with pytest.raises(UnfitError, match=f"'{part['type']}', but text, image_url"):
        neutral([{"role": "user", "content": ["see", part]}], looks)
    assert neutral([{"role": "user", "content": [PICTURE]}], looks)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_a_block_that_shows_nothing_is_refused_for_that(kind):
    with pytest.raises(UnfitError, match=f"'{kind}' has neither data nor a URL"):
        neutral(
            [{"role": "user", "content": [{"type": kind, "mime_type": "a/b"}]}], Manner(takes=frozenset({"image_url"}))
        )


def test_a_file_by_its_url_is_told_from_one_that_is_sent():
    by_url = {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}}
    takes_files = Manner(takes=frozenset({"file"}))
    assert neutral([{"role": "user", "content": [PDF]}], takes_files)
    with pytest.raises(UnfitError, match="'file_url'"):
        neutral([{"role": "user", "content": [by_url]}], takes_files)


TEXT_ONLY = Manner(takes=frozenset())


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "url", "url": "https://x.test/y.pdf"}},
        {"type": "document_url", "document_url": "https://x.test/y.pdf"},
        {"type": "image_url", "image_url": {"url": "https://x.test/y.png"}},
        {"type": "video_url", "video_url": {"url": "https://x.test/y.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "https://x.test/y.wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
)
def test_what_a_result_only_points_at_is_told_as_json_where_it_cannot_be_shown(block):
    (_, made) = neutral([asked(call()), result("call_1", [block])], TEXT_ONLY)
    shown = media_of(block) or block
    assert json.loads(made["content"]) == shown
    assert neutral([made], TEXT_ONLY) == [made]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (PDF, "a file a.pdf, application/pdf, not shown"),
        ({"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}, "a file a.pdf, application/pdf, not shown"),
        (SOUND, "a sound, audio/wav, not shown"),
        (PICTURE, "an image, image/png, not shown"),
        ({"type": "video", "base64": "AAAA", "mime_type": "video/mp4"}, "a video, video/mp4, not shown"),
        (
            {"type": "resource", "title": "a.zip", "resource": {"uri": "r://a", "mimeType": "application/zip", "blob": "AAAA"}},
            "a file a.zip, application/zip, not shown",
        ),
    ],
)  # fmt: skip
def test_what_a_result_holds_is_named_where_it_cannot_be_shown(block, text):
    assert neutral([asked(call()), result("call_1", ["see", block]), USER], TEXT_ONLY)[1:] == [
        result("call_1", f"see\n{text}"),
        USER,
    ]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("data:application/pdf;base64,AAAA", {**PDF, "file": {**PDF["file"], "filename": "file.pdf"}}),
        ("data:audio/wav;base64,AAAA", SOUND),
        ("data:video/mp4;base64,AAAA", {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}),
    ],
)
def test_what_stands_as_an_images_url_and_says_that_it_is_none_is_what_it_says(url, part):
    for block in (
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": url},
        {"type": "input_image", "image_url": url},
    ):
        assert neutral([{"role": "user", "content": [block]}]) == [{"role": "user", "content": [part]}]


@pytest.mark.parametrize("url", ["data:;base64,AAAA", "data:application/octet-stream;base64,AAAA", "https://x.test/i"])
def test_what_stands_as_an_images_url_and_does_not_say_what_it_is_stays_one(url):
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    assert neutral([message]) == [message]


def test_of_nothing_a_result_has_only_text():
    for content in ({"type": "text", "text": None}, [{"type": "text", "text": None}]):
        assert neutral([asked(call()), result("call_1", content)])[1]["content"] == ""
