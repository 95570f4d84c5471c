"""The tables that laptop and county share: those of the log, and those derived from it by the declarations.

Derived tables (one per record kind, `field_state`, `stale`) are never migrated by hand: a new field is ADD COLUMN,
anything else is folded anew. A row holds the shown values and its creating entry; `field_state` has a row only for a
field whose live dots are not just that of the creating entry, and for replaced dots that have not arrived yet.
The log tables hold what was signed; `payload` is the only one from which something may be erased.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.types import TypeEngine

from app.models.fields import Field, RecordKind, Type, Value
from app.models.records.registry import KINDS

Transaction = Connection  # what upper layers pass on without looking inside

LOG: Final = MetaData()
DERIVED: Final = MetaData()

ENTRY = Table(
    "entry",
    LOG,
    Column("id", LargeBinary, primary_key=True),
    Column("dot", LargeBinary, nullable=False, unique=True),
    Column("chain", LargeBinary, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("position", BigInteger, unique=True),
    Column("kind", Integer, nullable=False),
    Column("act", Integer, nullable=False),
    Column("actor", LargeBinary),
    Column("wall", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    UniqueConstraint("chain", "seq"),
    Index("entry_wall", "wall"),
)
PAYLOAD = Table(
    "payload",
    LOG,
    Column("id", LargeBinary, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
STREAM = Table(
    "stream",
    LOG,
    Column("root", LargeBinary, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("n", Integer),
    Column("head", LargeBinary),
    Index("stream_n", "root", "n"),
    Index("stream_entry", "id"),
)

FIELD_STATE = Table(
    "field_state",
    DERIVED,
    Column("object", LargeBinary, primary_key=True),
    Column("field", Integer, primary_key=True),
    Column("dot", LargeBinary, primary_key=True),
    Column("kind", Integer, primary_key=True),  # an id is of one kind, unless somebody means ill
    Column("position", BigInteger),
    Column("value", LargeBinary),
    Column("state", Integer, nullable=False),
    Index("field_state_dot", "dot"),
)
LIVE, WITHHELD, SUPERSEDED = 1, 2, 0

STALE = Table("stale", DERIVED, Column("household", LargeBinary, primary_key=True))

SUMMARY = Table(
    "summary",
    DERIVED,
    Column("number", Integer, primary_key=True),
    Column("household", LargeBinary, nullable=False, unique=True),
    Column("head_name", Text, nullable=False),
    Column("initials", Text, nullable=False),
    Column("member_names", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("group_order", Integer, nullable=False),
    Column("last_visit", Text),
    Column("visits", Integer, nullable=False),
    Column("promised_by", Text),
    Column("filled", Integer, nullable=False),
    Column("missing", Text, nullable=False),
    Column("disputed", Integer, nullable=False),
    Column("card_no", Text),
)
# FTS5, made by `create_tables`: rowid is the number of the summary.
SEARCH = Table("household_search", MetaData(), Column("rowid", Integer), Column("words", Text))

_COLUMN_TYPES: dict[Type, type[TypeEngine[Any]]] = {
    Type.TEXT: Text,
    Type.LONG_TEXT: Text,
    Type.CODE: Text,
    Type.CODES: Text,
    Type.DATE: Text,
    Type.MONTH: Text,
    Type.YES_NO: Integer,
    Type.INSTANT: BigInteger,
    Type.MONEY: BigInteger,
    Type.AREA: BigInteger,
    Type.COUNT: BigInteger,
    Type.LINK: LargeBinary,
    Type.BYTES: LargeBinary,
}


def _column(field: Field) -> Column[Any]:
    return Column(field.name, _COLUMN_TYPES[field.type])


def derive_table(kind: RecordKind, metadata: MetaData) -> Table:
    """The table of a record kind: id, root, creating entry, life, then one column per declared field."""
    return Table(
        kind.name,
        metadata,
        Column("id", LargeBinary, primary_key=True),
        Column("root", LargeBinary, nullable=False),
        Column("creations", Integer, nullable=False),
        Column("born", LargeBinary),
        Column("born_position", BigInteger),
        Column("alive", Boolean, nullable=False),
        Column("same_as", LargeBinary),
        *(_column(field) for field in kind.fields),
        Index(f"{kind.name}_root", "root"),
        Index(f"{kind.name}_born", "born"),
    )


TABLES: dict[int, Table] = {kind.number: derive_table(kind, DERIVED) for kind in KINDS}


def to_column(field: Field, value: Value) -> Value:
    """`value` as its column holds it: several codes become one text."""
    return ",".join(value) if field.type is Type.CODES and isinstance(value, tuple) else value


_INTEGERS = frozenset({Type.INSTANT, Type.MONEY, Type.AREA, Type.COUNT})


def fits_column(field: Field, value: Any) -> bool:
    """Whether a column can hold `value`. The log takes whatever a person signed: what no column can hold stays in
    `field_state` alone, and the column is empty."""
    if field.type in (Type.LINK, Type.BYTES):
        return isinstance(value, bytes) and (field.type is Type.BYTES or len(value) == 16)
    if field.type is Type.YES_NO:
        return not isinstance(value, bool) and value in (0, 1, 2)
    if field.type in _INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    if field.type is Type.CODES:
        return isinstance(value, tuple) and all(isinstance(code, str) and code and "," not in code for code in value)
    return isinstance(value, str)


def from_column(field: Field, value: Any) -> Value:
    """The value of a column as records hold it."""
    if field.type is Type.CODES and isinstance(value, str):
        return tuple(value.split(",")) if value else ()
    return value  # type: ignore[no-any-return]


def create_tables(tx: Transaction) -> None:
    """Create what is missing: tables, and columns of fields that were declared since."""
    LOG.create_all(tx)
    DERIVED.create_all(tx)
    tx.execute(text("CREATE VIRTUAL TABLE IF NOT EXISTS household_search USING fts5(words, tokenize='unicode61')"))
    present = inspect(tx)
    for kind in KINDS:
        known = {column["name"] for column in present.get_columns(kind.name)}
        for field in kind.fields:
            if field.name not in known:
                type_name = _column(field).type.compile(tx.dialect)
                tx.execute(text(f'ALTER TABLE "{kind.name}" ADD COLUMN "{field.name}" {type_name}'))
