"""The pages of a printed sheet on screen: page n of m, zoom, drawn anew at the size they are shown in."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap, QResizeEvent
from PySide6.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from app.text import tr
from app.views import theme
from app.views.parts.words import label, row, tool

ZOOMS = (1.0, 1.25, 1.5, 2.0, 3.0)
A4_INCHES = 8.27


class Preview(QWidget):
    """The pages of one sheet: page n of m, zoom. `asked` when other pages have to be drawn."""

    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._pages: list[QPixmap] = []
        self._at = 0
        self._zoom = 0
        self.previous = tool("back", tr("上一页"))
        self.following = tool("forward", tr("下一页"))
        self.smaller = tool("minus", tr("缩小"))
        self.larger = tool("plus", tr("放大"))
        self.where = label("", "second")
        self.scale = label("", "second")
        self.previous.clicked.connect(lambda: self._turn(-1))
        self.following.clicked.connect(lambda: self._turn(1))
        self.smaller.clicked.connect(lambda: self._magnify(-1))
        self.larger.clicked.connect(lambda: self._magnify(1))
        bar = row(gap=theme.NEAR)
        for widget in (self.previous, self.where, self.following):
            bar.addWidget(widget)
        bar.addStretch(1)
        for widget in (self.smaller, self.scale, self.larger):
            bar.addWidget(widget)
        self.page = QLabel()
        self.page.setAccessibleName(tr("预览"))
        self.page.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.area = QScrollArea()
        self.area.setObjectName("preview")
        self.area.setWidget(self.page)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        # Always there, so that the width a page has to fit does not change with its height.
        self.area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.note = label("", "note", wrap=True)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(theme.INSIDE)
        lines.addLayout(bar)
        lines.addWidget(self.area, 1)
        lines.addWidget(self.note)
        self._show()

    def dpi(self) -> int:
        """At which resolution the pages fill the width at the present zoom."""
        width = max(200, self.area.viewport().width() - 6)
        return max(48, int(width * ZOOMS[self._zoom] * self.devicePixelRatioF() / A4_INCHES))

    def show_pages(self, pages: Sequence[bytes], note: str) -> None:
        """Show pages (PNG)."""
        ratio = self.devicePixelRatioF()
        self._pages = []
        for page in pages:
            pixmap = QPixmap()
            pixmap.loadFromData(page)
            pixmap.setDevicePixelRatio(ratio)
            self._pages.append(pixmap)
        self._at = min(self._at, len(self._pages) - 1)
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self._show()

    def clear(self) -> None:
        """Show nothing."""
        self._pages, self._at = [], 0
        self.note.hide()
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.asked.emit()

    def _turn(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._pages) - 1))
        self._show()
        self.area.verticalScrollBar().setValue(0)

    def _magnify(self, by: int) -> None:
        self._zoom = max(0, min(self._zoom + by, len(ZOOMS) - 1))
        self._show()
        self.asked.emit()

    def _show(self) -> None:
        count = len(self._pages)
        self.page.setPixmap(self._pages[self._at] if count else QPixmap())
        self.where.setText(tr("第 {n} 页 共 {m} 页", n=self._at + 1, m=count) if count else "")
        self.scale.setText(tr("适合宽度") if self._zoom == 0 else f"{ZOOMS[self._zoom]:.0%}")
        self.previous.setEnabled(self._at > 0)
        self.following.setEnabled(self._at < count - 1)
        self.smaller.setEnabled(self._zoom > 0)
        self.larger.setEnabled(self._zoom < len(ZOOMS) - 1)
