"""备份与空间: a section of the settings page. When the last backup was made, here and on a stick; room on the disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QFrame, QWidget

from app.casework.desk import Desk
from app.casework.safekeeping import Safe, State
from app.errors import HudangError
from app.messages import sentence
from app.progress import Steps
from app.text import tr
from app.vault.backups import Backup
from app.views import theme
from app.views.background import Background, Cancelled
from app.views.parts import wording
from app.views.parts.facts import Facts
from app.views.parts.notices import ProgressStrip
from app.views.parts.words import Flow, button, column, label, row

SCARCE = 1024 * 1024 * 1024  # bytes free, below which room is offered


class SafekeepingSection(QWidget):
    """`restore_wanted`: the program is to lock and to show the way back at the door. `upload_wanted`: an exchange has
    to come first."""

    restore_wanted = Signal()
    upload_wanted = Signal()

    def __init__(self, desk: Desk, background: Background, safe: Safe) -> None:
        super().__init__()
        self._desk, self._background, self._safe = desk, background, safe
        self._ticket = 0
        self.facts = Facts()
        self.now = button(tr("立即备份"))
        self.now.clicked.connect(self.back_up)
        self.to_stick = button(tr("备份到 U 盘…"))
        self.to_stick.clicked.connect(self._choose_folder)
        self.restore = button(tr("恢复…"))
        self.restore.clicked.connect(self.restore_wanted)
        self.room = button(tr("腾出空间"))
        self.room.clicked.connect(self.make_room)
        self.room.hide()
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(lambda: background.courier.cancel(self._ticket))
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.good = label("", "ok-note", wrap=True)
        self.good.hide()
        self._waiting = self._waiting_notice()
        buttons = Flow()
        for each in (self.now, self.to_stick, self.restore, self.room):
            buttons.addWidget(each)
        placed = row()
        placed.addSpacing(Facts.NAMES + theme.MARGIN)
        placed.addLayout(buttons, 1)
        lines = column(gap=12)
        lines.addWidget(self._waiting)
        lines.addWidget(self.facts)
        lines.addLayout(placed)
        lines.addWidget(self.strip)
        lines.addWidget(self.trouble)
        lines.addWidget(self.good)
        self.setLayout(lines)

    def _waiting_notice(self) -> QFrame:
        frame = QFrame()
        frame.setProperty("notice", "warning")
        self.upload = button(tr("去上报"), "link")
        self.upload.clicked.connect(self.upload_wanted)
        inner = row(margin=12, gap=12)
        inner.addWidget(label(tr("刚抢救或恢复过：先上报一次，再继续录入。"), "strong", wrap=True), 1)
        inner.addWidget(self.upload)
        frame.setLayout(inner)
        frame.hide()
        return frame

    # --- what it shows ---

    def reread(self) -> None:
        """Read again how the vault is kept."""
        self._background.desk.run(partial(self._safe.state, self._desk), self._show, self._say, owner=self)

    def _show(self, state: State) -> None:
        self._waiting.setVisible(state.waits)
        self.room.setVisible(bool(state.ballast) and state.free < SCARCE)
        self.facts.show_facts(
            [
                (tr("这台电脑"), self._here(state)),
                (tr("U 盘"), self._there(state)),
                (tr("磁盘"), _room_words(state)),
            ]
        )

    def _here(self, state: State) -> str:
        if state.newest is None:
            return tr("还没有备份。上报以后会自动备份，有改动的日子每天一次。")
        words = self._words(state.newest)
        return (
            tr("{words}。之后有改动，下次上报时自动备份。", words=words)
            if state.changed
            else tr("{words}。", words=words)
        )

    def _there(self, state: State) -> str:
        if state.second is None:
            return tr("还没有备份到 U 盘。电脑坏了或丢了，U 盘上的能救回没上报的内容。")
        if not state.reachable:
            return tr("没有插上。插上后按“立即备份”，也会备份到 U 盘。")
        return self._words(state.newest_there) if state.newest_there else tr("上面没有备份了。")

    def _words(self, backup: Backup) -> str:
        when = wording.moment(backup.made_at, self._desk.clock())
        if backup.waiting:
            return tr(
                "{time} 备份过，{count} 条，{waiting} 条没上报", time=when, count=backup.entries, waiting=backup.waiting
            )
        return tr("{time} 备份过，{count} 条", time=when, count=backup.entries)

    # --- what the person does ---

    def back_up(self) -> None:
        """立即备份: here, and on the stick when it is in."""
        self._run(partial(self._safe.back_up, self._desk))

    def back_up_to(self, name: str) -> None:
        """备份到 U 盘: into a folder, and from now on there too."""
        self._run(partial(self._safe.back_up_to, self._desk, Path(name)))

    def make_room(self) -> None:
        """腾出空间: give up the ballast."""
        work = partial(self._safe.make_room, self._desk.vault.folder)
        self._background.desk.run(work, self._say_freed, self._say, owner=self)

    def _choose_folder(self) -> None:
        dialog = QFileDialog(self, tr("备份到哪里"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.back_up_to)
        dialog.open()

    def _run(self, work: Callable[[], Steps[State]]) -> None:
        self._wait(True)
        self.strip.begin(tr("正在备份"))
        self._ticket = self._background.courier.run(
            work, self._say_done, self._say, owner=self, progress=self.strip.step
        )

    def _wait(self, waiting: bool) -> None:
        self.trouble.hide()
        self.good.hide()
        for each in (self.now, self.to_stick, self.restore):
            each.setEnabled(not waiting)

    def _say_done(self, state: State) -> None:
        self.strip.finish()
        self._wait(False)
        self._show(state)
        self.good.setText(tr("备份好了，已经读回来核对过。"))
        self.good.show()

    def _say_freed(self, freed: int) -> None:
        self.good.setText(tr("腾出了 {size}。请先保存，再上报。", size=_size(freed)))
        self.good.show()
        self.reread()

    def _say(self, error: Exception) -> None:
        self.strip.finish()
        self._wait(False)
        if isinstance(error, Cancelled):
            return
        self.trouble.setText(sentence(error if isinstance(error, HudangError) else HudangError("bug")))
        self.trouble.show()


def _room_words(state: State) -> str:
    if state.ballast:
        return tr("还剩 {free}，另外留着 {ballast} 应急。", free=_size(state.free), ballast=_size(state.ballast))
    return tr("还剩 {free}。", free=_size(state.free))


def _size(count: int) -> str:
    """Bytes as people say them."""
    for unit, name in ((1024**3, "GB"), (1024**2, "MB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}".replace(".0 ", " ")
    return f"{count // 1024:,} KB"
