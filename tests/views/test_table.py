"""Tables: pages on demand, the newest query wins, columns are remembered, the keyboard is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.errors import VaultProblem
from app.views.background import Background
from app.views.parts.table import KEPT, PAGE, Column, PagedModel, PagedTable, Slice

COLUMNS: list[Column[int]] = [
    Column(name="number", title="号", text=str, width=80, order="number", right=True),
    Column(name="double", title="两倍", text=lambda row: str(2 * row), width=0),
    Column(
        name="mark",
        title="类",
        text=lambda row: "",
        width=160,
        chips=lambda row: [("低保", "plain")] * (row % 4),
    ),
]


class Numbers:
    """A query over whole numbers that keeps what it was asked for."""

    def __init__(self, total: int, start: int = 0) -> None:
        self.total = total
        self.start = start
        self.asked: list[int] = []

    def __call__(self, offset: int, limit: int) -> Slice[int]:
        self.asked.append(offset)
        last = min(self.total, offset + limit)
        return Slice(total=self.total, rows=[self.start + number for number in range(offset, last)])


def model_of(background: Background, read: Callable[[int, int], Slice[int]]) -> PagedModel[int]:
    model = PagedModel(background.desk, COLUMNS, lambda row: row)
    model.show(read)
    return model


def test_only_what_is_looked_at_is_read(at_once: Background, qtbot: QtBot) -> None:
    numbers = Numbers(100_000)
    table = PagedTable(model_of(at_once, numbers), name="test")
    qtbot.addWidget(table)
    table.resize(600, 400)
    table.show()
    QApplication.processEvents()
    assert numbers.asked == [0]
    table.scrollToBottom()
    table.repaint()
    QApplication.processEvents()
    assert numbers.asked == [0, 100_000 - PAGE]
    assert table.rows.row(99_999) == 99_999
    for page in range(2 * KEPT):
        table.rows.data(table.rows.index(page * PAGE, 0))
    assert len(table.rows._pages) <= KEPT + 1


def test_the_model_keeps_the_rules_of_qt(at_once: Background, qtbot: QtBot) -> None:
    model = model_of(at_once, Numbers(1000))
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    model.show(Numbers(3))
    model.show(Numbers(0))
    model.show(Numbers(450))
    assert tester is not None
    assert model.rowCount() == 450


def test_the_newest_query_wins(qtbot: QtBot, dressed: QApplication) -> None:
    background = Background.with_threads()
    try:
        model = PagedModel(background.desk, COLUMNS, lambda row: row)
        for total in range(1, 30):
            model.show(Numbers(total))
        qtbot.waitUntil(lambda: not background.desk.busy)
        assert model.rowCount() == 29
    finally:
        background.close()


def test_a_failing_query_is_told_and_keeps_the_old_rows(at_once: Background, qtbot: QtBot) -> None:
    model = model_of(at_once, Numbers(5))

    def broken(offset: int, limit: int) -> Slice[int]:
        raise VaultProblem("disk-error", number=5)

    with qtbot.waitSignal(model.failed) as failed:
        model.show(broken)
    assert isinstance(failed.args[0], VaultProblem)
    assert model.rowCount() == 5


def test_the_current_row_stays_current(at_once: Background, qtbot: QtBot) -> None:
    table = PagedTable(model_of(at_once, Numbers(50)), name="test")
    qtbot.addWidget(table)
    table.selectRow(20)
    table.rows.show(Numbers(50, start=10))
    assert table.record() == 20
    with qtbot.waitSignal(table.moved) as moved:
        table.rows.show(Numbers(5, start=900))
    assert moved.args == [None]


def test_the_keyboard_is_enough(at_once: Background, qtbot: QtBot) -> None:
    table = PagedTable(model_of(at_once, Numbers(50)), name="test")
    qtbot.addWidget(table)
    table.show()
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.opened) as opened:
        QTest.keyClick(table, Qt.Key.Key_Return)
    assert opened.args == [1]
    QTest.keyClick(table, Qt.Key.Key_End)
    assert table.record() == 49
    QTest.keyClick(table, Qt.Key.Key_Home)
    assert table.record() == 0
    with qtbot.waitSignal(table.typed) as typed:
        QTest.keyClicks(table, "w")
    assert typed.args == ["w"]


def test_columns_are_remembered(at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    table = PagedTable(model_of(at_once, Numbers(5)), name="test", settings=settings)
    qtbot.addWidget(table)
    table.setColumnWidth(0, 133)
    table._show_column(2, False)
    table.horizontalHeader().moveSection(1, 0)
    again = PagedTable(model_of(at_once, Numbers(5)), name="test", settings=settings)
    qtbot.addWidget(again)
    assert again.columnWidth(0) == 133
    assert again.isColumnHidden(2)
    assert again.horizontalHeader().visualIndex(1) == 0
    again._forget()
    assert (again.columnWidth(0), again.isColumnHidden(2)) == (80, False)


def test_a_heading_asks_the_query_for_order(at_once: Background, qtbot: QtBot) -> None:
    table = PagedTable(model_of(at_once, Numbers(5)), name="test")
    qtbot.addWidget(table)
    table.resize(600, 300)
    table.show()
    header = table.horizontalHeader()
    with qtbot.waitSignal(table.ordered) as ordered:
        place = QPoint(header.sectionViewportPosition(0) + 20, 10)
        QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert ordered.args == ["number", False]
    table._open_header_menu(QPoint(0, 0))
    menu = table.findChild(QMenu)
    assert menu is not None
    assert [action.text() for action in menu.actions()][:3] == ["号", "两倍", "类"]
    menu.close()
