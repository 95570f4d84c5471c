"""Who may do what here: the grants of people, read into the rules' frozen values, and the county's policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select

from app.models.fields import Value
from app.models.queries import places
from app.models.queries.places import Area
from app.models.records.households import HOUSEHOLD
from app.models.records.oversight import POLICY, SEAT
from app.models.records.people import GRANT
from app.models.rules.policy import Policy
from app.models.rules.rights import Grant, Rights
from app.models.tables import TABLES, Transaction, from_column


def rights(tx: Transaction, staff: bytes, today: str) -> Rights:
    """The grants of `staff` that are in force on `today` (YYYY-MM-DD)."""
    return rights_of(tx, [staff], today, places.areas(tx))[staff]


def rights_of(
    tx: Transaction, people: Iterable[bytes], today: str, known: Mapping[bytes, Area], *, ended: bool = False
) -> dict[bytes, Rights]:
    """The rights of several people; `known` are all areas here. `ended`: with what was taken back since, for a `today`
    that lies behind."""
    wanted = list(people)
    table = TABLES[GRANT.number]
    query = select(table.c.staff, table.c.role, table.c.area, table.c.until)
    query = query.where(table.c.staff.in_(wanted), table.c.alive | ended).order_by(table.c.id)
    children = _children(known)
    found: dict[bytes, list[Grant]] = {staff: [] for staff in wanted}
    for row in tx.execute(query):
        if row.role is None or row.area is None or (row.until or today) < today:
            continue
        above = frozenset(area.id for area in places.path(dict(known), row.area)) - {row.area}
        reach = _below(children, row.area)
        found[row.staff].append(Grant(role=row.role, area=row.area, reach=reach, above=above))
    return {staff: Rights(grants=tuple(grants)) for staff, grants in found.items()}


def areas_of(tx: Transaction, household: bytes) -> tuple[bytes | None, ...]:
    """The areas a household lies in, grid and village; () when it is not here."""
    table = TABLES[HOUSEHOLD.number]
    row = tx.execute(select(table.c.grid, table.c.village).where(table.c.id == household)).first()
    return () if row is None else (row.grid, row.village)


def _children(known: Mapping[bytes, Area]) -> dict[bytes | None, list[bytes]]:
    found: dict[bytes | None, list[bytes]] = {}
    for area in known.values():
        found.setdefault(area.parent, []).append(area.id)
    return found


def _below(children: Mapping[bytes | None, Sequence[bytes]], area: bytes) -> frozenset[bytes]:
    found, waiting = {area}, [area]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return frozenset(found)


def policy(tx: Transaction) -> Policy:
    """What the county has laid down; the defaults where it has not spoken. Of several records the first counts."""
    table = TABLES[POLICY.number]
    row = tx.execute(select(table).where(table.c.alive).order_by(table.c.id).limit(1)).mappings().first()
    if row is None:
        return Policy()
    values: dict[str, Value] = {field.name: from_column(field, row[field.name]) for field in POLICY.fields}
    return Policy.of(values)


def seats(tx: Transaction, vault: bytes) -> dict[bytes, bytes]:
    """staff -> the record of their seat in this vault, of those who have one in force. The first person of a vault has
    none: their enrolment says it."""
    table = TABLES[SEAT.number]
    query = select(table.c.staff, table.c.id).where(table.c.vault == vault, table.c.alive).order_by(table.c.id)
    return {row.staff: row.id for row in tx.execute(query) if row.staff is not None}
