"""Household and member: the file itself. Every column of the national full-field export is here (reference 3.3-3.11)."""

from __future__ import annotations

from app.models.fields import Merge, Privacy, RecordKind, Root, Type, code, codes, link, long_text, plain, text

C = Privacy.C
D = Privacy.D
A = Privacy.A
YUAN_LIMIT = 100_000_000_00  # fen

HOUSEHOLD = RecordKind(
    number=8,
    name="household",
    label="农户",
    root=Root.HOUSEHOLD,
    fields=(
        text(1, "household_no", "户编号", merge=Merge.ONCE, limit=32, columns=("户编号", "户号")),
        link(2, "village", "行政村", "area", privacy=A, required=True),
        link(3, "grid", "所属网格", "area"),
        text(4, "villager_group", "村民小组", privacy=A, required=True, limit=40, columns=("组", "村民小组", "组别")),
        text(5, "natural_village", "自然村", privacy=A, limit=40, columns=("自然村", "自然村（寨）", "寨")),
        text(6, "address_detail", "详细地址（门牌）", privacy=C, limit=100, columns=("详细地址", "家庭住址", "住址")),
        link(7, "head", "户主", "member", privacy=A),
        plain(Type.COUNT, 8, "member_count", "家庭人口数", privacy=A, limit=99, columns=("人数", "家庭人口数", "家庭人口")),
        code(9, "household_type", "户类型", "household_type", required=True, columns=("户类型",)),
        text(10, "contact_phone", "户联系电话", privacy=C, limit=20, columns=("联系电话", "户联系电话", "联系方式")),
        code(11, "contact_status", "联系状态", "contact_status"),
        code(12, "monitor_category", "监测对象类别", "monitor_category", columns=("监测对象类别",)),
        plain(Type.MONTH, 13, "identified_month", "识别监测时间", columns=("识别监测时间",)),
        code(14, "risk_1", "返贫致贫风险一", "risk", privacy=D, columns=("致贫/返贫风险1", "返贫致贫风险1")),
        code(15, "risk_2", "返贫致贫风险二", "risk", privacy=D, columns=("致贫/返贫风险2", "返贫致贫风险2")),
        plain(Type.YES_NO, 16, "house_dangerous", "是否危房户", columns=("是否危房户",)),
        plain(Type.YES_NO, 17, "water_safe", "是否解决安全饮用水", columns=("是否解决安全饮用水",)),
        plain(Type.YES_NO, 18, "is_relocated", "是否易地搬迁户", columns=("是否易地搬迁户",)),
        plain(
            Type.MONEY, 19, "income_per_head", "人均纯收入", limit=YUAN_LIMIT, columns=("人均纯收入（元）", "人均纯收入")
        ),
        plain(Type.MONEY, 20, "income_wage", "工资性收入", limit=YUAN_LIMIT, columns=("工资性收入",)),
        plain(Type.MONEY, 21, "income_business", "经营净收入", columns=("经营净收入", "生产经营性净收入")),
        plain(Type.MONEY, 22, "income_property", "财产净收入", limit=YUAN_LIMIT, columns=("财产净收入", "财产性收入")),
        plain(Type.MONEY, 23, "income_transfer", "转移性收入", limit=YUAN_LIMIT, columns=("转移性收入",)),
        plain(
            Type.AREA, 24, "area_cultivated", "耕地面积", limit=1_000_000, columns=("耕地面积（亩）", "耕地面积")
        ),
        text(25, "bank_name", "开户银行", privacy=D, limit=60, columns=("开户银行",)),
        text(26, "bank_account", "银行卡号", privacy=D, limit=32, columns=("银行卡号", "银行账号")),
        codes(27, "tags", "标签", "household_tag"),
        long_text(28, "remarks", "备注", limit=500),
    ),
)

MEMBER = RecordKind(
    number=9,
    name="member",
    label="家庭成员",
    root=Root.HOUSEHOLD,
    home="household",
    fields=(
        link(1, "household", "所在户", "household", required=True),
        text(2, "person_no", "人编号", merge=Merge.ONCE, limit=32, columns=("人编号", "人口编号")),
        text(3, "name", "姓名", privacy=C, required=True, limit=50, columns=("姓名", "户主姓名")),
        code(4, "gender", "性别", "gender", required=True, columns=("性别",)),
        code(5, "cert_type", "证件类型", "cert_type", privacy=C, columns=("证件类型",)),
        text(6, "cert_no", "证件号码", privacy=C, merge=Merge.ONCE, limit=22, columns=("证件号码", "身份证号", "身份证号码")),
        plain(Type.DATE, 7, "birth_date", "出生日期", privacy=C, columns=("出生日期", "出生年月日")),
        code(8, "relation", "与户主关系", "relation", required=True, columns=("与户主关系",)),
        code(9, "ethnicity", "民族", "ethnicity", columns=("民族",)),
        code(10, "political_status", "政治面貌", "political_status", privacy=C, columns=("政治面貌",)),
        code(11, "education", "文化程度", "education", columns=("文化程度",)),
        code(12, "school_status", "在校生状况", "school_status", columns=("在校生状况", "在校生情况")),
        codes(13, "health", "健康状况", "health", privacy=D, columns=("健康状况",)),
        code(14, "labour_skill", "劳动技能", "labour_skill", columns=("劳动技能", "劳动能力")),
        code(15, "work_place", "务工所在地", "work_place", columns=("务工所在地",)),
        plain(Type.COUNT, 16, "work_months", "务工时间（月）", limit=12, columns=("务工时间（月）", "务工时间")),
        plain(
            Type.YES_NO,
            17,
            "medical_insurance",
            "参加城乡居民基本医疗保险",
            columns=("是否参加城乡居民基本医疗保险", "是否参加城乡居民（农村合作）医疗保险"),
        ),
        plain(Type.YES_NO, 18, "illness_insurance", "参加大病保险", columns=("是否参加大病保险",)),
        plain(
            Type.YES_NO, 19, "pension_insurance", "参加城乡居民基本养老保险", columns=("是否参加城乡居民基本养老保险",)
        ),
        code(20, "dibao", "享受低保政策情况", "dibao", columns=("享受低保政策情况",)),
        plain(Type.YES_NO, 21, "risk_removed", "风险是否已消除", columns=("风险是否已消除",)),
        text(22, "phone", "本人电话", privacy=C, limit=20, columns=("本人电话", "家庭成员联系电话")),
        code(23, "status", "成员状态", "member_status", privacy=C),
        long_text(24, "remarks", "备注", limit=500, columns=("备注",)),
    ),
)
