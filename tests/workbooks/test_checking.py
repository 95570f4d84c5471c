"""Rows among each other: repetitions, numbers used twice, households that are whole or not."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Generator
from itertools import groupby

import pytest

from app.models.fields import Type, plain
from app.models.records.households import HOUSEHOLD, MEMBER
from app.progress import Progress, Steps
from app.workbooks.checking import reading_steps
from app.workbooks.register import Register, Severity
from tests.workbooks.conftest import HEADINGS, TODAY, Row, Write, number_of, person

Read = Callable[..., Register]


def told(register: Register) -> dict[int, list[tuple[str, str, str]]]:
    """Row -> (column, code, severity) of its faults."""
    faults = groupby(register.faults, key=lambda fault: fault.row)
    return {row: [(fault.column, fault.code, fault.severity.value) for fault in group] for row, group in faults}


def went_in(register: Register) -> dict[str, list[int]]:
    """Number of the household -> rows of its members."""
    return {
        str(household.values["household_no"])[-1]: [member.row for member in household.members]
        for household in register.households
    }


def test_a_refused_row_leaves_its_household_and_a_refused_head_takes_it_along(read: Read) -> None:
    register = read(
        [
            person(1),
            person(1, 1, 姓名=None),
            person(1, 2, 健康状况="好"),
            person(2, 证件号码="990101198503120011"),
            person(2, 1),
            person(3, 人均纯收入="无"),
            person(4, 户编号=None),
            person(5, 行政村=None),
            person(6, 人编号=None, 证件号码=None),
            person(7, 人编号=None),
            person(8, 证件号码=None, 证件类型=None),
        ]
    )
    assert went_in(register) == {"1": [4], "7": [13], "8": [14]}
    assert told(register) == {
        5: [("姓名", "cell-missing", "refuse")],
        6: [("健康状况", "not-in-list", "refuse")],
        7: [("证件号码", "identity-check-digit", "refuse")],
        9: [("人均纯收入", "not-a-number", "refuse")],
        10: [("户编号", "cell-missing", "refuse")],
        11: [("行政村", "cell-missing", "refuse")],
        12: [("证件号码", "person-without-key", "refuse")],
    }
    assert [(row.row, row.state.value) for row in register.corrections] == [
        (4, "taken"), (5, "refused"), (6, "refused"), (7, "refused"), (8, "held"), (9, "refused"), (10, "refused"),
        (11, "refused"), (12, "refused"),
    ]  # fmt: skip
    assert (register.rows_read, register.rows_refused, register.rows_held) == (11, 7, 1)


def test_heads(read: Read) -> None:
    register = read(
        [
            person(1, 与户主关系="其他"),
            person(1, 1),
            person(2),
            person(2, 1, 与户主关系="户主"),
            person(2, 2),
            person(3),
            person(3, 1, 与户主关系="户主", 证件号码="990101198503120011"),
        ]
    )
    assert register.households == ()
    assert register.households_held == 3
    codes = {row: [code for _, code, _ in faults] for row, faults in told(register).items()}
    assert codes == {
        4: ["no-head"],
        5: ["no-head"],
        6: ["several-heads"],
        7: ["several-heads"],
        9: ["several-heads"],
        10: ["identity-check-digit", "several-heads"],
    }


def test_repetitions(read: Read) -> None:
    register = read([person(1), person(1, 1), person(2), person(1, 1), person(1, 1, 姓名=" 韦测二 "), person(2)])
    assert went_in(register) == {"1": [4, 5], "2": [6]}
    assert {row: [code for _, code, _ in faults] for row, faults in told(register).items()} == {
        5: ["row-repeated-below", "row-repeated-below"],
        6: ["row-repeated-below"],
        7: ["row-repeated"],
        8: ["row-repeated"],
        9: ["row-repeated"],
    }


def test_one_number_twice(read: Read) -> None:
    number = number_of(20)
    register = read(
        [
            person(1),
            person(2, 1, 证件号码=number, 与户主关系="户主"),
            person(3),
            person(3, 1, 证件号码=number_of(60), 性别="女", 与户主关系="之女"),
            person(4, 人编号="99"),
            person(5, 人编号="99"),
            person(6),
            person(6, 1, 证件类型="残疾人证", 证件号码=number_of(120) + "43"),
        ]
    )
    assert went_in(register) == {"3": [6]}
    assert told(register) == {
        4: [("证件号码", "number-twice", "refuse")],
        5: [("证件号码", "number-twice", "refuse")],
        6: [("证件号码", "number-twice-kept", "notice")],
        7: [("性别", "gender-against-number", "refuse"), ("证件号码", "number-twice", "refuse")],
        8: [("人编号", "number-twice", "refuse")],
        9: [("人编号", "number-twice", "refuse")],
        10: [("证件号码", "number-twice", "refuse")],
        11: [("证件号码", "number-twice", "refuse")],
    }


def test_what_the_rows_of_a_household_say_of_it(read: Read) -> None:
    register = read(
        [
            person(1, 联系电话=None, 人数=3),
            person(1, 1, 人数=None),
            person(1, 2, 联系电话="10012345679"),
            person(2, 户类型="脱贫户（享受政策）"),
            person(2, 1),
            person(3, 组=None),
            person(4),
            person(4, 1, 行政村="下坝村"),
            person(5, 人数=3),
            person(5, 1, 人数=3, 人均纯收入=None),
            person(6, 组=None),
            person(6, 1, 组="三组"),
        ]
    )
    assert went_in(register) == {"1": [4, 5, 6], "5": [12, 13], "6": [14, 15]}
    first, fifth, sixth = register.households
    assert first.values["member_count"] == 3
    assert "contact_phone" not in first.values
    assert "member_count" not in fifth.values
    assert fifth.values["income_per_head"] == 1_067_697
    assert sixth.values["villager_group"] == "三组"
    assert told(register) == {
        5: [("联系电话", "cells-differ", "omit")],
        6: [("联系电话", "cells-differ", "omit")],
        7: [("户类型", "cells-differ", "refuse")],
        8: [("户类型", "cells-differ", "refuse")],
        9: [("组", "cell-missing", "refuse")],
        10: [("行政村", "household-two-places", "refuse")],
        11: [("行政村", "household-two-places", "refuse")],
        12: [("人数", "member-count", "omit")],
        13: [("人数", "member-count", "omit")],
    }


def test_spouses_are_doubts_that_go_in(read: Read) -> None:
    register = read([person(1), person(1, 1, 与户主关系="配偶")])
    assert went_in(register) == {"1": [4, 5]}
    assert told(register) == {5: [("性别", "spouse-gender", "notice")]}


def test_the_order_of_the_rows_decides_nothing(read: Read) -> None:
    rows = [person(household, place) for household in range(1, 8) for place in range(3)]
    rows[4]["证件号码"] = rows[9]["证件号码"]
    rows[10]["联系电话"] = "10000000000"
    rows[13]["与户主关系"] = "户主"
    rows[16]["姓名"] = None
    rows.append(dict(rows[19]))

    def outcome(register: Register) -> tuple[object, ...]:
        households = {
            (str(one.values), frozenset(str(sorted(m.values.items(), key=str)) for m in one.members))
            for one in register.households
        }
        return households, register.rows_refused, sorted(fault.code for fault in register.faults)

    expected = outcome(read(rows))
    chance = random.Random(5)
    for _ in range(3):
        chance.shuffle(rows)
        assert outcome(read(rows)) == expected


def finish(steps: Steps[Register]) -> Register:
    """What the steps lead to."""

    def drive() -> Generator[Progress, None, None]:
        results.append((yield from steps))

    results: list[Register] = []
    assert all(isinstance(step, Progress) for step in drive())
    return results[0]


@pytest.mark.parametrize(
    ("type_", "cell", "value"), [(Type.AREA, 12.5, 1250), (Type.TEXT, "ＡＢ１", "AB1"), (Type.YES_NO, "是", 1)]
)
def test_a_declared_column_is_imported_by_itself(write: Write, type_: Type, cell: object, value: object) -> None:
    """Adding a field to a kind is one declaration."""
    forest = plain(type_, 9_999, "forest", "林地面积", columns=("林地面积（亩）",))
    school = plain(type_, 9_999, "school", "学校", columns=("学校",))
    household = dataclasses.replace(HOUSEHOLD, fields=(*HOUSEHOLD.fields, forest))
    member = dataclasses.replace(MEMBER, fields=(*MEMBER.fields, school))
    row: Row = person(1) | {"林地面积（亩）": cell, "学校": cell}
    path = write([row], headings=(*HEADINGS, "林地面积（亩）", "学校"))
    register = finish(reading_steps(path, True, TODAY, household=household, member=member))
    assert register.households[0].values["forest"] == value
    assert register.households[0].head.values["school"] == value
    unknown = finish(reading_steps(path, True, TODAY))
    assert [fault.column for fault in unknown.faults] == ["林地面积（亩）", "学校"]
    assert {(fault.code, fault.severity) for fault in unknown.faults} == {("column-unknown", Severity.NOTICE)}
