"""What may be typed into a field, and what a form makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.errors import InputProblem
from app.models.fields import Field, Type, Value, code, codes, link, long_text, plain, text
from app.models.records.registry import KINDS
from app.models.rules import pinyin
from app.views.parts import wording
from app.views.parts.editors import ChoiceEditor, LineEditor, YesNoEditor, editor
from app.views.parts.form import HIDDEN, RecordForm

DATE = plain(Type.DATE, 1, "day", "日期")
MONTH = plain(Type.MONTH, 2, "month", "月份")
MONEY = plain(Type.MONEY, 3, "money", "收入", limit=100_000_000_00)
AREA = plain(Type.AREA, 4, "area", "面积")
COUNT = plain(Type.COUNT, 5, "count", "人数", limit=99)
NAME = text(6, "name", "姓名", required=True, limit=50)
RELATION = code(7, "relation", "关系", "relation")
TAGS = codes(8, "tags", "标签", "household_tag")
YES = plain(Type.YES_NO, 9, "yes", "是否")
NOTE = long_text(10, "note", "备注", limit=500)
HEAD = link(11, "head", "户主", "member")
FIELDS = (DATE, MONTH, MONEY, AREA, COUNT, NAME, RELATION, TAGS, YES, NOTE, HEAD)


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        (DATE, "2026-01-31", "2026-01-31"),
        (DATE, "2026.1.5", "2026-01-05"),
        (DATE, "２０２６/1/5", "2026-01-05"),
        (DATE, "2026年1月5日", "2026-01-05"),
        (DATE, "20260105", "2026-01-05"),
        (MONTH, "2026年3月", "2026-03"),
        (MONTH, "202603", "2026-03"),
        (MONEY, "1,234.5", 123450),
        (MONEY, "0", 0),
        (AREA, "3.25", 325),
        (COUNT, " 4 ", 4),
        (NAME, " 𬱖测一 ", "𬱖测一"),
        (NAME, "  ", None),
        (NOTE, "一\n二", "一\n二"),
    ],
)
def test_many_forms_are_read_as_one(field: Field, typed: str, value: Value) -> None:
    assert wording.read(field, typed) == value


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        (DATE, "2026-02-30", "no-such-date"),
        (DATE, "昨天", "bad-date"),
        (DATE, "26-1-5", "bad-date"),
        (MONTH, "2026-13", "bad-month"),
        (MONEY, "一万", "bad-number"),
        (MONEY, "1.234", "too-many-decimals"),
        (COUNT, "3.5", "bad-number"),
        (COUNT, "100", "number-out-of-range"),
        (COUNT, "1e3", "bad-number"),
    ],
)
def test_what_cannot_be_read_is_refused_and_never_guessed(field: Field, typed: str, problem: str) -> None:
    with pytest.raises(InputProblem) as refused:
        wording.read(field, typed)
    assert refused.value.code == problem


@given(st.dates().map(lambda day: day.isoformat()), st.integers(0, 10**9), st.integers(0, 99))
def test_what_is_shown_for_editing_is_read_back(day: str, hundredths: int, count: int) -> None:
    for field, value in (
        (DATE, day),
        (MONTH, day[:7]),
        (MONEY, hundredths),
        (AREA, hundredths),
        (COUNT, count),
    ):
        assert wording.read(field, wording.typed(field, value)) == value


def test_moments_are_said_as_people_say_them() -> None:
    noon = 1_795_233_600_000  # 2026-11-21 12:00 in Shanghai
    day = 24 * 3600 * 1000
    assert wording.today(noon) == "2026-11-21"
    assert wording.moment(noon - 3600_000, noon) == "11:00"
    assert wording.moment(noon - day, noon) == "昨天 12:00"
    assert wording.moment(noon - 30 * day, noon) == "10-22 12:00"
    assert wording.moment(noon - 365 * day, noon) == "2025-11-21 12:00"


def test_a_form_keeps_every_kind_of_value(dressed: QApplication, qtbot: QtBot) -> None:
    member = b"m" * 16
    form = RecordForm(FIELDS, links={"head": [(member, "韦测一")]})
    qtbot.addWidget(form)
    values: dict[str, Value] = {
        "day": "2026-01-31",
        "month": "2026-01",
        "money": 123450,
        "area": 325,
        "count": 0,
        "name": "韦测一",
        "relation": "01",
        "tags": ("DIBAO", "A_NEWER_ONE"),
        "yes": 2,
        "note": "一\n二",
        "head": member,
    }
    relation = form.editors["relation"]
    assert isinstance(relation, ChoiceEditor)
    values["relation"] = str(relation._keys[1])
    form.show_values(values)
    assert form.values() == values
    assert form.changes() == {}
    form.show_values({})
    assert set(form.values().values()) == {None}
    assert not form.check()
    assert form.boxes["name"].error


def test_a_form_says_only_what_the_person_changed(dressed: QApplication, qtbot: QtBot) -> None:
    form = RecordForm(FIELDS)
    qtbot.addWidget(form)
    form.show()
    form.activateWindow()
    qtbot.waitUntil(form.isActiveWindow)
    changed: list[str] = []
    form.changed.connect(changed.append)
    form.show_values({"name": "韦测一", "count": 3})
    assert changed == []
    count = form.editors["count"]
    assert isinstance(count, LineEditor)
    count.line.setFocus()
    count.line.selectAll()
    QTest.keyClicks(count.line, "x")
    QTest.keyClick(count.line, Qt.Key.Key_Tab)
    assert form.boxes["count"].error
    assert form.touched()
    count.line.clear()
    QTest.keyClicks(count.line, "4")
    assert not form.boxes["count"].error
    assert form.changes() == {"count": 4}
    assert set(changed) == {"count"}


def test_yes_no_unknown_by_keyboard(dressed: QApplication, qtbot: QtBot) -> None:
    inner = YesNoEditor("是否危房户")
    qtbot.addWidget(inner)
    inner.show()
    assert inner.value() is None
    QTest.keyClick(inner.buttons[0], Qt.Key.Key_Space)
    assert inner.value() == 1
    QTest.keyClick(inner.buttons[0], Qt.Key.Key_Right)
    assert inner.value() == 0
    QTest.keyClick(inner.buttons[1], Qt.Key.Key_Right)
    assert inner.value() == 2
    QTest.keyClick(inner.buttons[2], Qt.Key.Key_Delete)
    assert inner.value() is None


def test_a_choice_is_found_by_a_part_and_never_made_up(dressed: QApplication, qtbot: QtBot) -> None:
    inner = ChoiceEditor(
        [(1, "配偶"), (2, "之子"), (3, "之女")],
        name="关系",
        initials=pinyin.initials,
    )
    qtbot.addWidget(inner)
    inner.line.setText("p")
    assert inner.key() == 1
    inner.line.setText("z")
    with pytest.raises(InputProblem):
        inner.key()
    inner.line.setText("之女")
    assert inner.key() == 3
    inner.line.setText("之")
    with pytest.raises(InputProblem):
        inner.key()
    inner.line.setText("")
    assert inner.key() is None


def test_every_declared_field_has_an_editor(dressed: QApplication, qtbot: QtBot) -> None:
    for kind in KINDS:
        for field in kind.fields:
            if field.type not in HIDDEN:
                inner = editor(field)
                qtbot.addWidget(inner)
                inner.show_value(None)
                assert inner.value() is None
