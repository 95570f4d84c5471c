"""A vault that does not open: what happened, and the two ways out, salvage and a backup. A pure card.

It asks by signals and is told the answers. Nothing is done without a person's password, nothing is deleted, and in the
end it says in words what was saved, what the county still has, and what is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QPushButton, QWidget

from app.casework.safekeeping import Diagnosis
from app.errors import HudangError, VaultProblem
from app.messages import sentence
from app.progress import Progress
from app.text import tr
from app.vault.backups import Backup
from app.vault.salvage import Salvaged
from app.vault.slots import Person
from app.views import theme
from app.views.parts import wording
from app.views.parts.editors import ChoiceEditor
from app.views.parts.form import FieldBox
from app.views.parts.notices import ProgressStrip
from app.views.parts.password import PasswordBox
from app.views.parts.threshold import Threshold
from app.views.parts.words import Elided, button, column, label, row

LISTED = 5  # backups


class DamageCard(Threshold):
    """`salvage_wanted(key, password)` or `restore_wanted(backup, key, password)`, then `step` …, and `say_failed` or
    `say_done`. `folder_chosen(name)` of a stick: `show_backups` or `say_failed`. `room_wanted` on a full disk:
    `say_freed`. `finished` when the person wants to unlock, `elsewhere` when to leave it as it is.

    Without a `diagnosis` nothing is damaged: the person wants to go back to a backup. `people` are those of the vault;
    a backup names its own.
    """

    salvage_wanted = Signal(str, str)
    restore_wanted = Signal(object, str, str)
    folder_chosen = Signal(str)
    room_wanted = Signal()
    finished = Signal()
    elsewhere = Signal()

    def __init__(
        self,
        workplace: str,
        diagnosis: Diagnosis | None,
        people: Sequence[Person],
        *,
        backups: Sequence[Backup] = (),
        last: str | None = None,
    ) -> None:
        super().__init__()
        self._people, self._last = tuple(people), last
        self._diagnosis = diagnosis
        self._backup: Backup | None = None
        self.offered: list[QPushButton] = []
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.workplace = Elided(workplace, "title")
        self.content.addWidget(self.workplace)
        self.steps = (self._choice_step(), self._password_step(), self._work_step(), self._end_step())
        for part in self.steps:
            self.content.addWidget(part)
        self.show_backups(diagnosis.backups if diagnosis is not None else backups)
        self._show(0)

    # --- what it is told ---

    def show_backups(self, backups: Sequence[Backup]) -> None:
        """Offer these to be restored, newest first."""
        self.trouble.hide()
        for each in self.offered:
            each.hide()
            each.deleteLater()
        self.offered = []
        for backup in backups[:LISTED]:
            choice = button(_words_of(backup))
            choice.setMinimumHeight(36)
            choice.clicked.connect(partial(self._ask, backup))
            self._offers.addWidget(choice)
            self.offered.append(choice)
        stops = [self.salvage, self.room, *self.offered, self.choose, self.leave]
        for before, after in pairwise(stops):
            self.setTabOrder(before, after)
        only_full = self._diagnosis is not None and self._diagnosis.problem.code == "disk-full-at-door"
        self.restore_head.setVisible(not only_full)
        self.choose.setVisible(not only_full)
        none = not self.offered
        self.restore_head.setText(tr("这台电脑上没有它的备份") if none else tr("用备份恢复到那个时候"))

    def step(self, progress: Progress) -> None:
        """Show how far it is."""
        self.strip.step(progress)

    def say_failed(self, error: HudangError) -> None:
        """Say why nothing was done; everything is as it was."""
        self.strip.finish()
        if self._at == 2 and error.code in ("wrong-password", "too-soon", "password-too-long", "password-unusable"):
            self._show(1)
            self.password_box.show_error(sentence(error))
            self.password.setFocus()
            return
        self._show(0)
        self.trouble.setText(sentence(error))
        self.trouble.show()

    def say_done(self, salvaged: Salvaged) -> None:
        """Say what came of it."""
        self.strip.finish()
        names = {person.staff: person.label for person in self._shown_people()}
        self.heading.setText(tr("已经恢复") if self._backup is not None else tr("已经救出来"))
        for words, role in told(salvaged, names):
            self._told.addWidget(_grave(words) if role == "grave" else label(words, role, wrap=True))
        self._show(3)
        self.done.setFocus()

    def say_freed(self, freed: int) -> None:
        """The ballast was given up."""
        self.heading.setText(tr("腾出了空间"))
        words = tr("现在多了 {size} MB。请解锁，先上报，再删掉些别的文件。", size=freed // (1024 * 1024))
        self._told.addWidget(label(words, "value", wrap=True))
        self._show(3)
        self.done.setFocus()

    # --- steps ---

    def _choice_step(self) -> QWidget:
        lines = column(gap=12)
        if self._diagnosis is not None:
            lines.addWidget(_grave(sentence(self._diagnosis.problem), heading=tr("打不开")))
        self.salvage = button(tr("抢救：读出所有还能读的"), "accent")
        self.salvage.setMinimumHeight(36)
        self.salvage.clicked.connect(partial(self._ask, None))
        salvageable = self._diagnosis is not None and self._diagnosis.salvageable
        lines.addWidget(self.salvage)
        self.salvage.setVisible(salvageable)
        if salvageable:
            remark = tr("坏的文件原样留着；备份里有的也一起用上。一般先用这个。")
            lines.addWidget(label(remark, "note", wrap=True))
            lines.addSpacing(theme.NEAR)
        self.room = button(tr("腾出空间"), "accent")
        self.room.setMinimumHeight(36)
        self.room.clicked.connect(self.room_wanted)
        self.room.setVisible(self._diagnosis is not None and self._diagnosis.room > 0)
        lines.addWidget(self.room)
        self.restore_head = label("", "label")
        lines.addWidget(self.restore_head)
        self._offers = column(gap=theme.NEAR)
        lines.addLayout(self._offers)
        self.choose = button(tr("从 U 盘或文件夹找备份…"))
        self.choose.clicked.connect(self._choose_folder)
        lines.addWidget(self.choose)
        lines.addWidget(self.trouble)
        back = tr("先去别的工作处") if self._diagnosis is not None else tr("返回")
        self.leave = button(back, "quiet")
        self.leave.clicked.connect(self.elsewhere)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.leave)
        lines.addLayout(foot)
        return _holding(lines)

    def _password_step(self) -> QWidget:
        lines = column(gap=theme.BETWEEN)
        self.what = label("", "value", wrap=True)
        self.person = ChoiceEditor([], name=tr("姓名"))
        self.person_box = FieldBox(tr("姓名"), self.person)
        self.password_box = PasswordBox(tr("密码"))
        self.password = self.password_box.line
        self.begin = button("", "accent")
        self.begin.setMinimumHeight(36)
        self.begin.clicked.connect(self.submit)
        self.back = button(tr("返回"), "quiet")
        self.back.clicked.connect(partial(self._show, 0))
        for part in (self.what, self.person_box, self.password_box):
            lines.addWidget(part)
        foot = row()
        foot.addWidget(self.back)
        foot.addStretch(1)
        foot.addWidget(self.begin)
        lines.addLayout(foot)
        return _holding(lines)

    def _work_step(self) -> QWidget:
        lines = column(gap=theme.BETWEEN)
        self.strip = ProgressStrip()
        lines.addWidget(label(tr("请不要关机。坏的文件一个字节也不会动。"), "second", wrap=True))
        lines.addWidget(self.strip)
        return _holding(lines)

    def _end_step(self) -> QWidget:
        lines = column(gap=12)
        self.heading = label("", "headline")
        lines.addWidget(self.heading)
        self._told = column(gap=theme.INSIDE)
        lines.addLayout(self._told)
        self.done = button(tr("去解锁"), "accent")
        self.done.clicked.connect(self.finished)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.done)
        lines.addLayout(foot)
        return _holding(lines)

    # --- what the person does ---

    def submit(self) -> None:
        """Begin with what stands here."""
        try:
            key = self.person.key()
        except HudangError as error:
            self.person_box.show_error(sentence(error))
            return
        if key is None:
            self.person_box.show_error(tr("请选择您的姓名。"))
            self.person.setFocus()
            return
        if not self.password.text():
            self.password_box.show_error(tr("请输入密码。"))
            self.password.setFocus()
            return
        self._show(2)
        if self._backup is None:
            self.strip.begin(tr("正在抢救"), stoppable=False)
            self.salvage_wanted.emit(str(key), self.password.take())
        else:
            self.strip.begin(tr("正在恢复"), stoppable=False)
            self.restore_wanted.emit(self._backup, str(key), self.password.take())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._at in (1, 3):
            self.submit() if self._at == 1 else self.finished.emit()
            return
        super().keyPressEvent(event)

    def _ask(self, backup: Backup | None) -> None:
        """The person and the password: of now, or of the day of the backup."""
        self._backup = backup
        try:
            people = self._shown_people()
        except VaultProblem as problem:
            self.say_failed(problem)
            return
        self.person.offer([(person.staff.hex(), person.label) for person in people])
        known = [person.staff.hex() for person in people]
        self.person.show_value(self._last if self._last in known else known[0] if len(known) == 1 else None)
        self.person_box.show_error("")
        self.password_box.show_error("")
        if backup is None:
            self.what.setText(tr("抢救要用您的密码打开能读的部分。"))
            self.begin.setText(tr("开始抢救"))
        else:
            when = f"{wording.instant(backup.made_at):%Y-%m-%d %H:%M}"
            self.what.setText(tr("恢复 {time} 的备份，要用那时的密码。恢复后先上报一次，县里有的都会取回。", time=when))
            self.begin.setText(tr("开始恢复"))
        self._show(1)
        (self.password if self.person.value() is not None else self.person).setFocus()

    def _shown_people(self) -> Sequence[Person]:
        return self._people if self._backup is None else self._backup.people()

    def _choose_folder(self) -> None:
        dialog = QFileDialog(self, tr("备份在哪里"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.folder_chosen.emit(str(Path(name))))
        dialog.open()

    def _show(self, step: int) -> None:
        self._at = step
        for number, part in enumerate(self.steps):
            part.setVisible(number == step)


def _grave(words: str, *, heading: str = "") -> QFrame:
    """What must not be overlooked."""
    frame = QFrame()
    frame.setProperty("notice", "danger")
    inner = column(margin=12, gap=theme.NEAR)
    if heading:
        inner.addWidget(label(heading, "strong"))
    inner.addWidget(label(words, "value", wrap=True))
    frame.setLayout(inner)
    return frame


def told(salvaged: Salvaged, names: Mapping[bytes, str]) -> list[tuple[str, str]]:
    """(sentence, role) of what came of a salvage: what is saved, what comes back from the county, what is lost, which
    is "grave"."""
    words = [(tr("救出 {count} 条记录。", count=f"{salvaged.entries:,}"), "strong")]
    if salvaged.from_backup:
        words.append((tr("其中 {count} 条是从备份里补上的。", count=salvaged.from_backup), "value"))
    if salvaged.drafts:
        words.append((tr("没写完的 {count} 份草稿也在。", count=salvaged.drafts), "value"))
    for chain in salvaged.chains:
        if chain.lost:
            count = _count(chain.lost)
            name = names.get(chain.actor or b"", "")
            text = tr(
                "{name}有 {count} 次操作没上报过，又读不出来，已经丢失（第 {places} 次）。请想想录过什么，再录一遍。",
                name=name,
                count=count,
                places=_places(chain.lost),
            )
            words.append((text, "grave"))
    again = sum(chain.again for chain in salvaged.chains)
    if again:
        words.append((tr("丢失的后面有 {count} 次都在，上报时会重新签名送出。", count=again), "value"))
    back = sum(_count(chain.at_county) for chain in salvaged.chains) + salvaged.bare + salvaged.refused
    if back:
        words.append((tr("有 {count} 条缺失或不完整的，县里都有，上报时自动取回。", count=back), "value"))
    if salvaged.cards_put_away:
        words.append(
            (
                tr("备份里 {count} 张户码可能已经发出，不再使用。请向县里领新的。", count=salvaged.cards_put_away),
                "value",
            )
        )
    if any(chain.waits for chain in salvaged.chains):
        words.append((tr("下一步：解锁后先上报一次，再继续录入。"), "strong"))
    words.append((tr("原来的文件没有动，放在工作处的 set-aside 文件夹里。"), "note"))
    return words


def _count(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _places(ranges: Sequence[tuple[int, int]]) -> str:
    """Numbers as people count: from one."""
    shown = [f"{first + 1}" if first == last else f"{first + 1}–{last + 1}" for first, last in ranges[:4]]
    return tr("、").join(shown) + ("…" if len(ranges) > 4 else "")


def _words_of(backup: Backup) -> str:
    when = f"{wording.instant(backup.made_at):%Y-%m-%d %H:%M}"
    if backup.waiting:
        return tr(
            "{time} 的备份（{count} 条，{waiting} 条没上报）", time=when, count=backup.entries, waiting=backup.waiting
        )
    return tr("{time} 的备份（{count} 条）", time=when, count=backup.entries)


def _holding(lines: object) -> QWidget:
    step = QWidget()
    step.setLayout(lines)  # type: ignore[arg-type]
    return step
