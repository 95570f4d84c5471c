"""Workbooks made for a test: people of one county that does not exist, written with XlsxWriter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from app.workbooks.checking import read_register
from app.workbooks.register import Register

TODAY = "2026-11-21"
CHARACTERS = "10X98765432"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

HEADINGS = (
    *("省(区、市)", "市(州)", "县(区)", "乡(镇)", "行政村", "组", "户编号", "人编号", "姓名", "性别"),
    *("证件类型", "证件号码", "人数", "与户主关系", "户类型", "联系电话", "人均纯收入", "健康状况", "备注"),
)

Row = dict[str, object]
Write = Callable[..., Path]


def number_of(serial: int, *, man: bool = True, born: str = "19850312") -> str:
    """The fictitious identity number of the `serial`-th person."""
    body = f"99{serial // 100 % 10000:04d}{born}{serial % 100:02d}{1 if man else 2}"
    return body + CHARACTERS[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]


def person(household: int, place: int = 0, **changes: object) -> Row:
    """A good row: the head at place 0, his sons after him."""
    serial = household * 20 + place
    row: Row = dict(zip(HEADINGS[:6], ("云岭省", "云岭州", "云岭县", "云台镇", "上坝村", "二组"), strict=True))
    row |= {"户编号": f"99010199{household:08d}", "人编号": f"99010199{serial:010d}"}
    row |= {
        "姓名": "韦测" + "一二三四五六"[place % 6],
        "性别": "男",
        "与户主关系": "之子" if place else "户主",
    }
    row |= {"证件类型": "居民身份证", "证件号码": number_of(serial), "户类型": "一般农户"}
    row |= {"联系电话": "10012345678", "人均纯收入": 10676.97, "健康状况": "健康"}
    return row | changes


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows under title and header into a new workbook; `path` of it."""
    made = iter(range(1_000_000))

    def writer(
        rows: Iterable[Row],
        *,
        headings: tuple[str, ...] = HEADINGS,
        titles: int = 2,
        options: dict[str, object] | None = None,
        finish: Callable[[xlsxwriter.Workbook], None] | None = None,
    ) -> Path:
        path = tmp_path / f"register-{next(made)}.xlsx"
        with xlsxwriter.Workbook(path, {"strings_to_formulas": False, **(options or {})}) as book:
            sheet = book.add_worksheet("户信息")
            day = book.add_format({"num_format": "yyyy-mm-dd"})
            for line in range(titles):
                sheet.write_string(line, 0, "演示数据")
            sheet.write_row(titles, 0, headings)
            for line, row in enumerate(rows, titles + 1):
                for place, heading in enumerate(headings):
                    cell = row.get(heading)
                    if isinstance(cell, date):
                        sheet.write_datetime(line, place, cell, day)
                    elif cell is not None:
                        sheet.write(line, place, cell)
            if finish:
                finish(book)
        return path

    return writer


@pytest.fixture
def read(write: Write) -> Callable[..., Register]:
    """Writes rows and reads them as a register of a demo county."""

    def reader(rows: Iterable[Row], **options: object) -> Register:
        return read_register(write(rows, **options), True, TODAY)

    return reader
