"""A search field that takes anything: a name, initials of its pinyin, the tail of a number, a scanned card.

A keyboard-wedge scanner types a whole card and Enter within moments; that is told apart from a person by
the card's form alone (the caller knows it), never by speed. Typing asks again after a short rest.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QLineEdit

from app.text import tr
from app.views import theme

RESTS = 120  # milliseconds without a key before the question is asked


class SearchField(QLineEdit):
    """`asked` comes with the text after a rest or at once on Enter; `done` on the arrow down: go into
    the list."""

    asked = Signal(str)
    entered = Signal(str)
    done = Signal()

    def __init__(self, example: str) -> None:
        super().__init__()
        self.setObjectName("search")
        self.setPlaceholderText(example)
        self.setAccessibleName(tr("搜索"))
        self.setClearButtonEnabled(True)
        self.setMaxLength(400)
        self.addAction(QAction(theme.icon("search"), tr("搜索"), self), QLineEdit.ActionPosition.LeadingPosition)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(RESTS)
        self._rest.timeout.connect(self._ask)
        self._last = ""
        self.textChanged.connect(self._rest.start)

    def begin(self, text: str) -> None:
        """A person began to write somewhere else on the page: take the character and go on here."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.setText(text)
        self.deselect()
        self.setCursorPosition(len(text))

    def start_search(self) -> None:
        """Ctrl+F: be ready for another question."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._rest.stop()
            self._ask()
            self.entered.emit(self.text().strip())
            return
        if event.key() == Qt.Key.Key_Down:
            self.done.emit()
            return
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
            return
        super().keyPressEvent(event)

    def _ask(self) -> None:
        text = self.text().strip()
        if text != self._last:
            self._last = text
            self.asked.emit(text)
