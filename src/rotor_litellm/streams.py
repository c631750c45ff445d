"""A stream that can be begun before it is read, so that the proxy can say in its headers who answers.

LiteLLM's proxy asks for headers before it reads a stream's first piece, and LiteLLM hands a provider's stream on unread.
Who wants to know earlier begins it: capacity is waited for then, and the first piece is fetched and kept for the reader.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Self

from rotor_litellm.host import CustomLogger
from rotor_litellm.story import headers_for, told_by

_NONE: Final = object()


class Begun:
    """An asynchronous stream of LiteLLM's pieces. `story`: filled as soon as it is known who answers."""

    def __init__(self, pieces: AsyncGenerator[Any], story: Mapping[str, Any]) -> None:
        self._pieces, self.story = pieces, story
        self._first: Any = _NONE
        self._error: Exception | None = None
        self._begun = False

    async def begin(self) -> None:
        """Wait for the first piece. What goes wrong is kept for the reader."""
        if self._begun:
            return
        self._begun = True
        try:
            self._first = await anext(self._pieces)
        except Exception as error:  # noqa: BLE001  it is the reader's
            self._error = error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._begun = True
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        first, self._first = self._first, _NONE
        return await anext(self._pieces) if first is _NONE else first

    async def aclose(self) -> None:
        await self._pieces.aclose()


class ResponseHeaders(CustomLogger):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]  see `host`
    """Gives the proxy `x-rotor-*` headers for answers of the provider."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  see `host`
        self._streams: weakref.WeakValueDictionary[str, Begun] = weakref.WeakValueDictionary()

    def note(self, call_id: object, stream: Begun) -> None:
        """Let a stream be found by its call's id."""
        self._streams[str(call_id)] = stream

    async def async_post_call_response_headers_hook(
        self,
        data: Mapping[str, Any],
        user_api_key_dict: Any,  # noqa: ARG002  LiteLLM's signature
        response: Any,
        request_headers: Any = None,  # noqa: ARG002  as above
        litellm_call_info: Mapping[str, Any] | None = None,  # noqa: ARG002  as above
    ) -> dict[str, str] | None:
        story: Mapping[str, Any] | None = told_by(response, data.get("litellm_logging_obj"))
        if story is None:
            stream = self._streams.get(str(data.get("litellm_call_id")))
            if stream is None:
                return None
            await stream.begin()
            story = stream.story
        return headers_for(story) or None


HEADERS: Final = ResponseHeaders()
