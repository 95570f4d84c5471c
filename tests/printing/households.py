"""Fictional households for the tests of printing and for its benchmark: prefix 99, phones beginning 100."""

from __future__ import annotations

from app.ledger import card
from app.printing.archive_sheet import (
    ArchiveSheet,
    Contact,
    Guarantee,
    Household,
    Income,
    Measure,
    Member,
    Paper,
    Stamp,
    Version,
)

SEED = bytes(range(32))
STAMP = Stamp(
    printed_ms=1_795_224_720_000,
    printed_by="韦测一",
    unit="云台镇防返贫工作站",
    device="a1b2c3d4",
    demo=True,
    watermark=True,
)
RARE_NAMES = ("𬱖清", "㐂𠅤", "䶮", "买买提·阿不都热依木", "阿依古丽·买买提明", "赵堃煊", "𫘦骁")
"""Names with characters of extensions A, B, E and F and with the middle dot."""

ILLNESS = "长期慢性病"


def card_number(place: int) -> str:
    digits = ""
    for _ in range(12):
        place, digit = divmod(place * 7 + 5, 32)
        digits = card.ALPHABET[digit] + digits
    return "K7Q2" + digits


def members(count: int) -> tuple[Member, ...]:
    relations = ("户主", "配偶", "之子", "之女", "之父", "之母", "之孙子", "之儿媳")
    return tuple(
        Member(
            name=RARE_NAMES[place % len(RARE_NAMES)] if place % 3 == 2 else ("陈大山", "莫平丽")[place % 2],
            relation=relations[place % len(relations)],
            gender=("男", "女")[place % 2],
            birth=("1974-10-28", "1972-02-18", "2006-08-20", "2019-05-01")[place % 4],
            identity=("9901****4134", "9901****7022", "9901****4085", "")[place % 4],
            ethnicity=("壮族", "汉族", "维吾尔族")[place % 3],
            education=("小学", "初中", "高中在读", "幼儿园")[place % 4],
            health=("健康", ILLNESS, "残疾", "健康")[place % 4],
            labour_skill=("普通劳动力", "弱劳动力或半劳动力", "技能劳动力", "无劳动力")[place % 4],
            work_place=("", "省外", "省内县外", "")[place % 4],
            insurance=("医保 养老", "医保 大病 养老", "医保", "医保")[place % 4],
        )
        for place in range(count)
    )


def sheet(
    place: int = 1,
    version: Version = Version.WORK,
    member_count: int = 4,
    *,
    group: str = "二组",
    long: str = "",
) -> ArchiveSheet:
    number = card_number(place)
    payload = card.sign(card.Card(county="990101", key=1, number=number, day="2026-11-02"), SEED)
    people = members(member_count)
    return ArchiveSheet(
        version=version,
        household=Household(
            county="云岭县",
            township="云台镇",
            village="上坝村",
            group=group,
            head=people[0].name if people else RARE_NAMES[0],
            number=f"99010100011{place:05d}",
            natural_village="下寨",
            address=f"下寨 {place} 号" + long,
            member_count=member_count,
            kind="脱贫户（享受政策）",
            category="脱贫不稳定户",
            risks=("因病", "因学"),
            identified="2023-04",
            phone="100****6917",
            grid="上坝村第三网格",
            grid_worker=Contact(name="韦测一", unit="上坝村", phone="0876-2120001"),
            helper=Contact(name="李测试", unit="云岭县农业农村局", phone="10012340000"),
        ),
        code=payload,
        card_number=number,
        members=people,
        guarantees=(
            Guarantee(name="义务教育", met=1, grade="无辍学", day="2026-09-10"),
            Guarantee(name="基本医疗", met=1, grade="全家参保", day="2026-03-01"),
            Guarantee(name="住房安全", met=1, grade="B 级", day="2025-11-20"),
            Guarantee(name="饮水安全", met=0, grade="水量不足，季节性缺水", day="2026-10-08"),
            Guarantee(name="养老保险", met=2),
            Guarantee(name="兜底保障", met=1, grade="农村低保 C 类", day="2026-01-01"),
            Guarantee(name="残疾补贴"),
        ),
        income=Income(
            period="2025-10 至 2026-09",
            wage=2_565_835,
            business=732_303,
            property=81_386,
            transfer=891_266,
            expense=120_000,
            net=4_270_790,
            per_head=1_067_697,
            earlier=((2023, 912_000), (2024, 980_050), (2025, 1_020_000)),
        ),
        measures=(
            Measure(name="公益性岗位", content="村保洁员", amount=960_000, who="莫平丽", day="2026-01"),
            Measure(name="雨露计划", content="职业教育补助" + long, amount=300_000, who="陈大山", day="2026-09"),
            Measure(
                name="产业奖补",
                content="养牛 2 头，经办人电话 10012345678，证件 990101197410284134",
                day="2026-05",
            ),
        ),
        papers=tuple(
            Paper(number=f"{number_:02d}", title=title, present=place_ % 4 != 3)
            for place_, (number_, title) in enumerate(
                (
                    (1, "户基本信息表"),
                    (2, "身份证、户口簿复印件"),
                    (3, "申请及承诺授权查询书"),
                    (4, "信息采集表"),
                    (5, "入户核实表"),
                    (6, "信息比对结果反馈表"),
                    (7, "民主评议会议记录"),
                    (8, "公示、公告及照片"),
                    (9, "审核审批表"),
                    (10, "收入测算表"),
                    (13, "一户一策帮扶计划"),
                    (15, "入户走访记录"),
                )
            )
        ),
        act="3f2a9c0d1e2b4455667788990011223344556677889900112233445566778899",
    )
