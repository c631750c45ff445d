"""What every adapter is held to. The author of one subclasses `AdapterSuite` in a test module and says whose it is.

    class TestAcme(AdapterSuite):
        provider = ProviderSpec("acme", adapter=Acme)  # or "acme", the name of an installed plugin's provider
        dialect = "openai"                             # who of the sandbox imitates it: see `rotor_core.sandbox.dialects`

Each test is run through the blocking and the async face. The provider is an imitation on loopback, which is asked what
it was told and made to fail; nothing waits longer than a fifth of a second. What a provider cannot do is left out of
`capabilities`, and its tests say that they were skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._policy.classify import add_dialects
from rotor_core._policy.error_rules import dialect_of
from rotor_core.adapters.base import Adapter
from rotor_core.hookspecs import ProviderSpec
from rotor_core.plugins import installed
from rotor_core.plugins.reach import made
from rotor_core.sandbox.box import Sandbox
from rotor_core.sandbox.spec import SandboxSpec, read_spec
from rotor_core.testing._adapter_answers import Answering
from rotor_core.testing._adapter_care import Caring
from rotor_core.testing._adapter_failures import Failing
from rotor_core.testing._adapter_made import Face, Place, Way
from rotor_core.testing._adapter_tools import Calling

if TYPE_CHECKING:
    from rotor_core.sandbox.dialects.base import Dialect

SECRET = "suite-" + "secret-0123456789abcdef"
REVOKED = "suite-" + "revoked-0123456789abcdef"
ALL: frozenset[str] = frozenset(
    {
        "tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning",
        "limit_headers", "stream_limit_headers", "retry_after",
    }
)  # fmt: skip
"""What a provider may be able to do: the capabilities of models, and what it tells of its limits."""


class AdapterSuite(Answering, Calling, Failing, Caring):
    """Some thirty behaviours, each through both faces.

    `provider`: the specification, or an installed one's name. `dialect`: a dialect of the sandbox by name, or an object
    of your own (`rotor_core.sandbox.dialects.base.Dialect`); `base_path`: what its base URL ends in, where it is not
    the dialect's own. `capabilities`: what to hold it to. `model`, `thinker`: names, for an adapter that looks at them;
    `reasoning_params`: what makes `thinker` show its reasoning.
    """

    provider: ClassVar[ProviderSpec | str]
    dialect: ClassVar[str | Dialect] = "openai"
    base_path: ClassVar[str | None] = None
    capabilities: ClassVar[frozenset[str]] = ALL
    model: ClassVar[str] = "suite-model"
    thinker: ClassVar[str] = "suite-thinker"
    reasoning_params: ClassVar[Mapping[str, Any]] = {"include_reasoning": True}

    def spec(self) -> ProviderSpec:
        """The provider's specification."""
        given = getattr(self, "provider", None)
        if given is None:
            raise NotImplementedError('say whose adapter it is: provider = ProviderSpec(...), or provider = "its-name"')
        if isinstance(given, ProviderSpec):
            return given
        found = installed().providers.get(given)
        assert found is not None, f"no installed plugin offers {given!r}: `rotor check` says what is wrong"
        return found

    def make_adapter(self) -> Adapter:
        """The adapter under test, new."""
        return made(self.spec())

    # ---- what the tests are given

    @pytest.fixture
    def box(self) -> Iterator[Sandbox]:
        with Sandbox(_sandbox(self.dialect, self.model, self.thinker)) as box:
            yield box
            box.release()

    @pytest.fixture
    def place(self, box: Sandbox) -> Place:
        return Place(box, "lab")

    @pytest.fixture
    def known_errors(self) -> Iterator[None]:
        """The provider's dialect of errors, as it is known when its plugin has been read."""
        spec = self.spec()
        rules = {spec.name: dialect_of(spec.errors)} if spec.errors else {}
        add_dialects(rules)
        yield
        if not isinstance(getattr(self, "provider", ""), str):
            add_dialects({}, instead_of=tuple(rules))

    @pytest.fixture(params=["blocking", "async"])
    def face(self, request: pytest.FixtureRequest, known_errors: None) -> Iterator[Face]:  # noqa: ARG002  it is set up
        face = Face(self.make_adapter(), cast("Way", request.param))
        yield face
        face.close()

    @pytest.fixture
    def where(self, box: Sandbox) -> Deployment:
        return self.deployment(box)

    def deployment(self, box: Sandbox, model: str | None = None, secret: str = SECRET) -> Deployment:
        """A deployment of the provider as the sandbox imitates it."""
        name = self.spec().name
        url = box.url("lab") if self.base_path is None else f"{box.address}/lab{self.base_path}"
        known = Model(
            model or self.model,
            context=8192,
            max_output=4096,
            capabilities=frozenset({"tools", "parallel_tools", "json_schema", "json_mode", "vision"}),
        )
        if known.name == self.thinker:
            known = replace(known, capabilities=frozenset({"tools", "reasoning"}))
        credential = Credential(f"{name}#1", Secret(secret), "suite", "suite")
        return Deployment(f"{name}/{known.name}#1", Provider(name, name, url), known, credential)

    def needs(self, *capabilities: str) -> None:
        """Skip a test of what the provider cannot do."""
        missing = [name for name in capabilities if name not in self.capabilities]
        if missing:
            pytest.skip(f"{self.spec().name} is not held to {', '.join(missing)} here")


def _sandbox(dialect: str | Dialect, model: str, thinker: str) -> SandboxSpec:
    """One provider: a model that can do all, one that thinks, one with little room and one with few requests."""
    able = ["tools", "parallel_tools", "json_schema", "json_mode", "vision"]
    free = {"price": {"input": 0, "output": 0}, "output": [12, 24]}
    many = [{"requests": 100_000, "per": "minute"}, {"tokens": 90_000_000, "per": "minute"}]
    written: dict[str, Any] = {
        "providers": {
            "lab": {
                "dialect": dialect if isinstance(dialect, str) else "openai",
                "keys": [SECRET, {"value": REVOKED, "revoked": True}],
                "models": {
                    model: {**free, "capabilities": able, "context": 8192, "limits": many},
                    thinker: {**free, "capabilities": [*able, "reasoning"], "context": 8192, "limits": []},
                    "suite-small": {**free, "context": 48, "limits": []},
                    "suite-tight": {**free, "limits": [{"requests": 1, "per": "minute", "window": "bucket"}]},
                },
            }
        }
    }
    spec = read_spec(written)
    if isinstance(dialect, str):
        return spec
    lab = replace(spec.providers["lab"], dialect=dialect)
    return SandboxSpec({"lab": lab}, written)


__all__ = ["ALL", "REVOKED", "SECRET", "AdapterSuite"]
