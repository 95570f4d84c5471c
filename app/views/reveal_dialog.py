"""Looking behind masks on a page: the reason by one click, the entry, the countdown, and the end of it.

A page has one `Revealer`. It shows one object at a time, for the seconds of the county's policy; leaving the page, the
curtain and locking (both hide the page), another object and the eye itself end it sooner. Nothing is shown before its
entry is on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QEvent, QObject, QPoint, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from app.casework import revealing
from app.casework.desk import Desk, Written, write
from app.models.codelists import codelist
from app.models.fields import RecordKind
from app.text import tr
from app.views.background import Background
from app.views.parts.masked import CLIPBOARD_SECONDS, forget_copied
from app.views.parts.notices import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Hidden fields of one object of a household."""

    household: bytes
    kind: RecordKind
    object: bytes
    fields: tuple[str, ...]


class Revealer(QObject):
    """`changed` comes when something is shown, each second while it is, and when it is hidden again."""

    changed = Signal()
    failed = Signal(object)

    def __init__(self, page: QWidget, desk: Desk, background: Background) -> None:
        super().__init__(page)
        self._page, self._desk, self._background = page, desk, background
        self._shown: bytes | None = None
        self._asked: Hidden | None = None
        self.left = 0
        self.menu: QMenu | None = None
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self.tick)
        page.installEventFilter(self)
        QGuiApplication.clipboard().dataChanged.connect(self._on_copied)

    def shows(self, object_id: bytes | None) -> bool:
        """Whether an object is shown in full now."""
        return object_id is not None and object_id == self._shown

    def ask(self, hidden: Hidden, at: QWidget) -> None:
        """Offer the reasons below the widget that was pressed."""
        self._asked = hidden
        menu = QMenu(at)
        title = menu.addAction(tr("为什么要看？会记下来"))
        title.setEnabled(False)
        menu.addSeparator()
        for code in codelist(revealing.REASONS).codes:
            choice: QAction = menu.addAction(tr(code.label))
            choice.setData(code.code)
            choice.triggered.connect(partial(self._on_reason, code.code))
        menu.setActiveAction(menu.actions()[2])
        self.menu = menu
        menu.popup(at.mapToGlobal(QPoint(0, at.height())))

    def hide(self) -> None:
        """Hide what is shown."""
        self._asked = None
        if self._shown is None:
            return
        self._second.stop()
        self._shown, self.left = None, 0
        self.changed.emit()

    def tick(self) -> None:
        """A second has passed."""
        self.left -= 1
        if self.left <= 0:
            self.hide()
        else:
            self.changed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Hide:
            self.hide()
        return super().eventFilter(watched, event)

    def _on_copied(self) -> None:
        """Whatever is copied here while something is shown (from an open form, too) leaves the clipboard again."""
        clipboard = QGuiApplication.clipboard()
        if self._shown is not None and clipboard.ownsClipboard() and (text := clipboard.text()):
            QTimer.singleShot(CLIPBOARD_SECONDS * 1000, partial(forget_copied, text))

    def _on_reason(self, reason: str, _checked: bool = False) -> None:
        if reason != revealing.OTHER:
            self._record(reason, "")
            return
        question = Question(
            self._page.window(),
            tr("为什么要看？"),
            tr("理由和您的名字会记在这一户的记录里。"),
            tr("显示"),
            reason=tr("理由"),
        )
        question.answered.connect(partial(self._record, reason))
        question.open()

    def _record(self, reason: str, words: str) -> None:
        wanted = self._asked
        if wanted is None:
            return
        verb = partial(
            revealing.reveal,
            self._desk,
            wanted.household,
            wanted.kind,
            wanted.object,
            wanted.fields,
            reason,
            words,
        )
        self._background.desk.run(
            partial(write, self._desk, verb), partial(self._on_recorded, wanted), self.failed.emit, owner=self._page
        )

    def _on_recorded(self, wanted: Hidden, _written: Written) -> None:
        if self._asked is not wanted or not self._page.isVisible():
            return  # the page was left meanwhile
        self._shown, self.left = wanted.object, self._desk.policy.reveal_seconds
        self._second.start()
        self.changed.emit()
