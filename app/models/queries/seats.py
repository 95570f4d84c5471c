"""Who sits in which vault, by the words that count.

A `seat` record says that somebody came into a vault or was let go. The fold takes what anybody signed; here a word
about a vault counts only from a chain of it whose person still sits there, in the county's order, or from the office:
else any laptop could empty any other, and who was let go could write a new seat. Whoever was let go comes back by a
colleague's word, or by a key that the county recorded on a device of the vault since. The county's delivery asks here,
and so does a laptop before it takes anybody's slot away.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from app.ledger.authority import ADMISSION
from app.ledger.entry import Act, Entry, decode_entry, open_payload
from app.models.fields import LIFE
from app.models.records.oversight import SEAT
from app.models.records.people import DEVICE, SIGNER
from app.models.store import Transaction, load_authority
from app.models.tables import ENTRY, PAYLOAD, STREAM, TABLES

_UNREPORTED: Final = 2**62  # where an entry stands that has no place in the log yet
ACTS: Final = (Act.JOIN, Act.LEAVE, Act.CHANGE_KEYS)
_STAFF, _VAULT = SEAT.field("staff").number, SEAT.field("vault").number

Place = tuple[bytes, bytes]  # vault, staff


class Seats:
    """The seats of one vault, or of all; `take` follows the log entry by entry."""

    def __init__(self, tx: Transaction, vault: bytes | None = None) -> None:
        self._authority = load_authority(tx)
        self._vaults: dict[bytes, bytes] = {}  # chain -> vault
        self._since: dict[Place, list[int]] = {}  # where the county recorded keys
        self._places: dict[bytes, Place] = {}  # seat -> what it is about, by the first word that counts
        self._ended: dict[Place, int] = {}
        self.people: set[bytes] = set()  # with a key in force on a device in force
        signer, device = TABLES[SIGNER.number], TABLES[DEVICE.number]
        joined = signer.join(device, device.c.id == signer.c.device).join(ENTRY, ENTRY.c.dot == signer.c.born)
        columns = (signer.c.staff, signer.c.chain, signer.c.alive, device.c.vault, ENTRY.c.position)
        query = select(*columns, device.c.alive.label("usable")).select_from(joined)
        for row in tx.execute(query if vault is None else query.where(device.c.vault == vault)):
            self._vaults[row.chain] = row.vault
            since = _UNREPORTED if row.position is None else row.position
            self._since.setdefault((row.vault, row.staff), []).append(since)
            if row.alive and row.usable:
                self.people.add(row.staff)

    @property
    def known(self) -> set[bytes]:
        """Everybody who ever had a key here."""
        return {staff for _, staff in self._since}

    def gone(self, vault: bytes, staff: bytes, before: int | None = None) -> bool:
        """Whether somebody was let go and did not come back before a position of the log."""
        ended = self._ended.get((vault, staff))
        if ended is None:
            return False
        back = (at for at in self._since.get((vault, staff), ()) if at > ended)
        return not any(before is None or at < before for at in back)

    def take(self, position: int, entry: Entry, payload: bytes) -> set[bytes]:
        """Follow what the entry says of seats; the seats about which its word does not count."""
        refused: set[bytes] = set()
        if all(change.kind != SEAT.number for change in entry.changes):
            return refused
        values = iter(open_payload(entry, payload).values)
        for change in entry.changes:
            said = {number: next(values) for number in change.fields}
            if change.kind != SEAT.number:
                continue
            vault, staff = said.get(_VAULT), said.get(_STAFF)
            told = (vault, staff) if isinstance(vault, bytes) and isinstance(staff, bytes) else None
            place = self._places.get(change.object, told)
            if place is None:
                continue  # of no vault
            if not self._counts(position, entry, place[0]):
                refused.add(change.object)
                continue
            self._places[change.object] = place
            if LIFE in said and said[LIFE] is not True:
                self._ended[place] = position
            elif LIFE in said:
                self._ended.pop(place, None)
        return refused

    def _counts(self, position: int, entry: Entry, vault: bytes) -> bool:
        if self._authority.may_write(entry.chain, SIGNER.number) or self._authority.may_write(entry.chain, ADMISSION):
            return True
        of_vault = self._vaults.get(entry.chain) == vault
        return of_vault and not self.gone(vault, entry.actor or b"", position)


def people(tx: Transaction, vault: bytes) -> set[bytes]:
    """Staff with a key in force on a device in force of this vault, but for those who were let go."""
    seats = _followed(tx, vault)
    return {staff for staff in seats.people if not seats.gone(vault, staff)}


def gone(tx: Transaction, vault: bytes) -> set[bytes]:
    """Staff who once had a key on a device of this vault and were let go."""
    seats = _followed(tx, vault)
    return {staff for staff in seats.known if seats.gone(vault, staff)}


def _followed(tx: Transaction, vault: bytes) -> Seats:
    seats = Seats(tx, vault)
    joined = STREAM.join(ENTRY, ENTRY.c.id == STREAM.c.id).join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    query = (
        select(ENTRY.c.position, ENTRY.c.data, PAYLOAD.c.data.label("payload"))
        .select_from(joined)
        .where(STREAM.c.root.in_(seats.known), ENTRY.c.act.in_(ACTS))
        .distinct()
        .order_by(ENTRY.c.position.is_(None), ENTRY.c.position, ENTRY.c.seq)
    )
    for row in tx.execute(query):
        seats.take(_UNREPORTED if row.position is None else row.position, decode_entry(row.data), row.payload)
    return seats
