"""会签: the first person says why, then a colleague comes to the keyboard, gives their own password and decides.

Between the two nothing has happened: the proposal waits, and the dialog may be closed and opened again later. Passwords
are judged on the lane, counted like those at the door, and gone from the field before they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QComboBox, QDialog, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from app.casework import countersigning
from app.casework.countersigning import NewProposal
from app.casework.desk import Desk, Written, write
from app.errors import HudangError
from app.messages import sentence
from app.models.records.registry import BY_NAME
from app.sync.journal import Touched
from app.text import tr
from app.vault.attempts import Attempts
from app.views import theme
from app.views.background import Background
from app.views.parts.form import FieldBox
from app.views.parts.password import PasswordBox
from app.views.parts.words import button, column, label, row, rule

REASON_LIMIT = BY_NAME["proposal"].field("reason").limit or 500
AGREED, REFUSED = "AGREED", "REFUSED"


class Countersign(QDialog):
    """`make` gives the proposal from the first person's reason; with `waiting`, the id of one that waits, the dialog
    begins with the second person. `proposed` carries its id, `decided` the outcome."""

    proposed = Signal(bytes)
    decided = Signal(bytes, str)

    def __init__(
        self,
        parent: QWidget,
        desk: Desk,
        background: Background,
        attempts: Attempts | None,
        *,
        title: str,
        text: str,
        make: Callable[[str], NewProposal],
        waiting: bytes | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._background, self._attempts, self._make = desk, background, attempts, make
        self._proposal = waiting
        self._busy = False
        self.steps = QStackedWidget()
        self.steps.addWidget(self._first())
        self.steps.addWidget(self._second(reason))
        lines = column(gap=12)
        lines.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        lines.addWidget(label(title, "section"))
        lines.addWidget(label(text, "value", wrap=True))
        lines.addWidget(rule())
        lines.addWidget(self.steps)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addLayout(lines)
        self.setFixedWidth(500)
        self.reason.setFocus()
        if waiting is not None:
            self._show_second()

    # --- the two steps ---

    def _first(self) -> QWidget:
        self.reason = QLineEdit()
        self.reason.setMaxLength(REASON_LIMIT)
        self.reason_box = FieldBox(tr("您的理由"), self.reason, required=True)
        self.reason.textEdited.connect(lambda: self.reason_box.show_error(""))
        self.propose = button(tr("提请"), "accent")
        self.propose.clicked.connect(self.submit)
        back = button(tr("返回"))
        back.clicked.connect(self.reject)
        foot = row()
        foot.addWidget(label(tr("提请以后要另一个人同意才算数。"), "note"), 1)
        foot.addWidget(back)
        foot.addWidget(self.propose)
        lines = column(gap=12)
        lines.addWidget(self.reason_box)
        lines.addStretch(1)
        lines.addLayout(foot)
        page = QWidget()
        page.setLayout(lines)
        return page

    def _second(self, reason: str) -> QWidget:
        self.said = label(reason, "second", wrap=True)
        self.who = QComboBox()
        self.who.setAccessibleName(tr("会签的人"))
        self.password = PasswordBox(tr("会签人的密码"), required=True, note=tr("请会签的人自己输入。"))
        self.against = QLineEdit()
        self.against.setMaxLength(REASON_LIMIT)
        self.against_box = FieldBox(tr("不同意的理由"), self.against, note=tr("同意可以不填。"))
        self.agree = button(tr("同意"), "accent")
        self.agree.clicked.connect(partial(self.decide, AGREED))
        self.refuse = button(tr("不同意"))
        self.refuse.clicked.connect(partial(self.decide, REFUSED))
        self.later = button(tr("以后再签"), "quiet")
        self.later.clicked.connect(self.reject)
        self.nobody = label(
            tr("这台电脑上还没有别人。请第二个人在设置里加入这个工作处，再来会签；提请会一直等着。"),
            "second",
            wrap=True,
        )
        self.nobody.hide()
        foot = row()
        foot.addWidget(self.later)
        foot.addStretch(1)
        foot.addWidget(self.refuse)
        foot.addWidget(self.agree)
        lines = column(gap=12)
        lines.addWidget(self.said)
        lines.addWidget(self.nobody)
        self.who_box = FieldBox(tr("会签的人"), self.who)
        for box in (self.who_box, self.password, self.against_box):
            lines.addWidget(box)
        lines.addLayout(foot)
        page = QWidget()
        page.setLayout(lines)
        return page

    def _show_second(self) -> None:
        self.steps.setCurrentIndex(1)
        self._background.desk.run(partial(countersigning.colleagues, self._desk), self._offer, self._say, owner=self)

    def _offer(self, people: tuple[tuple[bytes, str], ...]) -> None:
        self.who.clear()
        for person, name in people:
            self.who.addItem(name, person)
        for widget in (self.who_box, self.password, self.against_box, self.agree, self.refuse):
            widget.setVisible(bool(people))
        self.nobody.setVisible(not people)
        (self.password.line if people else self.later).setFocus(Qt.FocusReason.OtherFocusReason)
        self.adjustSize()

    # --- acts ---

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focused = self.focusWidget()
            if focused is self.reason or focused is self.propose:
                self.submit()
            elif focused in (self.refuse, self.later, self.agree):
                focused.click()
            elif focused is self.password.line:
                self.agree.setFocus()  # Enter alone agrees to nothing
            return
        super().keyPressEvent(event)

    def submit(self) -> None:
        """提请; a second press while it is written does nothing."""
        if self._busy:
            return
        reason = self.reason.text().strip()
        if not reason:
            self.reason_box.show_error(tr("请写明原因。"))
            self.adjustSize()
            self.reason.setFocus()
            return
        new = self._make(reason)
        self._wait(True)
        work = partial(write, self._desk, partial(countersigning.propose, self._desk, new))
        self._background.desk.run(work, partial(self._on_proposed, new), self._say, owner=self)

    def _on_proposed(self, new: NewProposal, _written: Written) -> None:
        self._wait(False)
        self._proposal = new.id
        self.said.setText(tr("已提请：{reason}", reason=new.reason))
        self.proposed.emit(new.id)
        self._show_second()

    def decide(self, outcome: str, _checked: bool = False) -> None:
        """同意 or 不同意, by the person whose password it is."""
        if self._busy or self._proposal is None:
            return
        against = self.against.text().strip()
        if outcome == REFUSED and not against:
            self.against_box.show_error(tr("请写明原因。"))
            self.against.setFocus()
            return
        if not self.password.line.text():
            self.password.show_error(tr("请输入密码。"))
            self.password.line.setFocus()
            return
        self._wait(True)
        work = partial(
            write,
            self._desk,
            partial(
                _decide,
                self._desk,
                self.who.currentData(),
                self.password.line.take(),
                self._attempts,
                self._proposal,
                outcome,
                against,
            ),
        )
        self._background.desk.run(work, partial(self._on_decided, outcome), self._say, owner=self)

    def _on_decided(self, outcome: str, _written: Written) -> None:
        assert self._proposal is not None
        self._wait(False)
        self.accept()
        self.decided.emit(self._proposal, outcome)

    def _say(self, error: Exception) -> None:
        self._wait(False)
        words = sentence(error if isinstance(error, HudangError) else HudangError("bug"))
        if self.steps.currentIndex() == 0:
            self.reason_box.show_error(words)
        else:
            self.password.show_error(words)
            self.password.line.setFocus()
        self.adjustSize()

    def _wait(self, waiting: bool) -> None:
        self._busy = waiting
        for widget in (self.propose, self.agree, self.refuse, self.password.line):
            widget.setEnabled(not waiting)


def _decide(
    desk: Desk,
    person: bytes,
    password: str,
    attempts: Attempts | None,
    proposal: bytes,
    outcome: str,
    reason: str,
) -> Touched:
    """The second person's keys live as long as this call."""
    second = countersigning.second_person(desk, person, password, attempts=attempts)
    return countersigning.decide(desk, second, proposal, outcome, reason)
