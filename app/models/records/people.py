"""Staff, what they may do where, their devices and the keys they sign with.

`signer` ties a chain to a person and a device; with `grant` it decides which chains have authority
(`app.ledger.authority`, which fixes the numbers of these two kinds and of their fields).
"""

from __future__ import annotations

from app.ledger import authority
from app.models.fields import Merge, RecordKind, Root, Type, code, link, plain, text

STAFF = RecordKind(
    number=authority.STAFF,
    name="staff",
    label="工作人员",
    root=Root.STAFF,
    fields=(
        text(1, "name", "姓名", required=True, limit=50),
        text(2, "unit", "单位", limit=60),
        text(3, "post", "职务", limit=40),
        text(4, "phone", "办公电话", limit=20),
    ),
)

GRANT = RecordKind(
    number=authority.GRANT,
    name="grant",
    label="授权",
    root=Root.STAFF,
    home="staff",
    fields=(
        link(authority.GRANT_STAFF, "staff", "工作人员", "staff", required=True),
        code(authority.GRANT_ROLE, "role", "角色", "role", required=True),
        link(3, "area", "区域", "area"),
        plain(Type.DATE, 4, "until", "有效期至"),
    ),
)

DEVICE = RecordKind(
    number=authority.DEVICE,
    name="device",
    label="设备",
    root=Root.STAFF,
    home="staff",
    fields=(
        link(1, "staff", "领用人", "staff", required=True),
        text(2, "name", "设备名", limit=60),
        plain(Type.BYTES, 3, "transport_key", "传输公钥", limit=32, merge=Merge.ONCE),
        link(4, "workplace", "工作处", "area", required=True),
        plain(Type.COUNT, 5, "build", "程序版本号"),
        plain(Type.BYTES, 6, "vault", "工作库编号", limit=16),
    ),
)

SIGNER = RecordKind(
    number=authority.SIGNER,
    name="signer",
    label="签名钥",
    root=Root.STAFF,
    home="staff",
    fields=(
        link(authority.SIGNER_STAFF, "staff", "签名人", "staff", required=True),
        plain(Type.BYTES, authority.SIGNER_CHAIN, "chain", "链编号", required=True, limit=16),
        plain(Type.COUNT, 3, "algorithm", "算法", required=True, limit=15),
        plain(Type.BYTES, 4, "public_key", "签名公钥", required=True, limit=32),
        plain(Type.BYTES, 5, "box_key", "加密公钥", limit=32),
        link(6, "device", "设备", "device"),
        plain(Type.COUNT, 7, "last_seq", "最后一条有效记录"),
        text(8, "ended_for", "停用缘由", limit=100),
    ),
)
