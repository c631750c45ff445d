"""What is drawn of a snapshot, at every width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType
from tests.cli.made import AT, a_limit, a_row, a_status

from rotor_cli.tables import TINY, WIDE, explanation_table, fill_style, status_table


def drawn(what: RenderableType, width: int = 120) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(what)
    return file.getvalue()


def status_text(status: dict[str, Any], width: int = 120, **more: bool) -> str:
    return drawn(status_table(status, width=width, **more), width)


def test_a_row_says_state_limits_latency_requests_and_cost() -> None:
    row = a_row(limits=[a_limit(used=12)], requests=13, failures=1, cost_usd=0.0021)
    row["latency_ms"]["p50"] = 41.2
    text = status_text(a_status(row))
    for part in ("acme/small#1 free", "available", "12/30 req/min", "resets 30 s", "41 ms", "13 (1 failed)", "$0.0021"):
        assert part in text


def test_what_is_in_flight_counts_as_taken() -> None:
    assert "14/30 req/min" in status_text(a_status(a_row(limits=[a_limit(used=12, reserved=2.0)])))


def test_what_is_reserved_for_later_stands_beside_a_full_limit() -> None:
    assert "30/30 +2 req/min" in status_text(a_status(a_row(limits=[a_limit(used=30, reserved=2.0)])))


def test_a_part_of_a_request_is_shown_as_a_whole_one() -> None:
    assert "1/30 req/min" in status_text(a_status(a_row(limits=[a_limit(used=0.2)])))


def test_every_limit_has_a_line_of_its_own() -> None:
    limits = [a_limit(), a_limit("tokens", "day", 200_000), a_limit("concurrent", None, 4)]
    lines = status_text(a_status(a_row(limits=limits))).splitlines()
    for part in ("0/30 req/min", "0/200k tok/day", "0/4 at once"):
        assert sum(part in line for line in lines) == 1


@pytest.mark.parametrize("state", ["available", "waiting", "cooling", "open", "half_open", "invalid"])
def test_a_state_is_told_by_a_word(state: str) -> None:
    assert state.replace("_", " ") in status_text(a_status(a_row(state=state)))


def test_a_deployment_that_rests_says_for_how_long() -> None:
    assert "cooling 12 s" in status_text(a_status(a_row(state="cooling", available_at=AT + 12)))


def test_a_deployment_whose_return_is_unknown_says_only_its_state() -> None:
    assert "waiting " in status_text(a_status(a_row(state="waiting", available_at=None)))


def test_unknown_limits_are_said_to_be_unknown() -> None:
    assert "none known" in status_text(a_status(a_row(limits=[])))


@pytest.mark.parametrize("width", [40, TINY, 80, WIDE, 200])
def test_no_terminal_is_too_narrow_for_the_names_states_and_limits(width: int) -> None:
    row = a_row("groq/openai/gpt-oss-20b#1", limits=[a_limit(used=3), a_limit("tokens", "minute", 8000, 7950)])
    text = status_text(a_status(row), width)
    assert max(len(line) for line in text.splitlines()) <= width
    whole = "".join(text.split())
    for part in ("groq/openai/gpt-oss-20b#1", "available", "3/30req/min", "7,950/8,000tok/min"):
        assert part in whole


def test_a_plain_terminal_gets_plain_bars() -> None:
    text = status_text(a_status(a_row(limits=[a_limit(used=15)])), ascii_only=True)
    assert "####...." in text


def test_a_ledger_in_memory_is_said_to_be_this_process_alone() -> None:
    assert "each process by itself" in status_text(a_status(a_row()))


def test_the_password_of_a_store_is_not_shown() -> None:
    text = status_text(a_status(a_row(), store="redis://rotor:hunter22@127.0.0.1:6379/0"))
    assert "hunter22" not in text
    assert "127.0.0.1:6379" in text


def test_a_bar_is_calm_then_nearly_full_then_full() -> None:
    assert [fill_style(f) for f in (0.0, 0.69, 0.7, 0.95, 1.0)] == ["green", "green", "yellow", "red", "red"]


def verdict(name: str, word: str, rank: int | None, reason: str) -> dict[str, Any]:
    return {"deployment": name, "verdict": word, "rank": rank, "reason": reason}


def explanation(*verdicts: dict[str, Any]) -> dict[str, Any]:
    head = {"pool": "fast", "ranking": "free-first", "input_tokens": 20, "output_tokens": 1500}
    return head | {"verdicts": list(verdicts)}


def test_an_explanation_has_a_verdict_and_a_reason_for_each_candidate() -> None:
    text = drawn(
        explanation_table(
            explanation(
                verdict("a/x#1", "chosen", 1, "free, 18 left"),
                verdict("b/y#1", "ranked", 2, "$2.50/M"),
                verdict("c/z#1", "rejected", None, "needs vision"),
            )
        )
    )
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "a/x#1 chosen free, 18 left" in rows
    assert "b/y#1 ranked 2 $2.50/M" in rows
    assert "c/z#1 rejected needs vision" in rows
    assert "about 20 tokens in, 1,500 out" in text


def test_an_explanation_in_which_nobody_could_answer_says_so() -> None:
    assert "none could answer" in drawn(explanation_table(explanation(verdict("a/x#1", "rejected", None, "busy"))))
