"""Full disks (G13); and that the harness sees what a worse program would do."""

from __future__ import annotations

import os

import pytest

from app.casework.opening import Opener
from app.errors import VaultProblem
from app.vault import ballast
from app.vault.attempts import Attempts
from tests.county_simulator import SimulatedCounty, serving
from tests.faults import diskfull, frame
from tests.sync.laptops import CHEAP, PASSWORD, Laptop, clock, finished


def test_a_full_disk_loses_nothing_and_can_be_read() -> None:
    outcomes = frame.do_ci_cases(diskfull)
    assert len(outcomes) == len(diskfull.HOWS)


def test_a_worse_program_is_found_out() -> None:
    assert "ballast" in diskfull.lowered()


def test_the_program_opens_an_enrolled_vault_with_no_byte_free() -> None:
    with frame.empty_folder() as folder, diskfull.small_disk(folder / "disk") as disk:
        county = SimulatedCounty()
        with serving(county) as base:
            home = disk.folder / "home"
            laptop = Laptop.enrol(county.invite(base), home / "workplaces" / "vault")
            laptop.write(b"h" * 16, "一组")
            staff, place = laptop.vault.staff, laptop.vault.folder
            laptop.vault.lock()
        opener = Opener(build=1, clock=clock, random=os.urandom, attempts=Attempts(home=home), kdf=CHEAP)
        finished(opener.unlock(place, staff, PASSWORD)).desk.vault.lock()
        finished(ballast.keep(place, size=diskfull.BALLAST))
        disk.fill(within=place)
        if disk.mounted:
            assert not ballast.free_room(place)
        for password in (PASSWORD, "别的密码", PASSWORD):
            if password != PASSWORD:
                with pytest.raises(VaultProblem, match="wrong-password"):
                    finished(opener.unlock(place, staff, password))
                continue
            opened = finished(opener.unlock(place, staff, password))
            with opened.desk.vault.reading() as tx:
                assert tx.exec_driver_sql("SELECT count(*) FROM household").scalar() == 1
            opened.desk.vault.lock()
