"""A village that exists nowhere, in a real vault: the sample register imported, two colleagues at work.

Built once, then copied: `build` makes the vault in a folder, `open_desk` opens a copy of it for a test.
"""

from __future__ import annotations

import hashlib
import random as chance
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select

from app.casework import desk as desks
from app.casework import visits
from app.casework.desk import Desk, created
from app.ledger import card as cards
from app.ledger import chain as chains
from app.ledger.act import Circumstances, Pen, Said, Signed, start, write
from app.ledger.card import Card
from app.ledger.entry import Act
from app.ledger.signatures import public_key
from app.models import store
from app.models.fields import LIFE, Value
from app.models.queries import households
from app.models.queries import staff as people
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules.policy import Policy
from app.models.rules.rights import ROLES, Grant, Rights
from app.models.store import Item, Transaction
from app.models.tables import ENTRY, TABLES
from app.sync import journal
from app.sync.journal import Author
from app.sync.protocol import CountyKey
from app.vault import kept
from app.vault.slotfile import KdfParameters
from app.vault.vault import Vault
from app.workbooks.checking import read_register

REGISTER = Path(__file__).resolve().parent.parent / "resources" / "samples" / "register-village.xlsx"
CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
PASSWORD = "云台 上坝"
COUNTY_CODE = "990101"
NOW = 1_795_229_880_000  # 2026-11-21 10:58 in Shanghai
DAY = 86_400_000
MINE, COLLEAGUE = b"\x11" * 16, b"\x22" * 16  # 韦测一 and 覃试二
TOWNSHIP, VILLAGE, GRID, OTHER_GRID = (bytes([n]) * 16 for n in (0x31, 0x32, 0x33, 0x34))
Granted = tuple[str, bytes]  # role, area
OF_MINE: tuple[Granted, ...] = (("GRID", GRID), ("VILLAGE", VILLAGE))
GRANTS = (*((MINE, *granted) for granted in OF_MINE), (COLLEAGUE, "STATION", TOWNSHIP))
POOL = "7K3M"
HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def go(self, minutes: float) -> None:
        """Let time pass."""
        self.now += round(minutes * 60_000)


@dataclass(slots=True)
class Elsewhere:
    """A chain that is not written in this vault: the county's, a colleague's on another laptop."""

    pen: Pen
    random: chance.Random

    def act(self, tx: Transaction, act: int, roots: list[bytes], said: list[Said], wall: int, position: int) -> None:
        """Sign an act there, and let it arrive here at its place in the county's log."""
        signed, self.pen = write(self.pen, act, roots, said, Circumstances(wall=wall), self.random.randbytes)
        kept.put_entries(
            tx,
            [kept.entry_row(signed.entry, signed.id, signed.data, signed.signature, position)],
            [signed.payload],
        )
        kept.put_streams(tx, [(root, signed.id) for root in roots])
        store.fold(tx, [Item.of(signed.data, signed.payload, position)])


def build(folder: Path) -> None:
    """Make the vault at `folder`."""
    dice = chance.Random(20261121)
    vault = Vault.create(
        folder,
        staff=MINE,
        label="韦测一",
        password=PASSWORD,
        recovery_public=recovery_key().public_key().public_bytes_raw(),
        random=dice.randbytes,
        prepare=kept.prepare,
        kdf=CHEAP,
    )
    clock = Clock(NOW - 40 * DAY)
    with vault.transaction() as tx:
        signed, _ = _county_begins()
        journal.put_county(tx, CountyKey(entry=signed.data, signature=signed.signature))
        county(tx).act(tx, Act.SET_UP, [TOWNSHIP, VILLAGE, GRID, OTHER_GRID, MINE, COLLEAGUE], _set_up(), clock.now, 1)
        begun = journal.begin(tx, vault.signing_seed, dice.randbytes(16), MINE, clock.now, 1)
        stock(tx, POOL, 20)
        author = Author(staff=MINE, chain=begun.entry.chain, seed=vault.signing_seed, build=1)
    desk = _desk(vault, author, clock, dice)
    _import(desk)
    _deliver_all(desk, first=10)
    _visit(desk, clock)
    clock.now = NOW
    for _ in desks.refresh(desk):
        pass
    vault.lock()


def open_desk(
    folder: Path,
    *,
    random: chance.Random | None = None,
    clock: Clock | None = None,
    forbid_thread: Callable[[], bool] | None = None,
    granted: Sequence[Granted] | None = None,
) -> Desk:
    """The desk of 韦测一 in the vault at `folder`; with `granted` the county has given him these roles instead."""
    forbidden = [False]
    vault = Vault.unlock(
        folder, MINE, PASSWORD, forbid_thread=lambda: forbidden[0] and forbid_thread is not None and forbid_thread()
    )
    with vault.transaction() as tx:
        mine = next(c for c in kept.own_chains(tx) if c.state.actor == MINE)
        if granted is not None:
            grant(tx, MINE, granted)
    author = Author(staff=MINE, chain=mine.state.id, seed=vault.signing_seed, build=1)
    desk = _desk(vault, author, clock or Clock(), random or chance.Random(5))
    forbidden[0] = True
    return desk


def grant(tx: Transaction, person: bytes, granted: Sequence[Granted]) -> None:
    """The county takes back what the person was granted, and grants this."""
    table = TABLES[BY_NAME["grant"].number]
    old = list(tx.scalars(select(table.c.id).where(table.c.staff == person, table.c.alive)))
    sheets = [sheet for each in old if (sheet := households.sheet(tx, BY_NAME["grant"], each)) is not None]
    said = [
        Said(kind=BY_NAME["grant"].number, object=each.id, values={LIFE: None}, bases={LIFE: each.dots[LIFE]})
        for each in sheets
    ]
    position = 1 + (tx.scalar(select(func.max(ENTRY.c.position))) or 0)
    for number, (role, area) in enumerate(granted):
        identity = hashlib.sha256(person + bytes([position % 251, number])).digest()[:16]
        said.append(created(BY_NAME["grant"], identity, {"staff": person, "role": role, "area": area}))
    county(tx).act(tx, Act.GRANT, [person], said, NOW - DAY, position)


def county(tx: Transaction) -> Elsewhere:
    """The county's own chain, where it stands."""
    _, pen = _county_begins()
    query = select(ENTRY.c.id, ENTRY.c.seq).where(ENTRY.c.chain == pen.chain.id).order_by(ENTRY.c.seq.desc())
    newest = tx.execute(query.limit(1)).one()
    chain = replace(pen.chain, next_seq=newest.seq + 1, head=newest.id)
    return Elsewhere(pen=replace(pen, chain=chain), random=chance.Random(newest.seq))


def colleague(tx: Transaction, position: int) -> Elsewhere:
    """The chain of 覃试二 on another laptop, begun at `position` of the county's log."""
    dice = chance.Random(22)
    signed, pen = start(dice.randbytes(32), dice.randbytes(16), COLLEAGUE, Circumstances(wall=NOW - 30 * DAY))
    if kept.chain(tx, pen.chain.id) is None:
        kept.put_chain(tx, pen.chain, own=False, acknowledged=0)
        row = kept.entry_row(signed.entry, signed.id, signed.data, signed.signature, position)
        kept.put_entries(tx, [row], [signed.payload])
    return Elsewhere(pen=pen, random=dice)


def join(desk: Desk, person: bytes, name: str, password: str) -> None:
    """A colleague gets a slot in this vault, and a chain."""
    keys = desk.vault.add_person(staff=person, label=name, password=password, random=desk.random, kdf=CHEAP)
    with desk.vault.transaction() as tx:
        journal.begin(tx, keys.signing_seed, desk.random(16), person, desk.clock(), 1)


def find(desk: Desk, typed: str = "") -> list[households.HouseholdRow]:
    """Households that a search finds."""
    with desk.vault.reading() as tx:
        return households.page(tx, Filter(typed=typed))


def disagree(desk: Desk, household: bytes, field: str, mine: Value, theirs: Value, *, position: int) -> None:
    """Both colleagues change a field of a household without knowing of each other."""
    with desk.vault.transaction() as tx:
        sheet = households.sheet(tx, HOUSEHOLD, household)
        assert sheet is not None
        number = HOUSEHOLD.field(field).number
        bases = {number: sheet.dots[number]} if number in sheet.dots else {}
        other = colleague(tx, position)
        wall = desk.clock() - DAY
        said = Said(kind=HOUSEHOLD.number, object=household, values={number: theirs}, bases=bases)
        other.act(tx, Act.EDIT, [household], [said], wall, position + 1)
        said = Said(kind=HOUSEHOLD.number, object=household, values={number: mine}, bases=bases)
        journal.append(tx, desk.author, Act.EDIT, [household], [said], desk.clock(), desk.random)
    for _ in desks.refresh(desk):
        pass


def _desk(vault: Vault, author: Author, clock: Clock, dice: chance.Random) -> Desk:
    with vault.reading() as tx:
        held = people.rights(tx, author.staff, desks.day_of(clock()))
    return Desk(
        vault=vault,
        author=author,
        workplace=GRID,
        county_code=COUNTY_CODE,
        demo=True,
        clock=clock,
        random=dice.randbytes,
        rights=held,
        policy=Policy(),
    )


def _county_begins() -> tuple[Signed, Pen]:
    body: dict[int, Any] = {
        chains.COUNTY_CODE: COUNTY_CODE,
        chains.COUNTY_NAME: "云岭县",
        chains.DEMO: True,
        chains.LOG_KEY: public_key(chance.Random(98).randbytes(32)),
        chains.CARD_KEY: public_key(_card_key()),
        chains.RECOVERY_KEY: recovery_key().public_key().public_bytes_raw(),
        chains.ORIGIN: "hudang.example/990101",
    }
    at = Circumstances(wall=NOW - 90 * DAY)
    dice = chance.Random(99)
    return start(dice.randbytes(32), dice.randbytes(16), COLLEAGUE, at, body)


def recovery_key() -> X25519PrivateKey:
    """What the county keeps offline."""
    return X25519PrivateKey.from_private_bytes(chance.Random(97).randbytes(32))


def _set_up() -> list[Said]:
    area, staff = BY_NAME["area"], BY_NAME["staff"]
    places: list[tuple[bytes, str, str, bytes | None]] = [
        (TOWNSHIP, "TOWNSHIP", "云台镇", None),
        (VILLAGE, "VILLAGE", "上坝村", TOWNSHIP),
        (GRID, "GRID", "第三网格", VILLAGE),
        (OTHER_GRID, "GRID", "第四网格", VILLAGE),
    ]
    said = [
        created(area, place, {"level": level, "name": name, "parent": parent, "order": order})
        for order, (place, level, name, parent) in enumerate(places, 1)
    ]
    said.append(created(staff, MINE, {"name": "韦测一", "unit": "上坝村"}))
    said.append(created(staff, COLLEAGUE, {"name": "覃试二", "unit": "云台镇乡村振兴站"}))
    for number, (person, role, area_id) in enumerate(GRANTS):
        said.append(
            created(BY_NAME["grant"], bytes([0x50 + number]) * 16, {"staff": person, "role": role, "area": area_id})
        )
    return said


def _card_key() -> bytes:
    return chance.Random(77).randbytes(32)


def stock(tx: Transaction, seed: str, count: int) -> None:
    """So many signed cards come into this vault, drawn by `seed`."""
    dice = chance.Random(seed)
    numbers = [cards.draw_number(POOL, dice.randbytes) for _ in range(count)]
    kept.put_cards(
        tx,
        [
            (number, cards.sign(Card(county=COUNTY_CODE, key=1, number=number, day="2026-10-08"), _card_key()))
            for number in numbers
        ],
    )


def everything(areas: Iterable[bytes]) -> Rights:
    """Rights that nobody has: those of every role, in all these areas."""
    reach = frozenset(areas)
    return Rights(grants=tuple(Grant(role=role, area=GRID, reach=reach, above=frozenset()) for role in sorted(ROLES)))


def _import(desk: Desk) -> None:
    register = read_register(REGISTER, True, desk.today())
    for place, found in enumerate(register.households):
        household = desk.new_id()
        ids = [desk.new_id() for _ in found.members]
        head = ids[found.members.index(found.head)]
        values: dict[str, Value] = {
            **found.values,
            "village": VILLAGE,
            "grid": GRID,
            "head": head,
            **_colour(place),
        }
        said = [created(HOUSEHOLD, household, values)]
        said += [
            created(MEMBER, each, {**_risk(place), **member.values, "household": household})
            for each, member in zip(ids, found.members, strict=True)
        ]
        with desk.vault.transaction() as tx:
            journal.append(tx, desk.author, Act.IMPORT, [household], said, desk.clock(), desk.random)


def _colour(place: int) -> dict[str, Value]:
    """The sample has one monitored household; a village has more."""
    kinds: dict[int, dict[str, Value]] = {
        1: {"monitor_category": "UNSTABLE", "risk_1": "ILLNESS", "tags": ("DIBAO", "ELDER_ALONE")},
        4: {"monitor_category": "MARGINAL", "tags": ("SERIOUS_ILLNESS",)},
        9: {"monitor_category": "SUDDEN"},
        14: {"monitor_category": "UNSTABLE"},
        22: {"tags": ("LEFT_BEHIND_CHILD",)},
        30: {"monitor_category": "MARGINAL", "tags": ("DIBAO", "SINGLE")},
    }
    return kinds.get(place, {})


def _risk(place: int) -> dict[str, Value]:
    removed: dict[int, Value] = {1: 0, 4: 0, 9: 0, 14: 1}
    return {"risk_removed": removed[place]} if place in removed else {}


def _deliver_all(desk: Desk, *, first: int) -> None:
    """The county has confirmed what was done so far."""
    with desk.vault.transaction() as tx:
        mine = kept.chain(tx, desk.author.chain)
        assert mine is not None
        ids = kept.own_ids(tx, mine.state.id, 0, mine.state.next_seq)
        positions = {identity: first + n for n, identity in enumerate(ids)}
        kept.put_positions(tx, positions)
        store.place(tx, store.stored_items(tx, ids))
        kept.put_chain(tx, mine.state, own=True, acknowledged=mine.state.next_seq)


def _visit(desk: Desk, clock: Clock) -> None:
    """Some households were visited: long ago, lately, with a promise."""
    with desk.vault.reading() as tx:
        ids = list(tx.scalars(_ids()))
    said = [
        (0, 36, None, "老人在家，身体稳定。屋顶漏雨处已用彩条布临时盖住，等村里安排维修。"),
        (1, 34, None, "户主在外务工，配偶在家照看两个孩子，收入和上月差不多，饮水正常。"),
        (4, 12, 9, "上月住院花费较大，已提交医疗救助材料，答应十天内带回办理结果。"),
        (7, 20, None, "一家人都在家收稻谷，今年收成好，牛又添了一头，没有新的困难。"),
        (11, 6, None, "核对了务工信息，儿子已换到县里的木材厂上班，每月工资按时发放。"),
        (14, 3, 4, "风险消除后回访，两不愁三保障没有反弹，孩子学费补助已经到账。"),
    ]
    for place, ago, promised, summary in said:
        clock.now = NOW - ago * DAY
        draft = visits.begin(desk, ids[place])
        values: dict[str, Value] = {
            **draft.values,
            "summary": summary,
            "respondent": "户主",
            "respondent_relation": "02",
            "presence_proof": ("PHOTO",),
            "changes_found": ("NONE",),
            "satisfaction": "5",
        }
        if promised is not None:
            values["promised_by"] = desks.day_of(clock.now + promised * DAY)
            values["promises"] = "带回办理结果"
        visits.record(desk, visits.VisitDraft(id=draft.id, household=draft.household, values=values))


def _ids() -> Any:
    table = TABLES[HOUSEHOLD.number]
    return select(table.c.id).order_by(table.c.household_no)
