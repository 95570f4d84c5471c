"""From the records of a household to its archive sheet: labels for codes, names for links, ticks for the
catalogue.

Every recorded value goes through `masking.show` on its way, for the surface of the version and the eye of the person
who prints: there is no other way onto a sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.ledger import card as codes
from app.models.codelists import codelist
from app.models.fields import Value
from app.models.queries import households, places, visits
from app.models.queries.households import Sheet
from app.models.records.registry import BY_NAME
from app.models.rules import masking
from app.models.rules.masking import Eye, Surface, Whose
from app.models.store import Transaction
from app.printing.archive_sheet import (
    ArchiveSheet,
    Contact,
    Guarantee,
    Household,
    Income,
    Member,
    Paper,
    Version,
)
from app.text import tr

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
SURFACES = {Version.WORK: Surface.PAPER_WORK, Version.WALL: Surface.PAPER_WALL}

# Catalogue of one household file (reference 3.15.1): number, title, for monitored households only.
CATALOGUE = (
    ("01", "户基本信息表（二维码档案页）", False),
    ("02", "身份证、户口簿、残疾证、一卡通复印件", False),
    ("03", "申请及承诺授权查询书", True),
    ("04", "信息采集表", True),
    ("05", "入户核实表", True),
    ("06", "信息比对结果反馈表", True),
    ("07", "民主评议会议记录、签到册", True),
    ("08", "公示、公告及照片", True),
    ("09", "审核审批表", True),
    ("10", "收入测算表", False),
    ("12", "结对帮扶联系卡", False),
    ("13", "一户一策帮扶计划", False),
    ("14", "帮扶措施落实及政策享受清单", False),
    ("15", "入户走访记录", False),
    ("16", "明白卡、政策书袋签收单", False),
    ("17", "住房鉴定、饮水、就学、参保证明", False),
    ("21", "照片册", False),
)


def archive_sheet(
    tx: Transaction,
    household: bytes,
    version: Version,
    *,
    card_no: str,
    payload: str,
    eye: Eye,
    today: str,
    host: str = "",
    act: str = "",
) -> ArchiveSheet | None:
    """The sheet of a household whose card has this number and signed payload; None when the household is not here.
    `eye` is that of the person who prints, `today` "YYYY-MM-DD"; `host` is the county's public host, when it has one:
    the code is a link then."""
    file = households.sheet(tx, HOUSEHOLD, household)
    if file is None:
        return None
    surface = SURFACES[version]
    people = [] if version is Version.WALL else households.members(tx, household)
    told = _Told(record=file, surface=surface, eye=eye)
    known, staff = places.areas(tx), places.staff(tx)
    grid = file["grid"]
    worker = staff.get(places.grid_workers(tx).get(grid, b"")) if isinstance(grid, bytes) else None
    return ArchiveSheet(
        version=version,
        household=_household(tx, told, places.county_name(tx), known, worker),
        code=codes.link(host, payload) if host else payload,
        card_number=card_no,
        members=tuple(_member(person, surface, eye, today) for person in people),
        guarantees=_guarantees(told, people),
        income=Income(
            wage=told.number("income_wage"),
            business=told.number("income_business"),
            property=told.number("income_property"),
            transfer=told.number("income_transfer"),
            per_head=told.number("income_per_head"),
        ),
        papers=() if version is Version.WALL else _papers(tx, file),
        act=act,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What of one record may stand on the sheet."""

    record: Sheet
    surface: Surface
    eye: Eye
    whose: Whose = Whose.NOBODY

    def shown(self, name: str) -> Value:
        """The value as far as it may be shown."""
        return self._of(name, self.record[name])

    def text(self, name: str, value: Value = None) -> str:
        """A text, or what is left of it; `value` stands for one that was worked out."""
        found = self._of(name, value or self.record[name])
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> int | None:
        """A number."""
        found = self.shown(name)
        return found if isinstance(found, int) else None

    def label(self, name: str) -> str:
        """The words of a code, of several; what is left where it is hidden."""
        field, value = self.record.kind.field(name), self.record[name]
        found = masking.show(field, value, self.surface, self.eye, self.whose)
        if found.hidden or value is None or field.codes is None:
            return found.text
        each = value if isinstance(value, tuple) else (str(value),)
        return "、".join(codelist(field.codes).label_of(code) for code in each)

    def _of(self, name: str, value: Value) -> Value:
        found = masking.show(self.record.kind.field(name), value, self.surface, self.eye, self.whose)
        return found.text if found.hidden else value


def _household(
    tx: Transaction,
    told: _Told,
    county: str,
    known: dict[bytes, places.Area],
    worker: places.Staff | None,
) -> Household:
    file = told.record
    people = households.members(tx, file.id)
    names = {area.level: area.name for area in places.path(known, _id(file["village"]))}
    grid = known.get(_id(file["grid"]) or b"")
    head = next((p for p in people if p.id == file["head"]), people[0] if people else None)
    removed = {person["risk_removed"] for person in people} - {None}
    lifted = tr("已消除") if removed == {1} else tr("未消除") if file["monitor_category"] else ""
    return Household(
        county=county,
        township=names.get("TOWNSHIP", ""),
        village=names.get("VILLAGE", ""),
        group=told.text("villager_group"),
        # A household goes by the name of its head, whoever that is (reference 7.2: class A).
        head=_Told(record=head, surface=told.surface, eye=told.eye, whose=Whose.HEAD).text("name") if head else "",
        number=told.text("household_no"),
        natural_village=told.text("natural_village"),
        address=told.text("address_detail"),
        member_count=told.number("member_count"),
        kind=told.label("household_type"),
        category=told.label("monitor_category"),
        risks=tuple(label for name in ("risk_1", "risk_2") if (label := told.label(name))),
        risk_removed=lifted if told.surface is Surface.PAPER_WORK else "",
        identified=told.text("identified_month"),
        phone=told.text("contact_phone"),
        grid=grid.name if grid else "",
        remarks=told.text("remarks"),
        grid_worker=Contact(name=worker.name, unit=worker.unit or "", phone=worker.phone or "")
        if worker
        else Contact(),
    )


def _member(person: Sheet, surface: Surface, eye: Eye, today: str) -> Member:
    told = _Told(record=person, surface=surface, eye=eye, whose=masking.whose_is(person.values, today))
    paid = ((1, "medical_insurance", tr("医保")), (2, "pension_insurance", tr("养老")))
    insured = [short for _, name, short in paid if told.shown(name) == 1]
    return Member(
        name=told.text("name"),
        relation=told.label("relation"),
        gender=told.label("gender"),
        birth=told.text("birth_date", masking.birth_of(person.values)),
        identity=told.text("cert_no"),
        ethnicity=told.label("ethnicity"),
        education=told.label("school_status") or told.label("education"),
        health=told.label("health"),
        labour_skill=told.label("labour_skill"),
        work_place=told.label("work_place"),
        insurance=" ".join(insured),
    )


def _guarantees(told: _Told, people: list[Sheet]) -> tuple[Guarantee, ...]:
    if told.surface is not Surface.PAPER_WORK:
        return ()
    insured = {person["medical_insurance"] for person in people}
    all_insured = 1 if insured == {1} else 0 if 0 in insured else None
    dangerous = told.shown("house_dangerous")
    safe_house = {0: 1, 1: 0, 2: 2}.get(dangerous) if isinstance(dangerous, int) else None
    return (
        Guarantee(name=tr("基本医疗（全家参保）"), met=all_insured),
        Guarantee(name=tr("住房安全"), met=safe_house),
        Guarantee(name=tr("饮水安全"), met=told.number("water_safe")),
    )


def _papers(tx: Transaction, file: Sheet) -> tuple[Paper, ...]:
    visited = bool(visits.of_household(tx, file.id, limit=1))
    pictured = bool(households.attachments(tx, file.id))
    here = {"01": True, "15": visited, "21": pictured}
    monitored = file["monitor_category"] is not None
    return tuple(
        Paper(number=number, title=title, present=here.get(number, False))
        for number, title, only_monitored in CATALOGUE
        if monitored or not only_monitored
    )


def _id(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) else None
