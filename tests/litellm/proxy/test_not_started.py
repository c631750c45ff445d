"""A configuration of Rotor's that cannot be used: the proxy does not come up, and says which key is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.litellm.made import entry, free
from tests.litellm.proxy.running import config_of, started

from rotor_core.sandbox import Sandbox


def test_a_misspelt_key_of_rotor_yaml_stops_the_start_and_is_named(running: Sandbox, tmp_path: Path):
    (tmp_path / "rotor.yaml").write_text("version: 1\nstoer: memory://\n")
    config = config_of(entry(running, "one", rotor=free()))

    with pytest.raises(RuntimeError, match="stoer") as stopped, started(tmp_path, config):
        pass

    assert "`store`" in str(stopped.value) or "store" in str(stopped.value).partition("stoer")[2]
