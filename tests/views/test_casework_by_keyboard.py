"""Daily work by keyboard alone, on a real vault: what a person does is what the log says afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.casework import cards, dossiers, visits
from app.casework.desk import Desk
from app.ledger import card as codes
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.queries import households
from app.models.queries import visits as visit_queries
from app.sync.journal import Touched
from app.views.act_dialog import ActDialog
from app.views.background import Background
from app.views.dossier_page import DossierPage
from app.views.households_page import HouseholdsPage
from app.views.main_window import MainWindow, Place
from app.views.open_file_page import OpenFilePage
from app.views.page import Destination, Page
from app.views.parts.masked import Masked
from app.views.parts.notices import Question
from app.views.scan_page import ScanListener, ScanPage
from app.views.today_page import TodayPage
from app.views.visit_page import VisitPage
from tests import demo
from tests.views.looking import settle

KEY = Qt.Key


@pytest.fixture
def window(qtbot: QtBot, at_once: Background, demo_desk: Desk) -> MainWindow:
    pages: list[tuple[str, Page]] = [
        ("today", TodayPage(demo_desk, at_once)),
        ("households", HouseholdsPage(demo_desk, at_once)),
        ("scan", ScanPage(demo_desk, at_once)),
        ("dossier", DossierPage(demo_desk, at_once)),
        ("visit", VisitPage(demo_desk, at_once)),
        ("open_file", OpenFilePage(demo_desk, at_once)),
    ]
    places = [Place(key=key, title=page.title, icon="today", page=page) for key, page in pages]
    window = MainWindow(places, at_once, demo=True)
    qtbot.addWidget(window)
    window.resize(1366, 768)
    window.show()
    window.activateWindow()
    window.start()
    settle(window)
    return window


def press(window: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """A key, where the keyboard is."""
    QTest.keyClick(QApplication.focusWidget() or window, key, modifiers)
    settle(window)


def write(window: QWidget, text: str) -> None:
    """Text, where the keyboard is; an input method hands over whole characters."""
    field = QApplication.focusWidget()
    assert field is not None
    if text.isascii():
        QTest.keyClicks(field, text)
    elif isinstance(field, QLineEdit):
        field.insert(text)
        field.textEdited.emit(field.text())
    else:
        field.insertPlainText(text)  # type: ignore[attr-defined]
    settle(window)


def search(window: MainWindow, text: str) -> HouseholdsPage:
    """Ctrl+F from wherever one is, then the text and Enter."""
    press(window, KEY.Key_F, Qt.KeyboardModifier.ControlModifier)
    page = window.page
    assert isinstance(page, HouseholdsPage)
    page.search.clear()
    write(window, text)
    press(window, KEY.Key_Return)
    return page


def opened(window: MainWindow) -> DossierPage:
    """The file that is shown."""
    page = window.page
    assert isinstance(page, DossierPage), type(page)
    assert page.dossier is not None
    return page


def correcting(page: DossierPage) -> bool:
    return page.household_view.editing


def acts(desk: Desk, household: bytes) -> list[int]:
    dossier = dossiers.read(desk, household)
    assert dossier is not None
    return [act.row.act for act in dossier.acts]


@pytest.mark.parametrize(
    ("typed", "head"),
    [("wyfa", ""), ("wyf", "吴艳芳"), ("杨海", "陈丽"), ("4134", "陈丽"), ("05837", "余昌明"), ("cjx", "陈丽")],
)
def test_a_household_is_found_by_anything(window: MainWindow, typed: str, head: str) -> None:
    page = search(window, typed)
    if not head:
        assert page.table.rows.rowCount() == 0
        assert page.empty.isVisible()
        return
    if window.page is page:
        assert page.table.hasFocus()
        while page.table.record().head_name != head:  # type: ignore[union-attr]
            press(window, KEY.Key_Down)
        press(window, KEY.Key_Return)
    assert opened(window).name.text() == head


def test_what_is_typed_on_the_list_goes_to_the_search(window: MainWindow) -> None:
    window.go(Destination(key="households"))
    page = window.page
    assert isinstance(page, HouseholdsPage)
    press(window, KEY.Key_Down)
    assert page.table.hasFocus()
    write(window, "w")
    assert page.search.hasFocus()
    assert page.search.text() == "w"
    press(window, KEY.Key_Escape)
    assert page.search.text() == ""
    assert window.page is page


def test_a_visit_with_a_bad_date_first(window: MainWindow, demo_desk: Desk, tmp_path: Path) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="visit", id=household))
    page = window.page
    assert isinstance(page, VisitPage)
    date = page.form.form_of("visited_on")
    assert QApplication.focusWidget() is date.editors["visited_on"].focusWidget()
    QApplication.focusWidget().selectAll()  # type: ignore[union-attr]
    write(window, "2026-12-24")
    page.form.form_of("summary").editors["summary"].setFocus()
    write(window, "一切都好。")
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert window.page is page
    assert "请核对" in date.boxes["visited_on"].error
    assert "20 个字" in page.form.form_of("summary").boxes["summary"].error
    assert QApplication.focusWidget() is date.editors["visited_on"].focusWidget()
    QApplication.focusWidget().selectAll()  # type: ignore[union-attr]
    write(window, "20261120")
    page.form.form_of("summary").editors["summary"].setFocus()
    write(window, "老人在家，身体稳定，屋顶已经补好，饮水正常，没有新的困难。")
    picture = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((800, 600)).save(picture)
    page.take_photos([picture])
    assert len(page.photos.thumbs) == 1
    assert page.ticks["photos"].text() == "照片 1 ✓"
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    shown = opened(window)
    assert shown.visits.isVisible()
    assert shown.dossier is not None
    visit = shown.dossier.visits[0]
    assert visit.values["visited_on"] == "2026-11-20"
    assert visit.values["presence_proof"] == ("PHOTO",)
    assert [photo.visit for photo in shown.dossier.photos] == [visit.id]
    assert shown.dossier.row.last_visit == "2026-11-20"  # the list is fresh at once
    assert visits.drafts(demo_desk, household) == []
    assert "已保存，待上报" in window.status.text()


def test_a_draft_survives_leaving_and_is_written_only_when_changed(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="visit", id=household))
    press(window, KEY.Key_Escape)
    assert visits.drafts(demo_desk, household) == []
    window.go(Destination(key="visit", id=household))
    page = window.page
    assert isinstance(page, VisitPage)
    page.form.form_of("needs").editors["needs"].setFocus()
    write(window, "想要一头牛")
    press(window, KEY.Key_Escape)
    (kept,) = visits.drafts(demo_desk, household)
    assert kept.values["needs"] == "想要一头牛"
    window.go(Destination(key="today"))
    today = window.page
    assert isinstance(today, TodayPage)
    settle(window)
    texts = [each.text() for each in today.unfinished.findChildren(QPushButton) if each.isVisible()]
    assert texts == ["接着写"]
    next(b for b in today.unfinished.findChildren(QPushButton) if b.isVisible()).click()
    assert isinstance(window.page, VisitPage)
    assert window.page.form.form_of("needs").editors["needs"].value() == "想要一头牛"


def test_the_telephone_is_corrected(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="dossier", id=household))
    page = opened(window)
    phone = next(fact for fact in page.household_view.facts if fact.field.name == "contact_phone")
    shown = phone.findChild(Masked)
    assert shown is not None
    assert shown.text.text() == "100****8729"
    shown.eye.setFocus()
    press(window, KEY.Key_Space)
    assert shown.text.text() == "100****8729"
    menu = page.revealer.menu
    assert menu is not None
    assert menu.isVisible()
    QTest.keyClick(menu, KEY.Key_Return)  # the first reason
    settle(window)
    assert shown.text.text() == "10042358729"
    assert acts(demo_desk, household)[0] == Act.REVEAL
    page.household_view.edit.setFocus()
    press(window, KEY.Key_Return)
    assert correcting(page)
    form = page.household_view.form
    assert form is not None
    form.form_of("contact_phone").editors["contact_phone"].setFocus()
    QApplication.focusWidget().selectAll()  # type: ignore[union-attr]
    write(window, "1234")
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert "11 位" in form.form_of("contact_phone").boxes["contact_phone"].error
    QApplication.focusWidget().selectAll()  # type: ignore[union-attr]
    write(window, "10012345678")
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert not correcting(page)
    assert acts(demo_desk, household)[0] == Act.EDIT
    assert page.timeline.lines[0].happening.detail == "户联系电话：100****8729 → 100****5678"
    page.timeline.lines[0].setFocus()
    press(window, KEY.Key_Return)
    dialog = page.findChild(ActDialog)
    assert dialog is not None
    assert dialog.isVisible()
    dialog.close()


def test_nothing_changed_is_said_and_nothing_written(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="dossier", id=household))
    page = opened(window)
    before = acts(demo_desk, household)
    page.household_view.begin()
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert "没有改动" in page.notice.text.text()
    assert acts(demo_desk, household) == before
    press(window, KEY.Key_Escape)
    assert not correcting(page)


def test_leaving_a_changed_form_asks(window: MainWindow, demo_desk: Desk) -> None:
    window.go(Destination(key="dossier", id=demo.find(demo_desk, "wyf")[0].id))
    page = opened(window)
    page.household_view.begin()
    form = page.household_view.form
    assert form is not None
    form.form_of("natural_village").editors["natural_village"].setFocus()
    write(window, "x")
    window.go(Destination(key="today"))
    assert window.page is page
    question = window.findChild(Question)
    assert question is not None
    question.reject()
    assert correcting(page)


def test_what_arrived_while_a_form_was_open_is_not_written_over(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="dossier", id=household))
    page = opened(window)
    page.household_view.begin()
    form = page.household_view.form
    assert form is not None
    with demo_desk.vault.transaction() as tx:
        sheet = households.sheet(tx, demo.HOUSEHOLD, household)
        assert sheet is not None
        number = demo.HOUSEHOLD.field("natural_village").number
        said = Said(
            kind=demo.HOUSEHOLD.number,
            object=household,
            values={number: "新寨"},
            bases={number: sheet.dots[number]},
        )
        demo.colleague(tx, 500).act(tx, Act.EDIT, [household], [said], demo.NOW, 501)
    page.reread(Touched(roots=frozenset({household})))
    form.form_of("natural_village").editors["natural_village"].show_value("老寨")
    page.save()
    assert page.dossier is not None
    assert {c.value for c in page.dossier.sheet.disputed["natural_village"]} == {"老寨", "新寨"}


def test_a_dispute_is_settled_by_a_person(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    demo.disagree(demo_desk, household, "contact_phone", "10000000011", "10000000022", position=500)
    window.go(Destination(key="households"))
    listed = window.page
    assert isinstance(listed, HouseholdsPage)
    listed.kinds["disputed"].click()
    assert listed.table.rows.rowCount() == 1
    listed.table.setFocus()
    press(window, KEY.Key_Return)
    page = opened(window)
    assert page.dossier is not None
    assert page.dossier.row.disputed == 1
    phone = next(fact for fact in page.household_view.facts if fact.field.name == "contact_phone")
    mine = next(choice for choice in phone.choices if "0011" in choice.accessibleName())
    mine.setFocus()
    press(window, KEY.Key_Return)
    assert page.dossier.row.disputed == 0
    assert page.dossier.sheet["contact_phone"] == "10000000011"
    assert acts(demo_desk, household)[0] == Act.RESOLVE


def test_a_member_joins_and_leaves(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="dossier", id=household, rest=(b"members",)))
    page = opened(window)
    page.members.add.click()
    form = page.member_view.form
    assert form is not None
    write(window, "吴小宝")
    for name, value in (("relation", "20"), ("gender", "1")):
        form.form_of(name).editors[name].show_value(value)
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert page.dossier is not None
    assert page.dossier.row.size == 3
    joined = next(member for member in page.dossier.members if member["name"] == "吴小宝")
    assert not page.member_view.editing
    page.go_to_section("members")
    page.members.lines[joined.id].setFocus()
    press(window, KEY.Key_Return)
    assert page.leave.isVisible()
    menu = page.leave.menu()
    next(action for action in menu.actions() if action.text() == "迁出").trigger()
    question = page.findChild(Question)
    assert question is not None
    question.verb.click()
    settle(window)
    assert page.dossier.row.size == 2
    assert acts(demo_desk, household)[:2] == [Act.END, Act.CREATE]


def test_a_file_is_opened_once(window: MainWindow, demo_desk: Desk) -> None:
    before = len(demo.find(demo_desk))
    window.go(Destination(key="open_file"))
    page = window.page
    assert isinstance(page, OpenFilePage)
    write(window, "三组")
    head = page.head.forms[0]
    head.editors["name"].setFocus()
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert head.boxes["name"].error
    head.editors["name"].setFocus()
    write(window, "罗示七")
    head.editors["cert_no"].setFocus()
    write(window, "990101197410284134")
    press(window, KEY.Key_Tab)
    assert head.editors["birth_date"].value() == "1974-10-28"
    assert head.editors["gender"].value() == "1"
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    shown = opened(window)
    assert shown.name.text() == "罗示七"
    assert len(demo.find(demo_desk)) == before + 1
    assert demo.find(demo_desk, "lsq")[0].villager_group == "三组"


def test_a_card_is_bound_replaced_and_scanned(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    window.go(Destination(key="dossier", id=household, rest=(b"card",)))
    page = opened(window)
    page.card.bind.click()
    assert page.dossier is not None
    first = page.dossier.card
    assert first is not None
    page.card.bind_wanted.emit("LOST")
    question = page.findChild(Question)
    assert question is not None
    question.verb.click()
    window.activateWindow()
    settle(window)
    second = page.dossier.card
    assert second is not None
    assert second.card_no != first.card_no
    window.go(Destination(key="scan"))
    scan = window.page
    assert isinstance(scan, ScanPage)
    write(window, codes.printed(first.card_no))
    press(window, KEY.Key_Return)
    assert "旧户码" in scan.heading.text()
    assert scan.open.isVisible()
    scan.clear()
    scan.number.setFocus()
    write(window, "7K3M")
    press(window, KEY.Key_Return)
    assert scan.number_box.error
    scan.take_scan(second.payload)
    assert opened(window).household == household


def test_a_card_number_in_the_search_is_judged(window: MainWindow, demo_desk: Desk) -> None:
    card, _ = cards.bind(demo_desk, demo.find(demo_desk, "wyf")[0].id)
    search(window, codes.printed(card.card_no))
    page = window.page
    assert isinstance(page, ScanPage)
    assert "户码有效" in page.heading.text()
    press(window, KEY.Key_Return)
    assert opened(window).name.text() == "吴艳芳"


def test_a_scanner_gun_is_heard_on_every_page(window: MainWindow, demo_desk: Desk) -> None:
    household = demo.find(demo_desk, "wyf")[0].id
    card, _ = cards.bind(demo_desk, household)
    now = [100.0]
    heard: list[str] = []

    def clock() -> float:
        now[0] += 0.004
        return now[0]

    def take(text: str) -> None:
        heard.append(text)
        if not window.page.take_scan(text):
            window.go(Destination(key="scan", rest=(text.encode(),)))

    listener = ScanListener(window, take, clock)
    window.go(Destination(key="households"))
    page = window.page
    assert isinstance(page, HouseholdsPage)
    screen = window.windowHandle()
    for character in card.payload:
        QTest.keyClick(screen, character)  # type: ignore[call-overload]
    QTest.keyClick(screen, KEY.Key_Return)
    settle(window)
    assert heard == [card.payload]
    assert page.search.text() == ""
    assert opened(window).household == household
    window.go(Destination(key="visit", id=household))
    visit = window.page
    assert isinstance(visit, VisitPage)
    take(card.payload)
    assert visit.form.form_of("presence_proof").editors["presence_proof"].value() == ("QR_SCAN",)
    now[0] += 10
    QTest.keyClick(screen, "a")  # type: ignore[call-overload]
    assert len(heard) == 2
    listener.deleteLater()


def test_the_visit_counts_show_what_was_done(window: MainWindow, demo_desk: Desk) -> None:
    window.go(Destination(key="today"))
    page = window.page
    assert isinstance(page, TodayPage)
    before = page.visited.number.text()
    household = page.list.current()
    assert household is not None
    press(window, KEY.Key_Return)
    visit = window.page
    assert isinstance(visit, VisitPage)
    assert visit.household == household
    visit.form.form_of("summary").editors["summary"].setFocus()
    write(window, "入户走访，家里一切正常，两个孩子都在学校，收入没有变化。")
    press(window, KEY.Key_S, Qt.KeyboardModifier.ControlModifier)
    window.go(Destination(key="today"))
    done, _, of = page.visited.number.text().partition(" / ")
    done_before, _, of_before = before.partition(" / ")
    assert int(done) == int(done_before) + 1
    assert of == of_before
    assert page.list.current() != household
    with demo_desk.vault.reading() as tx:
        assert visit_queries.visited_in_month(tx, "2026-11") == int(done)
    assert not window.findChildren(QDialog)
