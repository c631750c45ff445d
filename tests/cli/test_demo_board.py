"""The demo's live picture: told by events, drawn at any width."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, RenderableType
from tests.cli.made import AT, a_limit, a_row, a_status

from rotor_cli.demo.account import Account, Seat
from rotor_cli.demo.board import REMEMBERED, Board
from rotor_cli.demo.show import LINES_EVERY, LIVE_EVERY, audience, frame, progress_line, summary_view
from rotor_core import Answered, Exhausted, Failed, Failure, Recovered, Rotated, Selected, Usage


def selected(request: str = "r-1", deployment: str = "a#1") -> Selected:
    return Selected(AT, request, "demo", 1, deployment, "free", AT, 0.0)


def answered(request: str = "r-1", *, waited: float = 0.0, free: bool = True) -> Answered:
    return Answered(AT, request, "demo", 1, "a#1", Usage(1, 1), 0.25, None, waited, 0.0, free)


def exhausted(request: str = "r-1", *, refused: bool = False, retry_at: float | None = AT + 2) -> Exhausted:
    return Exhausted(AT, request, "demo", 1, refused, "no room", retry_at, {})


def told(*events: Any) -> Board:
    board = Board()
    for event in events:
        board.hear(event)
    return board


def test_a_call_is_under_way_from_its_choice_to_its_answer() -> None:
    assert told(selected()).calls["a#1"] == 1
    assert told(selected(), answered()).calls["a#1"] == 0


def test_a_failed_call_is_no_longer_under_way_and_is_news() -> None:
    board = told(selected(), Failed(AT, "r-1", "demo", 1, "a#1", Failure("server_error"), 0.1))
    assert board.calls["a#1"] == 0
    assert "a#1 failed: server_error" in board.news[-1]


def test_a_rotation_is_news() -> None:
    assert "b#1: timeout; on to a#1" in told(Rotated(AT, "r-1", "demo", 2, "a#1", "b#1", "timeout")).news[-1]


def test_a_request_waits_until_it_is_served() -> None:
    assert told(exhausted()).waiting == {"r-1"}
    assert told(exhausted(), selected()).waiting == set()


def test_a_refused_request_waits_no_more_and_its_reason_is_news() -> None:
    board = told(exhausted(), exhausted(refused=True))
    assert board.waiting == set()
    assert "no room" in board.news[-1]


def test_a_wait_for_a_slot_has_no_instant_and_is_no_news() -> None:
    board = told(exhausted(retry_at=None))
    assert (board.waiting, list(board.news)) == ({"r-1"}, [])


def test_an_answer_tells_its_wait_and_that_it_was_paid_for() -> None:
    assert told(answered(waited=1.2, free=False)).news[-1].endswith("a#1 answered in 250 ms after waiting 1.2 s, paid")


def test_what_is_seen_in_the_table_anyway_is_no_news() -> None:
    assert list(told(Recovered(AT, "r-1", "demo", 1, "a#1", "capacity returned", 1.0)).news) == []


def test_only_the_last_news_is_kept() -> None:
    assert len(told(*[answered() for _ in range(REMEMBERED + 3)]).news) == REMEMBERED


# -- drawn


def drawn(what: RenderableType, width: int = 120) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(what)
    return file.getvalue()


def a_scene(**more: Any) -> Any:
    row = a_row("a#1", limits=[a_limit(used=12)])
    board = told(selected(), exhausted("r-2"))
    account = Account(offered=3, seconds=[0.2], seats={"a#1": Seat(True, 1, 15, [0.2])})
    rotor = SimpleNamespace(status=lambda: a_status(row, a_row("b#1", free=False)))
    scene = {
        "rotor": rotor,
        "lasts": 30.0,
        "rate": 80.0,
        "account": account,
        "board": board,
        "elapsed": 12.0,
        "refused": 0,
    }
    return SimpleNamespace(**(scene | more))


def test_the_live_picture_says_who_answers_how_full_windows_are_and_what_came_of_it() -> None:
    text = drawn(frame(a_scene()))
    for part in ("a#1 free", "answering 1", "12/30 req/min", "b#1 paid", "12 of 30 s", "80 questions a minute"):
        assert part in text
    assert "offered 3  answered 1  free 1  paid 0  waiting 1  refused by a provider 0" in text


def test_after_the_last_question_the_picture_says_that_answers_are_awaited() -> None:
    assert "the last answers come in" in drawn(frame(a_scene(elapsed=31.0)))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_picture_fits_its_terminal_and_never_changes_its_height(width: int) -> None:
    quiet, busy = a_scene(board=Board()), a_scene(board=told(*[answered() for _ in range(9)]))
    heights = []
    for scene in (quiet, busy):
        lines = drawn(frame(scene, width), width).splitlines()
        assert max(map(len, lines)) <= width
        heights.append(len(lines))
    assert heights[0] == heights[1]


def test_a_log_gets_one_line_at_a_time() -> None:
    line = progress_line(a_scene())
    assert "\n" not in line
    assert line.split() == "12 s offered 3 answered 1 free 1 paid 0 waiting 1 refused by a provider 0".split()


def test_a_console_that_is_no_terminal_is_given_lines_now_and_then() -> None:
    file = io.StringIO()
    with audience(Console(file=file)) as lookers:
        lookers.show(lookers.picture(a_scene()))
    assert lookers.every == LINES_EVERY
    assert file.getvalue().count("\n") == 1


def test_a_terminal_is_drawn_over_several_times_a_second() -> None:
    file = io.StringIO()
    with audience(Console(file=file, force_terminal=True, width=120, _environ={"TERM": "xterm"})) as lookers:
        lookers.show(lookers.picture(a_scene()))
    assert lookers.every == LIVE_EVERY
    assert "answering 1" in file.getvalue()


def test_a_terminal_that_cannot_be_drawn_over_is_given_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with audience(console) as lookers:
        assert lookers.every == LINES_EVERY


def test_without_a_console_nobody_looks() -> None:
    with audience(None) as lookers:
        assert lookers.picture(a_scene()) is None


def test_the_summary_says_who_answered_what_was_refused_and_what_it_cost() -> None:
    account = Account(offered=2, seconds=[0.2, 0.4], waits=[0.0, 1.5], cost_usd=0.0021)
    account.seats = {"z#1": Seat(True, 1, 1500, [0.2]), "a#1": Seat(False, 1, 30, [0.4])}
    text = drawn(summary_view(account.summary(0)))
    rows = [line.split() for line in text.splitlines()]
    assert rows.index(["z#1", "1", "1", "-", "1,500", "200", "ms"]) < rows.index(
        ["a#1", "1", "-", "1", "30", "400", "ms"]
    )
    assert "2 of 2 questions answered, 0 refusals (429) counted at the providers" in text
    assert "1 on free seats, 1 paid for with $0.0021" in text
    assert "waited 1.5 s in all, at most 1.5 s" in text


def test_a_summary_so_far_says_what_was_still_under_way() -> None:
    text = drawn(summary_view(Account(offered=3, seconds=[0.2]).summary(0, interrupted=True)))
    assert "interrupted; 2 questions still under way" in text


def test_each_kind_of_disappointment_is_told_once() -> None:
    account = Account(offered=2, errors=["NoCandidates: nothing had room"] * 2)
    assert drawn(summary_view(account.summary(0))).count("NoCandidates: nothing had room") == 1
