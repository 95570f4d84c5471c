"""Card pools: the county signs numbers in advance, a pool at a time, for one workplace.

The file of a pool holds the signed payloads. It lies and travels encrypted like any attachment; its key is in the
record of the pool, which only its workplace receives. The record is an act of an administrator.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select

from app.errors import InputProblem
from app.ledger import card as cards
from app.ledger.act import Random
from app.ledger.card import ALPHABET, POOL_LENGTH, Card
from app.ledger.entry import Act
from app.models.records.fieldwork import POOL
from app.models.store import Transaction
from app.models.tables import TABLES
from app.sync.protocol import PoolFile
from county.administration import ATTACHMENTS, Author, County, Deed, ended, said
from county.blobs import Blobs

KEY_NUMBER: Final = 1  # the card key of county.pub
MAX_COUNT: Final = 20_000
SHANGHAI: Final = timezone(timedelta(hours=8))  # no summer time since 1991
_HEADER: Final = b"hudang-attachment/1\n"  # the file format of `app.vault.attachments`


def issue_pool(county: County, by: Author, workplace: bytes, count: int) -> str:
    """Sign `count` cards for `workplace` (an area); the number of the pool. InputProblem("pool-count", limit)."""
    if not 1 <= count <= MAX_COUNT:
        raise InputProblem("pool-count", limit=MAX_COUNT)
    with county.log.reading() as tx:
        pool_no = _free_number(tx, county.random)
    day = china_day(county.clock())
    numbers: set[str] = set()
    while len(numbers) < count:
        numbers.add(cards.draw_number(pool_no, county.random))
    payloads = tuple(
        cards.sign(Card(county=county.code, key=KEY_NUMBER, number=number, day=day), county.keys.card_seed)
        for number in sorted(numbers)
    )
    plain = PoolFile(pool_no=pool_no, payloads=payloads).encode()
    key, sealed = _seal(plain, county.random)
    values = {
        "pool_no": pool_no,
        "count": count,
        "key_number": KEY_NUMBER,
        "file": Blobs(county.folder / ATTACHMENTS).put(sealed),
        "content_key": key,
        "digest": hashlib.sha256(plain).digest(),
        "workplace": workplace,
    }
    identity = county.random(16)
    with county.log.writing() as tx:
        deed = Deed(act=Act.ISSUE_POOL, roots=[identity], said=[said("pool", identity, values)])
        county.act(tx, by, [deed])
    return pool_no


def withdraw_pool(county: County, by: Author, pool_no: str) -> None:
    """Withdraw a pool: all its cards are revoked, bound or not. InputProblem("pool-unknown")."""
    table = TABLES[POOL.number]
    with county.log.writing() as tx:
        pool = tx.scalar(select(table.c.id).where(table.c.pool_no == pool_no, table.c.alive))
        if pool is None:
            raise InputProblem("pool-unknown")
        county.act(tx, by, [withdrawal(tx, pool)])


def withdrawal(tx: Transaction, pool: bytes) -> Deed:
    """The act that withdraws a pool. What opened its file is cleared, so that the record can go to everybody."""
    return Deed(act=Act.END, roots=[pool], said=[ended(tx, POOL, pool, {"content_key": None, "digest": None})])


def china_day(now_ms: int) -> str:
    """The calendar date YYYY-MM-DD of Asia/Shanghai."""
    return datetime.fromtimestamp(now_ms / 1000, SHANGHAI).date().isoformat()


def _free_number(tx: Transaction, random: Random) -> str:
    table = TABLES[POOL.number]
    taken = set(tx.scalars(select(table.c.pool_no)))
    while True:
        bits = int.from_bytes(random(4), "big")
        number = "".join(ALPHABET[(bits >> (5 * place)) & 31] for place in range(POOL_LENGTH))
        if number not in taken:
            return number


def _seal(plain: bytes, random: Random) -> tuple[bytes, bytes]:
    key, nonce = random(32), random(12)
    bound = _HEADER + nonce
    return key, bound + AESGCM(key).encrypt(nonce, plain, bound)
