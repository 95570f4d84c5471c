"""A stolen pool: withdrawn at the county, its cards are revoked at every laptop's next exchange, and bound no more."""

from __future__ import annotations

import os
import random as chance
from dataclasses import replace
from pathlib import Path

import pytest

from app.casework import cards
from app.casework.desk import refresh
from app.casework.scanning import Standing
from app.errors import InputProblem
from app.models.queries import households
from app.models.queries.households import Filter
from app.sync import enrolment, exchange
from app.sync.connection import Connection
from app.vault.vault import Vault
from county.cards import issue_pool, withdraw_pool
from tests.county.conftest import Site
from tests.county.test_random_acts import PASSWORD, desk_of, result
from tests.demo import CHEAP


def enrol(site: Site, base: str, folder: Path, name: str, place: str) -> Vault:
    dice = chance.Random(name).randbytes
    code = replace(site.invite(name, place), host=base)
    invited = enrolment.look(code.text(), random=dice, clock=site.county.clock)
    clock = site.county.clock
    steps = enrolment.enrol(invited, PASSWORD, folder, "x", build=1, random=dice, clock=clock, kdf=CHEAP)
    vault: Vault = result(steps)[0]
    return vault


def exchange_all(site: Site, vault: Vault) -> None:
    with vault.reading() as tx:
        connection = Connection.load(tx)
    dice = os.urandom  # a nonce is good once
    county = connection.county(vault, random=dice, clock=site.county.clock)
    result(exchange.run(vault, county, random=dice))
    county.close()


def test_a_withdrawn_pool_is_revoked_everywhere(site: Site, base: str, tmp_path: Path) -> None:
    robbed = enrol(site, base, tmp_path / "a", "韦测一", "云台镇/上坝村/第一网格")
    other = enrol(site, base, tmp_path / "b", "陆试三", "云台镇/上坝村/第二网格")
    mine, theirs = desk_of(robbed, site), desk_of(other, site)
    result(refresh(mine))
    with robbed.reading() as tx:
        first, second = (row.id for row in households.page(tx, Filter(), limit=2))
    card, _ = cards.bind(mine, first)
    assert cards.judge(mine, card.payload).standing is Standing.CURRENT
    assert cards.judge(theirs, card.payload).standing is Standing.CURRENT
    withdraw_pool(site.county, site.by, card.card_no[:4])
    with pytest.raises(InputProblem, match="pool-unknown"):
        withdraw_pool(site.county, site.by, card.card_no[:4])
    exchange_all(site, robbed)
    exchange_all(site, other)
    assert cards.judge(mine, card.payload).standing is Standing.REVOKED
    assert cards.judge(theirs, card.payload).standing is Standing.REVOKED
    with pytest.raises(InputProblem, match="no-cards-left"):
        cards.bind(mine, second)
    issue_pool(site.county, site.by, site.area("云台镇/上坝村/第一网格"), 5)
    exchange_all(site, robbed)
    again, _ = cards.bind(mine, first)
    assert again.card_no != card.card_no
    assert cards.judge(mine, again.payload).standing is Standing.CURRENT
    robbed.lock()
    other.lock()
