import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core.adapters.sse import EventParser, EventTooLargeError, ServerSentEvent


def parse(*pieces: bytes) -> list[tuple[str, bytes]]:
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [tuple(event) for event in (*events, *parser.end())]


def test_an_event_ends_at_the_empty_line():
    parser = EventParser()
    assert parser.feed(b"data: one\n") == []
    assert parser.feed(b"\n") == [ServerSentEvent("", b"one")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_lf_crlf_or_cr(end):
    assert parse(b"event: tick" + end + b"data: 1" + end + end + b"data: 2" + end + end) == [("tick", b"1"), ("", b"2")]


def test_a_crlf_cut_in_two_is_one_line_end():
    assert parse(b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n") == [("", b"a\nb")]


def test_comments_and_unknown_fields_are_no_events():
    assert parse(b": OPENROUTER PROCESSING\n\nid: 7\nretry: 10\n\ndata: x\n\n") == [("", b"x")]


def test_several_data_lines_are_joined_and_one_leading_space_is_dropped():
    assert parse(b"data:a\ndata:  b\ndata\n\n") == [("", b"a\n b\n")]


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_first_line():
    assert parse(b"\xef\xbb", b"\xbfdata: x\n\n") == [("", b"x")]


def test_the_name_of_an_event_without_data_does_not_stick_to_the_next():
    assert parse(b"event: ping\n\ndata: x\n\n") == [("", b"x")]


def test_an_event_whose_empty_line_is_missing_is_given_at_the_end():
    assert parse(b"data: one\n\ndata: [DONE]") == [("", b"one"), ("", b"[DONE]")]


@pytest.mark.parametrize("piece", [b"x" * 64, b"data: " + b"x" * 30 + b"\n"])
def test_an_event_that_never_ends_is_refused_before_it_fills_the_memory(piece):
    parser = EventParser(max_event=1000)

    def feed_on() -> None:
        for _ in range(100):
            parser.feed(piece)

    with pytest.raises(EventTooLargeError, match="1000 bytes"):
        feed_on()


LINES = st.sampled_from(
    [
        b"data: x",
        b"data:",
        b"data: \xc3\xa9",
        b": c",
        b"event: e",
        b"",
        b"junk",
        b"data: a:b",
        b"\xef\xbb\xbfdata: y",
        b"id: 1",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(lines=st.lists(st.tuples(LINES, ENDS), max_size=20), cuts=st.lists(st.integers(0, 200), max_size=30))
def test_the_events_are_the_same_however_the_bytes_are_cut(lines, cuts):
    whole = b"".join(line + end for line, end in lines)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in zip(places, places[1:], strict=False)]
    assert parse(*pieces) == parse(whole)
    assert parse(*(whole[i : i + 1] for i in range(len(whole)))) == parse(whole)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_upset_the_parser(data, cut):
    assert parse(data[:cut], data[cut:]) == parse(data)
