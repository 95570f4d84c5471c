"""Salvage and restoration against the real county: what it gives back, what it takes, that its log verifies."""

from __future__ import annotations

import random as chance
import shutil
from pathlib import Path

import pytest

from app.casework.safekeeping import Safe
from app.ledger import verify
from app.sync import journal
from app.vault import backups, salvage
from app.vault.vault import DATABASE
from county import archive
from tests.casework.test_safekeeping import Worked, desk_of, pages_of, spoil
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.sync.laptops import PASSWORD, Laptop, finished
from tests.sync.test_with_county import Enrol, enrol  # noqa: F401 - fixtures
from tests.vault.conftest import refused

NOW = 1_795_229_880_000
LONG = "很长的名字" * 20


def chain_at_county(laptop: Laptop) -> tuple[int, bytes]:
    """How far the county has our chain."""
    county = laptop.county()
    try:
        head = county.chain(laptop.chain.state.id)
    finally:
        county.close()
    return head.next_seq, head.head


def assert_one_chain(laptop: Laptop) -> None:
    """Both sides have the same chain, and it can be walked."""
    assert chain_at_county(laptop) == (laptop.chain.state.next_seq, laptop.chain.state.head)
    assert laptop.chain.acknowledged == laptop.chain.state.next_seq
    finished(journal.recheck(laptop.vault))
    laptop.assert_fold_is_tables()


def test_a_vault_that_was_lost_comes_back_from_its_backup_and_the_county(
    enrol: Enrol,  # noqa: F811
    tmp_path: Path,
) -> None:
    safe = Safe(place=tmp_path / "backups", ballast_size=1000)
    laptop = Worked.of(enrol())
    homes = sorted(laptop.groups())
    laptop.write_all([(home, f"一{n} {LONG}") for n, home in enumerate(homes)])
    laptop.sync()
    laptop.write_all([(home, f"二{n} {LONG}") for n, home in enumerate(homes[:5])])
    finished(safe.back_up(desk_of(laptop)))
    laptop.sync()
    for n, home in enumerate(homes):
        laptop.write(home, f"三{n} {LONG}")
    laptop.sync()
    wanted, ids = laptop.tables(), laptop.chain_ids()
    laptop.vault.lock()
    folder, staff = laptop.vault.folder, laptop.vault_staff
    shutil.rmtree(folder)
    newest = backups.of_vault(safe.place, folder.name)[0]
    told = finished(safe.restore(newest, folder, staff, PASSWORD, now_ms=NOW))
    assert told.chains[0].waits
    again = laptop.again()
    with refused("exchange-first"):
        again.write(homes[0], "太早了")
    report = again.sync()
    assert report.same
    assert again.chain_ids() == ids
    assert again.tables() == wanted
    again.write(homes[0], "现在可以")
    assert again.sync().sent == 1
    assert_one_chain(again)
    again.vault.lock()


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_vault_is_made_whole_by_the_county(
    enrol: Enrol,  # noqa: F811
    site: Site,  # noqa: F811
    tmp_path: Path,
    seed: int,
) -> None:
    safe = Safe(place=tmp_path / "backups", ballast_size=1000)
    dice = chance.Random(seed)
    laptop = Worked.of(enrol())
    homes = sorted(laptop.groups())
    laptop.write_all([(dice.choice(homes), f"一{n} {LONG}") for n in range(30)])
    laptop.sync()
    laptop.write_all([(dice.choice(homes), f"二{n} {LONG}") for n in range(30)])
    laptop.vault.lock()
    needed = {*pages_of(laptop, "setting"), *pages_of(laptop, "chain")}
    logs = {*pages_of(laptop, "entry"), *pages_of(laptop, "payload"), *pages_of(laptop, "stream")} - needed
    spoil(laptop.vault.folder / DATABASE, dice.sample(sorted(logs), 5))
    told = finished(safe.salvage(laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    again = laptop.again()
    assert again.sync().same
    assert_one_chain(again)
    with again.vault.reading() as tx:
        assert not salvage.waiting_chains(tx)
    lost = sum(last - first + 1 for first, last in told.chains[0].lost)
    assert again.chain.state.next_seq == 61 - lost
    again.write(homes[0], "现在可以")
    again.sync()
    reader = enrol()
    again.sync()  # the other laptop is news to this one
    assert reader.state_hash() == again.state_hash()
    exported = tmp_path / "log.hudang"
    finished(archive.export_log(site.county, exported))
    assert verify.main([str(exported), str(site.folder / "county" / "county.pub")]) == 0
    again.vault.lock()
