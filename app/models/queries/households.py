"""Households as people look at them: the list, the search, one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select, text

from app.models import store
from app.models.fields import RecordKind, Value
from app.models.records.registry import BY_NAME
from app.models.summaries import words_of
from app.models.tables import SUMMARY, TABLES, Transaction, from_column

HOUSEHOLD, MEMBER, CARD, ATTACHMENT = (
    TABLES[BY_NAME[name].number] for name in ("household", "member", "card", "attachment")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdRow:
    """One line of the list."""

    id: bytes
    household_no: str | None
    head_name: str
    villager_group: str
    natural_village: str | None
    size: int
    member_names: str
    household_type: str | None
    monitor_category: str | None
    risk_removed: bool
    contact_phone: str | None
    last_visit: str | None
    promised_by: str | None
    visits: int
    filled: int
    missing: tuple[str, ...]
    disputed: int
    card_no: str | None
    village: bytes | None
    grid: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to list: `typed` search, one of `kinds` (monitored, lifted, ordinary, missing, disputed, no_card,
    unvisited), a group, an area.

    For whom, as a desk says it (`Desk.listed`): only what lies in `areas`, and phones and certificates are looked among
    only in `personal`; None is no bound. A vault holds what any of its people may see, and each sees their own.
    """

    typed: str = ""
    kinds: frozenset[str] = frozenset()
    group: str | None = None
    area: bytes | None = None
    areas: frozenset[bytes] | None = None
    personal: frozenset[bytes] | None = None


EVERYTHING = Filter()


# Columns by which the list may be sorted.
ORDERS: dict[str, tuple[Any, ...]] = {
    "walk": (SUMMARY.c.group_order, HOUSEHOLD.c.natural_village, HOUSEHOLD.c.household_no),
    "head_name": (SUMMARY.c.initials, SUMMARY.c.head_name),
    "household_no": (HOUSEHOLD.c.household_no,),
    "size": (SUMMARY.c.size,),
    "last_visit": (SUMMARY.c.last_visit,),
    "household_type": (HOUSEHOLD.c.household_type,),
    "monitor_category": (HOUSEHOLD.c.monitor_category,),
    "filled": (SUMMARY.c.filled,),
}


def page(
    tx: Transaction,
    wanted: Filter,
    *,
    order: str = "walk",
    descending: bool = False,
    offset: int = 0,
    limit: int = 200,
) -> list[HouseholdRow]:
    """Lines offset ... offset+limit-1 of the list in `order` (a key of ORDERS)."""
    keys = [column.desc() if descending else column for column in ORDERS[order]]
    query = _listed(_columns(), wanted).order_by(*keys, SUMMARY.c.number).offset(offset).limit(limit)
    return [_row(row) for row in tx.execute(query)]


def count(tx: Transaction, wanted: Filter) -> int:
    """How many households the filter lists."""
    return tx.scalar(_listed(select(func.count()), wanted)) or 0


def one(tx: Transaction, household: bytes, wanted: Filter = EVERYTHING) -> HouseholdRow | None:
    """The line of one household, None when it is not here or not wanted."""
    row = tx.execute(_listed(_columns(), wanted).where(SUMMARY.c.household == household)).first()
    return None if row is None else _row(row)


def groups(tx: Transaction, wanted: Filter = EVERYTHING) -> list[tuple[str, int]]:
    """(group, households) in walking order."""
    query = (
        _listed(select(HOUSEHOLD.c.villager_group, func.count()), wanted)
        .group_by(HOUSEHOLD.c.villager_group)
        .order_by(func.min(SUMMARY.c.group_order), HOUSEHOLD.c.villager_group)
    )
    return [(group or "", number) for group, number in tx.execute(query)]


def _columns() -> Select[Any]:
    return select(
        SUMMARY,
        HOUSEHOLD.c.household_no,
        HOUSEHOLD.c.villager_group,
        HOUSEHOLD.c.natural_village,
        HOUSEHOLD.c.household_type,
        HOUSEHOLD.c.monitor_category,
        HOUSEHOLD.c.contact_phone,
        HOUSEHOLD.c.village,
        HOUSEHOLD.c.grid,
        _removed().label("risk_removed"),
    )


def _removed() -> Any:
    """Whether the risk of a monitored household is removed: every member the register speaks of says so."""
    member = MEMBER.alias("said")
    return (
        select(func.min(member.c.risk_removed == 1))
        .where(member.c.root == HOUSEHOLD.c.id, member.c.alive, member.c.risk_removed.is_not(None))
        .scalar_subquery()
    )


def _listed(query: Select[Any], wanted: Filter) -> Select[Any]:
    query = query.select_from(SUMMARY).join(HOUSEHOLD, HOUSEHOLD.c.id == SUMMARY.c.household)
    if wanted.areas is not None:
        query = query.where(lying_in(wanted.areas))
    if wanted.typed.strip():
        found = _matching(wanted.typed, personal=True)
        if wanted.personal is not None and words_of(wanted.typed) != words_of(wanted.typed, personal=False):
            elsewhere = _matching(wanted.typed, personal=False)
            found = or_(and_(lying_in(wanted.personal), found), elsewhere)
        query = query.where(found)
    if wanted.group is not None:
        query = query.where(HOUSEHOLD.c.villager_group == wanted.group)
    if wanted.area is not None:
        query = query.where(or_(HOUSEHOLD.c.village == wanted.area, HOUSEHOLD.c.grid == wanted.area))
    chosen = [_KINDS[kind] for kind in sorted(wanted.kinds) if kind in _KINDS]
    return query.where(and_(*chosen)) if chosen else query


def _matching(typed: str, *, personal: bool) -> Any:
    terms = " AND ".join(words_of(typed, personal=personal)) or '"\x00"'
    found = text("summary.number IN (SELECT rowid FROM household_search WHERE household_search MATCH :typed)")
    return found.bindparams(bindparam("typed", terms, unique=True))


def lying_in(areas: frozenset[bytes]) -> Any:
    """The condition that a household's grid or its village is one of `areas`."""
    wanted = sorted(areas)
    return or_(HOUSEHOLD.c.grid.in_(wanted), HOUSEHOLD.c.village.in_(wanted))


_KINDS: dict[str, Any] = {
    "monitored": HOUSEHOLD.c.monitor_category.is_not(None),
    "lifted": HOUSEHOLD.c.household_type.in_(("LIFTED_WITH_POLICY", "LIFTED_NO_POLICY")),
    "ordinary": HOUSEHOLD.c.household_type == "ORDINARY",
    "missing": SUMMARY.c.missing != "",
    "disputed": SUMMARY.c.disputed > 0,
    "no_card": SUMMARY.c.card_no.is_(None),
    "unvisited": SUMMARY.c.visits == 0,
}


def _row(row: Any) -> HouseholdRow:
    return HouseholdRow(
        id=row.household,
        household_no=row.household_no,
        head_name=row.head_name,
        villager_group=row.villager_group or "",
        natural_village=row.natural_village,
        size=row.size,
        member_names=row.member_names,
        household_type=row.household_type,
        monitor_category=row.monitor_category,
        risk_removed=bool(row.risk_removed),
        contact_phone=row.contact_phone,
        last_visit=row.last_visit,
        promised_by=row.promised_by,
        visits=row.visits,
        filled=row.filled,
        missing=tuple(row.missing.split(",")) if row.missing else (),
        disputed=row.disputed,
        card_no=row.card_no,
        village=row.village,
        grid=row.grid,
    )


# --- one object, ready to be shown and edited ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several live values of a disputed field: who said it (entry dot) and at which county position."""

    dot: bytes
    position: int | None
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The values of one object, and for each field the dots that an edit made from this sheet replaces."""

    kind: RecordKind
    id: bytes
    values: Mapping[str, Value]
    dots: Mapping[int, tuple[bytes, ...]]
    disputed: Mapping[str, tuple[Candidate, ...]]

    def __getitem__(self, name: str) -> Value:
        return self.values.get(name)


def sheet(tx: Transaction, kind: RecordKind, object_id: bytes) -> Sheet | None:
    """One object as a sheet, None when it is not here."""
    table = TABLES[kind.number]
    row = tx.execute(select(table).where(table.c.id == object_id)).mappings().first()
    if row is None:
        return None
    registers = store.registers_of(tx, kind, object_id)
    names = {field.number: field.name for field in kind.fields}
    return Sheet(
        kind=kind,
        id=object_id,
        values={field.name: from_column(field, row[field.name]) for field in kind.fields},
        dots={number: tuple(sorted(register.live)) for number, register in registers.items() if register.live},
        disputed={
            names[number]: tuple(
                Candidate(dot=dot, position=position, value=value)
                for dot, (position, value) in sorted(register.live.items())
            )
            for number, register in registers.items()
            if number in names and register.disputed()
        },
    )


def members(tx: Transaction, household: bytes) -> list[Sheet]:
    """The living members of a household, head first, then by person number."""
    kind = BY_NAME["member"]
    order = (MEMBER.c.relation != "02", MEMBER.c.person_no, MEMBER.c.id)
    ids = tx.scalars(select(MEMBER.c.id).where(MEMBER.c.root == household, MEMBER.c.alive).order_by(*order))
    return [found for object_id in ids if (found := sheet(tx, kind, object_id)) is not None]


def persons(tx: Transaction, household: bytes) -> dict[bytes, dict[str, Value]]:
    """Everybody who is or was a member of a household: name, relation, birth date and certificate."""
    names = ("name", "relation", "birth_date", "cert_type", "cert_no")
    query = select(MEMBER.c.id, *(MEMBER.c[name] for name in names)).where(MEMBER.c.root == household)
    return {row["id"]: {name: row[name] for name in names} for row in tx.execute(query).mappings()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """A card bound to a household; `order` sorts bindings, the last is current."""

    household: bytes
    card_no: str
    key_number: int
    signed_on: str
    order: tuple[int, int, bytes]


def cards(tx: Transaction, *, household: bytes | None = None, card_no: str | None = None) -> list[CardRow]:
    """Bindings of a household or of a card number, the current one last."""
    query = select(CARD).where(CARD.c.alive)
    if household is not None:
        query = query.where(CARD.c.root == household)
    if card_no is not None:
        query = query.where(CARD.c.card_no == card_no)
    rows = [
        CardRow(
            household=row.household,
            card_no=row.card_no,
            key_number=row.key_number or 0,
            signed_on=row.signed_on or "",
            order=(row.born_position is None, row.born_position or 0, row.id),
        )
        for row in tx.execute(query)
    ]
    return sorted(rows, key=lambda row: row.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """A photo or scan of a household, with what opens it."""

    id: bytes
    visit: bytes | None
    attachment_kind: str
    upload_key: bytes
    content_key: bytes | None
    digest: bytes | None
    taken_at: int | None


def attachments(tx: Transaction, household: bytes) -> list[AttachmentRow]:
    """Attachments of a household, newest visit last."""
    query = select(ATTACHMENT).where(ATTACHMENT.c.root == household, ATTACHMENT.c.alive).order_by(ATTACHMENT.c.taken_at)
    return [
        AttachmentRow(
            id=row.id,
            visit=row.visit,
            attachment_kind=row.attachment_kind or "",
            upload_key=row.upload_key or b"",
            content_key=row.content_key,
            digest=row.digest,
            taken_at=row.taken_at,
        )
        for row in tx.execute(query)
    ]
