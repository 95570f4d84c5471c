"""The desk of the person who works here: the vault, the acting person, the place, the clock.

Every verb of this package takes a desk, is one act and one transaction, and returns what it touched. A verb called
twice with the same draft does nothing the second time: the draft carries the id of what it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.errors import InputProblem
from app.ledger.act import Random, Said
from app.models import summaries
from app.models.fields import LIFE, Privacy, RecordKind, Value
from app.models.queries import staff
from app.models.queries.households import EVERYTHING, Filter, Sheet
from app.models.records.registry import BY_NAME
from app.models.rules import forms
from app.models.rules.policy import Policy
from app.models.rules.rights import Action, Rights
from app.models.store import Transaction
from app.models.tables import TABLES
from app.progress import Progress, Steps
from app.sync.journal import Author, Touched
from app.vault.vault import Vault
from app.vault.witness import Witness

HOUSEHOLD = BY_NAME["household"]
SLICE = 10  # households whose summaries are derived in one transaction: well under 50 ms
SHANGHAI = timedelta(hours=8)  # Asia/Shanghai has had no summer time since 1991


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every verb needs. `workplace` is an area id; `clock` gives UTC milliseconds; `demo` stands in the county's
    genesis; `rights` and `policy` are those of the moment the desk was opened, or last reported from; `witness` knows
    of time what stands in no vault."""

    vault: Vault
    author: Author
    workplace: bytes
    county_code: str
    demo: bool
    clock: Callable[[], int]
    random: Random
    rights: Rights
    policy: Policy
    witness: Witness | None = None

    def require(self, tx: Transaction, action: Action, kind: RecordKind | str, household: bytes | None = None) -> None:
        """InputProblem("not-allowed") unless the person may do `action` on records of `kind` at the household (None:
        at the workplace itself)."""
        self.require_at(action, kind, (self.workplace,) if household is None else staff.areas_of(tx, household))

    def require_at(self, action: Action, kind: RecordKind | str, areas: Iterable[bytes | None]) -> None:
        """The same at `areas`, for what is not here yet."""
        if not self.rights.may(action, kind, areas):
            raise InputProblem("not-allowed")

    def listed(self, wanted: Filter = EVERYTHING) -> Filter:
        """What of `wanted` this person may look at. Every list, count and search goes by it: a vault of several people
        holds more."""
        return replace(
            wanted,
            areas=self.rights.reach(Action.VIEW, HOUSEHOLD),
            personal=self.rights.seeing(Privacy.C),
        )

    def new_id(self) -> bytes:
        """A fresh object id."""
        return self.random(16)

    def today(self) -> str:
        """Today's date in Asia/Shanghai, "YYYY-MM-DD"."""
        return day_of(self.clock())


def day_of(instant_ms: int) -> str:
    """The calendar date of an instant in Asia/Shanghai."""
    return (datetime.fromtimestamp(instant_ms / 1000, UTC) + SHANGHAI).date().isoformat()


def created(kind: RecordKind, object_id: bytes, values: Mapping[str, Value]) -> Said:
    """What an act says of an object it creates; values that are None are not said."""
    facts: dict[int, Value] = {LIFE: True}
    facts.update({kind.field(name).number: value for name, value in values.items() if value is not None})
    return Said(kind=kind.number, object=object_id, values=facts)


def amended(sheet: Sheet, values: Mapping[str, Value], *, restate: frozenset[str] = frozenset()) -> Said | None:
    """What an act says of an object it changes: the values that differ from the sheet (and those in `restate`, which
    settle a dispute), each naming what it replaces; None when nothing differs."""
    facts: dict[int, Value] = {}
    for name, value in values.items():
        field = sheet.kind.field(name)
        if value != sheet[name] or name in restate:
            facts[field.number] = value
    if not facts:
        return None
    bases = {number: sheet.dots[number] for number in facts if number in sheet.dots}
    return Said(kind=sheet.kind.number, object=sheet.id, values=facts, bases=bases)


def check(desk: Desk, kind: RecordKind, values: Mapping[str, Value]) -> None:
    """Raise the first problem of a record; forms show all of them beside their fields."""
    found = forms.problems(kind, values, demo=desk.demo, today=desk.today())
    for problem in found.values():
        raise problem


def exists(tx: Transaction, kind: RecordKind, object_id: bytes) -> bool:
    """Whether an object is here already: a second press of the same button."""
    table = TABLES[kind.number]
    return tx.execute(table.select().where(table.c.id == object_id)).first() is not None


def refresh(desk: Desk) -> Steps[None]:
    """Derive the summaries of all stale households, a few at a time."""
    done = 0
    while True:
        with desk.vault.transaction() as tx:
            left = summaries.refresh(tx, SLICE)
        if not left:
            return
        done += SLICE
        yield Progress(done=done, of=done + left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of a verb after its summaries were derived; the lanes tell everybody what it `touched`."""

    touched: Touched


def write(desk: Desk, verb: Callable[[], Touched]) -> Steps[Written]:
    """Do a verb, then derive what the lists show of the households it changed: the way every page writes."""
    touched = verb()
    yield from refresh(desk)
    return Written(touched=touched)


def refuse_empty(said: Said | None) -> Said:
    """The change, or InputProblem("nothing-changed")."""
    if said is None:
        raise InputProblem("nothing-changed")
    return said


def nothing() -> Touched:
    """A verb that found its work done."""
    return Touched()
