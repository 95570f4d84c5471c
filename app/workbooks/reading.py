"""A workbook file becomes sheets of cells, in a child process that may die.

The parent looks only at size and first bytes, names what the file really is, and gives the bytes to the
child; the child opens no file, follows no link, runs no macro, and has limits of memory, processor time and
file size (on systems that know them). What comes back is JSON: numbers, text and dates, never objects. A
child that dies or stays silent is a damaged workbook to the person, nothing worse.

Limits: file 50 MB; unpacked 256 MB in 200 parts, a big part at most 200 times its packed size; 50,000 rows
under the header, 500 columns, 20 sheets; 1,000 empty rows end a sheet. Numbers come as `float` as the file
has them; vertically merged cells are given to every row they cover; a cell with an error value, or a formula
whose result was not saved, is `Odd.ERROR` and never looks empty.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import multiprocessing
import os
import re
import stat
import sys
import zipfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import python_calamine

from app.errors import InputProblem
from app.progress import Progress, Steps
from app.workbooks.register import Cell, Odd

if sys.platform != "win32":
    import resource

MAX_FILE = 50_000_000
MAX_UNPACKED = 256_000_000
MAX_PARTS = 200
MAX_RATIO = 200  # of parts above 10 MB
MAX_ROWS = 50_000
MAX_COLUMNS = 500
MAX_SHEETS = 20
MAX_EMPTY_ROWS = 1_000
MAX_TITLE_ROWS = 30  # the header stands in the first rows or nowhere
MAX_MEMORY = 2_000_000_000
MAX_SECONDS = 120
BATCH = 250

_SILENCE = 1_200  # waits of 50 ms before the child is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The top of one sheet: its first rows, so that the header can be found."""

    name: str
    visible: bool
    top: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows in a row: `first` is the number of the first one, from 1, `of` that of the last in the sheet."""

    first: int
    of: int
    rows: tuple[tuple[Cell, ...], ...]


# --- what the file is, by its first bytes ---


def take_file(path: Path) -> tuple[bytes, bytes]:
    """Content and SHA-256 of the workbook at `path`. InputProblem when it is no file, is empty, too large,
    locked by another program, or certainly something other than a workbook."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputProblem("not-a-file")
        if status.st_size > MAX_FILE:
            raise InputProblem("workbook-too-large", limit=MAX_FILE // 1_000_000)
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputProblem("file-missing") from None
    except OSError:
        raise InputProblem("file-unreadable") from None
    if not content:
        raise InputProblem("workbook-empty")
    refuse_other_kinds(content)
    return content, hashlib.sha256(content).digest()


def refuse_other_kinds(content: bytes) -> None:
    """InputProblem that names what `content` is, unless it begins as an .xlsx does (a ZIP archive)."""
    if content.startswith(b"PK\x03\x04"):
        return
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise InputProblem("workbook-password")
        if "Workbook".encode("utf-16-le") in content or "Book".encode("utf-16-le") in content:
            raise InputProblem("workbook-is-xls")
        raise InputProblem("workbook-is-other")
    start = content[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in start:
        raise InputProblem("workbook-is-xml")
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<meta", b"<?xml")) or b"<html" in start:
        raise InputProblem("workbook-is-html")
    if content.startswith(b"%PDF"):
        raise InputProblem("workbook-is-pdf")
    if _is_text(content[:4_000]):
        raise InputProblem("workbook-is-csv")
    raise InputProblem("workbook-is-other")


def _is_text(start: bytes) -> bool:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    for encoding in ("utf-8", "gb18030"):
        for cut in range(4):  # the last character may be cut
            with suppress(UnicodeDecodeError):
                text = start[: len(start) - cut].decode(encoding)
                return not any(ord(c) < 32 and c not in "\t\r\n" for c in text)
    return False


# --- the parent's side ---


class Book:
    """A workbook open in a child process. `close` ends the child; always call it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # fork would take threads and open keys along
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=child, args=(theirs,), daemon=True)
        self._child.start()
        theirs.close()

    def sheets(self, content: bytes) -> Steps[tuple[Sheet, ...]]:
        """Give the child the file and take the top of every sheet."""
        yield from self._answer()
        self._ask(content)
        answer = yield from self._answer()
        return tuple(
            Sheet(name=sheet["name"], visible=sheet["visible"], top=_tuples(sheet["top"])) for sheet in answer["sheets"]
        )

    def rows(self, sheet: int, first: int) -> Generator[Progress | Rows, None, None]:
        """All rows of the sheet number `sheet` (from 0) from row `first` (from 1) on, in batches, and signs
        of life between them."""
        self._ask(json.dumps({"sheet": sheet, "first": first}).encode())
        while True:
            answer = yield from self._answer()
            if "end" in answer:
                return
            yield Rows(first=answer["first"], of=answer["of"], rows=_tuples(answer["rows"]))

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._child.kill()
        self._child.join()
        self._child.close()

    def _ask(self, question: bytes) -> None:
        with suppress(ConnectionError):  # a child that is dead is noticed at its answer
            self._pipe.send_bytes(question)

    def _answer(self) -> Steps[dict[str, Any]]:
        for _ in range(_SILENCE):
            if self._pipe.poll(0.05):
                break
            yield Progress(done=0, of=0)
        else:
            raise InputProblem("workbook-damaged")
        try:
            answer: dict[str, Any] = json.loads(self._pipe.recv_bytes(), object_hook=_decode)
        except (EOFError, ConnectionError):
            raise InputProblem("workbook-damaged") from None
        if "problem" in answer:
            raise InputProblem(answer["problem"], **answer["facts"])
        return answer


def _tuples(rows: list[list[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _encode(cell: object) -> dict[str, str]:
    """A cell that JSON does not know."""
    if isinstance(cell, Odd):
        return {"odd": cell.value}
    if isinstance(cell, datetime):
        midnight = cell.time() == time()
        return {"date": cell.date().isoformat()} if midnight else {"instant": cell.isoformat()}
    if isinstance(cell, date):
        return {"date": cell.isoformat()}
    raise TypeError(f"no cell: {type(cell).__name__}")


def _decode(answer: dict[str, Any]) -> object:
    if len(answer) == 1:
        if "date" in answer:
            return date.fromisoformat(answer["date"])
        if "instant" in answer:
            return datetime.fromisoformat(answer["instant"])
        if "odd" in answer:
            return Odd(answer["odd"])
    return answer


# --- the child's side ---


def child(pipe: Connection) -> None:
    """Whole life of the child: take the file, show the sheets, give the rows that are asked for."""
    _limit()
    _send(pipe, {"ready": True})
    try:
        content = pipe.recv_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inspect(archive)
            book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
            _serve(pipe, archive, book)
    except InputProblem as problem:
        _send(pipe, {"problem": problem.code, "facts": problem.facts})
    except python_calamine.PasswordError:
        _send(pipe, {"problem": "workbook-password", "facts": {}})
    except (python_calamine.CalamineError, zipfile.BadZipFile, ET.ParseError, KeyError, MemoryError):
        _send(pipe, {"problem": "workbook-damaged", "facts": {}})
    except (EOFError, ConnectionError):
        return  # the parent has seen enough


def _limit() -> None:
    """Bounds that hold whatever the file does, and silence: last words of a dying child could be a name."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def inspect(archive: zipfile.ZipFile) -> None:
    """InputProblem unless the ZIP is an .xlsx of bearable size, by its directory and the top of its parts."""
    parts = archive.infolist()
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        if "xl/workbook.bin" in names:
            raise InputProblem("workbook-is-xlsb")
        if "content.xml" in names and "mimetype" in names:
            raise InputProblem("workbook-is-ods")
        raise InputProblem("workbook-is-other")
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise InputProblem("workbook-bomb", limit=MAX_UNPACKED // 1_000_000)
    if re.search(rb"date1904=.(1|true)", archive.read("xl/workbook.xml")):
        raise InputProblem("workbook-1904")  # its bare numbers would mean other days
    for part in parts:
        if part.file_size > 10_000_000 and part.file_size > MAX_RATIO * part.compress_size:
            raise InputProblem("workbook-bomb", limit=MAX_UNPACKED // 1_000_000)
        if part.flag_bits & 1:
            raise InputProblem("workbook-password")
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                if b"<!DOCTYPE" in stream.read(2_000):  # no spreadsheet program writes one; bombs need one
                    raise InputProblem("workbook-bomb", limit=MAX_UNPACKED // 1_000_000)


def _serve(pipe: Connection, archive: zipfile.ZipFile, book: python_calamine.CalamineWorkbook) -> None:
    sheets = book.sheets_metadata
    if len(sheets) > MAX_SHEETS:
        raise InputProblem("workbook-too-many-sheets", limit=MAX_SHEETS)
    tops: list[dict[str, object]] = []
    table: python_calamine.CalamineSheet | None = None
    for number, sheet in enumerate(sheets):
        top: list[tuple[Cell, ...]] = []
        if sheet.typ is python_calamine.SheetTypeEnum.WorkSheet:
            table = book.get_sheet_by_index(number)
            top = [row for _, row in zip(range(MAX_TITLE_ROWS), _table_rows(table, set()), strict=False)]
        visible = sheet.visible is python_calamine.SheetVisibleEnum.Visible
        tops.append({"name": sheet.name, "visible": visible, "top": top})
    _send(pipe, {"sheets": tops})
    question = json.loads(pipe.recv_bytes())
    if table is None or len(sheets) > 1:
        table = book.get_sheet_by_index(question["sheet"])
    unread = _unread(archive, question["sheet"])
    _send_rows(pipe, table, unread, question["first"])


def _send_rows(
    pipe: Connection, table: python_calamine.CalamineSheet, unread: set[tuple[int, int]], first: int
) -> None:
    batch: list[tuple[Cell, ...]] = []
    at, filled, empty, last = first, 0, 0, table.end[0] + 1 if table.end else 0
    for number, row in enumerate(_table_rows(table, unread), 1):
        if number < first:
            continue
        empty = 0 if any(cell is not None for cell in row) else empty + 1
        filled += not empty
        if filled > MAX_ROWS:
            raise InputProblem("workbook-too-many-rows", limit=MAX_ROWS)
        if empty > MAX_EMPTY_ROWS:
            break
        batch.append(row)
        if len(batch) == BATCH:
            _send(pipe, {"first": at, "of": last, "rows": batch})
            at, batch = at + len(batch), []
    _send(pipe, {"first": at, "of": last, "rows": batch})
    _send(pipe, {"end": True})


def _table_rows(table: python_calamine.CalamineSheet, unread: set[tuple[int, int]]) -> Iterator[tuple[Cell, ...]]:
    """Rows of the sheet from row 1 and column A on; an empty cell is None."""
    if table.start is None or table.end is None:
        return
    top, left = table.start
    if table.end[1] >= MAX_COLUMNS:
        raise InputProblem("workbook-too-wide", limit=MAX_COLUMNS)
    merged: dict[int, list[tuple[int, int]]] = {}
    for (row, column), (last, last_column) in table.merged_cell_ranges or ():
        if last > row and column == last_column:
            merged.setdefault(row, []).append((column, last))
    filling: dict[int, tuple[int, Cell]] = {}
    margin: tuple[Cell, ...] = (None,) * left
    yield from ((),) * top
    for number, values in enumerate(table.iter_rows(), top):
        cells: list[Cell] = [*margin, *(_cell(value) for value in values)]
        for row, column in [place for place in unread if place[0] == number] if unread else ():
            cells.extend([None] * (column + 1 - len(cells)))
            cells[column] = Odd.ERROR
            unread.discard((row, column))
        if any(cell is not None for cell in cells):
            for column, (last, value) in filling.items():
                if number <= last and cells[column] is None:
                    cells[column] = value
        for column, last in merged.get(number, ()):
            filling[column] = (last, cells[column])
        yield tuple(cells)


def _cell(value: object) -> Cell:
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and not math.isfinite(value):
        return Odd.ERROR
    if isinstance(value, bool | float | date):  # an instant is a date too
        return value
    return float(value) if isinstance(value, int) else Odd.DURATION


_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_PLACE = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
_RESULT = re.compile(rb"<(?:\w+:)?v>[^<]")


def _unread(archive: zipfile.ZipFile, sheet: int) -> set[tuple[int, int]]:
    """Places (row, column, from 0) of error values and of formulas without a saved result, which the reader
    shows as empty."""
    content = archive.read(_part(archive, sheet))
    places = set()
    if b't="e"' in content or b"<f" in content or b":f" in content:
        for match in _CELL.finditer(content):
            attributes, inside = match[1], match[2] or b""
            formula = b"<f" in inside or b":f" in inside
            saved = _RESULT.search(inside) or b't="str"' in attributes
            place = _PLACE.search(attributes)
            if place and (b't="e"' in attributes or (formula and not saved)):
                column = 0
                for letter in place[1]:
                    column = column * 26 + letter - 64
                places.add((int(place[2]) - 1, column - 1))
    return places


def _part(archive: zipfile.ZipFile, sheet: int) -> str:
    """Name of the part that holds the sheet number `sheet`."""
    targets = {}
    for link in ET.fromstring(archive.read("xl/_rels/workbook.xml.rels")):  # noqa: S314 - inspected
        targets[link.get("Id")] = link.get("Target", "")
    links = [
        next((value for name, value in element.items() if name.endswith("}id")), None)
        for element in ET.fromstring(archive.read("xl/workbook.xml")).iter()  # noqa: S314
        if element.tag.endswith("}sheet")
    ]
    target = targets[links[sheet]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _send(pipe: Connection, answer: dict[str, object]) -> None:
    pipe.send_bytes(json.dumps(answer, default=_encode).encode())
