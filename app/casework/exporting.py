"""导出: lists that leave the house, each an entry before its file exists.

The masked list is what reference 7.2 allows in a list: no number in full, nothing sensitive, no child, incomes as
ranges. The full list needs the person's password again and the decision of a second person on exactly this content
(its count and digest); it is written as an age file (age-encryption.org/v1) that only the county's offline recovery
key opens (reference 6.4: encrypted, for the county). An entry without a file is possible (a full disk), a file without
an entry is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.casework import revealing
from app.casework.colleagues import Confirmed
from app.casework.countersigning import AGREED, FULL_EXPORT
from app.casework.desk import Desk, check, created
from app.errors import InputProblem
from app.ledger import chain as chains
from app.ledger.encoding import encode
from app.ledger.entry import Act
from app.models.codelists import codelist
from app.models.fields import Field, RecordKind, Type, Value
from app.models.queries import households, oversight, places, staff
from app.models.queries.households import Filter
from app.models.queries.households import Sheet as Record
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface, Whose
from app.models.rules.rights import Action
from app.models.store import Transaction
from app.progress import Progress, Steps
from app.sync import journal
from app.sync.journal import Touched
from app.text import tr
from app.vault import agefile, disk
from app.workbooks.lists import Table, write_lists

HOUSEHOLD, MEMBER, EXPORT = (BY_NAME[name] for name in ("household", "member", "export"))
MASKED_LIST: Final = "MASKED_LIST"
FULL_LIST: Final = "FULL_LIST"
READ_AT_ONCE: Final = 50
# What a masked list says of a household and of its members; the full list says all.
OF_HOUSEHOLD: Final = (
    "household_no",
    "villager_group",
    "natural_village",
    "member_count",
    "household_type",
    "monitor_category",
    "identified_month",
    "risk_1",
    "contact_phone",
    "house_dangerous",
    "water_safe",
    "is_relocated",
    "income_per_head",
    "area_cultivated",
)
OF_MEMBER: Final = (
    "relation",
    "gender",
    "cert_no",
    "ethnicity",
    "education",
    "school_status",
    "labour_skill",
    "work_place",
    "medical_insurance",
    "pension_insurance",
    "dibao",
)
_PLUMBING: Final = frozenset({Type.LINK, Type.BYTES, Type.INSTANT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a list says: its tables, how many households, which classes of values, and the digest (SHA-256) that stands
    for all of it."""

    tables: tuple[Table, ...]
    households: int
    classes: tuple[str, ...]
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: the entry's `touched`, households, SHA-256 of the file."""

    touched: Touched
    households: int
    digest: bytes


def gather(desk: Desk, wanted: Filter, surface: Surface) -> Steps[Content]:
    """The content of a list of the households that `wanted` finds; `surface` LIST or FULL. "not-allowed" unless the
    person may export each of them so."""
    action = Action.EXPORT if surface is Surface.LIST else Action.FULL_EXPORT
    wanted = desk.listed(wanted)
    with desk.vault.reading() as tx:
        desk.require(tx, action, HOUSEHOLD)
        total = households.count(tx, wanted)
        names = {area.id: area.name for area in places.areas(tx).values()}
    lines: list[tuple[str, ...]] = []
    people: list[tuple[str, ...]] = []
    with_people = True
    for offset in range(0, total, READ_AT_ONCE):
        with desk.vault.reading() as tx:
            for row in households.page(tx, wanted, order="household_no", offset=offset, limit=READ_AT_ONCE):
                desk.require(tx, action, HOUSEHOLD, row.id)
                with_people &= desk.rights.may(action, MEMBER, (row.grid, row.village))
                file = households.sheet(tx, HOUSEHOLD, row.id)
                assert file is not None
                seen = revealing.seen(desk, tx, [row.id])
                place = names.get(row.village or b"", "")
                lines.append((place, row.head_name, *_cells(file, _columns(HOUSEHOLD, surface), seen, surface)))
                people += _people(tx, file, row.head_name, seen, surface)
        yield Progress(done=len(lines), of=total, doing=tr("正在整理"))
    tables = [_table(desk, HOUSEHOLD, (tr("行政村"), tr("户主")), lines, surface)]
    if with_people:
        tables.append(_table(desk, MEMBER, (tr("户编号"), tr("户主"), tr("姓名")), people, surface))
    said = [[table.name, list(table.headings), [list(line) for line in table.rows]] for table in tables]
    return Content(
        tables=tuple(tables),
        households=len(lines),
        classes=("A", "B") if surface is Surface.LIST else ("A", "B", "C", "D"),
        digest=hashlib.sha256(encode(said)).digest(),
    )


def masked_list(desk: Desk, wanted: Filter, purpose: str, path: Path) -> Steps[Exported]:
    """The masked list as a workbook at `path`."""
    content = yield from gather(desk, wanted, Surface.LIST)
    document = write_lists(content.tables, desk.today())
    return _leave(desk, MASKED_LIST, content, purpose, document, path, None)


def full_list(
    desk: Desk, confirmed: Confirmed, wanted: Filter, proposal: bytes, purpose: str, path: Path
) -> Steps[Exported]:
    """The full list as an age file for the county at `path`. InputProblem "export-undecided" without a second person's
    agreement, "export-used" after one export on it, "export-changed" when the content is no longer what was agreed."""
    if confirmed.staff != desk.author.staff:
        raise InputProblem("not-allowed")
    content = yield from gather(desk, wanted, Surface.FULL)
    with desk.vault.reading() as tx:
        county = journal.county_facts(tx)[chains.RECOVERY_KEY]
    document = agefile.seal(write_lists(content.tables, desk.today()), county)
    return _leave(desk, FULL_LIST, content, purpose, document, path, proposal)


def _leave(
    desk: Desk, kind: str, content: Content, purpose: str, document: bytes, path: Path, proposal: bytes | None
) -> Exported:
    """The entry, then the file."""
    digest = hashlib.sha256(document).digest()
    with desk.vault.transaction() as tx:
        decision = None if proposal is None else _allowed_by(tx, desk, proposal, content)
        values: dict[str, Value] = {
            "area": desk.workplace,
            "export_kind": kind,
            "count": content.households,
            "digest": digest,
            "purpose": purpose.strip(),
            "decision": decision,
            "columns": content.classes,
        }
        check(desk, EXPORT, values)
        desk.require(tx, Action.WRITE, EXPORT)
        said = [created(EXPORT, desk.new_id(), values)]
        refs = [decision] if decision else []
        now = desk.clock()
        touched = journal.append(tx, desk.author, Act.EXPORT, [desk.workplace], said, now, desk.random, refs)
    disk.write_whole(path, document)
    return Exported(touched=touched, households=content.households, digest=digest)


def _allowed_by(tx: Transaction, desk: Desk, proposal: bytes, content: Content) -> bytes:
    found = oversight.proposal(tx, proposal)
    if found is None or found.matter != FULL_EXPORT or found.decided is None or found.decided.outcome != AGREED:
        raise InputProblem("export-undecided")
    second = staff.rights(tx, found.decided.by or b"", desk.today())
    if not second.may(Action.DECIDE, "decision", oversight.areas_of(tx, found.area, found.household)):
        raise InputProblem("export-undecided")  # the right was taken back since
    if oversight.used(tx, found.decided.id):
        raise InputProblem("export-used")
    if (found.count, found.digest) != (content.households, content.digest):
        raise InputProblem("export-changed")
    return found.decided.id


# --- the tables ---


def _columns(kind: RecordKind, surface: Surface) -> tuple[Field, ...]:
    if surface is Surface.LIST:
        return tuple(kind.field(name) for name in (OF_HOUSEHOLD if kind is HOUSEHOLD else OF_MEMBER))
    own = ("name",) if kind is MEMBER else ()
    return tuple(field for field in kind.fields if field.type not in _PLUMBING and field.name not in own)


def _table(
    desk: Desk, kind: RecordKind, first: tuple[str, ...], rows: Sequence[tuple[str, ...]], surface: Surface
) -> Table:
    note = tr("内部资料 注意保密") if surface is Surface.FULL else tr("已按规定遮住个人信息")
    if desk.demo:
        note += " " + tr("演示数据")
    headings = (*first, *(tr(field.label) for field in _columns(kind, surface)))
    return Table(name=tr(kind.label), note=note, headings=headings, rows=tuple(rows))


def _people(tx: Transaction, file: Record, head: str, seen: revealing.Seen, surface: Surface) -> list[tuple[str, ...]]:
    lines = []
    for member in households.members(tx, file.id):
        if surface is Surface.LIST and seen.whose(MEMBER, member.id) is Whose.CHILD:
            continue
        name = seen.words(MEMBER, member.id, "name", member["name"], surface)
        cells = _cells(member, _columns(MEMBER, surface), seen, surface)
        lines.append((str(file["household_no"] or ""), head, name, *cells))
    return lines


def _cells(record: Record, columns: Sequence[Field], seen: revealing.Seen, surface: Surface) -> tuple[str, ...]:
    return tuple(_cell(record, field, seen, surface) for field in columns)


def _cell(record: Record, field: Field, seen: revealing.Seen, surface: Surface) -> str:
    shown = seen.show(record.kind, record.id, field.name, record[field.name], surface)
    return shown.text if shown.hidden else _words(field, shown.value)


def _words(field: Field, value: Value) -> str:
    """A value as it stands in a workbook: codes by their label, money and areas with two places."""
    if value is None:
        return ""
    if field.type is Type.YES_NO:
        return {1: tr("是"), 0: tr("否")}.get(value if isinstance(value, int) else 2, tr("不清楚"))
    if field.codes is not None:
        labels = codelist(field.codes)
        return "、".join(labels.label_of(code) for code in (value if isinstance(value, tuple) else (str(value),)))
    if field.type in (Type.MONEY, Type.AREA) and isinstance(value, int):
        sign, whole, rest = "-" if value < 0 else "", abs(value) // 100, abs(value) % 100
        return f"{sign}{whole}.{rest:02d}"
    return str(value)
