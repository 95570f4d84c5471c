"""今日: whom to visit today in walking order, three counts, and what is left unfinished. Nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFrame,
    QListView,
    QStackedLayout,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.casework import visits as visiting
from app.casework.desk import Desk
from app.casework.visits import VisitDraft
from app.models.queries import households, visits
from app.models.queries.visits import DueRow
from app.models.rules.rights import Action
from app.text import tr
from app.vault import kept
from app.views import theme
from app.views.background import Background
from app.views.page import Destination, Page
from app.views.parts import standing, wording
from app.views.parts.notices import Empty
from app.views.parts.table import draw_chips
from app.views.parts.words import Elided, Flow, Heading, button, column, label, restyle, row, surface

Index = QModelIndex | QPersistentModelIndex
HEAD_HEIGHT, LINE_HEIGHT = 34, 52
SIDE_WIDTH, SIDE_FROM = 288, 1000

REASONS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("promise", "承诺回访", frozenset({"promise"})),
    ("monitored", "监测户", frozenset({"monitored", "removed"})),
    ("lifted", "脱贫户", frozenset({"lifted"})),
    ("yearly", "一般户", frozenset({"yearly"})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What the page shows. `drafts` are unfinished visits with the head's name."""

    due: tuple[DueRow, ...]
    visited: int
    waiting: int
    disputed: int
    drafts: tuple[tuple[VisitDraft, str], ...]
    of_all: int


class TodayPage(Page):
    """The page one starts with."""

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self.title = tr("今日")
        self._desk, self._background = desk, background
        self._today: Today | None = None
        self._reason = ""
        self.heading = Heading(tr("今天要走的户"), role="title")
        self.filters: dict[str, object] = {}
        self._filter_line = Flow(gap=theme.INSIDE)
        self._group = QButtonGroup(self)
        holder = QWidget()
        holder.setLayout(self._filter_line)
        for key, words in (("", tr("全部")), *((key, tr(words)) for key, words, _ in REASONS)):
            chip = button(words, "filter")
            chip.setCheckable(True)
            chip.setChecked(not key)
            chip.clicked.connect(partial(self._choose, key))
            self._group.addButton(chip)
            self.filters[key] = chip
            self._filter_line.addWidget(chip)
        self.model = DueModel()
        self.list = DueList(self.model)
        self.list.opened.connect(self._open)
        self.list.visit_wanted.connect(self._visit)
        self.empty = Empty(tr("今天没有到期要走的户。"))
        self.empty.wanted.connect(lambda: self.wanted.emit(Destination(key="households")))
        stacked = QWidget()
        self._list = QStackedLayout(stacked)
        self._list.addWidget(self.list)
        self._list.addWidget(self.empty)
        self._may_visit = desk.rights.may_anywhere(Action.WRITE, "visit")
        says = tr("记走访") if self._may_visit else tr("打开档案")
        self.visit = button(says, "accent", icon="pen" if self._may_visit else "", tip="Enter")
        self.visit.clicked.connect(lambda: self._visit(self.list.current()))
        self.accent = self.visit
        self.heading.add(self.visit)
        left = column(gap=12)
        left.addWidget(self.heading)
        left.addWidget(holder)
        left.addWidget(stacked, 1)
        content = QWidget()
        whole = row(gap=theme.BETWEEN)
        whole.setContentsMargins(theme.MARGIN, theme.BETWEEN, theme.MARGIN, theme.BETWEEN)
        whole.addLayout(left, 1)
        self.side = self._side()
        whole.addWidget(self.side)
        content.setLayout(whole)
        self.set_content(content)
        self.begins_at = self.list

    def _side(self) -> QWidget:
        side = QWidget()
        side.setFixedWidth(SIDE_WIDTH)
        lines = column(gap=12)
        self.visited = Count(tr("本月已走 / 应走"), opens=False)
        self.waiting = Count(tr("待上报"))
        self.disputed = Count(tr("有争议"))
        self.waiting.opened.connect(lambda: self.wanted.emit(Destination(key="upload")))
        self.disputed.opened.connect(lambda: self.wanted.emit(Destination(key="households", rest=(b"disputed",))))
        lines.addWidget(self.visited)
        both = row(gap=12)
        both.addWidget(self.waiting, 1)
        both.addWidget(self.disputed, 1)
        lines.addLayout(both)
        self.unfinished = surface()
        self._drafts = column(margin=theme.BETWEEN, gap=theme.INSIDE)
        self.unfinished.setLayout(self._drafts)
        lines.addWidget(self.unfinished)
        lines.addStretch(1)
        side.setLayout(lines)
        return side

    # --- reading ---

    def arrive(self, destination: Destination) -> None:
        self._read()

    def reread(self, touched: object) -> None:
        self._read()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.side.setVisible(self.width() >= SIDE_FROM)
        self._notice_drafts()

    def _read(self) -> None:
        self._background.desk.run(partial(read, self._desk), self._show, self.say_error, owner=self)

    def _show(self, today: Today) -> None:
        self._today = today
        for key, words, reasons in (("", tr("全部"), None), *((k, tr(w), r) for k, w, r in REASONS)):
            number = sum(reasons is None or row.due.reason in reasons for row in today.due)
            chip = self.filters[key]
            chip.setText(f"{words} {number}")  # type: ignore[attr-defined]
        self.visited.tell(f"{today.visited} / {today.visited + len(today.due)}")
        self.waiting.tell(str(today.waiting))
        self.disputed.tell(str(today.disputed), "danger" if today.disputed else "")
        self._show_drafts(today.drafts)
        self._notice_drafts()
        self._show_due()

    def _show_due(self) -> None:
        assert self._today is not None
        chosen = next((reasons for key, _, reasons in REASONS if key == self._reason), None)
        due = [row for row in self._today.due if chosen is None or row.due.reason in chosen]
        current = self.list.current()
        self.model.show(due)
        self._list.setCurrentIndex(0 if due else 1)
        self.visit.setEnabled(bool(due))
        self.heading.remark.setText(tr("{count} 户，按组排好", count=len(due)) if due else "")
        if not self._today.of_all:
            self.empty.tell(
                tr("这里是今天要走的户。"), tr("还没有收到您负责的农户。上报一次，县里会发下来。"), tr("去农户页")
            )
        elif not due:
            self.empty.tell(tr("这一类今天没有要走的户。"), tr("可以到农户页看全部农户。"), tr("去农户页"))
        self.list.go_to(current)

    def _show_drafts(self, drafts: Sequence[tuple[VisitDraft, str]]) -> None:
        while (item := self._drafts.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        self.unfinished.setVisible(bool(drafts))
        self._drafts.addWidget(label(tr("没写完的走访"), "strong"))
        for draft, name in drafts:
            words = row(gap=theme.INSIDE)
            at = wording.moment(draft.saved_at or 0, self._desk.clock())
            text = column(gap=0)
            text.addWidget(Elided(name, "value"))
            text.addWidget(label(tr("草稿已存 {time}", time=at), "note"))
            words.addLayout(text, 1)
            go = button(tr("接着写"), "link")
            go.setAccessibleName(tr("接着写：{name}", name=name))
            go.clicked.connect(partial(self._visit, draft.household))
            words.addWidget(go)
            holder = QWidget()
            holder.setLayout(words)
            self._drafts.addWidget(holder)

    def _notice_drafts(self) -> None:
        """Where the side has no room, what is unfinished is said above the list."""
        drafts = self._today.drafts if self._today is not None else ()
        if not drafts or self.width() >= SIDE_FROM:
            self.notice.hide()
            return
        draft, name = drafts[0]
        words = tr("没写完的走访：{name}", name=name)
        if len(drafts) > 1:
            words = tr("有 {count} 次走访没写完", count=len(drafts))
        self.notice.say(words, "info", action=tr("接着写"), do=partial(self._visit, draft.household))

    def _choose(self, reason: str, _checked: bool = False) -> None:
        self._reason = reason
        if self._today is not None:
            self._show_due()

    def _open(self, household: bytes) -> None:
        self.wanted.emit(Destination(key="dossier", id=household))

    def _visit(self, household: bytes | None, _checked: bool = False) -> None:
        if household is not None:
            self.wanted.emit(Destination(key="visit" if self._may_visit else "dossier", id=household))


class Count(QFrame):
    """A number with its name; opens what it counts."""

    opened = Signal()

    def __init__(self, name: str, *, opens: bool = True) -> None:
        super().__init__()
        self.setProperty("surface", "line" if opens else "card")
        if opens:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.number = label("", "count")
        self.name = label(name, "note")
        lines = column(gap=0)
        lines.setContentsMargins(theme.BETWEEN, 10, theme.BETWEEN, 10)
        lines.addWidget(self.number)
        lines.addWidget(self.name)
        self.setLayout(lines)

    def tell(self, number: str, tone: str = "") -> None:
        """Show a number."""
        self.number.setText(number)
        restyle(self.number, "tone", tone)
        self.setAccessibleName(f"{self.name.text()} {number}")

    def mouseReleaseEvent(self, event: object) -> None:
        self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.opened.emit()
            return
        super().keyPressEvent(event)


class DueModel(QAbstractListModel):
    """Group headings and households under them, in walking order."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str | DueRow] = []
        self.counts: dict[str, int] = {}

    def show(self, due: Sequence[DueRow]) -> None:
        """Replace all lines."""
        self.beginResetModel()
        self.lines, self.counts = [], {}
        for each in due:
            group = each.household.villager_group or tr("没有小组")
            if group not in self.counts:
                self.counts[group] = 0
                self.lines.append(group)
            self.counts[group] += 1
            self.lines.append(each)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.lines)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        line = self.lines[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return line
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if isinstance(line, str):
                return tr("{group} {count} 户", group=line, count=self.counts[line])
            return f"{line.household.head_name} {standing.why_due(line.due)}"
        if role == Qt.ItemDataRole.SizeHintRole:
            return QSize(200, HEAD_HEIGHT if isinstance(line, str) else LINE_HEIGHT)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if isinstance(self.lines[index.row()], str):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


class DueList(QListView):
    """The list; Enter records a visit, Ctrl+Enter or a double click opens the file."""

    opened = Signal(bytes)
    visit_wanted = Signal(bytes)

    def __init__(self, model: DueModel) -> None:
        super().__init__()
        self.lines = model
        self.setModel(model)
        self.setItemDelegate(_Delegate(self))
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAccessibleName(tr("今天要走的户"))
        self.doubleClicked.connect(self._on_double_clicked)

    def current(self) -> bytes | None:
        """The current household."""
        index = self.currentIndex()
        line = self.lines.lines[index.row()] if index.isValid() and index.row() < len(self.lines.lines) else None
        return line.household.id if isinstance(line, DueRow) else None

    def go_to(self, household: bytes | None) -> None:
        """Make a household current; the first when it is not in the list."""
        places = [n for n, line in enumerate(self.lines.lines) if isinstance(line, DueRow)]
        if not places:
            return
        wanted = [n for n in places if self.lines.lines[n].household.id == household]  # type: ignore[union-attr]
        self.setCurrentIndex(self.lines.index(wanted[0] if wanted else places[0]))
        if not wanted:
            self.scrollToTop()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        household = self.current()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and household is not None:
            opens = event.modifiers() & Qt.KeyboardModifier.ControlModifier
            (self.opened if opens else self.visit_wanted).emit(household)
            return
        super().keyPressEvent(event)

    def _on_double_clicked(self, index: QModelIndex) -> None:
        line = self.lines.lines[index.row()]
        if isinstance(line, DueRow):
            self.opened.emit(line.household.id)


class _Delegate(QStyledItemDelegate):
    """Two lines a household: who and what kind; why today."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        palette = theme.active()
        line = index.data(Qt.ItemDataRole.UserRole)
        place: QRect = option.rect
        painter.save()
        font = theme.body_font()
        if isinstance(line, str):
            painter.fillRect(place, QColor(palette.ground))
            font.setPixelSize(13)
            font.setWeight(QFont.Weight.Bold)
            painter.setFont(font)
            painter.setPen(QColor(palette.second))
            words = str(index.data(Qt.ItemDataRole.DisplayRole))
            painter.drawText(place.adjusted(16, 0, -16, 0), Qt.AlignmentFlag.AlignVCenter, words)
        elif isinstance(line, DueRow):
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            over = bool(option.state & QStyle.StateFlag.State_MouseOver)
            if chosen or over:
                painter.fillRect(place, QColor(palette.selected if chosen else palette.hover))
            self._paint_household(painter, place, line)
        painter.setPen(QPen(QColor(palette.line), 1))
        painter.drawLine(place.bottomLeft(), place.bottomRight())
        painter.restore()

    def _paint_household(self, painter: QPainter, place: QRect, line: DueRow) -> None:
        palette = theme.active()
        household, due = line.household, line.due
        inner = place.adjusted(16, 6, -16, -6)
        upper = QRect(inner.x(), inner.y(), inner.width(), 20)
        lower = QRect(inner.x(), inner.y() + 21, inner.width(), 18)
        font = theme.body_font()
        font.setWeight(QFont.Weight.Bold)
        painter.setFont(font)
        painter.setPen(QColor(palette.text))
        name = household.head_name or tr("没有户主")
        width = painter.fontMetrics().horizontalAdvance(name)
        painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, name)
        draw_chips(painter, upper.adjusted(width + 12, 0, -120, 0), standing.chips(household))
        font = theme.body_font()
        painter.setFont(font)
        painter.setPen(QColor(palette.second))
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        size = tr("{count} 口人", count=household.size)
        painter.drawText(upper, right, " · ".join(p for p in (household.natural_village or "", size) if p))
        font.setPixelSize(12)
        painter.setFont(font)
        pressing = due.reason in ("promise", "monitored")
        painter.setPen(QColor(palette.warning if pressing else palette.second))
        painter.drawText(lower, Qt.AlignmentFlag.AlignVCenter, standing.why_due(due))


def read(desk: Desk) -> Today:
    """Read what the page shows. Runs on the lane."""
    unfinished = visiting.drafts(desk)
    today, mine = desk.today(), desk.listed()
    with desk.vault.reading() as tx:
        names = {draft.household: households.one(tx, draft.household, mine) for draft in unfinished}
        return Today(
            due=tuple(visits.due_today(tx, today, mine)),
            visited=visits.visited_in_month(tx, today[:7], mine.areas),
            waiting=kept.waiting(tx),
            disputed=households.count(tx, replace(mine, kinds=frozenset({"disputed"}))),
            drafts=tuple(
                (draft, found.head_name) for draft in unfinished if (found := names[draft.household]) is not None
            ),
            of_all=households.count(tx, mine),
        )
