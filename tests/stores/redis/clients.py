"""A client that listens, and what its server was asked."""

from __future__ import annotations


def listening(store):
    store._calls.listen()
    assert store._calls.ready.wait(10)
    return store


def calls_of(server, command="evalsha"):
    return server.client().info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]
