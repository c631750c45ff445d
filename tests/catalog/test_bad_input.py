"""Every kind of bad configuration: one error, one line, which names file, line, key, value and what was expected."""

from __future__ import annotations

import os
import traceback

import pytest

HEAD = """\
version: 1
providers:
  local:
    adapter: openai-compatible
    base_url: http://127.0.0.1:8000/v1
    keys: []
    models:
      m:
        context: 8000
"""
MODEL = HEAD + "        limits:\n"

# name: (text, line, key, words that must stand in the message)
CASES = {
    "a version that is missing": ("store: memory://\n", None, "version", ["missing", "version: 1"]),
    "a version that is not 1": ("version: 2\n", 1, "version", ["2", "expected 1"]),
    "a misspelt key": (HEAD + "        contxt: 1\n", 10, "providers.local.models.m.contxt", ["unknown key", "'context'"]),
    "a misspelt key at the top": ("version: 1\nprovders: {}\n", 2, "provders", ["unknown key", "'providers'"]),
    "an unknown provider": ("version: 1\nproviders:\n  acne:\n    keys: []\n", 3, "providers.acne", ["unknown provider", "acme", "'acme'"]),
    "an unknown adapter": (
        HEAD.replace("openai-compatible", "openai-compatble"), 4, "providers.local.adapter",
        ["unknown adapter", "'openai-compatble'", "acme, openai-compatible or other", "'openai-compatible'"],
    ),
    "a URL without a scheme": (HEAD.replace("http://127", "127"), 5, "providers.local.base_url", ["http:// or https://", "127.0.0.1:8000/v1"]),
    "a URL without a host": (HEAD.replace("127.0.0.1:8000", ""), 5, "providers.local.base_url", ["no valid URL"]),
    "a URL with a port that is none": (HEAD.replace(":8000", ":port"), 5, "providers.local.base_url", ["no valid URL"]),
    "a URL with a password": (HEAD.replace("127", "me:hunter2@127"), 5, "providers.local.base_url", ["user or password", "**********@127"]),
    "a URL that is missing": (HEAD.replace("    base_url: http://127.0.0.1:8000/v1\n", ""), 3, "providers.local.base_url", ["missing", "LOCAL_BASE_URL"]),
    "a limit of 0": (MODEL + "          - {requests: 0, per: minute}\n", 11, "providers.local.models.m.limits[0].requests", ["above 0", "(got 0)"]),
    "a limit below 0": (MODEL + "          - {tokens: -5, per: day}\n", 11, "providers.local.models.m.limits[0].tokens", ["above 0", "(got -5)"]),
    "a shorthand of 0": (HEAD + "        rpm: 0\n", 10, "providers.local.models.m.rpm", ["above 0"]),
    "a limit that is no number": (MODEL + "          - {requests: many, per: day}\n", 11, "providers.local.models.m.limits[0].requests", ["text", "number above 0"]),
    "a limit that is not finite": (MODEL + "          - {requests: .inf, per: day}\n", 11, "providers.local.models.m.limits[0].requests", ["not finite"]),
    "an unknown time zone": (
        MODEL + "          - {requests: 5, per: day, window: calendar, tz: America/Los_Angles}\n", 11,
        "providers.local.models.m.limits[0].tz", ["no time zone", "'America/Los_Angles'", "'America/Los_Angeles'"],
    ),
    "an unknown window": (MODEL + "          - {requests: 5, per: day, window: buckets}\n", 11, "providers.local.models.m.limits[0].window", ["'buckets'", "bucket, rolling or calendar", "'bucket'"]),
    "an unknown unit": (MODEL + "          - {request: 5, per: day}\n", 11, "providers.local.models.m.limits[0].request", ["unknown key", "'requests'"]),
    "an unknown period": (MODEL + "          - {requests: 5, per: minit}\n", 11, "providers.local.models.m.limits[0].per", ["'minit'", "second, minute, hour, day, month", "'minute'"]),
    "an empty text": (HEAD.replace("    keys: []\n", "    keys: []\n    plan: ''\n"), 7, "providers.local.plan", ["is empty"]),
    "a time zone that is a number": (MODEL + "          - {requests: 5, per: day, tz: 5}\n", 11, "providers.local.models.m.limits[0].tz", ["a number", "IANA"]),
    "a period of 0 seconds": (MODEL + "          - {requests: 5, per: 0}\n", 11, "providers.local.models.m.limits[0].per", ["above 0"]),
    "a period that is missing": (MODEL + "          - {requests: 5}\n", 11, "providers.local.models.m.limits[0].per", ["missing", "minute"]),
    "a limit of two units": (MODEL + "          - {requests: 5, tokens: 5, per: day}\n", 11, "providers.local.models.m.limits[0]", ["requests and tokens", "one unit"]),
    "a limit of no unit": (MODEL + "          - {per: day}\n", 11, "providers.local.models.m.limits[0]", ["names no limit", "requests"]),
    "a period of calls in flight": (MODEL + "          - {concurrent: 5, per: day}\n", 11, "providers.local.models.m.limits[0].per", ["no period"]),
    "a window of calls in flight": (MODEL + "          - {concurrent: 5, window: bucket}\n", 11, "providers.local.models.m.limits[0].window", ["have no window"]),
    "half a call in flight": (MODEL + "          - {concurrent: 0.5}\n", 11, "providers.local.models.m.limits[0].concurrent", ["whole number"]),
    "a count of requests by usage": (MODEL + "          - {requests: 5, per: day, counts: usage}\n", 11, "providers.local.models.m.limits[0].counts", ["token limits alone"]),
    "a time zone of a bucket": (MODEL + "          - {requests: 5, per: day, window: bucket, tz: Europe/Paris}\n", 11, "providers.local.models.m.limits[0].tz", ["calendar"]),
    "a window twice": (MODEL + "          - {requests: 5, per: day}\n          - {requests: 6, per: day}\n", 12, "providers.local.models.m.limits[1]", ["same as limits[0]"]),
    "a window twice by a shorthand": (MODEL + "          - {requests: 5, per: minute}\n        rpm: 6\n", 12, "providers.local.models.m.rpm", ["same as limits[0]"]),
    "a window that qualifies nothing": (HEAD + "        window: bucket\n", 10, "providers.local.models.m.window", ["qualifies nothing", "rpm"]),
    "a negative price": (HEAD + "        price: {input: -1, output: 0}\n", 10, "providers.local.models.m.price.input", ["negative"]),
    "half a price": (HEAD + "        price: {input: 1}\n", 10, "providers.local.models.m.price.output", ["missing"]),
    "an unknown capability": (HEAD + "        capabilities: [tool]\n", 10, "providers.local.models.m.capabilities[0]", ["'tool'", "'tools'"]),
    "an unknown category": (HEAD + "        category: larg\n", 10, "providers.local.models.m.category", ["'larg'", "'large'"]),
    "a context of 0": (HEAD.replace("context: 8000", "context: 0"), 9, "providers.local.models.m.context", ["above 0"]),
    "a model's name with spaces": (HEAD.replace("      m:", "      my model:"), 8, "providers.local.models.my model", ["model's name"]),
    "a provider's name with a slash": (HEAD.replace("  local:", "  lo/cal:"), 3, "providers.lo/cal", ["provider's name"]),
    "a duration of parsecs": (HEAD + "policy: {max_wait: 3 parsecs}\n", 10, "policy.max_wait", ["'3 parsecs'", "30s"]),
    "a negative duration": (HEAD + "policy: {max_wait: -1}\n", 10, "policy.max_wait", ["duration"]),
    "a timeout of 0": (HEAD.replace("    keys: []\n", "    keys: []\n    timeout: 0s\n"), 7, "providers.local.timeout", ["above 0"]),
    "a proxy that is none": (HEAD.replace("    keys: []\n", "    keys: []\n    proxy: ftp://x\n"), 7, "providers.local.proxy", ["proxy", "http://"]),
    "an unknown ranking": (HEAD + "policy: {ranking: free-frist}\n", 10, "policy.ranking", ["unknown ranking", "'free-frist'", "'free-first'"]),
    "no attempts at all": (HEAD + "policy: {max_attempts: 0}\n", 10, "policy.max_attempts", ["above 0"]),
    "an unknown word for paid": (HEAD + "policy: {paid: nevr}\n", 10, "policy.paid", ["allowed or never", "'never'"]),
    "a budget of nothing": (HEAD + "policy: {budget: {usd: 0, per: day}}\n", 10, "policy.budget.usd", ["above 0"]),
    "an unknown kind of store": (HEAD + "store: rediss://127.0.0.1:6379\n", 10, "store", ["memory://, redis:// or sqlite://", "'redis://'"]),
    "a store that is no URL": (HEAD + "store: memory\n", 10, "store", ["no store's URL", "memory://"]),
    "a rule with an unknown condition": (HEAD + "rules:\n  - when: {tokens_above: 5}\n    prefer: {category: tiny}\n", 11, "rules[0].when.tokens_above", ["unknown key", "'tokens_over'"]),
    "a rule with an unknown effect": (HEAD + "rules:\n  - when: {tokens_over: 5}\n    forbid: {category: tiny}\n", 12, "rules[0].forbid", ["unknown key", "require or prefer"]),
    "a rule without effect": (HEAD + "rules:\n  - when: {tokens_over: 5}\n", 11, "rules[0]", ["without effect", "require"]),
    "a rule without condition": (HEAD + "rules:\n  - when: {}\n    prefer: {category: tiny}\n", 11, "rules[0].when", ["no condition", "tokens_over"]),
    "a complexity above 1": (HEAD + "rules:\n  - when: {complexity_over: 7}\n    prefer: {category: tiny}\n", 11, "rules[0].when.complexity_over", ["0 to 1"]),
    "an empty pool": (HEAD + "pools: {fast: []}\n", 10, "pools.fast", ["empty", "provider/model"]),
    "a model twice in a pool": (HEAD + "pools:\n  fast: [local/m, {model: local/m, weight: 2}]\n", 11, "pools.fast[1]", ["twice", "[0]"]),
    "an unknown model in a pool": (HEAD + "pools:\n  fast: [local/n]\n", 11, "pools.fast[0]", ["unknown model", "'local/n'", "'local/m'"]),
    "an unknown provider in a pool": (HEAD + "pools:\n  fast: [nobody/n]\n", 11, "pools.fast[0]", ["unknown model", "acme, local"]),
    "a model name in a pool that is no text": (HEAD + "pools:\n  fast: [5]\n", 11, "pools.fast[0]", ["a number", "mapping of model"]),
    "a negative priority": (HEAD + "pools:\n  fast: [{model: local/m, priority: -1}]\n", 11, "pools.fast[0].priority", ["negative", "(got -1)"]),
    "half a priority": (HEAD + "pools:\n  fast: [{model: local/m, priority: 1.5}]\n", 11, "pools.fast[0].priority", ["whole number"]),
    "a negative weight": (HEAD + "pools:\n  fast: [{model: local/m, weight: -0.5}]\n", 11, "pools.fast[0].weight", ["above 0"]),
    "a pool named auto": (HEAD + "pools:\n  auto: [local/m]\n", 11, "pools.auto", ["pool's name", "by task"]),
    "an unknown default pool": (HEAD + "default_pool: fats\npools: {fast: [local/m]}\n", 10, "default_pool", ["no such pool", "'fats'", "'fast'"]),
    "an environment variable that is not set": (HEAD.replace("keys: []", "keys: [{env: NOT_SET}]"), 6, "providers.local.keys[0].env", ["not set", "'NOT_SET'"]),
    "an environment variable that is empty": (HEAD.replace("keys: []", "keys: [{env: EMPTY}]"), 6, "providers.local.keys[0].env", ["empty", "'EMPTY'"]),
    "a key of two sources": (HEAD.replace("keys: []", "keys: [{env: A, value: b}]"), 6, "providers.local.keys[0]", ["both `env` and `value`"]),
    "a key of no source": (HEAD.replace("keys: []", "keys: [{quota: work}]"), 6, "providers.local.keys[0]", ["neither"]),
    "the same key twice": (HEAD.replace("keys: []", "keys: [{value: a}, {value: a}]"), 6, "providers.local.keys[1]", ["same key as keys[0]"]),
    "a value that YAML takes for a truth": (HEAD.replace("keys: []", "keys: [{value: yes}]"), 6, "providers.local.keys[0].value", ["true or false", "quotes"]),
    "a provider without models": (HEAD.partition("    models:")[0], 2, "providers", ["has a model to use", "models"]),
    "providers in a list": ("version: 1\nproviders: [groq]\n", 2, "providers", ["no mapping"]),
    "a provider that is a text": ("version: 1\nproviders: {groq: yes please}\n", 2, "providers.groq", ["text", "mapping of"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "key", "words"), CASES.values(), ids=[name.replace(" ", "-") for name in CASES]
)
def test_bad_input_is_one_error_that_says_where_and_what_was_expected(text, line, key, words, written, refused) -> None:
    path = written(text)
    error = refused(path, {"EMPTY": " "})
    assert (error.key, error.line, error.file) == (key, line, str(path))
    assert str(error).startswith(f"{path}:{line}: {key}: " if line else f"{path}: {key}: ")
    assert error.expected is not None or "have no window" in str(error) or "alone" in str(error)
    for word in words:
        assert word in str(error)


FILES = {
    "not YAML": ("version: 1\npools: [a, b\n", ["not valid YAML", "expected YAML"]),
    "an unknown tag": ("version: 1\nstore: !!python/object:os.system x\n", ["not valid YAML"]),
    "an empty file": ("", ["the file is empty", "version: 1"]),
    "a file of comments": ("# nothing\n---\n", ["the file is empty"]),
    "a list at the top": ("- version: 1\n", ["top level is a list", "mapping"]),
    "a text at the top": ("hello\n", ["top level is a single value"]),
    "two documents": ("version: 1\n---\nversion: 1\n", ["not valid YAML"]),
    "a key that stands twice": ("version: 1\nstore: a\nstore: b\n", [":3:", "store", "twice", "line 2"]),
    "a key that stands twice on one line": ("{version: 1, store: a, store: b}\n", ["twice"]),
    "a key that is a list": ("version: 1\n? [a, b]\n: c\n", ["a key is not text"]),
    "an alias that holds itself": ("version: 1\npools: &a {x: *a}\n", ["nested too deeply"]),
    "a date that is none": ("version: 1\nstore: 2026-13-45\n", ["not a value that YAML knows"]),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=[name.replace(" ", "-") for name in FILES])
def test_a_file_that_cannot_be_read_as_a_configuration_says_why(text, words, written, refused) -> None:
    path = written(text)
    error = refused(path)
    assert error.file == str(path)
    for word in words:
        assert word in str(error)


def test_a_file_that_is_not_text_is_refused(written, refused) -> None:
    assert "not UTF-8" in str(refused(written(b"version: 1 \xff\xfe")))


def test_a_file_that_does_not_exist_is_named(tmp_path, refused) -> None:
    error = refused(tmp_path / "nowhere.yaml")
    assert "no such file" in str(error)
    assert error.file == str(tmp_path / "nowhere.yaml")


def test_a_directory_is_not_read_as_a_file(tmp_path, refused) -> None:
    assert "cannot be read" in str(refused(tmp_path))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(written, refused) -> None:
    path = written("version: 1\n")
    path.chmod(0)
    assert "cannot be read" in str(refused(path))


def test_of_several_faults_the_first_in_the_file_is_told(written, refused) -> None:
    error = refused(written("version: 1\nstore: 5\npolicy: {paid: maybe}\nrules: {}\n"))
    assert error.line == 2


def test_a_wide_nest_of_aliases_is_refused_before_it_fills_memory(written, refused) -> None:
    lines = ["version: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "nested too deeply" in str(refused(written("\n".join(lines))))


def test_a_mapping_that_holds_itself_is_refused(refused) -> None:
    endless: dict = {}
    endless["providers"] = endless
    assert "nested too deeply" in str(refused(endless))


def test_a_mapping_has_faults_without_file_and_line(refused) -> None:
    error = refused({"policy": {"paid": "maybe"}})
    assert (error.file, error.line, error.key) == (None, None, "policy.paid")


def test_a_mapping_with_a_key_that_is_no_text_is_refused(refused) -> None:
    assert "not text but int" in str(refused({"providers": {1: {}}}))


@pytest.mark.parametrize(
    "source",
    [
        {"providers": {"local": {"keys": ["sk-abcdef1234567890"]}}},
        {"providers": {"local": {"keys": [{"vlaue": "sk-abcdef1234567890"}]}}},
        {"providers": {"local": {"keys": [{"sk-abcdef1234567890": None}]}}},
        {"providers": {"local": {"keys": [{"value": ["sk-abcdef1234567890"]}]}}},
        {"providers": {"local": {"keys": "sk-abcdef1234567890"}}},
        {"providers": {"local": {"key": "sk-abcdef1234567890"}}},
        {"providers": {"acme": {"keys": [{"env": "sk-abcdef1234567890"}]}}},
        {"providers": {"acme": {"headers": {"Authorization": ["sk-abcdef1234567890"]}}}},
        {"providers": {"acme": {"proxy": "ftp://me:sk-abcdef1234567890@host"}}},
        {"providers": {"acme": {"base_url": "ftp://me:sk-abcdef1234567890@host"}}},
        {"providers": {"acme": {"plan": 5, "keys": [{"value": "sk-abcdef1234567890"}]}}},
        {"providers": {"sk-abcdef1234567890": {"keys": []}}},
        {"store": "nowhere://me:sk-abcdef1234567890@host"},
        {"sk-abcdef1234567890": 1},
        {"default_pool": "sk-abcdef1234567890"},
    ],
)
def test_no_error_shows_a_secret(source, refused) -> None:
    error = refused(source, {"ACME_API_KEY": "k"})
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.value)
    assert "abcdef1234567890" not in told
    assert error.__context__ is None


def test_yaml_that_breaks_at_a_secret_does_not_show_it(written, refused) -> None:
    error = refused(written('version: 1\nproviders: {a: {keys: [{value: "sk-abcdef1234567890]}}\n'))
    assert "abcdef1234567890" not in "".join(traceback.format_exception(error))
