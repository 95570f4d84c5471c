"""What the program says: a notice above a page, how far work is, an empty place, a question before
something final.

One cause, one next step. Nothing here blocks the window but a question that was asked on purpose.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QFrame, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from app.errors import HudangError
from app.messages import sentence
from app.progress import Progress
from app.text import tr
from app.views import theme
from app.views.parts.form import FieldBox
from app.views.parts.words import button, column, label, restyle, row, tool

SHOWN_AFTER = 300  # milliseconds of work before anything moves on screen


class NoticeBar(QFrame):
    """A sentence above the page, with at most one thing to do. Goes away by its cross or by the next
    notice."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("notice", "info")
        self.text = label("", "value", wrap=True)
        self.action = button("", "link")
        self.action.hide()
        self.action.clicked.connect(self._on_action)
        self.dismiss = tool("close", tr("关闭提示"))
        self.dismiss.clicked.connect(self.hide)
        self._do: Callable[[], None] | None = None
        line = row(gap=theme.INSIDE)
        line.setContentsMargins(12, 6, 6, 6)
        line.addWidget(self.text, 1)
        line.addWidget(self.action)
        line.addWidget(self.dismiss)
        self.setLayout(line)
        self.hide()

    def say(self, text: str, tone: str = "info", *, action: str = "", do: Callable[[], None] | None = None) -> None:
        """Show `text` in `tone` (info, accent, warning, danger), with a button `action` that calls `do`."""
        restyle(self, "notice", tone)
        self.text.setText(text)
        self.text.setAccessibleName(text)
        self.action.setText(action)
        self.action.setVisible(bool(action))
        self._do = do
        self.show()

    def say_error(self, error: Exception) -> None:
        """Show the sentence of `error`; what is not one of ours is a bug and says so."""
        known = error if isinstance(error, HudangError) else HudangError("bug")
        self.say(sentence(known), "danger")

    def _on_action(self) -> None:
        self.hide()
        if self._do is not None:
            self._do()


class ProgressStrip(QWidget):
    """What is being done, how far it is, how long it will take, and 取消. Appears only after 0.3 s."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.what = label("", "value")
        self.amount = label("", "second")
        self.left = label("", "second")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel = button(tr("取消"))
        self.cancel.clicked.connect(self._on_cancel)
        words = row(gap=12)
        words.addWidget(self.what)
        words.addWidget(self.amount)
        words.addStretch(1)
        words.addWidget(self.left)
        inner = column(gap=6)
        inner.addLayout(words)
        inner.addWidget(self.bar)
        line = row(gap=theme.BETWEEN)
        line.addLayout(inner, 1)
        line.addWidget(self.cancel)
        self.setLayout(line)
        self._doing = ""
        self._began = 0.0
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(SHOWN_AFTER)
        self._patience.timeout.connect(self.show)
        self.hide()

    def begin(self, what: str, *, stoppable: bool = True) -> None:
        """Start to wait for `what`."""
        self._doing = what
        self._began = time.monotonic()
        self.what.setText(what)
        self.amount.clear()
        self.left.clear()
        self.bar.setRange(0, 0)
        self.cancel.setVisible(stoppable)
        self.cancel.setEnabled(True)
        self._patience.start()

    def step(self, progress: Progress) -> None:
        """Show how far it is."""
        if progress.doing:
            self.what.setText(progress.doing)
        if progress.of <= 0:
            self.bar.setRange(0, 0)
            self.amount.setText(f"{progress.done:,}" if progress.done else "")
            return
        self.bar.setRange(0, progress.of)
        self.bar.setValue(progress.done)
        self.amount.setText(f"{progress.done:,} / {progress.of:,}")
        self.left.setText(time_left(time.monotonic() - self._began, progress))

    def finish(self) -> None:
        """Nothing is waited for any more."""
        self._patience.stop()
        self.hide()

    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.left.setText(tr("正在停下"))
        self.cancelled.emit()


def time_left(passed: float, progress: Progress) -> str:
    """How long the rest will take, in words, from the seconds `passed`; empty while it is too early to
    say."""
    if passed < 1 or progress.done <= 0 or progress.done >= progress.of:
        return ""
    seconds = passed * (progress.of - progress.done) / progress.done
    if seconds < 60:
        return tr("约剩 {seconds} 秒", seconds=max(1, round(seconds)))
    return tr("约剩 {minutes} 分钟", minutes=round(seconds / 60))


class Empty(QWidget):
    """An empty place: what it is for, what to do next, and the button for it."""

    wanted = Signal()

    def __init__(self, purpose: str, next_step: str = "", action: str = "") -> None:
        super().__init__()
        self.purpose = label(purpose, "section", wrap=True)
        self.purpose.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.next_step = label(next_step, "second", wrap=True)
        self.next_step.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.action = button(action, "accent")
        if not action:
            self.action.hide()
        self.action.clicked.connect(self.wanted)
        layout = column(margin=theme.MARGIN, gap=theme.INSIDE)
        layout.addStretch(2)
        layout.addWidget(self.purpose)
        layout.addWidget(self.next_step)
        layout.addSpacing(theme.INSIDE)
        layout.addWidget(self.action, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        self.setLayout(layout)

    def tell(self, purpose: str, next_step: str = "", action: str = "") -> None:
        """Say something else."""
        self.purpose.setText(purpose)
        self.next_step.setText(next_step)
        self.action.setText(action)
        self.action.setVisible(bool(action))


class Question(QDialog):
    """Asks before something that cannot be taken back: what will happen, a button that names it, and 返回.

    `answered` carries the reason where one was asked for. Nothing is the default: Enter alone decides
    nothing.
    """

    answered = Signal(str)

    def __init__(
        self,
        parent: QWidget,
        title: str,
        text: str,
        verb: str,
        *,
        dangerous: bool = False,
        reason: str = "",
        refuse: str = "",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.heading = label(title, "section")
        self.text = label(text, "value", wrap=True)
        self.reason = QLineEdit()
        self.reason_box = FieldBox(reason, self.reason, required=True)
        if not reason:
            self.reason_box.hide()
        self._asks = bool(reason)
        self.verb = button(verb, "danger" if dangerous else "accent")
        self.verb.clicked.connect(self._on_verb)
        self.back = button(refuse or tr("返回"))
        self.back.clicked.connect(self.reject)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.back)
        foot.addWidget(self.verb)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        layout.setSpacing(12)
        layout.addWidget(self.heading)
        layout.addWidget(self.text)
        layout.addWidget(self.reason_box)
        layout.addSpacing(theme.INSIDE)
        layout.addLayout(foot)
        self.setFixedWidth(460)
        (self.reason if self._asks else self.back).setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focused = self.focusWidget()
            if focused is self.verb or focused is self.back:
                focused.click()
            elif focused is self.reason:
                self._on_verb()
            return
        super().keyPressEvent(event)

    def _on_verb(self) -> None:
        reason = self.reason.text().strip()
        if self._asks and not reason:
            self.reason_box.show_error(tr("请写明原因。"))
            self.reason.setFocus()
            return
        self.accept()
        self.answered.emit(reason)
