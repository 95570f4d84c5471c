"""The photos of a form: small pictures in a row, and the place to choose or drop more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QFileDialog, QFrame, QWidget

from app.casework.visits import MOST_PHOTOS
from app.text import tr
from app.views import theme
from app.views.parts.pictures import Thumb
from app.views.parts.words import Flow, Heading, button, column, label, surface


class PhotoStrip(QFrame):
    """The photos of a draft, and the place to drop more."""

    files_chosen = Signal(object)
    opened = Signal(bytes)
    removed = Signal(bytes)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("surface", "card")
        self.setAcceptDrops(True)
        self.heading = Heading(tr("照片"))
        self.choose = button(tr("选照片"), icon="photo")
        self.choose.clicked.connect(self._choose)
        self.heading.add(self.choose)
        self.flow = Flow(gap=theme.INSIDE, line_gap=theme.INSIDE)
        self._holder = QWidget()
        self._holder.setLayout(self.flow)
        self.drop = surface("card")
        self.drop.setProperty("drop", "true")
        hint = column(margin=12)
        hint.addWidget(label(tr("把照片拖到这里，或点“选照片”。照片会缩小，并去掉位置信息。"), "second", wrap=True))
        self.drop.setLayout(hint)
        self.error = label("", "error", wrap=True)
        self.error.hide()
        lines = column(margin=theme.BETWEEN, gap=12)
        lines.addWidget(self.heading)
        lines.addWidget(self._holder)
        lines.addWidget(self.error)
        lines.addWidget(self.drop)
        self.setLayout(lines)
        self.thumbs: dict[bytes, Thumb] = {}

    def show_photos(self, photos: Sequence[tuple[bytes, QImage | None]]) -> None:
        """Replace all thumbs."""
        self.flow.clear()
        self.thumbs = {}
        for key, picture in photos:
            thumb = Thumb(key, picture, tr("走访照片"), removable=True)
            thumb.opened.connect(self.opened)
            thumb.removed.connect(self.removed)
            self.thumbs[key] = thumb
            self.flow.addWidget(thumb)
        self._holder.setVisible(bool(photos))
        self.heading.remark.setText(tr("{count} / {limit} 张", count=len(photos), limit=MOST_PHOTOS))
        self.error.hide()

    def say(self, text: str) -> None:
        """Say why a photo was not taken."""
        self.error.setText(text)
        self.error.setVisible(bool(text))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.files_chosen.emit(paths)

    def _choose(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self, tr("选照片"), "", tr("照片") + " (*.jpg *.jpeg *.png *.JPG *.JPEG *.PNG)"
        )
        if names:
            self.files_chosen.emit([Path(name) for name in names])
