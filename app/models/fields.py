"""Field types and the declaration of a record kind: the one place where a recorded fact is described.

Table, form, spreadsheet column, log entry, mask and dictionary follow from these declarations. Rules kept here:
numbers of kinds and fields are permanent and never used again; units never change under a number; field 0 of every
kind is its life (`true` alive, null ended, the id of the object it is the same as) and is never declared.

Values, in memory, in the log and in the tables: text `str`, code `str`, several codes `tuple[str, ...]`, yes/no/unknown
`1/0/2`, date `"YYYY-MM-DD"`, month `"YYYY-MM"`, instant `int` (UTC milliseconds), money `int` (fen), area `int`
(1/100 mu), count `int`, link and bytes `bytes`. `None` is "cleared"; a field that was never said has no value at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as declared
from datetime import date
from enum import Enum

from app.errors import InputProblem
from app.ledger.authority import KINDS as AUTHORITY_KINDS

Value = None | bool | int | str | bytes | tuple[str, ...]

LIFE = 0
MAX_TEXT = 8192  # bytes in UTF-8, of one text value


class Type(Enum):
    """What a value is; decides column, editor, spreadsheet reading and validation."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    CODE = "code"
    CODES = "codes"
    YES_NO = "yes_no"
    DATE = "date"
    MONTH = "month"
    INSTANT = "instant"
    MONEY = "money"
    AREA = "area"
    COUNT = "count"
    LINK = "link"
    BYTES = "bytes"


class Privacy(Enum):
    """Privacy class (reference 3.1): A may be published, B internal, C personal, D sensitive personal."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class Merge(Enum):
    """What happens when two people changed a field without knowing of each other."""

    ONCE = "once"  # set once after verification; a different second value goes to a clerk
    ONE = "one"  # one value; agreement is automatic, else a person decides
    TEXT = "text"  # a narrative; a person decides, seeing the difference
    APPEND = "append"  # facts of a happening; never concurrent, corrections are new entries
    LINK = "link"  # where something belongs; like ONE
    GATED = "gated"  # changes only by a decision


class Root(Enum):
    """Whose file an object belongs to: the unit of streams and delivery."""

    HOUSEHOLD = "household"
    STAFF = "staff"
    AREA = "area"
    COUNTY = "county"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One declared field. `columns` are the spreadsheet headings that mean it, `limit` the greatest length (text, in
    characters) or value (numbers, in the unit of the type)."""

    number: int
    name: str
    label: str
    type: Type
    privacy: Privacy = Privacy.B
    merge: Merge = Merge.ONE
    required: bool = False
    codes: str | None = None
    target: str | None = None
    columns: tuple[str, ...] = ()
    limit: int | None = None
    hint: str = ""

    def check(self, value: Value) -> None:
        """Raise `InputProblem` unless `value` has the type, length and form of this field. None always passes: whether
        a value is required is asked of the whole record."""
        if value is not None:
            CHECKS[self.type](self, value)


def text(number: int, name: str, label: str, **options: object) -> Field:
    """A short text."""
    return Field(number=number, name=name, label=label, type=Type.TEXT, **options)  # type: ignore[arg-type]


def long_text(number: int, name: str, label: str, **options: object) -> Field:
    """A narrative."""
    options.setdefault("merge", Merge.TEXT)
    return Field(number=number, name=name, label=label, type=Type.LONG_TEXT, **options)  # type: ignore[arg-type]


def code(number: int, name: str, label: str, codes: str, **options: object) -> Field:
    """One code of the list `codes`."""
    return Field(number=number, name=name, label=label, type=Type.CODE, codes=codes, **options)  # type: ignore[arg-type]


def codes(number: int, name: str, label: str, codes: str, **options: object) -> Field:
    """Several codes of the list `codes`."""
    return Field(number=number, name=name, label=label, type=Type.CODES, codes=codes, **options)  # type: ignore[arg-type]


def link(number: int, name: str, label: str, target: str, **options: object) -> Field:
    """The id of an object of the kind named `target`."""
    options.setdefault("merge", Merge.LINK)
    return Field(number=number, name=name, label=label, type=Type.LINK, target=target, **options)  # type: ignore[arg-type]


def plain(type_: Type, number: int, name: str, label: str, **options: object) -> Field:
    """A field of any other type: `plain(Type.DATE, 5, "born", "出生日期")`."""
    return Field(number=number, name=name, label=label, type=type_, **options)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind:
    """One declared kind of record.

    `root` says whose file its objects belong to; `home` names the link field that leads there, None when the object is
    its own root.
    """

    number: int
    name: str
    label: str
    root: Root
    home: str | None = None
    fields: tuple[Field, ...]
    _by_number: Mapping[int, Field] = declared(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Field] = declared(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_number", {field.number: field for field in self.fields})
        object.__setattr__(self, "_by_name", {field.name: field for field in self.fields})
        if LIFE in self._by_number or not len(self.fields) == len(self._by_number) == len(self._by_name):
            raise ValueError(f"record kind {self.name}: field numbers and names must be unique and not {LIFE}")

    @property
    def authority(self) -> bool:
        """Whether acts on this kind take effect only from chains that the county's root authorised."""
        return self.number in AUTHORITY_KINDS

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError when there is none."""
        return self._by_name[name]

    def numbered(self, number: int) -> Field | None:
        """The field with `number`, None when this program does not know it (a newer one may)."""
        return self._by_number.get(number)


# --- checks, one per type ---

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_BREAKS = "\n"


def clean_text(value: str, *, breaks: bool = False) -> bool:
    """Whether `value` may be kept as it is: valid UTF-8, no control characters (line breaks where allowed)."""
    for character in value:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and not (breaks and character in _BREAKS)):
            return False
    return len(value.encode()) <= MAX_TEXT


def _check_text(field: Field, value: Value) -> None:
    if not isinstance(value, str) or not clean_text(value, breaks=field.type is Type.LONG_TEXT):
        raise InputProblem("bad-text", field=field.label)
    if field.limit is not None and len(value) > field.limit:
        raise InputProblem("text-too-long", field=field.label, limit=field.limit, length=len(value))


def _check_code(field: Field, value: Value) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z0-9_]{1,32}", value):
        raise InputProblem("bad-code", field=field.label)


def _check_codes(field: Field, value: Value) -> None:
    if not isinstance(value, tuple) or len(set(value)) != len(value):
        raise InputProblem("bad-code", field=field.label)
    for item in value:
        _check_code(field, item)


def _check_yes_no(field: Field, value: Value) -> None:
    if isinstance(value, bool) or value not in (0, 1, 2):
        raise InputProblem("bad-yes-no", field=field.label)


def _check_date(field: Field, value: Value) -> None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise InputProblem("bad-date", field=field.label)
    try:
        date.fromisoformat(value)
    except ValueError:
        raise InputProblem("no-such-date", field=field.label) from None


def _check_month(field: Field, value: Value) -> None:
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise InputProblem("bad-month", field=field.label)


def _check_number(field: Field, value: Value) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise InputProblem("bad-number", field=field.label)
    if field.limit is not None and not 0 <= value <= field.limit:
        raise InputProblem("number-out-of-range", field=field.label)


def _check_link(field: Field, value: Value) -> None:
    if not isinstance(value, bytes) or len(value) != 16:
        raise InputProblem("bad-link", field=field.label)


def _check_bytes(field: Field, value: Value) -> None:
    if not isinstance(value, bytes) or (field.limit is not None and len(value) > field.limit):
        raise InputProblem("bad-bytes", field=field.label)


CHECKS = {
    Type.TEXT: _check_text,
    Type.LONG_TEXT: _check_text,
    Type.CODE: _check_code,
    Type.CODES: _check_codes,
    Type.YES_NO: _check_yes_no,
    Type.DATE: _check_date,
    Type.MONTH: _check_month,
    Type.INSTANT: _check_number,
    Type.MONEY: _check_number,
    Type.AREA: _check_number,
    Type.COUNT: _check_number,
    Type.LINK: _check_link,
    Type.BYTES: _check_bytes,
}
