"""What a vault holds is what its people may see between them; it follows when that changes. On real vaults."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import CountyRefusal
from app.ledger import verify
from app.ledger.act import Said
from app.ledger.entry import Act, Withheld, decode_entry, open_payload
from app.models.fields import LIFE, Privacy, Root, Type
from app.models.records.registry import BY_NAME, BY_NUMBER
from app.models.rules.rights import Sight, sight
from app.models.store import refold, registers_of, state_hash
from app.models.tables import ENTRY, PAYLOAD, TABLES
from app.sync import enrolment, exchange, journal
from app.sync.connection import Connection
from app.sync.exchange import Report
from app.vault import kept
from app.vault.vault import Vault
from county import administration, archive, delivery
from county.administration import Deed
from county.sights import Sights
from tests import acts
from tests.county.conftest import CHEAP, Site
from tests.county.laptop import Laptop, Store
from tests.county.test_delivery import households
from tests.county.test_random_acts import result

PASSWORD = "松鼠 水井 走廊 红旗 诗人"
GRID = "云台镇/上坝村/第一网格"
OTHER = "云台镇/上坝村/第二网格"
D_FIELDS = {("household", "bank_account"), ("household", "risk_1"), ("member", "health")}


class Machine:
    """A real vault of one person at this county."""

    def __init__(self, site: Site, base: str, folder: Path, name: str, place: str = GRID) -> None:
        self.site, self.random = site, os.urandom
        code = replace(site.invite(name, place), host=base)
        invited = enrolment.look(code.text(), random=os.urandom, clock=site.county.clock)
        steps = enrolment.enrol(
            invited, PASSWORD, folder, "笔记本", build=1, random=os.urandom, clock=site.county.clock, kdf=CHEAP
        )
        self.vault: Vault
        self.vault, report = result(steps)
        assert report.same

    def exchange(self, steps: int | None = None) -> Report | None:
        """One exchange, cut off after so many steps where given."""
        with self.vault.reading() as tx:
            connection = Connection.load(tx)
        county = connection.county(self.vault, random=os.urandom, clock=self.site.county.clock)
        running = exchange.run(self.vault, county, random=os.urandom)
        try:
            if steps is None:
                return result(running)  # type: ignore[no-any-return]
            for _ in range(steps):
                next(running)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            running.close()
            county.close()
        return None

    def sync(self) -> None:
        """A whole exchange, after which both sides hold the same and the tables are the fold."""
        report = self.exchange()
        assert report is not None
        assert report.same
        with self.vault.transaction() as tx:
            told, digest = acts.tables(tx), state_hash(tx)
            assert kept.setting(tx, journal.RENEWED) is None
            list(refold(tx))
            assert acts.tables(tx) == told
            assert state_hash(tx) == digest

    def held(self) -> Counter[Privacy]:
        """How many values of each class of households' records are readable in the payloads, links and lives apart."""
        found: Counter[Privacy] = Counter()
        with self.vault.reading() as tx:
            joined = ENTRY.join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
            for row in tx.execute(select(ENTRY.c.data, PAYLOAD.c.data.label("payload")).select_from(joined)):
                found.update(_classes(row.data, row.payload))
        return found

    def column(self, kind: str, name: str) -> list[Any]:
        """What the tables show of a field, without what is empty."""
        table = TABLES[BY_NAME[kind].number]
        with self.vault.reading() as tx:
            return [value for value in tx.scalars(select(table.c[name])) if value is not None]

    def count(self, kind: str) -> int:
        """How many records of a kind live here."""
        table = TABLES[BY_NAME[kind].number]
        with self.vault.reading() as tx:
            return len(list(tx.scalars(select(table.c.id).where(table.c.alive))))


def _classes(data: bytes, payload: bytes) -> Iterator[Privacy]:
    entry = decode_entry(data)
    for (_, change, number), value in zip(entry.slots(), open_payload(entry, payload).values, strict=True):
        kind = BY_NUMBER[change.kind]
        declared = kind.numbered(number)
        if kind.root is not Root.HOUSEHOLD or number == LIFE or declared is None or declared.type is Type.LINK:
            continue
        if not isinstance(value, Withheld) and value is not None:
            yield declared.privacy


@pytest.fixture
def machine(site: Site, base: str, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Makes vaults; they are locked at the end."""
    made: list[Machine] = []

    def make(name: str, role: str | None = None, place: str = GRID, area: str | None = None) -> Machine:
        if role is not None:
            administration.add_staff(site.county, site.by, name, role, area if area is not None else place)
        made.append(Machine(site, base, tmp_path / f"vault{len(made)}", name, place))
        return made[-1]

    yield make
    for one in made:
        one.vault.lock()


def prove(site: Site, folder: Path) -> None:
    """The county's log is whole, whatever was handed out."""
    exported = folder / "log.hudang"
    result(archive.export_log(site.county, exported))
    assert verify.main([str(exported), str(site.folder / "county" / "county.pub")]) == 0


def test_a_helper_becomes_a_grid_worker_and_a_helper_again(
    site: Site, machine: Callable[..., Machine], tmp_path: Path
) -> None:
    helper = machine("帮测一", "HELPER")
    before = helper.held()
    assert before[Privacy.C] > 0
    assert before[Privacy.D] == 0
    assert helper.column("member", "name")
    assert not any(helper.column(kind, name) for kind, name in D_FIELDS)

    staff = site.staff("帮测一")
    administration.add_grant(site.county, site.by, staff, "GRID", GRID)
    helper.sync()
    wider = helper.held()
    assert wider[Privacy.D] > 0
    assert wider[Privacy.C] == before[Privacy.C]
    assert all(helper.column(kind, name) for kind, name in D_FIELDS)
    whole = machine("韦测一")
    assert helper.held() == whole.held()

    administration.end_grants(site.county, site.by, staff, role="GRID")
    helper.sync()
    assert helper.held() == before
    assert not any(helper.column(kind, name) for kind, name in D_FIELDS)
    prove(site, tmp_path)


def test_a_department_holds_nothing_personal_and_the_auditor_no_household(
    machine: Callable[..., Machine],
) -> None:
    department = machine("部测一", "DEPT", "云台镇", "")
    held = department.held()
    assert held[Privacy.A] > 0
    assert held[Privacy.B] > 0
    assert held[Privacy.C] == held[Privacy.D] == 0
    assert department.count("household") == 39
    assert department.column("member", "name") == []
    auditor = machine("审测一", "AUDITOR", "云台镇", "")
    assert auditor.count("household") == 0
    assert auditor.count("area") == department.count("area")
    assert sum(auditor.held().values()) == 0


def test_a_colleague_with_the_same_rights_changes_nothing(site: Site, machine: Callable[..., Machine]) -> None:
    grid = machine("韦测一")
    mine, station, today = site.staff("韦测一"), site.staff("覃试二"), "2026-11-22"
    with site.county.log.reading() as tx:
        one, both, nobody = (Sights(tx, people, today) for people in ([mine], [mine, station], []))
    administration.add_staff(site.county, site.by, "网测二", "GRID", GRID)
    administration.add_staff(site.county, site.by, "帮测三", "HELPER", GRID)
    people = [site.staff(name) for name in ("韦测一", "网测二", "帮测三")]
    with site.county.log.reading() as tx:
        more = Sights(tx, people, today)
    assert more.tag == one.tag
    assert not more.mixed
    assert len({one.tag, both.tag, nobody.tag}) == 3
    with grid.vault.reading() as tx:
        assert journal.sight(tx) == one.tag


@pytest.mark.parametrize("cut", [4, 7, 12, 20])
def test_what_is_cut_off_while_all_comes_anew_goes_on_the_next_time(
    site: Site, machine: Callable[..., Machine], cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAGE_BYTES", 3_000)
    helper = machine("帮测一", "HELPER")
    before, count = helper.held(), helper.count("household")
    administration.add_grant(site.county, site.by, site.staff("帮测一"), "GRID", GRID)
    assert helper.exchange(cut) is None
    with helper.vault.reading() as tx:
        assert kept.setting(tx, journal.RENEWED) is not None
    assert helper.held()[Privacy.C] == before[Privacy.C]  # all the while it stays readable
    assert helper.count("household") == count
    helper.sync()
    assert helper.held()[Privacy.D] > 0


def test_work_that_nobody_reported_yet_survives_the_change(site: Site, machine: Callable[..., Machine]) -> None:
    helper = machine("帮测一", "HELPER")
    with helper.vault.reading() as tx:
        household = min(tx.scalars(select(TABLES[8].c.id)))
    kind = BY_NAME["household"]
    number = kind.field("remarks").number
    with helper.vault.transaction() as tx:
        author = journal.author_of(tx, helper.vault.signing_seed, 1)
        said = Said(kind=kind.number, object=household, values={number: "待查"})
        journal.append(tx, author, Act.EDIT, [household], [said], site.county.clock(), os.urandom)
    administration.end_grants(site.county, site.by, site.staff("帮测一"))
    administration.add_grant(site.county, site.by, site.staff("帮测一"), "GRID", GRID)
    helper.sync()
    assert "待查" in helper.column("household", "remarks")


def test_a_household_that_moves_to_where_more_is_seen(
    site: Site, base: str, new_laptop: Callable[..., Laptop], machine: Callable[..., Machine]
) -> None:
    """One person, two grids, two roles: values follow the household, not the vault."""
    administration.add_staff(site.county, site.by, "双测一", "HELPER", GRID)
    administration.add_grant(site.county, site.by, site.staff("双测一"), "GRID", OTHER)
    both = machine("双测一", None, "云台镇/上坝村")
    with both.vault.reading() as tx:
        member = TABLES[BY_NAME["member"].number]
        seen = {row.id: row.health for row in tx.execute(select(member.c.id, member.c.health))}
    assert None in seen.values()
    assert any(value is not None for value in seen.values())

    grid = new_laptop()
    store = Store()
    store.pull(grid)
    home = min(households(store))
    kind = BY_NAME["household"]
    number = kind.field("grid").number
    base_dot = min(store.streams[home].items())[1][:16]
    said = Said(kind=kind.number, object=home, values={number: site.area(OTHER)}, bases={number: [base_dot]})
    with site.county.log.writing() as tx:
        site.county.act(tx, site.by, [Deed(act=Act.EDIT, roots=[home], said=[said])])
    both.sync()
    with both.vault.reading() as tx:
        rows = list(tx.execute(select(member.c.health).where(member.c.household == home)))
    assert rows
    assert any(row.health is not None for row in rows)


def test_an_area_that_moves_takes_its_households_to_where_more_is_seen(
    site: Site, machine: Callable[..., Machine]
) -> None:
    beside = administration.add_area(site.county, site.by, "云台镇", "VILLAGE", "下坝村")
    administration.add_staff(site.county, site.by, "双测一", "HELPER", "云台镇/上坝村")
    administration.add_grant(site.county, site.by, site.staff("双测一"), "GRID", "云台镇/下坝村")
    both = machine("双测一", None, "云台镇")
    assert both.held()[Privacy.C] > 0
    assert both.held()[Privacy.D] == 0
    area, grid = BY_NAME["area"], site.area(GRID)
    parent = area.field("parent").number
    with site.county.log.writing() as tx:
        live = list(registers_of(tx, area, grid)[parent].live)
        moved = Said(kind=area.number, object=grid, values={parent: beside}, bases={parent: live})
        site.county.act(tx, site.by, [Deed(act=Act.EDIT, roots=[grid], said=[moved])])
    both.sync()
    assert both.held()[Privacy.D] > 0


def test_a_photo_is_for_those_whose_vault_holds_its_key(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    """HELPER never sees class D, so neither key nor file of a photo; the grid worker of the same place gets both."""
    administration.add_staff(site.county, site.by, "帮测一", "HELPER", GRID)
    grid, helper, beside = new_laptop(), new_laptop("帮测一", GRID), new_laptop("陆试三", OTHER)
    store = Store()
    store.pull(grid)
    home, data = min(households(store)), os.urandom(3000)
    kind, identity = BY_NAME["attachment"], os.urandom(16)
    digest = hashlib.sha256(data).digest()
    facts = {"household": home, "attachment_kind": "PHOTO", "upload_key": digest, "content_key": os.urandom(32)}
    values = {LIFE: True, **{kind.field(name).number: value for name, value in facts.items()}}
    grid.act(home, [Said(kind=kind.number, object=identity, values=values)], Act.ATTACH)
    grid.send(0)
    wire = grid.wire
    wire.put_blob(digest, 0, data, last=True)
    assert wire.blob(digest) == data
    wire.close()
    for other in (helper, beside):
        wire = other.wire
        with pytest.raises(CountyRefusal, match="blob-unknown"):
            wire.blob(digest)
        wire.close()


def test_the_classes_that_nobody_sees_are_those_of_the_table() -> None:
    assert sight("HELPER", Privacy.C) is Sight.REASON
    assert sight("HELPER", Privacy.D) is Sight.NEVER
    assert sight("DEPT", Privacy.C) is Sight.NEVER
