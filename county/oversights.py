"""What was signed without the right to it: a list for people, made when somebody asks.

The county takes what a person signed about households whatever their rights (design 2.7: rules never refuse what
happened at a door), so somebody has to look at it afterwards. Each entry is judged by the rights that its author had at
its place in the county's order; whether a grant's last day was past, by the day that the entry names. Acts on office
records by who has no authority took no effect and are listed too, and so are words about seats in a vault by who does
not sit there (`app.models.queries.seats`). Not listed is what the office itself writes about households: the register
it imports, and what it admits of an ended chain.

Whoever ends a file, under whatever name the act goes, needs the second person (`app.casework.countersigning`): the
entry refers to a proposal to end this file by another person who may, and its author may decide there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from app.ledger.authority import ADMISSION, KINDS, Authority
from app.ledger.entry import Act, Change, Entry, Kind, decode_entry, open_payload
from app.models.fields import LIFE, RecordKind, Root
from app.models.queries import places
from app.models.queries.places import Area
from app.models.queries.seats import Seats
from app.models.records.households import HOUSEHOLD, MEMBER
from app.models.records.oversight import DECISION, PROPOSAL
from app.models.records.people import GRANT
from app.models.records.registry import BY_NUMBER
from app.models.rules.rights import Action, Grant, Rights
from app.models.store import Transaction
from app.models.tables import ENTRY, PAYLOAD
from county.administration import Areas
from county.cards import china_day

_PART: Final = 500
VOID_FILE: Final = "VOID_FILE"
_GRID, _VILLAGE = HOUSEHOLD.field("grid").number, HOUSEHOLD.field("village").number
_MATTER, _HOME = PROPOSAL.field("matter").number, PROPOSAL.field("household").number


@dataclass(frozen=True, slots=True, kw_only=True)
class Overstep:
    """One change that its author had no right to: where in the log, who, on which record, of whose file."""

    position: int
    actor: bytes
    kind: str
    action: Action
    root: bytes
    wall: int
    effect: bool  # whether it stands in the tables


@dataclass(slots=True)
class _Standing:
    """Who had which rights, and where households lay, at one place of the log."""

    authority: Authority
    areas: Areas
    known: Mapping[bytes, Area]
    seats: Seats
    grants: dict[bytes, dict[int, Any]] = field(default_factory=dict)
    homes: dict[bytes, dict[int, Any]] = field(default_factory=dict)
    judged: dict[tuple[bytes, str], Rights] = field(default_factory=dict)  # until a grant changes
    proposed: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)  # entry -> file to be ended -> who asks

    def where(self, roots: Sequence[bytes]) -> set[bytes | None]:
        """The areas that these files lie in."""
        found: set[bytes | None] = set()
        for root in roots:
            found |= {root} if root in self.known else set(self.homes.get(root, {}).values())
        return found

    def rights(self, staff: bytes, day: str) -> Rights:
        """What `staff` had been granted by now and was not past on `day`."""
        if (staff, day) not in self.judged:
            self.judged[staff, day] = self._rights(staff, day)
        return self.judged[staff, day]

    def _rights(self, staff: bytes, day: str) -> Rights:
        numbers = {name: GRANT.field(name).number for name in ("staff", "role", "area", "until")}
        found: list[Grant] = []
        for facts in self.grants.values():
            told = {name: facts.get(number) for name, number in numbers.items()}
            role, area, until = told["role"], told["area"], told["until"]
            if told["staff"] != staff or role is None or area is None or (until or day) < day:
                continue
            reach, above = frozenset(self.areas.below(area)), frozenset(self.areas.above(area))
            found.append(Grant(role=role, area=area, reach=reach, above=above))
        return Rights(grants=tuple(found))

    def agreed(self, entry: Entry, rights: Rights) -> set[bytes]:
        """The files that somebody with these rights may end by this entry, because another person proposed it."""
        asked = [(home, by) for ref in entry.refs for home, by in self.proposed.get(ref, {}).items()]
        return {h for h, by in asked if by != entry.actor and rights.may(Action.DECIDE, DECISION, self.where([h]))}

    def propose(self, identity: bytes, entry: Entry, said: Mapping[int, Any], rights: Rights) -> None:
        """Follow a proposal of somebody with these rights."""
        home = said.get(_HOME)
        if said.get(_MATTER) != VOID_FILE or not isinstance(home, bytes) or entry.actor is None:
            return
        if rights.may(Action.VOID, HOUSEHOLD, self.where([home])):
            self.proposed.setdefault(identity, {})[home] = entry.actor

    def apply(self, entry: Entry, payload: bytes) -> None:
        """Follow what the entry says of grants, signers and the places of households."""
        values = list(open_payload(entry, payload).values)
        for change in entry.changes:
            said, values = values[: len(change.fields)], values[len(change.fields) :]
            if change.kind in KINDS:
                if not self.authority.may_write(entry.chain, change.kind):
                    continue
                self.authority.apply(change, said)
                if change.kind == GRANT.number:
                    self.judged.clear()
                    facts = self.grants.setdefault(change.object, {})
                    facts.update(zip(change.fields, said, strict=True))
                    if facts.get(LIFE, True) is not True:
                        del self.grants[change.object]
            elif change.kind == HOUSEHOLD.number:
                told = {n: v for n, v in zip(change.fields, said, strict=True) if n in (_GRID, _VILLAGE)}
                if told:
                    self.homes.setdefault(change.object, {}).update(told)


def overstepped(tx: Transaction) -> Iterator[Overstep]:
    """Every change in the log whose author had no right to it, in the log's order. Reads the whole log once."""
    root = tx.scalar(select(ENTRY.c.chain).where(ENTRY.c.position == 0))
    standing = _Standing(authority=Authority(root), areas=Areas(tx), known=places.areas(tx), seats=Seats(tx))
    joined = ENTRY.join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    query = select(ENTRY.c.id, ENTRY.c.position, ENTRY.c.data, PAYLOAD.c.data.label("payload")).select_from(joined)
    at = 0
    while rows := tx.execute(query.where(ENTRY.c.position >= at).order_by(ENTRY.c.position).limit(_PART)).all():
        for row in rows:
            entry = decode_entry(row.data)
            if entry.kind == Kind.ACT:
                before = standing.where(entry.roots)
                inert = {k for k in KINDS if not standing.authority.may_write(entry.chain, k)}
                rights = standing.rights(entry.actor or b"", china_day(entry.wall))
                office = entry.chain == root or _of_the_office(entry, standing.authority)
                said = _said(entry, row.payload)
                agreed = standing.agreed(entry, rights)
                standing.apply(entry, row.payload)
                for change, values in said:
                    if change.kind == PROPOSAL.number:
                        standing.propose(row.id, entry, values, rights)
                foreign = standing.seats.take(row.position, entry, row.payload)
                judge = _Judge(
                    entry=entry,
                    rights=None if office else rights,
                    where=before | standing.where(entry.roots),
                    inert=inert,
                    foreign=foreign,
                    agreed=agreed,
                )
                yield from judge.oversteps(row.position, said)
        at = rows[-1].position + 1


def _of_the_office(entry: Entry, authority: Authority) -> bool:
    """Whether the county's office wrote this about households: its register, or what it admits of an ended chain."""
    written = entry.act == Act.IMPORT or any(len(ref) == 32 for ref in entry.refs)  # an admission refers to an entry
    return written and authority.may_write(entry.chain, ADMISSION)


def _said(entry: Entry, payload: bytes) -> list[tuple[Change, dict[int, Any]]]:
    """Each change with its values by field number."""
    values = iter(open_payload(entry, payload).values)
    return [(change, {number: next(values) for number in change.fields}) for change in entry.changes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What is known of one entry when its changes are judged; no `rights` for what the office itself writes."""

    entry: Entry
    rights: Rights | None
    where: set[bytes | None]
    inert: set[int]
    foreign: set[bytes]  # seats about which its author has no say
    agreed: set[bytes]  # files that two people end by it

    def oversteps(self, position: int, said: Sequence[tuple[Change, Mapping[int, Any]]]) -> Iterator[Overstep]:
        for change, values in said:
            kind = BY_NUMBER.get(change.kind)
            if kind is None:
                continue
            over = LIFE in values and values[LIFE] is None
            action = Action.VOID if over and kind is HOUSEHOLD else Action.WRITE
            if self._fits(change, kind, action, over):
                continue
            yield Overstep(
                position=position,
                actor=self.entry.actor or b"",
                kind=kind.name,
                action=action,
                root=self.entry.roots[0] if self.entry.roots else change.object,
                wall=self.entry.wall,
                effect=change.kind not in KINDS,
            )

    def _fits(self, change: Change, kind: RecordKind, action: Action, over: bool) -> bool:
        if change.kind in KINDS:
            return change.kind not in self.inert
        if self.rights is None:
            return True
        if action is Action.VOID:
            return change.object in self.agreed
        if kind is MEMBER and over and self.agreed:
            return True  # goes with the file
        if kind.root is Root.STAFF:  # a person lies in no area
            return self.rights.may_anywhere(action, kind) and change.object not in self.foreign
        return self.rights.may(action, kind, self.where)
