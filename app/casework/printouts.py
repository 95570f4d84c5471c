"""Printing sheets as a run: every household gets its card, every sheet that left is an entry of the run.

The print ledger keeps each sheet of a run as queued, sent, confirmed or unsure, so that a jammed printer never yields
two valid cards or none: cards are bound before anything is printed and stay the same on a reprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.casework import cards
from app.casework.cards import BoundCard
from app.casework.desk import Desk, created
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.sync import journal
from app.sync.journal import Touched
from app.vault import kept

HOUSEHOLD, PRINTOUT = BY_NAME["household"], BY_NAME["printout"]
QUEUED, SENT, CONFIRMED, UNSURE = "queued", "sent", "confirmed", "unsure"


def prepare(desk: Desk, run: bytes, households: Sequence[bytes]) -> Iterator[tuple[bytes, BoundCard, Touched]]:
    """For each household of the run: its current card, bound from the stock where it has none. InputProblem(
    "not-allowed") before anything is bound, unless the person may print each of them, and several at once where there
    are several."""
    action = Action.PRINT if len(households) == 1 else Action.BATCH_PRINT
    with desk.vault.reading() as tx:
        for household in households:
            desk.require(tx, action, HOUSEHOLD, household)
            desk.require(tx, Action.WRITE, PRINTOUT, household)
    for household in households:
        bound, touched = cards.bind(desk, household, run=run)
        with desk.vault.transaction() as tx:
            kept.put_print_state(tx, run, household, QUEUED, desk.clock())
        yield household, bound, touched


def note(desk: Desk, run: bytes, household: bytes, *, version: str, outcome: str, copies: int = 1) -> Touched:
    """The sheet of a household left for paper or a file (`outcome` PAPER or PDF); once a run and household."""
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, PRINTOUT, household)
        if kept.print_states(tx, run).get(household) == CONFIRMED:
            return Touched()
        values: dict[str, Value] = {
            "household": household,
            "sheet_kind": "ARCHIVE_SHEET",
            "sheet_version": version,
            "copies": copies,
            "outcome": outcome,
        }
        kept.put_print_state(tx, run, household, CONFIRMED, desk.clock())
        said = [created(PRINTOUT, desk.new_id(), values)]
        return journal.append(tx, desk.author, Act.PRINT, [household], said, desk.clock(), desk.random, [run])


def leave_unsure(desk: Desk, run: bytes, households: Sequence[bytes]) -> None:
    """The person is not sure that these sheets came out; they are offered again."""
    with desk.vault.transaction() as tx:
        for household in households:
            kept.put_print_state(tx, run, household, UNSURE, desk.clock())


def unfinished(desk: Desk) -> tuple[bytes, ...]:
    """Households whose last sheet was begun and never confirmed, to be offered again; their cards stay the same."""
    with desk.vault.reading() as tx:
        return tuple(kept.unconfirmed_prints(tx))
