"""What the county decided about entries that came from chains it had ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.models.records.oversight import ADMISSION
from app.models.tables import TABLES, Transaction


def decided(tx: Transaction, ids: Sequence[bytes]) -> frozenset[bytes]:
    """Which of these entries the county has admitted or refused; admitted ones were stated again by whoever did it."""
    table, found = TABLES[ADMISSION.number], set[bytes]()
    for at in range(0, len(ids), 400):
        query = select(table.c.entry).where(table.c.entry.in_(ids[at : at + 400]), table.c.alive)
        found.update(tx.scalars(query))
    return frozenset(found)
