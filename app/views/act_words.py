"""Acts of the log in words: what somebody did, which values changed from what to what, and what proves it.

Shared by the file of a household and by the records page. Old and new values go through `masking` like all others, for
the surface of the log: what is sensitive is not shown here at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from app.casework.dossiers import OpenedAct
from app.casework.revealing import Seen
from app.ledger.entry import Act, Kind
from app.models.fields import LIFE, Type, Value
from app.models.queries.history import ActDetail, ActRow, FieldChange
from app.models.records.registry import BY_NAME, BY_NUMBER
from app.models.rules.masking import Surface
from app.text import tr
from app.views.parts import masked, wording
from app.views.parts.timeline import Happening

HOUSEHOLD, MEMBER, VISIT = (BY_NAME[name].number for name in ("household", "member", "visit"))
VIEWING = BY_NAME["viewing"]
Names = Mapping[bytes, str]
_ONLY_PROGRAMS_READ = frozenset({Type.BYTES, Type.LINK})
FIELDS_NAMED = 3  # more are counted
_NO_NAMES = frozenset({"household", "visit", "proposal", "decision"})  # links to what has no name of its own


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
        Act.REVEAL: tr("查看遮住的内容"),
        Act.EXPORT: tr("导出"),
        Act.PROPOSE: tr("提请两人会签"),
        Act.DECIDE: tr("会签"),
        Act.SET_POLICY: tr("安全规定"),
        Act.REVOKE: tr("停用"),
        Act.ADMIT: tr("核定"),
        Act.JOIN: tr("加入工作处"),
        Act.LEAVE: tr("离开工作处"),
        Act.RECOVER: tr("县里恢复密码"),
        Act.CHANGE_KEYS: tr("更换钥匙"),
        Act.SET_UP: tr("县里的登记"),
    }
    return words.get(row.act, tr("新版程序的操作"))


def gist(detail: ActDetail, seen: Seen) -> str:
    """One line of what the act said: the summary of a visit, the fields of an edit, what was looked at and why."""
    act = detail.row.act
    if act == Act.VISIT:
        return _word_of(detail, seen, "visit", "summary")
    if act == Act.REVEAL:
        fields = _word_of(detail, seen, "viewing", "fields")
        count = len(fields.split(tr("、")))
        looked = fields if count <= FIELDS_NAMED else tr("{count} 项", count=count)
        return " · ".join(word for word in (looked, _word_of(detail, seen, "viewing", "reason")) if word)
    if act == Act.PROPOSE:
        return _word_of(detail, seen, "proposal", "matter")
    if act == Act.DECIDE:
        return _word_of(detail, seen, "decision", "outcome")
    if act == Act.EXPORT:
        return _word_of(detail, seen, "export", "export_kind")
    if act in (Act.EDIT, Act.RESOLVE):
        lines = [line for line in lines_of(detail, {}, seen) if line.field]
        if len(lines) == 1:
            return f"{lines[0].field}：{lines[0].before or tr('空')} → {lines[0].after or tr('空')}"
        return tr("、").join(line.field for line in lines)
    if act in (Act.CREATE, Act.IMPORT, Act.END):
        members = detail.row.objects and dict(detail.row.objects).get(MEMBER, 0)
        return tr("{count} 位成员", count=members) if members and act == Act.IMPORT else ""
    return ""


def _word_of(detail: ActDetail, seen: Seen, kind: str, name: str) -> str:
    """What an act said of one field of a kind, in words."""
    field = BY_NAME[kind].field(name)
    for change in detail.changes:
        if change.kind is BY_NAME[kind] and change.field == field.number and not change.hidden:
            return said(change, name, change.after, {}, seen, _looked_at(detail))
    return ""


def _looked_at(detail: ActDetail) -> int | None:
    """The kind of the object that was looked at, in an act that says so."""
    number = VIEWING.field("kind").number
    return next((c.after for c in detail.changes if c.kind is VIEWING and c.field == number), None)  # type: ignore[return-value]


def lines_of(detail: ActDetail, names: Names, seen: Seen) -> list[ChangeLine]:
    """The values an act set, in the order of the records; what only programs read is left out."""
    found = []
    for change in detail.changes:
        if change.field == LIFE:
            if change.after is None and not change.hidden:
                found.append(ChangeLine(subject=_subject(change, names), field="", before="", after=tr("记录终止")))
            continue
        field = change.kind.numbered(change.field) if change.kind else None
        if field is None or field.type is Type.BYTES or (field.type is Type.LINK and field.target in _NO_NAMES):
            continue
        if change.kind is VIEWING and field.name == "kind":
            continue
        say = partial(said, change, field.name, names=names, seen=seen, looked_at=_looked_at(detail))
        found.append(
            ChangeLine(
                subject=_subject(change, names),
                field=tr(field.label),
                before=tr(" / ").join(words for value in change.before if (words := say(value))),
                after=tr("（已隐去）") if change.hidden else say(change.after),
            )
        )
    return found


def said(change: FieldChange, name: str, value: Value, names: Names, seen: Seen, looked_at: int | None = None) -> str:
    """A value of a change as it may be seen in the log, links by their name."""
    assert change.kind is not None
    field = change.kind.field(name)
    if field.type in _ONLY_PROGRAMS_READ:
        return names.get(value, tr("（不在本机）")) if isinstance(value, bytes) and field.type is Type.LINK else ""
    if change.kind is VIEWING and name == "fields" and isinstance(value, str):
        kind = BY_NUMBER.get(looked_at or 0)
        known = {each.name: each.label for each in kind.fields} if kind is not None else {}
        return tr("、").join(tr(known.get(each, each)) for each in value.split(","))
    return masked.words(field, seen.show(change.kind, change.object, name, value, Surface.LOG))


def who(actor: bytes | None, names: Names) -> str:
    """The person's name; the county when no person is named."""
    return tr("县里") if actor is None else names.get(actor, tr("别处的工作人员"))


def waits(row: ActRow) -> bool:
    """Whether an act is still to be reported."""
    return row.position is None and not row.apart


def standing(row: ActRow) -> str:
    """How far an act is on its way to the county."""
    if row.apart:
        return tr("县里另行核定")
    return tr("待上报") if waits(row) else tr("已上报")


def happenings(acts: Sequence[ActDetail], names: Names, seen: Seen, now_ms: int) -> list[Happening]:
    """Acts as lines of a timeline."""
    return [
        Happening(
            key=act.row.id,
            when=wording.moment(act.row.wall, now_ms),
            who=who(act.row.actor, names),
            what=title(act.row),
            detail=shorten(gist(act, seen), 60),
            settled=not waits(act.row),
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
    place = standing(row) if row.position is None else tr("县里已收，全县第 {place} 次", place=f"{row.position:,}")
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
