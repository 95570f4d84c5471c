"""The correction workbook: as it was, marked, explained, and readable again."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import xlsxwriter
from python_calamine import CalamineWorkbook

from app.text import RESOURCES
from app.workbooks.checking import read_register
from app.workbooks.corrections import write_corrections
from app.workbooks.register import Register
from tests.workbooks.conftest import HEADINGS, TODAY, number_of, person

Read = Callable[..., Register]


def sheets(content: bytes) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return {name: [list(row) for row in book.get_sheet_by_name(name).to_python()] for name in book.sheet_names}


def again(content: bytes, folder: Path, mend: Callable[[list[list[object]]], None]) -> Register:
    """The correction workbook after a person mended its rows (under the header) and saved it."""
    rows = sheets(content)["待更正"]
    body = rows[3:]
    mend(body)
    path = folder / "mended.xlsx"
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate([*rows[:3], *body]):
            for place, cell in enumerate(row):
                if cell != "":
                    sheet.write(line, place, cell)
    return read_register(path, True, TODAY)


def test_refused_rows_stand_in_it_with_their_household_and_the_reason(read: Read) -> None:
    register = read(
        [
            person(1),
            person(1, 1, 证件号码=9.90103199006167e17, 备注='=HYPERLINK("x")'),
            person(2),
            person(3, 与户主关系="其他"),
            person(3, 1),
        ]
    )
    made = sheets(write_corrections(register))
    rows = made["待更正"]
    assert "演示数据" in str(rows[0][0])
    assert rows[2] == ["原行号", "处理", "原因", *HEADINGS]
    assert [(row[0], row[1]) for row in rows[3:]] == [
        (4, "已导入，供对照"),
        (5, "退回"),
        (7, "退回"),
        (8, "退回"),
    ]
    reason = str(rows[4][2])
    assert reason.startswith("【证件号码】号码按数字存放，后几位已经丢失")
    assert "【备注】看起来像公式" in reason
    assert rows[4][3 + HEADINGS.index("证件号码")] == 9.90103199006167e17
    assert rows[4][3 + HEADINGS.index("备注")] == '=HYPERLINK("x")'
    listed = made["问题清单"]
    assert [(row[0], row[1], row[2]) for row in listed[1:]] == [
        (5, "证件号码", "这一行退回"),
        (5, "备注", "已采用，请留意"),
        (7, "与户主关系", "这一行退回"),
        (8, "与户主关系", "这一行退回"),
    ]


def test_no_cell_is_a_formula_or_a_link_and_text_stays_text(read: Read) -> None:
    texts = ["=1+1", "+1", "-1", "@x", "http://x.invalid", "'=1", "00123", "1e5", "\t=1", "<b>&amp;", "{=1}"]
    register = read(person(n, 姓名=None, 备注=text) for n, text in enumerate(texts, 1))
    content = write_corrections(register)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            part = archive.read(name)
            assert not re.search(rb"<f[ >]|hyperlink", part), name
    kept = [row[3 + HEADINGS.index("备注")] for row in sheets(content)["待更正"][3:]]
    assert kept == texts


def test_mended_it_is_read_like_any_other(read: Read, tmp_path: Path) -> None:
    rows = [person(1), person(1, 1, 证件号码="990101198503120011"), person(2, 与户主关系="其他"), person(3)]
    rows += [person(4, 人数=9), person(4, 1, 人数=9), person(5), person(5)]
    register = read(rows)
    content = write_corrections(register)
    assert [household.rows[0] for household in register.households] == [4, 7, 8, 10]

    def mend(body: list[list[object]]) -> None:
        column = {heading: place for place, heading in enumerate(HEADINGS, 3)}
        by_row = {row[0]: row for row in body}
        by_row[5][column["证件号码"]] = number_of(21)
        by_row[6][column["与户主关系"]] = "户主"
        for row in (8, 9):
            by_row[row][column["人数"]] = 2
        body.remove(by_row[11])

    mended = again(content, tmp_path, mend)
    assert mended.faults == ()
    assert [len(household.members) for household in mended.households] == [2, 1, 2, 1]
    assert mended.households[2].values["member_count"] == 2
    assert mended.households[0].values == register.households[0].values


def test_unmended_it_refuses_the_same_again(tmp_path: Path) -> None:
    register = read_register(RESOURCES / "samples" / "register-village.xlsx", True, TODAY)
    path = tmp_path / "corrections.xlsx"
    path.write_bytes(write_corrections(register))
    second = read_register(path, True, TODAY)
    refused = sorted(fault.code for fault in register.faults if fault.severity == "refuse")
    # The owner of a number used twice went in and does not stand here: only his rival's own contradiction is left.
    refused.remove("number-twice")
    assert sorted(fault.code for fault in second.faults if fault.severity == "refuse") == refused
    assert second.households_held == register.households_held


def test_dates_stay_dates_and_what_cannot_be_read_is_left_empty(read: Read) -> None:
    headings = (*HEADINGS, "出生日期")
    register = read([person(1, 出生日期=date(2030, 1, 2)), person(2, 出生日期=True, 备注=True)], headings=headings)
    rows = sheets(write_corrections(register))["待更正"]
    assert rows[3][-1] == date(2030, 1, 2)
    assert rows[4][-1] is True


def test_it_exists_only_in_memory_and_is_the_same_each_time(read: Read) -> None:
    register = read([person(1), person(1, 1, 姓名=None)])
    opened: list[object] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("open", "tempfile.mkstemp", "tempfile.mkdtemp") and "w" in str(arguments[1:]):
            opened.append(arguments[0])

    sys.addaudithook(watch)
    try:
        first = write_corrections(register)
    finally:
        watching = False
    assert opened == []
    assert write_corrections(register) == first


def test_without_anything_to_correct_it_says_so_by_being_empty(read: Read) -> None:
    rows = sheets(write_corrections(read([person(1)])))
    assert len(rows["待更正"]) == 3
    assert len(rows["问题清单"]) == 1
