"""Packed bodies unpacked a step at a time, so that a few bytes that swell to gigabytes fill no memory.

Gzip and deflate are what requests ask for. Whoever answers in anything else has not read the request.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

STEP: Final = 256 * 1024
"""Bytes that one step gives at most."""


class UnpackError(Exception):
    """The body is not packed as its header says."""


class Unpacker:
    """Feed it a body's pieces as they come; where nothing is packed they go through as they are."""

    __slots__ = ("_begun", "_packed", "_window")

    def __init__(self, encoding: str = "") -> None:
        """`encoding`: the content-encoding header. Raises UnpackError for one that was not asked for."""
        name = encoding.strip().lower()
        self._window = _WINDOWS.get(name)
        if self._window is None and name not in _PLAIN:
            raise UnpackError(f"in an encoding that was not asked for: {name[:40]!r}")
        self._packed = None if self._window is None else zlib.decompressobj(self._window)
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What this piece holds, none of it empty. Raises UnpackError."""
        if self._packed is None:
            if piece:
                yield piece
            return
        found = b""
        while piece or len(found) == STEP:  # all may have been taken in, but not given out yet
            if self._packed.eof:
                if self._window != _GZIP or piece[:1] != _GZIP_BEGINS:
                    return  # filling, which everyone ignores
                self._packed = zlib.decompressobj(_GZIP)  # gzip may go on with another member
            found = self._step(self._packed, piece)
            piece = self._packed.unused_data if self._packed.eof else self._packed.unconsumed_tail
            if found:
                self._begun = True
                yield found

    def _step(self, packed: Any, piece: bytes) -> bytes:
        try:
            return packed.decompress(piece, STEP)  # type: ignore[no-any-return]  # its type has no public name
        except zlib.error as error:
            if self._window != zlib.MAX_WBITS or self._begun:
                raise UnpackError(f"that cannot be unpacked: {error}") from None
        # Some servers send deflate without its header, which is the first that is looked at.
        self._window = -zlib.MAX_WBITS
        self._packed = zlib.decompressobj(self._window)
        return self._step(self._packed, piece)


_GZIP: Final = zlib.MAX_WBITS | 16
_GZIP_BEGINS: Final = b"\x1f"
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
_PLAIN: Final = frozenset({"", "identity", "none"})
