"""首次使用: the enrolment code, the name it belongs to, a password of one's own, and the first download.

Pure: it asks by signals and is told the answers. Three steps on one card; a step back loses nothing that
was typed except passwords.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPlainTextEdit, QWidget

from app.errors import HudangError
from app.messages import sentence
from app.progress import Progress
from app.text import tr
from app.views import theme
from app.views.parts.form import FieldBox
from app.views.parts.notices import ProgressStrip
from app.views.parts.password import Judge, NewPassword, Suggest
from app.views.parts.threshold import Threshold
from app.views.parts.words import button, column, label, row

LONGEST_CODE_FILE = 64 * 1024  # bytes; an enrolment code is some hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the county says the code is for: read back to the person before anything is made."""

    name: str
    workplace: str
    county: str
    demo: bool


class EnrolCard(Threshold):
    """`code_given(text)` → `show_invitation` or `say_wrong_code`; `enrol_wanted(password)` → `step` … and
    the end.

    `judge` says what is wrong with a password, `suggest` makes one.
    """

    code_given = Signal(str)
    enrol_wanted = Signal(str)
    cancelled = Signal()
    given_up = Signal()

    def __init__(self, judge: Judge, suggest: Suggest) -> None:
        super().__init__()
        self._judge, self._suggest = judge, suggest
        self.heading = label(tr("首次使用"), "title")
        # Not a stack of widgets: the card is as high as the step that is shown, not as the highest.
        self.steps = (self._code_step(), self._password_step(), self._download_step())
        self.content.addWidget(self.heading)
        for part in self.steps:
            self.content.addWidget(part)
        self._show(0)

    # --- what it is told ---

    def show_invitation(self, invitation: Invitation) -> None:
        """The code is good: read back whose it is, and ask for a password."""
        self._wait(False)
        self.name.setText(invitation.name)
        self.where.setText(f"{invitation.workplace} · {invitation.county}")
        self.demo.setVisible(invitation.demo)
        self._show(1)
        self.first.setFocus()

    def say_wrong_code(self, error: HudangError) -> None:
        """Say what is wrong with the code; it stays as it was typed."""
        self._wait(False)
        self.code_box.show_error(sentence(error))
        self.code.setFocus()

    def step(self, progress: Progress) -> None:
        """Show how far the first download is."""
        self.strip.step(progress)

    def say_failed(self, error: HudangError) -> None:
        """Enrolment stopped; what was loaded stays, and it goes on from there."""
        self.strip.finish()
        self.failure.setText(sentence(error))
        self.failure.show()
        self.again.show()
        self.again.setFocus()

    # --- steps ---

    def _code_step(self) -> QWidget:
        self.code = QPlainTextEdit()
        self.code.setTabChangesFocus(True)
        self.code.setFixedHeight(104)
        self.code.setAccessibleName(tr("登记码"))
        self.code_box = FieldBox(tr("登记码"), self.code, note=tr("县里发的一段文字，或者一个文件。只能用一次。"))
        self.code.textChanged.connect(lambda: self.code_box.show_error(""))
        self.next = button(tr("下一步"), "accent")
        self.next.clicked.connect(self._give_code)
        self.open_file = button(tr("从文件读取"))
        self.open_file.clicked.connect(self._choose_file)
        self.give_up = button(tr("返回"), "quiet")
        self.give_up.clicked.connect(self.given_up)
        foot = row()
        foot.addWidget(self.open_file)
        foot.addWidget(self.give_up)
        foot.addStretch(1)
        foot.addWidget(self.next)
        return _step(self.code_box, foot=foot)

    def _password_step(self) -> QWidget:
        greeting = column(gap=theme.NEAR)
        self.name = label("", "headline")
        self.where = label("", "second", wrap=True)
        greeting.addWidget(self.name)
        greeting.addWidget(self.where)
        greeted = QWidget()
        greeted.setLayout(greeting)
        self.password = NewPassword(
            self._judge, self._suggest, note=tr("至少 12 个字，可以是几个词连起来。忘了只有县里能帮您。")
        )
        self.first, self.second = self.password.first.line, self.password.second.line
        self.enrol = button(tr("就是我，开始使用"), "accent")
        self.enrol.clicked.connect(self._enrol)
        self.not_me = button(tr("不是我"), "quiet")
        self.not_me.clicked.connect(lambda: self._show(0))
        foot = row()
        foot.addWidget(self.not_me)
        foot.addStretch(1)
        foot.addWidget(self.enrol)
        return _step(greeted, self.password, foot=foot)

    def _download_step(self) -> QWidget:
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(self.cancelled)
        self.explanation = label(tr("正在领取您负责的农户。可以先停下，下次从这里接着领。"), "second", wrap=True)
        self.failure = label("", "error", wrap=True)
        self.failure.hide()
        self.again = button(tr("再试一次"), "accent")
        self.again.hide()
        self.again.clicked.connect(self._try_again)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.again)
        return _step(self.explanation, self.strip, self.failure, foot=foot)

    # --- what the person does ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.code.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            (self._give_code, self._enrol, self._try_again)[self._at]()
            return
        super().keyPressEvent(event)

    def _give_code(self) -> None:
        # Messengers and mail break long texts into lines; a code has no spaces of its own.
        code = "".join(self.code.toPlainText().split())
        if not code:
            self.code_box.show_error(tr("请粘贴登记码，或者从文件读取。"))
            self.code.setFocus()
            return
        self._wait(True)
        self.code_given.emit(code)

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, tr("登记码文件"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.read_file)
        dialog.open()

    def read_file(self, name: str) -> None:
        """Put the content of a code file into the field."""
        path = Path(name)
        try:
            if path.stat().st_size > LONGEST_CODE_FILE:
                raise ValueError
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            self.code_box.show_error(tr("这个文件不是登记码。请选县里发的那个文件。"))
            return
        self.code.setPlainText(text.strip())
        self.next.setFocus()

    def _enrol(self) -> None:
        password = self.password.take()
        if password is not None:
            self._begin()
            self.enrol_wanted.emit(password)

    def _begin(self) -> None:
        self.failure.hide()
        self.again.hide()
        self._show(2)
        self.strip.begin(tr("正在登记"))

    def _try_again(self) -> None:
        if self.again.isVisible():
            self._show(1)
            self.first.setFocus()

    def _show(self, step: int) -> None:
        self._at = step
        for number, part in enumerate(self.steps):
            part.setVisible(number == step)
        self.heading.setText((tr("首次使用"), tr("这是您吗？"), tr("正在准备"))[step])

    def _wait(self, waiting: bool) -> None:
        self.next.setEnabled(not waiting)
        self.next.setText(tr("正在核对") if waiting else tr("下一步"))
        self.code.setReadOnly(waiting)


def _step(*parts: QWidget, foot: QHBoxLayout) -> QWidget:
    step = QWidget()
    lines = column(gap=theme.BETWEEN)
    for part in parts:
        lines.addWidget(part)
    lines.addStretch(1)
    lines.addLayout(foot)
    step.setLayout(lines)
    return step
