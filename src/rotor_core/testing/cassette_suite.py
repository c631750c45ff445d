"""Tests that replay a provider's cassettes; for authors of plugins to subclass.

    class TestAcme(CassetteSuite):
        provider = "acme"                                     # the name of a ProviderSpec
        folder = Path(__file__).parent / "cassettes"
        model = "acme-large"                                  # who was asked
        dialect = "openai"                                    # how the sandbox imitates it; None: only the real one is recorded

`python -m rotor_core.testing.record test_file.py` records what the tests play. Inherited are one test a scenario, in an
event loop by either transport and without one, and the audit: no cassette that nobody plays, no scenario without one,
no secret, no header off the list, no foreign host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from rotor_core import plugins
from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._outcome import Answer
from rotor_core._request import Request
from rotor_core.adapters.base import Adapter
from rotor_core.hookspecs import ProviderSpec
from rotor_core.testing.cassette_scenarios import SCENARIOS, Ask, Scenario, understood, whole
from rotor_core.testing.cassettes import Cassettes

WAYS: Final = ("blocking", "aiohttp", "httpx")
"""How an exchange is made: without an event loop, or in one, by either transport."""
NOBODYS_KEY: Final = "nobodys-key"
PATIENCE: Final = 60.0
"""Seconds for one call, which only a recording ever needs."""


class CassetteSuite:
    """Subclass with the provider's name, the folder of its cassettes, and the model that is asked."""

    provider: ClassVar[str]
    folder: ClassVar[Path]
    model: ClassVar[str]
    dialect: ClassVar[str | None] = None
    hosts: ClassVar[Sequence[str]] = ()
    scenarios: ClassVar[Sequence[Scenario]] = SCENARIOS
    params: ClassVar[Mapping[str, Any]] = {}
    """Sent with every request, in OpenAI's names: what keeps a model's answers short, or its thinking off."""

    @classmethod
    def spec(cls) -> ProviderSpec:
        """The provider as its plugin describes it. Override it for one that is not installed. Raises LookupError."""
        found = plugins.installed().providers.get(cls.provider)
        if found is None:
            raise LookupError(f"no installed plugin offers the provider {cls.provider!r}: `rotor check` says what is")
        return found

    @classmethod
    def base_url(cls) -> str:
        """What the cassettes call the provider's place."""
        url = cls.spec().base_url
        assert url, f"{cls.provider} has no base URL of its own: override `base_url` with the one to record by"
        return url

    @classmethod
    def cassettes(cls) -> Cassettes:
        return Cassettes(cls.folder, hosts=cls.hosts)

    @classmethod
    def adapter(cls) -> Adapter:
        """A new one."""
        made: Adapter = plugins.resolve(cls.spec().adapter)()
        return made

    @classmethod
    def deployment(cls, base_url: str, secret: str) -> Deployment:
        provider = Provider(cls.provider, str(cls.spec().adapter), base_url)
        credential = Credential(f"{cls.provider}#1", Secret(secret), f"{cls.provider}#1", f"{cls.provider}#1")
        return Deployment(f"{cls.provider}/{cls.model}#1", provider, Model(cls.model), credential)

    @classmethod
    def orphans(cls) -> list[str]:
        """Cassettes without a scenario, and scenarios without a cassette: sentences, none when all is well."""
        there, wanted = set(cls.cassettes().names()), {scenario.name for scenario in cls.scenarios}
        return [f"{cls.cassettes().path(name)}: no test plays it" for name in sorted(there - wanted)] + [
            f"{cls.cassettes().path(name)}: is not there, record it" for name in sorted(wanted - there)
        ]

    @classmethod
    def run(cls, scenario: Scenario, base_url: str, secret: str, heard: Callable[[dict[str, Any]], object]) -> None:
        """A scenario, blocking. `heard` gets what was understood of each answer."""
        adapter, script = cls.adapter(), scenario.script()
        try:
            ask = next(script)
            while True:
                result = cls._asked(adapter, cls._who(ask, base_url, secret), ask)
                heard(understood(cls.provider, result))
                ask = script.send(result)
        except StopIteration:
            return
        finally:
            adapter.close()

    @classmethod
    async def arun(
        cls, scenario: Scenario, base_url: str, secret: str, heard: Callable[[dict[str, Any]], object]
    ) -> None:
        """A scenario, in an event loop."""
        adapter, script = cls.adapter(), scenario.script()
        try:
            ask = next(script)
            while True:
                result = await cls._aasked(adapter, cls._who(ask, base_url, secret), ask)
                heard(understood(cls.provider, result))
                try:
                    ask = script.send(result)
                except StopIteration:
                    return
        finally:
            await adapter.aclose()

    @classmethod
    def _who(cls, ask: Ask, base_url: str, secret: str) -> Deployment:
        return cls.deployment(base_url, NOBODYS_KEY if ask.wrong_key else secret)

    @classmethod
    def _asked(cls, adapter: Adapter, deployment: Deployment, ask: Ask) -> Answer | ProviderError:
        request = cls._with_params(ask)
        try:
            if ask.stream:
                return whole(adapter.stream(deployment, request, timeouts=Timeouts(PATIENCE, PATIENCE, PATIENCE)))
            return adapter.call(deployment, request, timeout=PATIENCE)
        except ProviderError as error:
            return error

    @classmethod
    async def _aasked(cls, adapter: Adapter, deployment: Deployment, ask: Ask) -> Answer | ProviderError:
        request = cls._with_params(ask)
        try:
            if ask.stream:
                stream = adapter.astream(deployment, request, timeouts=Timeouts(PATIENCE, PATIENCE, PATIENCE))
                return whole([chunk async for chunk in stream])
            return await adapter.acall(deployment, request, timeout=PATIENCE)
        except ProviderError as error:
            return error

    @classmethod
    def _with_params(cls, ask: Ask) -> Request:
        return replace(ask.request, params={**cls.params, **ask.request.params})

    # ---- the tests ------------------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each scenario of the class."""
        if "scenario" in metafunc.fixturenames:
            metafunc.parametrize("scenario", self.scenarios, ids=lambda scenario: scenario.name)

    @pytest.mark.parametrize("way", WAYS)
    def test_a_recorded_conversation_is_understood_as_it_was_then(
        self, scenario: Scenario, way: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: list[dict[str, Any]] = []
        if way != "blocking":
            monkeypatch.setenv("ROTOR_TRANSPORT", way)

        with self.cassettes().play(scenario.name) as tape:
            if way == "blocking":
                self.run(scenario, self.base_url(), "a-key", heard.append)
            else:
                asyncio.run(self.arun(scenario, self.base_url(), "a-key", heard.append))

        assert heard == tape.understood

    def test_every_cassette_is_played_and_every_scenario_is_recorded(self) -> None:
        assert self.orphans() == []

    def test_the_cassettes_hold_nothing_that_must_not_be_in_them(self) -> None:
        assert self.cassettes().problems() == []
