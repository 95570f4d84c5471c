"""Enrolment: from a single-use code to a vault that reports to its county.

    look    the code is read, county.pub fetched and compared with the id in the code; nothing is made yet
    enrol   a vault is made, the person's chain begun, the county told, the first exchange run
    resume  the same from wherever it was cut off

What is sent to the county follows from what lies in the vault, so the same request can be made again after a lost
answer or a kill, and the county answers the same. Until the county has confirmed, the secret of the code stands in
the vault (encrypted). A code that the county refuses leaves no vault behind, unless somebody already worked in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.errors import ChainBroken, CountyRefusal, InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger.act import Random
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
) -> Steps[tuple[Vault, Report]]:
    """Make the vault at `folder`, tell the county, run the first exchange; the open vault and what came.

    Where an earlier try was cut off, the same code and password go on from there. When it raises, the vault is
    locked, or gone if the county refused the code; it can be tried again, or unlocked and resumed."""
    yield Progress(done=0, of=0, doing=tr("正在准备"))
    limit = DEVICE.field("name").limit
    if not device_name.strip() or len(device_name) > (limit or 0):
        raise InputProblem("device-name", limit=limit)
    vault = _open(invited, password, folder, random, kdf)
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


def _open(invited: Invited, password: str, folder: Path, random: Random, kdf: KdfParameters) -> Vault:
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
    vault = Vault.unlock(folder, staff, password)
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
    request = EnrolRequest(
        secret=connection.secret,
        genesis=genesis,
        signature=signature,
        box_key=vault.box_public,
        transport_key=public_key(vault.device_seed),
        device=connection.device,
        device_name=connection.device_name,
        vault=vault.vault_id,
        build=build,
    )
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


@contextmanager
def _locked_on_failure(vault: Vault) -> Iterator[None]:
    try:
        yield
    except BaseException:
        vault.lock()
        raise
