"""A list of what happened, newest first: when, who, what, in one line each, with a mark of how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.views import theme
from app.views.parts.words import column, label, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line: `when` and `who` are words already; `settled` says that the county has it."""

    key: bytes
    when: str
    who: str
    what: str
    detail: str = ""
    settled: bool = False


class Timeline(QWidget):
    """The happenings under each other on one thread; `opened` carries the key of the one that was chosen."""

    opened = Signal(bytes)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.lines: list[Line] = []

    def show_happenings(self, happenings: Sequence[Happening]) -> None:
        """Replace all lines."""
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.lines = []
        for place, happening in enumerate(happenings):
            line = Line(happening, first=place == 0, last=place == len(happenings) - 1)
            line.opened.connect(self.opened)
            self.lines.append(line)
            self._column.addWidget(line)
        self._column.addStretch(1)


class Line(QWidget):
    """One happening; opens on click, Enter or the space bar."""

    opened = Signal(bytes)

    def __init__(self, happening: Happening, *, first: bool, last: bool) -> None:
        super().__init__()
        self.happening = happening
        self._first, self._last = first, last
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.setAccessibleName(f"{happening.when} {happening.who} {happening.what} {happening.detail}")
        head = row(gap=theme.INSIDE)
        head.addWidget(label(happening.what, "strong", wrap=True), 1)
        inner = column(gap=2)
        inner.setContentsMargins(24, 6, 6, 8)
        inner.addLayout(head)
        if happening.detail:
            inner.addWidget(label(happening.detail, "value", wrap=True))
        source = " · ".join(part for part in (happening.when, happening.who) if part)
        inner.addWidget(label(source, "note", wrap=True))
        self.setLayout(inner)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        palette = theme.active()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.accent), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 6, 6)
        centre = QPointF(10, 17)
        painter.setPen(QPen(QColor(palette.line), 1))
        if not self._first:
            painter.drawLine(QPointF(10, 0), centre)
        if not self._last:
            painter.drawLine(centre, QPointF(10, self.height()))
        # Full once the county has it, hollow while it waits: shape, not colour alone.
        painter.setPen(QPen(QColor(palette.accent), 1.5))
        painter.setBrush(QColor(palette.accent if self.happening.settled else palette.surface))
        painter.drawEllipse(centre, 4, 4)
        painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.opened.emit(self.happening.key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.opened.emit(self.happening.key)
            return
        super().keyPressEvent(event)
