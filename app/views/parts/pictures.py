"""Photos and codes as pictures: small ones in a row, one at its full size in a dialog."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QDialog, QFrame, QLabel, QVBoxLayout, QWidget

from app.printing import codes
from app.text import tr
from app.views import theme
from app.views.parts.words import button, column, label, tool

THUMB = QSize(112, 84)


def thumbnail(jpeg: bytes) -> QImage:
    """A small picture of a photo; made on a lane, an image is not a widget."""
    image = QImage.fromData(jpeg)
    return image.scaled(
        THUMB * 2, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
    )


def blurred(image: QImage) -> QImage:
    """A picture in which light and dark can be told, and nobody."""
    smooth = Qt.TransformationMode.SmoothTransformation
    small = image.scaled(QSize(12, 9), Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
    return small.scaled(image.size(), Qt.AspectRatioMode.IgnoreAspectRatio, smooth)


def code_picture(payload: str, side: int, ratio: float = 3.0) -> QPixmap:
    """The QR code of a card, `side` pixels wide with its quiet zone; dark on white in every appearance."""
    image = QImage(QSize(round(side * ratio), round(side * ratio)), QImage.Format.Format_RGB32)
    image.fill(QColor("#FFFFFF"))
    painter = QPainter(image)
    QSvgRenderer(QByteArray(codes.svg(payload).encode())).render(painter, QRectF(0, 0, image.width(), image.height()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return QPixmap.fromImage(image)


class Thumb(QFrame):
    """A small photo; opens on click, Enter or the space bar; with a cross where it may be taken away."""

    opened = Signal(bytes)
    removed = Signal(bytes)

    def __init__(self, key: bytes, picture: QImage | None, says: str, *, removable: bool = False) -> None:
        super().__init__()
        self.key = key
        self.setProperty("thumb", "true")
        self.setFixedSize(THUMB.width() + 8, THUMB.height() + 8)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(says)
        self.setToolTip(says)
        self.picture = QLabel(self)
        self.picture.setGeometry(4, 4, THUMB.width(), THUMB.height())
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        if picture is None or picture.isNull():
            self.picture.setText(tr("未取回"))
        else:
            self.picture.setPixmap(_cut(picture))
        if removable:
            self.remove = tool("close", tr("去掉这张照片"))
            self.remove.setParent(self)
            self.remove.setProperty("over", "true")
            self.remove.setGeometry(THUMB.width() - 25, 5, 29, 29)
            self.remove.clicked.connect(lambda: self.removed.emit(self.key))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.opened.emit(self.key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.opened.emit(self.key)
            return
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit(self.key)
            return
        super().keyPressEvent(event)


class PhotoDialog(QDialog):
    """One photo as large as the window allows; Esc closes."""

    def __init__(self, parent: QWidget, jpeg: bytes, says: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(says)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        room = parent.window().size() - QSize(120, 140)
        picture = QPixmap()
        picture.loadFromData(jpeg)
        picture = picture.scaled(room, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        shown = QLabel()
        shown.setPixmap(picture)
        close = button(tr("关闭"))
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.BETWEEN, theme.BETWEEN, theme.BETWEEN, theme.BETWEEN)
        layout.addWidget(shown)
        foot = column()
        foot.addWidget(label(says, "note"))
        foot.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        layout.addLayout(foot)


def _cut(image: QImage) -> QPixmap:
    """The middle of a picture in the form of a thumb."""
    size = THUMB * 2
    place = QRectF((image.width() - size.width()) / 2, (image.height() - size.height()) / 2, 0, 0).toRect()
    cut = image.copy(place.x(), place.y(), size.width(), size.height())
    cut.setDevicePixelRatio(2.0)
    return QPixmap.fromImage(cut)
