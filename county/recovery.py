"""A forgotten password, at the county: who asks is looked up in the log, and the answer opens their vault to new keys.

The request comes as a file or a code (`app.vault.recovery`). The county's entry that ties the new chain to the person
is an administrator's, so the log says who let them back in; it stands in the log before the answer leaves the county.
The recovery key is read for the moment, from wherever it is kept, and is nowhere in the county's own folders. No
network is needed. That the voice on the telephone is the person's, only people can know.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger.act import Said
from app.ledger.chain import RECOVERY_KEY
from app.ledger.entry import Act
from app.ledger.signatures import ED25519, check_public_key
from app.models.queries import seats
from app.models.records.people import DEVICE, GRANT, SIGNER, STAFF
from app.models.store import Transaction
from app.models.tables import ENTRY, PAYLOAD, TABLES
from app.vault import recovery
from app.vault.recovery import Answer, EnrolEntry, Request
from county.administration import Areas, Author, County, Deed, check_authority, ended, said
from county.cards import china_day
from county.keys import public_of

LOST: Final = "密码忘了，换新钥"  # what the ended record says when the old key may be in other hands


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Who asks: name, device and workplace by the log, and the words that they must have read out."""

    name: str
    device_name: str
    workplace: str
    words: tuple[str, str, str, str]


def read(data: bytes) -> Request:
    """The request in a file: its bytes, or the text of its code. InputProblem("recovery-not-ours" |
    "recovery-damaged" | "recovery-newer")."""
    try:
        return Request.decode(data)
    except InputProblem as problem:
        if problem.code != "recovery-not-ours":
            raise
        try:
            return Request.decode(base64.b64decode(b"".join(data.split()), validate=True))
        except ValueError:
            raise problem from None


def applicant(county: County, tx: Transaction, request: Request) -> Applicant:
    """Who asks. InputProblem: "recovery-stranger" (no such person), "recovery-device" (nobody enrolled this vault, its
    device was ended, or this person has no key in force on it or was let go), "recovery-ended" (the key of the request
    was ended), "recovery-no-grant" (nothing is granted to them)."""
    staff, grant = TABLES[STAFF.number], TABLES[GRANT.number]
    person = tx.execute(select(staff).where(staff.c.id == request.staff, staff.c.alive)).first()
    if person is None:
        raise InputProblem("recovery-stranger")
    device, _ = _enrolled(tx, request)
    today = china_day(county.clock())
    granted = tx.execute(select(grant.c.until).where(grant.c.staff == request.staff, grant.c.alive)).all()
    if all((row.until or today) < today for row in granted):
        raise InputProblem("recovery-no-grant")
    areas = Areas(tx)
    place = areas.by_id.get(device.workplace)
    return Applicant(
        name=person.name or "",
        device_name=device.name or "",
        workplace=(areas.path(place) or place.name) if place else "",
        words=recovery.words(request.encode()),
    )


def recover(
    county: County, by: Author, request: Request, recovery_private: bytes, read_out: str, *, compromised: bool = False
) -> Answer:
    """Record the person's new key and seal the vault key to it. `read_out`: the four words as the person said them;
    `compromised`: the old keys may be in other hands, and end, even where the answer was given before that was said.
    The same request again gets an answer again, and no second record.

    As `applicant`, InputProblem("recovery-words" | "not-allowed"), VaultProblem("wrong-recovery-key")."""
    if public_of(recovery_private) != county.facts[RECOVERY_KEY]:
        raise VaultProblem("wrong-recovery-key")
    try:
        check_public_key(ED25519, request.signing_public)
    except ChainBroken:
        raise InputProblem("recovery-damaged") from None
    with county.log.writing() as tx:
        if words_of(read_out) != applicant(county, tx, request).words:
            raise InputProblem("recovery-words")
        check_authority(tx, by, SIGNER.number)
        entry = _recorded(tx, request)
        if entry is None:
            entry = _record(county, by, tx, request, compromised)
        elif compromised and (told := _ends(county, tx, request)):
            county.act(tx, by, [Deed(act=Act.REVOKE, roots=[request.staff], said=told)])
        return recovery.answer(request, recovery_private, entry)


def check_words(answer: bytes) -> tuple[str, ...]:
    """The four words of an encoded answer, to be read out to the person."""
    return recovery.words(answer)


def words_of(text: str) -> tuple[str, ...]:
    """Words as somebody typed them, whatever stands between."""
    return tuple(re.findall(r"\w+", text))


def _enrolled(tx: Transaction, request: Request) -> tuple[Any, list[Any]]:
    """The device of the vault, and the person's keys in force on it."""
    device, signer = TABLES[DEVICE.number], TABLES[SIGNER.number]
    found = tx.execute(select(device).where(device.c.vault == request.vault_id, device.c.alive)).first()
    if found is None or request.staff not in seats.people(tx, request.vault_id):
        raise InputProblem("recovery-device")
    if tx.execute(select(signer.c.id).where(signer.c.chain == request.chain, ~signer.c.alive)).first() is not None:
        raise InputProblem("recovery-ended")
    mine = (signer.c.staff == request.staff) & (signer.c.device == found.id) & signer.c.alive
    keys = list(tx.execute(select(signer).where(mine).order_by(signer.c.id)).all())
    if not keys:
        raise InputProblem("recovery-device")
    return found, keys


def _recorded(tx: Transaction, request: Request) -> EnrolEntry | None:
    """The entry that ties the request's chain to the person already."""
    signer = TABLES[SIGNER.number]
    query = (
        select(ENTRY.c.data, ENTRY.c.signature, PAYLOAD.c.data.label("payload"))
        .join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
        .join(signer, signer.c.born == ENTRY.c.dot)
        .where(signer.c.chain == request.chain, signer.c.public_key == request.signing_public)
        .where(signer.c.staff == request.staff, signer.c.alive)
    )
    row = tx.execute(query).first()
    return None if row is None else (row.data, row.signature, row.payload)


def _record(county: County, by: Author, tx: Transaction, request: Request, compromised: bool) -> EnrolEntry:
    device, _ = _enrolled(tx, request)
    facts = {
        "staff": request.staff,
        "chain": request.chain,
        "algorithm": ED25519,
        "public_key": request.signing_public,
        "box_key": request.box_public,
        "device": device.id,
    }
    told = [said("signer", county.random(16), facts), *(_ends(county, tx, request) if compromised else ())]
    signed = county.act(tx, by, [Deed(act=Act.RECOVER, roots=[request.staff], said=told)])[0]
    return signed.data, signed.signature, signed.payload


def _ends(county: County, tx: Transaction, request: Request) -> list[Said]:
    """The end of the person's keys on this device but for the one that is asked for."""
    _, keys = _enrolled(tx, request)
    told = []
    for key in keys:
        if key.chain == request.chain:
            continue
        known = county.log.chains.get(key.chain)
        last = {} if known is None else {"last_seq": known.next_seq - 1}
        told.append(ended(tx, SIGNER, key.id, {"ended_for": LOST, **last}))
    return told
