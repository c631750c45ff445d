"""From an entry of LiteLLM's `model_list` to a deployment that the engine can choose: what is known of it, and whose key it is.

Limits come from `model_info.rotor` where it names any, else from `rpm` and `tpm`; prices from there, else from
`input_cost_per_token` and `output_cost_per_token`, else from LiteLLM's own list. What a plugin or a `rotor.yaml` knows of
the same provider and model holds unless the entry says otherwise. Entries with one key are one credential, and so are
those without a key that name one account. Their ids are the deployments' ids.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import urlsplit

from rotor_core._errors import ConfigError
from rotor_core._model import Catalog, Seat
from rotor_core.catalog.load import load
from rotor_core.catalog.urls import origin
from rotor_core.hookspecs import ProviderSpec
from rotor_core.plugins import Plugins
from rotor_litellm.hidden import hidden_of
from rotor_litellm.host import litellm

ADAPTER: Final = "litellm"
POOL: Final = "entry"
_KEY: Final = ("quota", "plan")
_LIMITS: Final = ("limits", "rps", "rpm", "rpd", "tpm", "tpd")
_ACCOUNT: Final = ("aws_", "vertex_", "azure_", "watsonx_", "oci_", "anthropic_")
_ACCOUNT_TOO: Final = frozenset({
    "tenant_id", "client_id", "client_secret", "token", "region_name", "project", "project_id", "organization",
    "litellm_credential_name",
})  # fmt: skip
"""Parameters that say whose account it is where there is no key; those before, by how they begin."""
_WORLD: Final = ("ROTOR_STORE",)
"""Of the environment only this matters here: keys are LiteLLM's business."""


class Unused:
    """LiteLLM makes the calls, so there is nothing to call with."""

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


SPEC: Final = ProviderSpec(ADAPTER, adapter=cast("Any", Unused))


@dataclass(frozen=True, slots=True)
class Entry:
    """The parts of an entry that matter, its credential's among `params`. `place` is how messages name it."""

    id: str
    group: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]
    place: str

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Entry:
        """Read one. Raises ConfigError where it has no id or no model."""
        params, info = _mapping(written.get("litellm_params")), _mapping(written.get("model_info"))
        group = str(written.get("model_name") or "")
        if not info.get("id"):
            raise ConfigError(
                "has no id", key=f"model_list: {group}.model_info", expected="`id`, as LiteLLM's Router sets it"
            )
        place = f"model_list: {info['id']}"
        if not params.get("model"):
            raise ConfigError("is missing", key=f"{place}.litellm_params.model", expected="provider/model")
        stated = {name: value for name, value in params.items() if value is not None}
        return cls(str(info["id"]), group, {**credential_of(written), **stated}, info, place)


def credential_of(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the credential of LiteLLM's list says that an entry names; nothing where it names none, or none that is there."""
    name = _mapping(written.get("litellm_params")).get("litellm_credential_name")
    if not name:
        return {}
    found = (one for one in litellm.credential_list if one.credential_name == name)
    return _mapping(getattr(next(found, None), "credential_values", None))


def seat_of(entry: Entry, base: Mapping[str, Any], plugins: Plugins) -> tuple[Catalog, Seat]:
    """An entry's seat, and the catalog that it was read with: store, policy and rules are that of `base`.

    `base`: a `rotor.yaml` as a mapping. Raises ConfigError for what `model_info.rotor` says wrong.
    """
    own = _own_section(entry)
    weight = own.pop("weight", None) or entry.params.get("weight")
    priority = own.pop("priority", 1)
    key = {name: own.pop(name) for name in _KEY if own.get(name) is not None}
    model, provider, url = _whereabouts(entry, plugins)
    known = _mapping(_mapping(base.get("providers")).get(provider))
    options = {**_mapping(_mapping(known.get("models")).get(model)), **_facts(entry, own), **own}
    section: dict[str, Any] = {
        **{name: value for name, value in known.items() if name not in {"keys", "models", "adapter", "pools"}},
        "adapter": ADAPTER,
        "base_url": url,
        "keys": [{"value": _secret(entry, provider), **key}],
        "models": {model: options},
    }
    seat = {"model": f"{provider}/{model}", "priority": priority, **({"weight": weight} if weight else {})}
    document = {**base, "providers": {provider: section}, "pools": {POOL: [seat]}, "default_pool": POOL}
    try:
        catalog = load(
            document,
            environ={name: os.environ[name] for name in _WORLD if name in os.environ},
            specs={**plugins.providers, ADAPTER: SPEC},
            rankings=plugins.rankings,
            schemes=plugins.stores,
        )
    except ConfigError as error:
        raise _placed(
            error, entry, (f"providers.{provider}.models.{model}", f"providers.{provider}.keys[0]", f"pools.{POOL}[0]")
        ) from None
    found = catalog.pools[POOL].seats[0]
    credential = replace(found.deployment.credential, beside=hidden_of(entry.params))
    return catalog, replace(found, deployment=replace(found.deployment, id=entry.id, credential=credential))


def _own_section(entry: Entry) -> dict[str, Any]:
    own: Any = entry.info.get("rotor")
    if own is None:
        return {}
    if not isinstance(own, Mapping):
        raise ConfigError(
            "is no mapping",
            key=f"{entry.place}.model_info.rotor",
            value=type(own).__name__,
            expected="limits, quota, plan, price ...",
        )
    return dict(cast("Mapping[str, Any]", own))


def _facts(entry: Entry, own: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry says in LiteLLM's own words, where its `rotor` section does not say it."""
    params, info, facts = entry.params, entry.info, dict[str, Any]()
    if not any(name in own for name in _LIMITS):
        for name in ("rpm", "tpm"):
            value = params.get(name) or info.get(name)
            if isinstance(value, int | float) and value > 0:
                facts[name] = value
    listed = _mapping(litellm.model_cost.get(params["model"]))
    if "price" not in own:
        price = _price(params) or _price(info) or (_price(listed) if not own.get("plan") else None)
        if price is not None:
            facts["price"] = price
    for name, theirs in (("context", "max_input_tokens"), ("max_output", "max_output_tokens")):
        size = info.get(theirs) or listed.get(theirs)
        if isinstance(size, int) and size > 0:
            facts[name] = size
    return facts


def _price(said: Mapping[str, Any]) -> dict[str, float] | None:
    """USD per million tokens, of what LiteLLM has per token; None where it says nothing."""
    read, written = said.get("input_cost_per_token"), said.get("output_cost_per_token")
    if read is None and written is None:
        return None
    return {"input": float(read or 0) * 1e6, "output": float(written or 0) * 1e6}


def _whereabouts(entry: Entry, plugins: Plugins) -> tuple[str, str, str]:
    """The model's name, its provider's, and the URL that the key is for.

    A provider that is spoken to elsewhere than at its home is another one, by its host: its plans and prices are its own.
    """
    written, url = str(entry.params["model"]), entry.params.get("api_base")
    try:
        model, provider, _, known = litellm.get_llm_provider(
            model=written, custom_llm_provider=entry.params.get("custom_llm_provider"), api_base=url
        )
    except Exception:  # noqa: BLE001  whatever it raises for a name that it does not know, the name itself is left
        provider, _, model = written.rpartition("/")
        known = None
    provider = _plain(str(provider).replace("/", "-") or "litellm")
    provider = {"mistralai": "mistral", "together_ai": "together"}.get(provider, provider)
    spec = plugins.providers.get(provider)
    home = spec.base_url if spec else None
    place = _url(url or known)
    if place is None:
        place = home or f"http://{provider.replace('_', '-').lower()}.invalid"
    elif home is None or origin(place) != origin(home):
        host = urlsplit(place)
        provider = f"{provider}-{_plain(host.hostname or 'host')}" if url else provider
    return _plain(str(model), "-./:@_"), provider, place


def _url(given: object) -> str | None:
    """A URL without what only the call needs: the query of a version, a user."""
    if not isinstance(given, str) or not given.startswith(("http://", "https://")):
        return None
    parts = urlsplit(given)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/") if parts.hostname else None


def _plain(name: str, also: str = "-._") -> str:
    return "".join(c if c.isalnum() or c in also else "-" for c in name) or "-"


def _secret(entry: Entry, provider: str) -> str:
    """The entry's key, by which the ledger knows it; where it names none, the one that LiteLLM finds in the environment.

    Where there is none either, a digest of the account stands for it: nobody is called with it.
    """
    given = entry.params.get("api_key")
    if isinstance(given, str) and given:
        return given
    variable = f"{provider.upper().replace('-', '_')}_API_KEY"
    found = os.environ.get(variable, "").strip()
    if found:
        return found
    account = {n: v for n, v in entry.params.items() if n.startswith(_ACCOUNT) or n in _ACCOUNT_TOO}
    return sha256(json.dumps(account, sort_keys=True, default=str).encode()).hexdigest() if account else "none"


def _placed(error: ConfigError, entry: Entry, inner: tuple[str, ...]) -> ConfigError:
    """The error as the reader of `model_list` finds it."""
    key = error.key or ""
    for place in inner:
        key = key.replace(place, f"{entry.place}.model_info.rotor")
    return ConfigError(error.problem, key=key, value=error.value, expected=error.expected, suggestion=error.suggestion)


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    dump: Any = getattr(value, "model_dump", None)
    return cast("MutableMapping[str, Any]", dump(exclude_none=True)) if callable(dump) else {}
