"""Ending a file alone is listed, under whatever name it was signed; ending it by two people is not."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from sqlalchemy import select

from app.ledger.act import Circumstances, Said, Signed, write
from app.ledger.entry import Act
from app.models.fields import LIFE
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.models.store import registers_of
from app.models.tables import TABLES
from county import administration, demo, oversights
from tests.county.conftest import Site
from tests.county.laptop import Laptop, Store, clock
from tests.county.test_delivery import households

HOUSEHOLD, MEMBER, PROPOSAL = (BY_NAME[name] for name in ("household", "member", "proposal"))


@pytest.fixture
def station(new_laptop: Callable[..., Laptop]) -> Laptop:
    made = new_laptop("覃试二", demo.TOWNSHIP)
    made.send(0)
    return made


@pytest.fixture
def home(station: Laptop) -> bytes:
    store = Store()
    store.pull(station)
    return min(households(store))


def second(site: Site, new_laptop: Callable[..., Laptop], role: str) -> Laptop:
    administration.add_staff(site.county, site.by, "另测一", role, demo.TOWNSHIP)
    made = new_laptop("另测一", demo.TOWNSHIP)
    made.send(0)
    return made


def end(site: Site, by: Laptop, act: Act, home: bytes, *proposals: Signed, member: bytes = b"") -> None:
    """The end of a file, and of a member with it, in one entry."""
    with site.county.log.reading() as tx:
        live = list(registers_of(tx, HOUSEHOLD, home)[LIFE].live)
    told = [Said(kind=HOUSEHOLD.number, object=home, values={LIFE: None}, bases={LIFE: live})]
    if member:
        told.append(Said(kind=MEMBER.number, object=member, values={LIFE: None}))
    refs = [proposal.id for proposal in proposals]
    signed, by.pen = write(by.pen, act, [home], told, Circumstances(wall=clock()), os.urandom, refs)
    by.log.append(signed)
    by.send(len(by.log) - 1)


def propose(by: Laptop, home: bytes, area: bytes, matter: str = "VOID_FILE") -> Signed:
    facts = {"area": area, "matter": matter, "household": home, "reason": "全户迁出"}
    values = {LIFE: True, **{PROPOSAL.field(name).number: value for name, value in facts.items()}}
    signed = by.act(area, [Said(kind=PROPOSAL.number, object=os.urandom(16), values=values)], Act.PROPOSE)
    by.send(len(by.log) - 1)
    return signed


def listed(site: Site) -> list[tuple[bytes, str, Action]]:
    with site.county.log.reading() as tx:
        return [(found.actor, found.kind, found.action) for found in oversights.overstepped(tx)]


@pytest.mark.parametrize("act", [Act.EDIT, Act.END, Act.VISIT, Act.DECIDE])
@pytest.mark.parametrize("name", ["韦测一", "覃试二"])
def test_a_file_ended_by_one_person(
    site: Site, station: Laptop, new_laptop: Callable[..., Laptop], home: bytes, act: Act, name: str
) -> None:
    by = station if name == "覃试二" else new_laptop(name)
    if by is not station:
        by.send(0)
    end(site, by, act, home)
    assert listed(site) == [(by.staff, "household", Action.VOID)]


@pytest.mark.parametrize("role", ["STATION", "TOWN_LEADER"])
def test_a_file_ended_by_two(
    site: Site, station: Laptop, new_laptop: Callable[..., Laptop], home: bytes, role: str
) -> None:
    other = second(site, new_laptop, role)
    proposal = propose(station, home, site.area(demo.TOWNSHIP))
    table = TABLES[MEMBER.number]
    with site.county.log.reading() as tx:
        member = min(tx.scalars(select(table.c.id).where(table.c.household == home, table.c.alive)))
    end(site, other, Act.DECIDE, home, proposal, member=member)
    assert listed(site) == []


@pytest.mark.parametrize("wrong", ["own", "role", "household", "matter", "proposer"])
def test_what_only_looks_like_two(
    site: Site, station: Laptop, new_laptop: Callable[..., Laptop], home: bytes, wrong: str
) -> None:
    other = second(site, new_laptop, "HELPER" if wrong == "role" else "VILLAGE")
    store, area = Store(), site.area(demo.TOWNSHIP)
    store.pull(station)
    about = max(households(store)) if wrong == "household" else home
    proposer, decider = (other, station) if wrong == "proposer" else (station, other)
    proposal = propose(proposer, about, area, "FULL_EXPORT" if wrong == "matter" else "VOID_FILE")
    decider = proposer if wrong == "own" else decider
    end(site, decider, Act.DECIDE, home, proposal)
    assert [found for found in listed(site) if found[1] != "proposal"] == [(decider.staff, "household", Action.VOID)]
