"""The correction workbook: what stayed out, as it was, with the bad cells marked and the reason beside it.

Rules kept here: households stand in it whole, good rows too, because a household is only read whole; mended,
the workbook is imported like any other, and its good rows change nothing. Everything is written as the type
it had, text as text, so that nothing becomes a formula, a link or a number by itself; columns that hold text
keep the text format, so that an identity number typed anew keeps its digits. The workbook exists only in
memory: writing it somewhere is the choice of a person. The same register gives the same bytes.
"""

from __future__ import annotations

import io
from collections import defaultdict
from datetime import date, datetime

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from app.text import tr
from app.workbooks.mapping import OWN_COLUMNS
from app.workbooks.register import Cell, Fault, Odd, Register, Severity, SheetRow, State

MAX_CELL = 32_767  # characters, of the file format

_HEADER_ROW = 2  # from 0, under title and instruction
_COLOURS = {Severity.REFUSE: "#F8C9C4", Severity.OMIT: "#F8C9C4", Severity.NOTICE: "#FFF2B3"}
_OWN_WIDTHS = (8, 18, 60)


def write_corrections(register: Register) -> bytes:
    """The correction workbook (.xlsx) of `register`."""
    target = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": datetime.fromisoformat(register.today)})
        styles = _Styles(book)
        _write_rows(book.add_worksheet(tr("待更正")), register, styles)
        _write_faults(book.add_worksheet(tr("问题清单")), register, styles)
    return target.getvalue()


class _Styles:
    """Cell formats by what they show; each is made once."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._made: dict[tuple[tuple[str, object], ...], Format] = {}

    def of(self, **look: object) -> Format:
        """The format with the properties `look`."""
        key = tuple(sorted(look.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format(look)
        return self._made[key]


def _write_rows(sheet: Worksheet, register: Register, styles: _Styles) -> None:
    title = tr("待更正的行（原工作表：{sheet}）", sheet=register.sheet)
    if register.demo:
        title += " " + tr("演示数据")
    sheet.write_string(0, 0, title, styles.of(bold=True, font_size=14))
    sheet.write_string(1, 0, tr("请改好标红的格，存盘后原样导入。白底灰字的行已经导入，只供对照，不要删。"))
    header = styles.of(bold=True, bg_color="#E7E6E6", border=1, text_wrap=True, valign="top")
    for number, heading in enumerate((*OWN_COLUMNS, *(column.heading for column in register.columns))):
        sheet.write_string(_HEADER_ROW, number, heading, header)
    for number, width in enumerate(_OWN_WIDTHS):
        sheet.set_column(number, number, width)
    sheet.set_column(len(_OWN_WIDTHS), len(_OWN_WIDTHS) + len(register.columns), 14)
    sheet.freeze_panes(_HEADER_ROW + 1, len(OWN_COLUMNS))
    sheet.set_landscape()
    sheet.repeat_rows(_HEADER_ROW)
    faults: dict[int, list[Fault]] = defaultdict(list)
    for fault in register.faults:
        faults[fault.row].append(fault)
    for line, row in enumerate(register.corrections, _HEADER_ROW + 1):
        _write_row(sheet, line, row, register, faults[row.row], styles)


def _write_row(
    sheet: Worksheet, line: int, row: SheetRow, register: Register, faults: list[Fault], styles: _Styles
) -> None:
    grey = {"font_color": "#808080"} if row.state is State.TAKEN else {}
    sheet.write_number(line, 0, row.row, styles.of(**grey))
    sheet.write_string(line, 1, _words(row.state), styles.of(**grey))
    sheet.write_string(line, 2, _reasons(row, faults)[:MAX_CELL], styles.of(text_wrap=True, valign="top"))
    marks: dict[str, str] = {}
    for fault in sorted(faults, key=lambda one: one.severity is not Severity.NOTICE):  # the worse mark stays
        marks[fault.column] = _COLOURS[fault.severity]
    for place, column in enumerate(register.columns, len(OWN_COLUMNS)):
        cell = row.cells[column.number] if column.number < len(row.cells) else None
        mark = {"bg_color": marks[column.heading]} if column.heading in marks else {}
        _write_cell(sheet, line, place, cell, grey | mark, styles)


def _write_cell(sheet: Worksheet, line: int, place: int, cell: Cell, look: dict[str, str], styles: _Styles) -> None:
    """One cell as it was; what could not be read is left empty."""
    if isinstance(cell, str):
        sheet.write_string(line, place, cell[:MAX_CELL], styles.of(num_format="@", **look))
    elif isinstance(cell, bool):
        sheet.write_boolean(line, place, cell, styles.of(**look))
    elif isinstance(cell, float):
        # A long number stands in a column of text: what is typed over it must stay text.
        sheet.write_number(line, place, cell, styles.of(**({"num_format": "@"} if cell >= 10**8 else {}), **look))
    elif isinstance(cell, date):
        shape = "yyyy-mm-dd hh:mm:ss" if isinstance(cell, datetime) else "yyyy-mm-dd"
        sheet.write_datetime(line, place, cell, styles.of(num_format=shape, **look))
    elif isinstance(cell, Odd) or look:
        sheet.write_blank(line, place, None, styles.of(num_format="@", **look))


def _write_faults(sheet: Worksheet, register: Register, styles: _Styles) -> None:
    """Everything that was noticed, also what went in."""
    header = styles.of(bold=True, bg_color="#E7E6E6", border=1)
    for number, (heading, width) in enumerate(((tr("行"), 8), (tr("列"), 24), (tr("结果"), 18), (tr("说明"), 80))):
        sheet.write_string(0, number, heading, header)
        sheet.set_column(number, number, width)
    sheet.freeze_panes(1, 0)
    for line, fault in enumerate(register.faults, 1):
        sheet.write_number(line, 0, fault.row)
        sheet.write_string(line, 1, fault.column)
        sheet.write_string(line, 2, _outcome(fault.severity), styles.of(bg_color=_COLOURS[fault.severity]))
        sheet.write_string(line, 3, fault.sentence())


def _reasons(row: SheetRow, faults: list[Fault]) -> str:
    """Why the row is here, the gravest first."""
    ordered = sorted(faults, key=lambda fault: fault.severity is Severity.NOTICE)
    reasons = [tr("【{column}】{reason}", column=fault.column, reason=fault.sentence()) for fault in ordered]
    if row.state is State.HELD:
        reasons.append(tr("这一行没有错，但这一户要等其他行改好才能导入。"))
    return "\n".join(reasons)


def _words(state: State) -> str:
    return {
        State.TAKEN: tr("已导入，供对照"),
        State.REFUSED: tr("退回"),
        State.HELD: tr("整户退回"),
        State.PARTLY: tr("已导入，缺标红的格"),
    }[state]


def _outcome(severity: Severity) -> str:
    return {
        Severity.REFUSE: tr("这一行退回"),
        Severity.OMIT: tr("这一格没有采用"),
        Severity.NOTICE: tr("已采用，请留意"),
    }[severity]
