"""Bad files: each gets its own sentence, none takes the program down, none is half read."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from app.errors import InputProblem
from app.messages import sentence
from app.workbooks import reading
from app.workbooks.checking import read_register
from app.workbooks.register import Register
from tests.workbooks.conftest import HEADINGS, TODAY, Write, person

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def problem(path: Path) -> InputProblem:
    """Why the file at `path` is not read."""
    with pytest.raises(InputProblem) as caught:
        read_register(path, True, TODAY)
    words = sentence(caught.value)
    assert caught.value.code not in words
    assert "{" not in words
    return caught.value


def repack(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The workbook `source` with its parts changed; None drops a part."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "workbook-empty"),
        (OLE + "Workbook".encode("utf-16-le") + bytes(500), "workbook-is-xls"),
        (OLE + "EncryptedPackage".encode("utf-16-le") + bytes(500), "workbook-password"),
        (OLE + "WordDocument".encode("utf-16-le") + bytes(500), "workbook-is-other"),
        (b"\xef\xbb\xbf\r\n<html xmlns:x='urn'><table><tr><td>1", "workbook-is-html"),
        (b"<TABLE border=1><tr><td>", "workbook-is-html"),
        (
            b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>",
            "workbook-is-xml",
        ),
        ("户编号,姓名\r\n1,韦测一\r\n".encode(), "workbook-is-csv"),
        ("户编号\t姓名\r\n1\t韦测一\r\n".encode("gb18030"), "workbook-is-csv"),
        ("户编号,姓名\r\n".encode("utf-16"), "workbook-is-csv"),
        (b"%PDF-1.7\n1 0 obj", "workbook-is-pdf"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "workbook-is-other"),
        (b"PK\x03\x04" + bytes(100), "workbook-damaged"),
        (b"PK\x05\x06" + bytes(18), "workbook-is-other"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "register.xlsx"
    path.write_bytes(content)
    assert problem(path).code == code
    assert path.read_bytes() == content


def test_no_file_a_folder_and_a_huge_file(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.xlsx").code == "file-missing"
    assert problem(tmp_path).code == "not-a-file"
    huge = tmp_path / "huge.xlsx"
    with huge.open("wb") as file:
        file.truncate(reading.MAX_FILE + 1)
    assert problem(huge).code == "workbook-too-large"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (["word/document.xml", "[Content_Types].xml"], "workbook-is-other"),
        (["mimetype", "content.xml"], "workbook-is-ods"),
        (["xl/workbook.bin"], "workbook-is-xlsb"),
        (["xl/workbook.xml"], "workbook-damaged"),
        (["xl/workbook.xml", *(f"xl/media/{n}" for n in range(300))], "workbook-bomb"),
    ],
)
def test_archives_that_are_no_xlsx(tmp_path: Path, parts: list[str], code: str) -> None:
    path = tmp_path / "register.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for part in parts:
            archive.writestr(part, b"<x/>")
    assert problem(path).code == code


def test_bombs_are_not_unpacked(tmp_path: Path, write: Write) -> None:
    good = write([person(1)])
    big = repack(good, tmp_path / "a.xlsx", lambda name, old: bytes(20_000_000) if "sheet1" in name else old)
    assert problem(big).code == "workbook-bomb"
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    entities = repack(good, tmp_path / "b.xlsx", lambda name, old: bomb + old if "sharedStrings" in name else old)
    assert problem(entities).code == "workbook-bomb"


def test_damage_is_named_wherever_it_is(tmp_path: Path, write: Write) -> None:
    good = write([person(1)])
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(good.read_bytes()[:-300])
    assert problem(cut).code == "workbook-damaged"
    flipped = bytearray(good.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    cut.write_bytes(flipped)
    assert problem(cut).code in ("workbook-damaged", "register-no-known-column")
    lost = repack(good, tmp_path / "lost.xlsx", lambda name, old: None if "sheet1" in name else old)
    assert problem(lost).code == "workbook-damaged"


def test_a_cell_in_the_last_corner_takes_nothing_down(write: Write) -> None:
    """The reader would lay out 17,000,000,000 cells; the child's memory limit ends that."""

    def corner(book: xlsxwriter.Workbook) -> None:
        book.worksheets()[0].write_string(1_048_575, 16_383, "远")

    assert problem(write([person(1)], finish=corner)).code in ("workbook-damaged", "workbook-too-wide")


def test_limits_of_rows_and_columns_and_sheets(write: Write) -> None:
    def columns(book: xlsxwriter.Workbook) -> None:
        book.worksheets()[0].write_string(0, reading.MAX_COLUMNS, "远")

    def sheets(book: xlsxwriter.Workbook) -> None:
        for _ in range(reading.MAX_SHEETS):
            book.add_worksheet()

    assert problem(write([person(1)], finish=columns)).code == "workbook-too-wide"
    assert problem(write([person(1)], finish=sheets)).code == "workbook-too-many-sheets"
    many = ({"户编号": "1", "行政村": "2"} for _ in range(reading.MAX_ROWS + 1))
    assert problem(write(many, options={"constant_memory": True})).code == "workbook-too-many-rows"


def test_a_sheet_ends_after_a_thousand_empty_rows(write: Write) -> None:
    def far(line: int) -> Callable[[xlsxwriter.Workbook], None]:
        def finish(book: xlsxwriter.Workbook) -> None:
            sheet = book.worksheets()[0]
            for place, heading in enumerate(HEADINGS):
                if heading in (row := person(2)):
                    sheet.write(line, place, row[heading])
            for empty in range(60_000, 61_000):
                sheet.write_blank(empty, 0, None, book.add_format({"bold": True}))

        return finish

    near = read_register(write([person(1)], finish=far(900)), True, TODAY)
    assert [household.rows for household in near.households] == [(4,), (901,)]
    lost = read_register(write([person(1)], finish=far(2_000)), True, TODAY)
    assert [household.rows for household in lost.households] == [(4,)]


def test_headers_are_found_or_missed_with_a_word(write: Write) -> None:
    assert problem(write([], headings=("编码", "说明"))).code == "register-no-known-column"
    missing = problem(write([person(1)], headings=("户编号", "姓名", "证件号码")))
    assert missing.code == "register-columns-missing"
    assert missing.facts["columns"] == "行政村、组、户类型、性别、与户主关系"
    twice = problem(write([person(1)], headings=(*HEADINGS, "姓 名")))
    assert (twice.code, twice.facts["column"]) == ("register-column-twice", "姓名")
    for titles in (0, 1, 29):
        assert read_register(write([person(1)], titles=titles), True, TODAY).header_row == titles + 1
    assert problem(write([person(1)], titles=30)).code == "register-no-known-column"


def test_two_registers_in_one_file_are_not_mixed_and_hidden_ones_are_named(write: Write) -> None:
    def second(*, hidden: bool) -> Callable[[xlsxwriter.Workbook], None]:
        def finish(book: xlsxwriter.Workbook) -> None:
            sheet = book.add_worksheet("旧表")
            sheet.write_row(0, 0, HEADINGS)
            if hidden:
                sheet.hide()

        return finish

    assert problem(write([person(1)], finish=second(hidden=False))).code == "register-several-sheets"
    register = read_register(write([person(1)], finish=second(hidden=True)), True, TODAY)
    assert [(fault.code, dict(fault.facts)) for fault in register.faults] == [("sheet-hidden", {"sheet": "旧表"})]
    assert len(register.households) == 1


def test_the_other_calendar_of_dates_is_refused(write: Write) -> None:
    assert problem(write([person(1)], options={"date_1904": True})).code == "workbook-1904"


def test_formulas_without_result_and_error_values_never_look_empty(tmp_path: Path, write: Write) -> None:
    """As Excel writes them: with a result, with an empty text, with an error, and never computed."""
    path = write(person(household, 备注="x") for household in range(1, 5))
    column = chr(65 + HEADINGS.index("备注")).encode()
    cells = {
        b"4": b' t="str"><f>"a"&amp;"b"</f><v>ab</v></c>',
        b"5": b' t="str"><f>IF(1,"","")</f><v></v></c>',
        b"6": b' t="e"><f>1/0</f><v>#DIV/0!</v></c>',
        b"7": b"><f>A1&amp;B1</f></c>",
    }

    def change(name: str, content: bytes) -> bytes:
        for line, cell in cells.items() if "sheet1" in name else ():
            place = column + line
            content = re.sub(rb'<c r="%s"[^>]*>.*?</c>' % place, b'<c r="%s"%s' % (place, cell), content)
        return content

    register = read_register(repack(path, tmp_path / "formulas.xlsx", change), True, TODAY)
    assert [household.head.values.get("remarks") for household in register.households] == ["ab", None]
    assert [(fault.row, fault.column, fault.code) for fault in register.faults] == [
        (6, "备注", "cell-error"),
        (7, "备注", "cell-error"),
    ]


def test_merged_cells_count_for_every_row_they_cover(read: Callable[..., Register]) -> None:
    rows = [person(1), person(1, 1), person(1, 2), person(2)]
    for row in rows[1:3]:
        del row["户编号"], row["组"]

    def merge(book: xlsxwriter.Workbook) -> None:
        for heading in ("户编号", "组"):
            place = HEADINGS.index(heading)
            book.worksheets()[0].merge_range(3, place, 5, place, rows[0][heading])

    register = read(rows, finish=merge)
    assert register.faults == ()
    assert [len(household.members) for household in register.households] == [3, 1]


def test_dates_and_switches_reach_the_fields(read: Callable[..., Register]) -> None:
    headings = (*HEADINGS, "出生日期", "识别监测时间")
    rows = [
        person(1, 出生日期=date(1985, 3, 12), 识别监测时间=202303),
        person(2, 出生日期="1985年3月12日", 识别监测时间="2023-03"),
        person(3, 出生日期=31118, 识别监测时间=date(2023, 3, 1)),
        person(4, 出生日期=True),
    ]
    register = read(rows, headings=headings)
    assert [household.head.values["birth_date"] for household in register.households] == ["1985-03-12"] * 3
    assert [household.values["identified_month"] for household in register.households] == ["2023-03"] * 3
    assert [(fault.row, fault.code) for fault in register.faults] == [(6, "serial-date"), (7, "not-a-date")]


def test_reading_tells_how_far_it_is_and_stops_when_told(write: Write) -> None:
    path = write(person(household) for household in range(1, 700))
    seen: list[tuple[int, int]] = []
    register = read_register(path, True, TODAY, on_progress=lambda done, of: seen.append((done, of)))
    assert len(register.households) == 699
    assert len(seen) > 3
    assert all(done <= of for done, of in seen if of)
    with pytest.raises(InputProblem) as caught:
        read_register(path, True, TODAY, cancelled=lambda: True)
    assert caught.value.code == "reading-cancelled"
