"""The keys of a catalog, each tried by a light live call that costs nothing: the list of its provider's models.

All at once, each in a thread of its own that ends with the process, so that one provider that hangs holds up nobody:
what has not answered when the time is over is unknown. A key shows its last four characters, and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from queue import Empty, Queue
from time import perf_counter
from typing import Any, Final, Literal

from rotor_cli.words import count
from rotor_core import ProviderError
from rotor_core._model import Catalog, Credential, Deployment
from rotor_core.adapters.failures import scrub, secrets_of
from rotor_core.plugins import Plugins, adapter_of

_SHOWN: Final = 4
_LONG_ENOUGH: Final = 12
"""Characters from which four of them give nothing away."""
_BAD: Final = frozenset({"auth", "billing", "permission"})
"""What the provider says where a key is at fault, and nothing else."""

Verdict = Literal["good", "bad", "unknown", "not asked"]


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key. `shown`: masked. `quota`: the first of the keys that share it. `models`: how many the provider lists for it."""

    id: str
    provider: str
    shown: str
    plan: str | None
    quota: str
    shares_with: tuple[str, ...] = ()
    same_as: tuple[str, ...] = ()
    state: Verdict = "not asked"
    reason: str = ""
    models: int | None = None
    deployment: Deployment | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without what only we need; `state` is the line's own, so the verdict is `key`."""
        found = asdict(replace(self, deployment=None))
        del found["deployment"], found["id"], found["reason"]
        found["key"] = found.pop("state")
        return {**found, "shares_with": list(self.shares_with), "same_as": list(self.same_as)}


def masked_key(secret: str) -> str:
    """`…wxyz`, or nothing of a key so short that four characters were much of it."""
    if not secret:
        return "(none needed)"
    return f"…{secret[-_SHOWN:]}" if len(secret) >= _LONG_ENOUGH else "…****"


def keys_of(catalog: Catalog) -> list[KeyState]:
    """Every credential once, with whom it shares a quota, and where the same secret stands again."""
    first: dict[str, Deployment] = {}
    for deployment in catalog.deployments.values():
        first.setdefault(deployment.credential.id, deployment)
    held = [(d, d.credential) for d in first.values()]
    quotas: dict[str, list[str]] = {}
    secrets: dict[str, list[str]] = {}
    for _, credential in held:
        quotas.setdefault(credential.quota, []).append(credential.id)
        secrets.setdefault(credential.secret.reveal(), []).append(credential.id)
    return [_key(deployment, c, quotas[c.quota], secrets[c.secret.reveal()]) for deployment, c in held]


def _key(deployment: Deployment, credential: Credential, sharing: Sequence[str], same: Sequence[str]) -> KeyState:
    return KeyState(
        credential.id,
        deployment.provider.name,
        masked_key(credential.secret.reveal()),
        credential.plan,
        f"of {sharing[0]}" if len(sharing) > 1 else "its own",
        _others(sharing, credential.id),
        _others(same, credential.id) if credential.secret else (),
        deployment=deployment,
    )


def _others(ids: Iterable[str], own: str) -> tuple[str, ...]:
    return tuple(name for name in ids if name != own)


def validated(keys: Sequence[KeyState], plugins: Plugins, timeout: float | None) -> list[KeyState]:
    """The keys with what their providers say of them, in `timeout` seconds for all; None: nobody is asked."""
    if timeout is None:
        return list(keys)
    told: Queue[tuple[int, KeyState]] = Queue()
    found = [replace(key, state="unknown", reason=f"no answer within {timeout:g} s") for key in keys]
    until = perf_counter() + timeout
    for number, key in enumerate(keys):
        # A thread that is waited for by nobody: an adapter of a stranger's may not keep to its time.
        work = threading.Thread(target=_ask, args=(number, key, plugins, timeout, told), daemon=True)
        work.start()
    for _ in keys:
        try:
            number, state = told.get(timeout=max(0.01, until - perf_counter()))
        except Empty:
            break
        found[number] = state
    return found


def _ask(number: int, key: KeyState, plugins: Plugins, timeout: float, told: Queue[tuple[int, KeyState]]) -> None:
    told.put((number, _judged(key, plugins, timeout)))


def _judged(key: KeyState, plugins: Plugins, timeout: float) -> KeyState:
    """What the provider says of one key."""
    deployment = key.deployment
    assert deployment is not None
    spec = plugins.providers.get(deployment.provider.adapter)
    if spec is None:
        return replace(key, reason=f"no plugin offers the adapter {deployment.provider.adapter!r}")
    try:
        adapter = adapter_of(spec)
    except Exception as error:  # noqa: BLE001  whatever a stranger's constructor raises
        return replace(key, state="unknown", reason=_safe(f"{type(error).__name__}: {error}", deployment))
    try:
        return _listed(key, adapter, timeout)
    except ProviderError as error:
        state: Verdict = "bad" if error.failure.kind in _BAD else "unknown"
        return replace(key, state=state, reason=_safe(f"{error.failure.kind}: {error.failure.message}", deployment))
    except Exception as error:  # noqa: BLE001  whatever a stranger's adapter raises
        return replace(key, state="unknown", reason=_safe(f"{type(error).__name__}: {error}", deployment))
    finally:
        adapter.close()


def _listed(key: KeyState, adapter: Any, timeout: float) -> KeyState:
    ask = getattr(adapter, "list_models", None)
    if ask is None:
        return replace(key, reason="its adapter has no light call to try it by")
    deployment = key.deployment
    assert deployment is not None
    models = ask(deployment.provider, deployment.credential.secret, timeout=timeout)
    if models is None:
        return replace(key, reason="the provider has no light call to try it by")
    return replace(key, state="good", reason=f"{count(len(models), 'model')} listed", models=len(models))


_LONGEST: Final = 160


def _safe(text: str, deployment: Deployment) -> str:
    """A stranger's words in one line, without the secrets of this key's provider."""
    line = " ".join(scrub(text, secrets_of(deployment)).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
