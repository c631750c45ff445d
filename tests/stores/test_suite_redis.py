"""The ledger in Redis, on a real server, two stores on one namespace: held to what every store is held to."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.stores.waking import until_it_answers

redis = pytest.importorskip("redis", reason="the package `redis` is not installed")
pytest.importorskip("rotor_core.stores.redis", reason="there is no RedisStore")

from rotor_core.stores.redis import RedisStore
from rotor_core.testing import StoreSuite
from rotor_core.testing.machine import GUARDS, LEASE


@pytest.fixture(scope="module")
def socket():
    """A server of this module's own, that saves nothing. A socket's path must be short."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server on the PATH (Debian's package is called so)")
    with tempfile.TemporaryDirectory(prefix="rotor-", dir="/tmp") as folder:
        path = Path(folder) / "s"
        server = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with redis.Redis(unix_socket_path=str(path)) as client:
                until_it_answers(client)
            yield path
        finally:
            server.kill()
            server.wait()


class TestRedisStore(StoreSuite):
    shared = True
    examples = 25
    steps = 30

    @pytest.fixture(autouse=True)
    def at(self, socket):
        self.socket = socket

    def open_store(self, clock, place, tmp_path):
        url = f"unix://{self.socket}?db=0&namespace={place}"
        return RedisStore(url, clock=clock, guard=GUARDS.delay, edge=GUARDS.edge, lease=LEASE)
