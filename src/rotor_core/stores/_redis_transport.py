"""Two thin ways to one Redis: a call is one script with its arguments, a reply one string. `redis` is imported when used.

The blocking client is shared by all threads; each event loop has a client of its own. A script that a server does not have
(it was restarted, or its cache was flushed) is loaded, and called again. A call is tried again once when a connection turns
out to have been closed meanwhile: every script may be called twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rotor_core._errors import ConfigError
from rotor_core.stores._redis_errors import store_error
from rotor_core.stores._redis_scripts import script

if TYPE_CHECKING:
    from rotor_core.adapters.http_pools import PerLoop

SECONDS = 2.0
"""How long a connection, or an answer, is waited for."""
AT_LAST = 15.0
"""The same on an event loop, whose timers say as much of the loop as of the server: whoever asks has a patience of its own."""
CONNECTIONS = 50
"""At once, of each client. Who finds them all in use waits for one: a round trip is short, and that is no outage."""
IN_USE = 5.0
"""Seconds that a thread waits for one of them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One round trip: a script by name, and its arguments."""

    name: str
    args: Sequence[bytes | str]


class Transport:
    """`keys`: of the namespace, in the scripts' order. `url`: for the driver. `shown`: for people."""

    def __init__(self, url: str, shown: str, keys: Sequence[str]) -> None:
        self.shown = shown
        self._url, self._keys = url, tuple(keys)
        self._lock = threading.Lock()
        self._client: Any = None
        self._loops: PerLoop[Any] | None = None
        try:
            import redis  # noqa: PLC0415  only who names a Redis needs it
        except ImportError as error:
            raise ConfigError(
                "the package `redis` is not installed; pip install 'llm-rotor[redis]'", key="store", value=shown
            ) from error
        try:
            self.client()
        except (ValueError, TypeError, redis.RedisError) as error:
            raise ConfigError(
                "not the URL of a Redis", key="store", value=shown, expected="redis://host:port/db"
            ) from error

    def client(self) -> Any:
        """The blocking client, made when first needed."""
        import redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        with self._lock:
            if self._client is None:
                retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
                kind: Any = redis.BlockingConnectionPool
                pool: Any = kind.from_url(self._url, **_OPTIONS, timeout=IN_USE, retry=retry)
                self._client = redis.Redis.from_pool(pool)
            return self._client

    def call(self, call: Call) -> bytes:
        """Raises `StoreError`."""
        from redis.exceptions import NoScriptError, RedisError  # noqa: PLC0415

        made, client = script(call.name), self._client or self.client()
        try:
            try:
                return _data(client.evalsha(made.sha, len(self._keys), *self._keys, *call.args))
            except NoScriptError:
                client.script_load(made.text)
                return _data(client.evalsha(made.sha, len(self._keys), *self._keys, *call.args))
        except (RedisError, OSError) as error:
            raise store_error(self.shown, error) from error

    async def acall(self, call: Call) -> bytes:
        """Raises `StoreError`."""
        from redis.exceptions import NoScriptError, RedisError  # noqa: PLC0415

        made, client = script(call.name), await self._on_this_loop()
        try:
            try:
                return _data(await client.evalsha(made.sha, len(self._keys), *self._keys, *call.args))
            except NoScriptError:
                await client.script_load(made.text)
                return _data(await client.evalsha(made.sha, len(self._keys), *self._keys, *call.args))
        except (RedisError, OSError) as error:
            raise store_error(self.shown, error) from error

    async def _on_this_loop(self) -> Any:
        from rotor_core.adapters.http_pools import PerLoop  # noqa: PLC0415  it imports asyncio: 8 ms

        with self._lock:
            if self._loops is None:
                self._loops = PerLoop(self, partial(_async_client, self._url), _end, _leave)
            loops = self._loops
        return await loops.get()

    def close(self) -> None:
        """Close the blocking client, and have event loops close theirs."""
        with self._lock:
            client, self._client = self._client, None
            loops = self._loops
        if client is not None:
            client.close()
        if loops is not None:
            loops.close()

    async def aclose(self) -> None:
        """Close what belongs to this event loop, and the blocking client."""
        if self._loops is not None:
            await self._loops.aclose()
        self.close()

    def start_over(self) -> None:
        """After a fork, in the child: none of the parent's connections is ours."""
        self._lock = threading.Lock()
        self._client = self._loops = None


def _async_client(url: str) -> Any:
    import redis.asyncio  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    kind: Any = redis.asyncio.BlockingConnectionPool
    # A busy loop is no outage either, so these waits are bounded by what is patient with busy loops: see `Steady`.
    options = _OPTIONS | {"socket_connect_timeout": AT_LAST, "socket_timeout": AT_LAST}
    return redis.asyncio.Redis.from_pool(kind.from_url(url, **options, timeout=None, retry=retry))


async def _end(client: Any) -> None:
    await client.aclose()


def _leave(_: Any) -> None:
    """Of a loop that is closed nothing more can be run."""


_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": SECONDS,
    "socket_timeout": SECONDS,
    "max_connections": CONNECTIONS,
}


def _data(reply: Any) -> bytes:
    if not isinstance(reply, bytes):
        raise OSError("an answer of another kind than was asked for")
    return reply
