"""Lists that leave the house: what is in them, what is written down, who has to agree."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from app.casework import countersigning, exporting, files
from app.casework.colleagues import Confirmed
from app.casework.countersigning import NewProposal
from app.casework.desk import Desk
from app.errors import InputProblem
from app.models.queries import households
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules import masking
from app.models.rules.masking import Surface, Whose
from app.models.tables import TABLES
from app.vault import agefile
from app.workbooks.lists import write_lists
from county.__main__ import main as county_program
from tests import demo
from tests.casework.conftest import THEIR_PASSWORD

HOUSEHOLD, EXPORT = BY_NAME["household"], BY_NAME["export"]
MINE = Confirmed(staff=demo.MINE)


def done(steps: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def exports(mine: Desk) -> list[Any]:
    with mine.vault.reading() as tx:
        return list(tx.execute(select(TABLES[EXPORT.number])))


def said(document: bytes) -> list[str]:
    """Every cell, which is text."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(document))
    cells = [cell for name in book.sheet_names for line in book.get_sheet_by_name(name).to_python() for cell in line]
    assert all(isinstance(cell, str) for cell in cells)
    return [str(cell) for cell in cells if cell]


def test_a_masked_list_tells_no_secret(mine: Desk, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    made = done(exporting.masked_list(mine, Filter(), "月度核对", path))
    cells = said(path.read_bytes())
    everything = "\n".join(cells)
    (row,) = exports(mine)
    assert (row.export_kind, row._mapping["count"]) == ("MASKED_LIST", 39)
    assert row.purpose == "月度核对"
    assert row.digest == made.digest == hashlib.sha256(path.read_bytes()).digest()
    numbers = 0
    for household in demo.find(mine):
        assert household.household_no in cells  # with its leading zeros
        with mine.vault.reading() as tx:
            people = households.members(tx, household.id)
            file = households.sheet(tx, HOUSEHOLD, household.id)
        assert file is not None
        for secret in (file["bank_account"], file["contact_phone"], file["address_detail"]):
            assert not isinstance(secret, str) or secret not in everything
        for person in people:
            number = person["cert_no"]
            numbers += isinstance(number, str)
            assert not isinstance(number, str) or number not in everything
            child = masking.whose_is(person.values, mine.today()) is Whose.CHILD
            if isinstance(number, str) and child:
                assert masking.mask_identity(number) not in everything
    assert numbers > 100
    assert "元" in everything
    assert "已按规定遮住个人信息 演示数据" in cells


def test_the_same_list_is_the_same_bytes(mine: Desk) -> None:
    first, second = (done(exporting.gather(mine, Filter(), Surface.LIST)) for _ in range(2))
    assert first == second
    one, two = (write_lists(first.tables, mine.today()) for _ in range(2))
    assert one == two


def test_a_purpose_is_needed_and_nothing_is_written_without_an_entry(mine: Desk, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with pytest.raises(InputProblem) as refused:
        done(exporting.masked_list(mine, Filter(), "  ", path))
    assert refused.value.code == "required"
    assert not path.exists()
    assert exports(mine) == []


def test_who_may_not_export_gets_no_file(village: Path, mine: Desk, tmp_path: Path) -> None:
    with mine.vault.transaction() as tx:
        demo.grant(tx, demo.MINE, [("GRID", demo.GRID)])
    mine.vault.lock()
    grid = demo.open_desk(mine.vault.folder)
    path = tmp_path / "list.xlsx"
    for steps in (
        exporting.masked_list(grid, Filter(), "月度核对", path),
        exporting.full_list(grid, MINE, Filter(), bytes(16), "移交", path),
    ):
        with pytest.raises(InputProblem) as refused:
            done(steps)
        assert refused.value.code == "not-allowed"
    assert not path.exists()
    grid.vault.lock()


def agreed(station: Desk, wanted: Filter) -> bytes:
    content = done(exporting.gather(station, wanted, Surface.FULL))
    new = NewProposal(
        id=station.new_id(),
        matter="FULL_EXPORT",
        reason="县里要求移交数据",
        count=content.households,
        digest=content.digest,
    )
    countersigning.propose(station, new)
    return new.id


def test_a_full_list_is_for_the_county_alone_and_only_once(station: Desk, tmp_path: Path) -> None:
    wanted = Filter(kinds=frozenset({"monitored"}))
    proposal = agreed(station, wanted)
    path = tmp_path / "full.xlsx.age"

    def export() -> None:
        done(exporting.full_list(station, MINE, wanted, proposal, "移交县里", path))

    with pytest.raises(InputProblem, check=lambda problem: problem.code == "export-undecided"):
        export()
    second = countersigning.second_person(station, demo.COLLEAGUE, THEIR_PASSWORD)
    countersigning.decide(station, second, proposal, "AGREED")
    export()
    private = demo.recovery_key().private_bytes_raw()
    key, opened = tmp_path / "recovery.key", tmp_path / "full.xlsx"
    key.write_text(f"hudang-recovery/1 {private.hex()}\n", encoding="ascii")
    assert county_program(["open-export", str(path), "--recovery", str(key), "--to", str(opened)]) == 0
    document = opened.read_bytes()
    key.write_text(f"hudang-recovery/1 {bytes(reversed(private)).hex()}\n", encoding="ascii")
    assert county_program(["open-export", str(path), "--recovery", str(key), "--to", str(tmp_path / "never")]) == 1
    cells = said(document)
    monitored = [each for each in demo.find(station) if each.monitor_category]
    assert {each.household_no for each in monitored} <= set(cells)
    others = {each.household_no for each in demo.find(station) if not each.monitor_category}
    assert others.isdisjoint(cells)
    with station.vault.reading() as tx:
        people = households.members(tx, monitored[0].id)
    assert {str(person["cert_no"]) for person in people if person["cert_no"]} <= set(cells)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.generate()])
    (written,) = exports(station)
    assert written.export_kind == "FULL_LIST"
    assert written.decision is not None
    with pytest.raises(InputProblem, check=lambda problem: problem.code == "export-used"):
        export()


def test_who_agreed_must_still_be_allowed_to(station: Desk, tmp_path: Path) -> None:
    wanted = Filter(kinds=frozenset({"monitored"}))
    proposal = agreed(station, wanted)
    second = countersigning.second_person(station, demo.COLLEAGUE, THEIR_PASSWORD)
    countersigning.decide(station, second, proposal, "AGREED")
    with station.vault.transaction() as tx:
        demo.grant(tx, demo.COLLEAGUE, [("GRID", demo.GRID)])
    path = tmp_path / "full.xlsx.age"
    with pytest.raises(InputProblem, check=lambda problem: problem.code == "export-undecided"):
        done(exporting.full_list(station, MINE, wanted, proposal, "移交县里", path))
    assert not path.exists()


def test_what_changed_after_the_agreement_is_not_exported(station: Desk, tmp_path: Path) -> None:
    wanted = Filter(kinds=frozenset({"monitored"}))
    proposal = agreed(station, wanted)
    second = countersigning.second_person(station, demo.COLLEAGUE, THEIR_PASSWORD)
    countersigning.decide(station, second, proposal, "AGREED")
    changed = next(each for each in demo.find(station) if each.monitor_category)
    with station.vault.reading() as tx:
        sheet = households.sheet(tx, HOUSEHOLD, changed.id)
    assert sheet is not None
    files.edit(station, changed.id, sheet, {"remarks": "又改了一处"})
    path = tmp_path / "full.xlsx.age"
    with pytest.raises(InputProblem, check=lambda problem: problem.code == "export-changed"):
        done(exporting.full_list(station, MINE, wanted, proposal, "移交县里", path))
    assert not path.exists()
    assert exports(station) == []


def test_keys_are_written_as_age_writes_them() -> None:
    key = demo.recovery_key()
    private = agefile.identity(key.private_bytes_raw())
    public = agefile.recipient(key.public_key().public_bytes_raw())
    assert str(pyrage.x25519.Identity.from_str(private).to_public()) == public
