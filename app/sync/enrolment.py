"""Enrolment: from a single-use code to a vault that reports to its county, or to a colleague in a vault that does.

    look    the code is read, county.pub fetched and compared with the id in the code; nothing is made yet
    enrol   a vault is made, the person's chain begun, the county told, the first exchange run
    resume  the same from wherever it was cut off
    join    a colleague comes into a vault that reports already: their slot, the county told; `joined` begins the chain
    tell    the second half of `join`, from wherever it was cut off

What is sent to the county follows from what lies in the vault, so the same request can be made again after a lost
answer or a kill, and the county answers the same. Until the county has confirmed, the secret of the code stands in
the vault (encrypted). A code that the county refuses leaves no vault behind, unless somebody already worked in it; of a
colleague it leaves neither slot nor chain, and new keys, because they had a password here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from app.errors import ChainBroken, CountyRefusal, InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger.act import Circumstances, Random, Signed, start
from app.ledger.entry import entry_id
from app.ledger.signatures import public_key
from app.models.records.people import DEVICE
from app.models.store import Transaction
from app.progress import Progress, Steps
from app.sync import exchange, journal
from app.sync.connection import Connection
from app.sync.exchange import Report
from app.sync.protocol import CountyKey, EnrolmentCode, EnrolRequest, Invitation
from app.sync.transport import Clock, County
from app.text import tr
from app.vault import kept, places
from app.vault.attempts import Attempts
from app.vault.disk import disk_errors
from app.vault.slots import FLOOR, KdfParameters
from app.vault.vault import Vault

REFUSED: Final = ("enrolment-used", "enrolment-unknown", "enrolment-expired", "enrolment-person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A code that the county knows: whom it is for, and the county's key, checked against the code."""

    code: EnrolmentCode
    key: CountyKey
    invitation: Invitation
    demo: bool
    recovery: bytes = field(repr=False)


def look(text: str, *, random: Random, clock: Clock) -> Invited:
    """What the code in `text` is for. InputProblem("enrolment-code"), TransportProblem, CountyRefusal; ChainBroken(
    "county-foreign") when whoever answers is not the county that gave out the code."""
    code = EnrolmentCode.parse(text)
    county = County(code.host, code.pin, random=random, clock=clock)
    try:
        key = county.county_key()
        if entry_id(key.entry) != code.county:
            raise ChainBroken("county-foreign")
        facts = journal.county_body(key)
        invitation = county.look(code.secret)
    finally:
        county.close()
    return Invited(
        code=code,
        key=key,
        invitation=invitation,
        demo=bool(facts.get(chains.DEMO)),
        recovery=facts[chains.RECOVERY_KEY],
    )


def enrol(
    invited: Invited,
    password: str,
    folder: Path,
    device_name: str,
    *,
    build: int,
    random: Random,
    clock: Clock,
    kdf: KdfParameters = FLOOR,
    attempts: Attempts | None = None,
) -> Steps[tuple[Vault, Report]]:
    """Make the vault at `folder`, tell the county, run the first exchange; the open vault and what came.

    Where an earlier try was cut off, the same code and password go on from there; `attempts` counts them. When it
    raises, the vault is locked, or gone if the county refused the code; it can be tried again, or unlocked and
    resumed."""
    yield Progress(done=0, of=0, doing=tr("正在准备"))
    limit = DEVICE.field("name").limit
    if not device_name.strip() or len(device_name) > (limit or 0):
        raise InputProblem("device-name", limit=limit)
    vault = _open(invited, password, folder, random, kdf, attempts)
    with _locked_on_failure(vault):
        with vault.transaction() as tx:
            _begin(tx, vault, invited, device_name, build, random, clock)
        report = yield from resume(vault, build=build, random=random, clock=clock)
    return vault, report


def resume(vault: Vault, *, build: int, random: Random, clock: Clock) -> Steps[Report]:
    """Finish an enrolment that was cut off, then run an exchange; in an enrolled vault only the exchange.

    A code that the county refuses leaves no vault behind, and `vault` locked."""
    with vault.reading() as tx:
        connection = Connection.load(tx)
    county = connection.county(vault, random=random, clock=clock)
    try:
        if not connection.enrolled:
            yield Progress(done=0, of=0, doing=tr("正在登记"))
            _confirm(vault, county, connection, build)
        return (yield from exchange.run(vault, county, random=random))
    finally:
        county.close()


def _open(
    invited: Invited, password: str, folder: Path, random: Random, kdf: KdfParameters, attempts: Attempts | None
) -> Vault:
    """The vault at `folder`: made now, or the one that an earlier try with the same code made."""
    staff = invited.invitation.staff
    if not _is_vault(folder):
        places.refuse_bad(folder)
        return Vault.create(
            folder,
            staff=staff,
            label=invited.invitation.staff_name,
            password=password,
            recovery_public=invited.recovery,
            random=random,
            prepare=kept.prepare,
            kdf=kdf,
        )
    if staff not in [person.staff for person in Vault.people(folder)]:
        raise VaultProblem("vault-exists")
    vault = Vault.unlock(folder, staff, password, attempts=attempts)
    with _locked_on_failure(vault), vault.reading() as tx:
        found = Connection.find(tx)
        if found is not None and (found.staff != staff or found.secret not in (b"", invited.code.secret)):
            raise VaultProblem("vault-exists")
        # Begun but never connected: a kill between making the vault and its first transaction.
        if found is None and kept.own_chains(tx):
            raise VaultProblem("vault-exists")
    return vault


def _is_vault(folder: Path) -> bool:
    with disk_errors():
        return folder.is_dir() and any(folder.iterdir())


def _begin(
    tx: Transaction,
    vault: Vault,
    invited: Invited,
    device_name: str,
    build: int,
    random: Random,
    clock: Clock,
) -> None:
    """County, connection and the person's chain, in one transaction; nothing where an earlier try did it."""
    if Connection.find(tx) is not None:
        return
    code, invitation = invited.code, invited.invitation
    journal.put_county(tx, invited.key)
    journal.begin(tx, vault.signing_seed, random(16), invitation.staff, clock(), build)
    Connection(
        base=code.host,
        pin=code.pin,
        device=random(16),
        device_name=device_name.strip(),
        staff=invitation.staff,
        staff_name=invitation.staff_name,
        workplace=invitation.workplace,
        workplace_name=invitation.workplace_name,
        county_name=invitation.county_name,
        demo=invited.demo,
        secret=code.secret,
    ).save(tx)


def _confirm(vault: Vault, county: County, connection: Connection, build: int) -> None:
    """Tell the county of chain, person and device; keep that it agreed."""
    with vault.reading() as tx:
        mine = journal.author_of(tx, vault.signing_seed, build)
        first, *worked = kept.sealed_from(tx, mine.chain, 0, 2)
    genesis, signature, _ = first
    request = _request(vault, connection, connection.secret, genesis, signature, vault.box_public, build)
    try:
        county.enrol(request)
    except CountyRefusal as refusal:
        if refusal.code in REFUSED and not worked:
            vault.lock()
            with disk_errors():
                shutil.rmtree(vault.folder)
        raise
    with vault.transaction() as tx:
        connection.confirmed().save(tx)


def _request(
    vault: Vault,
    connection: Connection,
    secret: bytes,
    genesis: bytes,
    signature: bytes,
    box_public: bytes,
    build: int,
) -> EnrolRequest:
    """A chain of this vault and its person, on this device."""
    return EnrolRequest(
        secret=secret,
        genesis=genesis,
        signature=signature,
        box_key=box_public,
        transport_key=public_key(vault.device_seed),
        device=connection.device,
        device_name=connection.device_name,
        vault=vault.vault_id,
        build=build,
    )


# --- a colleague ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A colleague who is on the way into this vault. With the person's key it gives their genesis again, byte for byte,
    until the county has agreed; `seat` is the id of the record that will say so."""

    staff: bytes
    name: str
    secret: bytes = field(repr=False)
    nonce: bytes
    begun_ms: int
    build: int
    seat: bytes

    def save(self, tx: Transaction) -> None:
        """Keep it in the vault."""
        table: dict[int, Any] = {
            1: self.name,
            2: self.secret,
            3: self.nonce,
            4: self.begun_ms,
            5: self.build,
            6: self.seat,
        }
        kept.put_setting(tx, _joining(self.staff), table)

    @classmethod
    def find(cls, tx: Transaction, staff: bytes) -> Joining | None:
        """Whether `staff` is on the way."""
        t = kept.setting(tx, _joining(staff))
        if not t:
            return None
        return cls(staff=staff, name=t[1], secret=t[2], nonce=t[3], begun_ms=t[4], build=t[5], seat=t[6])

    def genesis(self, seed: bytes) -> Signed:
        """The first entry of the person's chain; `seed` is their signing seed."""
        signed, _ = start(seed, self.nonce, self.staff, Circumstances(wall=self.begun_ms, app=self.build))
        return signed


def _joining(staff: bytes) -> str:
    return f"joining/{staff.hex()}"


def join(
    vault: Vault,
    invited: Invited,
    password: str,
    *,
    attempts: Attempts,
    build: int,
    random: Random,
    clock: Clock,
    kdf: KdfParameters = FLOOR,
) -> Steps[tuple[Joining, bytes]]:
    """Give the colleague of the code a slot in this vault under `password`, which they typed, and tell the county.
    The joining, which `joined` brings to its end, and their signing seed.

    Where an earlier try was cut off, the same person and password go on from there. InputProblem("colleague-county" |
    "colleague-elsewhere"), VaultProblem("slot-exists" | "wrong-password" ...), TransportProblem, CountyRefusal."""
    yield Progress(done=0, of=0, doing=tr("正在准备"))
    staff = invited.invitation.staff
    check_colleague(vault, invited)
    with vault.transaction() as tx:
        joining = Joining.find(tx, staff) or Joining(
            staff=staff,
            name=invited.invitation.staff_name,
            secret=b"",
            nonce=random(16),
            begun_ms=clock(),
            build=build,
            seat=random(16),
        )
        joining = replace(joining, secret=invited.code.secret)  # a second code, where the first ran out
        joining.save(tx)
    if staff in (person.staff for person in Vault.people(vault.folder)):
        keys = vault.keys_of(staff, password, attempts=attempts)
    else:
        keys = vault.add_person(staff=staff, label=joining.name, password=password, random=random, kdf=kdf)
    yield from tell(vault, joining, keys.signing_seed, keys.box_public, random=random, clock=clock)
    return joining, keys.signing_seed


def check_colleague(vault: Vault, invited: Invited) -> None:
    """Whether this code is for somebody new at this workplace of this county. InputProblem("colleague-county" |
    "colleague-elsewhere"), VaultProblem("slot-exists")."""
    with vault.reading() as tx:
        connection = Connection.load(tx)
        if entry_id(CountyKey.decode(kept.setting(tx, journal.COUNTY)).entry) != invited.code.county:
            raise InputProblem("colleague-county")
        if connection.workplace != invited.invitation.workplace:
            raise InputProblem("colleague-elsewhere")
        staff = invited.invitation.staff
        here = staff in (person.staff for person in Vault.people(vault.folder))
        if here and Joining.find(tx, staff) is None:
            raise VaultProblem("slot-exists")


def tell(
    vault: Vault, joining: Joining, seed: bytes, box_public: bytes, *, random: Random, clock: Clock
) -> Steps[None]:
    """Tell the county of the colleague's chain on this device. A code that the county refuses ends the joining: the
    slot goes, the keys are renewed. From the colleague's own session the slot cannot go; then only the joining ends."""
    yield Progress(done=0, of=0, doing=tr("正在登记"))
    with vault.reading() as tx:
        connection = Connection.load(tx)
    genesis = joining.genesis(seed)
    request = _request(vault, connection, joining.secret, genesis.data, genesis.signature, box_public, joining.build)
    county = connection.county(vault, random=random, clock=clock)
    try:
        county.enrol(request)
    except CountyRefusal as refusal:
        if refusal.code in REFUSED and vault.staff != joining.staff:
            yield from vault.remove_person(joining.staff, random=random)
            with vault.transaction() as tx:
                kept.put_setting(tx, _joining(joining.staff), None)
        raise
    finally:
        county.close()


def joined(tx: Transaction, joining: Joining, seed: bytes) -> None:
    """The county agreed: the colleague's chain is one of this vault's, the joining is over. Twice does nothing."""
    if Joining.find(tx, joining.staff) is None:
        return
    journal.begin(tx, seed, joining.nonce, joining.staff, joining.begun_ms, joining.build)
    kept.put_setting(tx, _joining(joining.staff), None)


@contextmanager
def _locked_on_failure(vault: Vault) -> Iterator[None]:
    try:
        yield
    except BaseException:
        vault.lock()
        raise
