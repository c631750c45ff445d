"""A mapping and the same as YAML come to the same catalog, whatever valid configuration it is."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core.catalog import document

NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True)
MODELS = st.from_regex(r"[a-z0-9][a-z0-9./:@_-]{0,12}[a-z0-9]", fullmatch=True)
LIMIT = st.one_of(
    st.fixed_dictionaries(
        {
            "requests": st.integers(1, 10**6),
            "per": st.sampled_from(["second", "minute", "hour", "day", "month", 90, 0.5]),
        },
        optional={"window": st.sampled_from(["bucket", "rolling", "calendar"])},
    ),
    st.fixed_dictionaries(
        {
            "tokens": st.integers(1, 10**9),
            "per": st.just("day"),
            "window": st.just("calendar"),
            "tz": st.sampled_from(["UTC", "America/Los_Angeles"]),
        },
        optional={"counts": st.sampled_from(["usage", "requested"])},
    ),
    st.fixed_dictionaries({"concurrent": st.integers(1, 99)}),
)
MODEL = st.fixed_dictionaries(
    {},
    optional={
        "context": st.integers(1, 10**7),
        "max_output": st.integers(1, 10**6),
        "capabilities": st.lists(st.sampled_from(["tools", "json_schema", "vision", "reasoning"]), unique=True),
        "category": st.sampled_from(["tiny", "small", "large", "reasoning"]),
        "price": st.fixed_dictionaries({"input": st.floats(0, 100), "output": st.integers(0, 100)}),
        "limits": st.lists(LIMIT, max_size=1),
    },
)
PROVIDER = st.fixed_dictionaries(
    {
        "adapter": st.just("openai-compatible"),
        "base_url": st.sampled_from(["http://127.0.0.1:8000/v1", "https://h.test"]),
        "keys": st.lists(NAMES, unique=True, max_size=3).map(lambda names: [{"value": f"k-{n}"} for n in names]),
        "models": st.dictionaries(MODELS, MODEL, min_size=1, max_size=3),
    },
    optional={"timeout": st.sampled_from(["500ms", "2m", 30]), "plan": st.sampled_from(["free", "pro"])},
)
SOURCES = st.fixed_dictionaries(
    {"version": st.just(1), "providers": st.dictionaries(NAMES, PROVIDER, min_size=1, max_size=3)},
    optional={"policy": st.fixed_dictionaries({"max_wait": st.sampled_from(["1s", 2, 0.5]), "paid": st.just("never")})},
)


@settings(max_examples=60, deadline=None)
@given(source=SOURCES)
def test_a_mapping_and_the_same_as_yaml_load_to_equal_catalogs(read, tmp_path_factory, source) -> None:
    path = tmp_path_factory.mktemp("same") / "rotor.yaml"
    path.write_text(yaml.safe_dump(source, sort_keys=False))
    mapped, filed = read(source).catalog, read(path).catalog
    assert mapped.digest == filed.digest
    assert list(mapped.deployments) == list(filed.deployments)
    assert mapped.policy == filed.policy
    for name, deployment in mapped.deployments.items():
        other = filed.deployments[name]
        assert (deployment.limits, deployment.price, deployment.provider.timeout) == (
            other.limits,
            other.price,
            other.provider.timeout,
        )
        assert deployment.credential.fingerprint == other.credential.fingerprint


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_document_or_one_clear_error(text) -> None:
    from rotor_core._errors import ConfigError

    try:
        found = document.parse(text, "f").data
    except ConfigError as exc:
        found = str(exc)
    assert isinstance(found, dict) or (found.startswith("f") and "\n" not in found)
