"""The pages of an encrypted file, read without the database engine: which are whole, and the rows that stand in them.

The engine refuses a tree as soon as one page of it fails its check sum. Here every page is asked alone: it is whole
when its HMAC-SHA-512 is right, and a whole page was written by a holder of the key. Rows are taken from the leaves of
table trees wherever they lie, so that neither a lost root nor a cut end takes more away than its own page. Deleted rows
are not found again: they were overwritten (`secure_delete`).

Formats: SQLCipher 4 (https://www.zetetic.net/sqlcipher/design/): page = AES-256-CBC text, 16 bytes IV, 64 bytes
HMAC over text, IV and page number; SQLite file format (https://www.sqlite.org/fileformat2.html) sections 1.6, 2.1.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from app.errors import VaultProblem
from app.progress import Progress, Steps
from app.text import tr
from app.vault import disk

KEY_BYTES = 32
SALT_BYTES = 16
PAGE_BYTES = 4096

Value = Any  # None, int, float, str or bytes
Row = tuple[Any, ...]

_IV, _MAC = 16, 64
_USABLE: Final = PAGE_BYTES - _IV - _MAC
_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF = 0x0D
_LONGEST_RECORD = 64 * 1024 * 1024  # a length beyond it is no length
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_PAGES_A_STEP = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseKey:
    """Key of one file: `raw` 32 bytes, `salt` 16 bytes (the file begins with it). The
    key is random, never derived; the salt of a vault says which vault and which epoch of keys (`slots.epoch_of`)."""

    raw: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        # SQLCipher takes a raw key of another length for a passphrase, silently.
        if len(self.raw) != KEY_BYTES or len(self.salt) != SALT_BYTES:
            raise ValueError("a database key is 32 bytes, its salt 16")

    @classmethod
    def make(cls, random: Callable[[int], bytes]) -> DatabaseKey:
        return cls.of_bytes(random(KEY_BYTES + SALT_BYTES))

    @classmethod
    def of_bytes(cls, data: bytes) -> DatabaseKey:
        """From 48 bytes, key then salt; ValueError for another length."""
        return cls(raw=data[:KEY_BYTES], salt=data[KEY_BYTES:])

    def to_bytes(self) -> bytes:
        return self.raw + self.salt


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is wrong with a file: its pages, the numbers (1 ...) of those that are not whole, whether it ends inside a
    page or before the end that its first page names."""

    pages: int
    damaged: tuple[int, ...]
    cut: bool


class Pages:
    """A file opened for reading, as it stands; nobody else may have it open (closing it here drops their locks)."""

    def __init__(self, path: Path, key: DatabaseKey) -> None:
        with disk.disk_errors():
            try:
                self._file = path.open("rb")
            except (FileNotFoundError, IsADirectoryError):
                raise VaultProblem("vault-missing") from None
            size = os.fstat(self._file.fileno()).st_size
        self.count = -(-size // PAGE_BYTES)
        self._whole_end = size % PAGE_BYTES == 0
        self._key = key.raw
        # SQLCipher derives the key of the check sums from the raw key: 2 rounds of PBKDF2 with the salt flipped.
        flipped = bytes(byte ^ 0x3A for byte in key.salt)
        mac_key = hashlib.pbkdf2_hmac("sha512", key.raw, flipped, 2, 32)
        self._mac = hmac.new(mac_key, digestmod="sha512")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def page(self, number: int) -> bytes | None:
        """The plain page `number` (1 ...), its reserved end left out; None when it is not whole."""
        sealed = self._sealed(number)
        if sealed is None:
            return None
        start = SALT_BYTES if number == 1 else 0
        with_iv = sealed[_USABLE : _USABLE + _IV]
        reading = Cipher(AES(self._key), CBC(with_iv)).decryptor()
        plain = reading.update(sealed[start:_USABLE]) + reading.finalize()
        return _MAGIC + plain if number == 1 else plain

    def is_whole(self, number: int) -> bool:
        """Whether the page `number` is what was written."""
        return self._sealed(number) is not None

    def _sealed(self, number: int) -> bytes | None:
        with disk.disk_errors():
            self._file.seek((number - 1) * PAGE_BYTES)
            data = self._file.read(PAGE_BYTES)
        if len(data) < PAGE_BYTES:
            return None
        start = SALT_BYTES if number == 1 else 0
        mac = self._mac.copy()
        mac.update(data[start : _USABLE + _IV] + number.to_bytes(4, "little"))
        return data if hmac.compare_digest(mac.digest(), data[_USABLE + _IV :]) else None

    def condition(self) -> Condition:
        """Asks every page: 20 ms for 1,000."""
        steps = self.examine()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def examine(self) -> Steps[Condition]:
        """`condition`, step by step."""
        damaged: list[int] = []
        for number in range(1, self.count + 1):
            if not self.is_whole(number):
                damaged.append(number)
            if number % _PAGES_A_STEP == 0:
                yield Progress(done=number, of=self.count, doing=tr("正在检查数据文件"))
        return self.condition_of(damaged)

    def condition_of(self, damaged: Sequence[int]) -> Condition:
        """The condition of a file of which these pages are not whole."""
        first = self.page(1) if self.count else None
        named = int.from_bytes(first[28:32], "big") if first else 0
        return Condition(pages=self.count, damaged=tuple(damaged), cut=not self._whole_end or named > self.count)

    def rows(self, number: int, columns: Container[int] | None = None) -> list[Row] | None:
        """The rows of the page `number`, none where it is no leaf of a table; None when the page is not whole. Rows
        that go on to pages that are not whole are left out, and those with a number of columns not in `columns`.

        A table's INTEGER PRIMARY KEY stands as None, as the file has it."""
        page = self.page(number)
        if page is None:
            return None
        head = 100 if number == 1 else 0
        if page[head] != _TABLE_LEAF:
            return []
        rows = []
        for cell in range(int.from_bytes(page[head + 3 : head + 5], "big")):
            at = head + 8 + 2 * cell
            try:
                record = self._record(page, int.from_bytes(page[at : at + 2], "big"))
                row = None if record is None else _decode(record, columns)
            except (IndexError, UnicodeDecodeError, struct.error):
                continue
            if row is not None:
                rows.append(row)
        return rows

    def _record(self, page: bytes, at: int) -> bytes | None:
        """The bytes of the record whose cell begins at `at`; None when a page that it goes on to is not whole."""
        size, at = _varint(page, at)
        _, at = _varint(page, at)
        if size > _LONGEST_RECORD:
            return None
        local = _local(size)
        record = bytearray(page[at : at + local])
        following = int.from_bytes(page[at + local : at + local + 4], "big") if local < size else 0
        while len(record) < size:
            onward = self.page(following) if 0 < following <= self.count else None
            if onward is None:
                return None
            following = int.from_bytes(onward[:4], "big")
            record += onward[4 : 4 + size - len(record)]
        return bytes(record)


def _local(size: int) -> int:
    """How much of a record of `size` bytes stands in its leaf (file format, section 1.6)."""
    if size <= _USABLE - 35:
        return size
    least = (_USABLE - 12) * 32 // 255 - 23
    wanted = least + (size - least) % (_USABLE - 4)
    return wanted if wanted <= _USABLE - 35 else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes at `at`, and the place behind it."""
    value = 0
    for place in range(8):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    return value << 8 | data[at + 8], at + 9


def _decode(record: bytes, columns: Container[int] | None) -> Row | None:
    """The values of a record, None when it is not one (section 2.1) or has another number of columns."""
    body, at = _varint(record, 0)
    kinds: list[int] = []
    end = body
    while at < end:
        kind = record[at]
        if kind < 0x80:
            at += 1
        else:
            kind, at = _varint(record, at)
        kinds.append(kind)
    if columns is not None and len(kinds) not in columns:
        return None
    values: list[Value] = []
    for kind in kinds:
        size = (kind - 12) // 2 if kind >= 12 else 8 if kind == 7 else _INTEGERS.get(kind, 0)
        part = record[body : body + size]
        if len(part) < size or kind in (10, 11):
            return None
        body += size
        values.append(_value(kind, part))
    return tuple(values)


def _value(kind: int, part: bytes) -> Value:
    if kind >= 12:
        return bytes(part) if kind % 2 == 0 else part.decode("utf-8")
    if kind == 7:
        return float(struct.unpack(">d", part)[0])
    if kind in (8, 9):
        return kind - 8
    return int.from_bytes(part, "big", signed=True) if kind else None
