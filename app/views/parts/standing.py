"""A household's standing as chips and short words, the same on every page."""

from __future__ import annotations

from app.models.codelists import codelist
from app.models.queries.households import HouseholdRow
from app.models.rules.visiting import Due
from app.text import tr
from app.views.parts import wording
from app.views.parts.table import ChipText

_TONES = {"UNSTABLE": "warning", "MARGINAL": "info", "SUDDEN": "danger"}


def chips(row: HouseholdRow) -> list[ChipText]:
    """What has to be known of a household before one knocks: kind, dispute, what is missing."""
    found: list[ChipText] = []
    if row.monitor_category:
        name = tr(codelist("monitor_category").label_of(row.monitor_category)).removesuffix("户")
        found.append((name, _TONES.get(row.monitor_category, "plain")))
        if row.risk_removed:
            found.append((tr("风险已消除"), "accent"))
    elif row.household_type in ("LIFTED_WITH_POLICY", "LIFTED_NO_POLICY"):
        found.append((tr("脱贫户"), "plain"))
    if row.disputed:
        found.append((tr("有争议 {count}", count=row.disputed), "danger"))
    if row.missing:
        found.append((tr("缺 {count} 项", count=len(row.missing)), "warning"))
    return found


def place(row: HouseholdRow) -> str:
    """Group and hamlet: 二组 下寨."""
    return " ".join(part for part in (row.villager_group, row.natural_village or "") if part)


def ago(day: str, today: str) -> str:
    """How long ago a day was."""
    days = wording.days_between(day, today)
    if days < 2:
        return tr("昨天") if days == 1 else tr("今天")
    return tr("{days} 天前", days=days)


def why_due(due: Due) -> str:
    """Why a household is on today's list."""
    if due.reason == "promise":
        if due.overdue > 0:
            return tr("承诺回访·过了 {days} 天", days=due.overdue)
        return tr("承诺今天回访")
    reason = {
        "monitored": tr("监测户每月一访"),
        "removed": tr("风险消除每季一访"),
        "lifted": tr("脱贫户每季一访"),
    }.get(due.reason, tr("每年一访"))
    last = tr("还没走访过") if due.days is None else tr("上次 {days} 天前", days=due.days)
    return f"{reason}·{last}"
