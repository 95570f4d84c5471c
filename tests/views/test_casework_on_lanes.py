"""The same pages on real lanes: nothing asks the vault on the window's thread, nothing waits for ever."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.casework.desk import Desk
from app.views.background import Background
from app.views.dossier_page import DossierPage
from app.views.households_page import HouseholdsPage
from app.views.main_window import MainWindow, Place
from app.views.page import Destination, Page
from app.views.today_page import TodayPage
from app.views.visit_page import VisitPage
from tests import demo


@pytest.fixture
def far_desk(demo_vault: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose vault refuses the thread of the window."""
    folder = tmp_path / "vault"
    shutil.copytree(demo_vault, folder)
    main = threading.current_thread()
    desk = demo.open_desk(folder, forbid_thread=lambda: threading.current_thread() is main)
    yield desk
    desk.vault.lock()


@pytest.fixture
def window(qtbot: QtBot, dressed: QApplication, far_desk: Desk) -> Iterator[MainWindow]:
    lanes = Background.with_threads()
    pages: list[tuple[str, Page]] = [
        ("today", TodayPage(far_desk, lanes)),
        ("households", HouseholdsPage(far_desk, lanes)),
        ("dossier", DossierPage(far_desk, lanes)),
        ("visit", VisitPage(far_desk, lanes)),
    ]
    window = MainWindow([Place(key=k, title=p.title, icon="today", page=p) for k, p in pages], lanes)
    qtbot.addWidget(window)
    window.show()
    window.start()
    yield window
    window.hide()
    lanes.close()


def test_from_the_search_to_a_saved_visit(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.go(Destination(key="households"))
    page = window.page
    assert isinstance(page, HouseholdsPage)
    QTest.keyClicks(page.search, "wyf")
    QTest.keyClick(page.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.table.rows.rowCount() in (1, 2) or window.page is not page)
    if window.page is page:
        page.table.setFocus()
        QTest.keyClick(page.table, Qt.Key.Key_Return)
    dossier = window.page
    assert isinstance(dossier, DossierPage)
    qtbot.waitUntil(lambda: dossier.dossier is not None)
    household = dossier.household
    window.go(Destination(key="visit", id=household))
    visit = window.page
    assert isinstance(visit, VisitPage)
    qtbot.waitUntil(lambda: visit.draft is not None)
    picture = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((800, 600)).save(picture)
    visit.take_photos([picture])
    summary = visit.form.form_of("summary").editors["summary"]
    summary.text.insertPlainText("老人在家，身体稳定，屋顶已经补好，饮水正常。没有新困难。")  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: len(visit.photos.thumbs) == 1, timeout=20_000)
    qtbot.waitUntil(lambda: visit.draft is not None and visit.draft.saved_at is not None)
    visit.save()
    qtbot.waitUntil(lambda: window.page is dossier)
    qtbot.waitUntil(lambda: dossier.dossier is not None and len(dossier.dossier.visits) == 1)
    assert dossier.dossier is not None
    assert dossier.dossier.row.visits == 1
    assert len(dossier.dossier.photos) == 1
    window.go(Destination(key="today"))
    today = window.page
    assert isinstance(today, TodayPage)
    qtbot.waitUntil(lambda: today.visited.number.text().startswith("5 /"))
