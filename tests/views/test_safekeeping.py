"""What a person sees of backups, damage and room: the section of the settings, the card at the door."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QLabel, QWidget

from app.casework.desk import Desk
from app.casework.safekeeping import Diagnosis, Safe
from app.errors import VaultProblem
from app.vault import backups, kept, salvage
from app.vault.backups import Backup
from app.vault.salvage import OwnChain, Salvaged
from app.vault.vault import DATABASE, Vault
from app.views.background import Background
from app.views.damage import DamageCard, told
from app.views.page import Destination
from app.views.parts.facts import facts_card
from app.views.parts.words import column
from app.views.safekeeping_section import SafekeepingSection
from app.views.settings_page import SettingsPage
from tests import demo
from tests.sync.laptops import finished
from tests.views.looking import jumps, photograph, settle

GAP = OwnChain(actor=demo.MINE, whole=40, at_county=((12, 14),), lost=((41, 41), (43, 45)), again=6, waits=True)
SALVAGED = Salvaged(
    condition=None, entries=1204, from_backup=37, refused=0, bare=2, drafts=1, cards_put_away=0, chains=(GAP,)
)


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return Safe(place=tmp_path / "backups", ballast_size=100_000)


def words_on(widget: QWidget) -> str:
    return "\n".join(each.text() for each in widget.findChildren(QLabel) if each.isVisibleTo(widget))


# --- the section ---


@pytest.fixture
def section(demo_desk: Desk, at_once: Background, safe: Safe) -> Iterator[SafekeepingSection]:
    made = SafekeepingSection(demo_desk, at_once, safe)
    made.reread()
    yield made
    made.deleteLater()


def test_a_backup_is_made_and_told(section: SafekeepingSection, safe: Safe, demo_desk: Desk) -> None:
    assert "还没有备份" in words_on(section)
    section.now.click()
    assert len(backups.of_vault(safe.place, demo_desk.vault.folder.name)) == 1
    assert "备份好了" in words_on(section)
    assert "10:58 备份过" in words_on(section)
    with demo_desk.vault.transaction() as tx:
        kept.put_draft(
            tx, kept.KeptDraft(id=b"d" * 16, form="visit", root=b"r" * 16, staff=demo.MINE, saved_at=1, data={})
        )
    section.reread()
    assert "之后有改动" in words_on(section)


def test_a_stick_is_remembered_and_asked_for(
    section: SafekeepingSection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    section.back_up_to(str(stick))
    assert "同一块盘" in section.trouble.text()
    monkeypatch.setattr("app.vault.places.same_disk", lambda *_: False)
    section.back_up_to(str(stick))
    assert section.trouble.isHidden()
    assert list((stick / "hudang-backup").rglob(DATABASE))
    stick.rename(tmp_path / "away")
    section.reread()
    assert "没有插上" in words_on(section)


def test_room_is_offered_when_it_is_scarce(
    section: SafekeepingSection, demo_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    section.now.click()
    assert section.room.isHidden()
    monkeypatch.setattr("app.vault.ballast.free_room", lambda _: 20_000_000)
    section.reread()
    assert not section.room.isHidden()
    section.room.click()
    assert "腾出了 97 KB" in section.good.text()
    assert section.room.isHidden()
    assert not (demo_desk.vault.folder / "ballast").exists()


def test_after_a_restoration_reporting_comes_first(section: SafekeepingSection, demo_desk: Desk) -> None:
    assert "先上报一次" not in words_on(section)
    with demo_desk.vault.transaction() as tx:
        salvage.put_waiting_chains(tx, [demo_desk.author.chain])
    section.reread()
    assert "先上报一次" in words_on(section)
    asked: list[bool] = []
    section.upload_wanted.connect(lambda: asked.append(True))
    section.upload.click()
    assert asked


def test_the_section_stands_on_the_settings_page(
    demo_desk: Desk, at_once: Background, safe: Safe, tmp_path: Path
) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    finished(safe.back_up(demo_desk))
    page = SettingsPage(demo_desk, at_once, settings, version="0.1", safe=safe)
    page.arrive(Destination(key="settings"))
    assert page.safekeeping is not None
    page.resize(1366, 768)
    page.show()
    settle(page)
    photograph(page, "safekeeping-settings")
    page.hide()
    page.deleteLater()
    section = SafekeepingSection(demo_desk, at_once, safe)
    alone, lines = QWidget(), column(margin=32)
    alone.setLayout(lines)
    lines.addWidget(facts_card("备份与空间", section))
    lines.addStretch(1)
    with demo_desk.vault.transaction() as tx:
        salvage.put_waiting_chains(tx, [demo_desk.author.chain])
    section.back_up()
    photograph(alone, "safekeeping-section")
    alone.hide()
    alone.deleteLater()


# --- the card ---


@pytest.fixture
def folder(demo_desk: Desk, safe: Safe) -> Path:
    """A vault with a backup, locked."""
    with demo_desk.vault.transaction() as tx:
        kept.put_setting(tx, "connection", {1: "an enrolled one has it"})
    finished(safe.back_up(demo_desk))
    demo_desk.vault.lock()
    return demo_desk.vault.folder


def card_for(safe: Safe, folder: Path) -> DamageCard:
    """What the door shows when the vault does not open."""
    try:
        demo.open_desk(folder)
    except VaultProblem as problem:
        found = safe.diagnose(folder, problem)
        assert found is not None
        return DamageCard("云台镇 上坝村 第三网格", found, Vault.people(folder))
    raise AssertionError("it opened")


def connect(card: DamageCard, safe: Safe, folder: Path) -> None:
    """What the composition root does, without lanes."""

    def salvage_now(key: str, password: str) -> None:
        try:
            done = finished(safe.salvage(folder, bytes.fromhex(key), password, now_ms=demo.NOW))
        except VaultProblem as problem:
            card.say_failed(problem)
        else:
            card.say_done(done)

    def restore_now(backup: Backup, key: str, password: str) -> None:
        try:
            done = finished(safe.restore(backup, folder, bytes.fromhex(key), password, now_ms=demo.NOW))
        except VaultProblem as problem:
            card.say_failed(problem)
        else:
            card.say_done(done)

    card.salvage_wanted.connect(salvage_now)
    card.restore_wanted.connect(restore_now)


def test_a_damaged_vault_is_salvaged_at_the_door(safe: Safe, folder: Path, dressed: object) -> None:
    path = folder / DATABASE
    data = bytearray(path.read_bytes())
    data[500] ^= 4
    path.write_bytes(data)
    card = card_for(safe, folder)
    connect(card, safe, folder)
    photograph(card, "damage-choice")
    assert not jumps(card)
    assert "1 页损坏" in words_on(card)
    card.salvage.click()
    photograph(card, "damage-password")
    card.password.setText("别的密码")
    card.submit()
    assert card.password_box.error
    card.password.setText(demo.PASSWORD)
    card.submit()
    assert "已经救出来" in words_on(card)
    photograph(card, "damage-done")
    left: list[bool] = []
    card.finished.connect(lambda: left.append(True))
    card.done.click()
    assert left
    card.hide()
    card.deleteLater()
    demo.open_desk(folder).vault.lock()


def test_a_vault_that_is_gone_is_restored_at_the_door(safe: Safe, folder: Path, dressed: object) -> None:
    (folder / DATABASE).unlink()
    card = card_for(safe, folder)
    connect(card, safe, folder)
    assert card.salvage.isHidden()
    assert "不见了" in words_on(card)
    photograph(card, "damage-missing")
    card.offered[0].click()
    assert "那时的密码" in words_on(card)
    card.password.setText(demo.PASSWORD)
    card.submit()
    assert "已经恢复" in words_on(card)
    assert "先上报一次" in words_on(card)
    photograph(card, "damage-restored")
    card.hide()
    card.deleteLater()
    demo.open_desk(folder).vault.lock()


def test_a_backup_of_a_stick_can_be_chosen(safe: Safe, folder: Path, tmp_path: Path, dressed: object) -> None:
    (folder / DATABASE).write_bytes(b"")
    found = backups.of_vault(safe.place, folder.name)[0]
    stick = tmp_path / "stick"
    shutil.copytree(safe.place, stick / "hudang-backup")
    card = DamageCard(
        "第三网格",
        Diagnosis(problem=VaultProblem("vault-empty"), salvageable=False, backups=()),
        Vault.people(folder),
    )
    assert "没有它的备份" in words_on(card)
    card.say_failed(VaultProblem("backup-none"))
    assert "没有户档的备份" in words_on(card)
    card.show_backups(safe.found_in(stick))
    assert len(card.offered) == 1
    asked: list[Backup] = []
    card.restore_wanted.connect(lambda backup, *_: asked.append(backup))
    card.offered[0].click()
    card.password.setText(demo.PASSWORD)
    card.submit()
    assert asked[0].mark == found.mark
    card.say_failed(VaultProblem("backup-altered"))
    assert "被改动过" in words_on(card)
    card.deleteLater()


def test_a_full_disk_at_the_door_is_given_room(safe: Safe, folder: Path, dressed: object) -> None:
    found = safe.diagnose(folder, VaultProblem("disk-full"))
    assert found is not None
    card = DamageCard("云台镇 上坝村 第三网格", found, Vault.people(folder))
    card.room_wanted.connect(lambda: card.say_freed(safe.make_room(folder)))
    photograph(card, "damage-full")
    assert card.choose.isHidden()
    assert not card.offered
    card.room.click()
    assert "腾出了空间" in words_on(card)
    assert not (folder / "ballast").exists()
    card.hide()
    card.deleteLater()


def test_what_was_lost_is_said_plainly(dressed: object) -> None:
    words = "\n".join(text for text, _ in told(SALVAGED, {demo.MINE: "韦测一"}))
    assert "韦测一有 4 次操作没上报过" in words
    assert "第 42、44–46 次" in words
    assert "有 6 次都在" in words
    assert "有 5 条缺失" in words
    assert "先上报一次" in words
    card = DamageCard("云台镇 上坝村 第三网格", None, [])
    card.say_done(SALVAGED)
    photograph(card, "damage-lost")
    card.hide()
    card.deleteLater()
