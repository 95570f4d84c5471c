"""From cells to values, type by type: what loses nothing is done and told, the rest is refused."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.fields import RecordKind, Root, Type, Value, plain
from app.models.records.households import HOUSEHOLD, MEMBER
from app.workbooks import mapping
from app.workbooks.register import Cell, Odd

KINDS = {"household": HOUSEHOLD, "member": MEMBER}


def take(place: str, cell: Cell) -> tuple[Value, tuple[str, ...]] | str:
    """Value and what was told, or the code of the refusal."""
    kind, _, name = place.partition(".")
    taken = mapping.take_cell(kind, KINDS[kind].field(name), cell)
    return taken.problem.code if taken.problem else (taken.value, taken.told)


@pytest.mark.parametrize(
    ("place", "cell", "expected"),
    [
        ("member.name", " 陆\u3000昌华 ", ("陆昌华", ("form-normalised",))),
        ("member.name", "黎平芳\u200b\u202e", ("黎平芳", ("invisible-removed",))),
        ("member.name", "𠮷测一", ("𠮷测一", ())),
        ("member.name", '=HYPERLINK("x")', ('=HYPERLINK("x")', ("formula-like-text",))),
        ("member.name", True, "not-text"),
        ("member.name", "韦" * 51, "text-too-long"),
        ("member.name", " ", (None, ())),
        ("member.remarks", "'=1+1", ("'=1+1", ("formula-like-text",))),
        ("member.remarks", "一\r\n二", ("一\n二", ())),
        ("member.remarks", "字" * 32_000, "text-too-long"),
        ("member.cert_no", "９９０１０１１９８５０３１２００１０", ("990101198503120010", ("width-normalised",))),
        ("member.cert_no", "990108 20140621 302x", ("99010820140621302X", ("form-normalised",))),
        ("member.cert_no", 9.90103199006167e17, "lost-digits"),
        ("member.cert_no", Odd.ERROR, "cell-error"),
        ("member.cert_no", Odd.DURATION, "cell-duration"),
        ("household.contact_phone", 10012345678.0, ("10012345678", ("typed-as-number",))),
        ("household.contact_phone", 1001234.5, "number-in-text"),
        ("household.villager_group", date(2026, 3, 5), "date-in-text"),
        ("household.villager_group", 3.0, ("3", ("typed-as-number",))),
        ("household.villager_group", "３组", ("３组", ())),
        ("member.gender", "男", ("1", ())),
        ("member.gender", " 男 ", ("1", ())),
        ("member.gender", "男性", "not-in-list"),
        ("member.gender", 1.0, "not-in-list"),
        ("household.household_type", "脱贫户(享受政策)", "not-in-list"),
        ("member.health", "残疾,患有大病", (("DISABLED", "CRITICAL"), ())),
        ("member.health", "残疾、患有大病", (("DISABLED", "CRITICAL"), ())),
        ("member.health", "残疾,", "not-in-list"),
        ("member.health", "残疾,残疾", "bad-code"),
        ("household.water_safe", "是", (1, ())),
        ("household.water_safe", "否", (0, ())),
        ("household.water_safe", None, (None, ())),
        ("household.water_safe", "Y", "not-yes-no"),
        ("household.water_safe", True, "not-yes-no"),
        ("household.member_count", 4.0, (4, ())),
        ("household.member_count", "４", (4, ("width-normalised",))),
        ("household.member_count", 4.5, "not-whole"),
        ("household.member_count", 100.0, "number-out-of-range"),
        ("household.member_count", -1.0, "number-out-of-range"),
        ("household.income_per_head", 10676.97, (1_067_697, ())),
        ("household.income_per_head", 0.1 + 0.2, (30, ())),
        ("household.income_per_head", 10676.975, "too-many-decimals"),
        ("household.income_per_head", "１２００", (120_000, ("width-normalised",))),
        ("household.income_per_head", "1,200.5", (120_050, ())),
        ("household.income_per_head", "1,2万", "not-a-number"),
        ("household.income_per_head", "12,00", "not-a-number"),
        ("household.income_per_head", "无", "not-a-number"),
        ("household.income_per_head", "1e3", "not-a-number"),
        ("household.income_per_head", -350.0, "number-out-of-range"),
        ("household.income_per_head", 1e12, "number-out-of-range"),
        ("household.income_per_head", 1e300, "number-out-of-range"),
        ("household.income_business", -350.0, (-35_000, ())),
        ("household.area_cultivated", 2.45, (245, ())),
        ("household.area_cultivated", 2.455, "too-many-decimals"),
        ("household.identified_month", 202303.0, ("2023-03", ())),
        ("household.identified_month", "2023年3月", ("2023-03", ())),
        ("household.identified_month", "2023-3", ("2023-03", ())),
        ("household.identified_month", "20233", "not-a-month"),
        ("household.identified_month", 202313.0, "not-a-month"),
        ("household.identified_month", date(2023, 3, 2), "not-a-month"),
        ("member.birth_date", "2024-2-30", "no-such-date"),
        ("member.birth_date", "1985.3.12", ("1985-03-12", ())),
        ("member.birth_date", 19850312.0, ("1985-03-12", ())),
        ("member.birth_date", date(1985, 3, 12), ("1985-03-12", ())),
        ("member.birth_date", datetime(1985, 3, 12, 8), "not-a-date"),  # noqa: DTZ001 - a cell has no zone
        ("member.birth_date", 31118.0, ("1985-03-12", ("serial-date",))),
        ("member.birth_date", 60.0, "not-a-date"),
        ("member.birth_date", "七〇年", "not-a-date"),
        ("member.birth_date", "85-3-12", "not-a-date"),
    ],
)
def test_cells(place: str, cell: Cell, expected: tuple[Value, tuple[str, ...]] | str) -> None:
    assert take(place, cell) == expected


@given(
    st.sampled_from([(kind, field) for kind in (HOUSEHOLD, MEMBER) for field in kind.fields if field.columns]),
    st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.dates(),
)
def test_whatever_a_cell_holds_gives_a_value_of_the_field_or_a_reason(
    place: tuple[RecordKind, object], cell: Cell
) -> None:
    kind, field = place
    assert not isinstance(field, str)
    taken = mapping.take_cell(kind.name, field, cell)  # type: ignore[arg-type]
    if taken.problem is None:
        field.check(taken.value)  # type: ignore[attr-defined]


def test_headings_are_matched_whatever_their_width_and_spaces() -> None:
    known = mapping.known_headings((HOUSEHOLD, MEMBER))
    columns, faults = mapping.match_columns(
        ("*户 编号", "人均纯收入(元)", "乡（镇）", None, "心愿", "原因", "户主姓名", "姓名"), known, 3
    )
    assert {column.heading: column.meaning for column in columns} == {
        "*户 编号": "household.household_no",
        "人均纯收入(元)": "household.income_per_head",
        "乡（镇）": "area.township",
        "心愿": "",
        "原因": "",
        "户主姓名": "",
        "姓名": "member.name",
    }
    assert [(fault.column, fault.code) for fault in faults] == [
        ("心愿", "column-unknown"),
        ("户主姓名", "column-not-used"),
    ]
    assert [column.number for column in columns] == [0, 1, 2, 4, 5, 6, 7]


def test_two_declarations_may_not_claim_one_heading() -> None:
    def kind(name: str, type_: Type) -> RecordKind:
        field = plain(type_, 1, "x", "x", columns=("林地",))
        return RecordKind(number=1, name=name, label=name, root=Root.HOUSEHOLD, fields=(field,))

    with pytest.raises(ValueError, match="林地"):
        mapping.known_headings((kind("a", Type.TEXT), kind("b", Type.TEXT)))
    with pytest.raises(ValueError, match="bytes"):
        mapping.known_headings((kind("a", Type.BYTES),))
