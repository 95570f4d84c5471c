"""Values as they may be seen: in words, and as a widget behind whose mask one may ask to look.

What is hidden is decided by `app.models.rules.masking` alone; here it only gets words and a place on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QByteArray, QMimeData, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from app.models.fields import Field, Privacy
from app.models.rules.masking import Shown
from app.text import tr
from app.views import theme
from app.views.parts import wording
from app.views.parts.words import label, row, tool

CLIPBOARD_SECONDS: Final = 10
# What Windows and KDE are told of a copied secret: not into the history, not to other devices.
_NOT_FOR_HISTORY: Final = {
    'application/x-qt-windows-mime;value="ExcludeClipboardContentFromMonitorProcessing"': b"\x01\x00\x00\x00",
    'application/x-qt-windows-mime;value="CanIncludeInClipboardHistory"': b"\x00\x00\x00\x00",
    'application/x-qt-windows-mime;value="CanUploadToCloudClipboard"': b"\x00\x00\x00\x00",
    "x-kde-passwordManagerHint": b"secret",
}


def words(field: Field, shown: Shown, names: Mapping[bytes, str] | None = None) -> str:
    """What is seen of a value, as people read it; links by their name."""
    if shown.hidden:
        return shown.text
    return plain(field, shown, names)


def plain(field: Field, shown: Shown, names: Mapping[bytes, str] | None = None) -> str:
    """The value behind the mask in words."""
    if isinstance(shown.value, bytes) and names is not None:
        return names.get(shown.value, tr("（不在本机）"))
    return wording.shown(field, shown.value)


class Masked(QWidget):
    """A hidden value, and an eye. The eye only asks (`asked`); who looks after the page answers with `lift`."""

    asked = Signal()
    lowered = Signal()

    def __init__(self, field: Field, shown: Shown, *, wrap: bool = False) -> None:
        super().__init__()
        self.field, self.shown = field, shown
        self.lifted = False
        self.text = label(shown.text, "value", wrap=True)
        self.text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.text.customContextMenuRequested.connect(self._offer_copy)
        self.eye = tool("eye", tr("显示{field}", field=tr(field.label)))
        self.eye.clicked.connect(self._on_eye)
        if not shown.revealable:
            self.eye.hide()
            self.text.setToolTip(tr("您的角色看不到这一项"))
        line = row(gap=theme.NEAR)
        line.addWidget(self.text, 1 if wrap else 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.eye, 0, Qt.AlignmentFlag.AlignTop)
        if not wrap:
            line.addStretch(1)
        self.setLayout(line)

    def lift(self, lifted: bool) -> None:
        """Show the value, or its mask again."""
        self.lifted = lifted and self.shown.revealable
        self.text.setText(plain(self.field, self.shown) if self.lifted else self.shown.text)
        says = tr("遮上{field}", field=tr(self.field.label)) if self.lifted else None
        says = says or tr("显示{field}", field=tr(self.field.label))
        self.eye.setIcon(theme.icon("eye-off" if self.lifted else "eye"))
        self.eye.setToolTip(says)
        self.eye.setAccessibleName(says)

    def copy(self) -> bool:
        """Put a shown value into the clipboard for a short time; False for what may not be copied."""
        if not self.lifted or self.shown.privacy is Privacy.D:
            return False
        copy_briefly(plain(self.field, self.shown))
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy) and self.copy():
            return
        super().keyPressEvent(event)

    def _on_eye(self) -> None:
        (self.lowered if self.lifted else self.asked).emit()

    def _offer_copy(self, place: QPoint) -> None:
        if not self.lifted:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copying = menu.addAction(tr("复制（{seconds} 秒后清掉）", seconds=CLIPBOARD_SECONDS))
        copying.setEnabled(self.shown.privacy is not Privacy.D)
        if self.shown.privacy is Privacy.D:
            copying.setText(tr("敏感信息不能复制"))
        copying.triggered.connect(lambda _checked: self.copy())
        menu.popup(self.text.mapToGlobal(place))


def copy_briefly(text: str) -> None:
    """Put `text` into the clipboard, marked as a secret, and take it out again after a while if it is still there."""
    data = QMimeData()
    data.setText(text)
    for kind, value in _NOT_FOR_HISTORY.items():
        data.setData(kind, QByteArray(value))
    QGuiApplication.clipboard().setMimeData(data)
    QTimer.singleShot(CLIPBOARD_SECONDS * 1000, lambda: forget_copied(text))


def forget_copied(text: str) -> None:
    """Empty the clipboard if `text` is still in it."""
    clipboard = QGuiApplication.clipboard()
    if clipboard.text() == text:
        clipboard.clear()
