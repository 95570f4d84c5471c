"""County, areas and people: names for what records only point at."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from app.models.records.registry import BY_NAME
from app.models.tables import TABLES, Transaction

AREA, STAFF, COUNTY, GRANT, DEVICE = (
    TABLES[BY_NAME[name].number] for name in ("area", "staff", "county", "grant", "device")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area: level COUNTY, TOWNSHIP, VILLAGE or GRID."""

    id: bytes
    level: str
    name: str
    parent: bytes | None
    phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """One member of staff."""

    id: bytes
    name: str
    unit: str | None
    phone: str | None


def areas(tx: Transaction) -> dict[bytes, Area]:
    """All areas known here, by id."""
    rows = tx.execute(select(AREA).where(AREA.c.alive).order_by(AREA.c.order, AREA.c.code, AREA.c.name))
    return {
        row.id: Area(id=row.id, level=row.level or "", name=row.name or "", parent=row.parent, phone=row.phone)
        for row in rows
    }


def path(known: dict[bytes, Area], area: bytes | None) -> tuple[Area, ...]:
    """The area and those above it, the highest first; () when it is not known here."""
    found: list[Area] = []
    while area in known and len(found) < 8:
        found.append(known[area])
        area = found[-1].parent
    return tuple(reversed(found))


def place_name(known: dict[bytes, Area], area: bytes | None) -> str:
    """Names from township down, as on the window's top line: 云台镇 上坝村 第三网格."""
    return " ".join(a.name for a in path(known, area) if a.level != "COUNTY")


def staff(tx: Transaction) -> dict[bytes, Staff]:
    """All staff known here, by id."""
    rows = tx.execute(select(STAFF))
    return {row.id: Staff(id=row.id, name=row.name or "", unit=row.unit, phone=row.phone) for row in rows}


def grid_workers(tx: Transaction) -> dict[bytes, bytes]:
    """grid -> the staff member who works it."""
    rows = tx.execute(select(GRANT.c.area, GRANT.c.staff).where(GRANT.c.alive, GRANT.c.role == "GRID"))
    return {row.area: row.staff for row in rows if row.area is not None}


def roles(tx: Transaction, person: bytes) -> tuple[str, ...]:
    """Roles granted to a person."""
    query = select(GRANT.c.role).where(GRANT.c.alive, GRANT.c.staff == person).order_by(GRANT.c.role).distinct()
    return tuple(tx.scalars(query))


def county_name(tx: Transaction) -> str:
    """Name of the county."""
    return tx.scalar(select(COUNTY.c.name).where(COUNTY.c.alive)) or ""


def county_host(tx: Transaction) -> str:
    """Public host of the county, for links in codes; empty when it has set none."""
    return tx.scalar(select(COUNTY.c.public_host).where(COUNTY.c.alive)) or ""
