"""Nobody gets or does at the county what no table allows: every call × every caller, every role × every place for what
is handed out and handed in, every command × every administrator. A call or command without a row fails, and so does an
answer that the tables do not foresee."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from starlette.routing import Route

from app.errors import CountyRefusal, HudangError
from app.ledger import chain as chains
from app.ledger.act import Said
from app.ledger.authority import ADMIN, AUDITOR, KINDS, MAY_WRITE, SECURITY, SERVICE, SYSADMIN
from app.ledger.entry import Act, Withheld, decode_entry, open_payload
from app.messages import sentence
from app.models.fields import LIFE, Privacy, Root
from app.models.records.registry import BY_NAME, BY_NUMBER
from app.models.records.registry import KINDS as RECORDS
from app.models.rules.rights import ROLES, Action, Place, Sight, allowed, sight
from app.models.tables import TABLES
from app.sync.protocol import Refusal, authorization
from app.sync.transport import County as Wire
from app.vault import recovery, slots
from county import administration, demo, oversights, policies, revocation
from county.__main__ import _parser, _serve_counter
from county.administration import Author, Deed, said
from county.office import Order
from county.web import CALLERS, Who, application
from tests.county.conftest import CHEAP, Site
from tests.county.laptop import Laptop, Store, clock, serving
from tests.county.test_delivery import households

GRID, OTHER, VILLAGE = "云台镇/上坝村/第一网格", "云台镇/上坝村/第二网格", "云台镇/上坝村"
NAMES = {role: f"测{role.title()}" for role in sorted(ROLES)}
HOUSEHOLD, MEMBER, ATTACHMENT = (BY_NAME[name] for name in ("household", "member", "attachment"))


def grant(site: Site, role: str, area: str = GRID) -> bytes:
    """Somebody with this role and no other; roles that no command gives are written as the log allows."""
    if role not in (ADMIN, SERVICE):
        return administration.add_staff(site.county, site.by, NAMES[role], role, area)
    staff = administration.add_staff(site.county, site.by, NAMES[role], None, "")
    facts = said("grant", os.urandom(16), {"staff": staff, "role": role, "area": site.area(area)})
    with site.county.log.writing() as tx:
        site.county.act(tx, site.by, [Deed(act=Act.GRANT, roots=[staff], said=[facts])])
    return staff


# --- calls ---


@dataclass(frozen=True, slots=True)
class Ask:
    """A raw request at a county, signed by a device or by nobody."""

    base: str

    def __call__(self, method: str, path: str, device: bytes | None = None, seed: bytes = b"") -> tuple[int, str]:
        """Status and code of the refusal, "" for none; a HEAD answer has no body, its status speaks."""
        target = path.replace("{chain}", os.urandom(16).hex()).replace("{digest}", os.urandom(32).hex())
        headers = {}
        if device is not None:
            headers["Authorization"] = authorization(device, seed, method, target, b"", clock(), os.urandom(16))
        line = http.client.HTTPConnection(str(urlsplit(self.base).netloc), timeout=20)
        line.request(method, target, headers=headers)
        answer = line.getresponse()
        body = answer.read()
        line.close()
        try:
            return answer.status, Refusal.decode(body).code
        except HudangError:
            return answer.status, {401: "not-authorised", 423: "device-revoked"}.get(answer.status, "")


def routes(app: Any) -> set[tuple[str, str]]:
    """Every call that the application answers."""
    return {(method, r.path) for r in app.router.routes if isinstance(r, Route) for method in r.methods or ()}


def row(method: str, path: str) -> Who:
    """Who may make a call; the server answers HEAD wherever it answers GET, under the same rule."""
    return CALLERS.get((method, path)) or CALLERS["GET" if method == "HEAD" else method, path]


def test_every_call_has_its_row(site: Site) -> None:
    found = routes(application(site.county))
    assert CALLERS.keys() <= found
    assert {call for call in found if call not in CALLERS} <= {("HEAD", path) for method, path in CALLERS}
    for method, path in found:
        assert row(method, path) in Who


def test_every_call_knows_its_callers(site: Site, base: str, new_laptop: Callable[..., Laptop], tmp_path: Path) -> None:
    """Nobody, an unknown device, another's signature, a device of another county, an ended device, one in force."""
    in_force, lost = new_laptop(), new_laptop("陆试三", OTHER)
    with site.county.log.writing() as tx:
        device = BY_NAME["device"]
        said_ended = administration.ended(tx, device, lost.request.device)
        site.county.act(tx, site.by, [Deed(act=Act.REVOKE, roots=[lost.staff], said=[said_ended])])
    ask = Ask(base)
    with other_county(tmp_path) as (_, abroad):
        for method, path in sorted(routes(application(site.county))):
            who = row(method, path)
            mine = in_force.request.device, in_force.seed
            strangers = {
                "nobody": ask(method, path),
                "unknown": ask(method, path, os.urandom(16), os.urandom(32)),
                "another's signature": ask(method, path, in_force.request.device, lost.seed),
                "another county": Ask(abroad)(method, path, *mine),
            }
            for name, (_, code) in strangers.items():
                assert (code == "not-authorised") == (who is not Who.ANYBODY), (name, method, path, code)
            _, code = ask(method, path, lost.request.device, lost.seed)
            assert (code == "device-revoked") == (who is Who.IN_FORCE), (method, path, code)
            _, code = ask(method, path, *mine)
            assert code not in ("not-authorised", "device-revoked"), (method, path, code)


def other_county(folder: Path) -> Any:
    """A second county that answers; its base address."""
    return _OtherCounty(folder)


class _OtherCounty:
    def __init__(self, folder: Path) -> None:
        self.county = administration.found(
            folder / "abroad",
            folder / "abroad-keys",
            folder / "abroad-recovery.key",
            name="邻县",
            code="990202",
            demo=True,
            administrator="罗邻县",
            password="松鼠 水井 走廊 红旗",
            clock=clock,
            random=os.urandom,
            kdf=CHEAP,
        )
        self.serving = serving(self.county)

    def __enter__(self) -> tuple[administration.County, str]:
        return self.county, self.serving.__enter__()

    def __exit__(self, *_: object) -> None:
        self.serving.__exit__(None, None, None)
        self.county.close()


# --- what is handed out ---


@dataclass(frozen=True, slots=True)
class Ground:
    """Households in the own grid, in the grid beside it, and in the village above; one with a photo in each."""

    own: bytes
    sibling: bytes
    parent: bytes
    photos: dict[Place, bytes]

    def at(self, place: Place) -> bytes:
        return {Place.OWN: self.own, Place.SIBLING: self.sibling, Place.PARENT: self.parent}[place]


@pytest.fixture
def ground(site: Site, new_laptop: Callable[..., Laptop]) -> Ground:
    """Made by the village, which may write in all three."""
    administration.add_staff(site.county, site.by, "村测一", "VILLAGE", VILLAGE)
    writer = new_laptop("村测一", VILLAGE)
    village = site.area(VILLAGE)
    homes, photos = {}, {}
    for place, grid in ((Place.OWN, GRID), (Place.SIBLING, OTHER), (Place.PARENT, None)):
        where = {"village": village, **({"grid": site.area(grid)} if grid else {})}
        facts = {"villager_group": "一组", "contact_phone": "10012345678", "bank_account": "990000000001"}
        homes[place] = writer.new_household({**where, **facts})
        data = os.urandom(500)
        photos[place] = data
        told = {"household": homes[place], "upload_key": hashlib.sha256(data).digest(), "content_key": os.urandom(32)}
        values = {LIFE: True, **{ATTACHMENT.field(name).number: value for name, value in told.items()}}
        writer.act(homes[place], [Said(kind=ATTACHMENT.number, object=os.urandom(16), values=values)], Act.ATTACH)
        wire = writer.wire
        wire.put_blob(hashlib.sha256(data).digest(), 0, data, last=True)
        wire.close()
    writer.send(0)
    return Ground(homes[Place.OWN], homes[Place.SIBLING], homes[Place.PARENT], photos)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_gets_what_the_table_allows(
    site: Site, ground: Ground, new_laptop: Callable[..., Laptop], role: str
) -> None:
    grant(site, role)
    laptop = new_laptop(NAMES[role], VILLAGE)  # the workplace is wider than the grant: rights decide, not the place
    store = Store()
    store.pull(laptop)
    got = households(store)
    for place in (Place.OWN, Place.SIBLING, Place.PARENT):
        expected = allowed(role, "household", Action.VIEW, place)
        assert (ground.at(place) in got) == expected, place
    classes = {privacy for _, privacy in values_of(store)}
    for privacy in (Privacy.A, Privacy.B):
        assert (privacy in classes) == allowed(role, "household", Action.VIEW, Place.OWN)
    for privacy in (Privacy.C, Privacy.D):
        assert (privacy in classes) == (sight(role, privacy) is not Sight.NEVER), privacy
    viewed = {kind for kind, _ in values_of(store)}
    for kind in (kind for kind in RECORDS if kind.root is Root.HOUSEHOLD):
        assert allowed(role, kind.name, Action.VIEW, Place.OWN) or kind.name not in viewed, kind.name
    wire = laptop.wire
    for place, data in ground.photos.items():
        readable = allowed(role, "attachment", Action.VIEW, place) and sight(role, Privacy.D) is not Sight.NEVER
        assert (file_of(wire, data) == data) == readable, place
    wire.close()


def file_of(wire: Wire, data: bytes) -> bytes | None:
    """The file with this content, None when the county does not know it for this device."""
    try:
        return wire.blob(hashlib.sha256(data).digest())
    except CountyRefusal as refusal:
        if refusal.code != "blob-unknown":
            raise
        return None


def values_of(store: Store) -> Iterator[tuple[str, Privacy]]:
    """(record kind, privacy class) of each value of households' records that can be read, links and lives apart."""
    for _, data, _, payload in store.entries.values():
        entry = decode_entry(data)
        for (_, change, number), value in zip(entry.slots(), open_payload(entry, payload).values, strict=True):
            kind = BY_NUMBER[change.kind]
            declared = kind.numbered(number)
            if kind.root is not Root.HOUSEHOLD or number == LIFE or declared is None or declared.target is not None:
                continue
            if value is not None and not isinstance(value, Withheld):
                yield kind.name, declared.privacy


# --- what is handed in ---


def act_on(laptop: Laptop, kind_name: str, root: bytes) -> bytes:
    """A new record of a kind on a root, with whatever links it to the root; its id."""
    kind, identity = BY_NAME[kind_name], os.urandom(16)
    values: dict[int, Any] = {LIFE: True}
    if kind.home is not None:
        values[kind.field(kind.home).number] = root
    laptop.act(root, [Said(kind=kind.number, object=identity, values=values)], Act.CREATE)
    return identity


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_hands_in_and_what_it_had_no_right_to_is_told(
    site: Site, ground: Ground, new_laptop: Callable[..., Laptop], role: str
) -> None:
    """Everything that was signed is stored. Of keys and rights only what the table allows takes effect; facts about
    households always do, and what nobody had allowed is listed."""
    staff = grant(site, role)
    laptop = new_laptop(NAMES[role], VILLAGE)
    area = site.area(GRID)
    made: dict[str, bytes] = {}
    forbidden: set[tuple[str, bytes]] = set()
    for place in (Place.OWN, Place.SIBLING, Place.PARENT):
        for kind in (k for k in RECORDS if k.root is Root.HOUSEHOLD and k is not HOUSEHOLD):
            act_on(laptop, kind.name, ground.at(place))
            if not allowed(role, kind.name, Action.WRITE, place):
                forbidden.add((kind.name, ground.at(place)))
        laptop.edit(ground.at(place), "remarks", "试")
        if not allowed(role, "household", Action.WRITE, place):
            forbidden.add(("household", ground.at(place)))
    for kind in (k for k in RECORDS if k.root is not Root.HOUSEHOLD):
        root = {Root.STAFF: staff, Root.AREA: area, Root.COUNTY: site.county.root}[kind.root]
        made[kind.name] = act_on(laptop, kind.name, root)
        if not allowed(role, kind.name, Action.WRITE, Place.OWN):
            forbidden.add((kind.name, root))
    receipt = laptop.send(0)
    assert sum(count for _, count in receipt.runs) == len(laptop.log)

    with site.county.log.reading() as tx:
        for name, identity in made.items():
            kind = BY_NAME[name]
            stands = tx.scalar(select(TABLES[kind.number].c.alive).where(TABLES[kind.number].c.id == identity))
            effective = kind.number not in KINDS or kind.number in MAY_WRITE.get(role, frozenset())
            assert (stands is True) == effective, name
        told = [found for found in oversights.overstepped(tx) if found.actor == staff]
    assert {(found.kind, found.root) for found in told} == forbidden
    assert all(found.effect == (BY_NAME[found.kind].number not in KINDS) for found in told)


def test_a_role_that_ends_leaves_rights_to_what_was_signed_before(
    site: Site, ground: Ground, new_laptop: Callable[..., Laptop]
) -> None:
    staff = grant(site, "GRID")
    laptop = new_laptop(NAMES["GRID"], GRID)
    laptop.edit(ground.own, "remarks", "先")
    laptop.send(0)
    administration.end_grants(site.county, site.by, staff)
    laptop.edit(ground.own, "remarks", "后")
    laptop.send(2)
    with site.county.log.reading() as tx:
        told = list(oversights.overstepped(tx))
    assert [(found.actor, found.kind, found.action) for found in told] == [(staff, "household", Action.WRITE)]


def test_the_register_and_the_founding_step_over_nothing(site: Site) -> None:
    with site.county.log.reading() as tx:
        assert list(oversights.overstepped(tx)) == []


# --- administrators ---


@pytest.fixture
def three(site: Site) -> dict[str, Author]:
    """The administrators of the county, each with a slot and a chain."""
    found = {ADMIN: site.by}
    for role in (SYSADMIN, SECURITY, AUDITOR):
        administration.add_administrator(site.county, site.by, NAMES[role], site.password, CHEAP, role=role)
        found[role] = administration.sign_in(site.county, NAMES[role], site.password)
    return found


def test_a_record_of_who_has_no_authority_is_inert(site: Site, three: dict[str, Author]) -> None:
    """Written past the office: stored by the log, without effect."""
    wrong: dict[str, tuple[str, bytes, dict[str, Any], bytes]] = {
        SYSADMIN: ("policy", policies.identity(site.county.root), {"password_length": 8}, site.county.root),
        SECURITY: ("device", os.urandom(16), {"name": "混入的电脑"}, three[SECURITY].staff),
        AUDITOR: ("area", os.urandom(16), {"name": "混入的村"}, site.area("")),
    }
    for role, (kind, identity, values, root) in wrong.items():
        told = said(kind, identity, values)
        with pytest.raises(HudangError, match="not-allowed"), site.county.log.writing() as tx:
            site.county.act(tx, three[role], [Deed(act=Act.EDIT, roots=[root], said=[told])])
        laptop = chain_of(site, three[role])
        laptop.act(root, [told])
        with site.county.log.writing() as tx:
            site.county.log.write(tx, laptop.log[-1:])
            table = TABLES[BY_NAME[kind].number]
            assert tx.scalar(select(table.c.id).where(table.c.id == identity)) is None
    assert policies.in_force(site.county).password_length == 12
    with site.county.log.reading() as tx:
        assert {(found.kind, found.effect) for found in oversights.overstepped(tx)} == {
            ("policy", False),
            ("device", False),
            ("area", False),
        }


def chain_of(site: Site, author: Author) -> Laptop:
    """An administrator's chain in other hands than the office's."""
    code = site.invite()
    laptop = Laptop.make(code, "http://127.0.0.1:1", author.staff)
    laptop.pen = type(laptop.pen)(chain=site.county.log.chains[author.chain], seed=author.seed)
    return laptop


@pytest.mark.parametrize("pair", [(SYSADMIN, SECURITY), (SYSADMIN, AUDITOR), (SECURITY, AUDITOR), (ADMIN, AUDITOR)])
def test_two_of_the_three_are_never_one_person(site: Site, pair: tuple[str, str]) -> None:
    for first, second in (pair, pair[::-1]):
        staff = administration.add_staff(site.county, site.by, "一人", None, "")
        administration.add_grant(site.county, site.by, staff, first, "")
        with pytest.raises(HudangError, match="roles-apart"):
            administration.add_grant(site.county, site.by, staff, second, "")
        administration.end_grants(site.county, site.by, staff)
        administration.add_grant(site.county, site.by, staff, second, "")


def test_the_last_who_can_give_rights_keeps_them(site: Site) -> None:
    with pytest.raises(HudangError, match="last-administrator"):
        administration.end_grants(site.county, site.by, site.by.staff)
    with pytest.raises(HudangError, match="role-reserved"):
        administration.add_administrator(site.county, site.by, "某人", site.password, CHEAP, role="GRID")
    administration.add_administrator(site.county, site.by, NAMES[SECURITY], site.password, CHEAP, role=SECURITY)
    assert administration.end_grants(site.county, site.by, site.by.staff) == 1


# --- commands ---

EVERYTHING = frozenset({ADMIN})
KEYS_ALONE = None  # needs no signature: whoever can read the county's keys on its machine

OF_ACCOUNTS = frozenset({ADMIN, SYSADMIN})
OF_RIGHTS = frozenset({ADMIN, SECURITY})

# command line -> administrators for whom it takes effect; REGISTER, ENTRY and WORDS stand for what is not known before
COMMANDS: dict[str, tuple[list[str], frozenset[str] | None]] = {
    "area": (["area", "新村", "--parent", "云台镇", "--level", "VILLAGE"], OF_ACCOUNTS),
    "staff": (["staff", "新人"], OF_ACCOUNTS),
    "staff with a role": (["staff", "新人二", "--role", "GRID", "--area", GRID], EVERYTHING),
    "administrator": (["administrator", "新管理"], EVERYTHING),
    "grant": (["grant", "韦测一", "--role", "VILLAGE", "--area", VILLAGE], OF_RIGHTS),
    "policy": (["policy", "--length", "14"], OF_RIGHTS),
    "import": (["import", "REGISTER"], EVERYTHING),
    "pools": (["pools", "--count", "2", "--workplace", GRID], OF_ACCOUNTS),
    "recover": (
        ["recover", "--request", "request.bin", "--recovery", "KEY", "--answer", "answer.bin", "--words", "WORDS"],
        OF_ACCOUNTS,
    ),
    "admit": (["admit", "ENTRY", "--reason", "核过"], OF_RIGHTS),
    "revoke": (["revoke", "--staff", "覃试二", "--reason", "离职"], OF_ACCOUNTS),
    "end-grant": (["end-grant", "韦测一"], OF_RIGHTS),
    **dict.fromkeys(
        ("init", "areas", "overstepped", "enrol", "serve", "demo", "export-log", "verify-log", "schema", "quarantine"),
        ([], KEYS_ALONE),
    ),
    "backup": ([], KEYS_ALONE),
    "open-export": ([], KEYS_ALONE),  # the recovery key alone
}


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command of `hudang-county`."""
    actions = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def test_every_command_has_its_row() -> None:
    assert commands().keys() == {name.split(" with ")[0] for name in COMMANDS}
    for name, parser in commands().items():
        signs = any(action.dest == "administrator" for action in parser._actions) and name != "init"
        assert signs == (COMMANDS[name][1] is not KEYS_ALONE), name


@dataclass(frozen=True, slots=True)
class Desk:
    """The open county with something to decide: a held entry, a forgotten password, a register."""

    site: Site
    folder: Path
    told: dict[str, str]

    def type(self, line: list[str], name: str) -> int:
        """Run a command as this administrator; the exit code."""
        words = [self.told.get(word, word) for word in line]
        order = Order(arguments=[*words, "--administrator", name], folder=str(self.folder), password=self.site.password)
        return _serve_counter(self.site.county, order)


@pytest.fixture
def desk(site: Site, new_laptop: Callable[..., Laptop], base: str, tmp_path: Path) -> Desk:
    ended = new_laptop("陆试三", OTHER)
    ended.send(0)
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_staff(tx, ended.staff), reason="试")
    ended.new_household({"villager_group": "一组"})
    with pytest.raises(CountyRefusal, match="chain-held"):
        ended.send(1)

    staff, folder = site.staff("韦测一"), tmp_path / "vault"
    folder.mkdir()
    public = site.county.facts[chains.RECOVERY_KEY]
    made = slots.create(
        folder, staff=staff, label="韦测一", password="旧", recovery_public=public, random=os.urandom, kdf=CHEAP
    )
    lost = Laptop.make(site.invite(), base, staff)
    lost.request = replace(lost.request, vault=made.vault_id)
    lost.enrol()
    new_laptop("覃试二", "云台镇")
    request = recovery.begin(folder, staff, "一句 新的 很长的话 another one", random=os.urandom, kdf=CHEAP)
    (tmp_path / "request.bin").write_bytes(request.encode())
    register = Path(__file__).parents[2] / "resources" / "samples" / "register-village.xlsx"
    told = {
        "REGISTER": str(register),
        "ENTRY": ended.log[-1].id.hex()[:12],
        "KEY": str(site.folder / "recovery.key"),
        "WORDS": " ".join(recovery.words(request.encode())),
    }
    return Desk(site, tmp_path, told)


@pytest.mark.parametrize("role", [ADMIN, SYSADMIN, SECURITY, AUDITOR])
def test_every_command_takes_effect_for_whom_its_row_says(
    desk: Desk, three: dict[str, Author], role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = demo.ADMINISTRATOR if role == ADMIN else NAMES[role]
    for command, (line, who) in COMMANDS.items():
        if who is KEYS_ALONE:
            continue
        code = made_administrator(desk.site, three[role]) if command == "administrator" else desk.type(line, name)
        told = capsys.readouterr()
        assert (code == 0) == (role in who), (command, told.err)
        assert code == 0 or "不在您的职责里" in told.err, (command, told.err)


def made_administrator(site: Site, by: Author) -> int:
    """The command asks for the new password where nobody hands it on, so a running county only refuses it."""
    try:
        administration.add_administrator(site.county, by, "新管理", site.password, CHEAP)
    except HudangError as error:
        print(sentence(error), file=sys.stderr)  # noqa: T201 - as the command does
        return 1
    return 0
