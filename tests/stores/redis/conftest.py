"""A real `redis-server`, on a unix socket of its own, that saves nothing. One for the session; each test has a namespace."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.made import Hands
from tests.stores.waking import until_it_answers

redis = pytest.importorskip("redis", reason="the package `redis` is not installed")

from rotor_core.stores.redis import RedisStore  # noqa: E402


class Server:
    """A server that can be killed and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "r.sock"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("no redis-server on the PATH (Debian's package is called so)")
        command = [
            binary,
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            until_it_answers(client)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def url(self, namespace: str) -> str:
        return f"unix://{self.socket}?db=0&namespace={namespace}"

    def client(self) -> Any:
        return redis.Redis(unix_socket_path=str(self.socket))


def _server() -> Iterator[Server]:
    # A socket's path may have a hundred characters; pytest's own folders can be longer.
    folder = Path(tempfile.mkdtemp(prefix="rotor-", dir="/tmp" if os.path.isdir("/tmp") else None))
    server = None
    try:
        server = Server(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    yield from _server()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """For tests that stop it, or change how it is set."""
    yield from _server()


_names = itertools.count()

Made = Callable[..., RedisStore]


@pytest.fixture
def make(server: Server) -> Iterator[Made]:
    """Stores on one namespace of the test's own, closed after it. `at`: another server."""
    namespace = f"t{os.getpid()}-{next(_names)}"
    made: list[RedisStore] = []

    def make(at: Server | None = None, namespace: str = namespace, **options: Any) -> RedisStore:
        store = RedisStore((at or server).url(namespace), **options)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def hands() -> Hands:
    return Hands()
