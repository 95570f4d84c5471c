"""The whole dictionary as Markdown: every record kind, field and code list, written from the declarations alone."""

from __future__ import annotations

from collections.abc import Iterator

from app.models.codelists import codelist
from app.models.fields import Field, RecordKind, Type
from app.models.records.registry import KINDS
from app.text import tr

TYPES = {
    Type.TEXT: "文本",
    Type.LONG_TEXT: "长文本",
    Type.CODE: "代码",
    Type.CODES: "代码（可多选）",
    Type.YES_NO: "是 1、否 0、不清楚 2",
    Type.DATE: "日期",
    Type.MONTH: "年月",
    Type.INSTANT: "时刻（UTC 毫秒）",
    Type.MONEY: "金额（分）",
    Type.AREA: "面积（百分之一亩）",
    Type.COUNT: "整数",
    Type.LINK: "指向",
    Type.BYTES: "字节",
}


def markdown() -> str:
    """The dictionary, ready to be written to a file."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f"# {tr('数据字典')}"
    yield ""
    yield tr("由程序里的声明生成。编号永久不变，也不再作他用；每类记录的 0 号是存废（在、终止、并入）。")
    for kind in KINDS:
        yield from _kind(kind)
    yield ""
    yield f"# {tr('代码表')}"
    for name in sorted({field.codes for kind in KINDS for field in kind.fields if field.codes}):
        yield from _codes(name)


def _kind(kind: RecordKind) -> Iterator[str]:
    yield ""
    yield f"## {kind.number} {tr(kind.label)} `{kind.name}`"
    yield ""
    home = f"`{kind.home}`" if kind.home else tr("自身")
    yield tr("归属：{root}，经由 {home}。", root=f"`{kind.root.value}`", home=home)
    if kind.authority:
        yield tr("只有县里授权的链写下的才生效。")
    yield ""
    heads = ("编号", "名称", "标签", "类型", "必填", "隐私", "合并", "上限", "表头")
    yield "| " + " | ".join(tr(head) for head in heads) + " |"
    yield "|" + " --- |" * len(heads)
    for field in kind.fields:
        cells = (
            str(field.number),
            f"`{field.name}`",
            tr(field.label),
            _type(field),
            tr("是") if field.required else "",
            field.privacy.value,
            field.merge.value,
            str(field.limit) if field.limit is not None else "",
            "、".join(field.columns),
        )
        yield "| " + " | ".join(cells) + " |"


def _type(field: Field) -> str:
    words = tr(TYPES[field.type])
    if field.codes:
        return f"{words} [{field.codes}](#{field.codes})"
    return f"{words} `{field.target}`" if field.target else words


def _codes(name: str) -> Iterator[str]:
    listed = codelist(name)
    yield ""
    yield f'## <a id="{name}"></a>{tr(listed.label)} `{name}`'
    yield ""
    yield tr("来源：{source}", source=listed.source)
    yield ""
    yield f"| {tr('代码')} | {tr('标签')} | {tr('用到')} |"
    yield "| --- | --- | --- |"
    for code in listed.codes:
        yield f"| {code.code} | {tr(code.label)} | {code.valid_until or ''} |"
