"""Profile D1 of deterministic CBOR (RFC 8949 section 4.2): one value has exactly one encoding.

Allowed: integers of 64 bits, byte strings, UTF-8 text without control characters except line feed, arrays, maps with
unsigned integer keys in ascending order, true, false, null; at most 8 levels deep. No floats, tags, indefinite lengths,
longer heads than needed, keys twice. Reader and writer are written out here, item by item: a reader that takes nothing
else needs no second encoding to compare with, and the bytes of a part are at hand where a hash over it is wanted.
"""

from __future__ import annotations

import re
from typing import Any, Final

from app.errors import ChainBroken

MAX_DEPTH: Final = 8
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_SHORTER: Final = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}  # the smallest number that needs so many bytes
_SMALL: Final = [bytes([byte]) for byte in range(256)]
_FALSE, _TRUE, _NULL = b"\xf4", b"\xf5", b"\xf6"


def encode(value: Any) -> bytes:
    """D1 bytes of `value` (tuples count as arrays); ChainBroken("d1-value") when it lies outside the profile."""
    out: list[bytes] = []
    try:
        _put(out, value, 0)
    except UnicodeEncodeError:
        raise ChainBroken("d1-value") from None
    return b"".join(out)


def decode(data: bytes) -> Any:
    """The value whose D1 encoding is exactly `data`; ChainBroken("d1-bytes") for anything else."""
    value, end = item(data, 0)
    if end != len(data):
        raise ChainBroken("d1-bytes")
    return value


def decode_first(data: bytes, offset: int) -> tuple[Any, int]:
    """The D1 value that starts at `offset` of `data` and the offset behind it; ChainBroken("d1-bytes") as `decode`."""
    try:
        return item(data, offset)
    except ChainBroken:
        raise ChainBroken("d1-bytes", offset=offset) from None


def item(data: bytes, offset: int, depth: int = 0) -> tuple[Any, int]:
    """The item that starts at `offset`, `depth` levels deep, and the offset behind it; ChainBroken("d1-bytes")."""
    try:
        return _item(data, offset, depth)
    except (IndexError, UnicodeDecodeError):
        raise ChainBroken("d1-bytes") from None


def number(value: int) -> bytes:
    """D1 bytes of an unsigned integer below 2^64."""
    return _SMALL[value] if value < 24 else _head(0, value)


def head(data: bytes, offset: int) -> tuple[int, int, int]:
    """Major type and argument of the item that starts at `offset`, and the offset behind its head.

    ChainBroken("d1-bytes") for a longer form than needed, a float, a tag or an indefinite length; IndexError where
    the data ends within the head.
    """
    first = data[offset]
    major, argument = first >> 5, first & 0x1F
    if argument < 24:
        if major < 6 or (major == 7 and 20 <= argument <= 22):
            return major, argument, offset + 1
    elif argument < 28 and major < 6:
        size = 1 << (argument - 24)
        end = offset + 1 + size
        data[end - 1]  # IndexError: the number must be there
        argument = int.from_bytes(data[offset + 1 : end], "big")
        if argument >= _SHORTER[size]:
            return major, argument, end
    raise ChainBroken("d1-bytes")


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise ChainBroken("d1-bytes")
    first = data[at]
    if first < 24:
        return first, at + 1
    major, argument, at = head(data, at)
    if major in (2, 3):
        end = at + argument
        if end > len(data):
            raise IndexError
        if major == 2:
            return data[at:end], end
        text = data[at:end].decode()
        if _CONTROL.search(text):
            raise ChainBroken("d1-bytes")
        return text, end
    if major == 4:
        items = []
        for _ in range(argument):
            value, at = _item(data, at, depth + 1)
            items.append(value)
        return items, at
    if major == 5:
        return _map(data, at, argument, depth)
    if major == 7:
        return (False, True, None)[argument - 20], at
    if major == 1:
        if argument >= 1 << 63:
            raise ChainBroken("d1-bytes")
        return -1 - argument, at
    return argument, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[int, Any], int]:
    table: dict[int, Any] = {}
    last = -1
    for _ in range(count):
        major, key, at = head(data, at)
        if major != 0 or key <= last:
            raise ChainBroken("d1-bytes")
        table[key], at = _item(data, at, depth + 1)
        last = key
    return table, at


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return _SMALL[major << 5 | argument]
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return _SMALL[major << 5 | code] + argument.to_bytes(size, "big")
    raise ChainBroken("d1-value")


def _put(out: list[bytes], value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ChainBroken("d1-value")
    kind = type(value)
    if kind is bytes:
        out += (_head(2, len(value)), value)
    elif kind is int:
        if value < -(1 << 63):
            raise ChainBroken("d1-value")
        out.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif kind is str:
        if _CONTROL.search(value):
            raise ChainBroken("d1-value")
        text = value.encode()
        out += (_head(3, len(text)), text)
    elif kind is list or kind is tuple:
        out.append(_head(4, len(value)))
        for part in value:
            _put(out, part, depth + 1)
    elif kind is dict:
        out.append(_head(5, len(value)))
        if any(type(key) is not int or key < 0 for key in value):
            raise ChainBroken("d1-value")
        for key in sorted(value):
            out.append(_head(0, key))
            _put(out, value[key], depth + 1)
    elif value is None or kind is bool:
        out.append(_NULL if value is None else _TRUE if value else _FALSE)
    else:
        raise ChainBroken("d1-value")
