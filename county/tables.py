"""The kept tables of the county, beside the log and what is derived from it.

They change by numbered steps, never by derivation: where chains stand, the nodes of the log's tree, the place of each
stream in the tree of heads, what was signed, enrolment codes (only the SHA-256 of their secrets), used nonces, what a
fork left as evidence, and what came from ended chains and devices. Whatever the log itself says is not said here again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint, insert

from app.models.tables import Transaction, create_tables

KEPT: Final = MetaData()

CHAIN = Table(
    "chain",
    KEPT,
    Column("id", LargeBinary, primary_key=True),
    Column("next_seq", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("algorithm", Integer, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("actor", LargeBinary, nullable=False),
)

NODE = Table(
    "node",
    KEPT,
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

HEAD = Table(
    "stream_head",
    KEPT,
    Column("root", LargeBinary, primary_key=True),
    Column("leaf", Integer, nullable=False, unique=True),
    Column("n", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("last", BigInteger, nullable=False),  # position of its newest entry
)

ACTED = Table(
    "acted",
    KEPT,
    Column("root", LargeBinary, primary_key=True),
    Column("staff", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

# The signature over (size, root) is made after the commit and always gives the same bytes: it is not kept.
CHECKPOINT = Table(
    "checkpoint",
    KEPT,
    Column("size", BigInteger, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("time", BigInteger, nullable=False),
)

ENROLMENT = Table(
    "enrolment",
    KEPT,
    Column("secret_digest", LargeBinary, primary_key=True),
    Column("staff", LargeBinary, nullable=False),
    Column("workplace", LargeBinary, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used_by", LargeBinary),  # id of the genesis entry it was used for
)

NONCE = Table(
    "nonce",
    KEPT,
    Column("nonce", LargeBinary, primary_key=True),
    Column("time", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

FORK = Table(
    "fork",
    KEPT,
    Column("number", Integer, primary_key=True),
    Column("chain", LargeBinary, nullable=False, index=True),
    Column("seq", Integer, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("received", BigInteger, nullable=False),
    UniqueConstraint("chain", "seq", "signature"),
)

# What a chain or a device that was ended handed in: checked, never sequenced, never dropped.
QUARANTINE = Table(
    "quarantine",
    KEPT,
    Column("id", LargeBinary, primary_key=True),
    Column("dot", LargeBinary, nullable=False, index=True),
    Column("chain", LargeBinary, nullable=False, index=True),
    Column("seq", Integer, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("device", LargeBinary, nullable=False),  # who handed it in
    Column("received", BigInteger, nullable=False),
    Column("restated", LargeBinary),  # dot of the entry that says it again, once it was admitted
)

SETTING = Table(
    "county_setting",
    KEPT,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


def insert_many(tx: Transaction, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that hold a value for every column, in its order. Values are integers, texts and bytes that need no
    conversion: SQLAlchemy's work for each row would cost more than the statement itself."""
    if rows:
        tx.exec_driver_sql(str(insert(table).compile(dialect=tx.dialect)), list(rows))


def create_all(tx: Transaction) -> None:
    """Create every table of the county that is missing."""
    create_tables(tx)
    KEPT.create_all(tx)
