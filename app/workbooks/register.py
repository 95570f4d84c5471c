"""What a register workbook says: households, their people, and everything that is wrong with it.

Pure records, made by `app.workbooks.checking`. Rules kept here: row numbers are those of the sheet, from 1;
an empty cell is no value, never a cleared one; a fault names row, column heading and a code whose sentence
stands in `app.messages`, and its facts are counts, rows and headings, never what stands in a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, StrEnum

from app import messages
from app.errors import Fact, InputProblem
from app.models.fields import Value


class Odd(Enum):
    """A cell that holds something, but nothing that can be taken."""

    ERROR = "error"  # an error value, or a formula whose result was not saved
    DURATION = "duration"  # a time of day or a length of time


Cell = None | str | float | bool | date | datetime | Odd


class Severity(StrEnum):
    """What follows from a fault."""

    REFUSE = "refuse"  # the row stays out, and with its head the whole household
    OMIT = "omit"  # the row goes in without this cell
    NOTICE = "notice"  # everything goes in; somebody should know


class State(StrEnum):
    """What became of a row."""

    TAKEN = "taken"
    REFUSED = "refused"  # for a fault of its own
    HELD = "held"  # good in itself, but its household stays out
    PARTLY = "partly"  # goes in, but for a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not as it should be, at `row` (0: the file as a whole) under the heading `column`."""

    row: int
    column: str
    code: str
    severity: Severity
    facts: tuple[tuple[str, Fact], ...] = ()

    def sentence(self) -> str:
        """The fault in the words of the program, without its place."""
        return messages.sentence(InputProblem(self.code, **dict(self.facts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, counted from 0. `meaning` is "kind.field", "area.level", or "" when nothing knows it."""

    number: int
    heading: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One person: the sheet row and what it says of the person, by field name of the kind member."""

    row: int
    values: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdRows:
    """One household that can go in: where it is, what its rows agree on by field name of the kind household,
    and its good members in the order of the sheet. Exactly one of them is the head."""

    rows: tuple[int, ...]
    province: str
    prefecture: str
    county: str
    township: str
    village: str
    values: dict[str, Value]
    members: tuple[MemberRow, ...]
    head: MemberRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """A row as it stood in the sheet, kept for the correction workbook."""

    row: int
    cells: tuple[Cell, ...]
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One workbook, read and checked.

    `digest` is the SHA-256 of the file, `rows_read` the number of person rows under the header. `corrections`
    are the rows of all households in which something stayed out, good ones too, because a household is only
    read whole. `faults` are in the order of the sheet.
    """

    digest: bytes
    sheet: str
    header_row: int
    demo: bool
    today: str
    columns: tuple[Column, ...]
    rows_read: int
    rows_held: int
    rows_refused: int
    households: tuple[HouseholdRows, ...]
    households_held: int
    faults: tuple[Fault, ...]
    corrections: tuple[SheetRow, ...] = field(repr=False)

    @property
    def mapping(self) -> dict[str, str]:
        """Heading -> "kind.field" of every column that means something."""
        return {column.heading: column.meaning for column in self.columns if column.meaning}
