"""What was proposed, decided and exported: what waits for a second person, and what a decision allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select

from app.models.queries import places, staff
from app.models.records.oversight import DECISION, EXPORT, PROPOSAL
from app.models.rules.rights import Action
from app.models.tables import ENTRY, TABLES, Transaction

_SHANGHAI: Final = timedelta(hours=8)
_PROPOSAL, _DECISION, _EXPORT = (TABLES[kind.number] for kind in (PROPOSAL, DECISION, EXPORT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the second person said: `by` (staff id) and when (ms)."""

    id: bytes
    outcome: str
    reason: str
    by: bytes | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """One proposal: `entry` (32 bytes) is the act that made it, `by` (staff id) its person, `at` ms; `decided` the
    first decision by another person who may, None while it waits."""

    id: bytes
    entry: bytes
    area: bytes
    matter: str
    household: bytes | None
    count: int | None
    digest: bytes | None
    reason: str
    by: bytes | None
    at: int
    decided: Decided | None


def proposals(tx: Transaction, *, pending: bool = False) -> list[Proposed]:
    """All proposals here, newest first; `pending`: only those that wait for a second person."""
    rows = tx.execute(_proposals().order_by(ENTRY.c.wall.desc(), _PROPOSAL.c.id))
    found = [_proposed(tx, row) for row in rows]
    return [each for each in found if each.decided is None] if pending else found


def proposal(tx: Transaction, identity: bytes) -> Proposed | None:
    """One proposal, None when it is not here."""
    row = tx.execute(_proposals().where(_PROPOSAL.c.id == identity)).first()
    return None if row is None else _proposed(tx, row)


def used(tx: Transaction, decision: bytes) -> bool:
    """Whether an export was made on a decision; it allows one."""
    return tx.execute(select(_EXPORT.c.id).where(_EXPORT.c.decision == decision)).first() is not None


def _proposals() -> Select[Any]:
    joined = _PROPOSAL.join(ENTRY, ENTRY.c.dot == _PROPOSAL.c.born)
    columns = (ENTRY.c.id.label("entry"), ENTRY.c.actor, ENTRY.c.wall)
    return select(_PROPOSAL, *columns).select_from(joined).where(_PROPOSAL.c.alive)


def _proposed(tx: Transaction, row: Any) -> Proposed:
    return Proposed(
        id=row.id,
        entry=row.entry,
        area=row.area,
        matter=row.matter or "",
        household=row.household,
        count=row._mapping["count"],  # a row has a method of that name
        digest=row.digest,
        reason=row.reason or "",
        by=row.actor,
        at=row.wall,
        decided=_decided(tx, row),
    )


def _decided(tx: Transaction, proposed: Any) -> Decided | None:
    """The first decision by another person who was ever allowed to decide there: the fold takes what anybody signed."""
    query = (
        select(_DECISION, ENTRY.c.actor, ENTRY.c.wall)
        .join(ENTRY, ENTRY.c.dot == _DECISION.c.born)
        .where(_DECISION.c.proposal == proposed.id, _DECISION.c.alive, ENTRY.c.actor != proposed.actor)
        .order_by(ENTRY.c.position.is_(None), ENTRY.c.position, ENTRY.c.seq)
    )
    areas = areas_of(tx, proposed.area, proposed.household)
    for row in tx.execute(query):
        day = (datetime.fromtimestamp(row.wall / 1000, UTC) + _SHANGHAI).date().isoformat()
        rights = staff.rights_of(tx, [row.actor], day, places.areas(tx), ended=True)[row.actor]
        if rights.may(Action.DECIDE, DECISION, areas):
            return Decided(id=row.id, outcome=row.outcome or "", reason=row.reason or "", by=row.actor, at=row.wall)
    return None


def areas_of(tx: Transaction, area: bytes, household: bytes | None) -> tuple[bytes | None, ...]:
    """Where a proposal is decided: where its household lies, else at its workplace."""
    return (area,) if household is None else staff.areas_of(tx, household)
