"""What every page of the window is, and where a page may ask to go.

No page calls another: it emits `wanted` with one of the destinations below, and whoever put the window
together goes there. A page reads when it is arrived at, and again when something it shows was touched.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.text import tr
from app.views.parts.editors import Editor
from app.views.parts.notices import NoticeBar


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A page by its `key`, and the object it is to show (a household, a visit), when it shows one."""

    key: str
    id: bytes | None = None
    rest: tuple[bytes, ...] = ()


class Page(QWidget):
    """A page: its content under a bar for notices.

    `accent` is the one accent button, `begins_at` what has the focus on arrival. The rest does nothing
    until a page overrides it.
    """

    wanted = Signal(object)  # Destination
    told = Signal(str)  # for the status line
    title = ""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.notice = NoticeBar()
        self.accent: QPushButton | None = None
        self.begins_at: QWidget | None = None

    def set_content(self, content: QWidget) -> None:
        """Put the page's content below the notice bar."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addWidget(content, 1)

    def arrive(self, destination: Destination) -> None:
        """The page is being shown: read what it shows."""

    def reread(self, touched: object) -> None:
        """Something was touched while the page is shown: read again if it shows it."""

    def start_search(self) -> None:
        """Ctrl+F: the search of the page; where it has none, that of all households."""
        self.wanted.emit(Destination(key="households", rest=(b"search",)))

    def save(self) -> None:
        """Ctrl+S."""

    def take_scan(self, text: str) -> bool:
        """A card was read while the page is shown; True when the page has a use for it."""
        return False

    def step_back(self) -> bool:
        """Esc: take back one step inside the page (a form, a search); False when there is none."""
        return False

    def may_leave(self) -> str:
        """Empty, or what would be lost by leaving now, in one sentence."""
        return ""

    def advance(self) -> None:
        """Enter: the next field from a field of a form; else press the focused button, else the accent button."""
        focused = self.focusWidget()
        if focused is not None and isinstance(focused.parentWidget(), Editor):
            self.focusNextChild()
            return
        chosen = focused if isinstance(focused, QPushButton) else self.accent
        if chosen is not None and chosen.isVisible() and chosen.isEnabled():
            chosen.click()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.advance()
            return
        super().keyPressEvent(event)

    def say_error(self, error: Exception) -> None:
        """Show the sentence of `error` above the page."""
        self.notice.say_error(error)

    def say_saved(self) -> None:
        """Name the state of what was just saved."""
        self.told.emit(tr("已保存，待上报"))
