"""农户: one field that finds a household by anything, chips that narrow, the list, and a look at the current one.

The list is ordered, filtered and counted by the query, page by page. Typing anywhere on the page goes to the
search; Enter opens the only or the current household; arrows go through the list while the search keeps its text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSettings, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QStackedLayout, QVBoxLayout, QWidget

from app.casework import dossiers
from app.casework.desk import Desk
from app.casework.dossiers import Glance
from app.models.queries import households
from app.models.queries.households import Filter, HouseholdRow
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.models.rules.rights import Action
from app.text import tr
from app.vault.attempts import Attempts
from app.views import theme
from app.views.background import Background
from app.views.dossier_parts import portrait
from app.views.export_dialog import ExportDialog
from app.views.page import Destination, Page
from app.views.parts import standing
from app.views.parts.form import Sheet
from app.views.parts.masked import Masked
from app.views.parts.notices import Empty
from app.views.parts.search import SearchField
from app.views.parts.table import Column, PagedModel, PagedTable, Slice
from app.views.parts.words import Chip, Elided, Flow, button, column, label, opens, row, rule, surface
from app.views.reveal_dialog import Hidden, Revealer
from app.views.scan_page import is_card

HOUSEHOLD, VISIT = BY_NAME["household"], BY_NAME["visit"]
PEEK_WIDTH = 288
# Below this width of the page the list takes all of it.
PEEK_FROM = 1000

COLUMNS: list[Column[HouseholdRow]] = [
    Column(name="head", title=tr("户主"), text=lambda h: h.head_name, width=104, strong=True, order="head_name"),
    Column(name="group", title=tr("村民小组"), text=lambda h: h.villager_group, width=96, order="walk"),
    Column(name="hamlet", title=tr("自然村"), text=lambda h: h.natural_village or "", width=96),
    Column(
        name="kind",
        title=tr("类别"),
        text=lambda h: tr("、").join(words for words, _ in standing.chips(h)),
        width=0,
        chips=standing.chips,
        order="monitor_category",
    ),
    Column(name="size", title=tr("人口"), text=lambda h: str(h.size), width=72, right=True, order="size"),
    Column(
        name="visit",
        title=tr("上次走访"),
        text=lambda h: h.last_visit or tr("还没走访"),
        width=112,
        quiet=True,
        order="last_visit",
    ),
    Column(
        name="filled",
        title=tr("完整（%）"),
        text=lambda h: str(h.filled),
        width=92,
        right=True,
        quiet=True,
        order="filled",
    ),
]

KINDS: tuple[tuple[str, str], ...] = (
    ("monitored", "监测对象"),
    ("lifted", "脱贫户"),
    ("unvisited", "还没走访"),
    ("missing", "资料不全"),
    ("disputed", "有争议"),
    ("no_card", "没有户码"),
)


class HouseholdsPage(Page):
    """The list of households. `print_wanted` and everything else goes by `wanted`."""

    def __init__(
        self,
        desk: Desk,
        background: Background,
        settings: QSettings | None = None,
        attempts: Attempts | None = None,
    ) -> None:
        super().__init__()
        self.title = tr("农户")
        self._desk, self._background, self._attempts = desk, background, attempts
        self._filter = Filter()
        self._order, self._descending = "walk", False
        self._open_first = self._reading = False
        self.search = SearchField(tr("姓名、拼音首字母、证件或电话尾号、组，或扫户码"))
        self.search.asked.connect(self._on_asked)
        self.search.entered.connect(self._on_entered)
        self.search.done.connect(self._to_list)
        self.new_file = button(tr("建档"), icon="pen", tip="Ctrl+N")
        self.new_file.clicked.connect(lambda: self.wanted.emit(Destination(key="open_file")))
        self.export = button(tr("导出…"), "quiet")
        self.export.clicked.connect(self.open_export)
        if not desk.rights.may_anywhere(Action.EXPORT, "household"):
            self.export.hide()
        self._may_open_files = desk.rights.may_anywhere(Action.WRITE, "household")
        if not self._may_open_files:
            self.new_file.hide()
        shortcut = QAction(self)
        shortcut.setEnabled(self._may_open_files)
        shortcut.setShortcut(QKeySequence("Ctrl+N"))
        shortcut.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.triggered.connect(self.new_file.click)
        self.addAction(shortcut)
        self.kinds = {}
        filters = Flow(gap=theme.INSIDE)
        self.group = button(tr("全部小组"), "filter")
        opens(self.group, QMenu(self.group))
        filters.addWidget(self.group)
        for kind, words in KINDS:
            chip = button(tr(words), "filter")
            chip.setCheckable(True)
            chip.toggled.connect(self._on_kinds)
            self.kinds[kind] = chip
            filters.addWidget(chip)
        filter_bar = QWidget()
        filter_bar.setLayout(filters)
        model = PagedModel(background.desk, COLUMNS, lambda household: household.id)
        model.loaded.connect(self._on_loaded)
        model.failed.connect(self.say_error)
        self.table = PagedTable(model, name="households", settings=settings)
        self.table.opened.connect(self._open)
        self.table.moved.connect(self._on_moved)
        self.table.typed.connect(self.search.begin)
        self.table.ordered.connect(self._on_ordered)
        self.empty = Empty(tr("这里是您负责的农户。"))
        self.empty.wanted.connect(self._on_empty)
        holder = QWidget()
        self._list = QStackedLayout(holder)
        self._list.addWidget(self.table)
        self._list.addWidget(self.empty)
        self.peek = Peek(desk, background)
        self.peek.wanted.connect(self.wanted)
        self.peek.failed.connect(self.say_error)
        self.accent = self.peek.open
        self.count = label("", "note")
        top = row(gap=theme.INSIDE)
        top.addWidget(self.search, 1)
        top.addWidget(self.new_file)
        left = column(gap=theme.INSIDE)
        left.addLayout(top)
        left.addWidget(filter_bar)
        left.addWidget(holder, 1)
        foot = row(gap=theme.INSIDE)
        foot.addWidget(self.count, 1)
        foot.addWidget(self.export)
        left.addLayout(foot)
        content = QWidget()
        whole = row(gap=theme.BETWEEN)
        whole.setContentsMargins(theme.MARGIN, theme.BETWEEN, theme.MARGIN, theme.INSIDE)
        whole.addLayout(left, 1)
        whole.addWidget(self.peek)
        content.setLayout(whole)
        self.set_content(content)
        self.begins_at = self.search

    # --- arriving, reading ---

    def arrive(self, destination: Destination) -> None:
        """`rest` may name one of the kinds to show alone, or b"search"."""
        self._read_groups()
        wanted = destination.rest[0].decode() if destination.rest else ""
        if wanted in self.kinds:
            self._show_all(kind=wanted)
        else:
            self._show()
        self.search.start_search()

    def reread(self, touched: object) -> None:
        self._read_groups()
        self._show()

    def start_search(self) -> None:
        self.search.start_search()

    def step_back(self) -> bool:
        """Esc empties the search first."""
        if not self.search.text():
            return False
        self.search.clear()
        self.search.setFocus()
        return True

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        """The look at one household has a place where there is room and something to look at."""
        self.peek.setVisible(self.width() >= PEEK_FROM and self._list.currentIndex() == 0)

    def _show(self) -> None:
        # A new question ends the reading of the old one.
        self._desk.vault.interrupt()
        self._reading = True
        read = reader(self._desk, self._filter, self._order, self._descending)
        self.table.rows.show(read)

    def _read_groups(self) -> None:
        self._background.desk.run(partial(_groups, self._desk), self._show_groups, self.say_error, owner=self)

    def _show_groups(self, groups: list[tuple[str, int]]) -> None:
        menu = self.group.menu()
        menu.clear()
        menu.addAction(tr("全部小组")).triggered.connect(partial(self._choose_group, None))
        menu.addSeparator()
        for group, number in groups:
            words = tr("{group}（{count} 户）", group=group or tr("没有小组"), count=number)
            menu.addAction(words).triggered.connect(partial(self._choose_group, group))

    def open_export(self, _checked: bool = False) -> None:
        """导出… what the list shows."""
        count = self.table.rows.rowCount()
        dialog = ExportDialog(self, self._desk, self._background, self._attempts, self._filter, count)
        dialog.exported.connect(partial(self.notice.say, tone="accent"))
        dialog.open()

    # --- narrowing ---

    def _on_asked(self, text: str) -> None:
        self._narrow(typed=text)

    def _on_kinds(self) -> None:
        self._narrow(kinds=frozenset(kind for kind, chip in self.kinds.items() if chip.isChecked()))

    def _choose_group(self, group: str | None, _checked: bool = False) -> None:
        self.group.setText(tr("全部小组") if group is None else group or tr("没有小组"))
        self.group.setCheckable(True)
        self.group.setChecked(group is not None)
        self._narrow(group=group)

    def _narrow(self, **changed: object) -> None:
        now = {
            "typed": self._filter.typed,
            "kinds": self._filter.kinds,
            "group": self._filter.group,
            "area": self._filter.area,
        }
        self._filter = Filter(**{**now, **changed})  # type: ignore[arg-type]
        self._show()

    def _on_ordered(self, order: str, descending: bool) -> None:
        self._order, self._descending = order, descending
        self._show()

    # --- the list ---

    def _on_loaded(self, total: int) -> None:
        self._reading = False
        self._list.setCurrentIndex(0 if total else 1)
        self._arrange()
        self.count.setText(tr("{count} 户", count=f"{total:,}"))
        narrowed = self._filter != Filter()
        if not total and narrowed:
            self.empty.tell(
                tr("没有找到这样的户。"),
                tr("换一个字试试，或者去掉上面的筛选。也可以按成员姓名、证件后四位找。"),
                tr("去掉筛选"),
            )
        elif not total:
            self.empty.tell(
                tr("这里是您负责的农户。"),
                tr("还没有农户。上报一次，县里会发下来；也可以现在建档。")
                if self._may_open_files
                else tr("还没有农户。上报一次，县里会发下来。"),
                tr("建档") if self._may_open_files else "",
            )
        if total and not self.table.currentIndex().isValid():
            self.table.selectRow(0)
        if self._open_first:
            self._open_first = False
            if total == 1:
                record = self.table.rows.row(0)
                if record is not None:
                    self._open(record)

    def _on_entered(self, text: str) -> None:
        """Enter in the search opens the household when there is only one, else goes into the list."""
        if not text:
            return
        if is_card(text):
            self.search.clear()
            self.wanted.emit(Destination(key="scan", rest=(text.encode(),)))
            return
        if self._reading or text != self._filter.typed:
            self._open_first = True
        elif self.table.rows.rowCount() == 1:
            record = self.table.rows.row(0)
            if record is not None:
                self._open(record)
        else:
            self._to_list()

    def _to_list(self) -> None:
        if self.table.rows.rowCount():
            if not self.table.currentIndex().isValid():
                self.table.selectRow(0)
            self.table.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_empty(self) -> None:
        if self._filter == Filter():
            self.new_file.click()
            return
        self._show_all()
        self.search.setFocus()

    def _show_all(self, kind: str = "") -> None:
        """Take all narrowing back but `kind`."""
        for name, chip in self.kinds.items():
            chip.blockSignals(True)
            chip.setChecked(name == kind)
            chip.blockSignals(False)
        self.search.clear()
        self.group.setText(tr("全部小组"))
        self.group.setChecked(False)
        self._narrow(typed="", kinds=frozenset({kind} if kind else ()), group=None)

    def _on_moved(self, household: object) -> None:
        self.peek.show_household(household if isinstance(household, HouseholdRow) else None)

    def _open(self, household: object) -> None:
        assert isinstance(household, HouseholdRow)
        self.wanted.emit(Destination(key="dossier", id=household.id))


class Peek(QWidget):
    """A look at one household: members, telephone, last visit, and where to go from here (`wanted`)."""

    wanted = Signal(object)
    failed = Signal(object)

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self._desk, self._background = desk, background
        self._ticket = 0
        self._household: HouseholdRow | None = None
        self._found: Glance | None = None
        self.phone: Masked | None = None
        self.revealer = Revealer(self, desk, background)
        self.revealer.changed.connect(self._show_hidden)
        self.revealer.failed.connect(self.failed)
        self.setFixedWidth(PEEK_WIDTH)
        self.open = button(tr("打开档案"), "accent", tip="Enter")
        self.visit = button(tr("记走访"), icon="pen")
        self.print = button(tr("打印"), "quiet", icon="print")
        for choice, key in ((self.open, "dossier"), (self.visit, "visit"), (self.print, "print")):
            choice.clicked.connect(partial(self._go, key))
            choice.setEnabled(False)
        self._body = QWidget()
        self._lines = column(gap=theme.INSIDE)
        self._body.setLayout(self._lines)
        card = surface()
        inner = QVBoxLayout(card)
        inner.setContentsMargins(theme.BETWEEN, theme.BETWEEN, theme.BETWEEN, theme.BETWEEN)
        inner.setSpacing(theme.INSIDE)
        inner.addWidget(Sheet(self._body, margin=0), 1)
        foot = row()
        foot.addWidget(self.visit, 1)
        foot.addWidget(self.print)
        inner.addWidget(self.open)
        inner.addLayout(foot)
        around = column()
        around.addWidget(card)
        self.setLayout(around)

    def show_household(self, household: HouseholdRow | None) -> None:
        """Read and show a household; None shows nothing."""
        if household is None or self._household is None or household.id != self._household.id:
            self.revealer.hide()
        self._household = household
        self._background.desk.cancel(self._ticket)
        for choice, action, kind in (
            (self.open, Action.VIEW, "household"),
            (self.visit, Action.WRITE, "visit"),
            (self.print, Action.PRINT, "household"),
        ):
            may = household is not None and self._desk.rights.may(action, kind, (household.grid, household.village))
            choice.setEnabled(may)
        if household is None:
            self._clear()
            return
        self._ticket = self._background.desk.run(
            partial(dossiers.glance, self._desk, household.id), self._on_read, self.failed.emit, owner=self
        )

    def _show_hidden(self) -> None:
        if self.phone is not None and self._household is not None:
            self.phone.lift(self.revealer.shows(self._household.id))

    def _clear(self) -> None:
        self._found = self.phone = None
        while (item := self._lines.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()

    def _on_read(self, found: Glance | None) -> None:
        if found is None or self._household is None or found.row.id != self._household.id:
            return
        if found == self._found:
            return  # nothing to draw anew: the keyboard stays where it is
        self._clear()
        self._found = found
        household = found.row
        add = self._lines.addWidget
        add(Elided(household.head_name or tr("没有户主"), "title"))
        add(label(standing.place(household), "second", wrap=True))
        chips = standing.chips(household)
        if chips:
            holder = QWidget()
            flow = Flow(gap=6)
            for words, tone in chips:
                flow.addWidget(Chip(words, tone))
            holder.setLayout(flow)
            add(holder)
        add(rule())
        add(label(tr("家庭成员 {count} 人", count=len(found.members)), "note"))
        for member in found.members:
            seen = portrait(member, found.seen, self._desk.today())
            line = row(gap=theme.INSIDE)
            line.addWidget(Elided(seen.name, "value"), 1)
            line.addWidget(label(tr("未满 14 岁") if seen.child else seen.relation, "second"))
            if seen.years is not None:
                line.addWidget(label(tr("{years} 岁", years=seen.years), "second"))
            holder = QWidget()
            holder.setLayout(line)
            add(holder)
        add(rule())
        if household.contact_phone:
            add(label(tr("户联系电话"), "note"))
            number = household.contact_phone
            shown = found.seen.show(HOUSEHOLD, household.id, "contact_phone", number, Surface.SCREEN)
            self.phone = phone = Masked(HOUSEHOLD.field("contact_phone"), shown)
            wanted = Hidden(household=household.id, kind=HOUSEHOLD, object=household.id, fields=("contact_phone",))
            phone.asked.connect(partial(self.revealer.ask, wanted, phone.eye))
            phone.lowered.connect(self.revealer.hide)
            add(phone)
            # It was made after the buttons below it.
            for before, after in ((phone.eye, self.open), (self.open, self.visit), (self.visit, self.print)):
                QWidget.setTabOrder(before, after)
        add(label(tr("上次走访"), "note"))
        last = found.last_visit
        if last is None:
            add(label(tr("还没走访过"), "value"))
        else:
            day = str(last.values["visited_on"] or "")
            past = standing.ago(day, self._desk.today())
            by = found.people.get(last.actor or b"", "")
            add(label(tr("{day}（{ago}）{who}", day=day, ago=past, who=by), "value", wrap=True))
            summary = found.seen.words(VISIT, last.id, "summary", last.values["summary"], Surface.SCREEN)
            add(label(summary, "second", wrap=True))
        if household.promised_by:
            add(label(tr("答应 {day} 再来", day=household.promised_by), "strong", wrap=True))
        self._lines.addStretch(1)

    def _go(self, key: str) -> None:
        if self._household is not None:
            self.wanted.emit(Destination(key=key, id=self._household.id))


def reader(desk: Desk, wanted: Filter, order: str, descending: bool) -> Callable[[int, int], Slice[HouseholdRow]]:
    """Reads slices of the list on the lane."""
    wanted = desk.listed(wanted)

    def read(offset: int, limit: int) -> Slice[HouseholdRow]:
        with desk.vault.reading(interruptible=True) as tx:
            rows = households.page(tx, wanted, order=order, descending=descending, offset=offset, limit=limit)
            return Slice(total=households.count(tx, wanted), rows=rows)

    return read


def _groups(desk: Desk) -> list[tuple[str, int]]:
    with desk.vault.reading() as tx:
        return households.groups(tx, desk.listed())
