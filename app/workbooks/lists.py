"""Lists as workbooks (.xlsx), for people to go on with: plain tables with a heading, every text as text.

Numbers of persons and households keep their leading zeros, nothing becomes a formula, a link or a number by itself. The
same tables give the same bytes. The workbook exists only in memory: writing it somewhere is the choice of a person.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import xlsxwriter

MAX_CELL = 32_767  # characters, of the file format
_WIDTHS = (10, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One worksheet: its name, a line above the table, headings, rows of texts."""

    name: str
    note: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def write_lists(tables: Sequence[Table], day: str) -> bytes:
    """The workbook of these tables, made on `day` (YYYY-MM-DD)."""
    target = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": datetime.fromisoformat(day)})
        text = book.add_format({"num_format": "@", "valign": "top"})
        heading = book.add_format({"bold": True, "bg_color": "#E7E6E6", "border": 1, "num_format": "@"})
        note = book.add_format({"font_color": "#606060"})
        for table in tables:
            sheet = book.add_worksheet(table.name)
            sheet.write_string(0, 0, table.note, note)
            for place, words in enumerate(table.headings):
                sheet.write_string(1, place, words, heading)
                longest = max((len(row[place]) for row in table.rows[:200]), default=0)
                width = min(max(_WIDTHS[0], 2 * len(words) + 2, longest + 4), _WIDTHS[1])
                sheet.set_column(place, place, width, text)
            for line, row in enumerate(table.rows, 2):
                for place, words in enumerate(row):
                    sheet.write_string(line, place, words[:MAX_CELL], text)
            sheet.freeze_panes(2, 1)
            sheet.set_landscape()
            sheet.repeat_rows(1)
    return target.getvalue()
