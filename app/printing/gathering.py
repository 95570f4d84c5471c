"""From the records of a household to its archive sheet: labels for codes, names for links, ticks for the
catalogue.

Masks are not put on here but where the sheet is laid out, so that no caller can forget them.
"""

from __future__ import annotations

from app.ledger import card as codes
from app.models.codelists import codelist
from app.models.fields import Field, Value
from app.models.queries import households, places, visits
from app.models.queries.households import Sheet
from app.models.records.registry import BY_NAME
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
    host: str = "",
    act: str = "",
) -> ArchiveSheet | None:
    """The sheet of a household whose card has this number and signed payload; None when the household is
    not here. `host` is the county's public host, when it has one: the code is a link then."""
    file = households.sheet(tx, HOUSEHOLD, household)
    if file is None:
        return None
    people = households.members(tx, household)
    known, staff = places.areas(tx), places.staff(tx)
    grid = file["grid"]
    worker = staff.get(places.grid_workers(tx).get(grid, b"")) if isinstance(grid, bytes) else None
    return ArchiveSheet(
        version=version,
        household=_household(file, people, places.county_name(tx), known, worker),
        code=codes.link(host, payload) if host else payload,
        card_number=card_no,
        members=tuple(_member(person) for person in people),
        guarantees=_guarantees(file, people),
        income=Income(
            wage=_number(file["income_wage"]),
            business=_number(file["income_business"]),
            property=_number(file["income_property"]),
            transfer=_number(file["income_transfer"]),
            per_head=_number(file["income_per_head"]),
        ),
        papers=_papers(tx, file),
        act=act,
    )


def _household(
    file: Sheet,
    people: list[Sheet],
    county: str,
    known: dict[bytes, places.Area],
    worker: places.Staff | None,
) -> Household:
    names = {area.level: area.name for area in places.path(known, _id(file["village"]))}
    grid = known.get(_id(file["grid"]) or b"")
    head = next((p for p in people if p.id == file["head"]), people[0] if people else None)
    removed = {person["risk_removed"] for person in people} - {None}
    return Household(
        county=county,
        township=names.get("TOWNSHIP", ""),
        village=names.get("VILLAGE", ""),
        group=_text(file["villager_group"]),
        head=_text(head["name"]) if head else "",
        number=_text(file["household_no"]),
        natural_village=_text(file["natural_village"]),
        address=_text(file["address_detail"]),
        member_count=_number(file["member_count"]),
        kind=_label(file, "household_type"),
        category=_label(file, "monitor_category"),
        risks=tuple(label for name in ("risk_1", "risk_2") if (label := _label(file, name))),
        risk_removed=tr("已消除") if removed == {1} else tr("未消除") if file["monitor_category"] else "",
        identified=_text(file["identified_month"]),
        phone=_text(file["contact_phone"]),
        grid=grid.name if grid else "",
        remarks=_text(file["remarks"]),
        grid_worker=Contact(name=worker.name, unit=worker.unit or "", phone=worker.phone or "")
        if worker
        else Contact(),
    )


def _member(person: Sheet) -> Member:
    paid = ((1, "medical_insurance", tr("医保")), (2, "pension_insurance", tr("养老")))
    insured = [short for _, name, short in paid if person[name] == 1]
    return Member(
        name=_text(person["name"]),
        relation=_label(person, "relation"),
        gender=_label(person, "gender"),
        birth=_birth(person),
        identity=_text(person["cert_no"]),
        ethnicity=_label(person, "ethnicity"),
        education=_label(person, "school_status") or _label(person, "education"),
        health=_label(person, "health"),
        labour_skill=_label(person, "labour_skill"),
        work_place=_label(person, "work_place"),
        insurance=" ".join(insured),
    )


def _birth(person: Sheet) -> str:
    """The recorded birth date, else that of an 18-digit identity number (GB 11643: digits 7-14)."""
    said, number = _text(person["birth_date"]), _text(person["cert_no"])
    if said or len(number) < 18:
        return said
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}"


def _guarantees(file: Sheet, people: list[Sheet]) -> tuple[Guarantee, ...]:
    insured = {person["medical_insurance"] for person in people}
    all_insured = 1 if insured == {1} else 0 if 0 in insured else None
    dangerous = file["house_dangerous"]
    safe_house = {0: 1, 1: 0, 2: 2}.get(dangerous) if isinstance(dangerous, int) else None
    return (
        Guarantee(name=tr("基本医疗（全家参保）"), met=all_insured),
        Guarantee(name=tr("住房安全"), met=safe_house),
        Guarantee(name=tr("饮水安全"), met=_number(file["water_safe"])),
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


def _label(sheet: Sheet, name: str) -> str:
    field: Field = sheet.kind.field(name)
    value = sheet[name]
    if value is None or field.codes is None:
        return ""
    found = codelist(field.codes)
    each = value if isinstance(value, tuple) else (str(value),)
    return "、".join(found.label_of(code) for code in each)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Value) -> int | None:
    return value if isinstance(value, int) else None


def _id(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) else None
