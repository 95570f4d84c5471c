"""同事和密码 as people use it: real lanes at once, the demo village's vault, and a real county for a newcomer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from app.casework.desk import Desk
from app.casework.opening import Opened, Opener
from app.ledger.entry import Act
from app.models.queries import history
from app.sync.protocol import EnrolmentCode
from app.vault import slots
from app.vault.attempts import Attempts
from app.vault.vault import Vault
from app.views.background import Background
from app.views.colleagues_page import AddColleague, ChangeDialog, ColleaguesPage
from app.views.main_window import MainWindow, Place
from app.views.page import Destination, Page
from app.views.parts.confirm_password import ConfirmPassword
from app.views.parts.words import Chip
from county import demo as county_demo
from tests import demo
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import clock, serving
from tests.sync.laptops import CHEAP, finished
from tests.views.looking import jumps, photograph, settle

MINE, THEIRS = "walnut ladder seven rivers", "copper teapot nine roofs"
GRID = f"{county_demo.VILLAGE}/{county_demo.GRIDS[0]}"


Kind = TypeVar("Kind", bound=QDialog)


class Elsewhere(Page):
    """Another place to go."""


def window_with(page: ColleaguesPage, background: Background, qtbot: QtBot) -> MainWindow:
    places = [
        Place(key="settings", title="设置", icon="settings", page=Elsewhere()),
        Place(key="colleagues", title="同事和密码", icon="person", page=page, in_rail=False),
    ]
    window = MainWindow(places, background, demo=True)
    window.show_place("云台镇 上坝村 第三网格")
    window.show_person("韦测一")
    qtbot.addWidget(window)
    window.start()
    window.go(Destination(key="colleagues"))
    return window


@pytest.fixture
def enrolled(site: Site, tmp_path: Path) -> Iterator[tuple[Opened, Site, str, Attempts]]:  # noqa: F811
    """A laptop of the demo county, the county's address."""
    with serving(site.county) as base:
        (tmp_path / "home").mkdir()
        attempts = Attempts(home=tmp_path / "home")
        opener = Opener(build=1, clock=clock, random=os.urandom, attempts=attempts, kdf=CHEAP)
        opened = finished(opener.enrol(opener.look(code(site, base, "韦测一")), MINE, tmp_path / "vault", "办公室"))
        yield opened, site, base, attempts
        opened.desk.vault.lock()


def code(county: Site, base: str, name: str) -> str:
    """An enrolment code at the first grid."""
    made = county.invite(name, GRID)
    return EnrolmentCode(county=made.county, host=base, pin=b"", secret=made.secret).text()


def dialog_of(page: ColleaguesPage, kind: type[Kind]) -> Kind:
    """The dialog that stands open."""
    found = [each for each in page.findChildren(kind) if each.isVisible()]
    assert len(found) == 1
    return found[0]


def acts(desk: Desk) -> list[int]:
    with desk.vault.reading() as tx:
        return [row.act for row in history.acts(tx, limit=20)]


def confirm(page: ColleaguesPage, password: str, reason: str = "") -> ConfirmPassword:
    """Answer the question by keyboard alone."""
    dialog = dialog_of(page, ConfirmPassword)
    if reason:
        assert dialog.reason.hasFocus() or dialog.focusWidget() is dialog.reason
        dialog.reason.setText(reason)
        QTest.keyClick(dialog, Qt.Key.Key_Return)
    dialog.password.line.setText(password)
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    return dialog


def test_a_colleague_comes_in_and_goes_by_keyboard(
    enrolled: tuple[Opened, Site, str, Attempts], at_once: Background, qtbot: QtBot
) -> None:
    opened, county, base, attempts = enrolled
    desk = opened.desk
    page = ColleaguesPage(desk, at_once, attempts, kdf=CHEAP)
    window = window_with(page, at_once, qtbot)
    photograph(window, "colleagues-alone")
    assert jumps(window) == []
    QTest.keyClick(page, Qt.Key.Key_Return)  # the accent button: add
    wrong = confirm(page, "not the right words")
    assert wrong.password.error
    assert wrong.password.line.text() == ""
    photograph_dialog(wrong, "confirm-wrong")
    confirm(page, MINE)
    adding = dialog_of(page, AddColleague)
    photograph_dialog(adding, "add-code")
    adding.code.setPlainText("HUDANG1-NONSENSE")
    QTest.keyClick(adding, Qt.Key.Key_Return)
    assert adding.code_box.error
    adding.code.setPlainText(code(county, base, "覃试二"))
    QTest.keyClick(adding, Qt.Key.Key_Return)
    assert adding.name.text() == "覃试二"
    adding.password.first.line.setText("覃试二")
    photograph_dialog(adding, "add-password")
    adding.password.first.line.clear()
    QTest.keyClicks(adding.password.first.line, THEIRS)
    QTest.keyClicks(adding.password.second.line, THEIRS)
    QTest.keyClick(adding, Qt.Key.Key_Return)
    assert not adding.isVisible()
    assert acts(desk)[0] == Act.JOIN
    assert "覃试二" in page.notice.text.text()
    photograph(window, "colleagues")
    assert jumps(window) == []
    people = Vault.people(desk.vault.folder)
    assert [person.label for person in people] == ["韦测一", "覃试二"]
    # and out again
    epoch = slots.epoch(desk.vault.folder)
    remove = next(b for b in page.findChildren(type(page.add)) if b.accessibleName() == "移出覃试二")
    remove.click()
    question = dialog_of(page, ConfirmPassword)
    photograph_dialog(question, "remove")
    QTest.keyClick(question, Qt.Key.Key_Return)  # no reason yet: nothing happens
    assert question.isVisible()
    question.reason.setFocus()
    confirm(page, MINE, "调到别的村")
    assert acts(desk)[0] == Act.LEAVE
    assert slots.epoch(desk.vault.folder) == epoch + 1
    assert [person.label for person in Vault.people(desk.vault.folder)] == ["韦测一"]


def photograph_dialog(dialog: QDialog, name: str) -> None:
    """A picture of a dialog in its own size."""
    settle(dialog)
    dialog.adjustSize()
    settle(dialog)
    assert dialog.grab().save(f"build/screens/{name}.png")


@pytest.fixture
def at_home(demo_desk: Desk, tmp_path: Path) -> tuple[Desk, Attempts]:
    """The demo village's desk and a limiter of its own."""
    (tmp_path / "home").mkdir()
    return demo_desk, Attempts(home=tmp_path / "home")


def test_changing_ones_password(at_home: tuple[Desk, Attempts], at_once: Background, qtbot: QtBot) -> None:
    desk, attempts = at_home
    page = ColleaguesPage(desk, at_once, attempts, kdf=CHEAP)
    window_with(page, at_once, qtbot)
    page.change.click()
    dialog = dialog_of(page, ChangeDialog)
    QTest.keyClicks(dialog.form.old.line, "not the right words")
    for box in (dialog.form.new.first, dialog.form.new.second):
        QTest.keyClicks(box.line, THEIRS)
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.form.old.error
    photograph_dialog(dialog, "change-password")
    dialog.form.old.line.setText(demo.PASSWORD)
    for box in (dialog.form.new.first, dialog.form.new.second):
        QTest.keyClicks(box.line, THEIRS)
    with qtbot.waitSignal(page.password_changed):
        QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    desk.vault.keys_of(demo.MINE, THEIRS)


def test_renewing_keys_says_so(at_home: tuple[Desk, Attempts], at_once: Background, qtbot: QtBot) -> None:
    desk, attempts = at_home
    page = ColleaguesPage(desk, at_once, attempts, kdf=CHEAP)
    window_with(page, at_once, qtbot)
    epoch = slots.epoch(desk.vault.folder)
    page.renew.click()
    confirm(page, demo.PASSWORD, "电脑丢过一天")
    assert slots.epoch(desk.vault.folder) == epoch + 1
    assert acts(desk)[0] == Act.CHANGE_KEYS
    assert "钥匙换好了" in page.notice.text.text()
    # the page goes on reading with the new keys
    page.arrive(Destination(key="colleagues"))
    assert page.listed.count() == 1


def test_too_many_wrong_passwords_are_told_with_the_wait(
    at_home: tuple[Desk, Attempts], at_once: Background, qtbot: QtBot
) -> None:
    desk, attempts = at_home
    page = ColleaguesPage(desk, at_once, attempts, kdf=CHEAP)
    window_with(page, at_once, qtbot)
    page.renew.click()
    dialog = dialog_of(page, ConfirmPassword)
    QTest.keyClicks(dialog.reason, "x")
    for _ in range(6):
        QTest.keyClicks(dialog.password.line, "not the right words")
        dialog.submit()
    assert "30" in dialog.password.error
    assert Act.CHANGE_KEYS not in acts(desk)


def test_a_joining_that_was_cut_off_stands_in_the_list(
    enrolled: tuple[Opened, Site, str, Attempts], at_once: Background, qtbot: QtBot
) -> None:
    opened, county, base, attempts = enrolled
    page = ColleaguesPage(opened.desk, at_once, attempts, kdf=CHEAP)
    window = window_with(page, at_once, qtbot)
    page.add.click()
    confirm(page, MINE)
    adding = dialog_of(page, AddColleague)
    adding.code.setPlainText(code(county, base, "覃试二"))
    QTest.keyClick(adding, Qt.Key.Key_Return)
    assert adding._invited is not None
    with opened.desk.vault.transaction() as tx:
        replace(opened.connection, base="http://127.0.0.1:1").save(tx)
    for box in (adding.password.first, adding.password.second):
        QTest.keyClicks(box.line, THEIRS)
    QTest.keyClick(adding, Qt.Key.Key_Return)
    assert adding.again.isVisible()
    photograph_dialog(adding, "add-failed")
    adding.reject()
    page.arrive(Destination(key="colleagues"))
    photograph(window, "colleagues-joining")
    assert [chip.text() for chip in page.findChildren(Chip) if chip.isVisible()] == ["您", "还没有登记到县里"]
    with opened.desk.vault.transaction() as tx:
        opened.connection.save(tx)
