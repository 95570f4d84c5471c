"""Printing, reporting, the records and the settings: as they look, by keyboard, and when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pypdfium2 as pdfium
import pytest
import zxingcpp
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from sqlalchemy import select, update

from app.casework import cards
from app.casework.desk import Desk
from app.errors import CountyRefusal, HudangError, TransportProblem
from app.models.queries import history
from app.models.records.registry import BY_NAME
from app.models.tables import ENTRY, TABLES
from app.progress import Progress, Steps
from app.sync.exchange import Report
from app.sync.journal import Touched
from app.vault import kept
from app.vault.kept import KeptReceipt
from app.views import settings_page
from app.views.background import Background
from app.views.log_page import LogPage
from app.views.main_window import MainWindow, Place
from app.views.page import Destination, Page
from app.views.print_page import PrintPage
from app.views.settings_page import SettingsPage
from app.views.upload_page import Outbox, UploadPage, receipt_lines
from tests import demo
from tests.views.looking import jumps, photograph, settle

PLACES = (
    ("today", "今日", "today", ""),
    ("households", "农户", "households", ""),
    ("scan", "扫码", "scan", "F2"),
    ("print", "打印", "print", ""),
    ("upload", "上报", "upload", ""),
    ("log", "记录", "log", ""),
    ("settings", "设置", "settings", ""),
)


@pytest.fixture
def at_once(dressed: QApplication) -> Background:
    """Lanes that work at once and stay open: a preview may still be asked for while a test is taken down."""
    return Background.at_once()


def window(page: Page, background: Background, to: Destination, qtbot: QtBot) -> MainWindow:
    """The page as it stands in the program."""
    places = [
        Place(key=name, title=title, icon=icon, page=page if name == to.key else Page(), hint=hint)
        for name, title, icon, hint in PLACES
    ]
    shell = MainWindow(places, background, demo=True)
    qtbot.addWidget(shell)
    shell.show_place("云台镇 上坝村 第三网格")
    shell.show_person("韦测一")
    shell.show_pending(7)
    shell.show_synced("10:58")
    shell.show()
    shell.go(to)
    settle(shell)
    return shell


def waiting(desk: Desk) -> int:
    with desk.vault.reading() as tx:
        return kept.waiting(tx)


# --- printing ---


def print_page(
    desk: Desk, background: Background, qtbot: QtBot, tmp_path: Path, *chosen: bytes
) -> tuple[PrintPage, MainWindow]:
    page = PrintPage(desk, background, trial=tmp_path / "paper.pdf")
    shell = window(page, background, Destination(key="print", rest=chosen), qtbot)
    qtbot.wait(120)
    return page, shell


def codes_on(path: Path) -> list[str]:
    """What a reader finds on the pages of a PDF."""
    document = pdfium.PdfDocument(path)
    found = []
    for number in range(len(document)):
        picture = document[number].render(scale=200 / 72).to_pil()
        found += [code.text for code in zxingcpp.read_barcodes(picture)]
    document.close()
    return found


def test_the_list_says_what_is_missing(station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    page, shell = print_page(station_desk, at_once, qtbot, tmp_path)
    assert page.count.text() == "39 户，可打印 20 份"
    assert "19 户没有户码可发" in page.missing.text()
    photograph(shell, "print")
    assert jumps(shell) == []
    page.kind.setCurrentIndex(page.kind.findData("UNSTABLE"))
    assert page.count.text().startswith("2 户")
    page.kind.setCurrentIndex(0)
    page.group.setCurrentIndex(1)
    assert page.count.text() == "1 户，可打印 1 份"
    assert page.preview.where.text() == "第 1 页 共 2 页"


def test_looking_binds_no_card(demo_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    before = waiting(demo_desk)
    page, _ = print_page(demo_desk, at_once, qtbot, tmp_path)
    for _ in range(3):
        QTest.keyClick(page.table, Qt.Key.Key_Down)
        qtbot.wait(80)
    page.preview.larger.click()
    page.preview.following.click()
    assert page.preview.where.text() == "第 2 页 共 2 页"
    assert waiting(demo_desk) == before


def test_on_a_narrow_window_the_preview_takes_the_place_of_the_list(
    demo_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path
) -> None:
    page, shell = print_page(demo_desk, at_once, qtbot, tmp_path)
    shell.resize(911, 512)
    settle(shell)
    assert not page.right.isVisible()
    page.look.click()
    settle(shell)
    assert page.right.isVisible()
    assert not page.middle.isVisible()
    QTest.keyClick(shell, Qt.Key.Key_Escape)
    settle(shell)
    assert page.middle.isVisible()
    shell.resize(1366, 768)
    settle(shell)
    assert page.right.isVisible()


def test_a_selection_goes_into_a_file_and_its_codes_read_back(
    station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path
) -> None:
    chosen = [row.id for row in demo.find(station_desk)[:3]]
    page, shell = print_page(station_desk, at_once, qtbot, tmp_path, *chosen)
    assert page.selected.text() == "选中的 3 户"
    before = waiting(station_desk)
    page.begin_pdf(tmp_path / "sheets.pdf")
    assert "共 3 份" in page.notice.text.text()
    found = codes_on(tmp_path / "sheets.pdf")
    opened = {cards.judge(station_desk, text).household for text in found}
    assert opened == set(chosen)
    # A card and a printed sheet for each household; the second time only the sheet.
    assert waiting(station_desk) == before + 6
    photograph(shell, "print-pdf")
    page.begin_pdf(tmp_path / "again.pdf")
    assert sorted(codes_on(tmp_path / "again.pdf")) == sorted(found)
    assert waiting(station_desk) == before + 9


def test_a_batch_on_a_printer_is_asked_about(
    station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path
) -> None:
    page, shell = print_page(station_desk, at_once, qtbot, tmp_path)
    page.range.setText("1-2")
    page.duplex.setChecked(False)
    page.print.click()
    assert page.run.question.isVisible()
    assert "第 1 至 2 份" in page.run.question.text.text()
    photograph(shell, "print-question")
    assert page.may_leave()
    page.run.question.no.click()
    page.run.question.first.setValue(2)
    page.run.question.last.setValue(2)
    photograph(shell, "print-again")
    page.run.question.again.click()
    assert "第 2 至 2 份" in page.run.question.text.text()
    assert {text[:4] for text in codes_on(tmp_path / "paper.pdf")} != set()
    QTest.keyClick(page.run.question.yes, Qt.Key.Key_Return)
    assert page.notice.text.text().startswith("2 份都打出来了")
    assert not page.run.busy
    with station_desk.vault.reading() as tx:
        table = TABLES[BY_NAME["printout"].number]
        assert [row.outcome for row in tx.execute(select(table))] == ["PAPER"] * 2


def test_stopping_a_batch_loses_nothing(station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    page, _ = print_page(station_desk, at_once, qtbot, tmp_path)
    page.range.setText("1")
    page.print.click()
    page.run.question.end.click()
    assert "停在这里" in page.notice.text.text()
    assert page.controls.isEnabled()
    with station_desk.vault.reading() as tx:
        assert list(tx.scalars(select(kept.PRINT_JOB.c.state))) == ["unsure"]
    again, _ = print_page(station_desk, at_once, qtbot, tmp_path)
    assert again.notice.text.text().startswith("上次有 1 份没有打完")
    again.notice.action.click()
    assert again.selected.text() == "选中的 1 户"
    again.begin_pdf(tmp_path / "again.pdf")
    with station_desk.vault.reading() as tx:
        assert kept.unconfirmed_prints(tx) == []


def test_where_cups_is_the_file_goes_to_it_by_standard_input(
    station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (
        ("lpstat", "echo Station"),
        ("lp", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/job.pdf'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    page, _ = print_page(station_desk, at_once, qtbot, tmp_path)
    assert page.printer.currentText() == "Station"
    page.range.setText("2-3")
    page.print.click()
    assert page.run.question.isVisible()
    said = (tmp_path / "words").read_text()
    assert "Station" in said
    assert not any(row.head_name in said for row in demo.find(station_desk))
    assert len(codes_on(tmp_path / "job.pdf")) == 2
    page.run.question.yes.click()
    assert page.notice.text.text().startswith("2 份都打出来了")


def test_who_may_not_print_batches_prints_the_current_household(
    grid_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path
) -> None:
    page, shell = print_page(grid_desk, at_once, qtbot, tmp_path)
    assert not page.range.isVisible()
    assert "一次打印一户" in page.limits.text()
    photograph(shell, "print-one")
    current = page.table.record()
    assert current is not None
    page.begin_pdf(tmp_path / "one.pdf")
    (text,) = codes_on(tmp_path / "one.pdf")
    assert cards.judge(grid_desk, text).household == current.row.id


def test_a_wrong_range_is_said(station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    page, _ = print_page(station_desk, at_once, qtbot, tmp_path)
    for text in ("0", "5-3", "1-99", "abc"):
        page.range.setText(text)
        page.begin_pdf(tmp_path / "never.pdf")
        assert "范围" in page.notice.text.text()
    assert not (tmp_path / "never.pdf").exists()


def test_a_file_that_cannot_be_written_is_said(
    station_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path
) -> None:
    page, _ = print_page(station_desk, at_once, qtbot, tmp_path)
    page.range.setText("1")
    page.begin_pdf(tmp_path / "no" / "such" / "folder.pdf")
    assert page.notice.isVisible()
    assert page.controls.isEnabled()


# --- reporting ---


def upload_page(desk: Desk, background: Background, qtbot: QtBot, exchange: Callable[[], Steps[Report]]) -> UploadPage:
    page = UploadPage(desk, background, exchange)
    window(page, background, Destination(key="upload"), qtbot)
    return page


def failing(error: HudangError) -> Steps[Report]:
    yield Progress(done=0, of=0, doing="正在联系县里")
    raise error


def confirmed(desk: Desk) -> Steps[Report]:
    """What an exchange leaves behind: positions and a receipt for everything."""
    yield Progress(done=3, of=6, doing="正在上报")
    with desk.vault.transaction() as tx:
        mine = kept.chain(tx, desk.author.chain)
        assert mine is not None
        first, count = mine.acknowledged, mine.state.next_seq - mine.acknowledged
        ids = kept.own_ids(tx, mine.state.id, first, count)
        kept.put_positions(tx, {identity: 4821 + n for n, identity in enumerate(ids)})
        kept.put_chain(tx, mine.state, own=True, acknowledged=mine.state.next_seq)
        kept.put_receipt(tx, mine.state.id, first, count, 4821, desk.clock(), b"")
        receipt = kept.last_receipt(tx)
    yield Progress(done=6, of=6, doing="正在上报")
    return Report(
        sent=count,
        received=12,
        files=2,
        unreadable=0,
        cards=200,
        receipt=receipt,
        offset_ms=12 * 60_000,
        same=True,
        touched=Touched(outbox=True),
    )


def test_what_waits_is_said_and_then_what_the_county_has(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    page = upload_page(demo_desk, at_once, qtbot, partial(confirmed, demo_desk))
    shell = page.window()
    assert page.headline.text() == "6 次操作待上报"
    assert page.below.text().startswith("记走访 6 次")
    photograph(shell, "upload-waiting")
    assert jumps(shell) == []
    told: list[int] = []
    page.clock_told.connect(told.append)
    QTest.keyClick(page, Qt.Key.Key_Return)
    assert page.headline.text() == "全部已上报 · 10:58"
    assert told == [12 * 60_000]
    assert page.receipt.sentences[0] == "县里已收您的第 40–45 次操作。"
    assert "编号 4,821–4,826" in page.receipt.sentences[1]
    photograph(shell, "upload-done")


def test_a_county_that_cannot_be_reached_costs_nothing(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    page = upload_page(demo_desk, at_once, qtbot, partial(failing, TransportProblem("county-unreachable")))
    page.start.click()
    assert page.trouble.isVisible()
    assert "都在本机" in page.trouble_text.text()
    assert "继续走访" in page.trouble_next.text()
    assert page.headline.text() == "6 次操作待上报"
    assert page.start.isEnabled()
    photograph(page.window(), "upload-unreachable")
    page._exchange = partial(failing, CountyRefusal("chain-revoked"))
    page.start.click()
    assert "告诉县里" in page.trouble_next.text()


def test_a_stopped_report_goes_on_later(demo_desk: Desk, dressed: object, qtbot: QtBot) -> None:
    background = Background.with_threads()
    try:
        page = UploadPage(demo_desk, background, endless)
        shell = window(page, background, Destination(key="upload"), qtbot)
        page.start.click()
        qtbot.waitUntil(page.strip.isVisible, timeout=5000)
        photograph(shell, "upload-running")
        page.strip.cancel.click()
        qtbot.waitUntil(page.trouble.isVisible, timeout=5000)
        assert page.trouble_text.text() == "已停下。"
        assert page.focusWidget() is page.start
        assert page.start.isEnabled()
        qtbot.waitUntil(lambda: page.headline.text() == "6 次操作待上报", timeout=5000)
    finally:
        background.close()


def endless() -> Steps[Report]:
    """A county that is very slow."""
    done = 0
    while True:
        done += 1
        yield Progress(done=min(done // 200, 40), of=57, doing="正在上报")


# --- the records ---


def test_the_log_shows_what_was_done_and_proves_it(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    page = LogPage(demo_desk, at_once)
    shell = window(page, at_once, Destination(key="log"), qtbot)
    assert page.count.text().startswith("48 条记录")
    photograph(shell, "log")
    assert jumps(shell) == []
    QTest.keyClick(page.verify, Qt.Key.Key_Return)
    assert page.notice.text.text().startswith("核验通过。")
    assert "还有 6 次操作没有上报" in page.notice.text.text()
    photograph(shell, "log-verified")
    page.household.line.setText("黎芳艳")
    page.household.changed.emit()
    assert page.count.text().startswith("2 条记录")
    page.everything.click()
    page.day.line.setText("2026-11-18")
    page.day.changed.emit()
    assert page.count.text().startswith("1 条记录")


def test_a_changed_table_is_found(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    with demo_desk.vault.transaction() as tx:
        table = TABLES[BY_NAME["household"].number]
        tx.execute(update(table).where(table.c.villager_group == "一组").values(villager_group="九组"))
    page = LogPage(demo_desk, at_once)
    shell = window(page, at_once, Destination(key="log"), qtbot)
    page.verify.click()
    assert page.notice.text.text().startswith("核验没有通过")
    photograph(shell, "log-broken")


def test_a_changed_entry_is_found(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    with demo_desk.vault.transaction() as tx:
        newest = history.acts(tx, limit=1)[0]
        entry = ENTRY
        data = tx.scalar(select(entry.c.signature).where(entry.c.id == newest.id))
        assert data is not None
        changed = bytes([data[0] ^ 1]) + data[1:]
        tx.execute(update(entry).where(entry.c.id == newest.id).values(signature=changed))
    page = LogPage(demo_desk, at_once)
    window(page, at_once, Destination(key="log"), qtbot)
    page.verify.click()
    assert "签名不对" in page.notice.text.text()


def test_checking_changes_nothing(demo_desk: Desk, at_once: Background, qtbot: QtBot) -> None:
    page = LogPage(demo_desk, at_once)
    window(page, at_once, Destination(key="log"), qtbot)
    before = [row.head_name for row in demo.find(demo_desk)]
    page.verify.click()
    assert [row.head_name for row in demo.find(demo_desk)] == before


# --- settings ---


def test_settings(demo_desk: Desk, at_once: Background, qtbot: QtBot, tmp_path: Path) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    page = SettingsPage(demo_desk, at_once, settings, version="0.1.0")
    shell = window(page, at_once, Destination(key="settings"), qtbot)
    assert ("户码", "还剩 20 张没有用") in page.person.facts
    photograph(shell, "settings")
    assert jumps(shell) == []
    chosen: list[str] = []
    page.appearance_chosen.connect(chosen.append)
    page.appearance.buttons["dark"].click()
    page.scale.buttons["130"].click()
    assert chosen == ["dark"]
    assert page.restart.isVisible()
    assert settings.value(settings_page.SCALE) == "130"


def test_a_receipt_of_the_first_act_alone() -> None:
    """The beginning of a chain is not something that a person did."""
    receipt = KeptReceipt(start=0, count=2, first_position=9, received_at=demo.NOW)
    lines = receipt_lines(Outbox(waiting=0, kinds=(), files=0, receipt=receipt, last=None), demo.NOW)
    assert lines[0] == "县里已收您的第 1 次操作。"
    assert "编号 10" in lines[1]
