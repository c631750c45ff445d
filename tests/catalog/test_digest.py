from __future__ import annotations

import pytest

BASE = {
    "providers": {
        "local": {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:8000/v1",
            "keys": [{"value": "k"}],
            "models": {"m": {"context": 8, "rpm": 5}, "n": {}},
        }
    }
}


def _changed(path: str, value):
    import copy

    source = copy.deepcopy(BASE)
    *parents, last = path.split("/")
    target = source
    for part in parents:
        target = target.setdefault(part, {})
    target[last] = value
    return source


def test_equal_configurations_have_equal_digests(read) -> None:
    first, second = read(BASE).catalog, read(_changed("version", 1)).catalog
    assert first.digest == second.digest
    assert len(first.digest) == 64


def test_the_same_secret_from_the_environment_is_the_same_configuration(read) -> None:
    from_env = read(_changed("providers/local/keys", [{"env": "MINE"}]), {"MINE": "k"}).catalog
    assert from_env.digest == read(BASE).catalog.digest


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("providers/local/keys", [{"value": "other"}]),
        ("providers/local/keys", [{"value": "k", "quota": "work"}]),
        ("providers/local/keys", [{"value": "k", "plan": "pro"}]),
        ("providers/local/base_url", "http://127.0.0.1:8000/v2"),
        ("providers/local/headers", {"A": "b"}),
        ("providers/local/timeout", 5),
        ("providers/local/proxy", "http://p:1"),
        ("providers/local/rpd", 5),
        ("providers/local/models/m/rpm", 6),
        ("providers/local/models/m/context", 9),
        ("providers/local/models/m/max_output", 9),
        ("providers/local/models/m/category", "tiny"),
        ("providers/local/models/m/capabilities", []),
        ("providers/local/models/m/price", {"input": 0, "output": 0}),
        ("providers/local/models/o", {}),
        ("store", "memory://x"),
        ("pools", {"p": ["local/m"]}),
        ("policy", {"max_wait": 1}),
        ("policy", {"budget": {"usd": 1}}),
        ("rules", [{"when": {"tokens_over": 1}, "require": {"context": 1}}]),
    ],
)
def test_whatever_makes_a_difference_changes_the_digest(path, value, read) -> None:
    assert read(_changed(path, value)).catalog.digest != read(BASE).catalog.digest


def test_priority_and_weight_change_the_digest(read) -> None:
    pools = [
        {"p": ["local/m"]},
        {"p": [{"model": "local/m", "priority": 2}]},
        {"p": [{"model": "local/m", "weight": 2}]},
    ]
    digests = {read(_changed("pools", pool)).catalog.digest for pool in pools}
    assert len(digests) == 3
