"""A `redis-server` that has just been started answers a little later."""

from __future__ import annotations

from typing import Any

from tests.waiting import until_blocking


def until_it_answers(client: Any) -> None:
    """`client`: of that server."""
    import redis

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    until_blocking(answers)
