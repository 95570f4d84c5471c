"""Card pools that the county made: what a workplace may take into its stock, and which of them count no more."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from app.models.records.fieldwork import POOL
from app.models.tables import TABLES, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool in force: object id, its 4 characters, number of cards, key number; the file with its cards by SHA-256 of
    the encrypted bytes, with key and SHA-256 of the plain ones."""

    id: bytes
    pool_no: str
    count: int
    key_number: int
    file: bytes
    content_key: bytes = field(repr=False)
    digest: bytes


def for_workplace(tx: Transaction, workplace: bytes) -> list[Pool]:
    """The pools that the county gave to `workplace` and whose key is known here, by number."""
    table = TABLES[POOL.number]
    query = select(table).where(
        table.c.alive, table.c.workplace == workplace, table.c.content_key.is_not(None), table.c.digest.is_not(None)
    )
    return [
        Pool(
            id=row["id"],
            pool_no=row["pool_no"],
            count=row["count"],
            key_number=row["key_number"],
            file=row["file"],
            content_key=row["content_key"],
            digest=row["digest"],
        )
        for row in tx.execute(query.order_by(table.c.pool_no)).mappings()
    ]


def withdrawn(tx: Transaction) -> frozenset[str]:
    """Numbers of the pools that the county withdrew; every card of them is revoked."""
    table = TABLES[POOL.number]
    return frozenset(tx.scalars(select(table.c.pool_no).where(~table.c.alive, table.c.pool_no.is_not(None))))
