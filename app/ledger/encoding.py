"""Profile D1 of deterministic CBOR (RFC 8949 section 4.2): one value has exactly one encoding.

Allowed: integers of 64 bits, byte strings, UTF-8 text without control characters except line feed, arrays, maps with
unsigned integer keys, true, false, null. No floats, tags, indefinite lengths. With integer keys the orders of RFC 7049
and RFC 8949 coincide, so cbor2's canonical form is D1's. `decode` reads, checks and encodes again: other bytes than
the canonical ones are refused (cbor2 alone takes duplicate keys, long integers and dates).
"""

from __future__ import annotations

import unicodedata
from io import BytesIO
from typing import Any

import cbor2

from app.errors import ChainBroken

MAX_DEPTH = 8
_SHORTER = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}  # the smallest number that needs so many bytes
_CONTROL = {chr(c) for c in range(0x20) if c != 0x0A} | {chr(c) for c in range(0x7F, 0xA0)}


def encode(value: Any) -> bytes:
    """D1 bytes of `value` (tuples count as arrays); ChainBroken("d1-value") when it lies outside the profile."""
    _check(value, 0)
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """The value whose D1 encoding is exactly `data`; ChainBroken("d1-bytes") for anything else."""
    try:
        value = cbor2.loads(data)
        _check(value, 0)
        same = cbor2.dumps(value, canonical=True) == data
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError):
        raise ChainBroken("d1-bytes") from None
    except ChainBroken:
        raise ChainBroken("d1-bytes") from None
    if not same:
        raise ChainBroken("d1-bytes")
    return value


def decode_first(data: bytes, offset: int) -> tuple[Any, int]:
    """The D1 value that starts at `offset` of `data` and the offset behind it; ChainBroken("d1-bytes") as `decode`."""
    stream = BytesIO(data)
    stream.seek(offset)
    decoder = cbor2.CBORDecoder(stream, read_size=1)
    try:
        value = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError):
        raise ChainBroken("d1-bytes", offset=offset) from None
    end = stream.tell()
    try:
        decode(data[offset:end])
    except ChainBroken:
        raise ChainBroken("d1-bytes", offset=offset) from None
    return value, end


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


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ChainBroken("d1-value")
    kind = type(value)
    if kind is bytes or kind is bool or value is None:
        return
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise ChainBroken("d1-value")
    elif kind is str:
        if value.isascii():
            if not value.isprintable() and any(c in _CONTROL for c in value):
                raise ChainBroken("d1-value")
        elif any(c in _CONTROL or unicodedata.category(c) == "Cs" for c in value):
            raise ChainBroken("d1-value")
    elif kind is list or kind is tuple:
        for item in value:
            _check(item, depth + 1)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not int or key < 0:
                raise ChainBroken("d1-value")
            _check(item, depth + 1)
    else:
        raise ChainBroken("d1-value")
