"""Visits of a household, and whom to visit today."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from app.models.fields import Value
from app.models.queries import households
from app.models.queries.households import EVERYTHING, HOUSEHOLD, Filter, HouseholdRow
from app.models.records.registry import BY_NAME
from app.models.rules.visiting import Due, due
from app.models.tables import ENTRY, TABLES, Transaction, from_column

KIND = BY_NAME["visit"]
VISIT = TABLES[KIND.number]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """One visit with who recorded it and when; `position` is None while the county has not confirmed it."""

    id: bytes
    household: bytes
    values: dict[str, Value]
    actor: bytes | None
    recorded_at: int
    position: int | None


def of_household(tx: Transaction, household: bytes, limit: int = 100) -> list[VisitRow]:
    """Visits of a household, newest first."""
    query = (
        select(VISIT, ENTRY.c.actor, ENTRY.c.wall, ENTRY.c.position)
        .outerjoin(ENTRY, ENTRY.c.dot == VISIT.c.born)
        .where(VISIT.c.root == household, VISIT.c.alive)
        .order_by(VISIT.c.visited_on.desc(), ENTRY.c.wall.desc())
        .limit(limit)
    )
    return [
        VisitRow(
            id=row["id"],
            household=row["root"],
            values={field.name: from_column(field, row[field.name]) for field in KIND.fields},
            actor=row["actor"],
            recorded_at=row["wall"] or 0,
            position=row["position"],
        )
        for row in tx.execute(query).mappings()
    ]


def visited_in_month(tx: Transaction, month: str, areas: frozenset[bytes] | None = None) -> int:
    """Households visited in `month` ("YYYY-MM"); with `areas` only those that lie there."""
    query = select(func.count(VISIT.c.root.distinct())).where(VISIT.c.alive, VISIT.c.visited_on.like(f"{month}-%"))
    if areas is not None:
        query = query.join(HOUSEHOLD, HOUSEHOLD.c.id == VISIT.c.root).where(households.lying_in(areas))
    return tx.scalar(query) or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """A household on today's list."""

    household: HouseholdRow
    due: Due


def due_today(tx: Transaction, today: str, wanted: Filter = EVERYTHING) -> list[DueRow]:
    """Households of `wanted` whose visit is due on `today`, in walking order."""
    rows = households.page(tx, wanted, limit=100_000)
    found = [
        DueRow(
            household=row,
            due=due(
                row.monitor_category,
                row.risk_removed,
                row.household_type,
                row.last_visit,
                row.promised_by,
                today,
            ),
        )
        for row in rows
    ]
    return [row for row in found if row.due.overdue >= 0]
