"""解锁: who is it, and the password. A pure card: it asks by signals and is told the answer.

The password leaves the field when it is handed over. A wrong one costs waiting, never the data; while one
has to wait the button counts down. How long one still has to wait is asked when a person is chosen: it outlives
the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent

from app.errors import HudangError
from app.messages import sentence
from app.text import tr
from app.views import theme
from app.views.parts.editors import ChoiceEditor
from app.views.parts.form import FieldBox
from app.views.parts.password import ChangePassword, Judge, PasswordBox, Suggest
from app.views.parts.threshold import Threshold
from app.views.parts.words import Elided, button, label, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """One slot of the vault: its key and the name people know."""

    key: str
    name: str


class UnlockCard(Threshold):
    """`unlock_wanted(key, password)`; then `wait`, and `say_wrong` or nothing more. `person_chosen(key)`: `say_wait`
    answers."""

    unlock_wanted = Signal(str, str)
    person_chosen = Signal(str)
    forgotten = Signal()
    other_workplace = Signal()
    first_use = Signal()

    def __init__(
        self, workplace: str, colleagues: Sequence[Colleague], *, last: str | None = None, demo: bool = False
    ) -> None:
        super().__init__(demo=demo)
        self.workplace = Elided(workplace, "title")
        self.person = ChoiceEditor([(one.key, one.name) for one in colleagues], name=tr("姓名"))
        chosen = last if last in {one.key for one in colleagues} else None
        if chosen is None and len(colleagues) == 1:
            chosen = colleagues[0].key
        self.person.show_value(chosen)
        self.person_box = FieldBox(tr("姓名"), self.person)
        self.person.changed.connect(self._on_person)
        self.password_box = PasswordBox(tr("密码"))
        self.password = self.password_box.line
        self.unlock = button(tr("解锁"), "accent")
        self.unlock.setMinimumHeight(36)
        self.unlock.clicked.connect(self.submit)
        self.content.addWidget(self.workplace)
        self.content.addWidget(self.person_box)
        self.content.addWidget(self.password_box)
        self.content.addWidget(self.unlock)
        quiet = row(gap=theme.NEAR)
        for text, signal in (
            (tr("忘记密码"), self.forgotten),
            (tr("换一个工作处"), self.other_workplace),
            (tr("首次使用"), self.first_use),
        ):
            choice = button(text, "quiet")
            choice.clicked.connect(signal)
            quiet.addWidget(choice, 1)
        self.content.addLayout(quiet)
        self._left = 0
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._count_down)

    def submit(self) -> None:
        """Ask to unlock with what stands here."""
        if not self.unlock.isEnabled():
            return
        try:
            key = self.person.key()
        except HudangError as error:
            self.person_box.show_error(sentence(error))
            return
        if key is None:
            self.ask_person()
            return
        if not self.password.text():
            self.password_box.show_error(tr("请输入密码。"))
            self.password.setFocus()
            return
        self.person_box.show_error("")
        self.password_box.show_error("")
        self.wait(True)
        self.unlock_wanted.emit(str(key), self.password.take())

    def chosen(self) -> str:
        """The key of the person who is chosen; empty when nobody is."""
        try:
            return str(self.person.key() or "")
        except HudangError:
            return ""

    def ask_person(self) -> None:
        """Nothing goes on before it is known who it is."""
        self.person_box.show_error(tr("请选择您的姓名。"))
        self.person.setFocus()

    def wait(self, waiting: bool) -> None:
        """While the key is worked out nothing else can be pressed."""
        self.unlock.setEnabled(not waiting and self._left == 0)
        self.unlock.setText(tr("正在解锁") if waiting else tr("解锁"))
        self.password.setEnabled(not waiting)
        self.person.setEnabled(not waiting)

    def say_wrong(self, error: HudangError) -> None:
        """Say why it stayed locked; a fact `seconds` of the error has to be waited for."""
        seconds = error.facts.get("seconds")
        self.wait(False)
        self.password_box.show_error(sentence(error))
        self.password.setFocus()
        self.say_wait(seconds if isinstance(seconds, int) else 0)

    def say_wait(self, seconds: int) -> None:
        """So long nobody may try for the chosen person; 0 for not at all."""
        self._left = seconds
        if not self.password.isEnabled():
            return  # a try is under way
        self.password_box.remark(tr("输错的次数多了，要等一会儿再试。数据都在，不会丢。") if seconds else "")
        if seconds:
            self._second.start()
        self._draw_wait()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._on_person()
        (self.password if self.person.value() is not None else self.person).setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.submit()
            return
        super().keyPressEvent(event)

    def _on_person(self) -> None:
        if key := self.chosen():
            self.person_box.show_error("")
            self.person_chosen.emit(key)

    def _count_down(self) -> None:
        self._left = max(0, self._left - 1)
        if not self._left:
            self.password_box.show_error("")
            self.password_box.remark("")
        self._draw_wait()

    def _draw_wait(self) -> None:
        if self._left:
            self.unlock.setEnabled(False)
            self.unlock.setText(tr("请等 {time}", time=waiting_words(self._left)))
            return
        self._second.stop()
        self.unlock.setEnabled(True)
        self.unlock.setText(tr("解锁"))


class OverdueCard(Threshold):
    """密码到期了: the county's policy wants another password before the window opens. `wanted(old, new)`; `form.say`
    what was wrong. `left`: lock instead."""

    left = Signal()

    def __init__(self, judge: Judge, suggest: Suggest, *, demo: bool = False) -> None:
        super().__init__(demo=demo)
        self.form = ChangePassword(judge, suggest, verb=tr("换密码，打开"))
        self.wanted = self.form.wanted
        leave = button(tr("锁定"), "quiet")
        leave.clicked.connect(self.left)
        self.form.foot.insertWidget(0, leave)
        self.content.addWidget(label(tr("密码到期了"), "title"))
        words = tr("县里规定密码要定期更换。换好就打开；资料和没有上报的都不受影响。")
        self.content.addWidget(label(words, "second", wrap=True))
        self.content.addWidget(self.form)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.form.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.form.submit()
            return
        super().keyPressEvent(event)


def waiting_words(seconds: int) -> str:
    """A wait as people say it."""
    if seconds < 60:
        return tr("{seconds} 秒", seconds=seconds)
    return tr("{minutes} 分 {seconds} 秒", minutes=seconds // 60, seconds=seconds % 60)
