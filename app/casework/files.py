"""Opening a household's file, correcting it, its members; settling a dispute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.casework.desk import Desk, amended, check, created, exists, nothing, refuse_empty
from app.errors import InputProblem
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.fields import LIFE, Value
from app.models.queries.households import Sheet
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.sync import journal
from app.sync.journal import Touched

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
HEAD = "02"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to open: ids of household and head, made when the form was opened, and what the form says of both."""

    household: bytes
    head: bytes
    household_values: Mapping[str, Value]
    head_values: Mapping[str, Value]


def open_file(desk: Desk, new: NewFile) -> Touched:
    """建档: the household and its head, one act."""
    head_values = {**new.head_values, "household": new.household, "relation": HEAD}
    values = {"member_count": 1, **new.household_values, "head": new.head}
    check(desk, HOUSEHOLD, values)
    check(desk, MEMBER, head_values)
    areas = [value for name in ("grid", "village") if isinstance(value := values.get(name), bytes)]
    with desk.vault.transaction() as tx:
        for kind in (HOUSEHOLD, MEMBER):
            desk.require_at(Action.WRITE, kind, areas)
        if exists(tx, HOUSEHOLD, new.household):
            return nothing()
        said = [created(HOUSEHOLD, new.household, values), created(MEMBER, new.head, head_values)]
        return journal.append(tx, desk.author, Act.CREATE, [new.household], said, desk.clock(), desk.random)


def edit(desk: Desk, household: bytes, sheet: Sheet, values: Mapping[str, Value]) -> Touched:
    """更正: some values of the household or of a member, as seen on `sheet`."""
    check(desk, sheet.kind, {**sheet.values, **values})
    said = refuse_empty(amended(sheet, values))
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, sheet.kind, household)
        return journal.append(tx, desk.author, Act.EDIT, [household], [said], desk.clock(), desk.random)


def add_member(desk: Desk, household: bytes, member: bytes, values: Mapping[str, Value]) -> Touched:
    """添加成员: a person joins the household."""
    filled = {**values, "household": household}
    check(desk, MEMBER, filled)
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, MEMBER, household)
        if exists(tx, MEMBER, member):
            return nothing()
        said = [created(MEMBER, member, filled)]
        return journal.append(tx, desk.author, Act.CREATE, [household], said, desk.clock(), desk.random)


def end_member(desk: Desk, household: bytes, sheet: Sheet, status: str) -> Touched:
    """成员离户: the record ends with a status (DECEASED, MOVED_OUT ...); nothing is deleted."""
    if sheet["relation"] == HEAD:
        raise InputProblem("head-cannot-leave")
    number = MEMBER.field("status").number
    bases = {n: sheet.dots[n] for n in (LIFE, number) if n in sheet.dots}
    said = Said(kind=MEMBER.number, object=sheet.id, values={LIFE: None, number: status}, bases=bases)
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, MEMBER, household)
        return journal.append(tx, desk.author, Act.END, [household], [said], desk.clock(), desk.random)


def resolve(desk: Desk, household: bytes, sheet: Sheet, field: str, value: Value) -> Touched:
    """选这个: settle a disputed field; the act names every value it replaces."""
    said = refuse_empty(amended(sheet, {field: value}, restate=frozenset({field})))
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, sheet.kind, household)
        return journal.append(tx, desk.author, Act.RESOLVE, [household], [said], desk.clock(), desk.random)
