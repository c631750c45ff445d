"""What a sandbox consists of. It is written like `rotor.yaml`, with some keys that only an imitation needs:

    providers:
      lab-groq:
        dialect: groq              # whose wire format; openai when absent
        latency: [0.05, 0.3]       # seconds, one figure or the least and the most
        output: [40, 120]          # tokens of an answer that nothing cuts short, likewise
        keys: [key-1, {value: key-2, quota: team}, {value: key-3, quota: team}, {value: key-4, revoked: true}]
        models:
          some-model: {context: 8192, limits: [{requests: 30, per: minute, window: bucket}]}

`latency` and `output` may stand under a model too. `pools`, `policy`, `rules` and the like are not looked at: they
are handed on to whoever asks the sandbox for a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from rotor_core._errors import ConfigError
from rotor_core._model import Limit, Price, Secret
from rotor_core._policy.content import items

if TYPE_CHECKING:
    from rotor_core.sandbox.dialects.base import Dialect

Range = tuple[float, float]

DEFAULT_OUTPUT: Final[Range] = (30, 80)
DEFAULT_CONTEXT: Final = 131072
_FOR_PROVIDERS: Final = frozenset({"dialect", "latency", "output"})
_FOR_MODELS: Final = frozenset({"latency", "output"})
_FOR_KEYS: Final = frozenset({"revoked"})
_NOT_HERE: Final = ("plan", "plans", "proxy", "headers", "base_url", "adapter")
_PREFIXES: Final = {"cohere": "", "gemini": "/v1beta"}
"""What a base URL ends in, by dialect, where that is not `/v1`: a vendor's own paths begin after it."""
_ADAPTERS: Final = {"cohere": "cohere", "gemini": "gemini", "mistral": "mistral"}
"""Who can speak a dialect that OpenAI's adapter cannot: a plugin, which has to be installed for the configuration to be used."""


@dataclass(frozen=True, slots=True)
class ImitatedKey:
    """An API key of the imitation. `id` is `provider#number`, as Rotor numbers them too. `quota` is what it counts on."""

    id: str
    secret: Secret
    quota: str
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class ImitatedModel:
    """A model of the imitation. `latency` in seconds, `output` in tokens, each from the least to the most."""

    name: str
    limits: tuple[Limit, ...] = ()
    context: int = DEFAULT_CONTEXT
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    price: Price | None = None
    latency: Range = (0.0, 0.0)
    output: Range = DEFAULT_OUTPUT


@dataclass(frozen=True, slots=True)
class Imitation:
    """A provider of the sandbox. No `keys`: it asks for none. `shared`: limits that all its models draw on.

    `dialect`: one of `dialects.DIALECTS`, or somebody's own `Dialect`.
    """

    name: str
    models: Mapping[str, ImitatedModel]
    keys: tuple[ImitatedKey, ...] = ()
    shared: tuple[Limit, ...] = ()
    dialect: str | Dialect = "openai"


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A whole sandbox. `written`: what it was read from, for a configuration and for a process of its own."""

    providers: Mapping[str, Imitation]
    written: Mapping[str, Any] = field(repr=False)


def read_spec(written: Mapping[str, Any]) -> SandboxSpec:
    """A sandbox from its description. Raises `ConfigError` that names the key, as for `rotor.yaml`."""
    from rotor_core.catalog.document import read  # noqa: PLC0415  pydantic comes with it, and a simulation needs none
    from rotor_core.catalog.schema import validated  # noqa: PLC0415

    plain = config_of(written, "http://127.0.0.1:1")
    root = validated(read(plain))
    providers: dict[str, Imitation] = {}
    for name, section in (root.providers or {}).items():
        own = cast("Mapping[str, Any]", written["providers"][name])
        providers[name] = _imitation(name, own, section)
    if not providers:
        raise ConfigError("a sandbox without a provider", key="providers", expected="at least one")
    return SandboxSpec(providers, written)


def config_of(written: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The description as a mapping of `rotor.yaml`, each provider at its place under `address`. Raises `ConfigError`."""
    providers: dict[str, Any] = {}
    for name, section in _mapping(written.get("providers"), "providers").items():
        providers[name] = _provider_config(name, _mapping(section, f"providers.{name}"), address)
    rest = {key: value for key, value in written.items() if key != "providers"}
    return {"version": 1, **rest, "providers": providers}


def _provider_config(name: str, section: Mapping[str, Any], address: str) -> dict[str, Any]:
    for key in _NOT_HERE:
        if key in section:
            raise ConfigError("has no meaning in a sandbox", key=f"providers.{name}.{key}")
    keys = [_key(entry, f"providers.{name}.keys[{n}]") for n, entry in enumerate(_list(section.get("keys")))]
    models = _mapping(section.get("models"), f"providers.{name}.models")
    dialect = str(section.get("dialect", "openai"))
    return {
        "adapter": _ADAPTERS.get(dialect, "openai-compatible"),
        "base_url": base_url(address, name, dialect),
        **_without(section, _FOR_PROVIDERS),
        "keys": [_without(key, _FOR_KEYS) for key in keys],
        "models": {
            model: _without(_mapping(known, f"providers.{name}.models.{model}"), _FOR_MODELS)
            for model, known in models.items()
        },
    }


def base_url(address: str, provider: str, dialect: str | Dialect = "openai") -> str:
    """What precedes the paths of a provider's API, `/chat/completions` for most, in the sandbox at `address`."""
    prefix = _PREFIXES.get(dialect, "/v1") if isinstance(dialect, str) else "/v1"
    return f"{address}/{provider}{prefix}"


def _imitation(name: str, own: Mapping[str, Any], section: Any) -> Imitation:
    from rotor_core.catalog.limits import limits_of  # noqa: PLC0415  as in `read_spec`

    models: dict[str, ImitatedModel] = {}
    for model, known in section.models.items() if section.models else ():
        about = {**_only(own, _FOR_MODELS), **_only(_mapping(own["models"][model], model), _FOR_MODELS)}
        price = known.price
        models[model] = ImitatedModel(
            model,
            limits_of(known, "sandbox") or (),
            known.context or DEFAULT_CONTEXT,
            known.max_output,
            None if known.capabilities is None else frozenset(known.capabilities),
            None if price is None else Price(price.input, price.output, price.cached),
            _range(about.get("latency"), (0.0, 0.0), f"providers.{name}.models.{model}.latency"),
            _range(about.get("output"), DEFAULT_OUTPUT, f"providers.{name}.models.{model}.output"),
        )
    dialect = own.get("dialect", "openai")
    _known_dialect(dialect, f"providers.{name}.dialect")
    return Imitation(name, models, _keys(name, own), limits_of(section, "sandbox") or (), dialect)


def _keys(provider: str, own: Mapping[str, Any]) -> tuple[ImitatedKey, ...]:
    found: list[ImitatedKey] = []
    for number, entry in enumerate(_list(own.get("keys")), 1):
        place = f"providers.{provider}.keys[{number - 1}]"
        key = _key(entry, place)
        ident = f"{provider}#{number}"
        if not key.get("value"):
            raise ConfigError("has no value", key=place, expected="`value:`; a sandbox reads no environment")
        found.append(ImitatedKey(ident, Secret(key["value"]), key.get("quota") or ident, bool(key.get("revoked"))))
    return tuple(found)


def _known_dialect(dialect: object, place: str) -> None:
    from rotor_core.catalog.problems import nearest  # noqa: PLC0415  as in `read_spec`
    from rotor_core.sandbox.dialects import DIALECTS  # noqa: PLC0415  dialects know of imitations

    if dialect not in DIALECTS:
        raise ConfigError(
            "unknown dialect",
            key=place,
            value=dialect,
            expected=" or ".join(DIALECTS),
            suggestion=nearest(dialect, DIALECTS),
        )


def _key(entry: object, place: str) -> Mapping[str, Any]:
    return {"value": entry} if isinstance(entry, str) else _mapping(entry, place)


def _range(value: object, default: Range, place: str) -> Range:
    """One figure, or the least and the most."""
    if value is None:
        return default
    pair = _list(value) or [value, value]
    numbers = [float(n) for n in pair if isinstance(n, int | float) and not isinstance(n, bool)]
    if len(numbers) != 2 or len(pair) != 2 or not 0 <= numbers[0] <= numbers[1]:
        raise ConfigError("is no range", key=place, value=value, expected="a number from 0, or the least and the most")
    return numbers[0], numbers[1]


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError("is not a mapping", key=place, value=type(value).__name__, expected="a mapping")
    return cast("Mapping[str, Any]", value)


def _list(value: object) -> list[object]:
    return list(items(value))


def _only(section: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key in keys}


def _without(section: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in keys}
