"""A streamed answer in the caller's hands: an iterator of chunks that knows, at its end, who answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Self

from rotor_core._flow import Result
from rotor_core._outcome import Chunk


class _Ended:
    """What both kinds of stream know at their end."""

    def __init__(self) -> None:
        self._result: Result | None = None

    @property
    def result(self) -> Result:
        """Who answered, after what. Raises RuntimeError before the stream's end."""
        if self._result is None:
            raise RuntimeError("the stream has not ended yet")
        return self._result


class ChunkStream(_Ended):
    """Iterate for chunks. Leave early by `close` or by leaving the `with` block; capacity is given back either way."""

    def __init__(self, source: Iterator[Chunk | Result]) -> None:
        super().__init__()
        self._source = source

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Chunk:
        item = next(self._source)
        if isinstance(item, Result):
            self._result = item
            item = next(self._source)  # the source is at its end, and says so
        assert isinstance(item, Chunk)
        return item

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChunkStream(_Ended):
    """`ChunkStream` for event loops."""

    def __init__(self, source: AsyncIterator[Chunk | Result]) -> None:
        super().__init__()
        self._source = source

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        item = await anext(self._source)
        if isinstance(item, Result):
            self._result = item
            item = await anext(self._source)  # the source is at its end, and says so
        assert isinstance(item, Chunk)
        return item

    async def aclose(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
