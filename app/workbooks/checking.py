"""From the rows of a register workbook to households that can go in, and to everything that cannot.

Rules kept here, in the order they are asked:

1. A row is one person. It is refused for any cell that cannot be taken, for a required cell that is empty,
without a household number, without both certificate and person number, and for every blocking rule of
`app.models.rules`. Refused rows say nothing about their household. 2. A row that says the same as an earlier
one is refused as its repetition; the earlier one is told and goes in. 3. One certificate or person number in
two different rows: both are told. When the rules already refused one of the two because the number
contradicts its own row, the other goes in; else both are refused, because the sheet does not say whose the
number is, and the order of the rows must not decide it. 4. A household is all rows with its number, wherever
they stand. It goes in only with exactly one head (refused rows count), a head whose row is good, and one
village. Its own values are what its good rows say; an empty cell says nothing. Where they differ all of them
are told and the value is left out; a required value that is left out or that no row says keeps the household
out. 5. A count of members that is not the number of the household's rows is told and left out; the household
goes in.

Everything here is decided by what the rows say, never by their order, so that sorting the sheet changes no
outcome.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import Fact, InputProblem
from app.models.fields import Field, RecordKind, Value
from app.models.records.households import HOUSEHOLD, MEMBER
from app.models.rules import quality
from app.progress import Progress, Steps
from app.workbooks import mapping, reading
from app.workbooks.register import (
    Cell,
    Column,
    Fault,
    HouseholdRows,
    MemberRow,
    Register,
    Severity,
    SheetRow,
    State,
)

GROUPING = "household.household_no"
VILLAGE = "area.village"
PERSON_KEYS = ("member.cert_no", "member.person_no")

# A row that breaks one of these says that its number belongs to somebody else.
_CONTRADICTIONS = {"gender-against-number", "birth-against-number"}


@dataclass(slots=True, kw_only=True)
class _Row:
    """A row while it is being judged."""

    number: int
    cells: tuple[Cell, ...]
    member: dict[str, Value] = field(default_factory=dict)
    household: dict[str, Value] = field(default_factory=dict)
    area: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)  # of its own faults that refuse it
    state: State = State.TAKEN
    repeated: bool = False

    @property
    def good(self) -> bool:
        return not self.codes


def read_register(
    path: Path,
    demo: bool,
    today: str,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Register:
    """The register in the workbook at `path`, as it is on the day `today` ("YYYY-MM-DD"); `demo` is what the
    county's genesis says. `on_progress` gets (rows done, rows of all, 0 while unknown) at most 50 ms apart.

    InputProblem when the file is no readable workbook, has no register in it, or when `cancelled` says so;
    what is wrong inside a register is in its faults.
    """
    steps = reading_steps(path, demo, today)
    try:
        while True:
            progress = next(steps)
            if on_progress:
                on_progress(progress.done, progress.of)
            if cancelled and cancelled():
                raise InputProblem("reading-cancelled")
    except StopIteration as end:
        register: Register = end.value
        return register
    finally:
        steps.close()


def reading_steps(
    path: Path, demo: bool, today: str, *, household: RecordKind = HOUSEHOLD, member: RecordKind = MEMBER
) -> Steps[Register]:
    """`read_register` in steps; the columns are those that the two kinds declare."""
    content, digest = reading.take_file(path)
    book = reading.Book()
    try:
        sheets = yield from book.sheets(content)
        known = mapping.known_headings((household, member))
        number, header = _find_header(sheets, known)
        columns, faults = mapping.match_columns(sheets[number].top[header], known, header + 1)
        _refuse_missing(columns, (household, member))
        faults += _hidden(sheets, known)
        sheet = _Sheet(columns, household, member, demo=demo, today=today, faults=faults)
        for step in book.rows(number, header + 2):
            if isinstance(step, Progress):
                yield step
                continue
            for place, cells in enumerate(step.rows, step.first):
                sheet.take(place, cells)
            yield Progress(done=step.first + len(step.rows) - 1, of=step.of)
    finally:
        book.close()
    households = yield from sheet.judge()
    states = [row.state for row in sheet.rows]
    return Register(
        digest=digest,
        sheet=sheets[number].name,
        header_row=header + 1,
        demo=demo,
        today=today,
        columns=tuple(columns),
        rows_read=len(states),
        rows_refused=states.count(State.REFUSED),
        rows_held=states.count(State.HELD),
        households=tuple(households),
        households_held=sheet.held,
        faults=sheet.sorted_faults(),
        corrections=tuple(sheet.corrections()),
    )


# --- header ---


def _find_header(sheets: tuple[reading.Sheet, ...], known: dict[str, str]) -> tuple[int, int]:
    """Sheet and row, from 0, of the header: the row with most known headings, in the only visible sheet that
    groups households."""
    best: list[tuple[int, int, int]] = []
    whole: list[tuple[int, int]] = []
    for number, sheet in enumerate(sheets):
        if not sheet.visible:
            continue
        found = [{known.get(mapping.heading_key(cell), "") for cell in row} - {""} for row in sheet.top]
        row = max(range(len(found)), key=lambda place: len(found[place]), default=0)
        if found and found[row]:
            best.append((len(found[row]), number, row))
            if {GROUPING, VILLAGE} <= found[row]:
                whole.append((number, row))
    if not best:
        raise InputProblem("register-no-known-column")
    if len(whole) > 1:
        raise InputProblem("register-several-sheets", count=len(whole))
    return whole[0] if whole else max(best, key=lambda one: (one[0], -one[1]))[1:]


def _refuse_missing(columns: list[Column], kinds: tuple[RecordKind, ...]) -> None:
    """InputProblem that names the columns without which no row could go in."""
    there = {column.meaning for column in columns}
    needed = {GROUPING: "户编号", VILLAGE: "行政村"}
    for kind in kinds:
        needed |= {
            f"{kind.name}.{item.name}": item.columns[0] for item in kind.fields if item.required and item.columns
        }
    missing = [heading for meaning, heading in needed.items() if meaning not in there]
    if not there & set(PERSON_KEYS):
        missing.append("证件号码")
    if missing:
        raise InputProblem("register-columns-missing", columns="、".join(missing))


def _hidden(sheets: tuple[reading.Sheet, ...], known: dict[str, str]) -> list[Fault]:
    """A notice for each hidden sheet that looks like a register and is not read."""
    return [
        Fault(row=0, column="", code="sheet-hidden", severity=Severity.NOTICE, facts=(("sheet", sheet.name),))
        for sheet in sheets
        if not sheet.visible
        and any(known.get(mapping.heading_key(cell)) == GROUPING for row in sheet.top for cell in row)
    ]


# --- rows ---


class _Sheet:
    """The rows of one sheet with all their faults."""

    def __init__(
        self,
        columns: list[Column],
        household: RecordKind,
        member: RecordKind,
        *,
        demo: bool,
        today: str,
        faults: list[Fault],
    ) -> None:
        self.rows: list[_Row] = []
        self.held = 0
        self._faults = faults
        self._demo, self._today = demo, today
        self._columns = {column.meaning: column for column in columns if column.meaning}
        self._kinds = {kind.name: kind for kind in (household, member)}
        self._needed = [item for item in member.fields if item.required and item.columns]
        self._household_needed = [item for item in household.fields if item.required and item.columns]
        self._readers: list[tuple[Column, str, Field | None, dict[tuple[type, Cell], mapping.Taken]]] = []
        for column in columns:
            kind, _, name = column.meaning.partition(".")
            if column.meaning:
                item = self._kinds[kind].field(name) if kind in self._kinds else None
                self._readers.append((column, kind, item, {}))

    # - one row -

    def take(self, number: int, cells: tuple[Cell, ...]) -> None:
        """Read and judge the row `number` by itself. Empty rows are none."""
        if all(cell is None for cell in cells):
            return
        row = _Row(number=number, cells=cells)
        self.rows.append(row)
        bad = self._read(row)
        for item in self._needed:
            if row.member.get(item.name) is None and item.name not in bad:
                self._refuse(row, f"member.{item.name}", "cell-missing")
        if row.household.get("household_no") is None and "household_no" not in bad:
            self._refuse(row, GROUPING, "cell-missing")
        if not row.area.get("village"):
            self._refuse(row, VILLAGE, "cell-missing")
        if (
            row.member.get("cert_no") is None
            and row.member.get("person_no") is None
            and not bad & {"cert_no", "person_no"}
        ):
            self._refuse(row, self._present(*PERSON_KEYS), "person-without-key")
        findings = [
            *((f, "member") for f in quality.member_findings(row.member, demo=self._demo, today=self._today)),
            *((f, "household") for f in quality.household_findings(row.household, demo=self._demo, today=self._today)),
        ]
        for finding, kind in findings:
            self._tell(row, f"{kind}.{finding.field}", finding)

    def _read(self, row: _Row) -> set[str]:
        """Take all cells; the names of the fields that cannot be taken."""
        bad = set()
        for column, kind, item, memory in self._readers:
            cell = row.cells[column.number] if column.number < len(row.cells) else None
            if cell is None:
                continue
            if item is None:
                row.area[column.meaning.partition(".")[2]] = mapping.take_text(cell)
                continue
            key = (type(cell), cell)
            taken = memory.get(key)
            if taken is None:
                taken = mapping.take_cell(kind, item, cell)
                if len(memory) < 5_000:  # columns repeat themselves: codes, and the household's own cells
                    memory[key] = taken
            if taken.problem:
                bad.add(item.name)
                self._refuse(row, column.meaning, taken.problem.code, tuple(taken.problem.facts.items()))
            elif taken.value is not None:
                (row.member if kind == "member" else row.household)[item.name] = taken.value
            for code in taken.told:
                self._note(row, column.meaning, code)
        return bad

    # - faults -

    def _add(self, row: _Row, meaning: str, code: str, severity: Severity, facts: tuple[tuple[str, Fact], ...]) -> None:
        column = self._columns.get(meaning)
        heading = column.heading if column else ""
        self._faults.append(Fault(row=row.number, column=heading, code=code, severity=severity, facts=facts))

    def _refuse(self, row: _Row, meaning: str, code: str, facts: tuple[tuple[str, Fact], ...] = ()) -> None:
        row.codes.add(code)
        self._add(row, meaning, code, Severity.REFUSE, facts)

    def _note(self, row: _Row, meaning: str, code: str, facts: tuple[tuple[str, Fact], ...] = ()) -> None:
        self._add(row, meaning, code, Severity.NOTICE, facts)

    def _omit(self, row: _Row, meaning: str, code: str, facts: tuple[tuple[str, Fact], ...] = ()) -> None:
        row.state = State.PARTLY
        self._add(row, meaning, code, Severity.OMIT, facts)

    def _tell(self, row: _Row, meaning: str, finding: quality.Finding) -> None:
        (self._refuse if finding.blocking else self._note)(row, meaning, finding.code, finding.facts)

    def _present(self, *meanings: str) -> str:
        return next((meaning for meaning in meanings if meaning in self._columns), "")

    def sorted_faults(self) -> tuple[Fault, ...]:
        """All faults in the order of the sheet: by row, then by column."""
        place = {column.heading: column.number for column in self._columns.values()}
        return tuple(sorted(self._faults, key=lambda fault: (fault.row, place.get(fault.column, -1), fault.code)))

    # - rows among each other -

    def judge(self) -> Steps[list[HouseholdRows]]:
        """Compare the rows with each other and make the households, in the order of the sheet."""
        self._repetitions()
        yield Progress(done=0, of=0)
        for name in ("cert_no", "person_no"):
            self._twice(name)
            yield Progress(done=0, of=0)
        households, done = [], 0
        for group in self._groups():
            household = self._household(group)
            if household:
                households.append(household)
            if (done + len(group)) // 250 > done // 250:
                yield Progress(done=done, of=len(self.rows))
            done += len(group)
        for row in self.rows:
            if not row.good:
                row.state = State.REFUSED
        return households

    def _groups(self) -> Iterable[list[_Row]]:
        """The rows of each household, in the order in which the households begin."""
        groups: dict[Value, list[_Row]] = defaultdict(list)
        for row in self.rows:
            if row.household.get("household_no") is not None:
                groups[row.household["household_no"]].append(row)
        return groups.values()

    def _repetitions(self) -> None:
        """Rule 2."""
        first: dict[tuple[object, ...], _Row] = {}
        for row in self.rows:
            said = (tuple(row.member.items()), tuple(row.household.items()), tuple(row.area.items()))
            says = (*said, () if row.good else row.cells)
            earlier = first.setdefault(says, row)
            if earlier is not row:
                row.repeated = True
                self._refuse(row, GROUPING, "row-repeated", (("other", earlier.number),))
                self._note(earlier, GROUPING, "row-repeated-below", (("other", row.number),))

    def _twice(self, name: str) -> None:
        """Rule 3."""
        owners: dict[str, list[_Row]] = defaultdict(list)
        for row in self.rows:
            number = row.member.get(name)
            if isinstance(number, str) and not row.repeated:
                # A disability certificate begins with the identity number of the same person.
                owners[number[:18] if name == "cert_no" and len(number) in (20, 22) else number].append(row)
        for rows in owners.values():
            if len(rows) < 2:
                continue
            claims = [row for row in rows if not row.codes & _CONTRADICTIONS]
            for row in rows:
                other = next(one.number for one in rows if one is not row)
                sole = len(claims) == 1 and row is claims[0]
                (self._note if sole else self._refuse)(
                    row,
                    f"member.{name}",
                    "number-twice-kept" if sole else "number-twice",
                    (("other", other),),
                )

    # - one household -

    def _household(self, group: list[_Row]) -> HouseholdRows | None:
        """Rules 4 and 5: the household of the rows `group`, None when it stays out."""
        rows = [row for row in group if not row.repeated]
        for finding in quality.head_findings([row.member.get("relation") for row in rows]):
            self._tell(rows[finding.member or 0], f"member.{finding.field}", finding)
        self._one_place(rows)
        good = [row for row in rows if row.good]
        heads = [row for row in good if row.member["relation"] == quality.HEAD]
        values = self._common(good, heads[0]) if heads else None
        if values is None:
            self.held += 1
            for row in rows:
                row.state = State.HELD
            return None
        count = quality.count_finding(values, len(rows))
        if count:
            del values[count.field]
            for row in good:
                if count.field in row.household:
                    self._omit(row, f"household.{count.field}", count.code, count.facts)
        for finding in quality.family_findings([row.member for row in good]):
            self._tell(good[finding.member or 0], f"member.{finding.field}", finding)
        members = tuple(MemberRow(row=row.number, values=row.member) for row in good)
        area = {level: text for row in good for level, text in row.area.items() if text}
        return HouseholdRows(
            rows=tuple(row.number for row in group),
            province=area.get("province", ""),
            prefecture=area.get("prefecture", ""),
            county=area.get("county", ""),
            township=area.get("township", ""),
            village=area["village"],
            values=values,
            members=members,
            head=members[good.index(heads[0])],
        )

    def _one_place(self, rows: list[_Row]) -> None:
        """Refuse all rows of a household that stands in two villages."""
        for meaning in mapping.AREA_COLUMNS:
            level = meaning.partition(".")[2]
            if len({row.area[level] for row in rows if row.area.get(level)}) > 1:
                for row in rows:
                    self._refuse(row, meaning, "household-two-places")

    def _common(self, good: list[_Row], head: _Row) -> dict[str, Value] | None:
        """What the good rows say of the household, None when a required value is missing or differs."""
        values: dict[str, Value] = {}
        whole = True
        for item in self._kinds["household"].fields:
            said = {row.household[item.name] for row in good if item.name in row.household}
            meaning = f"household.{item.name}"
            if len(said) == 1:
                values[item.name] = said.pop()
            elif said:
                facts: tuple[tuple[str, Fact], ...] = (("count", len(said)),)
                whole &= not item.required
                for row in good:
                    if item.name in row.household:
                        (self._refuse if item.required else self._omit)(row, meaning, "cells-differ", facts)
            elif item in self._household_needed:
                whole = False
                self._refuse(head, meaning, "cell-missing")
        return values if whole else None

    # - what is to be corrected -

    def corrections(self) -> Iterator[SheetRow]:
        """All rows of each household of which something stays out, in the order of the sheet."""
        wanted = {id(row) for row in self.rows if row.state is not State.TAKEN}
        for group in self._groups():
            if any(id(row) in wanted for row in group):
                wanted |= {id(row) for row in group}
        for row in self.rows:
            if id(row) in wanted:
                yield SheetRow(row=row.number, cells=row.cells, state=row.state)
