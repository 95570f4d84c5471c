"""Tables of any length: rows are read page by page on the desk lane, ordered and filtered by the query,
never here.

A `Column` says how a frozen record is shown in it. Widths, order and hidden columns are remembered by name
in the settings. The first page of a new query replaces the old rows at once, so nothing flickers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from PySide6.QtCore import (
    QAbstractTableModel,
    QByteArray,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSettings,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.text import tr
from app.views import theme
from app.views.background import Lane

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex

PAGE = 200  # rows read at once
KEPT = 12  # pages kept in memory
ChipText = tuple[str, str]  # text and tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Row]):
    """One column. `chips`, when given, are drawn instead of `text`; `order` is what the query sorts by,
    empty when it cannot; `width` in pixels, 0 for the column that takes what is left."""

    name: str
    title: str
    text: Callable[[Row], str]
    width: int = 120
    right: bool = False
    strong: bool = False
    quiet: bool = False
    order: str = ""
    chips: Callable[[Row], Sequence[ChipText]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[Row]):
    """Rows `offset` … of a query that has `total`."""

    total: int
    rows: Sequence[Row]


# Reads (offset, limit); called on the desk lane, so it holds values and no widgets.
Read = Callable[[int, int], Slice[Row]]


class PagedModel(QAbstractTableModel, Generic[Row]):
    """The rows of one query. `loaded` comes with the number of rows when a new query's first page is
    there."""

    loaded = Signal(int)
    failed = Signal(object)

    def __init__(self, lane: Lane, columns: Sequence[Column[Row]], key: Callable[[Row], Hashable]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.key = key
        self._lane = lane
        self._read: Read[Row] | None = None
        self._query = 0
        self._total = 0
        self._pages: dict[int, Sequence[Row]] = {}
        self._asked: dict[int, int] = {}
        self._ticket = 0

    def show(self, read: Read[Row]) -> None:
        """Show another query, or the same again after something was touched."""
        self._query += 1
        self._lane.cancel(self._ticket)
        for ticket in self._asked.values():
            self._lane.cancel(ticket)
        self._asked = {}
        first = partial(read, 0, PAGE)
        self._ticket = self._lane.run(
            first,
            partial(self._on_first, self._query, read),
            partial(self._on_failed, self._query),
            owner=self,
        )

    def row(self, number: int) -> Row | None:
        """The record in row `number`; None while its page is still being read."""
        page = self._pages.get(number // PAGE)
        if page is None:
            return None
        place = number % PAGE
        return page[place] if place < len(page) else None

    def number_of(self, key: Hashable) -> int | None:
        """Row number of the record with `key` among the pages that are here."""
        for page, rows in self._pages.items():
            for place, record in enumerate(rows):
                if self.key(record) == key:
                    return page * PAGE + place
        return None

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else self._total

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(self.columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.UserRole):
            return self._look(column, role)
        record = self.row(index.row())
        if record is None:
            self._ask(index.row() // PAGE)
            return "…" if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.UserRole:
            return record
        return column.text(record)

    @staticmethod
    def _alignment(column: Column[Row]) -> int:
        side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
        return int(side | Qt.AlignmentFlag.AlignVCenter)

    @staticmethod
    def _look(column: Column[Row], role: int) -> Any:
        if role == Qt.ItemDataRole.FontRole and column.strong:
            font = theme.body_font()
            font.setWeight(QFont.Weight.Bold)
            return font
        if role == Qt.ItemDataRole.ForegroundRole and column.quiet:
            return QColor(theme.active().second)
        return None

    def _ask(self, page: int) -> None:
        if page in self._asked or self._read is None:
            return
        # Marked before it is asked for: a lane that runs at once answers within `run`.
        self._asked[page] = 0
        ticket = self._lane.run(
            partial(self._read, page * PAGE, PAGE),
            partial(self._on_page, self._query, page),
            partial(self._on_failed, self._query),
            owner=self,
        )
        if page in self._asked:
            self._asked[page] = ticket

    def _on_first(self, query: int, read: Read[Row], found: Slice[Row]) -> None:
        if query != self._query:
            return
        self.beginResetModel()
        self._read = read
        self._total = found.total
        self._pages = {0: found.rows}
        self.endResetModel()
        self.loaded.emit(found.total)

    def _on_page(self, query: int, page: int, found: Slice[Row]) -> None:
        if query != self._query:
            return
        self._asked.pop(page, None)
        self._pages[page] = found.rows
        if len(self._pages) > KEPT:
            self._pages.pop(next(iter(self._pages)))
        first = page * PAGE
        last = min(self._total, first + PAGE) - 1
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    def _on_failed(self, query: int, error: Exception) -> None:
        if query == self._query:
            self._asked.clear()
            self.failed.emit(error)


class PagedTable(QTableView, Generic[Row]):
    """The view of a `PagedModel`.

    `opened` comes on Enter and double click, `moved` when another row became current, `typed` when a person
    starts to write (the page sends it to its search field), `ordered` when a heading was clicked.
    """

    opened = Signal(object)
    moved = Signal(object)
    typed = Signal(str)
    ordered = Signal(str, bool)

    def __init__(
        self, model: PagedModel[Row], *, name: str, settings: QSettings | None = None, several: bool = False
    ) -> None:
        super().__init__()
        self.rows = model
        self._name = name
        self._settings = settings
        self._kept: Hashable = None
        self._menu = QMenu(self)
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if several else mode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setItemDelegate(_Delegate(self))
        upright = self.verticalHeader()
        upright.setVisible(False)
        upright.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        upright.setDefaultSectionSize(theme.ROW_HEIGHT)
        self._prepare_header()
        self.doubleClicked.connect(self._on_double_clicked)
        model.modelAboutToBeReset.connect(self._remember_row)
        model.modelReset.connect(self._restore_row)

    def record(self) -> Row | None:
        """The record of the current row."""
        index = self.currentIndex()
        return self.rows.row(index.row()) if index.isValid() else None

    def records(self) -> list[Row]:
        """The records of the selected rows that are here, from above."""
        numbers = sorted({index.row() for index in self.selectionModel().selectedRows()})
        found = (self.rows.row(number) for number in numbers)
        return [record for record in found if record is not None]

    def go_to(self, key: Hashable) -> bool:
        """Make the record with `key` current; False when it is not among the rows that are here."""
        number = self.rows.number_of(key)
        if number is None:
            return False
        self.selectRow(number)
        self.scrollTo(self.rows.index(number, 0))
        return True

    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        self.moved.emit(self.rows.row(current.row()) if current.isValid() else None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        chorded = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        plain = not event.modifiers() & chorded
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and plain:
            record = self.record()
            if record is not None:
                self.opened.emit(record)
                return
        if plain and event.text().strip() and event.text().isprintable():
            self.typed.emit(event.text())
            return
        if event.key() == Qt.Key.Key_Home and plain and self.rows.rowCount():
            self.selectRow(0)
            return
        if event.key() == Qt.Key.Key_End and plain and self.rows.rowCount():
            self.selectRow(self.rows.rowCount() - 1)
            return
        super().keyPressEvent(event)

    def _on_double_clicked(self, index: QModelIndex) -> None:
        record = self.rows.row(index.row())
        if record is not None:
            self.opened.emit(record)

    def _prepare_header(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(56)
        header.setFixedHeight(33)
        header.setSectionsMovable(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(False)
        for place, column in enumerate(self.rows.columns):
            if column.width:
                self.setColumnWidth(place, column.width)
            else:
                header.setSectionResizeMode(place, QHeaderView.ResizeMode.Stretch)
        if any(column.order for column in self.rows.columns):
            header.setSectionsClickable(True)
            header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            header.setSortIndicatorShown(True)
            header.sortIndicatorChanged.connect(self._on_order)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._open_header_menu)
        self._recall()
        header.sectionResized.connect(self._remember)
        header.sectionMoved.connect(self._remember)

    def _on_order(self, section: int, order: Qt.SortOrder) -> None:
        if 0 <= section < len(self.rows.columns) and self.rows.columns[section].order:
            self.ordered.emit(self.rows.columns[section].order, order is Qt.SortOrder.DescendingOrder)

    def _open_header_menu(self, point: QPoint) -> None:
        menu = self._menu
        menu.clear()
        for place, column in enumerate(self.rows.columns):
            action = menu.addAction(column.title)
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(place))
            action.setEnabled(place > 0)
            action.toggled.connect(partial(self._show_column, place))
        menu.addSeparator()
        menu.addAction(tr("恢复默认列")).triggered.connect(self._forget)
        menu.popup(self.horizontalHeader().mapToGlobal(point))

    def _show_column(self, place: int, shown: bool) -> None:
        self.setColumnHidden(place, not shown)
        self._remember()

    def _setting(self) -> str:
        # The names of the columns are part of the key, so that a new version's other columns do not get old
        # widths.
        return f"columns/{self._name}/" + "-".join(column.name for column in self.rows.columns)

    def _remember(self) -> None:
        if self._settings is not None:
            self._settings.setValue(self._setting(), self.horizontalHeader().saveState())

    def _recall(self) -> None:
        if self._settings is not None:
            state = self._settings.value(self._setting())
            if isinstance(state, QByteArray):
                self.horizontalHeader().restoreState(state)
                self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    def _forget(self) -> None:
        for place, column in enumerate(self.rows.columns):
            self.setColumnHidden(place, False)
            header = self.horizontalHeader()
            header.moveSection(header.visualIndex(place), place)
            if column.width:
                self.setColumnWidth(place, column.width)
        if self._settings is not None:
            self._settings.remove(self._setting())

    def _remember_row(self) -> None:
        record = self.record()
        self._kept = None if record is None else self.rows.key(record)

    def _restore_row(self) -> None:
        if self._kept is None or not self.go_to(self._kept):
            self.moved.emit(None)


class _Delegate(QStyledItemDelegate):
    """Draws chips; leaves everything else to the style sheet."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        assert isinstance(model, PagedModel)
        column = model.columns[index.column()]
        # The current cell has no frame of its own: the row is what is current.
        option.state &= ~QStyle.StateFlag.State_HasFocus
        if column.chips is None:
            super().paint(painter, option, index)
            return
        record = model.row(index.row())
        self.initStyleOption(option, index)
        option.text = ""
        widget = option.widget
        assert isinstance(widget, QWidget)
        widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, widget)
        if record is not None:
            draw_chips(painter, option.rect.adjusted(11, 0, -8, 0), column.chips(record))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        size = super().sizeHint(option, index)
        return QSize(size.width(), theme.ROW_HEIGHT)


def draw_chips(painter: QPainter, place: QRect, chips: Sequence[ChipText]) -> int:
    """Paint `chips` from the left of `place`, as many as fit, then …; returns the width used."""
    palette = theme.active()
    grounds = {
        "plain": (palette.hover, palette.second),
        "accent": (palette.accent_ground, palette.accent),
        "info": (palette.info_ground, palette.info),
        "warning": (palette.warning_ground, palette.warning),
        "danger": (palette.danger_ground, palette.danger),
    }
    painter.save()
    painter.setClipRect(place)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = theme.body_font()
    font.setPixelSize(12)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    x = place.x()
    for text, tone in chips:
        width = metrics.horizontalAdvance(text) + 16
        if x + width > place.right() + 1:
            painter.setPen(QColor(palette.second))
            painter.drawText(QRect(x, place.y(), 20, place.height()), Qt.AlignmentFlag.AlignVCenter, "…")
            x += 20
            break
        ground, ink = grounds[tone]
        box = QRect(x, place.center().y() - 10, width, 21)
        painter.setPen(QColor(palette.line if tone == "plain" else ground))
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(QColor(ink))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        x += width + 6
    painter.restore()
    return x - place.x()


def row_ground(option: QStyleOptionViewItem) -> QColor:
    """The ground of a row painted by hand."""
    palette = theme.active()
    if option.state & QStyle.StateFlag.State_Selected:
        return QColor(palette.selected)
    if option.state & QStyle.StateFlag.State_MouseOver:
        return QColor(palette.hover)
    return option.palette.color(QPalette.ColorRole.Base)
