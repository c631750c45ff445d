"""`rotor chat`: the answer to standard output, how it came to standard error."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rotor_cli.app import rotor
from rotor_cli.chat import say_waits
from rotor_core import Exhausted, Rotated

pytestmark = pytest.mark.usefixtures("config_file")


def chat(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(rotor, ["chat", *args], input=stdin)


def test_the_answer_is_all_of_standard_output_and_one_line_says_who_gave_it() -> None:
    result = chat("Why is the sky blue?")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    assert result.stderr.count("\n") == 1
    parts = result.stderr.strip().split(" · ")
    assert parts[:3] == ["lab-free/small#1", "1 attempt", "waited 0.0 s"]
    assert parts[-1] == "free"


def test_a_streamed_answer_is_printed_and_accounted_for_alike() -> None:
    result = chat("Why is the sky blue?", "--stream")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    assert result.stdout.endswith("\n")
    assert result.stderr.startswith("lab-free/small#1 · 1 attempt")


def test_json_is_one_object_on_one_line_with_the_answer_and_its_story() -> None:
    result = chat("Why is the sky blue?", "--json")
    told = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert told["text"]
    assert (told["deployment"], told["provider"], told["model"]) == ("lab-free/small#1", "lab-free", "small")
    assert (told["attempts"], told["cost_usd"], told["free"]) == (1, 0.0, True)
    assert told["usage"]["input_tokens"] > 0


def test_a_pool_or_a_model_may_be_named() -> None:
    assert json.loads(chat("hello", "--json", "--pool", "lab-paid/large").stdout)["provider"] == "lab-paid"
    assert json.loads(chat("hello", "--json", "--pool", "free").stdout)["provider"] == "lab-free"


def test_what_was_paid_for_says_its_price() -> None:
    assert "$0.0" in chat("hello", "--pool", "lab-paid/large").stderr


def test_the_prompt_is_read_from_a_pipe() -> None:
    assert chat(stdin="Why is the sky blue?\n").exit_code == 0
    assert chat("-", stdin="Why is the sky blue?\n").exit_code == 0


def test_an_empty_pipe_is_no_prompt() -> None:
    result = chat("-", stdin="  \n")
    assert result.exit_code == 2
    assert result.stderr.startswith("rotor: there is no prompt")


def test_the_answer_may_be_kept_short() -> None:
    told = json.loads(chat("Tell me everything.", "--json", "--max-tokens", "5").stdout)
    assert told["usage"]["output_tokens"] <= 5


def test_a_system_message_is_sent_along() -> None:
    alone = json.loads(chat("hello", "--json").stdout)["usage"]["input_tokens"]
    led = json.loads(chat("hello", "--json", "--system", "You answer in rhyme, always.").stdout)["usage"][
        "input_tokens"
    ]
    assert led > alone


def test_an_unknown_pool_is_one_line_that_names_it_and_status_2() -> None:
    result = chat("hello", "--pool", "nonesuch")
    assert result.exit_code == 2
    assert result.stderr.startswith("rotor: ")
    assert "nonesuch" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_refusal_is_one_line_that_says_why_and_status_1() -> None:
    # Every run is an engine of its own with the same ledger in this process: three an hour, then none.
    with_ledger = [chat("hello", "--pool", "free") for _ in range(4)]
    last = with_ledger[-1]
    assert last.exit_code == 1, last.output
    assert last.stderr.count("\n") == 1
    assert "lab-free/small#1" in last.stderr


def test_a_stream_that_never_began_is_a_refusal_like_any_other() -> None:
    last = [chat("hello", "--pool", "free", "--stream") for _ in range(4)][-1]
    assert (last.exit_code, last.stdout) == (1, "")
    assert last.stderr.startswith("rotor: ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_is_told_why_nothing_happens_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    listen = say_waits()
    assert listen is not None
    for event in (
        Exhausted(5.0, "r", "main", 1, False, "no room", 7.0, {}),
        Exhausted(5.0, "r", "main", 1, False, "no slot", None, {}),
        Exhausted(5.0, "r", "main", 1, True, "refused", 9.0, {}),
        Rotated(5.0, "r", "main", 2, "b/y#1", "a/x#1", "server_error"),
    ):
        listen(event)
    assert screen.getvalue().splitlines() == [
        "no capacity yet; waiting for 2.0 s",
        "no capacity yet; waiting for a free slot",
        "a/x#1: server_error; going on with b/y#1",
    ]


def test_a_log_is_not_told_of_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert say_waits() is None


def test_no_key_is_ever_shown(nowhere: Path) -> None:
    shown = [chat("hello"), chat("hello", "--json"), chat("hello", "--pool", "nonesuch")]
    assert "lab-key" not in "".join(r.output for r in shown)
