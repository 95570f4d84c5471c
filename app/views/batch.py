"""A batch of archive sheets: which households, what is missing, cards, pages, and what is noted afterwards.

No widgets: everything here runs on the desk lane. Cards are bound before anything is laid out and stay the same when a
sheet is printed again; a sheet is noted in the log when it has left, as an act of the batch's run. The pages come once
from the layout; preview, file and printer show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pypdfium2 as pdfium

from app.casework import printouts
from app.casework.cards import BoundCard
from app.casework.desk import Desk, refresh
from app.models.codelists import codelist
from app.models.queries import households, places, staff
from app.models.queries.households import HouseholdRow
from app.models.queries.places import Area
from app.models.records.registry import BY_NAME
from app.models.rules.groups import group_order
from app.models.rules.masking import Eye
from app.models.store import Transaction
from app.printing import archive_sheet, fonts, gathering, spooling, typesetting
from app.printing.archive_sheet import ArchiveSheet, Stamp, Version
from app.progress import Progress, Steps
from app.sync.connection import Connection
from app.sync.journal import Touched
from app.text import tr
from app.vault import disk, kept

READ_AT_ONCE = 200
PRINT_DPI = 300
NO_CARD = "0" * 16  # what a preview shows where no card is bound yet; no pool has the number 0000
HOUSEHOLD = BY_NAME["household"]


class CardState(Enum):
    """Where the card of a household is: bound and here; to be bound from the stock; the stock does not reach this
    far; bound by a workplace whose cards are not here."""

    HERE = "here"
    FRESH = "fresh"
    NONE_LEFT = "none-left"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which households: of an area (township, village or grid), of a group, of a kind (codes of household type or
    monitoring category), or just `chosen`."""

    area: bytes | None = None
    group: str | None = None
    kind: str | None = None
    chosen: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One household of the list, and the characters of its names that no font can show."""

    row: HouseholdRow
    card: CardState
    unprintable: tuple[str, ...]

    @property
    def printable(self) -> bool:
        """Whether its sheet can be printed now."""
        return self.card in (CardState.HERE, CardState.FRESH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The list in the order of printing, with the cards in stock."""

    candidates: tuple[Candidate, ...]
    cards_left: int

    @property
    def sheets(self) -> tuple[Candidate, ...]:
        """Those that can be printed, in their order: sheet 1, 2, ..."""
        return tuple(each for each in self.candidates if each.printable)

    def count(self, state: CardState) -> int:
        """How many households have their card in this state."""
        return sum(each.card is state for each in self.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the left side offers: townships, villages, grids; groups with their number; kinds."""

    townships: tuple[tuple[bytes, str], ...]
    villages: tuple[tuple[bytes, str], ...]
    groups: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """A batch ready to be laid out: its run, the households in order, the sheet of each. Sheets are counted from 1."""

    run: bytes
    households: tuple[bytes, ...]
    sheets: tuple[ArchiveSheet, ...]
    version: Version
    stamp: Stamp
    copies: int = 1
    duplex: bool = False

    @property
    def total(self) -> int:
        """Number of sheets."""
        return len(self.sheets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What was written after sheets left."""

    touched: Touched


# --- choosing ---


def offer(desk: Desk) -> Offer:
    """What can be chosen from in this vault."""
    with desk.vault.reading() as tx:
        known = places.areas(tx)
        groups = households.groups(tx, desk.listed())
    levels: dict[str, list[tuple[bytes, str]]] = {"TOWNSHIP": [], "VILLAGE": []}
    for area in known.values():
        if area.level in levels:
            levels[area.level].append((area.id, area.name))
    kinds = [
        (code, codelist(name).label_of(code))
        for name, codes in (
            ("monitor_category", ("UNSTABLE", "MARGINAL", "SUDDEN")),
            ("household_type", ("LIFTED_WITH_POLICY", "LIFTED_NO_POLICY", "ORDINARY")),
        )
        for code in codes
    ]
    return Offer(
        townships=tuple(levels["TOWNSHIP"]),
        villages=tuple(levels["VILLAGE"]),
        groups=tuple((group, tr("{group}（{count} 户）", group=group, count=n)) for group, n in groups if group),
        kinds=tuple((code, tr(label)) for code, label in kinds),
    )


def choose(desk: Desk, which: Which) -> Steps[Chosen]:
    """The households of a batch in the order of printing, each with what is missing for it."""
    rows: list[HouseholdRow] = []
    mine = desk.listed()
    with desk.vault.reading() as tx:
        known, total, left = places.areas(tx), households.count(tx, mine), kept.cards_left(tx)
    for offset in range(0, total, READ_AT_ONCE):
        with desk.vault.reading() as tx:
            page = households.page(tx, mine, offset=offset, limit=READ_AT_ONCE)
        rows += [row for row in page if _wanted(row, which, known)]
        yield Progress(done=min(offset + READ_AT_ONCE, total), of=total, doing=tr("正在列出农户"))
    rows.sort(key=lambda row: _order(row, known))
    candidates: list[Candidate] = []
    fresh = 0
    for start in range(0, len(rows), READ_AT_ONCE):
        with desk.vault.reading() as tx:
            for row in rows[start : start + READ_AT_ONCE]:
                state = _card_state(tx, row, fresh < left)
                fresh += state is CardState.FRESH
                words = "".join((row.head_name, row.member_names, row.villager_group, row.natural_village or ""))
                candidates.append(Candidate(row=row, card=state, unprintable=fonts.missing_characters(words)))
        yield Progress(done=len(candidates), of=len(rows), doing=tr("正在查看户码"))
    return Chosen(candidates=tuple(candidates), cards_left=left)


def _wanted(row: HouseholdRow, which: Which, known: dict[bytes, Area]) -> bool:
    if which.chosen:
        return row.id in which.chosen
    if which.group is not None and row.villager_group != which.group:
        return False
    if which.kind is not None and which.kind not in (row.monitor_category, row.household_type):
        return False
    if which.area is None:
        return True
    around = {area.id for place in (row.village, row.grid) for area in places.path(known, place)}
    return which.area in around


def _order(row: HouseholdRow, known: dict[bytes, Area]) -> tuple[object, ...]:
    """By township, village, group in counting order, household number: a group's sheets come together."""
    above = tuple(area.name for area in places.path(known, row.village))
    return (above, group_order(row.villager_group), row.villager_group, row.household_no or "", row.id)


def _card_state(tx: Transaction, row: HouseholdRow, in_stock: bool) -> CardState:
    if row.card_no is None:
        return CardState.FRESH if in_stock else CardState.NONE_LEFT
    return CardState.HERE if kept.card_payload(tx, row.card_no) is not None else CardState.ELSEWHERE


# --- pages ---


def stamp(desk: Desk) -> Stamp:
    """Who prints, when, where, on which device."""
    with desk.vault.reading() as tx:
        known, people = places.areas(tx), places.staff(tx)
        connection = Connection.find(tx)
    person = people.get(desk.author.staff)
    return Stamp(
        printed_ms=desk.clock(),
        printed_by=person.name if person else "",
        unit=places.place_name(known, desk.workplace),
        device=connection.device.hex()[:8] if connection else desk.vault.vault_id.hex()[:8],
        demo=desk.demo,
        watermark=desk.policy.watermark,
    )


def preview(desk: Desk, candidate: Candidate, version: Version, dpi: int) -> list[bytes]:
    """The pages of one household's sheet as PNG, as they will be printed; without a card an empty code stands there.
    Nothing is bound by looking."""
    number = candidate.row.card_no
    with desk.vault.reading() as tx:
        payload = kept.card_payload(tx, number) if number else None
        if number is None or payload is None:
            number, payload = NO_CARD, tr("预览：还没有发码")
        sheet = _sheet(desk, tx, candidate.row.id, BoundCard(card_no=number, payload=payload), version, bytes(16))
    data = archive_sheet.pages([sheet], stamp(desk))
    return typesetting.pictures(archive_sheet.LAYOUT, data, dpi)


def prepare(
    desk: Desk, order: Sequence[bytes], version: Version, *, copies: int = 1, duplex: bool = False
) -> Steps[Sheets]:
    """Bind what has to be bound, in one run, and gather the sheets. InputProblem("no-cards-left") when the stock ends;
    what was bound until then stays bound and is used the next time."""
    run = desk.new_id()
    cards: list[BoundCard] = []
    for _, bound, _ in printouts.prepare(desk, run, order):
        cards.append(bound)
        yield Progress(done=len(cards), of=len(order), doing=tr("正在发码"))
    yield from refresh(desk)
    sheets: list[ArchiveSheet] = []
    for household, card in zip(order, cards, strict=True):
        with desk.vault.reading() as tx:
            sheets.append(_sheet(desk, tx, household, card, version, run))
        yield Progress(done=len(sheets), of=len(order), doing=tr("正在整理"))
    return Sheets(
        run=run,
        households=tuple(order),
        sheets=tuple(sheets),
        version=version,
        stamp=stamp(desk),
        copies=copies,
        duplex=duplex,
    )


def pdf(sheets: Sheets, first: int, last: int) -> Steps[bytes]:
    """The sheets `first` ... `last` of a batch as one PDF, laid out in parts that can be stopped between."""
    parts: list[bytes] = []
    for start in range(first, last + 1, spooling.SHEETS_PER_JOB):
        end = min(start + spooling.SHEETS_PER_JOB - 1, last)
        yield Progress(done=start - first, of=last - first + 1, doing=tr("正在排版"))
        data = archive_sheet.pages(sheets.sheets, sheets.stamp, first=start, last=end, duplex=sheets.duplex)
        parts.append(typesetting.pdf(archive_sheet.LAYOUT, data, sheets.stamp.printed_ms))
        yield Progress(done=end - first + 1, of=last - first + 1, doing=tr("正在排版"))
    return parts[0] if len(parts) == 1 else typesetting.joined(parts)


def save_pdf(desk: Desk, sheets: Sheets, first: int, last: int, path: Path) -> Steps[Noted]:
    """The sheets as a file that the person chose, whole or not at all; then noted as PDF."""
    document = yield from pdf(sheets, first, last)
    disk.write_whole(path, document)
    return (yield from note(desk, sheets, first, last, "PDF"))


def note(desk: Desk, sheets: Sheets, first: int, last: int, outcome: str) -> Steps[Noted]:
    """The sheets `first` ... `last` left for paper or a file (`outcome` PAPER or PDF): one act each."""
    roots: frozenset[bytes] = frozenset()
    for done, household in enumerate(sheets.households[first - 1 : last], 1):
        touched = printouts.note(
            desk,
            sheets.run,
            household,
            version=sheets.version.value.upper(),
            outcome=outcome,
            copies=sheets.copies,
        )
        roots |= touched.roots
        yield Progress(done=done, of=last - first + 1, doing=tr("正在记下"))
    yield from refresh(desk)
    return Noted(touched=Touched(roots=roots, outbox=True))


def leave_unsure(desk: Desk, sheets: Sheets, first: int, last: int) -> None:
    """Nobody knows whether these sheets came out."""
    printouts.leave_unsure(desk, sheets.run, sheets.households[first - 1 : last])


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """One page for a printer: rows of 32-bit pixels, blue first."""

    width: int
    height: int
    stride: int
    data: bytes


def page_count(document: bytes) -> int:
    """How many pages a PDF has."""
    opened = pdfium.PdfDocument(document)
    try:
        return len(opened)
    finally:
        opened.close()


def raster(document: bytes, number: int) -> Raster:
    """Page `number` (from 0) of a PDF at the resolution of the printer."""
    opened = pdfium.PdfDocument(document)
    try:
        bitmap = opened[number].render(scale=PRINT_DPI / 72, rev_byteorder=False, prefer_bgrx=True)
        return Raster(width=bitmap.width, height=bitmap.height, stride=bitmap.stride, data=bytes(bitmap.buffer))
    finally:
        opened.close()


def _sheet(
    desk: Desk, tx: Transaction, household: bytes, card: BoundCard, version: Version, run: bytes
) -> ArchiveSheet:
    made = gathering.archive_sheet(
        tx,
        household,
        version,
        card_no=card.card_no,
        payload=card.payload,
        eye=Eye.of(desk.rights, staff.areas_of(tx, household), desk.policy),
        today=desk.today(),
        host=places.county_host(tx),
        act=run.hex(),
    )
    assert made is not None, "a household of the list left the vault"
    return made
