from __future__ import annotations

import pytest

BOTH = {"ACME_API_KEY": "a", "OTHER_API_KEY": "o"}


def _seats(report, pool):
    return [(s.deployment.id, s.priority, s.weight) for s in report.catalog.pools[pool].seats]


def test_without_pools_there_is_one_of_everything_and_those_of_plugins(read) -> None:
    report = read(None, {**BOTH, "ACME_API_KEY_1": "b"})
    assert report.catalog.default_pool == "default"
    assert sorted(report.catalog.pools) == ["default", "fast", "research"]
    assert len(report.catalog.pools["default"].seats) == 5
    assert _seats(report, "fast") == [("acme/small-7b#1", 1, 1.0), ("acme/small-7b#2", 1, 1.0)]


def test_an_entry_seats_every_key_of_its_model(read) -> None:
    pools = {"mine": ["other/chat", {"model": "acme/small-7b", "priority": 2, "weight": 0.5}]}
    report = read({"pools": pools}, {**BOTH, "ACME_API_KEY_7": "b"})
    assert report.catalog.default_pool == "mine"
    assert _seats(report, "mine") == [
        ("other/chat#1", 1, 1.0),
        ("acme/small-7b#1", 2, 0.5),
        ("acme/small-7b#2", 2, 0.5),
    ]


def test_the_first_pool_is_the_default_unless_another_is_named(read) -> None:
    pools = {"b": ["other/chat"], "a": ["acme/small-7b"]}
    assert read({"pools": pools}, BOTH).catalog.default_pool == "b"
    assert read({"pools": pools, "default_pool": "a"}, BOTH).catalog.default_pool == "a"


def test_a_plugins_pool_may_be_the_default_and_gives_way_to_the_users(read) -> None:
    assert read({"default_pool": "research"}, BOTH).catalog.default_pool == "research"
    report = read({"pools": {"fast": ["other/chat"]}}, BOTH)
    assert _seats(report, "fast") == [("other/chat#1", 1, 1.0)]
    assert "default" not in report.catalog.pools
    assert "research" in report.catalog.pools


def test_naming_providers_narrows_what_is_implicit_but_not_what_can_be_named(read, local) -> None:
    report = read(local(), BOTH)
    assert _seats(report, "default") == [("local/m#1", 1, 1.0)]
    assert list(report.catalog.pools) == ["default"]
    report = read(local(pools={"mine": ["local/m", "other/chat"]}), BOTH)
    assert [seat[0] for seat in _seats(report, "mine")] == ["local/m#1", "other/chat#1"]


def test_what_does_not_chat_has_no_seat_that_nobody_gave_it(read, local) -> None:
    models = {"m": {}, "hear": {"capabilities": ["transcription"]}, "embed": {"capabilities": ["embedding"]}}
    report = read(local(provider={"models": models}))
    assert [seat[0] for seat in _seats(report, "default")] == ["local/m#1"]
    assert len(report.catalog.deployments) == 3


def test_a_model_without_a_key_is_left_out_with_a_warning(read, written) -> None:
    text = "version: 1\npools:\n  mine:\n    - other/chat\n    - acme/small-7b\n"
    report = read(written(text), {"OTHER_API_KEY": "o"})
    assert [seat[0] for seat in _seats(report, "mine")] == ["other/chat#1"]
    (warning,) = report.warnings
    assert (warning.line, warning.key) == (5, "pools.mine[1]")
    assert "acme/small-7b is left out: acme has no key" in warning.message


def test_a_model_that_the_plan_leaves_out_says_so(read) -> None:
    source = {"providers": {"acme": {"plan": "free"}}, "pools": {"mine": ["acme/small-7b", "acme/huge-400b"]}}
    report = read(source, BOTH)
    assert "not available under the plan free" in report.warnings[0].message


def test_a_pool_without_any_key_is_dropped_with_a_warning_unless_it_is_the_default(read, refused) -> None:
    pools = {"live": ["other/chat"], "dead": ["acme/small-7b"]}
    report = read({"pools": pools}, {"OTHER_API_KEY": "o"})
    assert "dead" not in report.catalog.pools
    assert any(w.key == "pools.dead" and "left out" in w.message for w in report.warnings)
    for source in ({"pools": pools, "default_pool": "dead"}, {"pools": {"dead": pools["dead"], "live": pools["live"]}}):
        error = refused(source, {"OTHER_API_KEY": "o"})
        assert error.key == "pools.dead"
        assert "none of its models has a key" in str(error)


def test_an_unknown_model_of_a_known_provider_says_what_there_is(refused) -> None:
    error = refused({"pools": {"mine": ["acme/smal-7b"]}}, BOTH)
    assert "acme/small-7b, acme/huge-400b" in str(error)
    assert error.suggestion == "acme/small-7b"
    assert "providers.acme.models" in str(error)


@pytest.mark.parametrize("name", ["acme/nothing", "nobody/m", "no-slash"])
def test_an_unknown_model_is_refused_with_or_without_keys(name, refused) -> None:
    assert "unknown model" in str(refused({"pools": {"mine": [name]}}, {"OTHER_API_KEY": "o"}))


def test_a_models_name_may_have_slashes(read, local) -> None:
    source = local(provider={"models": {"org/sub/m": {}}}, pools={"p": ["local/org/sub/m"]})
    assert [seat[0] for seat in _seats(read(source), "p")] == ["local/org/sub/m#1"]


def test_a_named_provider_without_a_key_is_not_replaced_by_one_of_the_environment(refused) -> None:
    error = refused({"providers": {"acme": {"keys": [{"env": "GONE"}]}}}, {"OTHER_API_KEY": "o"})
    assert error.key == "providers.acme.keys[0].env"


def test_a_configuration_in_which_nothing_chats_has_no_default_pool(refused, local) -> None:
    assert "has a model to use" in str(refused(local({"capabilities": ["embedding"]})))
