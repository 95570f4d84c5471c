"""Quarantine: work that came from an ended chain or device, and how a person decides about each piece of it.

The entries lie apart with their bytes, signatures and payloads (`county.tables.QUARANTINE`), and the log names them by
their ids. A decision is an `admission` record by an administrator that names the held entry. A chain has no gaps, so
what was admitted does not enter in its own name behind a refused entry: the administrator states it again, the same
changes and values under the same act, referring to the held entry. So the ended chain stays closed, and who let it in
answers for it.

Held entries of one chain are decided in their order. Where one replaces what an earlier one had said, the statement
replaces what came of that: the earlier one's statement, or what it would itself have replaced when it was refused.

What one ended device may hand in is bounded: whoever found it would else fill the county's disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from app.errors import CountyRefusal, InputProblem
from app.ledger.act import Said
from app.ledger.authority import ADMISSION
from app.ledger.authority import KINDS as AUTHORITY_KINDS
from app.ledger.entry import Act, Entry, Kind, decode_entry, open_payload
from app.models.queries import admissions
from app.models.records.people import SIGNER, STAFF
from app.models.records.registry import BY_NUMBER
from app.models.store import Transaction
from app.models.tables import ENTRY, TABLES
from county.administration import Author, County, Deed, check_authority, said
from county.tables import QUARANTINE, SETTING

AGREED: Final = "AGREED"
REFUSED: Final = "REFUSED"
SHORTEST: Final = 8  # hex digits that name an entry
ROOM: Final = 512 * 1024 * 1024  # bytes that an ended device may hand in, years of photos
LEAST: Final = 16 * 1024  # that a call counts as: the log gets an entry for each packet


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A held entry that nobody has decided about: whose, which act, on records of which kinds, of which files, and when
    the person said it was (`wall`, their own clock)."""

    id: bytes
    chain: bytes
    seq: int
    staff: str
    act: int
    kinds: tuple[str, ...]
    roots: tuple[bytes, ...]
    wall: int
    received: int


def take_room(county: County, device: bytes, size: int) -> None:
    """An ended device hands in so many bytes; CountyRefusal("device-full", limit in MB) when that is too much."""
    name = f"handed-in/{device.hex()}"
    with county.log.writing() as tx:
        kept = tx.scalar(select(SETTING.c.value).where(SETTING.c.name == name))
        used = int.from_bytes(kept or b"", "big") + max(size, LEAST)
        if used > ROOM:
            raise CountyRefusal("device-full", limit=ROOM // (1024 * 1024))
        tx.execute(delete(SETTING).where(SETTING.c.name == name))
        tx.execute(insert(SETTING).values(name=name, value=used.to_bytes(8, "big")))


def waiting(tx: Transaction) -> list[Held]:
    """What is held and not decided, chain by chain in its order."""
    names = TABLES[STAFF.number]
    found: list[Held] = []
    for row in _undecided(tx):
        entry = decode_entry(row.entry)
        kinds = [BY_NUMBER[change.kind].label for change in entry.changes if change.kind in BY_NUMBER]
        found.append(
            Held(
                id=row.id,
                chain=row.chain,
                seq=row.seq,
                staff=tx.scalar(select(names.c.name).where(names.c.id == entry.actor)) or "",
                act=entry.act if entry.kind == Kind.ACT else 0,
                kinds=tuple(dict.fromkeys(kinds)),
                roots=entry.roots,
                wall=entry.wall,
                received=row.received,
            )
        )
    return found


def find(tx: Transaction, text: str) -> bytes:
    """The held entry whose id begins with these hex digits. InputProblem("id-short" | "held-unknown")."""
    if len(text) < SHORTEST:
        raise InputProblem("id-short", limit=SHORTEST)
    found = [row.id for row in _undecided(tx) if row.id.hex().startswith(text.lower())]
    if len(found) != 1:
        raise InputProblem("held-unknown")
    identity: bytes = found[0]
    return identity


def decide(county: County, by: Author, tx: Transaction, identity: bytes, outcome: str, reason: str) -> None:
    """Admit (`AGREED`) or refuse a held entry. The held bytes stay where they are, as evidence, either way.

    InputProblem("not-allowed" | "held-unknown" | "held-order", seq: an earlier one of the chain waits | "held-kind": it
    is no act on records of households, which only can be stated again), and as the field of the reason says."""
    check_authority(tx, by, ADMISSION)
    rows = {row.id: row for row in _undecided(tx)}
    if identity not in rows:
        raise InputProblem("held-unknown")
    row = rows[identity]
    first = min(other.seq for other in rows.values() if other.chain == row.chain)
    if row.seq != first:
        raise InputProblem("held-order", seq=first)
    staff = _person(tx, row.chain)
    facts = {"staff": staff, "entry": identity, "outcome": outcome, **({"reason": reason} if reason else {})}
    record = said("admission", county.random(16), facts)
    deeds = [Deed(act=Act.ADMIT, roots=[staff], said=[record], refs=[identity])]
    if outcome == AGREED:
        deeds.append(_again(tx, row))
    signed = county.act(tx, by, deeds)
    if outcome == AGREED:
        again = update(QUARANTINE).where(QUARANTINE.c.id == identity).values(restated=signed[-1].id[:16])
        tx.execute(again)


def _undecided(tx: Transaction) -> list[Any]:
    """Rows of what is held; without what was decided, and what came into the log after all from a device in force."""
    query = select(QUARANTINE).where(QUARANTINE.c.id.not_in(select(ENTRY.c.id)))
    rows = tx.execute(query.order_by(QUARANTINE.c.chain, QUARANTINE.c.seq)).all()
    decided = admissions.decided(tx, [row.id for row in rows])
    return [row for row in rows if row.id not in decided]


def _person(tx: Transaction, chain: bytes) -> bytes:
    """Whose chain it is: nothing is held of a chain that no record announced."""
    table = TABLES[SIGNER.number]
    staff: bytes = tx.execute(select(table.c.staff).where(table.c.chain == chain).limit(1)).scalar_one()
    return staff


def _again(tx: Transaction, row: Any) -> Deed:
    """The act that says what a held entry says."""
    entry = decode_entry(row.entry)
    values = open_payload(entry, row.payload).values
    # An administrator's word about keys and rights takes effect where the person's had stayed inert.
    if entry.kind != Kind.ACT or any(change.kind in AUTHORITY_KINDS for change in entry.changes):
        raise InputProblem("held-kind")
    told: list[Said] = []
    at = 0
    for index, change in enumerate(entry.changes):
        given = dict(zip(change.fields, values[at : at + len(change.fields)], strict=True))
        at += len(change.fields)
        bases = {
            number: _standing(tx, entry.bases[index, number], (change.kind, change.object, number))
            for number in change.fields
            if (index, number) in entry.bases
        }
        told.append(Said(kind=change.kind, object=change.object, values=given, bases=bases))
    return Deed(act=entry.act, roots=entry.roots, said=told, refs=[row.id, *entry.refs])


def _standing(tx: Transaction, dots: Sequence[bytes], place: tuple[int, bytes, int]) -> list[bytes]:
    """What stands in the log for the dots that an entry replaces at one field (kind, object, field)."""
    found: set[bytes] = set()
    looked, asked = set[bytes](), list(dots)
    while asked:
        dot = asked.pop()
        if dot in looked:
            continue
        looked.add(dot)
        held = tx.execute(select(QUARANTINE).where(QUARANTINE.c.dot == dot)).first()
        if held is None or tx.scalar(select(ENTRY.c.id).where(ENTRY.c.dot == dot)) is not None:
            found.add(dot)
        elif held.restated is not None:
            found.add(held.restated)
        else:
            asked.extend(_replaced(decode_entry(held.entry), place))
    return sorted(found)


def _replaced(entry: Entry, place: tuple[int, bytes, int]) -> Sequence[bytes]:
    kind, identity, number = place
    for index, change in enumerate(entry.changes):
        if (change.kind, change.object) == (kind, identity):
            return entry.bases.get((index, number), ())
    return ()
