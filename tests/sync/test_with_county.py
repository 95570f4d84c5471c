"""The laptop's side against the real county: enrolment, first download, work, two laptops, cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import CountyRefusal
from app.sync.protocol import EnrolmentCode
from app.vault import kept
from county import demo
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import serving
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
