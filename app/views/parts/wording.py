"""Values in words and words as values: what a field shows, and what may be typed into it.

Pure. `shown` and `read` belong together: `read(field, typed(field, value)) == value` for every value a
field can hold. Reading is generous about form (20260131, 2026.1.31, 2026年1月31日; 1,234.5) and never guesses
content.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

from app.errors import InputProblem
from app.models.codelists import codelist
from app.models.fields import Field, Type, Value
from app.text import tr

# Dates that people mean are calendar dates of Asia/Shanghai, which has had no summer time since 1991.
SHANGHAI = timezone(timedelta(hours=8))

_DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_MONTH = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*月?")
_COMPACT_MONTH = re.compile(r"(\d{4})(\d{2})")
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．，－／", "0123456789.,-/")


def instant(ms: int) -> datetime:
    """The wall clock in Shanghai at `ms` (UTC milliseconds)."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(SHANGHAI)


def moment(ms: int, now_ms: int) -> str:
    """`ms` as people say it at `now_ms`: 10:58 today, 昨天 10:58, 11-02 10:58 this year, else the whole
    date."""
    then, now = instant(ms), instant(now_ms)
    clock = f"{then:%H:%M}"
    days = (now.date() - then.date()).days
    if days == 0:
        return clock
    if days == 1:
        return tr("昨天 {time}", time=clock)
    if then.year == now.year:
        return f"{then:%m-%d} {clock}"
    return f"{then:%Y-%m-%d} {clock}"


def today(now_ms: int) -> str:
    """The calendar date in Shanghai, `YYYY-MM-DD`."""
    return instant(now_ms).date().isoformat()


def days_between(earlier: str, later: str) -> int:
    """Days from one `YYYY-MM-DD` to another."""
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def yes_no(value: Value) -> str:
    """是, 否, 不清楚."""
    return {1: tr("是"), 0: tr("否"), 2: tr("不清楚")}.get(value if isinstance(value, int) else -1, "")


def shown(field: Field, value: Value) -> str:
    """`value` as a person reads it, with its unit; empty for None."""
    if value is None:
        return ""
    if field.type is Type.YES_NO:
        return yes_no(value)
    if field.type is Type.CODE and field.codes and isinstance(value, str):
        return tr(codelist(field.codes).label_of(value))
    if field.type is Type.CODES and field.codes and isinstance(value, tuple):
        return tr("、").join(tr(codelist(field.codes).label_of(item)) for item in value)
    if field.type is Type.MONEY and isinstance(value, int):
        return tr("{amount} 元", amount=f"{Decimal(value) / 100:,.2f}")
    if field.type is Type.AREA and isinstance(value, int):
        return tr("{amount} 亩", amount=f"{Decimal(value) / 100:,.2f}")
    if field.type is Type.INSTANT and isinstance(value, int):
        return f"{instant(value):%Y-%m-%d %H:%M}"
    if isinstance(value, bytes):
        return value.hex()[:8]
    return str(value)


def typed(field: Field, value: Value) -> str:
    """`value` as it stands in a line to be edited: no unit, no code."""
    if value is None:
        return ""
    if field.type in (Type.MONEY, Type.AREA) and isinstance(value, int):
        text = f"{Decimal(value) / 100:.2f}"
        return text.rstrip("0").rstrip(".")
    return str(value)


def read(field: Field, text: str) -> Value:
    """The value of what was typed; None for nothing. Raises InputProblem with the field's label."""
    text = text.strip() if field.type is not Type.LONG_TEXT else text.strip("\n")
    if not text.strip():
        return None
    value = _READERS.get(field.type, _read_text)(field, text)
    field.check(value)
    return value


def unit(field: Field) -> str:
    """The unit that stands behind the label of a number."""
    return {Type.MONEY: tr("元"), Type.AREA: tr("亩")}.get(field.type, "")


def _read_text(_field: Field, text: str) -> Value:
    return text


def _read_date(field: Field, text: str) -> Value:
    text = text.translate(_FULL_WIDTH)
    match = _DATE.fullmatch(text) or _COMPACT_DATE.fullmatch(text)
    if match is None:
        raise InputProblem("bad-date", field=tr(field.label))
    year, month, day = (int(part) for part in match.groups())
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise InputProblem("no-such-date", field=tr(field.label)) from None


def _read_month(field: Field, text: str) -> Value:
    text = text.translate(_FULL_WIDTH)
    match = _MONTH.fullmatch(text) or _COMPACT_MONTH.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12:
        raise InputProblem("bad-month", field=tr(field.label))
    return f"{match[1]}-{int(match[2]):02d}"


def _read_hundredths(field: Field, text: str) -> Value:
    number = _decimal(field, text) * 100
    if number != number.to_integral_value():
        raise InputProblem("too-many-decimals", field=tr(field.label))
    return int(number)


def _read_count(field: Field, text: str) -> Value:
    number = _decimal(field, text)
    if number != number.to_integral_value():
        raise InputProblem("bad-number", field=tr(field.label))
    return int(number)


def _decimal(field: Field, text: str) -> Decimal:
    text = text.translate(_FULL_WIDTH).replace(",", "").replace("，", "").replace(" ", "")
    if not re.fullmatch(r"-?\d{1,15}(\.\d*)?", text):
        raise InputProblem("bad-number", field=tr(field.label))
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InputProblem("bad-number", field=tr(field.label)) from None


_READERS = {
    Type.DATE: _read_date,
    Type.MONTH: _read_month,
    Type.MONEY: _read_hundredths,
    Type.AREA: _read_hundredths,
    Type.COUNT: _read_count,
}
