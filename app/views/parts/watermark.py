"""Who looks, drawn quietly over the page: a photograph of the screen says whose screen it was.

One tile is painted when the words change and laid out as often as there is room; a repaint of the page costs one copy
of the tiles over the part that was repainted. The mouse and the keyboard do not meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from app.views import theme

TILE: Final = QSize(460, 250)
SLANT: Final = -20.0  # degrees
INK: Final = 13  # of 255: to be found on a photograph, not to be read while working
MINUTE_MS: Final = 60_000


class Watermark(QWidget):
    """Lies over `page` and stays as large as it. `words` gives two lines: who and where, when and on which device."""

    def __init__(self, page: QWidget, words: Callable[[], tuple[str, str]]) -> None:
        super().__init__(page)
        self._words = words
        self._shown = ("", "")
        self._tile = QPixmap()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setGeometry(page.rect())
        page.installEventFilter(self)
        self._minute = QTimer(self)
        self._minute.setInterval(MINUTE_MS)
        self._minute.timeout.connect(self.refresh)
        self._minute.start()
        self.refresh()
        self.raise_()
        self.show()

    def refresh(self) -> None:
        """Say the words anew where they have changed."""
        words = self._words()
        if words != self._shown:
            self._shown, self._tile = words, QPixmap()
            self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        window = self.parentWidget()
        if event.type() == QEvent.Type.Resize and window is not None and watched is window:
            self.setGeometry(window.rect())
        elif event.type() == QEvent.Type.ChildAdded:
            self.raise_()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._tile.isNull() or self._tile.devicePixelRatio() != self.devicePixelRatioF():
            self._tile = self._drawn()
        painter = QPainter(self)
        place = event.rect()
        offset = QPoint(place.x() % TILE.width(), place.y() % TILE.height())
        painter.drawTiledPixmap(place, self._tile, offset)
        painter.end()

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        tile = QPixmap(TILE * ratio)
        tile.setDevicePixelRatio(ratio)
        tile.fill(Qt.GlobalColor.transparent)
        painter = QPainter(tile)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        ink = QColor(theme.active().text)
        ink.setAlpha(INK)
        painter.setPen(ink)
        font = theme.body_font()
        font.setPixelSize(16)
        painter.setFont(font)
        painter.translate(TILE.width() * 0.14, TILE.height() * 0.72)
        painter.rotate(SLANT)
        for line, text in enumerate(self._shown):
            painter.drawText(0, 24 * line, text)
        painter.end()
        return tile
