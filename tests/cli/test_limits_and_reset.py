"""`rotor limits` and `rotor reset`: what is shown is what the engine says; what is forgotten is forgotten."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console
from tests.cli.made import AT, a_limit

from rotor_cli import config as config_command
from rotor_cli.app import rotor
from rotor_cli.limits_table import limits_table
from rotor_cli.tables import status_table
from rotor_core import Rotor, StoreError, StoreSpec
from rotor_core._ledger import AS_RESERVED, Told
from rotor_core._policy.plan import scopes
from rotor_core.plugins import Plugins, installed
from rotor_core.sandbox import Sandbox

LIMIT_KEYS = {
    "key", "unit", "per", "window", "tz", "counts", "limit", "declared", "used", "reserved", "remaining", "resets_at",
    "source", "evidence", "seen_at", "age_s", "confidence", "expires_at",
}  # fmt: skip


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, args)


@pytest.fixture
def engine(sandbox: Sandbox, nowhere: Path) -> Iterator[Rotor]:
    """A program of the same configuration, in this process: so it has the same ledger in memory."""
    given = dict(sandbox.config())
    given["store"] = f"memory://{nowhere.name}"
    (nowhere / "rotor.yaml").write_text(yaml.safe_dump(given))
    with Rotor.from_config(nowhere / "rotor.yaml") as made:
        yield made


def taught(engine: Rotor) -> None:
    """`lab-free/small` was asked once, allows 7 requests a day as an answer told, and rests."""
    reservation = engine.acquire("hi", model="lab-free/small")
    told = Told("header", "requests", "day", 7, 6, resets_in=9000, text="x-ratelimit-limit-requests: 7")
    engine.store.settle(reservation.id, AS_RESERVED, None, [told])
    (deployment,) = engine.candidates("lab-free/small")
    engine.store.rest(scopes(deployment)[0], engine.store.now() + 60, "server_error")


def row(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in told["deployments"] if r["id"] == name)


def test_limits_json_says_what_binds_how_full_it_is_and_whence_it_is_known(engine: Rotor) -> None:
    taught(engine)
    result = run("limits", "lab-free/small", "--json")
    told = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert {"at", "store", "store_state", "deployments"} == set(told)
    assert [r["id"] for r in told["deployments"]] == ["lab-free/small#1"]
    limits = told["deployments"][0]["limits"]
    assert [set(limit) for limit in limits] == [LIMIT_KEYS] * 3
    declared, learned = limits[0], limits[-1]
    assert (declared["limit"], declared["used"], declared["declared"], declared["seen_at"]) == (3, 1, 3, None)
    assert (learned["unit"], learned["per"], learned["limit"], learned["declared"]) == ("requests", "day", 7, None)
    assert learned["source"] == "header"
    assert "x-ratelimit-limit-requests: 7" in learned["evidence"]
    assert learned["seen_at"] <= told["at"]
    assert learned["age_s"] >= 0
    assert learned["expires_at"] > told["at"]


def test_limits_are_those_of_a_pool_a_model_a_deployment_or_all(engine: Rotor) -> None:
    del engine
    free, paid = "lab-free/small#1", "lab-paid/large#1"
    for args, ids in (
        ((), [free, paid]),
        (("--pool", "free"), [free]),
        (("lab-paid/large",), [paid]),
        (("lab-paid/large#1",), [paid]),
    ):
        assert [r["id"] for r in json.loads(run("limits", *args, "--json").stdout)["deployments"]] == ids


def test_limits_for_people_show_a_row_for_each_limit(engine: Rotor) -> None:
    taught(engine)
    text = run("limits").stdout
    for part in (
        "lab-free/small#1", "3 req/h rolling", "4 at once", "500 req/min bucket", "7 req/day", "header 0.", "s ago",
        "x-ratelimit-limit-requests: 7", "limits are counted in each process by itself (memory store)",
    ):  # fmt: skip
        assert part in text


def test_status_says_when_a_limit_was_learned(engine: Rotor) -> None:
    taught(engine)
    limits = row(json.loads(run("status", "--json").stdout), "lab-free/small#1")["limits"]
    assert [limit["seen_at"] is None for limit in limits] == [True, True, False]
    assert limits[-1]["source"] == "header"


@pytest.mark.parametrize("command", ["limits", "reset"])
def test_a_name_that_is_nobodys_is_one_line_with_the_nearest(engine: Rotor, command: str) -> None:
    del engine
    result = run(command, "lab-fre/smal")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "no such deployment, model or pool (got 'lab-fre/smal'); did you mean 'lab-free/small'?" in result.stderr
    result = run(command, "zzz")
    assert result.exit_code == 2
    assert "expected lab-free/small#1, lab-paid/large#1" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("limits", "x", "--pool", "y"), "exclude each other"),
        (("reset",), "name a DEPLOYMENT, or use --all"),
        (("reset", "x", "--all"), "exclude each other"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(args: tuple[str, ...], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_reset_forgets_rests_and_learned_limits_and_keeps_counts(engine: Rotor) -> None:
    taught(engine)
    assert row(engine.status(), "lab-free/small#1")["state"] == "cooling"
    result = run("reset", "lab-free/small")
    assert result.stdout == "forgot the rests and learned limits of lab-free/small#1\n"
    assert "other processes have forgotten nothing" in result.stderr
    after = row(engine.status(), "lab-free/small#1")
    assert after["state"] == "available"
    assert [(limit["limit"], limit["used"]) for limit in after["limits"]] == [(3, 1), (4, 0)]


def test_reset_of_windows_forgets_counts_too(engine: Rotor) -> None:
    taught(engine)
    told = json.loads(run("reset", "--all", "--windows", "--json").stdout)
    assert told == {"reset": ["lab-free/small#1", "lab-paid/large#1"], "windows": True}
    assert row(engine.status(), "lab-free/small#1")["limits"][0]["used"] == 0
    assert "counts of 2 deployments" in run("reset", "--all", "--windows").stdout


async def test_resetting_works_from_a_loop(engine: Rotor) -> None:
    taught(engine)
    assert await engine.areset("free") == ("lab-free/small#1",)
    assert row(engine.status(), "lab-free/small#1")["state"] == "available"


# --- tables ----------------------------------------------------------------------------------------------------------


def drawn(told: dict[str, Any], width: int = 140) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(limits_table(told, width=width))
    return file.getvalue()


def a_record(**more: Any) -> dict[str, Any]:
    row = a_limit(used=12) | {"key": "q|requests", "tz": None, "counts": "usage", "declared": 30, "age_s": None}
    return row | {"confidence": 1.0, "expires_at": None, "evidence": ""} | more


def told_of(*limits: dict[str, Any], known: bool = True, **more: Any) -> dict[str, Any]:
    rows = [{"id": "acme/small#1", "quota": "q", "known": known, "limits": list(limits)}]
    return {"at": AT, "store": "redis://db:6379/0", "store_state": "ok", "deployments": rows} | more


@pytest.mark.parametrize("width", [140, 80])
def test_a_learned_limit_says_when_it_was_learned_how_sure_and_until_when(width: int) -> None:
    record = a_record(
        limit=20, source="guess", age_s=90.0, confidence=0.5, expires_at=AT + 7200, reserved=3.0, tz="UTC", remaining=5
    )
    text = " ".join(drawn(told_of(record), width).split())
    for part in (
        "20 req/min",
        "UTC",
        "(declared 30)",
        "12 +3",
        "all in 30 s",
        "guess 90 s ago, 50% sure",
        "for 2 h more",
    ):
        assert part in text


def test_a_budget_is_shown_in_money() -> None:
    budget = a_limit("usd", "day", 0.012, 0.002) | {"remaining": 0.01, "window": "calendar"}
    text = " ".join(drawn(told_of(a_record(**budget, tz="UTC", declared=0.012))).split())
    for part in ("$0.012 USD/day calendar UTC", "$0.0020", "$0.010"):
        assert part in text


@pytest.mark.parametrize("width", [140, 80])
def test_no_limits_and_none_known_are_told_apart(width: int) -> None:
    assert "none known" in drawn(told_of(known=False), width)
    assert "none" in drawn(told_of(), width)
    assert "none known" not in drawn(told_of(), width)


def test_a_store_that_is_away_is_said_under_both_tables() -> None:
    state = "local since 2026-11-21T06:00:00+00:00: connection refused"
    assert f"out of reach; {state}" in drawn(told_of(a_record(), store_state=state))
    file = io.StringIO()
    console = Console(file=file, width=140)
    console.print(status_table({"at": AT, "store": "redis://db", "store_state": state, "pools": {}, "deployments": []}))
    assert f"out of reach; {state}" in file.getvalue()


# --- a store that cannot be used -------------------------------------------------------------------------------------


class Gone:
    """A store of which the server is not there."""

    def __init__(self, url: str) -> None:
        if "missing" in url:
            raise ModuleNotFoundError("No module named 'redis'", name="redis")

    def now(self) -> float:
        return AT

    def rest(self, scope: str, until: float, reason: str) -> None:
        raise StoreError("connection refused")

    def close(self) -> None:
        """Nothing to close."""


def with_store(store: str, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, **policy: Any) -> Result:
    have = installed()
    stores = {**have.stores, "gone": StoreSpec("gone", Gone)}
    monkeypatch.setattr(config_command, "installed", lambda: Plugins(have.providers, stores, have.rankings))
    given = {**sandbox.config(), "store": store, "policy": policy}
    Path("rotor.yaml").write_text(yaml.safe_dump(given))
    return run("config", "check")


def test_a_store_out_of_reach_is_a_warning_or_an_error_as_policy_says(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    result = with_store("gone://rotor:hunter22@db/0", monkeypatch, sandbox)
    assert result.exit_code == 0
    assert "the store gone://db/0 is out of reach: connection refused; each process would go on" in result.stdout
    assert "hunter22" not in result.output
    result = with_store("gone://rotor:hunter22@db/0", monkeypatch, sandbox, on_store_error="refuse")
    assert result.exit_code == 1
    assert "every request will be refused" in result.stdout


def test_a_store_whose_package_is_missing_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    result = with_store("gone://missing", monkeypatch, sandbox)
    assert result.exit_code == 1
    assert "needs the package redis, which is not installed" in result.stdout
    assert "pip install 'llm-rotor[gone]'" in result.stdout


def test_a_ledger_in_a_file_that_is_not_there_yet_is_no_fault_and_is_not_made(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    assert with_store("sqlite:///rotor.db", monkeypatch, sandbox).exit_code == 0
    assert not Path("rotor.db").exists()
