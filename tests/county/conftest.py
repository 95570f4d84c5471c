"""A real county in a folder of its own, on a free port: founded once, copied for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.sync.protocol import EnrolmentCode
from app.vault.slotfile import KdfParameters
from county import administration, demo, enrolment
from county.administration import Areas, Author, County
from tests.county.laptop import Laptop, clock, serving

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)


@dataclass(frozen=True, slots=True)
class Site:
    """An open county, its administrator and its folder."""

    county: County
    by: Author
    folder: Path
    password: str

    def invite(self, name: str = "韦测一", place: str = f"{demo.VILLAGE}/{demo.GRIDS[0]}") -> EnrolmentCode:
        with self.county.log.reading() as tx:
            staff, workplace = administration.staff_called(tx, name), Areas(tx).at(place).id
        return enrolment.invite(self.county, staff, workplace, "http://127.0.0.1:1", plain=True)

    def area(self, path: str) -> bytes:
        with self.county.log.reading() as tx:
            return Areas(tx).at(path).id

    def staff(self, name: str) -> bytes:
        with self.county.log.reading() as tx:
            return administration.staff_called(tx, name)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo county with the sample register, closed; and its password."""
    folder = tmp_path_factory.mktemp("founded")
    county, password = demo.build(folder, clock, os.urandom, kdf=CHEAP)
    county.close()
    return folder, password


@pytest.fixture
def site(founded: tuple[Path, str], tmp_path: Path) -> Iterator[Site]:
    """A demo county of this test's own."""
    folder = tmp_path / "site"
    shutil.copytree(founded[0], folder)
    county = administration.open_county(folder / "county", folder / "keys", clock, os.urandom)
    by = administration.sign_in(county, demo.ADMINISTRATOR, founded[1])
    yield Site(county, by, folder, founded[1])
    county.close()


@pytest.fixture
def base(site: Site) -> Iterator[str]:
    """The county of this test, answering."""
    with serving(site.county) as address:
        yield address


@pytest.fixture
def new_laptop(site: Site, base: str) -> Callable[..., Laptop]:
    """Makes enrolled laptops."""

    def make(name: str = "韦测一", place: str = f"{demo.VILLAGE}/{demo.GRIDS[0]}") -> Laptop:
        return Laptop.make(site.invite(name, place), base, site.staff(name)).enrol()

    return make


@pytest.fixture
def laptop(new_laptop: Callable[..., Laptop]) -> Laptop:
    """A grid worker's enrolled laptop."""
    return new_laptop()
