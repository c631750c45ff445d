"""Keys: where they are found, how they are numbered, what the ledger knows of them."""

from __future__ import annotations

import re

from rotor_core._model import Secret
from rotor_core.catalog.credentials import fingerprint, from_environment, key_variables, quota_id


def _ids(report) -> list[str]:
    return list(report.catalog.deployments)


def _credentials(report) -> list:
    return list({d.credential.id: d.credential for d in report.catalog.deployments.values()}.values())


def test_a_key_in_the_environment_is_enough(read) -> None:
    report = read(None, {"OTHER_API_KEY": "k"})
    assert _ids(report) == ["other/chat#1"]
    assert report.catalog.source == "environment"
    assert report.catalog.deployments["other/chat#1"].credential.secret.reveal() == "k"


def test_numbered_keys_up_to_99_are_found_in_order_with_gaps(read) -> None:
    environ = {
        "OTHER_API_KEY_99": "d",
        "OTHER_API_KEY_3": "c",
        "OTHER_API_KEY": "a",
        "OTHER_API_KEY_1": "b",
        "OTHER_API_KEY_100": "no",
        "OTHER_API_KEY_0": "no",
    }
    assert [c.secret.reveal() for c in _credentials(read(None, environ))] == ["a", "b", "c", "d"]
    assert _ids(read(None, environ)) == [f"other/chat#{n}" for n in (1, 2, 3, 4)]


def test_the_plugins_own_names_go_first_and_the_same_secret_is_one_key(read) -> None:
    environ = {"ACME_API_KEY": "a", "ACME_KEY": "b", "ACME_KEY_2": "a"}
    assert [c.secret.reveal() for c in _credentials(read(None, environ))] == ["b", "a"]


def test_empty_and_blank_variables_are_no_keys_and_blanks_around_one_are_cut() -> None:
    found = from_environment(["X"], {"X": "", "X_1": "  ", "X_2": " k\n"})
    assert [key.secret.reveal() for key in found] == ["k"]


def test_a_providers_variable_is_its_name_in_capitals() -> None:
    assert key_variables("local-vllm.2", ("OWN",)) == ("OWN", "LOCAL_VLLM_2_API_KEY")


def test_a_custom_provider_finds_its_keys_under_its_own_name(read, local) -> None:
    source = local()
    del source["providers"]["local"]["keys"]
    assert _ids(read(source, {"LOCAL_API_KEY_1": "k"})) == ["local/m#1"]


def test_a_provider_that_borrows_an_adapter_does_not_borrow_its_keys(refused) -> None:
    source = {"providers": {"acme-eu": {"adapter": "acme", "base_url": "https://eu.acme.test/v1"}}}
    error = refused(source, {"ACME_KEY": "k"})
    assert "ACME_EU_API_KEY" in str(error)
    assert "ACME_KEY" not in str(error)


def test_named_keys_replace_those_of_the_environment(read) -> None:
    report = read({"providers": {"other": {"keys": [{"env": "MINE"}]}}}, {"MINE": "m", "OTHER_API_KEY": "k"})
    assert [c.secret.reveal() for c in _credentials(report)] == ["m"]


def test_no_keys_needed_is_one_credential_without_a_secret(read, local) -> None:
    (credential,) = _credentials(read(local()))
    assert (credential.id, bool(credential.secret)) == ("local#1", False)


def test_a_missing_key_is_a_warning_while_another_is_left(read, written) -> None:
    text = "version: 1\nproviders:\n  other:\n    keys:\n      - env: GONE\n      - env: HERE\n"
    report = read(written(text), {"HERE": "h"})
    assert _ids(report) == ["other/chat#1"]
    (warning,) = report.warnings
    assert (warning.level, warning.line, warning.key) == ("warning", 5, "providers.other.keys[0].env")
    assert "GONE" in warning.message


def test_a_provider_without_a_key_is_a_warning_while_another_is_left(read, local) -> None:
    source = local()
    source["providers"]["other"] = {}
    report = read(source)
    assert _ids(report) == ["local/m#1"]
    assert "OTHER_API_KEY" in report.warnings[0].message
    assert "keys: []" in report.warnings[0].message


def test_with_nothing_left_the_missing_key_is_the_error(refused, written) -> None:
    error = refused(written("version: 1\nproviders: {other: }\n"))
    assert (error.line, error.key) == (2, "providers.other.keys")
    assert "OTHER_API_KEY" in str(error)


def test_without_any_key_the_error_lists_where_one_was_looked_for(refused) -> None:
    error = refused(None, {"SOMETHING": "else"})
    assert "no API key was found" in str(error)
    assert "ACME_KEY or OTHER_API_KEY" in str(error)  # the first that each provider's plugin names


def test_a_file_of_version_and_store_alone_works_with_keys_in_the_environment(read, written) -> None:
    report = read(written("version: 1\nstore: sqlite:///x.db\n"), {"OTHER_API_KEY": "k"})
    assert (report.catalog.store, _ids(report)) == ("sqlite:///x.db", ["other/chat#1"])


def test_a_host_that_brings_its_own_deployments_may_have_none(read) -> None:
    catalog = read({"store": "redis://h:1/0", "policy": {"max_wait": "2m"}}, allow_empty=True).catalog
    assert (dict(catalog.deployments), dict(catalog.pools), catalog.store, catalog.policy.max_wait) == (
        {},
        {},
        "redis://h:1/0",
        120,
    )


def test_the_same_key_in_two_configurations_is_one_credential(read, local) -> None:
    one = read(local(provider={"keys": [{"value": "k"}], "base_url": "http://h.test/v1"}))
    two = read(
        {
            "providers": {
                "renamed": {
                    **local()["providers"]["local"],
                    "keys": [{"value": "x"}, {"value": "k"}],
                    "base_url": "http://H.test:80/other",
                }
            }
        }
    )
    first, second = _credentials(one)[0], _credentials(two)[1]
    assert first.fingerprint == second.fingerprint
    assert first.quota == second.quota == first.fingerprint
    assert _credentials(two)[0].fingerprint != first.fingerprint


def test_a_key_at_another_origin_is_another_credential() -> None:
    marks = {
        fingerprint(url, Secret("k"))
        for url in ("https://a.test", "http://a.test", "https://b.test", "https://a.test:8443")
    }
    assert len(marks) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", mark) for mark in marks)


def test_keys_of_one_quota_share_their_windows_and_others_do_not(read, local) -> None:
    keys = [{"value": "a", "quota": "work"}, {"value": "b", "quota": "work"}, {"value": "c"}]
    deployments = list(read(local({"rpm": 5}, {"keys": keys})).catalog.deployments.values())
    windows = [d.limits[0].key for d in deployments]
    assert windows[0] == windows[1] != windows[2]
    assert deployments[0].credential.quota == quota_id("http://127.0.0.1:8000", "work")
    assert deployments[0].credential.fingerprint != deployments[1].credential.fingerprint


def test_no_window_and_no_repr_shows_the_secret(read, local) -> None:
    source = local(
        {"rpm": 5}, {"keys": [{"value": "hunter2hunter2", "quota": "work"}], "headers": {"X-Auth": "hunter2hunter2"}}
    )
    source["store"] = "redis://me:hunter2hunter2@h:1/0"
    report = read(source)
    assert "hunter2" not in repr(report.catalog.deployments)
    assert "hunter2" not in str([b.key for d in report.catalog.deployments.values() for b in d.limits])
    assert "hunter2" not in report.catalog.digest


def test_a_plan_stands_with_the_key_or_else_with_the_provider(read) -> None:
    source = {"providers": {"acme": {"plan": "free", "keys": [{"value": "a"}, {"value": "b", "plan": "developer"}]}}}
    assert [c.plan for c in _credentials(read(source))] == ["free", "developer"]


def test_quotas_to_be_found_are_two_until_they_are_found_to_be_one(read, local) -> None:
    keys = [{"value": "a", "quota": "auto"}, {"value": "b", "quota": "auto"}]
    held = _credentials(read(local({"rpm": 5}, {"keys": keys})))
    assert [c.quota for c in held] == [f"auto:{c.fingerprint}" for c in held]
    assert held[0].quota != held[1].quota
