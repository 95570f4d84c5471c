"""Printing, reporting, the records and the settings: as they look, by keyboard, and when things go wrong."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from app.casework.desk import Desk
from app.views.background import Background
from app.views.log_page import LogPage
from app.views.main_window import MainWindow, Place
from app.views.page import Destination, Page
from app.views.print_page import PrintPage
from tests.views.looking import photograph, settle


def window(page: Page, background: Background, key: str, qtbot: QtBot) -> MainWindow:
    """The page as it stands in the program."""
    places = [
        Place(key=name, title=title, icon=icon, page=page if name == key else Page(), hint=hint)
        for name, title, icon, hint in (
            ("today", "今日", "today", ""),
            ("households", "农户", "households", ""),
            ("scan", "扫码", "scan", "F2"),
            ("print", "打印", "print", ""),
            ("upload", "上报", "upload", ""),
            ("log", "记录", "log", ""),
            ("settings", "设置", "settings", ""),
        )
    ]
    shell = MainWindow(places, background, demo=True)
    qtbot.addWidget(shell)
    shell.show_place("云台镇 上坝村 第三网格")
    shell.show_person("韦测一")
    shell.show_pending(7)
    shell.show_synced("10:58")
    shell.show()
    shell.go(Destination(key=key))
    settle(shell)
    return shell


def test_print_page(demo_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    page = PrintPage(demo_desk, at_once, trial=tmp_path / "paper.pdf")
    shell = window(page, at_once, "print", qtbot)
    qtbot.wait(150)
    photograph(shell, "print")


def test_log_page(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    page = LogPage(demo_desk, at_once)
    shell = window(page, at_once, "log", qtbot)
    page.verify.click()
    photograph(shell, "log")
