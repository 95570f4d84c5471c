"""The log as acts: who did what when, what was and what is, and the proof beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import exists, func, select

from app.ledger.entry import Act, Change, Kind, Withheld, decode_entry, open_payload
from app.models.fields import LIFE, RecordKind, Value
from app.models.queries import households
from app.models.queries.households import HOUSEHOLD
from app.models.records.registry import BY_NAME, BY_NUMBER
from app.models.tables import ENTRY, PAYLOAD, STREAM, TABLES, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRow:
    """One act: `kind` and `act` by their numbers in the log, `objects` the record kinds it touched (by number) and how
    many objects of each, `position` None while it waits for the county; `apart`: it came behind the end of its chain,
    and the county has decided about it."""

    id: bytes
    kind: int
    act: int
    actor: bytes | None
    wall: int
    seq: int
    chain: bytes
    position: int | None
    roots: tuple[bytes, ...]
    objects: tuple[tuple[int, int], ...]
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One value an act set: the values it replaced, the new one, `hidden` when it is withheld or erased."""

    kind: RecordKind | None
    object: bytes
    field: int
    before: tuple[Value, ...]
    after: Value
    hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDetail:
    """An act with its changes and its proof: signature (64 bytes), commitment, previous entry."""

    row: ActRow
    changes: tuple[FieldChange, ...]
    signature: bytes
    prev: bytes
    seen_size: int | None


AREA = TABLES[BY_NAME["area"].number]
# What a workplace says of files: its root is the workplace's area, what it says is about households.
OF_FILES: Final = (Act.EXPORT, Act.PROPOSE, Act.DECIDE)
# Behind the end of its chain: the county has decided about it, and it counts no more (`journal.catch_up`).
_APART: Final = ENTRY.c.position.is_(None) & ~exists().where(PAYLOAD.c.id == ENTRY.c.id)


def acts(
    tx: Transaction,
    *,
    root: bytes | None = None,
    actor: bytes | None = None,
    chain: bytes | None = None,
    since: int | None = None,
    until: int | None = None,
    areas: frozenset[bytes] | None = None,
    offset: int = 0,
    limit: int = 200,
) -> list[ActRow]:
    """Acts, newest first: of one root, one person, one chain, or all; written from instant `since` (ms) on and before
    `until`; with `areas` none that speaks of a household elsewhere."""
    query = select(ENTRY.c.id, ENTRY.c.data, ENTRY.c.position, _APART.label("apart"))
    if root is not None:
        query = query.join(STREAM, STREAM.c.id == ENTRY.c.id).where(STREAM.c.root == root)
    if actor is not None:
        query = query.where(ENTRY.c.actor == actor)
    if chain is not None:
        query = query.where(ENTRY.c.chain == chain)
    if since is not None:
        query = query.where(ENTRY.c.wall >= since)
    if until is not None:
        query = query.where(ENTRY.c.wall < until)
    if areas is not None:
        query = query.where(_only_of(areas))
    waits = ENTRY.c.position.is_(None) & ~_APART
    order = (waits.desc(), ENTRY.c.position.desc(), ENTRY.c.seq.desc())
    rows = tx.execute(query.order_by(*order).offset(offset).limit(limit))
    return [_row(row.id, row.data, row.position, bool(row.apart)) for row in rows]


def count(
    tx: Transaction,
    *,
    root: bytes | None = None,
    actor: bytes | None = None,
    since: int | None = None,
    until: int | None = None,
    areas: frozenset[bytes] | None = None,
) -> int:
    """How many acts `acts` would list."""
    query = select(func.count()).select_from(ENTRY)
    if root is not None:
        query = query.join(STREAM, STREAM.c.id == ENTRY.c.id).where(STREAM.c.root == root)
    if actor is not None:
        query = query.where(ENTRY.c.actor == actor)
    if since is not None:
        query = query.where(ENTRY.c.wall >= since)
    if until is not None:
        query = query.where(ENTRY.c.wall < until)
    if areas is not None:
        query = query.where(_only_of(areas))
    return tx.scalar(query) or 0


def authors(tx: Transaction, areas: frozenset[bytes] | None = None) -> list[bytes]:
    """Who wrote entries that are here; with `areas` as `acts`."""
    query = select(ENTRY.c.actor).where(ENTRY.c.actor.is_not(None)).distinct().order_by(ENTRY.c.actor)
    return list(tx.scalars(query if areas is None else query.where(_only_of(areas))))


def _only_of(areas: frozenset[bytes]) -> Any:
    """Not one of its roots is a household outside `areas`, nor, where a workplace speaks of its files, an area outside.
    The households elsewhere are found once, not act by act."""
    here = func.coalesce(households.lying_in(areas), False)  # a household of no area is nobody's
    elsewhere = select(STREAM.c.id).join(HOUSEHOLD, HOUSEHOLD.c.id == STREAM.c.root).where(~here)
    place = STREAM.join(AREA, AREA.c.id == STREAM.c.root)
    other_place = exists().select_from(place).where(STREAM.c.id == ENTRY.c.id, AREA.c.id.not_in(sorted(areas)))
    return ENTRY.c.id.not_in(elsewhere) & (ENTRY.c.act.not_in(OF_FILES) | ~other_place)


def detail(tx: Transaction, entry_id: bytes) -> ActDetail | None:
    """One act with old and new values."""
    query = select(ENTRY, PAYLOAD.c.data.label("payload")).outerjoin(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    row = tx.execute(query.where(ENTRY.c.id == entry_id)).first()
    if row is None:
        return None
    entry = decode_entry(row.data)
    values = open_payload(entry, row.payload).values if row.payload is not None else None
    changes = []
    for at, (index, change, field) in enumerate(entry.slots()):
        value = values[at] if values is not None else Withheld(b"")
        bases = entry.bases.get((index, field), ())
        changes.append(
            FieldChange(
                kind=BY_NUMBER.get(change.kind),
                object=change.object,
                field=field,
                before=tuple(_said(tx, base, change, field) for base in bases),
                after=None if isinstance(value, Withheld) else value,
                hidden=isinstance(value, Withheld),
            )
        )
    return ActDetail(
        row=_row(row.id, row.data, row.position, row.position is None and row.payload is None),
        changes=tuple(sorted(changes, key=lambda c: (c.kind.number if c.kind else 0, c.object, c.field != LIFE))),
        signature=row.signature,
        prev=entry.prev,
        seen_size=entry.seen[1] if entry.seen else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who said something and when (ms), `position` None while it waits for the county."""

    actor: bytes | None
    wall: int
    position: int | None


def origins(tx: Transaction, dots: Sequence[bytes]) -> dict[bytes, Origin]:
    """Dot -> where it comes from, of those entries that are here."""
    found: dict[bytes, Origin] = {}
    for at in range(0, len(dots), 400):
        query = select(ENTRY.c.dot, ENTRY.c.actor, ENTRY.c.wall, ENTRY.c.position)
        for row in tx.execute(query.where(ENTRY.c.dot.in_(dots[at : at + 400]))):
            found[row.dot] = Origin(actor=row.actor, wall=row.wall, position=row.position)
    return found


def key_changed_after(tx: Transaction, chain: bytes, seq: int) -> bool:
    """Whether the key of a chain was changed behind its entry `seq`: today's key does not fit that entry."""
    query = select(ENTRY.c.id).where(ENTRY.c.chain == chain, ENTRY.c.seq > seq, ENTRY.c.kind == Kind.ROTATE)
    return tx.execute(query.limit(1)).first() is not None


def _said(tx: Transaction, dot: bytes, change: Change, field: int) -> Value:
    """What the entry with `dot` said of the field, None when it is not here or withheld."""
    query = select(ENTRY.c.data, PAYLOAD.c.data.label("payload")).join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    row = tx.execute(query.where(ENTRY.c.dot == dot)).first()
    if row is None:
        return None
    entry = decode_entry(row.data)
    values = open_payload(entry, row.payload).values
    for at, (_, said, number) in enumerate(entry.slots()):
        if (said.kind, said.object, number) == (change.kind, change.object, field):
            return None if isinstance(values[at], Withheld) else values[at]
    return None


def _row(identity: bytes, data: bytes, position: int | None, apart: bool) -> ActRow:
    entry = decode_entry(data)
    counts: dict[int, int] = {}
    for change in entry.changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    return ActRow(
        id=identity,
        kind=entry.kind,
        act=entry.act,
        actor=entry.actor,
        wall=entry.wall,
        seq=entry.seq,
        chain=entry.chain,
        position=position,
        roots=entry.roots,
        objects=tuple(sorted(counts.items())),
        apart=apart,
    )
