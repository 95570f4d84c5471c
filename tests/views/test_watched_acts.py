"""Watched acts as a person does them: looking behind a mask, ending a file by two, exporting; and the watermark."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from app.casework import countersigning, dossiers, revealing, visits
from app.casework.desk import Desk
from app.ledger.entry import Act
from app.models.queries import history
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Whose
from app.models.rules.rights import Action, allowed
from app.models.rules.rights import Place as Where
from app.models.store import Transaction
from app.sync.journal import Touched
from app.vault.attempts import Attempts
from app.views.background import Background
from app.views.countersign_dialog import Countersign
from app.views.dossier_page import DossierPage
from app.views.export_dialog import ExportDialog
from app.views.households_page import HouseholdsPage
from app.views.log_page import LogPage
from app.views.main_window import MainWindow, Place
from app.views.page import Destination
from app.views.parts import masked
from app.views.parts.masked import Masked
from app.views.parts.pictures import PhotoDialog, Thumb
from tests import demo
from tests.views.looking import SCREENS, jumps, photograph, settle

MEMBER = BY_NAME["member"]
THEIR_PASSWORD = "第二个人 的密码"
KEY = Qt.Key


def shell(desk: Desk, background: Background, qtbot: QtBot, attempts: Attempts | None = None) -> MainWindow:
    pages = [
        ("households", HouseholdsPage(desk, background, None, attempts)),
        ("dossier", DossierPage(desk, background, attempts)),
        ("log", LogPage(desk, background)),
    ]
    places = [Place(key=key, title=page.title, icon="households", page=page) for key, page in pages]
    window = MainWindow(places, background, demo=True)
    window.mark(lambda: ("韦测一 云台镇 上坝村 第三网格", "2026-11-21 10:58 设备 a1b2c3d4"))
    qtbot.addWidget(window)
    window.resize(1366, 768)
    window.show()
    window.start()
    settle(window)
    return window


@pytest.fixture
def window(qtbot: QtBot, at_once: Background, demo_desk: Desk) -> MainWindow:
    return shell(demo_desk, at_once, qtbot)


@pytest.fixture
def office(qtbot: QtBot, at_once: Background, station_desk: Desk, tmp_path: Path) -> MainWindow:
    """The station's window; the colleague has a slot in the vault."""
    demo.join(station_desk, demo.COLLEAGUE, "覃试二", THEIR_PASSWORD)
    return shell(station_desk, at_once, qtbot, Attempts(home=tmp_path / "home"))


def with_a_child(desk: Desk) -> tuple[bytes, bytes]:
    """A household and its member under 14."""
    for row in demo.find(desk):
        found = dossiers.read(desk, row.id)
        assert found is not None
        for member in found.members:
            if found.seen.whose(MEMBER, member.id) is Whose.CHILD:
                return row.id, member.id
    raise AssertionError("no child lives in the demo village")


def file_of(window: MainWindow, household: bytes) -> DossierPage:
    window.go(Destination(key="dossier", id=household))
    settle(window)
    page = window.page
    assert isinstance(page, DossierPage)
    return page


def choose_reason(page: DossierPage, place: int = 0) -> None:
    menu = page.revealer.menu
    assert menu is not None
    menu.actions()[2 + place].trigger()
    menu.close()
    settle(page.window())


def last_act(desk: Desk) -> int:
    with desk.vault.reading() as tx:
        return _newest(tx)


def _newest(tx: Transaction) -> int:
    return history.acts(tx, limit=1)[0].act


def test_a_child_is_hidden_until_there_is_a_reason(window: MainWindow, demo_desk: Desk, qtbot: QtBot) -> None:
    household, child = with_a_child(demo_desk)
    page = file_of(window, household)
    assert page.dossier is not None
    name = next(str(each["name"]) for each in page.dossier.members if each.id == child)
    page.go_to_section("members")
    photograph(window, "members-masked")
    line = page.members.lines[child]
    assert name not in line.accessibleName()
    page._open_member(child)
    settle(window)
    assert page.member_view.heading.name.text() == name[0] + "*"
    hidden = [each for fact in page.member_view.facts for each in fact.masked]
    assert {each.field.name for each in hidden} >= {"name", "gender", "cert_no", "relation"}
    assert not any(each.lifted for each in hidden)
    photograph(window, "child-masked")
    page.member_view.lift.setFocus()
    QTest.keyClick(page.member_view.lift, KEY.Key_Space)
    settle(window)
    menu = page.revealer.menu
    assert menu is not None
    assert menu.isVisible()
    SCREENS.mkdir(parents=True, exist_ok=True)
    assert menu.grab().save(str(SCREENS / "reveal-menu.png"))
    assert last_act(demo_desk) != Act.REVEAL
    choose_reason(page)
    assert last_act(demo_desk) == Act.REVEAL
    assert all(each.lifted for each in hidden)
    assert "遮上 · 60 秒" in page.member_view.lift.text()
    photograph(window, "child-revealed")
    for _ in range(60):
        page.revealer.tick()
    assert not any(each.lifted for each in hidden)
    assert page.member_view.lift.text() == "显示遮住的"


def test_what_is_shown_hides_when_the_page_is_left(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    page = file_of(window, household)
    page.household_view.lift.click()
    choose_reason(page)
    assert page.revealer.shows(household)
    window.go(Destination(key="households"))
    settle(window)
    assert not page.revealer.shows(household)
    page = file_of(window, household)
    page.household_view.lift.click()
    choose_reason(page)
    window.draw_curtain("正在上报")
    settle(window)
    assert not page.revealer.shows(household)
    window.draw_curtain("")


def test_a_form_never_saves_a_mask_and_never_loses_what_is_hidden(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    page = file_of(window, household)
    assert page.dossier is not None
    before = dict(page.dossier.sheet.values)
    page.household_view.begin()
    settle(window)
    form = page.household_view.form
    assert form is not None
    box = form.form_of("contact_phone").boxes["contact_phone"]
    assert not box.inner.isVisible()
    photograph(window, "form-veiled")
    form.form_of("natural_village").editors["natural_village"].show_value("新寨")
    page.save()
    settle(window)
    assert page.dossier.sheet.values == before | {"natural_village": "新寨"}
    page.household_view.begin()
    page.household_view.lift.click()
    choose_reason(page, 3)
    assert box.inner.isVisible()
    form.form_of("contact_phone").editors["contact_phone"].show_value("10012345678")
    for _ in range(60):
        page.revealer.tick()
    assert box.inner.isVisible()  # what was typed is never covered
    account = form.form_of("address_detail").boxes["address_detail"]
    assert account.inner.isVisible()
    page.save()
    settle(window)
    assert page.dossier.sheet["contact_phone"] == "10012345678"


def test_what_was_typed_before_locking_is_not_lost_behind_a_veil(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    page = file_of(window, household)
    page.household_view.take_up({"contact_phone": "10012345678"})
    form = page.household_view.form
    assert form is not None
    assert form.form_of("contact_phone").boxes["contact_phone"].inner.isVisible()
    page.save()
    settle(window)
    assert page.dossier is not None
    assert page.dossier.sheet["contact_phone"] == "10012345678"


def test_other_reasons_want_words(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    page = file_of(window, household)
    page.household_view.lift.click()
    choose_reason(page, 6)
    (question,) = [each for each in window.findChildren(QDialog) if each.isVisible()]
    assert last_act(demo_desk) != Act.REVEAL
    question.reason.setText("银行来电核对")  # type: ignore[attr-defined]
    question.verb.click()  # type: ignore[attr-defined]
    settle(window)
    assert page.revealer.shows(household)
    assert revealing.OTHER == "OTHER"


def test_a_photo_is_blurred_until_there_is_a_reason(window: MainWindow, demo_desk: Desk, tmp_path: Path) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    picture = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((800, 600)).save(picture)
    begun = visits.begin(demo_desk, household)
    said = {**begun.values, "summary": "老人的证件 990101197410284134 已核对，身体稳定，饮水正常，没有新的困难。"}
    visits.record(demo_desk, replace(begun, values=said, photos=(visits.take_photo(demo_desk, picture),)))
    page = file_of(window, household)
    page.go_to_section("visits")
    settle(window)
    (thumb,) = page.visits.findChildren(Thumb)
    QTest.keyClick(thumb, KEY.Key_Return)
    settle(window)
    assert not [each for each in page.findChildren(PhotoDialog) if each.isVisible()]
    choose_reason(page)
    (dialog,) = [each for each in page.findChildren(PhotoDialog) if each.isVisible()]
    assert last_act(demo_desk) == Act.REVEAL
    for _ in range(60):
        page.revealer.tick()
    assert not dialog.isVisible()
    # A number in what somebody wrote is masked too, and shown with the visit.
    assert page.dossier is not None
    visit = page.dossier.visits[0].id
    (summary,) = page.visits._masked[visit]
    assert "990101197410284134" not in summary.text.text()
    summary.eye.click()
    choose_reason(page)
    page.reread(Touched(roots=frozenset({household})))  # drawn anew, it stays shown
    settle(window)
    assert ["990101197410284134" in each.text.text() for each in page.visits._masked[visit]] == [True]
    photograph(window, "visits-masked")


def test_the_look_beside_the_list_shows_the_telephone_for_a_reason(window: MainWindow, demo_desk: Desk) -> None:
    page = window.page
    assert isinstance(page, HouseholdsPage)
    page.table.selectRow(0)
    settle(window)
    phone = page.peek.phone
    assert phone is not None
    phone.eye.click()
    menu = page.peek.revealer.menu
    assert menu is not None
    menu.actions()[2].trigger()
    menu.close()
    settle(window)
    assert last_act(demo_desk) == Act.REVEAL
    assert page.peek.phone is not None
    assert page.peek.phone.lifted
    page.table.selectRow(1)
    settle(window)
    assert page.peek.revealer.left == 0
    assert page.peek.phone is None or not page.peek.phone.lifted


def test_a_copied_number_leaves_the_clipboard(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    page = file_of(window, household)
    fields = {each.field.name: each for fact in page.household_view.facts for each in fact.masked}
    phone = fields["contact_phone"]
    assert not phone.copy()
    page.household_view.lift.click()
    choose_reason(page)
    assert phone.copy()
    clipboard = QGuiApplication.clipboard()
    assert clipboard.text() == "10042358729"
    assert any("ExcludeClipboardContent" in kind for kind in clipboard.mimeData().formats())
    masked.forget_copied("another text")
    assert clipboard.text() == "10042358729"
    masked.forget_copied("10042358729")
    assert clipboard.text() == ""
    for name, each in fields.items():
        assert name == "contact_phone" or not each.copy() or each.shown.privacy.value == "C"


def test_a_file_is_ended_by_two_at_one_keyboard(office: MainWindow, station_desk: Desk) -> None:
    household = demo.find(station_desk, "wyf")[0].id
    page = file_of(office, household)
    page.countersign()
    dialog = page.findChild(Countersign)
    assert dialog is not None
    QTest.keyClick(dialog, KEY.Key_Return)
    assert "请写明原因" in dialog.reason_box.error
    dialog.reason.setText("全户迁往外省，已核实")
    settle(office)
    assert dialog.grab().save(str(SCREENS / "countersign-first.png"))
    QTest.keyClick(dialog.reason, KEY.Key_Return)
    settle(office)
    assert dialog.steps.currentIndex() == 1
    assert dialog.who.currentText() == "覃试二"
    dialog.password.line.setText("不是这个密码")
    dialog.agree.click()
    settle(office)
    assert "密码不对" in dialog.password.error
    assert dialog.grab().save(str(SCREENS / "countersign-second.png"))
    dialog.reject()  # it waits
    settle(office)
    page = file_of(office, household)
    assert "已提请作废" in page.notice.text.text()
    photograph(office, "dossier-proposed")
    assert len(countersigning.pending(station_desk)) == 1
    page.countersign()
    again = page.findChildren(Countersign)[-1]
    again.password.line.setText(THEIR_PASSWORD)
    again.agree.click()
    settle(office)
    assert demo.find(station_desk, "wyf") == []
    assert isinstance(office.page, HouseholdsPage)


def test_a_masked_list_is_exported(office: MainWindow, station_desk: Desk, tmp_path: Path) -> None:
    page = office.page
    assert isinstance(page, HouseholdsPage)
    page.open_export()
    dialog = page.findChild(ExportDialog)
    assert dialog is not None
    settle(office)
    dialog.submit()
    assert "用途" in dialog.purpose_box.error
    dialog.purpose.setText("村两委月度核对")
    settle(office)
    assert dialog.grab().save(str(SCREENS / "export-dialog.png"))
    dialog.full.setChecked(True)
    settle(office)
    assert dialog.grab().save(str(SCREENS / "export-full.png"))
    dialog.masked.setChecked(True)
    dialog.write_masked(tmp_path / "list.xlsx")
    settle(office)
    assert "已导出 39 户" in page.notice.text.text()
    assert (tmp_path / "list.xlsx").exists()
    assert last_act(station_desk) == Act.EXPORT


def test_the_watermark_lets_the_mouse_through(window: MainWindow) -> None:
    mark = window.watermark
    assert mark is not None
    assert mark.size() == window.pages.size()
    page = window.page
    assert isinstance(page, HouseholdsPage)
    middle = page.table.mapTo(window, page.table.rect().center())
    found = window.childAt(middle)
    assert found is not None
    assert page.table.isAncestorOf(found)
    photograph(window, "households-watermark")
    window.go(Destination(key="log"))
    settle(window)
    assert window.pages.children().index(mark) == len(window.pages.children()) - 1 or mark.isVisible()
    photograph(window, "log-masked")


def test_tab_order_with_masks(window: MainWindow, demo_desk: Desk) -> None:
    page = file_of(window, demo.find(demo_desk, "wyf")[0].id)
    photograph(window, "dossier-masked")
    assert jumps(window) == []
    page.household_view.lift.click()
    choose_reason(page)
    photograph(window, "dossier-revealed")
    assert [each for each in page.findChildren(Masked) if each.lifted]


@pytest.mark.parametrize("role", ["HELPER", "STATION", "DEPT"])
def test_nobody_is_offered_what_they_may_not_do(
    role: str, demo_vault: Path, tmp_path: Path, at_once: Background, qtbot: QtBot
) -> None:
    folder = tmp_path / "vault"
    shutil.copytree(demo_vault, folder)
    desk = demo.open_desk(folder, granted=((role, demo.GRID),))
    window = shell(desk, at_once, qtbot)
    household, _ = with_a_child(desk)
    page = file_of(window, household)
    assert page.dossier is not None
    page.go_to_section("members")
    settle(window)
    for button, action, kind in (
        (page.household_view.edit, Action.WRITE, "household"),
        (page.members.add, Action.WRITE, "member"),
        (page.visit, Action.WRITE, "visit"),
        (page.print, Action.PRINT, "household"),
        (page.card.bind, Action.WRITE, "card"),
    ):
        assert button.isHidden() != allowed(role, kind, action, Where.OWN), (role, kind)
    assert ("不能修改" in page.household_view.heading.remark.text()) == (role != "STATION")
    wife = next(each for each in page.dossier.members if each["relation"] == "10")
    shown = page.members.lines[wife.id].accessibleName()
    assert (str(wife["name"]) in shown) == (role == "STATION")
    photograph(window, f"members-for-{role.lower()}")
    desk.vault.lock()
