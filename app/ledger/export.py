"""The log as one file that anybody can check: writer and reader of the export of `formats.md`.

The file is a sequence of D1 values, uncompressed, one behind the other, nothing between them:

    header       map 1: 1            version of this layout
                     2: bytes        county.pub, the entry: the county's genesis
                     3: bytes 64     county.pub, its signature
                     4: text         origin of the log, as in every checkpoint
                     5: size         number of entries that follow
                     6: 1 or 2       what: 1 whole (a value may be missing only by a redaction), 2 values withheld
                     7: map          record kind -> number of its field that holds the id of the root it belongs to;
                                     objects of other kinds are roots of their own
                     8: bytes 32     SHA-256 of the D1 encoding of keys 1-7: says whether the header itself is damaged
    entry        array [position, entry bytes, signature 64, payload bytes], positions 0 ... size-1
    checkpoint   array [size, note], by ascending size, at least one, the last for the size of the header
    closing      map 1: number of roots with a stream, 2: root hash of the tree of their heads, 3: fold hash
    end          bytes 32 = SHA-256 of every byte before this value (of the file without its last 34 bytes)

Keys do not stand beside the log: the county's are in the first entry, a person's in the genesis and rotate entries of
the chain. Nobody signs the header and the closing; the verifier believes neither, it computes what they say.
The writer takes and gives one item at a time; so does the reader, which names the byte where an item begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from app.errors import ChainBroken
from app.ledger.checkpoint import LARGEST_NOTE
from app.ledger.encoding import decode_first, encode, head
from app.ledger.entry import MAX_ENTRY, MAX_PAYLOAD
from app.ledger.signatures import SIGNATURE_BYTES

VERSION: Final = 1
WHOLE: Final = 1
WITHHELD: Final = 2
MAX_HEADER: Final = 64 * 1024
LARGEST_ITEM: Final = MAX_ENTRY + MAX_PAYLOAD + LARGEST_NOTE
CHUNK: Final = 4 * 1024 * 1024  # bytes read at once
_END: Final = b"\x58\x20"

Sealed = tuple[bytes, bytes, bytes]  # entry, signature, payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands before the entries; see the layout above."""

    entry: bytes
    signature: bytes
    origin: str
    size: int
    what: int = WHOLE
    homes: Mapping[int, int]

    def encode(self) -> bytes:
        """The D1 bytes of the header with its own hash."""
        table = {1: VERSION, 2: self.entry, 3: self.signature, 4: self.origin, 5: self.size, 6: self.what}
        table[7] = dict(self.homes)
        return encode({**table, 8: hashlib.sha256(encode(table)).digest()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What the log comes to: number of roots with a stream, root hash of the tree of heads, fold hash."""

    streams: int
    heads: bytes
    fold: bytes


def write(
    header: Header, entries: Iterable[Sealed], checkpoints: Iterable[tuple[int, bytes]], closing: Closing
) -> Iterator[bytes]:
    """The bytes of an export, item by item: `entries` in the order of their positions, `checkpoints` as (size, note)
    by ascending size. ValueError when there are not as many entries as the header says."""
    digest = hashlib.sha256()
    position = -1
    items: list[bytes] = [header.encode()]
    for position, (entry, signature, payload) in enumerate(entries):
        items.append(encode([position, entry, signature, payload]))
        yield from _counted(digest, items)
    if position + 1 != header.size:
        raise ValueError(f"{position + 1} entries for an export of {header.size}")
    for size, note in checkpoints:
        items.append(encode([size, note]))
        yield from _counted(digest, items)
    items.append(encode({1: closing.streams, 2: closing.heads, 3: closing.fold}))
    yield from _counted(digest, items)
    yield _END + digest.digest()


def _counted(digest: Any, items: list[bytes]) -> Iterator[bytes]:
    for item in items:
        digest.update(item)
        yield item
    items.clear()


class Reader:
    """Reads an export from `source` from front to end. `offset` is the byte where the item asked for last begins.

    Ask in the order of the file: `header`, `size` times `entry`, `checkpoint` until its size is that of
    the header, `closing`, `end`.
    ChainBroken: `export-truncated` where the file ends too early, `export-form` where something else stands than
    should, `d1-bytes` where it is not canonical, `export-damaged` where a hash of the file differs.
    """

    def __init__(self, source: BinaryIO) -> None:
        self.offset = 0
        self._source = source
        self._data = b""
        self._at = 0
        self._base = 0  # offset in the file of the first byte of `_data`
        self._digest = hashlib.sha256()  # of everything before `_base`
        self._ended = False

    def header(self) -> Header:
        """The header, believed to be whole, not to be true."""
        table = self._map(MAX_HEADER)
        try:
            entry, signature, origin, size, what, homes, seal = (table[key] for key in range(2, 9))
            _must(table[1] == VERSION and len(table) == 8 and type(what) is int)
            _must(type(entry) is bytes and type(signature) is bytes and len(signature) == SIGNATURE_BYTES)
            _must(type(origin) is str and type(size) is int and size > 0 and what in (WHOLE, WITHHELD))
            _must(type(homes) is dict and all(type(field) is int and field > 0 for field in homes.values()))
        except (KeyError, ValueError):
            raise ChainBroken("export-form") from None
        del table[8]
        if seal != hashlib.sha256(encode(table)).digest():
            raise ChainBroken("export-damaged")
        return Header(entry=entry, signature=signature, origin=origin, size=size, what=what, homes=homes)

    def entry(self, position: int) -> Sealed:
        """Entry, signature and payload at `position`."""
        data, at = self._begin()
        try:
            if data[at] != 0x84:
                raise ChainBroken("export-form")
            major, found, at = head(data, at + 1)
            if major != 0 or found != position:
                raise ChainBroken("export-form")
            entry, at = _bytes(data, at, MAX_ENTRY)
            signature, at = _bytes(data, at, SIGNATURE_BYTES)
            payload, at = _bytes(data, at, MAX_PAYLOAD)
        except IndexError:
            raise ChainBroken("export-truncated") from None
        if len(signature) != SIGNATURE_BYTES:
            raise ChainBroken("export-form")
        self._at = at
        return entry, signature, payload

    def checkpoint(self) -> tuple[int, bytes] | None:
        """The next checkpoint (size, note), None where the closing stands."""
        data, at = self._begin()
        try:
            if data[at] == 0xA3:
                return None
            if data[at] != 0x82:
                raise ChainBroken("export-form")
            major, size, at = head(data, at + 1)
            if major != 0:
                raise ChainBroken("export-form")
            note, at = _bytes(data, at, LARGEST_NOTE)
        except IndexError:
            raise ChainBroken("export-truncated") from None
        self._at = at
        return size, note

    def closing(self) -> Closing:
        """The closing, not to be believed."""
        table = self._map(128)
        try:
            streams, heads, fold = table[1], table[2], table[3]
            _must(type(streams) is int and type(heads) is bytes and type(fold) is bytes and len(table) == 3)
        except (KeyError, ValueError):
            raise ChainBroken("export-form") from None
        return Closing(streams=streams, heads=heads, fold=fold)

    def end(self) -> int:
        """Number of bytes of the file, which ends with the right hash of all before."""
        data, at = self._begin()
        self._digest.update(data[:at])
        rest = data[at:]
        if len(rest) < len(_END) + 32:
            raise ChainBroken("export-truncated")
        if rest[:2] != _END or len(rest) > len(_END) + 32:
            raise ChainBroken("export-form")
        if rest[2:] != self._digest.digest():
            raise ChainBroken("export-damaged")
        return self._base + len(data)

    def _begin(self) -> tuple[bytes, int]:
        """Buffer and place where the next item begins; the largest item lies wholly in the buffer."""
        if len(self._data) - self._at < LARGEST_ITEM and not self._ended:
            self._digest.update(self._data[: self._at])
            read = self._source.read(CHUNK)
            self._data, self._base, self._at = self._data[self._at :] + read, self._base + self._at, 0
            while len(self._data) < LARGEST_ITEM and read:
                read = self._source.read(CHUNK)
                self._data += read
            self._ended = not read
        self.offset = self._base + self._at
        return self._data, self._at

    def _map(self, limit: int) -> dict[int, Any]:
        data, at = self._begin()
        if at == len(data):
            raise ChainBroken("export-truncated")
        if data[at] >> 5 != 5:
            raise ChainBroken("export-form")
        value, size = decode_first(data[at : at + limit], 0)
        self._at = at + size
        table: dict[int, Any] = value
        return table


def _bytes(data: bytes, at: int, limit: int) -> tuple[bytes, int]:
    """The byte string at `at` and the place behind it; IndexError where the data ends before it does."""
    major, size, at = head(data, at)
    if major != 2 or size > limit:
        raise ChainBroken("export-form")
    end = at + size
    if end > len(data):
        raise IndexError
    return data[at:end], end


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError
