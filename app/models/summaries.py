"""What the list of households shows and finds, derived from the tables of facts after each fold.

The fold marks households stale; `refresh` derives the marked ones again: head, size, last visit, what is missing, and
the search words. Nothing here depends on the day. Search words are single Han characters, pinyin initials (`i...`),
reversed digits of certificate and phone numbers (`d...`, `p...`: a tail becomes a prefix) and of the household number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select

from app.models.records.registry import BY_NAME
from app.models.rules.groups import group_order
from app.models.rules.pinyin import initials
from app.models.tables import FIELD_STATE, LIVE, SEARCH, STALE, SUMMARY, TABLES, Transaction

HOUSEHOLD, MEMBER, VISIT, CARD = (TABLES[BY_NAME[name].number] for name in ("household", "member", "visit", "card"))
HEAD = "02"  # relation to head, GB/T 4761

# What a file should have before it is complete: the fields of reference 3.3 and 3.4 marked R or S that are declared.
WANTED_OF_HOUSEHOLD = (
    "villager_group",
    "household_type",
    "member_count",
    "contact_phone",
    "house_dangerous",
    "water_safe",
    "is_relocated",
    "income_per_head",
    "grid",
)
WANTED_OF_MEMBER = ("gender", "cert_no", "relation", "ethnicity", "health", "medical_insurance")


def refresh(tx: Transaction, limit: int = 200) -> int:
    """Derive up to `limit` stale households; how many are still stale."""
    marked = list(tx.scalars(select(STALE.c.household).order_by(STALE.c.household).limit(limit)))
    if not marked:
        return 0
    numbers = list(tx.scalars(select(SUMMARY.c.number).where(SUMMARY.c.household.in_(marked))))
    for number in numbers:
        tx.execute(delete(SEARCH).where(SEARCH.c.rowid == number))
    tx.execute(delete(SUMMARY).where(SUMMARY.c.household.in_(marked)))
    for household in marked:
        _derive(tx, household)
    tx.execute(delete(STALE).where(STALE.c.household.in_(marked)))
    return tx.scalar(select(func.count()).select_from(STALE)) or 0


def words_of(typed: str, *, personal: bool = True) -> list[str]:
    """FTS5 terms for what a person typed: every one must be found. Empty when nothing can be searched. Without
    `personal` a number is looked for among household numbers alone, not among phones and certificates."""
    terms = []
    for part in typed.split():
        han = [c for c in part if "㐀" <= c <= "鿿" or ord(c) > 0x1FFFF]
        if han:
            terms.append('"' + " ".join(han) + '"')
        rest = "".join(c for c in part if c.isascii() and c.isalnum()).lower()
        if rest.isalpha():
            terms.append(f'"i{rest}"*')
        elif rest:
            back = rest[::-1]
            terms.append(f'("d{back}"* OR "p{back}"* OR "h{back}"*)' if personal else f'"h{back}"*')
    return terms


def _derive(tx: Transaction, household: bytes) -> None:
    row = tx.execute(select(HOUSEHOLD).where(HOUSEHOLD.c.id == household)).mappings().first()
    if row is None or not row["alive"]:
        return
    members = tx.execute(
        select(MEMBER).where(MEMBER.c.root == household, MEMBER.c.alive).order_by(MEMBER.c.person_no, MEMBER.c.id)
    )
    people = [dict(member) for member in members.mappings()]
    heads = [p for p in people if p["id"] == row["head"]] or [p for p in people if p["relation"] == HEAD]
    head = heads[0] if heads else None
    people.sort(key=lambda p: p is not head)
    missing = [name for name in WANTED_OF_HOUSEHOLD if row[name] is None]
    missing += sorted({name for p in people for name in WANTED_OF_MEMBER if p[name] is None})
    wanted = len(WANTED_OF_HOUSEHOLD) + len(WANTED_OF_MEMBER)
    visit = tx.execute(
        select(func.count(), func.max(VISIT.c.visited_on)).where(VISIT.c.root == household, VISIT.c.alive)
    ).one()
    promised = tx.scalar(
        select(VISIT.c.promised_by)
        .where(VISIT.c.root == household, VISIT.c.alive)
        .order_by(VISIT.c.visited_on.desc())
        .limit(1)
    )
    card = tx.scalar(
        select(CARD.c.card_no)
        .where(CARD.c.root == household, CARD.c.alive)
        .order_by(CARD.c.born_position.is_(None).desc(), CARD.c.born_position.desc())
        .limit(1)
    )
    values: dict[str, Any] = {
        "household": household,
        "head_name": head["name"] or "" if head else "",
        "initials": next(iter(initials(head["name"] or "")), "") if head else "",
        "member_names": "、".join(p["name"] or "" for p in people),
        "size": len(people),
        "group_order": group_order(row["villager_group"]),
        "last_visit": visit[1],
        "visits": visit[0],
        "promised_by": promised,
        "filled": round(100 * (wanted - len(missing)) / wanted),
        "missing": ",".join(missing),
        "disputed": _disputes(tx, [household, *(p["id"] for p in people)]),
        "card_no": card,
    }
    number = tx.execute(insert(SUMMARY).values(**values)).inserted_primary_key[0]  # type: ignore[index]
    words = " ".join(_words(row, people))
    tx.execute(insert(SEARCH).values(rowid=number, words=words))


def _disputes(tx: Transaction, objects: Sequence[bytes]) -> int:
    """How many fields of these objects hold different live values."""
    query = (
        select(FIELD_STATE.c.object)
        .where(FIELD_STATE.c.object.in_(objects), FIELD_STATE.c.state == LIVE)
        .group_by(FIELD_STATE.c.object, FIELD_STATE.c.field)
        .having(func.count(FIELD_STATE.c.value.distinct()) > 1)
    )
    return len(tx.execute(query).all())


def _words(row: Any, people: Sequence[dict[str, Any]]) -> Iterator[str]:
    for value in (row["natural_village"], row["villager_group"]):
        yield " ".join(value or "")
    if row["household_no"]:
        yield "h" + row["household_no"][::-1].lower()
    phones = [row["contact_phone"], *(p["phone"] for p in people)]
    yield from ("p" + phone[::-1] for phone in phones if phone)
    for person in people:
        name = person["name"] or ""
        # The mark between names keeps a phrase from running over from one person to the next.
        yield "| " + " ".join(name) + " |"
        yield from ("i" + letters for letters in initials(name))
        if person["cert_no"]:
            yield "d" + person["cert_no"][::-1].lower()
