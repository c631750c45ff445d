"""The suite's tests of manners: several threads and loops at once, closing, giving up, and the list of models."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from rotor_core._errors import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Deployment, Secret
from rotor_core.adapters.base import Adapter
from rotor_core.sandbox.box import Sandbox
from rotor_core.testing._adapter_made import PATIENCE, Face, ask, eventually, everything_said

_TOPICS = ("rivers", "lakes", "clouds", "stones", "birds", "bridges", "lamps", "clocks")
_LONG = Timeouts(PATIENCE, PATIENCE, PATIENCE)


class Caring:
    """`make_adapter` gives a new adapter, `face` uses one."""

    if TYPE_CHECKING:
        model: ClassVar[str]

        def make_adapter(self) -> Adapter: ...
        def deployment(self, box: Sandbox, model: str | None = None, secret: str = "") -> Deployment: ...

    @pytest.fixture
    def adapter(self, known_errors: None) -> Iterator[Adapter]:  # noqa: ARG002  it is set up
        made = self.make_adapter()
        yield made
        made.close()

    def test_several_threads_get_their_own_answers(self, adapter: Adapter, where: Deployment) -> None:
        def talk(topic: str) -> tuple[str, str]:
            request = ask(f"Tell me about {topic}.")
            whole = adapter.call(where, request, timeout=PATIENCE).text
            return whole, "".join(chunk.text for chunk in adapter.stream(where, request, timeouts=_LONG))

        with ThreadPoolExecutor(len(_TOPICS)) as pool:
            told = list(pool.map(talk, _TOPICS))
        for topic, (whole, streamed) in zip(_TOPICS, told, strict=True):
            assert topic in whole
            assert streamed == whole

    def test_calls_of_one_loop_get_their_own_answers(self, adapter: Adapter, where: Deployment) -> None:
        async def all_at_once() -> list[str]:
            calls = (adapter.acall(where, ask(f"Tell me about {topic}."), timeout=PATIENCE) for topic in _TOPICS)
            answers = await asyncio.gather(*calls)
            await adapter.aclose()
            return [answer.text for answer in answers]

        for topic, text in zip(_TOPICS, asyncio.run(all_at_once()), strict=True):
            assert topic in text

    def test_several_loops_one_after_another_and_at_once(self, adapter: Adapter, where: Deployment) -> None:
        async def once() -> str:
            return (await adapter.acall(where, ask(), timeout=PATIENCE)).text

        assert asyncio.run(once()) == asyncio.run(once())
        with ThreadPoolExecutor(3) as pool:
            texts = list(pool.map(asyncio.run, [once() for _ in range(3)]))
        assert len(set(texts)) == 1

    def test_closing_twice_changes_nothing_and_a_later_call_opens_anew(self, face: Face, where: Deployment) -> None:
        face.call(where)
        for _ in range(2):
            face.adapter.close()
            face.run(face.adapter.aclose())

        assert face.call(where).text

    def test_one_that_was_never_used_can_be_closed(self) -> None:
        adapter = self.make_adapter()
        asyncio.run(adapter.aclose())
        adapter.close()

    def test_a_stream_that_is_closed_early_ends_its_exchange(
        self, adapter: Adapter, where: Deployment, box: Sandbox
    ) -> None:
        box.fault("slow", seconds=0.02)
        # A generator, whatever the contract calls it: it can be closed.
        with closing(cast("Any", adapter.stream(where, ask(), timeouts=_LONG))) as stream:
            next(stream)
        _gone(box)

    def test_an_async_stream_that_is_closed_early_ends_its_exchange(
        self, adapter: Adapter, where: Deployment, box: Sandbox
    ) -> None:
        box.fault("slow", seconds=0.02)

        async def one_chunk() -> None:
            async with aclosing(cast("Any", adapter.astream(where, ask(), timeouts=_LONG))) as stream:
                await anext(stream)
            await adapter.aclose()
            _nothing_left()

        asyncio.run(one_chunk())
        _gone(box)

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_a_call_that_is_cancelled_ends_at_once_and_leaves_nothing(
        self, adapter: Adapter, where: Deployment, box: Sandbox, *, streamed: bool
    ) -> None:
        fault = box.fault("hang")

        async def cancelled() -> None:
            work = asyncio.ensure_future(_whole(adapter, where, streamed=streamed))
            while not await asyncio.to_thread(_met, box, fault):
                assert not work.done(), "it ended before it was cancelled"
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            await asyncio.to_thread(_gone, box)  # and not only when the adapter is closed
            await adapter.aclose()
            _nothing_left()

        asyncio.run(cancelled())
        box.lift()
        assert adapter.call(where, ask(), timeout=PATIENCE).text

    def test_the_models_that_the_provider_lists_are_read(self, adapter: Adapter, where: Deployment) -> None:
        list_models = _lister(adapter)
        models = list_models(where.provider, where.credential.secret, timeout=PATIENCE)
        if models is None:
            pytest.skip("the provider lists no models")

        assert self.model in {model.name for model in models}

    def test_a_key_can_be_tried_without_a_question(self, adapter: Adapter, where: Deployment, box: Sandbox) -> None:
        list_models = _lister(adapter)
        if list_models(where.provider, where.credential.secret, timeout=PATIENCE) is None:
            pytest.skip("the provider lists no models")
        wrong = "suite-" + "wrong-abcdefghijklmnop"
        with pytest.raises(ProviderError) as caught:
            list_models(where.provider, Secret(wrong), timeout=PATIENCE)

        assert caught.value.failure.kind == "auth"
        assert wrong not in everything_said(caught.value)
        assert not [record for record in box.stats() if record["completion_tokens"]], "it was not free"


async def _whole(adapter: Adapter, where: Deployment, *, streamed: bool) -> None:
    if streamed:
        async with aclosing(cast("Any", adapter.astream(where, ask(), timeouts=_LONG))) as stream:
            async for _ in stream:
                pass
    else:
        await adapter.acall(where, ask(), timeout=PATIENCE)


def _lister(adapter: Adapter) -> Any:
    found = getattr(adapter, "list_models", None)
    if found is None:
        pytest.skip("the adapter does not list models, which is for it to choose")
    return found


def _met(box: Sandbox, fault: int) -> bool:
    return bool(box.faults()[fault]["met"])


def _gone(box: Sandbox) -> None:
    """The provider has noticed that nobody listens any more."""
    eventually(
        lambda: any(r["ended"] == "gone" for r in box.stats()), "the connection was kept open after the caller had gone"
    )


def _nothing_left() -> None:
    """No task of the event loop but the one that asks."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, f"left behind: {others}"
