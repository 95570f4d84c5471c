"""A laptop's thousand acts at a real county: the same log on both sides, tables equal to the fold on both, proved."""

from __future__ import annotations

import random as chance
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.casework.desk import Desk, day_of
from app.ledger import verify
from app.models.queries import staff
from app.models.rules.policy import Policy
from app.models.store import refold, state_hash
from app.sync import enrolment, exchange
from app.sync.connection import Connection
from app.sync.journal import Author
from app.vault import kept
from app.vault.vault import Vault
from county import archive, oversights
from tests import acts
from tests.county.conftest import Site
from tests.demo import CHEAP

SEED = 20261121
PASSWORD = "云台 上坝 网格 工作"


def result(steps: Generator[Any, None, Any]) -> Any:
    """What a generator of progress returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def desk_of(vault: Vault, site: Site) -> Desk:
    with vault.reading() as tx:
        mine, connection = kept.own_chains(tx)[0], Connection.load(tx)
        held = staff.rights(tx, vault.staff, day_of(site.county.clock()))
    author = Author(staff=vault.staff, chain=mine.state.id, seed=vault.signing_seed, build=1)
    return Desk(
        vault=vault,
        author=author,
        workplace=connection.workplace,
        county_code="990101",
        demo=True,
        clock=site.county.clock,
        random=chance.Random(SEED).randbytes,
        rights=held,
        policy=Policy(),
    )


def test_a_thousand_acts_reach_the_county_and_are_proved(site: Site, base: str, tmp_path: Path) -> None:
    dice = chance.Random(SEED).randbytes
    code = replace(site.invite(), host=base)
    invited = enrolment.look(code.text(), random=dice, clock=site.county.clock)
    steps = enrolment.enrol(
        invited, PASSWORD, tmp_path / "vault", "笔记本", build=1, random=dice, clock=site.county.clock, kdf=CHEAP
    )
    vault, report = result(steps)
    assert report.same
    mine = desk_of(vault, site)
    acts.many(mine, SEED, 1000, site.area("云台镇/上坝村"))
    with vault.reading() as tx:
        connection, waiting = Connection.load(tx), kept.waiting(tx)
        before = acts.tables(tx)
    assert waiting >= 1000
    county = connection.county(vault, random=dice, clock=site.county.clock)
    report = result(exchange.run(vault, county, random=dice))
    county.close()
    assert report.sent == waiting
    assert report.same
    with vault.transaction() as tx:
        assert kept.waiting(tx) == 0
        after = acts.tables(tx)
        assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
        list(refold(tx))
        assert acts.tables(tx) == after
    with site.county.log.reading() as tx:
        assert list(oversights.overstepped(tx)) == []  # no verb signs what its person has no right to
    with site.county.log.writing() as tx:
        told, digest = acts.tables(tx), state_hash(tx)
        list(refold(tx))
        assert acts.tables(tx) == told
        assert state_hash(tx) == digest
    assert set(after["household"]) <= set(told["household"])
    assert set(after["visit"]) == set(told["visit"])
    exported = tmp_path / "log.hudang"
    result(archive.export_log(site.county, exported))
    assert verify.main([str(exported), str(site.folder / "county" / "county.pub")]) == 0
    vault.lock()
