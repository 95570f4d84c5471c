"""When a household is to be visited (reference 3.14): pure, with the day as a parameter.

Frequencies are the defaults of the trade: monitored and not removed monthly, monitored and removed or lifted quarterly,
everybody else once a year; a promised day comes before all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

MONTHLY, QUARTERLY, YEARLY = 31, 92, 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Why a household is on today's list. `reason`: promise, monitored, removed, lifted, yearly; `days` since the last
    visit, None when there was none; `overdue` in days, negative when the day is still to come."""

    reason: str
    days: int | None
    overdue: int


def frequency(monitor_category: str | None, risk_removed: bool, household_type: str | None) -> tuple[str, int]:
    """(reason, days between visits) for a household of this kind."""
    if monitor_category and not risk_removed:
        return "monitored", MONTHLY
    if monitor_category:
        return "removed", QUARTERLY
    if household_type in ("LIFTED_WITH_POLICY", "LIFTED_NO_POLICY"):
        return "lifted", QUARTERLY
    return "yearly", YEARLY


def due(
    monitor_category: str | None,
    risk_removed: bool,
    household_type: str | None,
    last_visit: str | None,
    promised_by: str | None,
    today: str,
) -> Due:
    """How a household stands today (dates "YYYY-MM-DD")."""
    now = date.fromisoformat(today)
    days = (now - date.fromisoformat(last_visit)).days if last_visit else None
    if promised_by and (last_visit is None or promised_by > last_visit):
        return Due(reason="promise", days=days, overdue=(now - date.fromisoformat(promised_by)).days)
    reason, interval = frequency(monitor_category, risk_removed, household_type)
    return Due(reason=reason, days=days, overdue=interval if days is None else days - interval)
