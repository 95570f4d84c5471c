"""Acts that need two people: one proposes with a reason, another unlocks their slot for this one act and decides.

Both entries stand in their own person's chain; the second cites the first and carries what it brings about. A proposal
without a decision by another person is pending, and nothing has happened. The second person's keys live as long as the
call that needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.casework.desk import Desk, check, created, exists, nothing
from app.errors import InputProblem
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.fields import LIFE, Value
from app.models.queries import households, oversight, places, staff
from app.models.queries.oversight import Proposed
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action, Rights
from app.models.store import Transaction
from app.sync import journal
from app.sync.journal import Author, Touched
from app.vault.attempts import Attempts
from app.vault.vault import Vault

HOUSEHOLD, PROPOSAL, DECISION = (BY_NAME[name] for name in ("household", "proposal", "decision"))
VOID_FILE: Final = "VOID_FILE"
FULL_EXPORT: Final = "FULL_EXPORT"
AGREED: Final = "AGREED"
# What somebody must be allowed to do with households in order to propose it.
NEEDS: Final = {VOID_FILE: Action.VOID, FULL_EXPORT: Action.FULL_EXPORT}
REASON_LEAST: Final = 4  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """Something to propose; `id` is made when the form is opened. `household` for VOID_FILE; `count` and `digest` of
    what is to be exported for FULL_EXPORT."""

    id: bytes
    matter: str
    reason: str
    household: bytes | None = None
    count: int | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPerson:
    """A colleague who unlocked their slot for one act: their chain here, their rights."""

    author: Author = field(repr=False)
    name: str
    rights: Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A proposal that waits, with the names that people know."""

    proposed: Proposed
    by: str
    head: str


def propose(desk: Desk, new: NewProposal) -> Touched:
    """提请: the first person's act. InputProblem "not-allowed", "required", "reason-short", "already-proposed"."""
    reason = new.reason.strip()
    if 0 < len(reason) < REASON_LEAST:
        raise InputProblem("reason-short", least=REASON_LEAST)
    values: dict[str, Value] = {
        "area": desk.workplace,
        "matter": new.matter,
        "household": new.household,
        "count": new.count,
        "digest": new.digest,
        "reason": reason,
    }
    check(desk, PROPOSAL, values)
    with desk.vault.transaction() as tx:
        desk.require(tx, NEEDS[new.matter], HOUSEHOLD, new.household)
        desk.require(tx, Action.WRITE, PROPOSAL, new.household)
        if exists(tx, PROPOSAL, new.id):
            return nothing()
        waiting = oversight.proposals(tx, pending=True)
        if new.household is not None and any(each.household == new.household for each in waiting):
            raise InputProblem("already-proposed")
        said = [created(PROPOSAL, new.id, values)]
        return journal.append(tx, desk.author, Act.PROPOSE, [desk.workplace], said, desk.clock(), desk.random)


def pending(desk: Desk) -> tuple[Pending, ...]:
    """What waits for a second person, of what this person may look at; newest first."""
    with desk.vault.reading() as tx:
        names = {person.id: person.name for person in places.staff(tx).values()}
        return tuple(
            Pending(proposed=each, by=names.get(each.by or b"", ""), head=_head(tx, each.household))
            for each in oversight.proposals(tx, pending=True)
            if desk.rights.may(Action.VIEW, PROPOSAL, (each.area,))
        )


def colleagues(desk: Desk) -> tuple[tuple[bytes, str], ...]:
    """Whom one may ask to decide here: the others with a slot in this vault, by name."""
    listed = [one for one in Vault.people(desk.vault.folder) if one.staff != desk.author.staff]
    with desk.vault.reading() as tx:
        known = places.staff(tx)
    return tuple((one.staff, known[one.staff].name if one.staff in known else one.label) for one in listed)


def second_person(desk: Desk, person: bytes, password: str, *, attempts: Attempts | None = None) -> SecondPerson:
    """A colleague unlocks their slot for one act. InputProblem("second-is-first"); VaultProblem("wrong-password" |
    "too-soon" | "no-slot"), counted as at the door; ChainBroken("chain-foreign") before their chain began here."""
    if person == desk.author.staff:
        raise InputProblem("second-is-first")
    keys = desk.vault.keys_of(person, password, attempts=attempts)
    with desk.vault.reading() as tx:
        author = journal.author_of(tx, keys.signing_seed, desk.author.build)
        rights = staff.rights(tx, person, desk.today())
        known = places.staff(tx).get(person)
    return SecondPerson(author=author, name=known.name if known else "", rights=rights)


def decide(desk: Desk, second: SecondPerson, proposal: bytes, outcome: str, reason: str = "") -> Touched:
    """同意 or 不同意: the second person's act, which cites the proposal and, agreed, ends the file it is about.
    InputProblem "second-is-first", "second-not-allowed", "proposal-unknown", "required" without a reason to refuse."""
    reason = reason.strip()
    if outcome != AGREED and not reason:
        raise InputProblem("required", field=DECISION.field("reason").label)
    with desk.vault.transaction() as tx:
        found = oversight.proposal(tx, proposal)
        if found is None:
            raise InputProblem("proposal-unknown")
        if second.author.staff in (found.by, desk.author.staff):
            raise InputProblem("second-is-first")
        areas = oversight.areas_of(tx, found.area, found.household)
        if not all(second.rights.may(action, DECISION, areas) for action in (Action.DECIDE, Action.WRITE)):
            raise InputProblem("second-not-allowed", name=second.name)
        if found.decided is not None:
            return nothing()
        values: dict[str, Value] = {
            "area": found.area,
            "proposal": proposal,
            "outcome": outcome,
            "reason": reason or None,
        }
        check(desk, DECISION, values)
        said = [created(DECISION, desk.new_id(), values)]
        roots = [found.area]
        if outcome == AGREED and found.matter == VOID_FILE and found.household is not None:
            said += _ended(tx, found.household)
            roots.append(found.household)
        now = desk.clock()
        return journal.append(tx, second.author, Act.DECIDE, roots, said, now, desk.random, [found.entry])


def _ended(tx: Transaction, household: bytes) -> Sequence[Said]:
    """The end of a household's record and of those of its members; nothing is deleted."""
    sheets = [households.sheet(tx, HOUSEHOLD, household), *households.members(tx, household)]
    return [
        Said(kind=sheet.kind.number, object=sheet.id, values={LIFE: None}, bases={LIFE: sheet.dots[LIFE]})
        for sheet in sheets
        if sheet is not None and LIFE in sheet.dots
    ]


def _head(tx: Transaction, household: bytes | None) -> str:
    row = households.one(tx, household) if household is not None else None
    return row.head_name if row is not None else ""
