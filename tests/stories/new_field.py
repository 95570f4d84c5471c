"""The way of the field `hens` through a program in which somebody declared it; run by `test_new_field.py`."""

from __future__ import annotations

import os
import random as chance
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import xlsxwriter
from PySide6.QtWidgets import QApplication
from python_calamine import CalamineWorkbook

from app.models import summaries
from app.models.queries import history, households
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.sync import enrolment
from app.views import theme
from app.views.parts.form import RecordForm
from app.workbooks.checking import read_register
from county import administration, demo, dictionary, imports
from county import enrolment as invitations
from tests.county.laptop import clock, serving
from tests.demo import CHEAP

KIND = BY_NAME["household"]


def result(steps: Generator[Any, None, Any]) -> Any:
    """What a generator of progress returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def reached(station: str) -> None:
    """Tell the test how far the field has come."""
    sys.stdout.write(f"{station}\n")


def workbook(path: Path) -> None:
    """The sample register with one column more."""
    rows = CalamineWorkbook.from_path(demo.REGISTER).get_sheet_by_index(0).to_python()
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            more = "养鸡数" if number == 2 else 7 if number > 2 else ""
            sheet.write_row(number, 0, [*row, more])


def main(work: Path) -> None:
    """From the declaration to the laptop; prints each station it reached."""
    work.mkdir()
    assert "养鸡（只）" in dictionary.markdown()
    reached("dictionary")
    workbook(work / "register.xlsx")
    register = read_register(work / "register.xlsx", True, "2026-11-21")
    assert {home.values["hens"] for home in register.households} == {7}
    reached("import")
    county, password = demo.build(work / "site", clock, os.urandom, kdf=CHEAP)
    by = administration.sign_in(county, demo.ADMINISTRATOR, password)
    assert result(imports.import_register(county, by, register)).changed == len(register.households)
    reached("county")
    with serving(county) as base:
        with county.log.reading() as tx:
            staff = administration.staff_called(tx, "韦测一")
            place = administration.Areas(tx).at(f"{demo.VILLAGE}/{demo.GRIDS[0]}").id
        code = replace(invitations.invite(county, staff, place, "http://127.0.0.1:1", plain=True), host=base)
        dice = chance.Random(1).randbytes
        invited = enrolment.look(code.text(), random=dice, clock=clock)
        steps = enrolment.enrol(
            invited, "云台 上坝 网格 工作", work / "vault", "x", build=1, random=dice, clock=clock, kdf=CHEAP
        )
        vault, _ = result(steps)
    county.close()
    with vault.transaction() as tx:
        while summaries.refresh(tx):
            pass
        household = households.page(tx, Filter())[0].id
        sheet = households.sheet(tx, KIND, household)
        assert sheet is not None
        assert sheet["hens"] == 7
        reached("laptop")
        application = QApplication([])
        theme.dress(application, theme.LIGHT)
        form = RecordForm(KIND.fields)
        form.show_values(sheet.values)
        assert form.values()["hens"] == 7
        reached("form")
        detail = history.detail(tx, history.acts(tx, root=household)[0].id)
        assert detail is not None
        assert any(change.field == 99 and change.after == 7 for change in detail.changes)
        reached("act")
    vault.lock()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
