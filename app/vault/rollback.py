"""The journal that a cut-off commit left, proved whole before SQLite rolls it back.

SQLite believes such a journal: a wrong check sum ends the rollback without a word, and pages that were already written
stay; a wrong first size makes it cut the database or grow it by terabytes (both reproduced with one flipped bit). But
there is no honest state in which it has to believe: with `synchronous` FULL or EXTRA the first bytes of a part are
written, in one sector, only after all its records are on the disk. So a journal that begins as one is whole, or it was
damaged later; then nothing is touched.

A part is a header and `records` pages as they were (https://www.sqlite.org/fileformat2.html#the_rollback_journal).
Beside SQLite's own sums, which look at every 200th byte, each page proves itself by SQLCipher's HMAC-SHA-512 over
content, IV and page number (https://www.zetetic.net/sqlcipher/design/).
What cannot be seen here: a journal that has vanished as a whole (`cipherfile` marks open files for that), or behind one
of its parts.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from app.vault.pages import PAGE_BYTES, SALT_BYTES, DatabaseKey

MAGIC = bytes.fromhex("d9d505f920a163d7")
_HEADER = 28
_IV, _HMAC = 16, 64  # at the end of each page
_MASK = 0x3A
_ALMOST = 8  # bits: nothing but a damaged MAGIC is so like it


@dataclass(frozen=True, slots=True)
class _Part:
    records: int
    sum_begins: int
    pages: int
    sector: int

    @classmethod
    def at(cls, data: bytes, offset: int) -> _Part | None:
        """The part whose header stands at `offset`, None when what stands there cannot be one."""
        numbers = [int.from_bytes(data[at : at + 4], "big") for at in range(offset + 8, offset + _HEADER, 4)]
        records, begin, pages, sector, page = numbers
        if page != PAGE_BYTES or sector not in (1 << power for power in range(5, 17)):
            return None
        if offset + sector + records * (PAGE_BYTES + 8) > len(data):
            return None
        return cls(records, begin, pages, sector)


def whole(journal: bytes, database: Path, key: DatabaseKey) -> bool:
    """Whether rolling `journal` back leads to the state before the commit; True also for one that has nothing to say
    because its first bytes were never written. OSError of the disk."""
    seal = hashlib.pbkdf2_hmac("sha512", key.raw, bytes(byte ^ _MASK for byte in key.salt), 2, 32)
    first: bytes | None = None
    pages: int | None = None
    offset = 0
    while (begins := _begins(journal, offset)) is not False:
        part = _Part.at(journal, offset) if begins else None
        if part is None or pages not in (None, part.pages):
            return False
        pages = part.pages
        for place in range(part.records):
            at = offset + part.sector + place * (PAGE_BYTES + 8)
            if not _holds(journal, at, part, seal):
                return False
            if int.from_bytes(journal[at : at + 4], "big") == 1:
                first = journal[at + 4 : at + 4 + PAGE_BYTES]
        end = offset + part.sector + part.records * (PAGE_BYTES + 8)
        if _holds(journal, end, part, seal):
            return False  # there are more than it says
        offset = -(-end // part.sector) * part.sector
    if pages is None:
        return True
    if first is None:  # the commit did not change it
        with database.open("rb") as file:
            first = file.read(PAGE_BYTES)
    return pages == _size_in(first, key.raw)


def _begins(journal: bytes, offset: int) -> bool | None:
    """Whether a part begins at `offset`: True, False, or None for a beginning that was damaged."""
    found = journal[offset : offset + 8]
    if len(journal) < offset + _HEADER or not found[0]:
        return None if offset == 0 and found[:1] not in (b"", b"\0") else False
    unlike = (int.from_bytes(found, "big") ^ int.from_bytes(MAGIC, "big")).bit_count()
    if unlike == 0:
        return True
    return None if offset == 0 or unlike <= _ALMOST else False


def _holds(journal: bytes, at: int, part: _Part, seal: bytes) -> bool:
    """Whether a record of `part` stands at `at`."""
    if at + PAGE_BYTES + 8 > len(journal):
        return False
    number = int.from_bytes(journal[at : at + 4], "big")
    page = journal[at + 4 : at + 4 + PAGE_BYTES]
    total = part.sum_begins + sum(page[place] for place in range(PAGE_BYTES - 200, 0, -200))
    if total & 0xFFFFFFFF != int.from_bytes(journal[at + 4 + PAGE_BYTES : at + 8 + PAGE_BYTES], "big"):
        return False
    if not 0 < number <= part.pages:
        return False
    sealed = page[SALT_BYTES if number == 1 else 0 : -_HMAC] + number.to_bytes(4, "little")
    return hmac.compare_digest(hmac.digest(seal, sealed, "sha512"), page[-_HMAC:])


def _size_in(first: bytes, key: bytes) -> int:
    """Number of pages of the database, as its first page says (bytes 28 to 31 of the plain one)."""
    vector = first[-_HMAC - _IV : -_HMAC]
    opener = Cipher(AES256(key), CBC(vector)).decryptor()
    plain = opener.update(first[SALT_BYTES : SALT_BYTES + 16])
    return int.from_bytes(plain[28 - SALT_BYTES : 32 - SALT_BYTES], "big")
