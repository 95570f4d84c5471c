"""Watched acts: the county's policy and admissions, and who looked, exported, asked and agreed.

`policy` and `admission` take effect only from chains with authority (`app.ledger.authority` fixes their numbers).
"""

from __future__ import annotations

from app.ledger import authority
from app.models.fields import (
    Merge,
    Privacy,
    RecordKind,
    Root,
    Type,
    code,
    codes,
    link,
    long_text,
    plain,
    text,
)

APPEND = Merge.APPEND
C = Privacy.C
A = Privacy.A

POLICY = RecordKind(
    number=authority.POLICY,
    name="policy",
    label="安全规定",
    root=Root.COUNTY,
    fields=(
        code(1, "password_profile", "密码规定", "password_profile", privacy=A),
        plain(Type.COUNT, 2, "password_length", "密码最少字数", privacy=A, limit=64),
        plain(Type.COUNT, 3, "password_days", "密码多少天一换", privacy=A, limit=3650),
        plain(Type.COUNT, 4, "idle_minutes", "多少分钟不用就锁", privacy=A, limit=15),
        plain(Type.COUNT, 5, "session_hours", "多少小时后重新解锁", privacy=A, limit=24),
        plain(Type.COUNT, 6, "lease_days", "多少天不上报就不能看", privacy=A, limit=365),
        plain(Type.COUNT, 7, "reveal_seconds", "显示多少秒", privacy=A, limit=600),
        code(8, "identity_mask", "证件号码怎么遮", "identity_mask", privacy=A),
        plain(Type.YES_NO, 9, "watermark", "屏幕水印", privacy=A),
        long_text(10, "refused_words", "密码里不许用的词", privacy=A, limit=2000),
    ),
)

ADMISSION = RecordKind(
    number=authority.ADMISSION,
    name="admission",
    label="核定",
    root=Root.STAFF,
    home="staff",
    fields=(
        link(1, "staff", "签名人", "staff", required=True),
        plain(Type.BYTES, 2, "entry", "记录编号", required=True, limit=32),
        code(3, "outcome", "结论", "decision_outcome", required=True),
        text(4, "reason", "理由", limit=200),
    ),
)

VIEWING = RecordKind(
    number=16,
    name="viewing",
    label="查看记录",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "农户", "household", required=True),
        plain(Type.COUNT, 2, "kind", "对象类型", merge=APPEND, required=True),
        plain(Type.BYTES, 3, "object", "对象", merge=APPEND, required=True, limit=16),
        text(4, "fields", "看了哪几项", merge=APPEND, limit=400),
        code(5, "reason", "理由", "view_reason", merge=APPEND, required=True),
        text(6, "words", "说明", merge=APPEND, limit=100),
    ),
)

PROPOSAL = RecordKind(
    number=17,
    name="proposal",
    label="提请",
    root=Root.AREA,
    home="area",
    fields=(
        link(1, "area", "工作处", "area", required=True),
        code(2, "matter", "事项", "matter", merge=APPEND, required=True),
        link(3, "household", "农户", "household", merge=APPEND),
        plain(Type.COUNT, 4, "count", "户数", merge=APPEND),
        plain(Type.BYTES, 5, "digest", "内容摘要", merge=APPEND, limit=32),
        long_text(6, "reason", "理由", merge=APPEND, privacy=C, required=True, limit=500),
    ),
)

DECISION = RecordKind(
    number=18,
    name="decision",
    label="会签",
    root=Root.AREA,
    home="area",
    fields=(
        link(1, "area", "工作处", "area", required=True),
        link(2, "proposal", "提请", "proposal", merge=APPEND, required=True),
        code(3, "outcome", "结论", "decision_outcome", merge=APPEND, required=True),
        long_text(4, "reason", "理由", merge=APPEND, privacy=C, limit=500),
    ),
)

EXPORT = RecordKind(
    number=19,
    name="export",
    label="导出记录",
    root=Root.AREA,
    home="area",
    fields=(
        link(1, "area", "工作处", "area", required=True),
        code(2, "export_kind", "导出什么", "export_kind", merge=APPEND, required=True),
        plain(Type.COUNT, 3, "count", "户数", merge=APPEND, required=True),
        plain(Type.BYTES, 4, "digest", "文件摘要", merge=APPEND, limit=32),
        text(5, "purpose", "用途", merge=APPEND, privacy=C, required=True, limit=100),
        link(6, "decision", "会签", "decision", merge=APPEND),
        codes(7, "columns", "哪几类信息", "privacy_class", merge=APPEND),
    ),
)

SEAT = RecordKind(
    number=20,
    name="seat",
    label="工作库席位",
    root=Root.STAFF,
    home="staff",
    fields=(
        link(1, "staff", "工作人员", "staff", required=True),
        plain(Type.BYTES, 2, "vault", "工作库编号", required=True, limit=16),
        plain(Type.COUNT, 3, "epoch", "钥匙代次", required=True),
        text(4, "reason", "缘由", limit=100),
    ),
)
