"""What happens at the door: visits, photos, cards, printed sheets."""

from __future__ import annotations

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
D = Privacy.D

VISIT = RecordKind(
    number=10,
    name="visit",
    label="走访",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "农户", "household", required=True),
        code(2, "visit_kind", "走访类型", "visit_kind", merge=APPEND, required=True),
        plain(Type.DATE, 3, "visited_on", "走访日期", merge=APPEND, required=True),
        code(4, "place_kind", "地点", "place_kind", merge=APPEND, required=True),
        codes(5, "presence_proof", "到户证明", "presence_proof", merge=APPEND),
        text(6, "respondent", "受访人", merge=APPEND, privacy=C, limit=50),
        code(7, "respondent_relation", "受访人与户主关系", "relation", merge=APPEND, privacy=C),
        codes(8, "changes_found", "变化情况", "change_found", merge=APPEND),
        long_text(9, "summary", "工作纪要", merge=APPEND, required=True, limit=2000, privacy=C, hint="20–2000 字"),
        long_text(10, "needs", "困难诉求", merge=APPEND, limit=1000, privacy=C),
        long_text(11, "promises", "答应办的事", merge=APPEND, limit=1000, privacy=C),
        codes(12, "policy_told", "宣讲政策", "policy_topic", merge=APPEND),
        code(13, "satisfaction", "满意度", "satisfaction", merge=APPEND),
        plain(Type.INSTANT, 14, "started_at", "开始时间", merge=APPEND),
        plain(Type.INSTANT, 15, "ended_at", "结束时间", merge=APPEND),
        plain(Type.DATE, 16, "promised_by", "承诺回访日期", merge=APPEND),
    ),
)

ATTACHMENT = RecordKind(
    number=11,
    name="attachment",
    label="附件",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "农户", "household", required=True),
        link(2, "visit", "走访", "visit", merge=APPEND),
        code(3, "attachment_kind", "附件类型", "attachment_kind", merge=APPEND, required=True),
        text(4, "media_type", "格式", merge=APPEND, limit=40),
        plain(Type.BYTES, 5, "upload_key", "密文摘要", merge=APPEND, limit=32),
        plain(Type.BYTES, 6, "content_key", "附件钥", merge=APPEND, privacy=D, limit=32),
        plain(Type.BYTES, 7, "digest", "原文摘要", merge=APPEND, privacy=D, limit=32),
        plain(Type.COUNT, 8, "size", "字节数", merge=APPEND, privacy=D),
        plain(Type.INSTANT, 9, "taken_at", "拍摄时间", merge=APPEND, privacy=D),
    ),
)

CARD = RecordKind(
    number=12,
    name="card",
    label="户码",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "农户", "household", required=True, merge=Merge.ONCE),
        text(2, "card_no", "户码号", required=True, limit=16, merge=Merge.ONCE),
        plain(Type.COUNT, 3, "key_number", "签发钥号", merge=Merge.ONCE),
        plain(Type.DATE, 4, "signed_on", "签发日期", merge=Merge.ONCE),
        code(5, "card_reason", "发码原因", "card_reason", merge=APPEND),
    ),
)

POOL = RecordKind(
    number=7,
    name="pool",
    label="户码池",
    root=Root.COUNTY,
    fields=(
        text(1, "pool_no", "池号", required=True, limit=4),
        plain(Type.COUNT, 2, "count", "张数", required=True),
        plain(Type.COUNT, 3, "key_number", "签发钥号", required=True),
        plain(Type.BYTES, 4, "file", "池文件密文摘要", required=True, limit=32),
        plain(Type.BYTES, 5, "content_key", "池文件钥", privacy=D, limit=32),
        plain(Type.BYTES, 6, "digest", "池文件原文摘要", limit=32),
        link(7, "workplace", "领用处", "area"),
    ),
)

PRINTOUT = RecordKind(
    number=13,
    name="printout",
    label="打印记录",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "农户", "household", required=True),
        code(2, "sheet_kind", "打印件", "sheet_kind", merge=APPEND, required=True),
        code(3, "sheet_version", "版本", "sheet_version", merge=APPEND),
        plain(Type.COUNT, 4, "copies", "份数", merge=APPEND),
        code(5, "outcome", "去向", "print_outcome", merge=APPEND),
    ),
)
