"""The county's own acts: founding it, its areas, staff and grants, each an entry of an administrator's chain.

A county is a folder (`county.db`, `county.pub`, attachments, the administrators' password slots) and a folder of keys
on another path (`county.keys`). The root chain, which `county.pub` begins, founds the county, its server's chain and
its first administrator; it belongs to that administrator and is used for nothing else. Nothing is configured outside
the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger.act import Circumstances, Pen, Random, Said, Signed, start, write
from app.ledger.authority import ADMIN, APART, AUDITOR, MAY_WRITE, SECURITY, SERVICE, SYSADMIN
from app.ledger.entry import Act, decode_entry
from app.ledger.signatures import ED25519, public_key
from app.models.fields import LIFE, RecordKind
from app.models.records.people import GRANT, SIGNER, STAFF
from app.models.records.places import AREA, COUNTY
from app.models.records.registry import BY_NAME
from app.models.store import Transaction, load_authority, registers_of
from app.models.tables import TABLES
from app.sync.protocol import CountyKey
from app.vault import cipherfile, slots
from app.vault.slots import PersonKeys
from county import keys as keyring
from county.keys import CountyKeys
from county.sequencer import Log, LogKeys
from county.tables import SETTING, create_all

DATABASE = "county.db"
PUBLIC = "county.pub"
ADMINISTRATORS = "administrators"
ATTACHMENTS = "attachments"
SERVICE_CHAIN = "service-chain"

Clock = Callable[[], int]
DEMO_PREFIX = "99"  # no region of China has it
ADMINISTRATION = (ADMIN, SYSADMIN, SECURITY, AUDITOR)  # who has a slot at the county and signs in there
LEVELS = {"COUNTY": 0, "TOWNSHIP": 1, "VILLAGE": 2, "GRID": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A person or the server while it acts: staff id, chain, signing seed."""

    staff: bytes
    chain: bytes
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One act to write: what, on which roots, what it says, and the run it belongs to."""

    act: int
    roots: Sequence[bytes]
    said: Sequence[Said]
    refs: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """An open county."""

    folder: Path
    keys_folder: Path
    keys: CountyKeys = field(repr=False)
    key: CountyKey
    facts: dict[int, Any]
    root: bytes  # id of the county's object and stream: the id of its root chain
    log: Log
    service: Author
    clock: Clock
    random: Random

    @property
    def code(self) -> str:
        """The county's six digits."""
        return str(self.facts[chains.COUNTY_CODE])

    @property
    def name(self) -> str:
        return str(self.facts[chains.COUNTY_NAME])

    @property
    def demo(self) -> bool:
        return self.facts.get(chains.DEMO) is True

    def act(self, tx: Transaction, by: Author, deeds: Iterable[Deed]) -> list[Signed]:
        """Write acts of `by`, one entry each, in one go; the entries. InputProblem("not-allowed") where one would take
        no effect because `by` has no authority over what it says."""
        deeds = list(deeds)
        check_authority(tx, by, *{told.kind for deed in deeds for told in deed.said})
        seen = (0, self.log.tree.size, self.log.tree.root()) if self.log.tree.size else None
        at = Circumstances(wall=self.clock(), seen=seen)
        pen = Pen(chain=self.log.chains[by.chain], seed=by.seed)
        signed: list[Signed] = []
        for deed in deeds:
            one, pen = write(pen, deed.act, deed.roots, deed.said, at, self.random, deed.refs)
            signed.append(one)
        self.log.write(tx, signed)
        return signed

    def close(self) -> None:
        self.log.file.close()


# --- founding and opening ---


def found(
    folder: Path,
    keys_folder: Path,
    recovery: Path,
    *,
    name: str,
    code: str,
    demo: bool,
    administrator: str,
    password: str,
    clock: Clock,
    random: Random,
    kdf: slots.KdfParameters = slots.FLOOR,
) -> County:
    """Make a new county in the empty or missing `folder`: keys, recovery key, first administrator, log.

    InputProblem("county-code" | "county-code-demo" | "county-name" | "file-exists", password codes),
    VaultProblem("vault-exists")."""
    if len(code) != 6 or not code.isdecimal() or not code.isascii():
        raise InputProblem("county-code")
    if demo != code.startswith(DEMO_PREFIX):
        raise InputProblem("county-code-demo")
    COUNTY.field("name").check(name)
    STAFF.field("name").check(administrator)
    if not name.strip() or not administrator.strip():
        raise InputProblem("county-name")
    if (folder / DATABASE).exists() or (folder / PUBLIC).exists():
        raise VaultProblem("vault-exists")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ATTACHMENTS).mkdir(mode=0o700, exist_ok=True)
    slots_folder = folder / ADMINISTRATORS
    slots_folder.mkdir(mode=0o700, exist_ok=True)
    now = clock()
    keys = keyring.create(keys_folder, random, now)
    recovery_key = keyring.make_recovery(recovery, random)
    person = slots.create_keyring(
        slots_folder, staff=random(16), label=administrator, password=password, random=random, kdf=kdf
    )
    at = Circumstances(wall=now)
    facts = {
        chains.COUNTY_CODE: code,
        chains.COUNTY_NAME: name,
        chains.DEMO: demo,
        chains.LOG_KEY: public_key(keys.log_seed),
        chains.CARD_KEY: public_key(keys.card_seed),
        chains.RECOVERY_KEY: recovery_key,
        chains.ORIGIN: f"hudang-county/{code}",
    }
    root, root_pen = start(person.signing_seed, random(16), person.staff, at, facts)
    server, server_pen = start(keys.service_seed, random(16), random(16), at)
    admin, admin_pen = start(person.signing_seed, random(16), person.staff, at)
    key = CountyKey(entry=root.data, signature=root.signature)
    file = cipherfile.create(folder / DATABASE, keys.database, shielded=False)
    file.close()
    county = _open(folder, keys_folder, keys, key, server_pen.chain.id, clock, random)
    with county.log.writing() as tx:
        tx.execute(insert(SETTING).values(name=SERVICE_CHAIN, value=server_pen.chain.id))
        county.log.write(tx, [root, server, admin, *_founding(county, root_pen, server_pen, admin_pen, administrator)])
    (folder / PUBLIC).write_bytes(key.encode())
    return open_county(_closed(county), keys_folder, clock, random)


def _closed(county: County) -> Path:
    county.close()
    return county.folder


def _founding(county: County, root: Pen, server: Pen, admin: Pen, administrator: str) -> list[Signed]:
    """The root's acts: the county, its area, the first administrator and the server with their rights."""
    random, area = county.random, county.random(16)
    county_said = said("county", county.root, {"code": county.code, "name": county.name})
    area_said = said("area", area, {"level": "COUNTY", "code": county.code, "name": county.name})
    deeds = [
        Deed(act=Act.SET_UP, roots=[county.root], said=[county_said]),
        Deed(act=Act.SET_UP, roots=[area], said=[area_said]),
    ]
    for pen, name, role in ((admin, administrator, ADMIN), (server, "县服务器", SERVICE)):
        staff = pen.chain.actor
        assert staff is not None
        signer = {"staff": staff, "chain": pen.chain.id, "algorithm": ED25519, "public_key": pen.chain.public_key}
        granted = said("grant", random(16), {"staff": staff, "role": role, "area": area})
        told = [said("staff", staff, {"name": name}), granted, said("signer", random(16), signer)]
        deeds.append(Deed(act=Act.SET_UP, roots=[staff], said=told))
    signed: list[Signed] = []
    for deed in deeds:
        at = Circumstances(wall=county.clock())
        one, root = write(root, deed.act, deed.roots, deed.said, at, random)
        signed.append(one)
    return signed


def open_county(folder: Path, keys_folder: Path, clock: Clock, random: Random) -> County:
    """Open the county in `folder`. VaultProblem("county-missing", key codes, codes of the database file)."""
    keys = keyring.load(keys_folder)
    try:
        key = CountyKey.decode((folder / PUBLIC).read_bytes())
    except (OSError, ChainBroken):
        raise VaultProblem("county-missing") from None
    return _open(folder, keys_folder, keys, key, None, clock, random)


def _open(
    folder: Path,
    keys_folder: Path,
    keys: CountyKeys,
    key: CountyKey,
    service_chain: bytes | None,
    clock: Clock,
    random: Random,
) -> County:
    genesis = decode_entry(key.entry)
    facts = dict(genesis.body or {})
    file = cipherfile.open_existing(folder / DATABASE, keys.database, shielded=False)
    try:
        with file.writing() as tx:
            create_all(tx)
            kept = tx.scalar(select(SETTING.c.value).where(SETTING.c.name == SERVICE_CHAIN))
        chain = service_chain or kept
        if chain is None:
            raise VaultProblem("county-missing")
        origin = facts[chains.ORIGIN]
        log_keys = LogKeys(origin=origin, log_seed=keys.log_seed, service_chain=chain, service_seed=keys.service_seed)
        log = Log(file, log_keys, clock)
        if file.opened_hot:
            log.recover()
            file.recovered()
        with log.reading():
            actor = log.chains[chain].actor if chain in log.chains else None
    except BaseException:
        file.close()
        raise
    return County(
        folder=folder,
        keys_folder=keys_folder,
        keys=keys,
        key=key,
        facts=facts,
        root=genesis.chain,
        log=log,
        service=Author(staff=actor or bytes(16), chain=chain, seed=keys.service_seed),
        clock=clock,
        random=random,
    )


def said(kind: str, identity: bytes, values: dict[str, Any], *, new: bool = True) -> Said:
    """What an act says of an object, by field names; a new object is alive. Values are checked as declared."""
    declared = BY_NAME[kind]
    numbered: dict[int, Any] = {LIFE: True} if new else {}
    for name, value in values.items():
        item = declared.field(name)
        item.check(value)
        numbered[item.number] = value
    return Said(kind=declared.number, object=identity, values=numbered)


def ended(tx: Transaction, kind: RecordKind, identity: bytes, values: Mapping[str, Any] | None = None) -> Said:
    """What ends a record and says its last `values`, in the place of whatever stands there."""
    registers = registers_of(tx, kind, identity)
    numbered = {LIFE: None, **said(kind.name, identity, dict(values or {}), new=False).values}
    bases = {number: list(registers[number].live) for number in numbered if number in registers}
    return Said(
        kind=kind.number,
        object=identity,
        values=numbered,
        bases={number: live for number, live in bases.items() if live},
    )


def check_authority(tx: Transaction, by: Author, *kinds: int) -> None:
    """InputProblem("not-allowed") unless acts of `by` on these record kinds take effect: else they would be stored and
    stay inert, and nobody would be told."""
    authority = load_authority(tx)
    if not all(authority.may_write(by.chain, kind) for kind in kinds):
        raise InputProblem("not-allowed")


# --- administrators ---


def sign_in(county: County, name: str | None, password: str) -> Author:
    """The administrator called `name` (the only one without a name), with the chain that belongs to the slot's key.

    VaultProblem("no-slot" | "wrong-password" | "administrator-unknown")."""
    folder = county.folder / ADMINISTRATORS
    people = [person for person in slots.people(folder) if name in (None, person.label)]
    if len(people) != 1:
        raise VaultProblem("no-slot")
    return author_of(county, slots.open_keyring(folder, people[0].staff, password))


def author_of(county: County, person: PersonKeys) -> Author:
    """The author behind an opened slot; VaultProblem("administrator-unknown") when the log names no chain for it."""
    table = TABLES[SIGNER.number]
    mine = (table.c.staff == person.staff) & (table.c.public_key == public_key(person.signing_seed)) & table.c.alive
    with county.log.reading() as tx:
        chain = tx.scalar(select(table.c.chain).where(mine))
    if chain is None:
        raise VaultProblem("administrator-unknown")
    return Author(staff=person.staff, chain=chain, seed=person.signing_seed)


# --- areas, staff, grants ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area as the tables show it."""

    id: bytes
    level: str
    name: str
    parent: bytes | None
    order: int


class Areas:
    """All areas in force, for looking up by place."""

    def __init__(self, tx: Transaction) -> None:
        table = TABLES[AREA.number]
        self.by_id: dict[bytes, Area] = {}
        self._under: dict[bytes | None, list[Area]] = {}
        for row in tx.execute(select(table).where(table.c.alive)).mappings():
            self.add(
                Area(id=row["id"], level=row["level"], name=row["name"], parent=row["parent"], order=row["order"] or 0)
            )

    def add(self, area: Area) -> None:
        self.by_id[area.id] = area
        self._under.setdefault(area.parent, []).append(area)

    @property
    def county(self) -> Area:
        return next(area for area in self.by_id.values() if area.level == "COUNTY")

    def children(self, parent: bytes) -> list[Area]:
        """Areas under `parent`, in their order."""
        return sorted(self._under.get(parent, ()), key=lambda area: (area.order, area.name, area.id))

    def child(self, parent: bytes, name: str) -> Area | None:
        """The area called `name` under `parent`."""
        return next((area for area in self.children(parent) if area.name == name), None)

    def below(self, area: bytes) -> set[bytes]:
        """`area` and everything under it."""
        found, waiting = set[bytes](), [area]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(child.id for child in self.children(one))
        return found

    def above(self, area: bytes) -> set[bytes]:
        """Everything over `area`, without it."""
        found = set[bytes]()
        here = self.by_id.get(area)
        while here is not None and here.parent is not None and here.parent not in found:
            found.add(here.parent)
            here = self.by_id.get(here.parent)
        return found

    def at(self, path: str) -> Area:
        """The area at `path` (names from the township on, with slashes; empty for the county).

        InputProblem("area-unknown")."""
        here = self.county
        for name in filter(None, (part.strip() for part in path.split("/"))):
            below = self.child(here.id, name)
            if below is None:
                raise InputProblem("area-unknown")
            here = below
        return here

    def path(self, area: Area) -> str:
        """The way to an area as `at` takes it."""
        names = [area.name]
        while area.parent is not None and (above := self.by_id.get(area.parent)) is not None:
            names.insert(0, above.name)
            area = above
        return "/".join(names[1:])


def new_area(areas: Areas, identity: bytes, parent: Area, level: str, name: str) -> Deed:
    """The act that makes an area under `parent`, and the area among `areas`. InputProblem("area-level")."""
    if level not in LEVELS or LEVELS[level] <= LEVELS[parent.level]:
        raise InputProblem("area-level")
    order = len(areas.children(parent.id)) + 1
    areas.add(Area(id=identity, level=level, name=name, parent=parent.id, order=order))
    values = {"level": level, "name": name, "parent": parent.id, "order": order}
    return Deed(act=Act.CREATE, roots=[identity], said=[said("area", identity, values)])


def add_area(county: County, by: Author, parent: str, level: str, name: str) -> bytes:
    """Make an area under the one at path `parent`; its id. InputProblem("area-unknown" | "area-level" |
    "area-exists")."""
    with county.log.writing() as tx:
        areas = Areas(tx)
        above = areas.at(parent)
        if areas.child(above.id, name) is not None:
            raise InputProblem("area-exists")
        identity = county.random(16)
        county.act(tx, by, [new_area(areas, identity, above, level, name)])
    return identity


def add_staff(
    county: County, by: Author, name: str, role: str | None, area: str, *, unit: str = "", post: str = ""
) -> bytes:
    """A new member of staff with one grant at the area path, or without any where another administrator gives it
    (`add_grant`); the staff id. InputProblem("role-reserved" | "area-unknown" | "not-allowed"), as the fields say."""
    if role in (ADMIN, SERVICE):
        raise InputProblem("role-reserved")
    with county.log.writing() as tx:
        staff = county.random(16)
        facts = {"name": name, **({"unit": unit} if unit else {}), **({"post": post} if post else {})}
        told = [said("staff", staff, facts)]
        if role is not None:
            place = Areas(tx).at(area)
            told.append(said("grant", county.random(16), {"staff": staff, "role": role, "area": place.id}))
        act = Act.CREATE if role is None else Act.GRANT
        county.act(tx, by, [Deed(act=act, roots=[staff], said=told)])
    return staff


def add_grant(county: County, by: Author, staff: bytes, role: str, area: str, *, until: str | None = None) -> bytes:
    """One more role for a member of staff, at an area path, perhaps only until a date; the grant's id.

    InputProblem("role-reserved" | "roles-apart" | "area-unknown" | "not-allowed"): the server's role is never given; no
    two of the three administrators (GB/T 22239-2019) are one person, and who reads logs does no office work."""
    if role == SERVICE:
        raise InputProblem("role-reserved")
    with county.log.writing() as tx:
        if _meet(_roles(tx, staff) | {role}):
            raise InputProblem("roles-apart")
        values = {"staff": staff, "role": role, "area": Areas(tx).at(area).id, **({"until": until} if until else {})}
        grant = county.random(16)
        county.act(tx, by, [Deed(act=Act.GRANT, roots=[staff], said=[said("grant", grant, values)])])
    return grant


def _roles(tx: Transaction, staff: bytes) -> set[str]:
    table = TABLES[GRANT.number]
    return set(tx.scalars(select(table.c.role).where(table.c.staff == staff, table.c.alive)))


def _meet(roles: set[str]) -> bool:
    """Whether these roles must not meet in one person. An ADMIN is system and security administrator of a small county
    and may be both; the auditor looks at what either did."""
    return len(roles & APART) > 1 or {ADMIN, AUDITOR} <= roles


def end_grants(county: County, by: Author, staff: bytes, *, role: str | None = None, area: str | None = None) -> int:
    """End the grants of a member of staff, all of them or those of a role, at an area path; how many there were.

    InputProblem("not-allowed", "last-administrator": nobody could give any grant again)."""
    table = TABLES[GRANT.number]
    with county.log.writing() as tx:
        meant = (table.c.staff == staff) & table.c.alive
        if role is not None:
            meant &= table.c.role == role
        if area is not None:
            meant &= table.c.area == Areas(tx).at(area).id
        grants = list(tx.scalars(select(table.c.id).where(meant)))
        giving = [held for held, kinds in MAY_WRITE.items() if GRANT.number in kinds]
        others = select(table.c.id).where(table.c.role.in_(giving), table.c.alive, table.c.id.not_in(grants))
        if grants and tx.scalar(others.limit(1)) is None:
            raise InputProblem("last-administrator")
        told = [ended(tx, GRANT, grant) for grant in grants]
        if told:
            county.act(tx, by, [Deed(act=Act.END, roots=[staff], said=told)])
    return len(grants)


def staff_called(tx: Transaction, name: str) -> bytes:
    """The id of the one member of staff called `name`; InputProblem("staff-unknown" | "staff-many")."""
    table = TABLES[STAFF.number]
    found = list(tx.scalars(select(table.c.id).where(table.c.name == name, table.c.alive)))
    if len(found) != 1:
        raise InputProblem("staff-many" if found else "staff-unknown")
    identity: bytes = found[0]
    return identity


def add_administrator(
    county: County, by: Author, name: str, password: str, kdf: slots.KdfParameters = slots.FLOOR, *, role: str = ADMIN
) -> bytes:
    """One more administrator with a slot and a chain of their own, authorised by `by`: for everything, or one of the
    three (`app.ledger.authority`); the staff id. InputProblem("role-reserved" | "not-allowed", password codes)."""
    if role not in ADMINISTRATION:
        raise InputProblem("role-reserved")
    STAFF.field("name").check(name)
    with county.log.reading() as tx:
        check_authority(tx, by, STAFF.number, GRANT.number, SIGNER.number)  # before a slot is made for nothing
    folder = county.folder / ADMINISTRATORS
    staff = county.random(16)
    person = slots.add_to_keyring(folder, staff=staff, label=name, password=password, random=county.random, kdf=kdf)
    genesis, pen = start(person.signing_seed, county.random(16), staff, Circumstances(wall=county.clock()))
    signer = {"staff": staff, "chain": pen.chain.id, "algorithm": ED25519, "public_key": pen.chain.public_key}
    with county.log.writing() as tx:
        granted = said("grant", county.random(16), {"staff": staff, "role": role, "area": Areas(tx).county.id})
        told = [said("staff", staff, {"name": name}), granted, said("signer", county.random(16), signer)]
        county.log.write(tx, [genesis])
        county.act(tx, by, [Deed(act=Act.GRANT, roots=[staff], said=told)])
    return staff
