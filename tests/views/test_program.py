"""The whole program, from the enrolment code to the receipt and back to the door, with a county on the line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from sqlalchemy import update

from app import config
from app.casework import drafts as form_drafts
from app.casework.desk import Desk, created, write
from app.casework.files import NewFile, open_file
from app.casework.visits import VisitDraft, drafts
from app.ledger.entry import Act
from app.main import Program
from app.models.records.registry import BY_NAME
from app.models.tables import ENTRY
from app.vault import kept
from app.views import theme
from app.views.background import Background
from app.views.damage import DamageCard
from app.views.dossier_page import DossierPage
from app.views.enrol import EnrolCard
from app.views.log_page import LogPage
from app.views.open_file_page import OpenFilePage
from app.views.page import Destination
from app.views.parts.editors import LineEditor
from app.views.settings_page import SettingsPage
from app.views.unlock import UnlockCard
from app.views.upload_page import UploadPage
from app.views.visit_page import VisitPage
from app.views.workplaces import WorkplacesCard
from tests.county_simulator import SimulatedCounty, Trick, serving
from tests.sync.laptops import CHEAP
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
            kdf=CHEAP,
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


def invite(county: SimulatedCounty, base: str) -> str:
    """A code for somebody whom the county has made a grid worker at the workplace."""
    staff = county.draw(16)
    area, grant = BY_NAME["area"], BY_NAME["grant"]
    place = created(area, county.workplace, {"level": "GRID", "name": "第三网格"})
    given = created(grant, county.draw(16), {"staff": staff, "role": "GRID", "area": county.workplace})
    county.act(Act.SET_UP, [county.workplace], [place])
    county.act(Act.GRANT, [staff], [given])
    return county.invite(base, staff=staff)


def enrol(program: Program, code: str, qtbot: QtBot) -> None:
    card = program.card
    assert isinstance(card, EnrolCard)
    card.code.setPlainText(code)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(card.first.isVisible, timeout=10_000)
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
    enrol(program, invite(simulated, base), qtbot)
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


@pytest.fixture
def at_work(computer: Computer, county: tuple[SimulatedCounty, str], qtbot: QtBot) -> Program:
    """A program with its window open."""
    simulated, base = county
    program = computer.start()
    enrol(program, invite(simulated, base), qtbot)
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=20_000)
    return program


def household(program: Program, qtbot: QtBot) -> bytes:
    """A household that the person opens a file for."""
    assert program.opened is not None
    desk = program.opened.desk
    new = NewFile(
        household=desk.new_id(),
        head=desk.new_id(),
        household_values={"household_type": "ORDINARY", "village": desk.workplace, "villager_group": "二组"},
        head_values={"name": "韦测二", "gender": "1"},
    )
    done: list[object] = []
    failures: list[Exception] = []
    work = partial(write, desk, partial(open_file, desk, new))
    program.background.desk.run(work, done.append, failures.append, owner=program)
    qtbot.waitUntil(lambda: bool(done or failures), timeout=20_000)
    assert failures == []
    return new.household


def test_the_badge_follows_every_act(at_work: Program, qtbot: QtBot) -> None:
    household(at_work, qtbot)
    assert at_work.window is not None
    pending = at_work.window.pending
    qtbot.waitUntil(lambda: pending.text() == "▲ 待上报 1", timeout=20_000)


def test_locking_keeps_the_draft(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    root = household(at_work, qtbot)
    window = at_work.window
    assert window is not None
    window.go(Destination(key="visit", id=root))
    page = window.page
    assert isinstance(page, VisitPage)
    qtbot.waitUntil(lambda: page.draft is not None, timeout=20_000)
    respondent = page.form.form_of("respondent").editors["respondent"]
    assert isinstance(respondent, LineEditor)
    QTest.keyClicks(respondent.line, "Grandmother")
    window.lock.click()
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)
    assert not window.isVisible()

    again = computer.start()
    door = again.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: again.window is not None, timeout=20_000)
    assert again.opened is not None
    found: list[list[VisitDraft]] = []
    again.background.desk.run(partial(drafts, again.opened.desk, root), found.append, owner=again)
    qtbot.waitUntil(lambda: bool(found), timeout=20_000)
    assert [draft.values["respondent"] for draft in found[0]] == ["Grandmother"]


def test_locking_keeps_a_file_that_was_begun(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    window = at_work.window
    assert window is not None
    window.go(Destination(key="open_file"))
    page = window.page
    assert isinstance(page, OpenFilePage)
    qtbot.waitUntil(lambda: not at_work.background.desk.busy, timeout=20_000)
    name = page.head.form_of("name").editors["name"]
    assert isinstance(name, LineEditor)
    QTest.keyClicks(name.line, "Grandmother")
    ids = page._new
    window.lock.click()
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)

    again = computer.start()
    door = again.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: again.window is not None, timeout=20_000)
    assert again.window is not None
    again.window.go(Destination(key="open_file"))
    page = again.window.page
    assert isinstance(page, OpenFilePage)
    qtbot.waitUntil(page.clear.isVisible, timeout=20_000)
    assert page.head.values()["name"] == "Grandmother"
    assert page._new == ids
    photograph(again.window, "open-file-draft")
    page.clear.click()
    qtbot.waitUntil(lambda: page.head.values()["name"] is None and not page.clear.isVisible(), timeout=20_000)
    assert page._new != ids


def test_locking_keeps_a_correction_and_a_new_member(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    root = household(at_work, qtbot)
    window = at_work.window
    assert window is not None
    window.go(Destination(key="dossier", id=root))
    page = window.page
    assert isinstance(page, DossierPage)
    view = page.household_view
    qtbot.waitUntil(view.edit.isVisible, timeout=20_000)
    qtbot.waitUntil(lambda: not at_work.background.desk.busy, timeout=20_000)
    page.household_view.edit.click()
    assert page.household_view.form is not None
    group = page.household_view.form.form_of("villager_group").editors["villager_group"]
    assert isinstance(group, LineEditor)
    group.line.setText("七组")
    page.members.add.click()
    assert page.member_view.form is not None
    name = page.member_view.form.form_of("name").editors["name"]
    assert isinstance(name, LineEditor)
    name.line.setText("韦测三")
    member = page._new_member
    window.lock.click()
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)

    again = computer.start()
    door = again.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: again.window is not None, timeout=20_000)
    assert again.window is not None
    again.window.go(Destination(key="dossier", id=root))
    page = again.window.page
    assert isinstance(page, DossierPage)
    qtbot.waitUntil(lambda: page.household_view.editing, timeout=20_000)
    assert page.household_view.unsaved() == {"villager_group": "七组"}
    qtbot.waitUntil(page.notice.action.isVisible, timeout=20_000)
    page.notice.action.click()
    assert page.member_view.unsaved()["name"] == "韦测三"
    assert page._new_member == member
    page.go_to_section("household")
    page.household_view.submit()
    qtbot.waitUntil(lambda: not page.household_view.editing, timeout=20_000)
    page.member_view.stop()
    found: list[object] = []
    assert again.opened is not None
    again.background.desk.run(
        partial(form_drafts.find_all, again.opened.desk, "correct", root), found.append, owner=again
    )
    qtbot.waitUntil(lambda: bool(found), timeout=20_000)
    assert found == [[]]  # saved, given up: nothing is kept any more


def test_a_curtain_covers_what_still_runs(
    at_work: Program, computer: Computer, county: tuple[SimulatedCounty, str], qtbot: QtBot
) -> None:
    household(at_work, qtbot)
    simulated, _ = county
    simulated.tricks.append(Trick(pause_s=1.5))
    before = len(simulated.log.entries)
    window = at_work.window
    assert window is not None
    window.upload_wanted.emit()
    qtbot.waitUntil(lambda: at_work.background.courier.busy, timeout=5_000)
    at_work.lock()
    assert window.curtain.isVisible()
    assert not window.centre.isVisible()
    assert computer.restarts == []
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=30_000)
    assert len(simulated.log.entries) == before + 1  # what ran came to its end


def test_a_second_program_is_told_that_the_vault_is_open(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    other = computer.start()
    door = other.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "已经在别处打开了" in door.password_box.error, timeout=20_000)


def test_damaged_keys_are_told_and_nothing_is_made_anew(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    at_work.end()
    (folder,) = config.workplaces(computer.home)
    for file in folder.glob("slots*.cbor"):
        file.write_bytes(b"not what was here")
    program = computer.start()
    qtbot.waitUntil(lambda: isinstance(program.card, DamageCard), timeout=20_000)
    card = program.card
    assert isinstance(card, DamageCard)
    photograph(card, "door-damaged")
    card.elsewhere.emit()
    other = program.card
    assert isinstance(other, WorkplacesCard)
    next(iter(other.buttons.values())).click()
    qtbot.waitUntil(lambda: isinstance(program.card, DamageCard), timeout=20_000)


def test_a_damaged_file_is_salvaged_at_the_door(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    household(at_work, qtbot)
    at_work.end()
    (folder,) = config.workplaces(computer.home)
    damaged = bytearray((folder / "vault.db").read_bytes())
    for page in range(5, len(damaged) // 4096, 7):
        damaged[page * 4096 + 100] ^= 1
    (folder / "vault.db").write_bytes(damaged)
    program = computer.start()
    door = program.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: isinstance(program.card, DamageCard) or program.window is not None, timeout=20_000)
    card = program.card
    assert isinstance(card, DamageCard)
    card.salvage.click()
    QTest.keyClicks(card.password, "not the right words")
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(card.password_box.error), timeout=20_000)
    QTest.keyClicks(card.password, PASSWORD)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(card.done.isVisible, timeout=30_000)
    card.done.click()
    door = program.card
    assert isinstance(door, UnlockCard)
    QTest.keyClicks(door.password, PASSWORD)
    QTest.keyClick(door, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: program.window is not None, timeout=30_000)
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)


def test_back_to_a_backup_by_way_of_the_door(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not at_work.background.courier.busy, timeout=30_000)  # the first backup
    window = at_work.window
    assert window is not None
    window.go(Destination(key="settings"))
    page = window.page
    assert isinstance(page, SettingsPage)
    assert page.safekeeping is not None
    page.safekeeping.restore.click()
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=30_000)
    program = computer.start()
    card = program.card
    assert isinstance(card, DamageCard)
    (offered,) = card.offered
    offered.click()
    QTest.keyClicks(card.password, PASSWORD)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(card.done.isVisible, timeout=30_000)
    program.end()
    assert isinstance(computer.start().card, UnlockCard)  # once is enough


def test_leaving_the_computer_locks(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    at_work.watch.leaving.emit()
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)


def test_the_longest_session_ends_and_the_policy_says_when(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    assert at_work.opened is not None
    policy = at_work.opened.desk.policy
    assert at_work.session.interval() == policy.session_hours * 3_600_000
    assert at_work.idle.interval() == policy.idle_minutes * 60_000
    at_work.session.start(100)
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)


def test_another_appearance_at_once(at_work: Program, qtbot: QtBot) -> None:
    window = at_work.window
    assert window is not None
    window.go(Destination(key="settings"))
    page = window.page
    assert isinstance(page, SettingsPage)
    page.appearance.buttons["dark"].click()
    try:
        qtbot.waitUntil(lambda: at_work.window is not window, timeout=10_000)
        assert at_work.window is not None
        assert isinstance(at_work.window.page, SettingsPage)
        qtbot.waitUntil(lambda: not at_work.background.desk.busy, timeout=20_000)
        photograph(at_work.window, "dark-settings")
        at_work.window.go(Destination(key="upload"))
        qtbot.waitUntil(lambda: not at_work.background.desk.busy, timeout=20_000)
        photograph(at_work.window, "dark-upload")
    finally:
        theme.dress(at_work.application, theme.LIGHT)


def test_wrong_passwords_cost_waiting_and_a_fresh_program_knows(
    at_work: Program, computer: Computer, qtbot: QtBot
) -> None:
    at_work.end()
    program = computer.start()
    door = program.card
    assert isinstance(door, UnlockCard)
    for tries in range(1, 6):
        QTest.keyClicks(door.password, "not the right words")
        QTest.keyClick(door, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: bool(door.password_box.error) and door.password.isEnabled(), timeout=20_000)
        assert door.unlock.isEnabled() is (tries < 5)
    assert door.unlock.text().startswith("请等 ")
    program.end()
    again = computer.start().card
    assert isinstance(again, UnlockCard)
    qtbot.waitUntil(lambda: not again.unlock.isEnabled(), timeout=20_000)
    QTest.keyClicks(again.password, PASSWORD)
    QTest.keyClick(again, Qt.Key.Key_Return)
    assert again.password.text() == PASSWORD  # nothing was asked
    photograph(again, "unlock-waiting")


@pytest.mark.parametrize("code", ["", "hello", "HUDANG1-AAAA"])
def test_what_is_no_code(computer: Computer, code: str, qtbot: QtBot) -> None:
    program = computer.start()
    card = program.card
    assert isinstance(card, EnrolCard)
    card.code.setPlainText(code)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(card.code_box.error), timeout=10_000)


def test_receipts_are_checked_again(at_work: Program, qtbot: QtBot) -> None:
    household(at_work, qtbot)
    window = at_work.window
    assert window is not None
    window.go(Destination(key="upload"))
    upload = window.page
    assert isinstance(upload, UploadPage)
    upload.begin()
    qtbot.waitUntil(lambda: not upload.running, timeout=20_000)
    assert upload.brought.sentences[0] == "上报了 1 次操作。"
    window.go(Destination(key="log"))
    log = window.page
    assert isinstance(log, LogPage)
    log.verify.click()
    qtbot.waitUntil(log.notice.isVisible, timeout=20_000)
    assert "县里的 1 张回执都对得上" in log.notice.text.text()
    assert at_work.opened is not None
    done: list[object] = []
    work = partial(move_back, at_work.opened.desk)
    at_work.background.desk.run(work, lambda _: done.append(1), owner=at_work)
    qtbot.waitUntil(lambda: bool(done), timeout=20_000)
    log.notice.hide()
    log.verify.click()
    qtbot.waitUntil(log.notice.isVisible, timeout=20_000)
    assert "换了位置" in log.notice.text.text()


def move_back(desk: Desk) -> None:
    """Somebody gives an entry another place than the county did."""
    with desk.vault.transaction() as tx:
        mine = kept.own_chains(tx)[0].state.id
        tx.execute(update(ENTRY).where(ENTRY.c.chain == mine, ENTRY.c.seq == 1).values(position=9999))


def test_a_computer_left_alone_locks_itself(at_work: Program, computer: Computer, qtbot: QtBot) -> None:
    assert at_work.window is not None
    handle = at_work.window.windowHandle()
    at_work.idle.setInterval(400)
    at_work.idle.start()
    for _ in range(4):
        qtbot.wait(200)
        QTest.keyClick(handle, Qt.Key.Key_Down)
    assert computer.restarts == []
    qtbot.waitUntil(lambda: computer.restarts == [1], timeout=20_000)
