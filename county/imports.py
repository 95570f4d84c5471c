"""The county's register as entries of an administrator's chain: matched, compared, and only what is new is written.

A row matches the object that carries its number; a household without a known number matches by its head's
certificate; only an unmatched row makes an object, whose id follows from the number, so that two imports make the
same one. A known number whose people share no certificate with the row is refused for a look. What an import replaces
is what the same person's imports said last, read from the log itself: unchanged cells write nothing, the same file
again changes nothing, an interrupted run goes on where it stopped, and what a grid worker changed since is not
overwritten but disputed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from app.errors import InputProblem
from app.ledger.act import Said
from app.ledger.authority import KINDS
from app.ledger.encoding import encode
from app.ledger.entry import Act
from app.models.fields import LIFE, RecordKind, Value
from app.models.records.households import HOUSEHOLD, MEMBER
from app.models.records.places import AREA
from app.models.rules.groups import group_order
from app.models.rules.quality import HEAD
from app.models.store import Transaction, registers_of, stored_items
from app.models.tables import ENTRY, STREAM, TABLES
from app.progress import Progress, Steps
from app.workbooks.register import Fault, HouseholdRows, MemberRow, Register, Severity
from county.administration import Area, Areas, Author, County, Deed, check_authority, new_area

SLICE: Final = 32  # households in one transaction

Field = tuple[int, bytes, int]  # record kind, object, field number


@dataclass(slots=True)
class Outcome:
    """What an import did, in households and entries; `faults` are households that wait for a look."""

    added: int = 0
    changed: int = 0
    same: int = 0
    entries: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class _Household:
    """A household that the county has: its members by number, certificates, and who is the head."""

    id: bytes
    group: tuple[bytes | None, str | None]
    grid: bytes | None
    head: bytes | None
    members: dict[str, bytes] = field(default_factory=dict)
    certificates: dict[str, bytes] = field(default_factory=dict)


class _Known:
    """What the tables know at the start of a run, kept up while it goes on."""

    def __init__(self, tx: Transaction) -> None:
        table = TABLES[HOUSEHOLD.number]
        self.by_id: dict[bytes, _Household] = {}
        self.by_number: dict[str, _Household] = {}
        self.by_head: dict[str, _Household] = {}
        self.owners: dict[str, bytes] = {}  # person number or certificate -> household
        for row in tx.execute(select(table).where(table.c.alive)).mappings():
            one = _Household(
                id=row["id"], group=(row["village"], row["villager_group"]), grid=row["grid"], head=row["head"]
            )
            self.take(one, row["household_no"])
        people = TABLES[MEMBER.number]
        columns = select(people.c.id, people.c.household, people.c.person_no, people.c.cert_no, people.c.relation)
        for row in tx.execute(columns.where(people.c.alive)).mappings():
            home = self.by_id.get(row["household"])
            if home is not None:
                self.take_member(home, row["id"], row["person_no"], row["cert_no"], row["relation"])

    def take(self, household: _Household, number: str | None) -> None:
        self.by_id[household.id] = household
        if number:
            self.by_number[number] = household

    def take_member(self, home: _Household, member: bytes, person_no: Value, cert_no: Value, relation: Value) -> None:
        if isinstance(person_no, str):
            home.members[person_no] = member
            self.owners[person_no] = home.id
        if isinstance(cert_no, str):
            home.certificates[cert_no] = member
            self.owners[cert_no] = home.id
            if relation == HEAD:
                self.by_head[cert_no] = home

    def grid_of(self, group: tuple[bytes | None, str | None]) -> bytes | None:
        """The grid of the first household of this group that has one."""
        return next((one.grid for one in self.by_id.values() if one.group == group and one.grid), None)


def import_register(county: County, by: Author, register: Register) -> Steps[Outcome]:
    """Write what `register` says and the county does not know; InputProblem("import-other-county",
    "import-demo-differs" | "not-allowed"). Each step has committed. The register is the office's own word about places
    and households: only an administrator for everything may give it."""
    if register.demo != county.demo:
        raise InputProblem("import-demo-differs")
    others = [one for one in register.households if one.county not in ("", county.name)]
    if others:
        raise InputProblem("import-other-county", row=others[0].rows[0])
    run = _id(county, "run", register.digest.hex())
    outcome = Outcome()
    groups = _groups(register)
    with county.log.reading() as tx:
        check_authority(tx, by, *KINDS)
        known = _Known(tx)
    done = 0
    for start in range(0, len(register.households), SLICE):
        part = register.households[start : start + SLICE]
        with county.log.writing() as tx:
            areas = Areas(tx)
            deeds: list[Deed] = []
            for rows in part:
                village = _village(county, areas, rows, deeds)
                grid = _grid(areas, known, village, rows, groups, demo=county.demo)
                deeds.extend(_household(tx, county, by, known, rows, village.id, grid, run, outcome))
            if deeds:
                county.act(tx, by, deeds)
        outcome.entries += len(deeds)
        done += len(part)
        yield Progress(done=done, of=len(register.households))
    return outcome


# --- places ---


def _village(county: County, areas: Areas, rows: HouseholdRows, deeds: list[Deed]) -> Area:
    """The village of a household; what is missing of the way to it is made."""
    here = areas.county
    path: list[str] = []
    for level, name in (("TOWNSHIP", rows.township), ("VILLAGE", rows.village)):
        if not name:
            continue
        path.append(name)
        found = areas.child(here.id, name)
        if found is None:
            identity = _id(county, AREA.number, "/".join(path))
            deeds.append(new_area(areas, identity, here, level, name))
            found = areas.by_id[identity]
        here = found
    return here


def _groups(register: Register) -> dict[tuple[str, str], list[str]]:
    """(township, village) -> its groups in their order."""
    found: dict[tuple[str, str], set[str]] = {}
    for rows in register.households:
        group = rows.values.get("villager_group")
        if isinstance(group, str):
            found.setdefault((rows.township, rows.village), set()).add(group)
    return {place: sorted(groups, key=lambda group: (group_order(group), group)) for place, groups in found.items()}


def _grid(
    areas: Areas,
    known: _Known,
    village: Area,
    rows: HouseholdRows,
    groups: Mapping[tuple[str, str], Sequence[str]],
    *,
    demo: bool,
) -> bytes | None:
    """A register has no column for the grid: a household goes where its group is; in a demo the groups of a village are
    dealt out to its grids in their order. Else somebody assigns it later."""
    group = rows.values.get("villager_group")
    if not isinstance(group, str):
        return None
    if (found := known.grid_of((village.id, group))) is not None:
        return found
    grids = [area for area in areas.children(village.id) if area.level == "GRID"]
    if not demo or not grids:
        return None
    order = groups[rows.township, rows.village]
    return grids[order.index(group) * len(grids) // len(order)].id


# --- one household ---


def _household(
    tx: Transaction,
    county: County,
    by: Author,
    known: _Known,
    rows: HouseholdRows,
    village: bytes,
    grid: bytes | None,
    run: bytes,
    outcome: Outcome,
) -> Iterator[Deed]:
    """The act that brings one household up to date, none when nothing changed or it waits for a look."""
    number = str(rows.values["household_no"])
    found = known.by_number.get(number)
    certificates = {str(member.values["cert_no"]) for member in rows.members if member.values.get("cert_no")}
    if found is None:
        found = known.by_head.get(str(rows.head.values.get("cert_no")))
    elif found.certificates and certificates and certificates.isdisjoint(found.certificates):
        return outcome.faults.append(_look(rows.rows[0], "import-household-differs"))
    new = found is None
    home = found or _Household(
        id=_id(county, HOUSEHOLD.number, number),
        group=(village, str(rows.values.get("villager_group"))),
        grid=grid,
        head=None,
    )
    for member in rows.members:
        owner = next((known.owners[key] for key in _keys(member) if key in known.owners), home.id)
        if owner != home.id:
            return outcome.faults.append(_look(member.row, "import-person-elsewhere"))
    before = {} if new else _imported(tx, by.staff, home.id)
    members = [(member, _member_id(county, home, member)) for member in rows.members]
    values = {name: value for name, value in rows.values.items() if value is not None}
    values["village"] = village
    if new and grid is not None:
        values["grid"] = grid
    values["head"] = next(identity for member, identity in members if member is rows.head)
    told = [_said(tx, HOUSEHOLD, home.id, values, before, new=new)]
    for member, identity in members:
        values = {name: value for name, value in member.values.items() if value is not None}
        values["household"] = home.id
        fresh = identity not in home.members.values() and identity not in home.certificates.values()
        told.append(_said(tx, MEMBER, identity, values, before, new=fresh))
    told = [one for one in told if one.values]
    if new:
        known.take(home, number)
        outcome.added += 1
    elif told:
        outcome.changed += 1
    else:
        outcome.same += 1
    for member, identity in members:
        person_no, cert_no, relation = (member.values.get(name) for name in ("person_no", "cert_no", "relation"))
        known.take_member(home, identity, person_no, cert_no, relation)
    if told:
        yield Deed(act=Act.IMPORT, roots=[home.id], said=told, refs=[run])
    return None


def _look(row: int, code: str) -> Fault:
    return Fault(row=row, column="", code=code, severity=Severity.REFUSE)


def _keys(member: MemberRow) -> list[str]:
    return [str(member.values[name]) for name in ("person_no", "cert_no") if member.values.get(name)]


def _member_id(county: County, home: _Household, member: MemberRow) -> bytes:
    for table, name in ((home.members, "person_no"), (home.certificates, "cert_no")):
        if (found := table.get(str(member.values.get(name)))) is not None:
            return found
    return _id(county, MEMBER.number, _keys(member)[0])


def _imported(tx: Transaction, staff: bytes, household: bytes) -> dict[Field, tuple[bytes, Value]]:
    """What the imports of `staff` said last of a household and its people: (kind, object, field) -> dot, value."""
    query = (
        select(ENTRY.c.id)
        .join(STREAM, STREAM.c.id == ENTRY.c.id)
        .where(STREAM.c.root == household, ENTRY.c.act == int(Act.IMPORT), ENTRY.c.actor == staff)
        .order_by(ENTRY.c.position)
    )
    found: dict[Field, tuple[bytes, Value]] = {}
    for item in stored_items(tx, list(tx.scalars(query))):
        for (_, change, number), value in zip(item.entry.slots(), item.values, strict=True):
            found[change.kind, change.object, number] = item.dot, value
    return found


def _said(
    tx: Transaction,
    kind: RecordKind,
    identity: bytes,
    values: Mapping[str, Value],
    before: Mapping[Field, tuple[bytes, Value]],
    *,
    new: bool,
) -> Said:
    """What is new about one object. Without an earlier import of a field, a value that is already shown alone is not
    said again."""
    numbered: dict[int, Any] = {LIFE: True} if new else {}
    bases: dict[int, list[bytes]] = {}
    registers = None
    for name, value in values.items():
        number = kind.field(name).number
        earlier = before.get((kind.number, identity, number))
        if earlier is not None:
            if earlier[1] == value:
                continue
            bases[number] = [earlier[0]]
        elif not new:
            registers = registers_of(tx, kind, identity) if registers is None else registers
            known = registers.get(number)
            if known is not None and known.shown() == value and not known.disputed():
                continue
        numbered[number] = value
    return Said(kind=kind.number, object=identity, values=numbered, bases=bases)


def _id(county: County, kind: int | str, number: str) -> bytes:
    """Id of an imported object: the same for the same number."""
    return hmac.digest(county.keys.import_key, encode([kind, number]), "sha256")[:16]
