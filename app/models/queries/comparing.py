"""The tables of facts as one hash, to compare what stands there with what the log says."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from app.ledger.encoding import encode
from app.models.tables import DERIVED, STALE, SUMMARY, Transaction

# Derived by `app.models.summaries` from the facts, not by the fold; the number of a summary is that of its writing.
_NOT_FACTS = (STALE, SUMMARY)


def facts_hash(tx: Transaction) -> bytes:
    """SHA-256 over all rows of all tables of facts, each table in the order of its primary key."""
    whole = hashlib.sha256()
    for table in DERIVED.sorted_tables:
        if table in _NOT_FACTS:
            continue
        whole.update(table.name.encode())
        for row in tx.execute(select(table).order_by(*table.primary_key.columns)):
            whole.update(encode(list(row)))
    return whole.digest()
