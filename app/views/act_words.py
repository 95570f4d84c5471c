"""Acts of the log in words: what somebody did, which values changed from what to what, and what proves it.

Shared by the file of a household and by the records page. Values that identify a person are masked here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.casework.dossiers import OpenedAct
from app.ledger.entry import Act, Kind
from app.models.fields import LIFE, Field, Type, Value
from app.models.queries.history import ActDetail, ActRow, FieldChange
from app.models.records.registry import BY_NAME
from app.text import tr
from app.views.parts import masked, wording
from app.views.parts.timeline import Happening

HOUSEHOLD, MEMBER, VISIT = (BY_NAME[name].number for name in ("household", "member", "visit"))
Names = Mapping[bytes, str]
_ONLY_PROGRAMS_READ = frozenset({Type.BYTES, Type.LINK})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """One value of an act: whose, which, what it was, what it is."""

    subject: str
    field: str
    before: str
    after: str


def title(row: ActRow) -> str:
    """What was done, in two to six characters."""
    if row.kind != Kind.ACT:
        others: dict[int, str] = {Kind.GENESIS: tr("开始使用"), Kind.ROTATE: tr("更换签名钥")}
        return others.get(row.kind, tr("县里的登记"))
    kinds = dict(row.objects)
    if row.act == Act.CREATE:
        return tr("建档") if HOUSEHOLD in kinds else tr("添加成员")
    if row.act == Act.EDIT:
        return tr("改户信息") if HOUSEHOLD in kinds else tr("改成员信息")
    words: dict[int, str] = {
        Act.IMPORT: tr("从表格导入"),
        Act.END: tr("成员离户") if MEMBER in kinds else tr("销档"),
        Act.REOPEN: tr("恢复档案"),
        Act.SAME: tr("合并重复档案"),
        Act.ENROL: tr("登记本机"),
        Act.VISIT: tr("记走访"),
        Act.ATTACH: tr("添加附件"),
        Act.BIND_CARD: tr("绑定户码"),
        Act.PRINT: tr("打印"),
        Act.GRANT: tr("授权"),
        Act.ISSUE_POOL: tr("发放户码"),
        Act.RESOLVE: tr("定下有争议的内容"),
        Act.SET_UP: tr("县里的登记"),
    }
    return words.get(row.act, tr("新版程序的操作"))


def gist(detail: ActDetail) -> str:
    """One line of what the act said: the summary of a visit, the fields of an edit."""
    said = {(c.kind.number if c.kind else 0, c.field): c for c in detail.changes}
    act = detail.row.act
    if act == Act.VISIT:
        summary = said.get((VISIT, BY_NAME["visit"].field("summary").number))
        return str(summary.after) if summary is not None and isinstance(summary.after, str) else ""
    if act in (Act.EDIT, Act.RESOLVE):
        lines = [line for line in lines_of(detail, {}) if line.field]
        if len(lines) == 1:
            return f"{lines[0].field}：{lines[0].before or tr('空')} → {lines[0].after or tr('空')}"
        return tr("、").join(line.field for line in lines)
    if act in (Act.CREATE, Act.IMPORT, Act.END):
        members = detail.row.objects and dict(detail.row.objects).get(MEMBER, 0)
        return tr("{count} 位成员", count=members) if members and act == Act.IMPORT else ""
    return ""


def lines_of(detail: ActDetail, names: Names) -> list[ChangeLine]:
    """The values an act set, in the order of the records; what only programs read is left out."""
    found = []
    for change in detail.changes:
        if change.field == LIFE:
            if change.after is None and not change.hidden:
                found.append(ChangeLine(subject=_subject(change, names), field="", before="", after=tr("记录终止")))
            continue
        field = change.kind.numbered(change.field) if change.kind else None
        if field is None or field.type is Type.BYTES or (field.type is Type.LINK and field.target == "household"):
            continue
        found.append(
            ChangeLine(
                subject=_subject(change, names),
                field=tr(field.label),
                before=tr(" / ").join(words for value in change.before if (words := said(field, value, names))),
                after=tr("（已隐去）") if change.hidden else said(field, change.after, names),
            )
        )
    return found


def said(field: Field, value: Value, names: Names) -> str:
    """A value as people read it, masked, links by their name."""
    if field.type in _ONLY_PROGRAMS_READ:
        return names.get(value, tr("（不在本机）")) if isinstance(value, bytes) and field.type is Type.LINK else ""
    return masked.masked(field, value)


def who(actor: bytes | None, names: Names) -> str:
    """The person's name; the county when no person is named."""
    return tr("县里") if actor is None else names.get(actor, tr("别处的工作人员"))


def happenings(acts: Sequence[ActDetail], names: Names, now_ms: int) -> list[Happening]:
    """Acts as lines of a timeline."""
    return [
        Happening(
            key=act.row.id,
            when=wording.moment(act.row.wall, now_ms),
            who=who(act.row.actor, names),
            what=title(act.row),
            detail=shorten(gist(act), 60),
            settled=act.row.position is not None,
        )
        for act in acts
    ]


def proof(opened: OpenedAct) -> list[tuple[str, str]]:
    """What proves an act, in words: (what, how it stands)."""
    row = opened.detail.row
    signed = {
        True: tr("本人签名，已核对，内容没有被改动"),
        False: tr("签名对不上，内容可能被改动过，请马上联系县里"),
        None: tr("签名的钥匙换过，请用“核验”核对整份记录"),
    }[opened.holds]
    place = tr("待上报") if row.position is None else tr("县里已收，全县第 {place} 次", place=f"{row.position:,}")
    number = row.id.hex().upper()[:16]
    return [
        (tr("谁"), who(row.actor, opened.names)),
        (tr("什么时候"), f"{wording.instant(row.wall):%Y-%m-%d %H:%M}"),
        (tr("签名"), signed),
        (tr("上报"), place),
        (tr("顺序"), tr("本人第 {place} 次操作", place=row.seq)),
        (tr("编号"), "-".join(number[at : at + 4] for at in range(0, 16, 4))),
    ]


def shorten(text: str, limit: int) -> str:
    """The first `limit` characters of one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _subject(change: FieldChange, names: Names) -> str:
    if change.kind is None:
        return tr("新版程序的内容")
    name = names.get(change.object, "")
    return f"{tr(change.kind.label)} {name}".strip() if change.kind.number == MEMBER else tr(change.kind.label)
