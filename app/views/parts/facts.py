"""Facts on a card: a heading, names left, words right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from app.views import theme
from app.views.parts.words import column, label, surface


class Facts(QWidget):
    """Names left, words right."""

    NAMES = 96

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.MARGIN)
        self._grid.setVerticalSpacing(theme.INSIDE)
        self._grid.setColumnStretch(1, 1)
        self.facts: list[tuple[str, str]] = []

    def show_facts(self, facts: Sequence[tuple[str, str]], *, wide: bool = False) -> None:
        """Show (name, words); `wide` where the names are long."""
        if [fact for fact in facts if fact[1]] == self.facts:
            return
        self.facts = [(name, words) for name, words in facts if words]
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._grid.setColumnMinimumWidth(0, 0 if wide else self.NAMES)
        top = Qt.AlignmentFlag.AlignTop
        for number, (name, words) in enumerate(self.facts):
            self._grid.addWidget(label(name, "second", wrap=True), number, 0, top)
            self._grid.addWidget(label(words, "value", wrap=True, selectable=True), number, 1, top)


def facts_card(heading: str, *parts: object) -> QWidget:
    """A card with a heading and widgets or layouts below each other."""
    card = surface()
    lines = column(margin=theme.BETWEEN, gap=12)
    lines.addWidget(label(heading, "section"))
    for part in parts:
        if isinstance(part, QWidget):
            lines.addWidget(part)
        else:
            lines.addLayout(part)  # type: ignore[arg-type]
    card.setLayout(lines)
    return card
