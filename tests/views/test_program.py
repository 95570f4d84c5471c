"""The whole program, from the enrolment code to the receipt and back to the door, with a county on the line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import config
from app.main import Program
from app.views.background import Background
from app.views.enrol import EnrolCard
from app.views.page import Destination
from app.views.unlock import UnlockCard
from app.views.upload_page import UploadPage
from app.views.workplaces import WorkplacesCard
from tests.county_simulator import SimulatedCounty, serving
from tests.views.looking import photograph

PASSWORD = "one foot, then the other"


@dataclass
class Computer:
    """One laptop: its folder, and the programs that ran on it."""

    application: QApplication
    home: Path
    restarts: list[int] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    def start(self) -> Program:
        program = Program(
            self.application,
            self.home,
            Background.with_threads(),
            restart=lambda: self.restarts.append(len(self.programs)),
        )
        self.programs.append(program)
        program.start()
        return program


@pytest.fixture
def computer(dressed: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Computer]:
    monkeypatch.setattr(dressed, "quit", lambda: None)
    laptop = Computer(application=dressed, home=tmp_path / "home")
    yield laptop
    for program in laptop.programs:
        program.end()
        for window in (program.card, program.window):
            if window is not None:
                window.hide()
                window.deleteLater()


@pytest.fixture
def county() -> Iterator[tuple[SimulatedCounty, str]]:
    simulated = SimulatedCounty()
    with serving(simulated) as base:
        yield simulated, base


def enrol(program: Program, code: str, qtbot: QtBot) -> None:
    card = program.card
    assert isinstance(card, EnrolCard)
    card.code.setPlainText(code)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: card.first.isVisible(), timeout=10_000)
    QTest.keyClicks(card.first, PASSWORD)
    QTest.keyClicks(card.second, PASSWORD)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: program.window is not None, timeout=60_000)


def test_from_the_code_to_the_window_and_back(
    computer: Computer, county: tuple[SimulatedCounty, str], qtbot: QtBot
) -> None:
    simulated, base = county
    program = computer.start()
    card = program.card
    assert isinstance(card, EnrolCard)
    card.code.setPlainText("HUDANG1-NONSENSE")
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(card.code_box.error), timeout=10_000)
    enrol(program, simulated.invite(base), qtbot)
    window = program.window
    assert window is not None
    assert window.demo.isVisible()
    for key in ("households", "print", "upload", "log", "settings"):
        window.go(Destination(key=key))
        qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=20_000)
    window.go(Destination(key="upload"))
    upload = window.page
    assert isinstance(upload, UploadPage)
    QTest.keyClick(upload.start, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not upload.running, timeout=20_000)
    qtbot.waitUntil(lambda: upload.headline.text().startswith("全部已上报"), timeout=20_000)
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)

    again = computer.start()
    door = again.card
    assert isinstance(door, UnlockCard)
    assert len(config.workplaces(computer.home)) == 1
    door.other_workplace.emit()
    other = again.card
    assert isinstance(other, WorkplacesCard)
    photograph(other, "workplaces")
    next(iter(other.buttons.values())).click()
    door = again.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, "not the right words")
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(door.password_box.error), timeout=20_000)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: again.window is not None, timeout=20_000)
    assert again.window is not None
    assert again.window.pending.text() in ("", "已全部上报")
