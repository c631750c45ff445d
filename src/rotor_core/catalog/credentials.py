"""API keys: where they stand in the environment, and how the ledger knows them without knowing them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rotor_core._ledger import AUTO
from rotor_core._model import Credential, Secret
from rotor_core.catalog.urls import origin

HIGHEST_NUMBER: Final = 99
_NOT_ALNUM: Final = re.compile(r"[^A-Z0-9]")
_HEX_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was found. `quota`: the name that the user gave to what several keys share."""

    secret: Secret
    quota: str | None = None
    plan: str | None = None


NO_KEY_NEEDED: Final = Key(Secret(""))


def variable(provider: str, suffix: str) -> str:
    """The environment variable of a provider: `local-vllm` and `API_KEY` make `LOCAL_VLLM_API_KEY`."""
    return f"{_NOT_ALNUM.sub('_', provider.upper())}_{suffix}"


def key_variables(provider: str, others: Sequence[str]) -> tuple[str, ...]:
    """The names under which a provider's key may stand, numbered ones not listed: its plugin's, then its own."""
    return tuple(dict.fromkeys((*others, variable(provider, "API_KEY"))))


def from_environment(names: Iterable[str], environ: Mapping[str, str]) -> list[Key]:
    """Every key under one of `names`, `NAME_1` to `NAME_99` included. A secret that stands there twice is one key."""
    found: dict[str, Key] = {}
    for name in names:
        for numbered in (name, *(f"{name}_{number}" for number in range(1, HIGHEST_NUMBER + 1))):
            secret = environ.get(numbered, "").strip()
            if secret:
                found.setdefault(secret, Key(Secret(secret)))
    return list(found.values())


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HEX_DIGITS]


def fingerprint(base_url: str, secret: Secret) -> str:
    """How a ledger knows a credential: the same for the same key at the same origin, whatever configuration names it."""
    return _hashed(f"{origin(base_url)}\n{secret.reveal()}")


def quota_id(base_url: str, name: str) -> str:
    """How a ledger knows a quota that several keys share."""
    return _hashed(f"{origin(base_url)}|{name}")


def credentials(provider: str, base_url: str, keys: Iterable[Key], plan: str | None) -> tuple[Credential, ...]:
    """The credentials of a provider, numbered from 1. `plan`: of the keys that have none of their own.

    A credential without a named quota is a quota of its own; so is one with `auto`, until it is found to share one.
    """
    found: list[Credential] = []
    for number, key in enumerate(keys, 1):
        mark = fingerprint(base_url, key.secret)
        quota = f"{AUTO}{mark}" if key.quota == "auto" else quota_id(base_url, key.quota) if key.quota else mark
        found.append(Credential(f"{provider}#{number}", key.secret, mark, quota, key.plan or plan))
    return tuple(found)
