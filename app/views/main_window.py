"""The window: a rail to go by, a line that says where and who, the page, and a quiet line at the foot.

It knows pages only as `Page`: shows them, takes the keys that mean the same everywhere (F1 help, F2 scan,
Ctrl+F find, Ctrl+S save, Esc back, Alt+1 … places), tells them what was touched, and asks before something
is lost by leaving. It reads and writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QGridLayout,
    QMainWindow,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.page import Destination, Page
from app.views.parts.notices import Question
from app.views.parts.watermark import Watermark
from app.views.parts.words import Elided, button, column, label, restyle, row, surface

RAIL = 132
KEPT_BACK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of the rail. A page without a line (a household's file) is opened by other pages."""

    key: str
    title: str
    icon: str
    page: Page
    hint: str = ""
    in_rail: bool = True


class MainWindow(QMainWindow):
    """The shell around the pages in `places`, the first of which is where one starts.

    `lock_wanted`, `upload_wanted` and `scan_wanted` are for whoever put the program together.
    """

    lock_wanted = Signal()
    upload_wanted = Signal()
    closed = Signal()

    def __init__(self, places: Sequence[Place], background: Background, *, demo: bool = False) -> None:
        super().__init__()
        self.setWindowTitle(tr("户档"))
        # A 1366×768 screen at 150 % leaves 911×512.
        self.setMinimumSize(880, 480)
        self.resize(1366, 768)
        self.places = {place.key: place for place in places}
        self._start = places[0].key
        self._here: Destination | None = None
        self._past: list[Destination] = []
        self.watermark: Watermark | None = None
        self._warnings: dict[str, str] = {}
        self._rail_group = QButtonGroup(self)
        self.rail: dict[str, QToolButton] = {}
        self.pages = QStackedWidget()
        for place in places:
            self.pages.addWidget(place.page)
            place.page.wanted.connect(self.go)
            place.page.told.connect(self.say)
        right = column(gap=0)
        right.addWidget(self._top_line(demo))
        right.addWidget(self.pages, 1)
        right.addWidget(self._foot())
        whole = row(gap=0)
        whole.addWidget(self._rail(places))
        whole.addLayout(right, 1)
        self.centre = QWidget()
        self.centre.setLayout(whole)
        self.curtain = QWidget()
        self.curtain.setObjectName("curtain")
        self._curtain_text = label("", "section")
        hidden = column()
        hidden.addWidget(self._curtain_text, 0, Qt.AlignmentFlag.AlignCenter)
        self.curtain.setLayout(hidden)
        self.curtain.hide()
        both = column()
        both.addWidget(self.centre)
        both.addWidget(self.curtain)
        holder = QWidget()
        holder.setLayout(both)
        self.setCentralWidget(holder)
        self._listen_to_keys(places)
        background.touched.connect(self._on_touched)
        background.failed.connect(self._on_failed)

    # --- going from page to page ---

    @property
    def page(self) -> Page:
        """The page that is shown."""
        page = self.pages.currentWidget()
        assert isinstance(page, Page)
        return page

    def start(self) -> None:
        """Show the first place."""
        self.go(Destination(key=self._start))

    def go(self, destination: Destination) -> None:
        """Show a page; asks first when leaving the shown one would lose something. A page that is not offered now (only
        reporting is left) is not gone to."""
        if destination.key not in self.places:
            return
        if destination == self._here:
            self.page.arrive(destination)
            return
        self._leave(lambda: self._arrive(destination, remember=True))

    def back(self) -> None:
        """Show what was shown before."""
        if self._past:
            self._leave(lambda: self._arrive(self._past.pop(), remember=False))

    def escape(self) -> None:
        """Esc: one step back inside the page, then to the page before."""
        if not self.page.step_back():
            self.back()

    def _leave(self, go_on: Callable[[], None]) -> None:
        loss = self.page.may_leave() if self._here is not None else ""
        if not loss:
            go_on()
            return
        question = Question(self, tr("离开这一页？"), loss, tr("离开"), refuse=tr("留下"))
        question.answered.connect(lambda _reason: go_on())
        question.open()

    def _arrive(self, destination: Destination, *, remember: bool) -> None:
        if remember and self._here is not None:
            self._past = [*self._past, self._here][-KEPT_BACK:]
        self._here = destination
        place = self.places[destination.key]
        self.pages.setCurrentWidget(place.page)
        chosen = self.rail.get(destination.key)
        if chosen is not None:
            chosen.setChecked(True)
        place.page.notice.hide()
        place.page.arrive(destination)
        # The keyboard goes where the eye goes: to the page, not to the rail.
        (place.page.begins_at or place.page).setFocus(Qt.FocusReason.OtherFocusReason)

    # --- what the window says ---

    def show_place(self, text: str) -> None:
        """Name the workplace: 云台镇 上坝村 第三网格."""
        self.place.setText(text)

    def show_person(self, name: str) -> None:
        """Name who is at work."""
        self.person.setText(name)

    def show_pending(self, count: int) -> None:
        """Say how many acts wait for the county."""
        self.pending.setText(tr("▲ 待上报 {count}", count=count) if count else tr("已全部上报"))
        restyle(self.pending, "pending", bool(count))

    def show_synced(self, text: str) -> None:
        """Say when the county was last reached, in words; empty for never."""
        self.synced.setText(text or tr("未联网"))

    def say(self, text: str) -> None:
        """Put a sentence into the quiet line."""
        self.status.setText(text)

    def warn(self, about: str, text: str) -> None:
        """Say something about one thing (the clock, the lease, the password) that stays until it is no longer true, at
        the right of the quiet line; an empty text takes it back."""
        self._warnings[about] = text
        told = " · ".join(words for words in self._warnings.values() if words)
        self.warning.setText(told)
        self.warning.setVisible(bool(told))

    def draw_curtain(self, text: str) -> None:
        """Cover everything personal while work goes on behind; an empty text takes the curtain away."""
        self.curtain.setVisible(bool(text))
        self._curtain_text.setText(text)
        self.centre.setVisible(not text)

    def mark(self, words: Callable[[], tuple[str, str]]) -> None:
        """Lay a watermark over the pages: who and where, when and on which device."""
        self.watermark = Watermark(self.pages, words)
        self.pages.currentChanged.connect(lambda _place: self.watermark.raise_() if self.watermark else None)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closed.emit()
        super().closeEvent(event)

    # --- parts of the window ---

    def _rail(self, places: Sequence[Place]) -> QWidget:
        rail = surface("rail")
        rail.setFixedWidth(RAIL)
        lines = column(gap=theme.NEAR)
        lines.setContentsMargins(theme.INSIDE, 0, theme.INSIDE, theme.INSIDE)
        brand = label(tr("户档"))
        brand.setObjectName("brand")
        brand.setFixedHeight(48)
        brand.setContentsMargins(10, 0, 0, 0)
        lines.addWidget(brand)
        for place in places:
            if place.in_rail:
                lines.addWidget(self._rail_line(place))
        lines.addStretch(1)
        rail.setLayout(lines)
        return rail

    def _rail_line(self, place: Place) -> QToolButton:
        line = QToolButton()
        line.setProperty("nav", "true")
        line.setText(f" {place.title}" + (f"  {place.hint}" if place.hint else ""))
        line.setIcon(theme.icon(place.icon))
        line.setIconSize(QSize(20, 20))
        line.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        line.setCheckable(True)
        line.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        line.clicked.connect(lambda: self.go(Destination(key=place.key)))
        self._rail_group.addButton(line)
        self.rail[place.key] = line
        return line

    def _top_line(self, demo: bool) -> QWidget:
        top = surface("band")
        top.setFixedHeight(48)
        self.place = Elided()
        self.place.setObjectName("place")
        self.demo = label(tr("演示数据"))
        self.demo.setObjectName("demo")
        self.demo.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        if not demo:
            self.demo.hide()
        self.pending = button("", "top", tip=tr("打开上报"))
        self.pending.clicked.connect(lambda: self.go(Destination(key="upload")))
        self.synced = button("", "top", tip=tr("立即上报"), icon="refresh")
        self.synced.clicked.connect(self.upload_wanted)
        self.lock = button(tr("锁定"), "top", tip=tr("锁定（Ctrl+L）"), icon="lock")
        self.lock.clicked.connect(self.lock_wanted)
        self.person = label("")
        self.person.setObjectName("person")
        line = row(gap=theme.INSIDE)
        line.setContentsMargins(theme.MARGIN, 0, theme.MARGIN, 0)
        line.addWidget(self.place, 1)
        for widget in (self.demo, self.pending, self.synced, self.lock, self.person):
            line.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        top.setLayout(line)
        return top

    def _foot(self) -> QWidget:
        foot = surface("foot")
        foot.setFixedHeight(28)
        self.status = Elided(role="note")
        self.warning = label("", "note")
        self.warning.hide()
        line = row(gap=theme.BETWEEN)
        line.setContentsMargins(theme.MARGIN, 0, theme.MARGIN, 0)
        line.addWidget(self.status, 1)
        line.addWidget(self.warning)
        foot.setLayout(line)
        return foot

    # --- keys that mean the same everywhere ---

    def _listen_to_keys(self, places: Sequence[Place]) -> None:
        keys = [
            ("F1", self.help),
            ("F2", lambda: self.go(Destination(key="scan")) if "scan" in self.places else None),
            ("Ctrl+F", self.start_search),
            ("Ctrl+S", self.save),
            ("Ctrl+L", self.lock_wanted.emit),
            ("Esc", self.escape),
            ("Alt+Left", self.back),
        ]
        for number, place in enumerate((place for place in places if place.in_rail), start=1):
            keys.append((f"Alt+{number}", self.rail[place.key].click))
            self.rail[place.key].setToolTip(f"Alt+{number}")
        for sequence, action in keys:
            QShortcut(QKeySequence(sequence), self).activated.connect(action)

    def start_search(self) -> None:
        """Ctrl+F: whatever the page finds things with."""
        self.page.start_search()

    def save(self) -> None:
        """Ctrl+S: whatever the page saves."""
        self.page.save()

    def help(self) -> None:
        """F1: the keys."""
        Keys(self, [place.title for place in self.places.values() if place.in_rail]).open()

    def _on_touched(self, touched: object) -> None:
        self.page.reread(touched)

    def _on_failed(self, error: object) -> None:
        assert isinstance(error, Exception)
        self.page.say_error(error)


class Keys(QDialog):
    """The keys, on one card."""

    def __init__(self, parent: QWidget, places: Sequence[str]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("键盘"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lines = [
            ("F1", tr("这张卡片")),
            ("F2", tr("扫码")),
            ("Ctrl+F", tr("搜索")),
            ("Ctrl+S", tr("保存")),
            ("Enter", tr("这一页的下一步；在表里打开")),
            ("Esc", tr("返回上一页")),
            ("Tab", tr("下一个字段，Shift+Tab 上一个")),
            ("Ctrl+L", tr("锁定")),
            (f"Alt+1 … {len(places)}", tr("、").join(places)),
        ]
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.MARGIN)
        grid.setVerticalSpacing(theme.INSIDE)
        for number, (key, meaning) in enumerate(lines):
            grid.addWidget(label(key, "strong"), number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label(meaning, wrap=True), number, 1)
        grid.setColumnStretch(1, 1)
        close = button(tr("关闭"))
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        layout.setSpacing(theme.BETWEEN)
        layout.addWidget(label(tr("键盘"), "section"))
        layout.addLayout(grid)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(480)
