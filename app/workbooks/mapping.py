"""From headings to fields and from cells to values, by the declarations alone.

A heading means the field that declares it among its `columns`; width, spaces and brackets of either width
make no difference. Everything else is exact: a label that is not in the code list, a fraction of a fen, a
date that could be two dates is refused and never guessed. What loses nothing is done and told: width of
digits, invisible characters, spaces inside names, short numbers typed as numbers into a text column. Excel
keeps 15 digits of a number, so a longer one has lost digits and is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from app.errors import Fact, InputProblem
from app.models.codelists import codelist
from app.models.fields import Field, RecordKind, Type, Value
from app.models.rules import quality
from app.workbooks.register import Cell, Column, Fault, Odd, Severity

AREA_COLUMNS: dict[str, tuple[str, ...]] = {
    "area.province": ("省", "省份", "省(区、市)", "省（自治区、直辖市）"),
    "area.prefecture": ("市", "市(州)", "州", "地市", "市(地、州、盟)"),
    "area.county": ("县", "县(区)", "区县", "县(市、区)", "县(市、区、旗)"),
    "area.township": ("乡镇", "乡(镇)", "镇", "镇(乡)", "乡(镇、街道)"),
    "area.village": ("行政村", "村", "行政村(社区)", "村(社区)"),
}

# What a correction workbook adds in front; never part of a register.
OWN_COLUMNS = ("原行号", "处理", "原因")

_EXACT = 10**15  # a spreadsheet number with more digits has lost some


# --- headings ---


def heading_key(heading: object) -> str:
    """What of a heading counts: no spaces, no invisible characters, one width, no star for "required"."""
    if not isinstance(heading, str):
        return ""
    narrow = unicodedata.normalize("NFKC", heading)
    return "".join(c for c in narrow if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc") and c != "*")


def known_headings(kinds: Iterable[RecordKind]) -> dict[str, str]:
    """Heading key -> "kind.field" or "area.level", in the declared order. ValueError when two fields claim
    one heading."""
    known: dict[str, str] = {}
    claims = [*AREA_COLUMNS.items()]
    for kind in kinds:
        for field in kind.fields:
            if field.columns and field.type not in _READERS:
                raise ValueError(f"{kind.name}.{field.name}: no spreadsheet column can hold a {field.type.value}")
            claims.append((f"{kind.name}.{field.name}", field.columns))
    for meaning, columns in claims:
        for heading in columns:
            if known.setdefault(heading_key(heading), meaning) != meaning:
                raise ValueError(f"heading {heading} is declared for {meaning} and {known[heading_key(heading)]}")
    return known


def match_columns(headings: tuple[Cell, ...], known: dict[str, str], row: int) -> tuple[list[Column], list[Fault]]:
    """The columns of a header in `row`, and what is noticed about them. InputProblem when one heading stands
    twice: nobody can say which of the two columns counts. Of two different headings for one field the one
    declared first counts, the other is named."""
    own = {heading_key(heading) for heading in OWN_COLUMNS}
    order = list(known)
    keys = [heading_key(heading) for heading in headings]
    for key in keys:
        if key in known and keys.count(key) > 1:
            raise InputProblem("register-column-twice", column=str(headings[keys.index(key)]))
    taken: dict[str, str] = {}
    for key in sorted((key for key in keys if key in known), key=order.index):
        taken.setdefault(known[key], key)
    columns, faults = [], []
    for number, (heading, key) in enumerate(zip(headings, keys, strict=True)):
        if not key:
            continue
        label = str(heading).strip()
        meaning = known.get(key, "")
        if meaning and taken[meaning] != key:
            other = str(headings[keys.index(taken[meaning])]).strip()
            faults.append(_notice(row, label, "column-not-used", (("other", other),)))
            meaning = ""
        elif not meaning and key not in own:
            faults.append(_notice(row, label, "column-unknown"))
        columns.append(Column(number=number, heading=label, meaning=meaning))
    return columns, faults


def _notice(row: int, column: str, code: str, facts: tuple[tuple[str, Fact], ...] = ()) -> Fault:
    return Fault(row=row, column=column, code=code, severity=Severity.NOTICE, facts=facts)


# --- cells ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A cell as a value of its field and the codes of what was changed for it, or the `problem` with it."""

    value: Value = None
    told: tuple[str, ...] = ()
    problem: InputProblem | None = None


def take_cell(kind: str, field: Field, cell: Cell) -> Taken:
    """The value that `cell` means in `field`. An empty cell is taken as None."""
    if cell is None:
        return Taken()
    try:
        if isinstance(cell, Odd):
            raise InputProblem("cell-error" if cell is Odd.ERROR else "cell-duration")
        value, told = _READERS[field.type](kind, field, cell)
        field.check(value)
    except InputProblem as problem:
        return Taken(problem=problem)
    return Taken(value=value, told=told)


def take_text(cell: Cell) -> str:
    """A cell of an area column as plain text, "" when it holds none."""
    return _visible(cell, breaks=False)[0] if isinstance(cell, str) else ""


_Read = tuple[Value, tuple[str, ...]]


def _visible(text: str, *, breaks: bool) -> tuple[str, tuple[str, ...]]:
    """`text` without spaces around it and without characters nobody sees; says so when there were any."""
    if text.isprintable():
        return text.strip(), ()
    kept, lost = [], False
    for character in text.replace("\r\n", "\n").replace("_x000D_\n", "\n").strip():
        category = unicodedata.category(character)
        if category == "Cc" and not (breaks and character == "\n"):
            kept.append(" " * character.isspace())
            lost |= not character.isspace()
        elif category in ("Cf", "Cs"):
            lost = True
        else:
            kept.append(character)
    return "".join(kept).strip(), ("invisible-removed",) if lost else ()


def _narrow(text: str) -> str:
    """`text` with full-width digits, letters and signs made half-width."""
    if text.isascii():
        return text
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else " " if c == "\u3000" else c for c in text)


def _read_text(kind: str, field: Field, cell: Cell) -> _Read:
    text, told = _as_text(cell)
    text, lost = _visible(text, breaks=field.type is Type.LONG_TEXT)
    told += lost
    narrow = _narrow(text)
    if narrow != text and narrow.isascii():
        text, told = narrow, (*told, "width-normalised")
    tidy = quality.tidy(kind, field.name, text)
    if tidy != text:
        text, told = tidy, (*told, "form-normalised")
    if field.limit is not None and len(text) > field.limit:
        raise InputProblem("text-too-long", field=field.label, limit=field.limit, length=len(text))
    if text.lstrip("'").startswith(("=", "+", "-", "@")):
        told = (*told, "formula-like-text")
    return text or None, told


def _as_text(cell: Cell) -> tuple[str, tuple[str, ...]]:
    """Text of a cell of a text column; a number only when all its digits are there."""
    if isinstance(cell, str):
        return cell, ()
    if isinstance(cell, float):
        if abs(cell) >= _EXACT:
            raise InputProblem("lost-digits")
        if cell != int(cell) or cell < 0:
            raise InputProblem("number-in-text")
        return str(int(cell)), ("typed-as-number",)
    raise InputProblem("date-in-text" if isinstance(cell, date) else "not-text")


def _read_code(_kind: str, field: Field, cell: Cell) -> _Read:
    label, told = _label(field, cell)
    return _code(field, label), told


def _read_codes(_kind: str, field: Field, cell: Cell) -> _Read:
    labels, told = _label(field, cell)
    return tuple(_code(field, label.strip()) for label in re.split(r"[,，、;；]", labels)), told


def _label(field: Field, cell: Cell) -> tuple[str, tuple[str, ...]]:
    if not isinstance(cell, str):
        raise _not_in_list(field)
    return _visible(cell, breaks=False)


def _code(field: Field, label: str) -> str:
    found = codelist(field.codes or "").code_of(label)
    if found is None:
        raise _not_in_list(field)
    return found


def _not_in_list(field: Field) -> InputProblem:
    labels = [item.label for item in codelist(field.codes or "").codes]
    return InputProblem("not-in-list", labels="、".join(labels[:12]) + ("……" if len(labels) > 12 else ""))


def _read_yes_no(_kind: str, _field: Field, cell: Cell) -> _Read:
    text, told = _visible(cell, breaks=False) if isinstance(cell, str) else ("", ())
    if text not in ("是", "否"):
        raise InputProblem("not-yes-no")
    return int(text == "是"), told


def _read_number(_kind: str, field: Field, cell: Cell) -> _Read:
    """Whole fen, hundredths of a mu, or a count."""
    amount, told = _decimal(cell)
    if field.type in (Type.MONEY, Type.AREA):
        amount *= 100
    if amount != amount.to_integral_value():
        raise InputProblem("not-whole" if field.type is Type.COUNT else "too-many-decimals")
    if abs(amount) >= _EXACT:
        raise InputProblem("number-out-of-range", field=field.label)
    return int(amount), told


_DECIMAL = re.compile(r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,15})(\.[0-9]{1,15})?")


def _decimal(cell: Cell) -> tuple[Decimal, tuple[str, ...]]:
    if isinstance(cell, float):
        return Decimal(format(cell, ".15g")), ()  # the digits a spreadsheet has; the others are the binary's
    if not isinstance(cell, str):
        raise InputProblem("not-a-number")
    text, told = _visible(cell, breaks=False)
    narrow = _narrow(text)
    if not _DECIMAL.fullmatch(narrow):
        raise InputProblem("not-a-number")
    return Decimal(narrow.replace(",", "")), told + (("width-normalised",) if narrow != text else ())


_MONTH = re.compile(r"([0-9]{4})(?:年|[-/.])([0-9]{1,2})月?|([0-9]{4})([0-9]{2})")
_DATE = re.compile(r"([0-9]{4})(?:年|[-/.])([0-9]{1,2})(?:月|[-/.])([0-9]{1,2})日?|([0-9]{4})([0-9]{2})([0-9]{2})")
_FIRST_SERIAL, _LAST_SERIAL = 61, 73_050  # 1900-03-01, after Excel's leap day that never was, to 2099-12-31


def _read_month(_kind: str, _field: Field, cell: Cell) -> _Read:
    if isinstance(cell, date):
        if cell.day != 1 or isinstance(cell, datetime):
            raise InputProblem("not-a-month")
        return cell.isoformat()[:7], ()
    text = str(int(cell)) if isinstance(cell, float) and cell == int(cell) else cell
    match = _MONTH.fullmatch(_narrow(text.strip())) if isinstance(text, str) else None
    if not match:
        raise InputProblem("not-a-month")
    year, month = match.group(1, 2) if match[1] else match.group(3, 4)
    if not 1 <= int(month) <= 12 or not "1900" <= year <= "2100":
        raise InputProblem("not-a-month")
    return f"{year}-{int(month):02d}", ()


def _read_date(_kind: str, _field: Field, cell: Cell) -> _Read:
    if isinstance(cell, datetime):
        raise InputProblem("not-a-date")
    if isinstance(cell, date):
        return cell.isoformat(), ()
    if isinstance(cell, float) and cell == int(cell) and _FIRST_SERIAL <= cell <= _LAST_SERIAL:
        return (date(1899, 12, 30) + timedelta(days=int(cell))).isoformat(), ("serial-date",)
    text = str(int(cell)) if isinstance(cell, float) and cell == int(cell) else cell
    match = _DATE.fullmatch(_narrow(text.strip())) if isinstance(text, str) else None
    if not match:
        raise InputProblem("not-a-date")
    year, month, day = match.group(1, 2, 3) if match[1] else match.group(4, 5, 6)
    try:
        return date(int(year), int(month), int(day)).isoformat(), ()
    except ValueError:
        raise InputProblem("no-such-date") from None


_READERS: dict[Type, Callable[[str, Field, Cell], _Read]] = {
    Type.TEXT: _read_text,
    Type.LONG_TEXT: _read_text,
    Type.CODE: _read_code,
    Type.CODES: _read_codes,
    Type.YES_NO: _read_yes_no,
    Type.MONEY: _read_number,
    Type.AREA: _read_number,
    Type.COUNT: _read_number,
    Type.MONTH: _read_month,
    Type.DATE: _read_date,
}
