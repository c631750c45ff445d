"""The command itself: help, version, and how every failure is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from rotor_cli import app
from rotor_cli.app import rotor
from rotor_cli.failures import CommandFailed, masked
from rotor_core import ConfigError, NoCandidates, __version__


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, args)


def one_line(text: str) -> str:
    """`text` without its newline, which is its only one."""
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text[:-1]


def test_help_lists_the_commands_in_the_order_in_which_a_newcomer_wants_them() -> None:
    result = run("--help")
    names = [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()]
    assert names == ["demo", "chat", "check", "status", "limits", "reset", "explain", "catalog", "sandbox", "config"]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "chat",
        "check",
        "status",
        "limits",
        "reset",
        "explain",
        "sandbox",
        "config init",
        "config check",
        "config schema",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: rotor {command}")


def test_no_command_at_all_is_answered_by_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: rotor")
    assert "Watch a chain rotate" in result.stderr


def test_the_commands_can_be_listed_for_completion() -> None:
    assert rotor.list_commands(click.Context(rotor)) == list(app.COMMANDS)


def test_the_console_script_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rotor", "--version"])
    with pytest.raises(SystemExit) as exit_:
        app.main()
    assert exit_.value.code == 0


def test_another_program_gets_the_status_instead_of_an_exit() -> None:
    assert rotor.main(["--version"], standalone_mode=False) == 0
    assert rotor.main(["nonesuch"], standalone_mode=False) == 2


def test_the_version_is_the_packages_own() -> None:
    assert run("--version").stdout == f"rotor {__version__}\n"


def test_help_and_version_import_neither_rich_nor_a_transport_nor_langchain() -> None:
    code = (
        "import sys; from rotor_cli.app import rotor; rotor(sys.argv[1:], standalone_mode=False);"
        "print(sorted(set(sys.modules) & {'rich', 'httpx', 'pydantic', 'yaml', 'langchain_core', 'h11', 'aiohttp'}))"
    )
    for flag in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("chatt",), "chatt"),
        (("status", "--jsn"), "--jsn"),
        (("demo", "--seconds", "soon"), "soon"),
        (("demo", "--seconds", "0"), "--seconds"),
        (("chat", "hello", "--max-tokens", "0"), "--max-tokens"),
        (("chat", "hello", "--stream", "--json"), "exclude each other"),
    ],
)
def test_a_command_written_wrongly_is_one_line_and_status_2(args: tuple[str, ...], said: str) -> None:
    result = run(*args)
    line = one_line(result.stderr)
    assert line.startswith("rotor: ")
    assert said in line
    assert "--help`" in line
    assert (result.exit_code, result.stdout) == (2, "")


def failing(error: BaseException) -> Result:
    """A run of a command that raises `error`."""

    @click.command()
    def broken() -> None:
        raise error

    group = app.Commands(commands={"broken": broken})
    return CliRunner().invoke(group, ["broken"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("unknown key", file="rotor.yaml", line=3, key="polcy", suggestion="policy"), 2),
        (NoCandidates("pool fast: nothing has room"), 1),
        (CommandFailed("rotor.yaml is there already"), 1),
        (click.ClickException("the editor would not start"), 1),
    ],
)
def test_an_error_of_ours_is_its_own_line_and_its_own_status(error: Exception, status: int) -> None:
    result = failing(error)
    assert one_line(result.stderr) == f"rotor: {error}"
    assert result.exit_code == status


def test_an_error_of_several_lines_is_told_on_one() -> None:
    assert one_line(failing(NoCandidates("nothing\n  has room")).stderr) == "rotor: nothing has room"


def test_what_nobody_expected_is_one_line_and_says_how_to_see_more() -> None:
    result = failing(ZeroDivisionError("by zero"))
    line = one_line(result.stderr)
    assert line == "rotor: unexpected ZeroDivisionError: by zero (run with ROTOR_DEBUG=1 for the traceback)"
    assert result.exit_code == 1


def test_with_rotor_debug_there_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTOR_DEBUG", "1")
    assert "Traceback (most recent call last)" in failing(ZeroDivisionError("by zero")).stderr


def test_ctrl_c_is_quiet_and_has_the_status_of_an_interrupt() -> None:
    result = failing(KeyboardInterrupt())
    assert (result.stderr.strip(), result.stdout, result.exit_code) == ("", "", 130)


def test_a_secret_in_a_strangers_error_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789")
    result = failing(RuntimeError("refused: acme-0123456789"))
    assert "acme-0123456789" not in result.stderr
    assert "refused: **********" in result.stderr


def test_only_what_is_named_as_a_secret_is_masked() -> None:
    assert masked("/home/rotor is here", {"HOME": "/home/rotor", "A_KEY": "short"}) == "/home/rotor is here"


def test_a_pipe_that_is_closed_early_is_no_error(tmp_path: Path) -> None:
    script = "rotor_cli.app"
    reader = subprocess.Popen(
        [sys.executable, "-c", f"from {script} import main; main()", "config", "schema"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert reader.stdout
    assert reader.stderr
    reader.stdout.close()
    said: Any = reader.stderr.read()
    reader.stderr.close()
    reader.wait(30)
    assert said == ""
