"""The pages of daily work, by keyboard, on a real vault: finding, correcting, visiting, settling a dispute."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.casework import cards, visits
from app.casework.desk import Desk
from app.ledger import card as codes
from app.views import theme
from app.views.act_dialog import ActDialog
from app.views.background import Background
from app.views.dossier_page import DossierPage
from app.views.households_page import HouseholdsPage
from app.views.main_window import MainWindow, Place
from app.views.open_file_page import OpenFilePage
from app.views.page import Destination
from app.views.parts.form import bring_into_view
from app.views.scan_page import ScanPage
from app.views.today_page import TodayPage
from app.views.visit_page import VisitPage
from tests import demo
from tests.views.looking import SCREENS, cut_off, jumps, photograph, settle


@pytest.fixture
def window(qtbot: QtBot, at_once: Background, demo_desk: Desk) -> MainWindow:
    places = [
        Place(key="today", title="今日", icon="today", page=TodayPage(demo_desk, at_once)),
        Place(key="households", title="农户", icon="households", page=HouseholdsPage(demo_desk, at_once)),
        Place(key="dossier", title="户档", icon="households", page=DossierPage(demo_desk, at_once), in_rail=False),
        Place(key="scan", title="扫码", icon="scan", page=ScanPage(demo_desk, at_once), hint="F2"),
        Place(key="open_file", title="建档", icon="pen", page=OpenFilePage(demo_desk, at_once), in_rail=False),
        Place(key="visit", title="走访", icon="pen", page=VisitPage(demo_desk, at_once), in_rail=False),
    ]
    window = MainWindow(places, at_once, demo=True)
    window.show_place("云台镇 上坝村 第三网格")
    window.show_person("韦测一")
    window.show_pending(6)
    window.show_synced("10:58")
    window.resize(1366, 768)
    qtbot.addWidget(window)
    window.show()
    window.start()
    settle(window)
    return window


def test_households_look(window: MainWindow) -> None:
    window.go(Destination(key="households"))
    photograph(window, "households")
    assert jumps(window) == []


def test_dossier_looks(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "mpl")[0].id
    demo.disagree(demo_desk, household, "contact_phone", "10000000011", "10000000022", position=500)
    cards.bind(demo_desk, household)
    window.go(Destination(key="dossier", id=household))
    photograph(window, "dossier-household")
    page = window.page
    assert isinstance(page, DossierPage)
    assert jumps(window) == []
    for section in ("members", "visits", "card", "history"):
        page.go_to_section(section)
        photograph(window, f"dossier-{section}")
    page.go_to_section("household")
    page.household_view.begin()
    photograph(window, "dossier-edit")
    page.household_view.stop()
    page.household_view.sources.click()
    photograph(window, "dossier-sources")
    page.go_to_section("members")
    page.members.opened.emit(next(iter(page.members.lines)))
    photograph(window, "dossier-member")


def photo_file(folder: Path) -> Path:
    """A picture as a telephone makes it."""
    picture = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    picture.paste((90, 140, 100), (200, 500, 1400, 1200))
    picture.paste((180, 90, 70), (500, 350, 1000, 900))
    path = folder / "photo.jpg"
    picture.save(path)
    return path


def test_visit_looks(window: MainWindow, demo_desk: Desk, tmp_path: Path) -> None:
    household = demo.find(demo_desk, "mlf")[0].id
    window.go(Destination(key="visit", id=household))
    page = window.page
    assert isinstance(page, VisitPage)
    photograph(window, "visit")
    assert jumps(window) == []
    page.take_photos([photo_file(tmp_path), photo_file(tmp_path)])
    page.form.form_of("changes_found").editors["changes_found"].boxes["PEOPLE"].click()  # type: ignore[attr-defined]
    page.form.form_of("visited_on").editors["visited_on"].line.setText("2026-13-01")  # type: ignore[attr-defined]
    page.save()
    photograph(window, "visit-faults")
    page.photos.choose.setFocus()
    bring_into_view(page.photos)
    photograph(window, "visit-photos")


def test_today_looks(window: MainWindow, demo_desk: Desk) -> None:
    draft = visits.begin(demo_desk, demo.find(demo_desk, "mlf")[0].id)
    visits.keep_draft(demo_desk, draft)
    window.go(Destination(key="today"))
    photograph(window, "today")
    assert jumps(window) == []


def test_scan_looks(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "mlf")[0].id
    card, _ = cards.bind(demo_desk, household)
    window.go(Destination(key="scan"))
    photograph(window, "scan")
    page = window.page
    assert isinstance(page, ScanPage)
    page.judge(codes.printed(card.card_no), typed=True)
    photograph(window, "scan-typed")
    page.judge("https://example.com/")
    photograph(window, "scan-foreign")


def test_open_file_looks(window: MainWindow) -> None:
    window.go(Destination(key="open_file"))
    photograph(window, "open-file")
    assert jumps(window) == []


def test_an_opened_act_looks(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "mpl")[0].id
    demo.disagree(demo_desk, household, "contact_phone", "10000000011", "10000000022", position=500)
    window.go(Destination(key="dossier", id=household))
    page = window.page
    assert isinstance(page, DossierPage)
    for line, name in ((page.timeline.lines[0], "act-edit"), (page.timeline.lines[-1], "act-import")):
        page.timeline.opened.emit(line.happening.key)
        dialog = page.findChildren(ActDialog)[-1]
        settle(dialog)
        assert list(cut_off(dialog)) == []
        dialog.grab().save(str(SCREENS / f"{name}.png"))
        dialog.close()


def test_pages_in_the_dark(window: MainWindow, demo_desk: Desk, dressed: QApplication) -> None:
    theme.dress(dressed, theme.DARK)
    try:
        household = demo.find(demo_desk, "mpl")[0].id
        demo.disagree(demo_desk, household, "contact_phone", "10000000011", "10000000022", position=500)
        cards.bind(demo_desk, household)
        window.go(Destination(key="dossier", id=household))
        photograph(window, "dark-dossier")
        window.go(Destination(key="today"))
        photograph(window, "dark-today")
    finally:
        theme.dress(dressed, theme.LIGHT)
