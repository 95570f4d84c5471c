"""The QR archive sheet 户档案页: one household on A4 portrait, front and back, by the 一户一档 catalogue.

Two versions. The *work copy* goes into the file: all seven blocks, numbers masked, marked as internal. The
*wall copy* hangs in the house for anybody to see: only what a notice may say (village, group, head, member
count, category) and whom to call; no number of a person, nothing about health, income or members. What a
value may be shown was decided by `masking.show` when the sheet was gathered; which blocks a version has is decided
here, and the layout in `resources/print/archive_sheet.typ` only draws what it is given. Free text is scrubbed of
numbers in both versions once more, whoever wrote it into the sheet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from itertools import groupby
from typing import Any

from app.ledger import card
from app.models.rules import masking
from app.models.rules.groups import group_order
from app.printing import codes, fonts
from app.text import tr

LAYOUT = "archive_sheet"
FORM = "HD-01/1"
"""Kind and version of the form, printed in its foot."""

MOST_MEASURES = 10
WALL_CODE_MM = 48.0
"""On a wall the code is read from further away than the 35 mm of a paper in the hand."""
HOTLINES = "12317、12345"
_SHANGHAI = timezone(timedelta(hours=8))
_LATIN_RUN = re.compile(r"[!-~]{17,}")


class Version(Enum):
    """For the file, or for the wall."""

    WORK = "work"
    WALL = "wall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody of the staff: `phone` is an office phone that may be printed."""

    name: str = ""
    unit: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Block 1, as it may be printed: labels, not codes; `phone` masked. Unknown texts are empty."""

    county: str
    township: str
    village: str
    group: str
    head: str
    number: str = ""
    natural_village: str = ""
    address: str = ""
    member_count: int | None = None
    kind: str = ""
    category: str = ""
    risks: tuple[str, ...] = ()
    risk_removed: str = ""
    identified: str = ""
    phone: str = ""
    grid: str = ""
    remarks: str = ""
    grid_worker: Contact = field(default_factory=Contact)
    helper: Contact = field(default_factory=Contact)
    house_photo: str | None = None
    """SVG made by `typesetting.photo`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One line of block 2, as it may be printed. `birth` YYYY-MM-DD; `identity` masked, empty under 14."""

    name: str
    relation: str = ""
    gender: str = ""
    birth: str = ""
    identity: str = ""
    ethnicity: str = ""
    education: str = ""
    health: str = ""
    labour_skill: str = ""
    work_place: str = ""
    insurance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One line of block 3: `met` 1 yes, 0 no, 2 unknown, None never said."""

    name: str
    met: int | None = None
    grade: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """Block 4, in fen; `earlier` is (year, net income per head) of the years before."""

    period: str = ""
    wage: int | None = None
    business: int | None = None
    property: int | None = None
    transfer: int | None = None
    expense: int | None = None
    net: int | None = None
    per_head: int | None = None
    earlier: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of block 5: help or policy received this year; `amount` in fen."""

    name: str
    content: str = ""
    amount: int | None = None
    who: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One line of block 6: a document of the household's catalogue, and whether it is there."""

    number: str
    title: str
    present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSheet:
    """One household's sheet. `code` is the text of its QR, `card_number` the 16 characters below it."""

    version: Version
    household: Household
    code: str
    card_number: str
    members: tuple[Member, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    income: Income = field(default_factory=Income)
    measures: tuple[Measure, ...] = ()
    papers: tuple[Paper, ...] = ()
    act: str = ""
    """Hex id of the entry that recorded this print; its first 12 characters are printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who printed, when, where; the same in the foot of all sheets of a batch. `demo` prints 演示数据 on
    every page; `watermark` puts name, unit and time across it."""

    printed_ms: int
    printed_by: str
    unit: str
    device: str
    demo: bool = False
    watermark: bool = False


def pages(
    batch: Sequence[ArchiveSheet], stamp: Stamp, *, first: int = 1, last: int | None = None, duplex: bool = False
) -> dict[str, Any]:
    """Data for the layout: the sheets `first` to `last` (from 1, both included) of a batch in the given
    order.

    In a batch of several sheets a separator page stands before each group; it counts the group in the whole
    batch and comes with the slice that holds the group's first sheet. `duplex` starts every sheet on a
    front side.
    """
    total = len(batch)
    last = total if last is None else last
    printed = datetime.fromtimestamp(stamp.printed_ms // 1000, UTC).astimezone(_SHANGHAI)
    parts: list[dict[str, Any]] = []
    place = 0
    for _, members in groupby(batch, key=_group):
        group = list(members)
        if total > 1 and first <= place + 1 <= last:
            parts.append(_separator(group, place + 1, total))
        for sheet in group:
            place += 1
            if first <= place <= last:
                copy = f"{place}/{total}" if total > 1 else ""
                parts.append(_sheet(sheet, copy))
    return {
        "parts": parts,
        "duplex": duplex,
        "demo": stamp.demo,
        "watermark": _watermark(stamp, printed) if stamp.watermark else "",
        "form": FORM,
        "printed": printed.strftime("%Y-%m-%d %H:%M"),
        "by": _said(stamp.printed_by),
        "unit": _said(stamp.unit),
        "device": stamp.device,
        "hotlines": HOTLINES,
        "words": _words(),
    }


def ordered(sheets: Iterable[ArchiveSheet]) -> list[ArchiveSheet]:
    """By village, group in counting order (二组 before 十组), household number."""
    return sorted(
        sheets,
        key=lambda sheet: (*_group(sheet)[:3], *_counted(sheet.household.group), sheet.household.number),
    )


def _counted(group: str) -> tuple[int, str]:
    return group_order(group), group


def unprintable(sheet: ArchiveSheet) -> tuple[str, ...]:
    """Characters of the sheet that no font can show; said to the person before printing."""
    return fonts.missing_characters(json.dumps(_sheet(sheet, ""), ensure_ascii=False))


def _group(sheet: ArchiveSheet) -> tuple[str, str, str, str]:
    household = sheet.household
    return household.county, household.township, household.village, household.group


def _watermark(stamp: Stamp, printed: datetime) -> str:
    """Who printed it, where, when, on which device: a copy of a copy still says whose it was."""
    said = (stamp.printed_by, stamp.unit, printed.strftime("%Y-%m-%d %H:%M"), stamp.device)
    return "  ".join(_said(part) for part in said if part)


def _separator(group: Sequence[ArchiveSheet], first: int, total: int) -> dict[str, Any]:
    household = group[0].household
    return {
        "kind": "separator",
        "place": f"{household.county}{household.township}{household.village}",
        "group": household.group,
        "count": len(group),
        "first": first,
        "last": first + len(group) - 1,
        "total": total,
        "first_head": _said(group[0].household.head),
        "last_head": _said(group[-1].household.head),
        "form_name": _form_name(group[0].version),
    }


def _sheet(sheet: ArchiveSheet, place: str) -> dict[str, Any]:
    household = sheet.household
    wall = sheet.version is Version.WALL
    side = WALL_CODE_MM if wall else codes.PRINTED_MM
    common = {
        "kind": sheet.version.value,
        "form_name": _form_name(sheet.version),
        "version": _version_name(sheet.version),
        "place": f"{household.county}{household.township}{household.village}",
        "head": _said(household.head),
        "group": _said(household.group),
        "qr": codes.svg(sheet.code, side),
        "qr_mm": codes.whole_mm(sheet.code, side),
        "card": card.printed(sheet.card_number),
        "photo": household.house_photo,
        "copy": place,
        "act": sheet.act[:12],
        "facts": _wall_facts(household) if wall else _work_facts(household),
        "contacts": _contacts(household),
    }
    if wall:
        return common
    return common | {
        "number": household.number,
        "members": [_member(number, member) for number, member in enumerate(sheet.members, start=1)],
        "guarantees": [
            {"name": item.name, "met": _tick(item.met), "grade": _said(item.grade), "day": item.day}
            for item in sheet.guarantees
        ],
        "income": _income(sheet.income),
        "measures": [
            {
                "name": _said(item.name),
                "content": _said(item.content),
                "amount": _yuan(item.amount),
                "who": _said(item.who),
                "day": item.day,
            }
            for item in sheet.measures[:MOST_MEASURES]
        ],
        "more": max(0, len(sheet.measures) - MOST_MEASURES),
        "papers": [
            {"number": paper.number, "title": _said(paper.title), "present": paper.present} for paper in sheet.papers
        ],
    }


def _work_facts(household: Household) -> list[dict[str, Any]]:
    return [
        _fact(tr("户主"), household.head),
        _fact(tr("家庭人口"), _persons(household.member_count)),
        _fact(tr("村民小组"), household.group),
        _fact(tr("自然村"), household.natural_village),
        {"label": tr("户编号"), "value": household.number, "wide": False},
        _fact(tr("户类型"), household.kind),
        _fact(tr("监测类别"), household.category),
        _fact(tr("识别时间"), household.identified),
        _fact(tr("主要风险"), "、".join(risk for risk in household.risks if risk)),
        _fact(tr("风险消除"), household.risk_removed),
        {"label": tr("联系电话"), "value": household.phone, "wide": False},
        _fact(tr("所属网格"), household.grid),
        _fact(tr("详细地址"), household.address, wide=True),
        *([_fact(tr("备注"), household.remarks, wide=True)] if household.remarks else []),
    ]


def _wall_facts(household: Household) -> list[dict[str, Any]]:
    return [
        _fact(tr("户主"), household.head),
        _fact(tr("家庭人口"), _persons(household.member_count)),
        _fact(tr("村民小组"), household.group),
        _fact(tr("自然村"), household.natural_village),
        _fact(tr("监测类别"), household.category, wide=True),
    ]


def _contacts(household: Household) -> list[dict[str, str]]:
    """Staff with their office phones, digits in groups so that they can be read and dialled."""
    people = ((tr("帮扶责任人"), household.helper), (tr("网格员"), household.grid_worker))
    return [
        {"role": role, "name": _said(who.name), "unit": _said(who.unit), "phone": _grouped(who.phone)}
        for role, who in people
    ]


def _member(number: int, member: Member) -> dict[str, Any]:
    return {
        "number": number,
        "name": _said(member.name),
        "identity": _said(member.identity),
        "relation": _said(member.relation),
        "gender": member.gender,
        "birth": member.birth[:7].replace("-", "."),
        "ethnicity": _said(member.ethnicity),
        "education": _said(member.education),
        "health": _said(member.health),
        "skill": _said(member.labour_skill),
        "work": _said(member.work_place),
        "insurance": _said(member.insurance),
    }


def _income(income: Income) -> dict[str, Any]:
    return {
        "period": _said(income.period),
        "columns": [
            {"label": label, "value": _yuan(value)}
            for label, value in (
                (tr("工资性收入"), income.wage),
                (tr("经营净收入"), income.business),
                (tr("财产净收入"), income.property),
                (tr("转移性收入"), income.transfer),
                (tr("生产经营支出"), income.expense),
                (tr("家庭纯收入"), income.net),
                (tr("人均纯收入"), income.per_head),
            )
        ],
        "earlier": [
            tr("{year} 年 {amount} 元", year=year, amount=_yuan(amount)) for year, amount in income.earlier[-3:]
        ],
    }


def _fact(label: str, value: str, wide: bool = False) -> dict[str, Any]:
    return {"label": label, "value": _said(value), "wide": wide}


def _said(text: str) -> str:
    """What somebody wrote, without numbers of persons, and with places to break a run that fits no column."""
    return _LATIN_RUN.sub(
        lambda run: "\u200b".join(run.group()[i : i + 8] for i in range(0, len(run.group()), 8)),
        masking.scrub(text),
    )


def _persons(count: int | None) -> str:
    return "" if count is None else tr("{count} 人", count=count)


def _yuan(fen: int | None) -> str:
    if fen is None:
        return ""
    sign, whole, rest = "-" if fen < 0 else "", abs(fen) // 100, abs(fen) % 100
    return f"{sign}{whole:,}" + (f".{rest:02d}" if rest else "")


def _tick(met: int | None) -> str:
    return {1: "✓", 0: "×", 2: tr("不清楚")}.get(-1 if met is None else met, "")


def _grouped(phone: str) -> str:
    if re.fullmatch(r"1[0-9]{10}", phone):
        return f"{phone[:3]} {phone[3:7]} {phone[7:]}"
    return phone


def _version_name(version: Version) -> str:
    return tr("上墙用") if version is Version.WALL else tr("工作用")


def _form_name(version: Version) -> str:
    return tr("户档案页（{version}）", version=_version_name(version))


def _words() -> dict[str, Any]:
    """The words of the form itself."""
    return {
        "title": tr("户档案页"),
        "wall_title": tr("一户一码"),
        "motto": tr("一户一档 · 一户一码"),
        "demo": tr("演示数据"),
        "internal": tr("内部资料 注意保密"),
        "photo_here": tr("贴住房照片处"),
        "printed": tr("打印"),
        "by": tr("打印人"),
        "device": tr("设备"),
        "act": tr("记录"),
        "copy": tr("本批"),
        "page": tr("第 {n} 页 共 {m} 页"),
        "continued": tr("（续）"),
        "phone": tr("电话"),
        "members": tr("家庭成员"),
        "members_count": tr("共 {count} 人"),
        "member_columns": [
            tr("序号"),
            tr("姓名"),
            tr("与户主|关系"),
            tr("性别"),
            tr("出生年月"),
            tr("民族"),
            tr("文化程度|在校"),
            tr("健康状况"),
            tr("劳动技能"),
            tr("务工地"),
            tr("参保"),
        ],
        "guarantees": tr("保障情况"),
        "guarantee_columns": [tr("项目"), tr("达标"), tr("等级或说明"), tr("核实日期")],
        "income": tr("家庭收入"),
        "yuan": tr("单位：元"),
        "earlier": tr("往年人均"),
        "measures": tr("本年帮扶措施和享受政策"),
        "measure_columns": [
            tr("序号"),
            tr("措施或政策"),
            tr("内容"),
            tr("金额（元）"),
            tr("享受人"),
            tr("时间"),
        ],
        "more": tr("另有 {count} 项见系统"),
        "papers": tr("档案目录"),
        "papers_count": tr("已有 {there} 件，应有 {all} 件"),
        "missing": tr("（缺）"),
        "notes": tr("变化随记"),
        "note_columns": [tr("日期"), tr("事项"), tr("签名")],
        "signatures": tr("确认签字"),
        "signers": [
            {"role": tr("农户"), "how": tr("（签字、按手印）"), "print": True},
            {"role": tr("网格员"), "how": tr("（签字）"), "print": False},
            {"role": tr("村民委员会"), "how": tr("（盖章）"), "print": False},
            {"role": tr("乡镇工作站"), "how": tr("（盖章）"), "print": False},
        ],
        "fingerprint": tr("手印"),
        "date_line": tr("　　　年　　月　　日"),
        "hotline": tr("监督电话"),
        "advice": [
            tr("这张码里只有一个编号，没有您家任何个人信息。"),
            tr("工作人员上门先扫码再走访；没有扫码的，可以请他出示证件。"),
            tr("任何人都不会通过这张码向您收钱、要密码或者验证码。"),
            tr("家里有了难处，随时打上面的电话；码脏了、丢了，请网格员换一张。"),
        ],
        "wall_signer": tr("农户签收"),
        "wall_giver": tr("送达人"),
        "group_count": tr("共 {count} 户"),
        "sheet_kind": tr("打印件"),
        "batch_range": tr("本批份号"),
        "range": tr("第 {first} 至 {last} 份，全批 {total} 份"),
        "first_last": tr("首户、末户"),
        "counted": tr("清点"),
        "counted_line": tr("实有＿＿＿份，重打＿＿＿份，清点人＿＿＿＿＿＿"),
    }
