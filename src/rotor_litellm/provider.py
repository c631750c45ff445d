"""The provider's door: `custom_provider_map: [{provider: rotor, custom_handler: rotor_litellm.provider.rotor}]`.

`model: rotor/fast` is then a model like any other, from any of LiteLLM's clients. `fast` is a pool of `rotor.yaml`; `auto`
lets the task choose the pool; `provider/model` pins one. Rotor makes the calls itself: it waits, fails over, also within
a stream's beginning, and LiteLLM sees one call that was answered.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final, cast

from rotor_core._errors import RotorError
from rotor_core._events import Event, Selected
from rotor_core.catalog.sources import given_source
from rotor_core.rotor import Rotor, Source
from rotor_litellm.answers import Pieces, answered, who
from rotor_litellm.asked import options_for, request_of
from rotor_litellm.errors import bad_request, for_litellm
from rotor_litellm.host import CustomLLM, register
from rotor_litellm.known import make_known
from rotor_litellm.streams import HEADERS, Begun


class RotorProvider(CustomLLM):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]  see `host`
    """`config`: a `rotor.yaml`, as a path or a mapping; None: wherever one is found. Raises TypeError for what is neither.

    The engine is made by the first call.
    """

    def __init__(self, config: Source = None) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  see `host`
        self._config, self._engine = given_source(config), cast("Rotor | None", None)
        self._lock = threading.Lock()

    @property
    def engine(self) -> Rotor:
        """To listen to, and to look at. Raises ConfigError where there is no configuration, and no key."""
        with self._lock:
            if self._engine is None:
                self._engine = Rotor.from_config(self._config)
                make_known(self._engine.catalog)
            return self._engine

    def close(self) -> None:
        """Let go of the engine; a later call makes another one."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def completion(self, **given: Any) -> Any:
        with _told_as_theirs(str(given["model"])):
            result = self.engine.chat(request_of(given), **options_for(given))
        return answered(given["model_response"], result, given.get("logging_obj"))

    async def acompletion(self, **given: Any) -> Any:
        _serve_headers()
        with _told_as_theirs(str(given["model"])):
            result = await self.engine.achat(request_of(given), **options_for(given))
        return answered(given["model_response"], result, given.get("logging_obj"))

    def streaming(self, **given: Any) -> Iterator[Any]:
        """Begun before it is returned: what goes wrong before the first piece is an error of the call, as with any provider."""
        pieces = self._pieces(given)
        return chain([next(pieces)], pieces)

    def astreaming(self, **given: Any) -> Begun:
        """Not begun before it is read: LiteLLM asks for it in a thread, where nothing can be awaited."""
        _serve_headers()
        story: dict[str, Any] = {}
        stream = Begun(self._apieces(given, story), story)
        HEADERS.note(getattr(given.get("logging_obj"), "litellm_call_id", None), stream)
        return stream

    def _pieces(self, given: Mapping[str, Any]) -> Generator[Any]:
        story: dict[str, Any] = {}
        pieces = Pieces(str(given["model"]), story)
        with _told_as_theirs(str(given["model"])):
            engine, options = self.engine, options_for(given)
            with engine.stream(request_of(given), listen=_teller(engine, story), **options) as chunks:
                for chunk in chunks:
                    yield from pieces.of(chunk)
                yield from pieces.last(chunks.result)

    async def _apieces(self, given: Mapping[str, Any], story: dict[str, Any]) -> AsyncGenerator[Any]:
        pieces = Pieces(str(given["model"]), story)
        with _told_as_theirs(str(given["model"])):
            engine, options = self.engine, options_for(given)
            async with engine.astream(request_of(given), listen=_teller(engine, story), **options) as chunks:
                async for chunk in chunks:
                    for piece in pieces.of(chunk):
                        yield piece
                for piece in pieces.last(chunks.result):
                    yield piece

    def embedding(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "embeddings")

    async def aembedding(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "embeddings")

    def image_generation(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "images")

    async def aimage_generation(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "images")

    def image_edit(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "images")

    async def aimage_edit(self, *_: Any, **given: Any) -> Any:
        raise _only_chat(given, "images")


rotor: Final = RotorProvider()


def _serve_headers() -> None:
    """Let a proxy ask for them. Said at each call, as it may take callbacks away when its configuration is read again."""
    if "litellm.proxy.proxy_server" in sys.modules:
        register(HEADERS)


def _teller(engine: Rotor, story: dict[str, Any]) -> Any:
    """A listener that keeps a stream's story up to date: who was chosen last is who answers."""

    def hear(event: Event) -> None:
        if isinstance(event, Selected):
            story.update(
                who(engine.catalog.deployments[event.deployment]),
                attempts=event.attempt,
                waited_s=round(event.waited, 3),
                decision=event.reason,
            )

    return hear


@contextmanager
def _told_as_theirs(model: str) -> Generator[None]:
    try:
        yield
    except RotorError as error:
        raise for_litellm(error, model) from error


def _only_chat(given: Mapping[str, Any], what: str) -> Exception:
    return bad_request(
        f"rotor/... answers chats, completions, responses and messages, no {what}; for those put the deployments into "
        "a litellm.Router and let Rotor choose among them: rotor_litellm.install(router)",
        str(given.get("model")),
    )
