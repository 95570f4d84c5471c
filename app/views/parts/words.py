"""Pieces that only show: texts by role, chips, rules, cards, a layout that wraps.

A text's look is its `role`, a word of the style sheet; nobody sets a font or a colour on a label.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.views import theme

# Household type and monitoring category by code -> tone; the text always stands beside the colour.
TONES = ("plain", "accent", "info", "warning", "danger")


def label(text: str = "", role: str = "value", *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """A plain text in the look `role`; never markup, so that what a person typed is shown as typed."""
    result = _Wrapping(text) if wrap else QLabel(text)
    result.setTextFormat(Qt.TextFormat.PlainText)
    result.setProperty("role", role)
    if selectable:
        result.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    return result


class _Wrapping(QLabel):
    """Lines that may be as narrow as their place; Qt itself would guess a column of single characters."""

    WIDEST = 420

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setWordWrap(True)

    def sizeHint(self) -> QSize:
        width = min(self.WIDEST, self.fontMetrics().size(0, self.text()).width() + 2)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(min(48, self.sizeHint().width()), self.fontMetrics().height())


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property the style sheet looks at, and draw the widget anew."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()


class Chip(QLabel):
    """A short fact on a coloured ground: household type, category, state. Always with text."""

    def __init__(self, text: str, tone: str = "plain") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("chip", tone)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def tell(self, text: str, tone: str) -> None:
        """Show another fact."""
        self.setText(text)
        restyle(self, "chip", tone)


class Elided(QLabel):
    """One line that ends in … where there is no more room; the whole text is its tool tip."""

    def __init__(self, text: str = "", role: str = "value") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(24)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip("" if shown == self.text() else self.text())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment()) | Qt.TextFlag.TextSingleLine, shown)
        painter.end()


def button(text: str, kind: str = "plain", *, tip: str = "", icon: str = "") -> QPushButton:
    """A push button: `accent` (one a page: the next sensible step), `plain`, `quiet`, `link`, `danger`."""
    result = QPushButton(text)
    result.setProperty("kind", kind)
    result.setAutoDefault(False)
    result.setToolTip(tip)
    result.setCursor(Qt.CursorShape.PointingHandCursor)
    if icon:
        colour = theme.active().on_accent if kind == "accent" else theme.active().second
        result.setIcon(theme.picture(icon, colour))
        result.setIconSize(QSize(16, 16))
    return result


def opens(result: QPushButton, menu: QMenu) -> QPushButton:
    """Let a button open a menu, and say so by an arrow behind its words."""
    result.setMenu(menu)
    result.setIcon(theme.picture(f"chevron-down-{theme.active().name}", theme.active().second))
    result.setIconSize(QSize(12, 12))
    result.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    return result


def tool(icon: str, says: str) -> QToolButton:
    """A small button that is only a drawing; `says` is its tool tip and its name for screen readers."""
    result = QToolButton()
    result.setIcon(theme.icon(icon))
    result.setIconSize(QSize(18, 18))
    result.setToolTip(says)
    result.setAccessibleName(says)
    result.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    result.setCursor(Qt.CursorShape.PointingHandCursor)
    return result


def rule() -> QFrame:
    """A one-pixel line across."""
    result = QFrame()
    result.setProperty("rule", "across")
    result.setFixedHeight(1)
    return result


def surface(kind: str = "card") -> QFrame:
    """A ground of its own: `card`, `band` (top), `foot`, `rail` (left), `side` (right)."""
    result = QFrame()
    result.setProperty("surface", kind)
    return result


def column(*, margin: int = 0, gap: int = theme.INSIDE) -> QVBoxLayout:
    """A column on the grid."""
    result = QVBoxLayout()
    result.setContentsMargins(margin, margin, margin, margin)
    result.setSpacing(gap)
    return result


def row(*, margin: int = 0, gap: int = theme.INSIDE) -> QHBoxLayout:
    """A row on the grid."""
    result = QHBoxLayout()
    result.setContentsMargins(margin, margin, margin, margin)
    result.setSpacing(gap)
    return result


class Heading(QWidget):
    """The head of a section: its name, a quiet remark, room for buttons at the right."""

    def __init__(self, text: str, remark: str = "", *, role: str = "section") -> None:
        super().__init__()
        self.name = label(text, role)
        self.remark = label(remark, "note")
        self._line = row(gap=theme.INSIDE)
        self._line.addWidget(self.name)
        self._line.addWidget(self.remark)
        self._line.addStretch(1)
        self.setLayout(self._line)

    def add(self, widget: QWidget) -> None:
        """Put a button at the right."""
        self._line.addWidget(widget)


class Flow(QLayout):
    """Items beside each other in their own size, wrapping into as many lines as the width asks for."""

    def __init__(self, *, gap: int = theme.INSIDE, line_gap: int = theme.NEAR) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._line_gap = line_gap
        self.setSpacing(gap)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def clear(self) -> None:
        """Take out and delete every widget."""
        while self._items:
            widget = self._items.pop().widget()
            if widget is not None:
                widget.deleteLater()
        self.invalidate()

    def _place(self, rect: QRect, *, move: bool) -> int:
        x, y, line_height = rect.x(), rect.y(), 0
        for item in self._items:
            widget = item.widget()
            if widget is not None and widget.isHidden():
                continue
            size = item.sizeHint()
            if x > rect.x() and x + size.width() > rect.right() + 1:
                x, y, line_height = rect.x(), y + line_height + self._line_gap, 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            line_height = max(line_height, size.height())
        return y + line_height - rect.y()
