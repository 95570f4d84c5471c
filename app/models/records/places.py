"""County and areas: where everything is."""

from __future__ import annotations

from app.models.fields import Privacy, RecordKind, Root, Type, code, link, plain, text

COUNTY = RecordKind(
    number=1,
    name="county",
    label="县",
    root=Root.COUNTY,
    fields=(
        text(1, "code", "区划代码", privacy=Privacy.A, required=True, limit=12),
        text(2, "name", "名称", privacy=Privacy.A, required=True, limit=40),
        text(3, "province", "省", privacy=Privacy.A, limit=40),
        text(4, "prefecture", "市（州）", privacy=Privacy.A, limit=40),
        text(5, "public_host", "公开网址", privacy=Privacy.A, limit=100),
        text(6, "hotline", "县办公电话", privacy=Privacy.A, limit=20),
    ),
)

AREA = RecordKind(
    number=2,
    name="area",
    label="区划",
    root=Root.AREA,
    fields=(
        code(1, "level", "级别", "area_level", privacy=Privacy.A, required=True),
        text(2, "code", "区划代码", privacy=Privacy.A, limit=16),
        text(3, "name", "名称", privacy=Privacy.A, required=True, limit=40),
        link(4, "parent", "上级", "area", privacy=Privacy.A),
        text(5, "phone", "办公电话", privacy=Privacy.A, limit=20),
        plain(Type.COUNT, 6, "order", "排列序号", privacy=Privacy.A, limit=1_000_000),
    ),
)
