"""忘记密码 from the door to the window, with the real county; the lease and the password that ran out, as seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import config
from app.casework.recovering import Answered, Asked
from app.errors import InputProblem, VaultProblem
from app.main import Program
from app.models.rules.lease import Standing, State
from app.models.rules.policy import MLPS, Policy
from app.sync.protocol import EnrolmentCode
from app.vault.recovery import Answer
from app.views.page import Destination
from app.views.recovery import RecoveryCard
from app.views.settings_page import SettingsPage
from app.views.unlock import OverdueCard, UnlockCard
from app.views.upload_page import UploadPage
from county import demo
from county import recovery as office
from county.keys import load_recovery
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import serving
from tests.views.looking import jumps, photograph
from tests.views.test_program import PASSWORD, Computer, computer, enrol  # noqa: F401 - fixtures

NEW = "copper teapot, nine wet roofs"
WORDS = ("松鼠", "水井", "海棠", "竹椅")


def judge(password: str) -> InputProblem | None:
    return None if len(password) >= 12 else InputProblem("password-short", needed=12, length=len(password))


def test_pictures_of_the_three_steps(dressed: QApplication, qtbot: QtBot) -> None:
    card = RecoveryCard("韦测一", judge, lambda: "songshu-shuijing-haitang-zhuyi")
    qtbot.addWidget(card)
    photograph(card, "recovery-password")
    assert jumps(card) == []
    with qtbot.waitSignal(card.asked) as asked:
        for box in (card.new.first, card.new.second):
            QTest.keyClicks(box.line, NEW)
        QTest.keyClick(card, Qt.Key.Key_Return)
    assert asked.args == [NEW]
    assert card.new.first.line.text() == ""
    card.show_request(Asked(staff=b"\x11" * 16, data=bytes(range(240)), words=WORDS))
    photograph(card, "recovery-request")
    assert jumps(card) == []
    card.say_saved("/media/stick/hudang-request.bin")
    card.say(InputProblem("recovery-no-code"))
    photograph(card, "recovery-no-code")
    answer = Answer(vault_id=bytes(16), epoch=1, request=bytes(32), sealed=bytes(80), enrol=(b"", bytes(64), b""))
    card.show_answer(Answered(answer=answer, words=WORDS))
    photograph(card, "recovery-answer")
    assert jumps(card) == []
    QTest.keyClick(card, Qt.Key.Key_Return)
    assert card.password.error
    QTest.keyClicks(card.password.line, NEW)
    with qtbot.waitSignal(card.finished) as finished:
        QTest.keyClick(card, Qt.Key.Key_Return)
    assert finished.args == [NEW]
    card.say(VaultProblem("wrong-password", seconds=0))
    assert card.password.error
    assert card.open.isEnabled()
    with qtbot.waitSignal(card.back):
        QTest.keyClick(card, Qt.Key.Key_Escape)


@pytest.fixture
def at_desk(
    site: Site,  # noqa: F811
    computer: Computer,  # noqa: F811
    qtbot: QtBot,
) -> Iterator[tuple[Program, Site]]:
    """A program of a laptop that the real county enrolled, its window open."""
    with serving(site.county) as base:
        code = site.invite("韦测一", f"{demo.VILLAGE}/{demo.GRIDS[0]}")
        program = computer.start()
        enrol(program, EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text(), qtbot)
        qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)
        yield program, site
        for each in computer.programs:
            each.end()


def test_from_a_forgotten_password_to_the_window(
    at_desk: tuple[Program, Site],
    computer: Computer,  # noqa: F811
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    first, county = at_desk
    assert first.opened is not None
    chain = first.opened.desk.author.chain
    first.end()
    program = computer.start()
    door = program.card
    assert isinstance(door, UnlockCard)
    door.forgotten.emit()
    qtbot.waitUntil(lambda: isinstance(program.card, RecoveryCard), timeout=20_000)
    card = program.card
    assert isinstance(card, RecoveryCard)
    QTest.keyClicks(card.new.first.line, "short")
    QTest.keyClick(card, Qt.Key.Key_Return)
    assert card.new.first.error
    card.new.first.line.clear()
    for box in (card.new.first, card.new.second):
        QTest.keyClicks(box.line, NEW)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(card.save.isVisible, timeout=20_000)
    words = [label.text() for label in card.request_words]
    note = card.save_note
    card.saved.emit(str(tmp_path / "request.bin"))
    qtbot.waitUntil(lambda: "request.bin" in note.text(), timeout=20_000)
    program.end()

    request = office.read((tmp_path / "request.bin").read_bytes())
    key = load_recovery(county.folder / "recovery.key")
    told = office.recover(county.county, county.by, request, key, " ".join(words)).encode()
    (tmp_path / "answer.bin").write_bytes(told)

    again = computer.start()
    door = again.card
    assert isinstance(door, UnlockCard)
    door.forgotten.emit()
    qtbot.waitUntil(lambda: isinstance(again.card, RecoveryCard), timeout=20_000)
    card = again.card
    assert isinstance(card, RecoveryCard)
    qtbot.waitUntil(card.load.isVisible, timeout=20_000)  # the request of yesterday
    assert [label.text() for label in card.request_words] == words
    card.read(str(tmp_path / "request.bin"))
    qtbot.waitUntil(card.trouble.isVisible, timeout=20_000)  # their own request is no answer
    card.read(str(tmp_path / "answer.bin"))
    qtbot.waitUntil(card.open.isVisible, timeout=20_000)
    assert tuple(label.text() for label in card.answer_words) == office.check_words(told)
    QTest.keyClicks(card.password.line, PASSWORD)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(card.password.error), timeout=20_000)
    QTest.keyClicks(card.password.line, NEW)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: again.window is not None, timeout=30_000)
    assert again.opened is not None
    assert again.opened.desk.author.chain != chain
    qtbot.waitUntil(lambda: not again.background.desk.busy, timeout=30_000)


def test_after_the_lease_only_reporting_is_left_and_brings_all_back(
    at_desk: tuple[Program, Site], qtbot: QtBot
) -> None:
    program, _ = at_desk
    assert program.opened is not None
    assert program.window is not None
    program.opened = replace(program.opened, lease=State(standing=Standing.WARN, days_left=3))
    program.show_window()
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)
    assert program.window.warning.text() == "还有 3 天不上报，就看不到资料了"
    photograph(program.window, "lease-warning")
    program.opened = replace(program.opened, lease=State(standing=Standing.UPLOAD_ONLY, days_left=0))
    program.show_window()
    window = program.window
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)
    assert set(window.places) == {"upload", "settings"}
    photograph(window, "lease-over")
    for key in ("households", "dossier", "log", "colleagues"):
        window.go(Destination(key=key))
        assert isinstance(window.page, UploadPage)
    QTest.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(window, Qt.Key.Key_F2)
    assert isinstance(window.page, UploadPage)
    window.go(Destination(key="settings"))
    settings = window.places["settings"].page
    assert isinstance(settings, SettingsPage)
    assert settings.isVisible()
    assert not settings.people.isVisible()
    window.go(Destination(key="upload"))
    upload = window.page
    assert isinstance(upload, UploadPage)
    upload.begin()
    qtbot.waitUntil(lambda: program.window is not window, timeout=30_000)
    assert program.window is not None
    assert "households" in program.window.places
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)


def test_a_password_that_ran_out_is_changed_before_anything_is_shown(
    at_desk: tuple[Program, Site],
    computer: Computer,  # noqa: F811
    qtbot: QtBot,
) -> None:
    program, _ = at_desk
    assert program.opened is not None
    opened = program.opened
    program.opened = replace(opened, password_days=5)
    program.show_window()
    assert program.window is not None
    assert program.window.warning.text().startswith("密码还有 5 天要换")
    overdue = replace(
        opened, password_days=-1, desk=replace(opened.desk, policy=Policy(password_profile=MLPS, password_days=90))
    )
    program.door._on_opened(config.workplaces(computer.home)[0], overdue)
    qtbot.waitUntil(lambda: isinstance(program.card, OverdueCard), timeout=20_000)
    card = program.card
    assert isinstance(card, OverdueCard)
    photograph(card, "password-overdue")
    window = program.window
    QTest.keyClicks(card.form.old.line, "not this one at all")
    for box in (card.form.new.first, card.form.new.second):
        QTest.keyClicks(box.line, NEW)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(card.form.old.error), timeout=20_000)
    QTest.keyClicks(card.form.old.line, PASSWORD)
    for box in (card.form.new.first, card.form.new.second):
        QTest.keyClicks(box.line, NEW)
    QTest.keyClick(card, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: program.window is not window, timeout=20_000)
    assert program.opened is not None
    assert program.opened.password_days == 90
    qtbot.waitUntil(lambda: not program.background.desk.busy, timeout=30_000)
