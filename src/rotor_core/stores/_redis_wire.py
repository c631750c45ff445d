"""Values on their way to a script and back: the part of MessagePack (msgpack.org) that Redis' Lua speaks, exact to the bit.

Instants are doubles, which text would round or bloat; and a reply that is one string is parsed in one go. Text comes
back as `str`; a value that is not text does not come back at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, cast

_DOUBLE = struct.Struct(">Bd")
_SIGNED = struct.Struct(">Bq")
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_SMALL = [bytes((number,)) for number in range(128)]
_FIXED: dict[int, struct.Struct] = {
    0xCA: struct.Struct(">f"), 0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"), 0xCD: struct.Struct(">H"), 0xCE: struct.Struct(">I"), 0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"), 0xD1: struct.Struct(">h"), 0xD2: struct.Struct(">i"), 0xD3: struct.Struct(">q"),
}  # fmt: skip
_SIZES: dict[int, struct.Struct] = {
    0xC4: _FIXED[0xCC], 0xC5: _FIXED[0xCD], 0xC6: _FIXED[0xCE],
    0xD9: _FIXED[0xCC], 0xDA: _FIXED[0xCD], 0xDB: _FIXED[0xCE],
    0xDC: _FIXED[0xCD], 0xDD: _FIXED[0xCE], 0xDE: _FIXED[0xCD], 0xDF: _FIXED[0xCE],
}  # fmt: skip


def pack(value: Any) -> bytes:
    """None, booleans, numbers, text, bytes, and lists and mappings of them. Raises TypeError for anything else."""
    parts: list[bytes] = []
    _pack(value, parts.append)
    return b"".join(parts)


def _pack(value: Any, put: Callable[[bytes], None]) -> None:
    kind = cast("object", type(value))
    if kind is float:
        put(_DOUBLE.pack(0xCB, value))
    elif kind is int:
        number: int = value
        put(_SMALL[number] if 0 <= number < 128 else _SIGNED.pack(0xD3, number))
    elif kind is str:
        data = value.encode()
        put(_head(len(data), 0xA0, 32, 0xDA))
        put(data)
    elif kind is bytes:
        raw: bytes = value
        put(_head(len(raw), 0xA0, 32, 0xDA))
        put(raw)
    elif kind is list or kind is tuple:
        put(_head(len(value), 0x90, 16, 0xDC))
        for item in value:
            _pack(item, put)
    elif kind is dict:
        put(_head(len(value), 0x80, 16, 0xDE))
        for key, item in value.items():
            _pack(key, put)
            _pack(item, put)
    elif value is None or kind is bool:
        put(b"\xc0" if value is None else b"\xc3" if value else b"\xc2")
    else:
        raise TypeError(f"no {type(value).__name__} can be sent to a script")


def _head(size: int, small: int, below: int, large: int) -> bytes:
    """The head of something of `size`: one byte for few, else a byte and two or four for the size."""
    if size < below:
        return bytes((small | size,))
    if size < 65536:
        return bytes((large,)) + size.to_bytes(2, "big")
    return bytes((large + 1,)) + size.to_bytes(4, "big")


def unpack(data: bytes) -> Any:
    """The value in `data`. Raises ValueError if it is not one."""
    try:
        value, end = _unpack(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("not a packed value") from error
    if end != len(data):
        raise ValueError("not a packed value: it ends elsewhere")
    return value


def _unpack(data: bytes, i: int) -> tuple[Any, int]:  # noqa: C901, PLR0911  one case per kind
    head = data[i]
    i += 1
    if head < 0x80:
        return head, i
    if head >= 0xE0:
        return head - 256, i
    if head < 0x90:
        return _mapping(data, i, head & 15)
    if head < 0xA0:
        return _list(data, i, head & 15)
    if head < 0xC0:
        end = i + (head & 31)
        return data[i:end].decode(), end
    number = _FIXED.get(head)
    if number is not None:
        return number.unpack_from(data, i)[0], i + number.size
    if head in _CONSTANTS:
        return _CONSTANTS[head], i
    size = _SIZES.get(head)
    if size is None:
        raise IndexError(head)
    count, i = size.unpack_from(data, i)[0], i + size.size
    if head >= 0xDE:
        return _mapping(data, i, count)
    if head >= 0xDC:
        return _list(data, i, count)
    return data[i : i + count].decode(), i + count


def _list(data: bytes, i: int, count: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    for _ in range(count):
        item, i = _unpack(data, i)
        items.append(item)
    return items, i


def _mapping(data: bytes, i: int, count: int) -> tuple[dict[Any, Any], int]:
    items: dict[Any, Any] = {}
    for _ in range(count):
        key, i = _unpack(data, i)
        items[key], i = _unpack(data, i)
    return items, i
