"""A command sees, in a ledger that is shared, what another process did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.cli.test_limits_and_reset import row, run

from rotor_cli.app import rotor
from rotor_core.sandbox import Sandbox

OTHER = """
from rotor_core import Rotor
from rotor_core._ledger import AS_RESERVED, Told
from rotor_core._policy.plan import scopes
with Rotor.from_config("rotor.yaml") as engine:
    engine.acquire("hi", model="lab-free/small")
    done = engine.acquire("hi", model="lab-free/small")
    told = Told("header", "requests", "day", 7, 5, resets_in=9000, text="x-ratelimit-limit-requests: 7")
    engine.store.settle(done.id, AS_RESERVED, None, [told])
    (deployment,) = engine.candidates("lab-free/small")
    engine.store.rest(scopes(deployment)[0], engine.store.now() + 600, "server_error")
"""


@pytest.fixture
def shared_file(sandbox: Sandbox, nowhere: Path) -> None:
    """A rotor.yaml with a ledger in a file, which another process has used: one call under way, one done, one rest."""
    (nowhere / "rotor.yaml").write_text(yaml.safe_dump({**sandbox.config(), "store": "sqlite:///rotor.db"}))
    subprocess.run([sys.executable, "-c", OTHER], cwd=nowhere, check=True, timeout=60)


@pytest.mark.usefixtures("shared_file")
def test_status_limits_and_reset_are_about_the_shared_ledger() -> None:
    status = json.loads(run("status", "--json").stdout)
    free = row(status, "lab-free/small#1")
    assert (status["store"], status["store_state"], free["state"]) == ("sqlite:///rotor.db", "ok", "cooling")
    hour, slots, day = free["limits"]
    assert (hour["used"], hour["reserved"], slots["reserved"]) == (1, 1, 1)
    assert (day["limit"], day["source"], day["seen_at"] is None) == (7, "header", False)

    limits = row(json.loads(run("limits", "--json").stdout), "lab-free/small#1")["limits"]
    assert "x-ratelimit-limit-requests: 7" in limits[-1]["evidence"]
    assert "limits are counted in sqlite:///rotor.db" in run("limits").stdout

    forgotten = CliRunner().invoke(rotor, ["reset", "lab-free/small"])
    assert (forgotten.exit_code, forgotten.stderr) == (0, "")
    free = row(json.loads(run("status", "--json").stdout), "lab-free/small#1")
    assert (free["state"], len(free["limits"]), free["limits"][0]["used"]) == ("available", 2, 1)
    assert run("config", "check").exit_code == 0
