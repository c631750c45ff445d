"""One hash over everything that a configuration comes to, secrets included: equal ones are one engine in a process. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from rotor_core._model import Catalog, Deployment, Provider


def digest(catalog: Catalog) -> str:
    """64 hex digits, from which no secret can be read back. Where it was read from and its own digest do not count."""
    total = hashlib.sha256()
    for part in _parts(catalog):
        total.update(repr(part).encode("utf-8", "surrogatepass"))
        total.update(b"\n")
    return total.hexdigest()


def _parts(catalog: Catalog) -> Iterator[object]:
    yield catalog.store, catalog.default_pool, catalog.policy, catalog.rules, sorted(catalog.retired.items(), key=str)
    providers: dict[str, Provider] = {}
    for deployment in catalog.deployments.values():
        providers.setdefault(deployment.provider.name, deployment.provider)
        yield _deployment(deployment)
    for p in providers.values():
        yield p.name, p.adapter, p.base_url, sorted(p.headers.items()), p.timeout, p.proxy
    for pool in catalog.pools.values():
        yield pool.name, [(seat.deployment.id, seat.priority, seat.weight) for seat in pool.seats]


def _deployment(deployment: Deployment) -> tuple[object, ...]:
    m, c = deployment.model, deployment.credential
    capabilities = None if m.capabilities is None else sorted(m.capabilities)
    return (
        deployment.id,
        (m.name, m.context, m.max_output, capabilities, m.category, m.price, m.limits),
        (c.id, c.secret.reveal(), c.fingerprint, c.quota, c.plan),
        deployment.limits,
        deployment.price,
    )
