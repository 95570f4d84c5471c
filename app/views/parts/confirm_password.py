"""请再输一次密码: before an act that anybody could do at a computer left open. Says what will happen, asks for the
reason where the act wants one, and gives the proof that the act asks for.

The password is judged on the lane, counted like one at the door, and gone from the field before it is.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QVBoxLayout, QWidget

from app.casework import colleagues
from app.casework.colleagues import Confirmed
from app.casework.desk import Desk
from app.errors import HudangError
from app.messages import sentence
from app.text import tr
from app.vault.attempts import Attempts
from app.views import theme
from app.views.background import Lane
from app.views.parts.form import FieldBox
from app.views.parts.password import PasswordBox
from app.views.parts.words import button, label, row


class ConfirmPassword(QDialog):
    """`confirmed` carries the `Confirmed` of the person at the desk and the reason (empty when none was asked for);
    then it closes. Nothing is done when it is left."""

    confirmed = Signal(object, str)

    def __init__(
        self,
        parent: QWidget,
        desk: Desk,
        lane: Lane,
        attempts: Attempts,
        *,
        title: str,
        text: str,
        verb: str,
        reason: str = "",
        dangerous: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._lane, self._attempts = desk, lane, attempts
        self._asks = bool(reason)
        self._waits = False
        self.reason = QLineEdit()
        self.reason.setMaxLength(colleagues.REASON_LIMIT)
        self.reason_box = FieldBox(reason, self.reason, required=True)
        self.reason_box.setVisible(self._asks)
        self.reason.textEdited.connect(lambda: self.reason_box.show_error(""))
        self.password = PasswordBox(tr("您的密码"), required=True, note=tr("请再输一次，确认是您本人。"))
        self.verb = button(verb, "danger" if dangerous else "accent")
        self.verb.clicked.connect(self.submit)
        self.back = button(tr("返回"))
        self.back.clicked.connect(self.reject)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.back)
        foot.addWidget(self.verb)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        layout.setSpacing(12)
        layout.addWidget(label(title, "section"))
        layout.addWidget(label(text, "value", wrap=True))
        layout.addWidget(self.reason_box)
        layout.addWidget(self.password)
        layout.addSpacing(theme.INSIDE)
        layout.addLayout(foot)
        self.setFixedWidth(480)
        (self.reason if self._asks else self.password.line).setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focused = self.focusWidget()
            if focused is self.back:
                self.reject()
            elif focused is self.reason:
                self.password.line.setFocus()
            else:
                self.submit()
            return
        super().keyPressEvent(event)

    def submit(self) -> None:
        """Judge the password; a second press while it is judged does nothing."""
        if self._waits:
            return
        if self._asks and not self.reason.text().strip():
            self.reason_box.show_error(tr("请写明原因。"))
            self.reason.setFocus()
            return
        if not self.password.line.text():
            self.password.show_error(tr("请输入密码。"))
            self.password.line.setFocus()
            return
        self._wait(True)
        work = partial(colleagues.confirm, self._desk, self.password.line.take(), self._attempts)
        self._lane.run(work, self._on_confirmed, self._on_wrong, owner=self)

    def _on_confirmed(self, proof: Confirmed) -> None:
        self._wait(False)
        self.accept()
        self.confirmed.emit(proof, self.reason.text().strip())

    def _on_wrong(self, error: Exception) -> None:
        self._wait(False)
        self.password.show_error(sentence(error if isinstance(error, HudangError) else HudangError("bug")))
        self.password.line.setFocus()

    def _wait(self, waiting: bool) -> None:
        self._waits = waiting
        self.verb.setEnabled(not waiting)
        self.password.line.setEnabled(not waiting)
