"""The laptop's side against the real county: enrolment, first download, work, two laptops, cards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.errors import ChainBroken, CountyRefusal, TransportProblem
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.records.registry import BY_NAME
from app.sync import journal
from app.sync.connection import Connection
from app.sync.protocol import EnrolmentCode
from app.vault import kept
from county import administration, demo
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import clock as county_clock
from tests.county.laptop import serving
from tests.county_simulator import Cutter
from tests.sync.laptops import Laptop

Enrol = Callable[..., Laptop]


@pytest.fixture
def enrol(site: Site, tmp_path: Path) -> Iterator[Enrol]:  # noqa: F811
    """Makes laptops enrolled with the real county."""
    made: list[Laptop] = []
    with serving(site.county) as base:

        def make(name: str = "韦测一", place: str = f"{demo.VILLAGE}/{demo.GRIDS[0]}") -> Laptop:
            code = site.invite(name, place)
            text = EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text()
            made.append(Laptop.enrol(text, tmp_path / f"vault{len(made)}", seed=len(made)))
            return made[-1]

        yield make
        for laptop in made:
            laptop.vault.lock()


def test_the_first_download_is_whole(enrol: Enrol) -> None:
    laptop = enrol()
    assert len(laptop.groups()) > 0
    report = laptop.sync()
    assert report.same
    assert report.received == 0
    laptop.assert_fold_is_tables()
    with laptop.vault.reading() as tx:
        assert kept.waiting(tx) == 0


def test_the_cards_of_the_demo_come_into_stock(enrol: Enrol) -> None:
    laptop = enrol("覃试二", demo.TOWNSHIP)
    with laptop.vault.reading() as tx:
        assert kept.cards_left(tx) == demo.POOL_CARDS


def test_photos_arrive_whole(enrol: Enrol, site: Site) -> None:  # noqa: F811
    laptop = enrol()
    photo = laptop.vault.store_attachment(os.urandom(150_000), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    assert laptop.sync().files == 1
    with laptop.vault.reading() as tx:
        assert kept.undelivered_files(tx) == []
    arrived = site.county.folder / administration.ATTACHMENTS / photo.upload_digest.hex()
    assert arrived.read_bytes() == laptop.vault.sealed_attachment(photo.name)


def test_a_line_that_breaks_at_any_byte_costs_nothing(enrol: Enrol) -> None:
    laptop = enrol()
    household = min(laptop.groups())
    with laptop.vault.reading() as tx:
        base = Connection.load(tx).base
    cutter = Cutter(urlsplit(base).port or 0)
    laptop.base = cutter.base
    try:
        for limit in (0, 100, 420, 700, 900, 1300, 1900):
            for up in (True, False):
                laptop.write(household, f"{limit}")
                cutter.limit, cutter.up = limit, up
                with pytest.raises(TransportProblem):
                    laptop.exchange()
        cutter.limit = None
        assert laptop.sync().same
    finally:
        cutter.close()
    assert laptop.chain.acknowledged == laptop.chain.state.next_seq
    laptop.assert_fold_is_tables()


def test_a_county_restored_from_an_old_backup_raises_the_alarm(
    site: Site,  # noqa: F811
    tmp_path: Path,
) -> None:
    with serving(site.county) as base:
        code = site.invite()
        text = EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text()
        laptop = Laptop.enrol(text, tmp_path / "vault")
    site.county.close()
    shutil.copytree(site.folder, tmp_path / "backup")
    reopened = administration.open_county(site.folder / "county", site.folder / "keys", county_clock, os.urandom)
    household = min(laptop.groups())
    with serving(reopened) as laptop.base:
        laptop.write(household, "一组")
        laptop.sync()
    reopened.close()
    old = administration.open_county(
        tmp_path / "backup" / "county", tmp_path / "backup" / "keys", county_clock, os.urandom
    )
    with serving(old) as laptop.base:
        laptop.write(household, "二组")
        with pytest.raises(ChainBroken, match="county-went-back"):
            laptop.exchange()
    old.close()
    assert laptop.groups()[household] == "二组"
    laptop.vault.lock()


ODD: list[Any] = [2**63, -(2**63), [1, 2], [[1]], {1: 2}, b"x" * 9, "x" * 9000, True, "", b"", [], ["a,b"], [""]]


def test_what_no_form_would_write_is_stored_and_harms_nobody(enrol: Enrol) -> None:
    """Business rules never refuse: a value of the wrong type reaches every table that should hold it."""
    laptop, station = enrol(), enrol("覃试二", demo.TOWNSHIP)
    household = min(laptop.groups())
    with laptop.vault.transaction() as tx:
        author = journal.author_of(tx, laptop.vault.signing_seed, 1)
        for odd in ODD:
            for name in ("household", "member", "visit", "card"):
                kind, new = BY_NAME[name], os.urandom(16)
                home = {} if kind.home is None else {kind.field(kind.home).number: household}
                fields = [f.number for f in kind.fields if f.number not in home and f.name not in ("grid", "village")]
                for values in ({0: odd, **home}, dict.fromkeys(fields, odd), {fields[0]: odd}):
                    said = [Said(kind=kind.number, object=household if not home else new, values=values)]
                    journal.append(tx, author, Act.EDIT, [household], said, 1, os.urandom)
    assert laptop.sync().same
    assert station.sync().same
    for each in (laptop, station):
        each.assert_fold_is_tables()


def test_a_clone_that_was_written_in_is_told_to_be_a_fork(enrol: Enrol, tmp_path: Path) -> None:
    laptop = enrol()
    folder, household = laptop.vault.folder, min(laptop.groups())
    laptop.vault.lock()
    shutil.copytree(folder, tmp_path / "clone")
    laptop, clone = Laptop.unlock(folder), Laptop.unlock(tmp_path / "clone")
    laptop.write(household, "一组")
    clone.write(household, "二组")
    laptop.sync()
    for each in (clone, laptop):
        with pytest.raises(CountyRefusal, match="chain-forked"):
            each.exchange()
        each.vault.lock()


def test_two_laptops_of_a_village_converge_through_the_county(enrol: Enrol) -> None:
    first = enrol()
    station = enrol("覃试二", demo.TOWNSHIP)
    shared = sorted(first.groups().keys() & station.groups().keys())
    assert shared
    for n, household in enumerate(shared[:10]):
        first.write(household, f"甲{n}")
        station.write(household, f"乙{n}")
    for laptop in (first, station, first, station):
        assert laptop.sync().same
        laptop.assert_fold_is_tables()
    ours, theirs = first.groups(), station.groups()
    assert [ours[household] for household in shared] == [theirs[household] for household in shared]


def test_a_used_code_is_refused(enrol: Enrol, site: Site, tmp_path: Path) -> None:  # noqa: F811
    laptop = enrol()
    with serving(site.county) as base:
        code = site.invite()
        text = EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text()
        Laptop.enrol(text, tmp_path / "one").vault.lock()
        with pytest.raises(CountyRefusal, match="enrolment-used"):
            Laptop.enrol(text, tmp_path / "two")
    assert not (tmp_path / "two").exists()
    assert laptop.sync().same
