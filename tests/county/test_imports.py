"""The register comes in once: matched, compared, resumed, and never over what somebody else wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from app.errors import InputProblem
from app.models.fields import Value
from app.models.records.households import HOUSEHOLD, MEMBER
from app.models.store import registers_of
from app.models.tables import ENTRY, TABLES
from app.workbooks.checking import read_register
from app.workbooks.register import HouseholdRows, Register
from county import demo, imports
from county.imports import Outcome
from tests.county.conftest import Site
from tests.county.laptop import Laptop

HOUSEHOLDS, MEMBERS = TABLES[HOUSEHOLD.number], TABLES[MEMBER.number]


@pytest.fixture(scope="module")
def register() -> Register:
    return read_register(demo.REGISTER, True, "2026-11-21")


def run(site: Site, register: Register) -> Outcome:
    steps = imports.import_register(site.county, site.by, register)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome


def altered(register: Register, number: int = 0, **values: Value) -> Register:
    """The register with one household changed."""
    rows = list(register.households)
    rows[number] = replace(rows[number], values={**rows[number].values, **values})
    return replace(register, households=tuple(rows))


def row(site: Site, household: HouseholdRows) -> dict[str, Any]:
    with site.county.log.reading() as tx:
        number = household.values["household_no"]
        return dict(tx.execute(select(HOUSEHOLDS).where(HOUSEHOLDS.c.household_no == number)).mappings().one())


def test_the_sample_is_in_with_every_value(site: Site, register: Register) -> None:
    with site.county.log.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(HOUSEHOLDS)) == len(register.households) == 39
        assert tx.scalar(select(func.count()).select_from(MEMBERS)) == sum(len(h.members) for h in register.households)
        grids = set(tx.scalars(select(HOUSEHOLDS.c.grid)))
    assert grids == {site.area(f"{demo.VILLAGE}/{name}") for name in demo.GRIDS}
    for household in register.households:
        kept = row(site, household)
        assert kept["village"] == site.area(demo.VILLAGE)
        for name, value in household.values.items():
            assert kept[name] == (",".join(value) if isinstance(value, tuple) else value)


def test_the_same_file_again_changes_nothing(site: Site, register: Register) -> None:
    size = site.county.log.tree.size
    outcome = run(site, register)
    assert (outcome.added, outcome.changed, outcome.same, outcome.entries) == (0, 0, 39, 0)
    assert site.county.log.tree.size == size


def test_a_mended_cell_replaces_what_the_import_said(site: Site, register: Register) -> None:
    outcome = run(site, altered(register, address_detail="新门牌 7 号", villager_group="九组"))
    assert (outcome.changed, outcome.entries) == (1, 1)
    kept = row(site, register.households[0])
    assert (kept["address_detail"], kept["villager_group"]) == ("新门牌 7 号", "九组")
    with site.county.log.reading() as tx:
        assert not registers_of(tx, HOUSEHOLD, kept["id"])[4].disputed()


def test_what_a_grid_worker_wrote_is_disputed_not_overwritten(site: Site, register: Register, laptop: Laptop) -> None:
    home = row(site, register.households[0])
    laptop.edit(home["id"], "villager_group", "八组", [home["born"]])
    laptop.send(0)
    assert run(site, register).entries == 0
    run(site, altered(register, villager_group="九组"))
    with site.county.log.reading() as tx:
        found = registers_of(tx, HOUSEHOLD, home["id"])[4]
    assert sorted(value for _, value in found.live.values()) == ["九组", "八组"]


def test_an_interrupted_run_goes_on_where_it_stopped(site: Site, register: Register) -> None:
    fresh = [altered(register, n, address_detail=f"{n} 号").households[n] for n in range(39)]
    again = replace(register, households=tuple(fresh))
    steps = imports.import_register(site.county, site.by, again)
    next(steps)
    steps.close()
    outcome = run(site, again)
    assert (outcome.same, outcome.changed) == (imports.SLICE, 39 - imports.SLICE)
    with site.county.log.reading() as tx:
        runs = select(func.count()).select_from(ENTRY).where(ENTRY.c.act == 1)
        assert tx.scalar(runs) == 39 + 39


def test_a_household_whose_number_changed_is_found_by_its_head(site: Site, register: Register) -> None:
    home = row(site, register.households[0])
    outcome = run(site, altered(register, household_no="9901010001199999"))
    assert (outcome.added, outcome.changed) == (0, 1)
    with site.county.log.reading() as tx:
        number = tx.scalar(select(HOUSEHOLDS.c.household_no).where(HOUSEHOLDS.c.id == home["id"]))
    assert number == "9901010001199999"


def test_a_known_number_with_other_people_waits_for_a_look(site: Site, register: Register) -> None:
    one, two = register.households[:2]
    swapped = replace(one, values={**one.values, "household_no": two.values["household_no"]})
    size = site.county.log.tree.size
    outcome = run(site, replace(register, households=(swapped,)))
    assert [fault.code for fault in outcome.faults] == ["import-household-differs"]
    assert site.county.log.tree.size == size


def test_a_person_of_another_household_waits_for_a_look(site: Site, register: Register) -> None:
    one, two = register.households[:2]
    stolen = replace(one, members=(*one.members, two.members[-1]))
    outcome = run(site, replace(register, households=(stolen,)))
    assert [fault.code for fault in outcome.faults] == ["import-person-elsewhere"]


def test_another_countys_register_stays_out(site: Site, register: Register) -> None:
    foreign = replace(register, households=(replace(register.households[0], county="别的县"),))
    with pytest.raises(InputProblem, match="import-other-county"):
        run(site, foreign)
    with pytest.raises(InputProblem, match="import-demo-differs"):
        run(site, replace(register, demo=False))
