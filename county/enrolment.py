"""Enrolment: from a single-use code to a laptop whose person signs entries that the county takes.

The county keeps only the SHA-256 of a code's secret, with whom and where it is for and until when. A code is used for
one genesis entry; the same request again gets the same answer, any other is refused. With the genesis the server's own
chain records device and signing key, in the same transaction that marks the code as used.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from sqlalchemy import insert, select, update

from app.errors import ChainBroken, CountyRefusal
from app.ledger.act import Said
from app.ledger.chain import Chain
from app.ledger.entry import Act, Payload, encode_payload, entry_id
from app.ledger.signatures import ED25519, check_public_key
from app.models.queries import staff as queries
from app.models.records.people import DEVICE, STAFF
from app.models.records.places import AREA
from app.models.store import Transaction
from app.models.tables import TABLES
from app.sync.protocol import EnrolmentCode, EnrolRequest, Invitation
from county import keys
from county.administration import County, Deed, said
from county.intake import judge_genesis
from county.tables import ENROLMENT

SECRET_BYTES: Final = 14
DAY_MS: Final = 86_400_000
LIFETIME_MS: Final = 14 * DAY_MS
_NOTHING = encode_payload(Payload(bytes(32), ()))  # what `act.start` gives a genesis


def invite(
    county: County, staff: bytes, workplace: bytes, host: str, *, plain: bool = False, lifetime_ms: int = LIFETIME_MS
) -> EnrolmentCode:
    """A new code for `staff` at the area `workplace`. `host` is the server's base address; `plain` for HTTP on the own
    machine. InputProblem codes of the code's text."""
    secret = county.random(SECRET_BYTES)
    row = {"staff": staff, "workplace": workplace, "expires": county.clock() + lifetime_ms}
    with county.log.writing() as tx:
        tx.execute(insert(ENROLMENT).values(secret_digest=hashlib.sha256(secret).digest(), **row))
    pin = b"" if plain else keys.pin(county.keys_folder)
    return EnrolmentCode(county=entry_id(county.key.entry), host=host, pin=pin, secret=secret)


def look(county: County, secret: bytes) -> Invitation:
    """Whom a code is for. CountyRefusal("enrolment-unknown" | "enrolment-expired" | "enrolment-used")."""
    with county.log.reading() as tx:
        row = _code(tx, secret)
        if row.used_by is not None:
            raise CountyRefusal("enrolment-used")
        _check_time(county, row)
        return _invitation(county, tx, row)


def enrol(county: County, request: EnrolRequest) -> Invitation:
    """Take the laptop's chain, record its device and key, use the code up. As `look`, and CountyRefusal(
    "enrolment-person" | "device-known"), ChainBroken for keys and entries that do not hold."""
    genesis = judge_genesis(request.genesis, request.signature, _NOTHING)
    check_public_key(ED25519, request.transport_key)
    _check_name(request.device_name)
    with county.log.writing() as tx:
        row = _code(tx, request.secret)
        if row.used_by == genesis.id:
            return _invitation(county, tx, row)
        if row.used_by is not None:
            raise CountyRefusal("enrolment-used")
        _check_time(county, row)
        if genesis.entry.actor != row.staff:
            raise CountyRefusal("enrolment-person")
        if genesis.entry.chain in county.log.chains:
            raise CountyRefusal("chain-known")
        invitation = _invitation(county, tx, row)
        county.log.append(tx, [genesis])
        told = [*_device(tx, request, row), _signer(county, request, row, genesis.chain)]
        county.act(tx, county.service, [Deed(act=Act.ENROL, roots=[row.staff], said=told)])
        used = update(ENROLMENT).where(ENROLMENT.c.secret_digest == row.secret_digest).values(used_by=genesis.id)
        tx.execute(used)
        return invitation


def _signer(county: County, request: EnrolRequest, row: Any, chain: Chain) -> Said:
    facts = {"staff": row.staff, "chain": chain.id, "algorithm": ED25519, "public_key": chain.public_key}
    return said("signer", county.random(16), {**facts, "box_key": request.box_key, "device": request.device})


def _device(tx: Transaction, request: EnrolRequest, row: Any) -> list[Said]:
    """The device's record, unless a colleague of the same vault brought it; CountyRefusal("device-known") when another
    key or vault goes by its id, or its vault or key belongs to another device, even to an ended one: what a vault gets
    follows from everybody on its device."""
    table = TABLES[DEVICE.number]
    shared = (table.c.vault == request.vault) | (table.c.transport_key == request.transport_key)
    found = tx.execute(select(table).where((table.c.id == request.device) | shared)).all()
    if not found:
        facts = {
            "staff": row.staff,
            "name": request.device_name,
            "transport_key": request.transport_key,
            "workplace": row.workplace,
            "build": request.build,
            "vault": request.vault,
        }
        return [said("device", request.device, facts)]
    same = (request.device, request.transport_key, request.vault, row.workplace)
    for known in found:
        if not known.alive or (known.id, known.transport_key, known.vault, known.workplace) != same:
            raise CountyRefusal("device-known")
    return []


def _code(tx: Transaction, secret: bytes) -> Any:
    digest = hashlib.sha256(secret).digest()
    row = tx.execute(select(ENROLMENT).where(ENROLMENT.c.secret_digest == digest)).first()
    if row is None:
        raise CountyRefusal("enrolment-unknown")
    return row


def _check_time(county: County, row: Any) -> None:
    if county.clock() > row.expires:
        raise CountyRefusal("enrolment-expired")


def _check_name(name: str) -> None:
    if not name or len(name) > (DEVICE.field("name").limit or 0):
        raise ChainBroken("answer-form")


def _invitation(county: County, tx: Transaction, row: Any) -> Invitation:
    staff, area = TABLES[STAFF.number], TABLES[AREA.number]
    policy = queries.policy(tx)
    return Invitation(
        staff=row.staff,
        staff_name=tx.scalar(select(staff.c.name).where(staff.c.id == row.staff)) or "",
        workplace=row.workplace,
        workplace_name=tx.scalar(select(area.c.name).where(area.c.id == row.workplace)) or "",
        county_name=county.name,
        password_profile=policy.password_profile,
        password_length=policy.password_length,
    )
