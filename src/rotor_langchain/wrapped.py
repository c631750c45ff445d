"""`ChatRotor(models=[...])`: the user's own chat models as deployments of one pool, held to the same ledger as any other.

Each entry is a chat model, or `(model, options)`, or `{"model": model, **options}`. Options are those of a model in
`rotor.yaml` (`limits`, `rpm`, `tpm` ..., `price`, `context`, `capabilities` ...) and `quota`, `plan`, `priority`, `weight`.
What a provider's plugin knows of the model (limits of its plan, price) holds unless said otherwise. A key is the same
credential here as in a configuration.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, cast
from weakref import ref

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import SecretStr

from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Deployment, Pool, Seat, Secret
from rotor_core.catalog.document import read
from rotor_core.catalog.load import load
from rotor_core.hookspecs import ProviderSpec
from rotor_core.plugins import Plugins, installed
from rotor_core.rotor import Rotor
from rotor_langchain.wrapped_adapter import LangChainAdapter

ADAPTER: Final = "langchain"
POOL: Final = "models"
_SEAT: Final = ("priority", "weight")
_KEY: Final = ("quota", "plan")
_SPEC: Final = ProviderSpec(ADAPTER, adapter=LangChainAdapter)

_PLUGINS: Final[Mapping[str, str]] = MappingProxyType({"google_genai": "gemini", "mistralai": "mistral"})
"""Providers that LangChain and Rotor's plugins call by different names."""

_URLS: Final = ("base_url", "openai_api_base", "groq_api_base", "anthropic_api_url", "endpoint")
_NAMES: Final = ("model_name", "model", "model_id", "deployment_name")


def rotor_over(models: Sequence[Any], config: Any = None) -> Rotor:
    """An engine over chat models. `config` may hold `store`, `policy` and `rules`. Raises ConfigError."""
    if isinstance(models, str | Mapping) or not models:
        raise ConfigError("holds no chat model", key="models", expected="a list of chat models")
    base = dict(read(config).data) if config is not None else {"version": 1}
    for section in ("providers", "pools", "default_pool"):
        if section in base:
            raise ConfigError(
                f"`models` brings its own {section}", key=f"config.{section}", expected="store, policy and rules alone"
            )
    plugins = installed()
    catalog: Catalog | None = None
    seats: dict[str, Seat] = {}
    for number, entry in enumerate(models):
        catalog, seat = _seat(entry, number, base, plugins, seats)
        seats[seat.deployment.id] = seat
    assert catalog is not None
    pool = Pool(POOL, tuple(seats.values()))
    catalog = replace(
        catalog,
        deployments=MappingProxyType({name: seat.deployment for name, seat in seats.items()}),
        pools=MappingProxyType({POOL: pool}),
        default_pool=POOL,
        digest="",
        source="models",
    )
    return Rotor.from_catalog(catalog, adapters={ADAPTER: LangChainAdapter()})


def _seat(
    entry: Any, number: int, base: Mapping[str, Any], plugins: Plugins, seats: Mapping[str, Seat]
) -> tuple[Catalog, Seat]:
    """One entry's seat, and the catalog that it was read with."""
    model, options = _parts(entry, number)
    place = {name: options.pop(name) for name in _SEAT if name in options}
    key = {name: options.pop(name) for name in _KEY if name in options}
    provider, name = _provider(model), _name(model)
    options.setdefault("capabilities", _capabilities(model))
    if options["capabilities"] is None:
        del options["capabilities"]
    known = plugins.providers.get(provider)
    section: dict[str, Any] = {
        "adapter": ADAPTER,
        "keys": [{"value": _secret(model), **key}],
        "models": {name: options},
    }
    url = _base_url(model)
    if url is not None or known is None or known.base_url is None:
        section["base_url"] = url or f"http://{provider}.invalid"
    document = {
        **base,
        "providers": {provider: section},
        "pools": {POOL: [{"model": f"{provider}/{name}", **place}]},
        "default_pool": POOL,
    }
    try:
        catalog = load(
            document,
            environ={k: v for k, v in os.environ.items() if k == "ROTOR_STORE"},
            specs={**plugins.providers, ADAPTER: _SPEC},
            rankings=plugins.rankings,
            schemes=plugins.stores,
            offered=plugins.rules,
        )
    except ConfigError as error:
        inner = (f"providers.{provider}.models.{name}", f"providers.{provider}.keys[0]", f"pools.{POOL}[0]")
        raise _placed(error, number, inner) from error
    seat = catalog.pools[POOL].seats[0]
    return catalog, replace(seat, deployment=_numbered(seat.deployment, model, seats))


def _placed(error: ConfigError, number: int, inner: Sequence[str]) -> ConfigError:
    """The error as the reader of `models=[...]` finds it, whichever of the `inner` places it names."""
    key = error.key or ""
    for place in inner:
        key = key.replace(place, f"models[{number}]")
    return ConfigError(error.problem, key=key, value=error.value, expected=error.expected, suggestion=error.suggestion)


def _parts(entry: Any, number: int) -> tuple[BaseChatModel, dict[str, Any]]:
    model: Any = entry
    options: Any = {}
    if isinstance(entry, tuple):
        pair = cast("Sequence[Any]", entry)
        model, options = pair if len(pair) == 2 else (None, {})
    elif isinstance(entry, Mapping):
        options = dict(cast("Mapping[str, Any]", entry))
        model = options.pop("model", None)
    if not isinstance(model, BaseChatModel) or not isinstance(options, Mapping):
        kind = type(cast("object", model)).__name__
        raise ConfigError(
            "is no chat model",
            key=f"models[{number}]",
            value=kind,
            expected="a chat model, (model, {...}) or {'model': model, ...}",
        )
    return model, dict(cast("Mapping[str, Any]", options))


def _numbered(deployment: Deployment, model: BaseChatModel, seats: Mapping[str, Seat]) -> Deployment:
    """The deployment with its model in hand, and a number of its own among those of one name."""
    number = 1
    while f"{deployment.name}#{number}" in seats:
        number += 1
    credential = replace(deployment.credential, id=f"{deployment.provider.name}#{number}", beside=tuple(_beside(model)))
    return replace(deployment, id=f"{deployment.name}#{number}", credential=credential, handle=without_retries(model))


def _provider(model: BaseChatModel) -> str:
    name = _ls_params(model).get("ls_provider") or "langchain"
    name = "".join(c if c.isalnum() or c in ".-_" else "-" for c in str(name))
    return _PLUGINS.get(name, name)


def _name(model: BaseChatModel) -> str:
    name = _ls_params(model).get("ls_model_name")
    if not name:
        name = next((v for n in _NAMES if isinstance(v := getattr(model, n, None), str) and v), type(model).__name__)
    return "-".join(str(name).replace("#", "-").split())


def _ls_params(model: BaseChatModel) -> Mapping[str, Any]:
    params: Mapping[str, Any] = model._get_ls_params()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  how LangChain itself asks
    return params


def _secret(model: BaseChatModel) -> str:
    """The model's API key, by which the ledger knows it; where it shows none, this object stands for itself."""
    for name in type(model).model_fields:
        value: object = getattr(model, name, None)
        if isinstance(value, SecretStr) and any(word in name for word in ("key", "token")) and value.get_secret_value():
            return value.get_secret_value()
    return _name_of_object(model)


def _beside(model: BaseChatModel) -> Iterator[Secret]:
    """Whatever else the model keeps as a secret (AWS has three at a time): not to be shown either."""
    for name in type(model).model_fields:
        value: object = getattr(model, name, None)
        if isinstance(value, SecretStr):
            yield Secret(value.get_secret_value())


_OBJECTS: dict[int, tuple[ref[BaseChatModel], str]] = {}


def _name_of_object(model: BaseChatModel) -> str:
    """A name that this very object keeps, and that no later one at the same address is given."""
    at = id(model)
    known = _OBJECTS.get(at)
    if known is not None and known[0]() is model:
        return known[1]
    name = f"object-{secrets.token_hex(8)}"
    _OBJECTS[at] = (ref(model, lambda _: _OBJECTS.pop(at, None)), name)
    return name


def _base_url(model: BaseChatModel) -> str | None:
    for name in _URLS:
        value = getattr(model, name, None)
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            return value.rstrip("/")
    return None


def _capabilities(model: BaseChatModel) -> list[str] | None:
    """What the model can do, by its profile; without one, only what its class cannot is known."""
    if type(model).bind_tools is BaseChatModel.bind_tools:
        return []
    profile = model.profile
    if not profile:
        return None
    stated = (
        ("tool_calling", "tools"),
        ("structured_output", "json_schema"),
        ("image_inputs", "vision"),
        ("audio_inputs", "audio"),
        ("reasoning_output", "reasoning"),
    )
    # Profiles say nothing of JSON mode or of calls in parallel, so a model that calls tools is taken to know both.
    found = [capability for key, capability in stated if profile.get(key)]
    return [*found, "parallel_tools", "json_mode"] if "tools" in found else found


def without_retries(model: BaseChatModel) -> BaseChatModel:
    """A copy that neither retries nor caches by itself: the ledger would not know of its calls, or count what was none.

    Clients that an SDK has already made keep their own count of retries, so they are made anew, on the same connections.
    """
    update: dict[str, Any] = {"cache": False}
    if "max_retries" in type(model).model_fields:
        update["max_retries"] = 0
    copy = model.model_copy(update=update)
    for name, value in list(vars(copy).items()):
        quiet = _quiet_client(value)
        if quiet is not value:
            vars(copy)[name] = quiet
    return copy


def _quiet_client(value: Any) -> Any:
    """An SDK's client, or one of its resources, without retries; anything else as it is."""
    if callable(getattr(value, "with_options", None)) and hasattr(value, "max_retries"):
        return value.with_options(max_retries=0)
    client: Any = getattr(value, "_client", None)
    if callable(getattr(client, "with_options", None)) and hasattr(client, "max_retries"):
        return type(value)(client.with_options(max_retries=0))
    return value
