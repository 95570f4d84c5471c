"""The kept tables of a laptop: what the log does not say and cannot be folded again.

Chains (our own, and the keys of others), receipts, the newest checkpoint, the cursor of delivery, drafts, card stock,
attachment files, the print ledger, small settings. They change by numbered steps (`STEPS`); the log tables and the
derived ones beside them are made by `app.models.tables`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.errors import ChainBroken, VaultProblem
from app.ledger.act import Signed
from app.ledger.chain import Chain
from app.ledger.encoding import decode, encode
from app.ledger.entry import Entry, decode_entry
from app.ledger.entry import dot as dot_of
from app.ledger.streams import advance, start
from app.models.tables import ENTRY, PAYLOAD, STREAM, Transaction, create_tables

KEPT: Final = MetaData()

CHAIN = Table(
    "chain",
    KEPT,
    Column("id", LargeBinary, primary_key=True),
    Column("next_seq", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("algorithm", Integer, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("actor", LargeBinary),
    Column("own", Boolean, nullable=False),
    Column("acknowledged", Integer, nullable=False),
)
RECEIPT = Table(
    "receipt",
    KEPT,
    Column("chain", LargeBinary, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
SETTING = Table("setting", KEPT, Column("name", Text, primary_key=True), Column("value", LargeBinary, nullable=False))
DRAFT = Table(
    "draft",
    KEPT,
    Column("id", LargeBinary, primary_key=True),
    Column("form", Text, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("staff", LargeBinary, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("draft_root", "root"),
)
CARD_STOCK = Table(
    "card_stock",
    KEPT,
    Column("card_no", Text, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("used", Boolean, nullable=False),
)
FILE = Table(
    "file",
    KEPT,
    Column("upload_key", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("delivered", Boolean, nullable=False),
)
PRINT_JOB = Table(
    "print_job",
    KEPT,
    Column("run", LargeBinary, primary_key=True),
    Column("household", LargeBinary, primary_key=True),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

STEPS: tuple[tuple[str, ...], ...] = ()  # statements of each later step; step n brings version n to n + 1
VERSION = "version"


def prepare(tx: Transaction) -> None:
    """Bring the tables of a vault to this program's version; VaultProblem("vault-newer") for one from the future."""
    KEPT.create_all(tx)
    create_tables(tx)
    version = setting(tx, VERSION)
    current = len(STEPS) + 1
    if version == current:
        return  # and nothing is written: a full disk can still be opened
    if version is None:
        version = current
    if version > current:
        raise VaultProblem("vault-newer")
    for statements in STEPS[version - 1 :]:
        for statement in statements:
            tx.execute(text(statement))
    put_setting(tx, VERSION, current)


# --- settings ---


def setting(tx: Transaction, name: str) -> Any:
    """The D1 value kept under `name`, None when there is none."""
    data = tx.scalar(select(SETTING.c.value).where(SETTING.c.name == name))
    return None if data is None else decode(data)


def put_setting(tx: Transaction, name: str, value: Any) -> None:
    """Keep a D1 value under `name`."""
    tx.execute(delete(SETTING).where(SETTING.c.name == name))
    tx.execute(insert(SETTING).values(name=name, value=encode(value)))


# --- chains and entries ---


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChain:
    """A chain as the vault knows it; `acknowledged` entries of our own have a receipt, or came behind the end of the
    chain and the county has decided about them."""

    state: Chain
    own: bool
    acknowledged: int


def chain(tx: Transaction, chain_id: bytes) -> KeptChain | None:
    """The chain with this id, None when no genesis of it has come."""
    row = tx.execute(select(CHAIN).where(CHAIN.c.id == chain_id)).first()
    return None if row is None else _chain(row)


def own_chains(tx: Transaction) -> list[KeptChain]:
    """The chains that are written in this vault."""
    return [_chain(row) for row in tx.execute(select(CHAIN).where(CHAIN.c.own).order_by(CHAIN.c.id))]


def chains(tx: Transaction) -> list[KeptChain]:
    """Every chain of which anything is here."""
    return [_chain(row) for row in tx.execute(select(CHAIN).order_by(CHAIN.c.id))]


def _chain(row: Any) -> KeptChain:
    state = Chain(
        id=row.id,
        next_seq=row.next_seq,
        head=row.head,
        algorithm=row.algorithm,
        public_key=row.public_key,
        actor=row.actor,
    )
    return KeptChain(state=state, own=row.own, acknowledged=row.acknowledged)


def put_chain(tx: Transaction, state: Chain, *, own: bool, acknowledged: int) -> None:
    """Keep where a chain stands."""
    tx.execute(delete(CHAIN).where(CHAIN.c.id == state.id))
    tx.execute(
        insert(CHAIN).values(
            id=state.id,
            next_seq=state.next_seq,
            head=state.head,
            algorithm=state.algorithm,
            public_key=state.public_key,
            actor=state.actor,
            own=own,
            acknowledged=acknowledged,
        )
    )


def entry_row(entry: Entry, identity: bytes, data: bytes, signature: bytes, position: int | None) -> dict[str, Any]:
    """The row of the log table for one entry."""
    return {
        "id": identity,
        "dot": dot_of(data, entry),
        "chain": entry.chain,
        "seq": entry.seq,
        "position": position,
        "kind": entry.kind,
        "act": entry.act,
        "actor": entry.actor,
        "wall": entry.wall,
        "data": data,
        "signature": signature,
    }


def put_entries(tx: Transaction, rows: Sequence[dict[str, Any]], payloads: Sequence[bytes]) -> None:
    """Keep entries (rows of `entry_row`) with their payloads, and note them in the streams of the roots they name."""
    if not rows:
        return
    with _agreeing():
        tx.execute(insert(ENTRY), list(rows))
    put_payloads(tx, [(row["id"], payload) for row, payload in zip(rows, payloads, strict=True)])


@contextmanager
def _agreeing() -> Iterator[None]:
    """Two entries at one place of a chain or of the county's log: somebody's log is not what it was."""
    try:
        yield
    except IntegrityError:
        raise ChainBroken("log-contradiction") from None


def put_payloads(tx: Transaction, pairs: Sequence[tuple[bytes, bytes]]) -> None:
    """Keep (entry id, payload) of entries that are kept without."""
    if pairs:
        tx.execute(insert(PAYLOAD), [{"id": identity, "data": payload} for identity, payload in pairs])


def replace_payloads(tx: Transaction, pairs: Sequence[tuple[bytes, bytes]]) -> None:
    """Keep other payloads (entry id, payload) in place of those that are kept."""
    rows = [{"b_id": identity, "data": payload} for identity, payload in pairs]
    tx.execute(update(PAYLOAD).where(PAYLOAD.c.id == bindparam("b_id")), rows)


def without_payload(tx: Transaction, ids: Sequence[bytes]) -> set[bytes]:
    """Which of these kept entries have no payload, because their household left this vault."""
    joined = ENTRY.outerjoin(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    found: set[bytes] = set()
    for at in range(0, len(ids), 400):
        query = select(ENTRY.c.id).select_from(joined).where(PAYLOAD.c.id.is_(None))
        found.update(tx.scalars(query.where(ENTRY.c.id.in_(ids[at : at + 400]))))
    return found


def unsettled(tx: Transaction, root: bytes) -> bool:
    """Whether the stream of `root` has entries of our own that the county has not placed."""
    query = select(STREAM.c.id).join(ENTRY, ENTRY.c.id == STREAM.c.id)
    return tx.scalar(query.where(STREAM.c.root == root, ENTRY.c.position.is_(None)).limit(1)) is not None


def put_streams(tx: Transaction, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Note (root, entry id): the entry belongs to the stream of the root."""
    rows = [{"root": root, "id": identity} for root, identity in pairs]
    if rows:
        tx.execute(insert(STREAM).prefix_with("OR IGNORE"), rows)


def known_entries(tx: Transaction, ids: Sequence[bytes]) -> dict[bytes, int | None]:
    """Which of these entries are kept: id -> position or None."""
    found: dict[bytes, int | None] = {}
    for at in range(0, len(ids), 400):
        query = select(ENTRY.c.id, ENTRY.c.position).where(ENTRY.c.id.in_(ids[at : at + 400]))
        found.update((row.id, row.position) for row in tx.execute(query))
    return found


def put_positions(tx: Transaction, positions: dict[bytes, int]) -> None:
    """Entries (by id) stand at these positions of the county's log; ChainBroken("log-contradiction") where another
    entry stands."""
    rows = [{"b_id": identity, "b_position": position} for identity, position in positions.items()]
    if rows:
        with _agreeing():
            where = ENTRY.c.id == bindparam("b_id")
            tx.execute(update(ENTRY).where(where).values(position=bindparam("b_position")), rows)


def own_ids(tx: Transaction, chain_id: bytes, first: int, count: int) -> list[bytes]:
    """Ids of the entries first ... first+count-1 of a chain, in order."""
    query = select(ENTRY.c.id).where(ENTRY.c.chain == chain_id, ENTRY.c.seq >= first, ENTRY.c.seq < first + count)
    return list(tx.scalars(query.order_by(ENTRY.c.seq)))


def sealed_from(tx: Transaction, chain_id: bytes, first: int, limit: int) -> list[tuple[bytes, bytes, bytes]]:
    """(entry, signature, payload) of a chain from seq `first` on, as they lie on disk."""
    query = (
        select(ENTRY.c.data, ENTRY.c.signature, PAYLOAD.c.data.label("payload"))
        .join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
        .where(ENTRY.c.chain == chain_id, ENTRY.c.seq >= first)
        # What stands behind a hole does not follow yet.
        .where(ENTRY.c.seq < select(CHAIN.c.next_seq).where(CHAIN.c.id == chain_id).scalar_subquery())
        .order_by(ENTRY.c.seq)
        .limit(limit)
    )
    return [(row.data, row.signature, row.payload) for row in tx.execute(query)]


def chain_entries(tx: Transaction, chain_id: bytes, first: int = 0) -> list[tuple[Entry, bytes, bytes, bytes]]:
    """(entry, bytes, id, signature) of a chain from number `first` on, in order, to be walked."""
    query = select(ENTRY.c.data, ENTRY.c.id, ENTRY.c.signature).where(ENTRY.c.chain == chain_id, ENTRY.c.seq >= first)
    return [
        (decode_entry(row.data), row.data, row.id, row.signature) for row in tx.execute(query.order_by(ENTRY.c.seq))
    ]


def payloads(tx: Transaction, ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """id -> payload of those of these entries that have one."""
    found: dict[bytes, bytes] = {}
    for at in range(0, len(ids), 400):
        query = select(PAYLOAD.c.id, PAYLOAD.c.data).where(PAYLOAD.c.id.in_(ids[at : at + 400]))
        found.update((row.id, row.data) for row in tx.execute(query))
    return found


def remove_entries(tx: Transaction, ids: Sequence[bytes]) -> None:
    """Take entries out of the log: such as were signed again, and stand there under their new ids."""
    for at in range(0, len(ids), 400):
        part = ids[at : at + 400]
        for table in (STREAM, PAYLOAD, ENTRY):
            tx.execute(delete(table).where(table.c.id.in_(part)))


def first_entry(tx: Transaction, chain_id: bytes) -> Entry | None:
    """The genesis of a chain, None when it is not here."""
    data = tx.scalar(select(ENTRY.c.data).where(ENTRY.c.chain == chain_id, ENTRY.c.seq == 0))
    return None if data is None else decode_entry(data)


def let_go(tx: Transaction, ids: Sequence[bytes]) -> None:
    """Entries that the county has never placed and never will: they say nothing here any more. The signed bytes stay,
    so that the chain still proves what was written."""
    for at in range(0, len(ids), 400):
        part = ids[at : at + 400]
        tx.execute(delete(PAYLOAD).where(PAYLOAD.c.id.in_(part)))
        tx.execute(delete(STREAM).where(STREAM.c.id.in_(part)))


def waiting(tx: Transaction) -> int:
    """How many entries of our own chains have no receipt and no decision."""
    return (
        tx.scalar(select(func.coalesce(func.sum(CHAIN.c.next_seq - CHAIN.c.acknowledged), 0)).where(CHAIN.c.own)) or 0
    )


def count_entries(tx: Transaction) -> int:
    """How many entries are here, of all chains."""
    return tx.scalar(select(func.count()).select_from(ENTRY)) or 0


def mark(tx: Transaction) -> bytes:
    """32 bytes, others after every act, receipt, delivery and kept draft: whether a backup is still the same."""
    parts: list[Any] = [
        [[c.state.id, c.state.head, c.acknowledged] for c in own_chains(tx)],
        [list(row) for row in tx.execute(select(DRAFT.c.id, DRAFT.c.saved_at).order_by(DRAFT.c.id))],
        [list(row) for row in tx.execute(select(FILE.c.name, FILE.c.delivered).order_by(FILE.c.name))],
        [count_entries(tx), setting(tx, "cursor"), tx.scalar(select(func.count()).select_from(PRINT_JOB))],
    ]
    return hashlib.sha256(encode(parts)).digest()


def signed_row(signed: Signed) -> dict[str, Any]:
    """The row of the log table for an entry of our own that the county has not seen."""
    return entry_row(signed.entry, signed.id, signed.data, signed.signature, None)


# --- streams ---


def number_streams(tx: Transaction, roots: Iterable[bytes], cursor: int) -> None:
    """Number the entries of these streams in the county's order, counting positions below `cursor`."""
    wanted = sorted(roots)
    rows: list[dict[str, Any]] = []
    for at in range(0, len(wanted), 400):
        query = (
            select(STREAM.c.root, STREAM.c.id, STREAM.c.n, STREAM.c.head)
            .join(ENTRY, ENTRY.c.id == STREAM.c.id)
            .where(STREAM.c.root.in_(wanted[at : at + 400]), ENTRY.c.position < cursor)
            .order_by(STREAM.c.root, ENTRY.c.position)
        )
        for root, stream in groupby(tx.execute(query), key=lambda row: row.root):
            head = start(root)
            for n, row in enumerate(stream, 1):
                head = advance(head, row.id)
                if (row.n, row.head) != (n, head):
                    rows.append({"b_root": root, "b_id": row.id, "n": n, "head": head})
    if rows:
        where = (STREAM.c.root == bindparam("b_root")) & (STREAM.c.id == bindparam("b_id"))
        tx.execute(update(STREAM).where(where).values(n=bindparam("n"), head=bindparam("head")), rows)


def heads(tx: Transaction) -> dict[bytes, tuple[int, bytes]]:
    """root -> (n, H_n) of every stream held."""
    newest = (
        select(STREAM.c.root, func.max(STREAM.c.n).label("n")).where(STREAM.c.n.is_not(None)).group_by(STREAM.c.root)
    )
    part = newest.subquery()
    query = select(STREAM.c.root, STREAM.c.n, STREAM.c.head).join(
        part, (part.c.root == STREAM.c.root) & (part.c.n == STREAM.c.n)
    )
    return {row.root: (row.n, row.head) for row in tx.execute(query)}


# --- receipts ---


def put_receipt(tx: Transaction, chain_id: bytes, first: int, count: int, position: int, at: int, data: bytes) -> None:
    """Keep a checked receipt as evidence."""
    where = (RECEIPT.c.chain == chain_id) & (RECEIPT.c.start == first)
    tx.execute(delete(RECEIPT).where(where))
    row = {"chain": chain_id, "start": first, "count": count, "first_position": position, "received_at": at}
    tx.execute(insert(RECEIPT).values(**row, data=data))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """What the last receipt says: entries `start` ... of the chain stand from `first_position` on."""

    start: int
    count: int
    first_position: int
    received_at: int


def last_receipt(tx: Transaction) -> KeptReceipt | None:
    """The newest receipt of this vault."""
    row = tx.execute(select(RECEIPT).order_by(RECEIPT.c.received_at.desc(), RECEIPT.c.start.desc()).limit(1)).first()
    if row is None:
        return None
    return KeptReceipt(
        start=row.start,
        count=row._mapping["count"],
        first_position=row.first_position,
        received_at=row.received_at,
    )


def receipts(tx: Transaction, chain_id: bytes) -> list[tuple[KeptReceipt, bytes]]:
    """All receipts of a chain with their bytes, in the order of what they cover."""
    query = select(RECEIPT).where(RECEIPT.c.chain == chain_id).order_by(RECEIPT.c.start)
    return [
        (
            KeptReceipt(
                start=row.start,
                count=row._mapping["count"],
                first_position=row.first_position,
                received_at=row.received_at,
            ),
            row.data,
        )
        for row in tx.execute(query)
    ]


# --- drafts ---


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """An unfinished form: D1 table `data` as the form wrote it."""

    id: bytes
    form: str
    root: bytes
    staff: bytes
    saved_at: int
    data: dict[int, Any]


def put_draft(tx: Transaction, draft: KeptDraft) -> None:
    """Keep a draft, replacing an older state of it."""
    tx.execute(delete(DRAFT).where(DRAFT.c.id == draft.id))
    row = {
        "id": draft.id,
        "form": draft.form,
        "root": draft.root,
        "staff": draft.staff,
        "saved_at": draft.saved_at,
    }
    tx.execute(insert(DRAFT).values(**row, data=encode(draft.data)))


def drop_draft(tx: Transaction, draft_id: bytes) -> None:
    """The form was saved or thrown away."""
    tx.execute(delete(DRAFT).where(DRAFT.c.id == draft_id))


def drafts(tx: Transaction, form: str, staff: bytes, root: bytes | None = None) -> list[KeptDraft]:
    """Drafts of a form by a person, newest first, of one root or of all."""
    query = select(DRAFT).where(DRAFT.c.form == form, DRAFT.c.staff == staff).order_by(DRAFT.c.saved_at.desc())
    if root is not None:
        query = query.where(DRAFT.c.root == root)
    return [
        KeptDraft(
            id=row.id,
            form=row.form,
            root=row.root,
            staff=row.staff,
            saved_at=row.saved_at,
            data=decode(row.data),
        )
        for row in tx.execute(query)
    ]


# --- cards ---


def put_cards(tx: Transaction, cards: Iterable[tuple[str, str]]) -> None:
    """Take signed cards (number, payload) into stock."""
    rows = [{"card_no": number, "payload": payload, "used": False} for number, payload in cards]
    if rows:
        tx.execute(insert(CARD_STOCK).prefix_with("OR IGNORE"), rows)


def take_card(tx: Transaction, withdrawn: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """The next unused card (number, payload) of no withdrawn pool, marked used; None when there is none."""
    good = CARD_STOCK.c.used.is_(False) & func.substr(CARD_STOCK.c.card_no, 1, 4).not_in(withdrawn)
    query = select(CARD_STOCK).where(good).order_by(CARD_STOCK.c.card_no).limit(1)
    row = tx.execute(query).first()
    if row is None:
        return None
    tx.execute(update(CARD_STOCK).where(CARD_STOCK.c.card_no == row.card_no).values(used=True))
    return row.card_no, row.payload


def card_payload(tx: Transaction, card_no: str) -> str | None:
    """The signed payload of a card of our stock."""
    return tx.scalar(select(CARD_STOCK.c.payload).where(CARD_STOCK.c.card_no == card_no))


def cards_left(tx: Transaction) -> int:
    """How many cards are unused."""
    return tx.scalar(select(func.count()).select_from(CARD_STOCK).where(CARD_STOCK.c.used.is_(False))) or 0


def stocked_pools(tx: Transaction) -> frozenset[str]:
    """Numbers of the pools whose cards are in stock: the first four characters of a card number."""
    return frozenset(tx.scalars(select(func.substr(CARD_STOCK.c.card_no, 1, 4)).distinct()))


# --- attachment files ---


def put_file(tx: Transaction, upload_key: bytes, name: str, *, delivered: bool) -> None:
    """An encrypted attachment lies in the vault under `name`."""
    tx.execute(delete(FILE).where(FILE.c.upload_key == upload_key))
    tx.execute(insert(FILE).values(upload_key=upload_key, name=name, delivered=delivered))


def file_name(tx: Transaction, upload_key: bytes) -> str | None:
    """Local name of an attachment, None when it is not here."""
    return tx.scalar(select(FILE.c.name).where(FILE.c.upload_key == upload_key))


def file_names(tx: Transaction) -> list[str]:
    """Local names of all attachments that lie here."""
    return list(tx.scalars(select(FILE.c.name).order_by(FILE.c.name)))


def undelivered_files(tx: Transaction) -> list[tuple[bytes, str]]:
    """(upload key, local name) of attachments the county does not have."""
    query = select(FILE.c.upload_key, FILE.c.name).where(FILE.c.delivered.is_(False)).order_by(FILE.c.upload_key)
    return [(row.upload_key, row.name) for row in tx.execute(query)]


# --- print ledger ---


def put_print_state(tx: Transaction, run: bytes, household: bytes, state: str, at: int) -> None:
    """One sheet of a batch print: queued, sent, confirmed or unsure."""
    where = (PRINT_JOB.c.run == run) & (PRINT_JOB.c.household == household)
    tx.execute(delete(PRINT_JOB).where(where))
    tx.execute(insert(PRINT_JOB).values(run=run, household=household, state=state, changed_at=at))


def print_states(tx: Transaction, run: bytes) -> dict[bytes, str]:
    """household -> state of one batch print."""
    query = select(PRINT_JOB.c.household, PRINT_JOB.c.state).where(PRINT_JOB.c.run == run)
    return {row.household: row.state for row in tx.execute(query)}


def unconfirmed_prints(tx: Transaction) -> list[bytes]:
    """Households whose last sheet was begun and never confirmed: cut off, stopped, or nobody knows."""
    later = PRINT_JOB.alias()
    confirmed = (later.c.household == PRINT_JOB.c.household) & (later.c.state == "confirmed")
    since = confirmed & (later.c.changed_at >= PRINT_JOB.c.changed_at)
    query = select(PRINT_JOB.c.household).where(PRINT_JOB.c.state != "confirmed", ~select(later).where(since).exists())
    return list(tx.scalars(query.distinct().order_by(PRINT_JOB.c.household)))
