"""户档: everything about one household. A band that says who it is, sections at the left, the section in the
middle, what happened at the right.

Each section reads and corrects with the same `SheetView`; a verb is one act of the log. The page reads the whole
file in one view of the vault and again when the household was touched; an open form keeps what was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QHideEvent, QIcon, QResizeEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QMenu, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from app.casework import cards, dossiers, files
from app.casework.countersigning import VOID_FILE, NewProposal
from app.casework.desk import Desk, Written, write
from app.casework.dossiers import Dossier, OpenedAct
from app.casework.drafts import FormDraft
from app.models.codelists import codelist
from app.models.queries import places
from app.models.queries.households import Sheet as Record
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.models.summaries import WANTED_OF_HOUSEHOLD, WANTED_OF_MEMBER
from app.sync.journal import Touched
from app.text import tr
from app.vault.attempts import Attempts
from app.views import act_words, theme
from app.views.act_dialog import ActDialog
from app.views.background import Background
from app.views.countersign_dialog import AGREED, Countersign
from app.views.dossier_parts import (
    HOUSEHOLD_GROUPS,
    MEMBER_GROUPS,
    CardSection,
    MemberList,
    VisitList,
    portrait,
    section_mark,
)
from app.views.page import Destination, Page
from app.views.parts import standing
from app.views.parts.editors import Choices
from app.views.parts.form import Sheet
from app.views.parts.notices import ProgressStrip, Question
from app.views.parts.pictures import code_picture
from app.views.parts.sheet_view import SheetView
from app.views.parts.timeline import Timeline
from app.views.parts.words import Chip, Elided, Flow, Heading, button, column, label, opens, restyle, row, surface, tool
from app.views.reveal_dialog import Hidden, Revealer
from app.views.unsaved import Unsaved

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
SECTIONS = ("household", "members", "visits", "card", "history")
HISTORY_FROM = 1000  # width of the page from which the timeline has a place of its own
HISTORY_WIDTH = 296


class DossierPage(Page):
    """The file of one household."""

    def __init__(self, desk: Desk, background: Background, attempts: Attempts | None = None) -> None:
        super().__init__()
        self.title = tr("户档")
        self._desk, self._background, self._attempts = desk, background, attempts
        self.household: bytes | None = None
        self.dossier: Dossier | None = None
        self._member: bytes | None = None
        self._new_member: bytes | None = None
        self._folded = False
        self.revealer = Revealer(self, desk, background)
        self.revealer.changed.connect(self._show_hidden)
        self.revealer.failed.connect(self.say_error)
        self.household_view = SheetView(HOUSEHOLD, HOUSEHOLD_GROUPS, without=("head",))
        self.household_view.save_wanted.connect(self._save_household)
        self.household_view.settle_wanted.connect(self._settle_household)
        self.member_view = SheetView(MEMBER, MEMBER_GROUPS, without=("household", "status"))
        self.member_view.save_wanted.connect(self._save_member)
        self.member_view.settle_wanted.connect(self._settle_member)
        self.member_view.editing_changed.connect(self._on_member_editing)
        for view in (self.household_view, self.member_view):
            view.editing_changed.connect(self._choose_accent)
            view.reveal_wanted.connect(partial(self._ask_reveal, view))
            view.hide_wanted.connect(self.revealer.hide)
        self.unsaved = Unsaved(desk, background.desk, (self.household_view, self.member_view), self)
        self.members = MemberList()
        self.members.opened.connect(self._open_member)
        self.members.add.clicked.connect(lambda _checked: self._begin_member())
        self.visits = VisitList(desk, background)
        self.visits.failed.connect(self.say_error)
        self.visits.reveal_wanted.connect(self.revealer.ask)
        self.visits.hide_wanted.connect(self.revealer.hide)
        self.card = CardSection()
        self.card.bind_wanted.connect(self._bind)
        self.timeline = Timeline()
        self.timeline.opened.connect(self._open_act)
        self.waiting = ProgressStrip()
        self.sections = QListWidget()
        self.sections.setProperty("kind", "sections")
        self.sections.setAccessibleName(tr("部分"))
        self.sections.setFixedWidth(140)
        self.sections.setIconSize(QSize(12, 12))
        self.sections.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for name in SECTIONS:
            item = QListWidgetItem(self._name_of(name))
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.sections.addItem(item)
        self.sections.currentRowChanged.connect(self._on_section)
        content = QWidget()
        whole = column(gap=0)
        whole.addWidget(self._band())
        whole.addLayout(self._body(), 1)
        content.setLayout(whole)
        self.set_content(content)
        self.begins_at = self.sections

    # --- the parts of the page ---

    def _band(self) -> QWidget:
        band = surface("band")
        self.name = Elided("", "headline")
        self.name.setMinimumHeight(32)
        # As wide as the name, so that the chips follow it; only a very long one gives way.
        self.name.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.where = Elided("", "second")
        self.chips = Flow(gap=6)
        chips = QWidget()
        chips.setLayout(self.chips)
        self.chip_holder = chips
        title = row(gap=12)
        title.addWidget(self.name)
        title.addWidget(chips, 1, Qt.AlignmentFlag.AlignVCenter)
        words = column(gap=2)
        words.addLayout(title)
        words.addWidget(self.where)
        self.code = tool("scan", tr("户码"))
        self.code.setIconSize(QSize(48, 48))
        self.code.clicked.connect(lambda: self.go_to_section("card"))
        self.visit = button(tr("记走访"), "accent", icon="pen")
        self.visit.clicked.connect(lambda: self._go("visit"))
        self.accent = self.visit
        self.print = button(tr("打印"), "quiet", icon="print")
        self.print.clicked.connect(lambda: self._go("print"))
        self.more = button(tr("更多"), "quiet")
        menu = QMenu(self.more)
        self.adding = menu.addAction(tr("添加成员"))
        self.adding.triggered.connect(self._begin_member)
        menu.addAction(tr("户码")).triggered.connect(lambda: self.go_to_section("card"))
        self.voiding = menu.addAction(tr("作废这份档案…"))
        self.voiding.triggered.connect(self.countersign)
        fold = menu.addAction(tr("收起或展开时间线"))
        fold.triggered.connect(self._fold)
        opens(self.more, menu)
        line = row(gap=theme.INSIDE)
        line.setContentsMargins(theme.MARGIN, theme.INSIDE, theme.MARGIN, theme.INSIDE)
        band.setFixedHeight(76)
        line.addLayout(words, 1)
        for widget in (self.code, self.visit, self.print, self.more):
            line.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        band.setLayout(line)
        return band

    def _body(self) -> QVBoxLayout:
        member_page = QWidget()
        lines = column(gap=0)
        top = row()
        top.setContentsMargins(12, 12, theme.BETWEEN, 0)
        self.all_members = button(tr("全部成员"), "link", icon="back")
        self.all_members.clicked.connect(self._close_member)
        self.leave = button(tr("离户"), "quiet", tip=tr("去世、迁出等；记录不会删除"))
        leaving = QMenu(self.leave)
        for code in codelist("member_status").codes:
            if code.code not in ("ACTIVE", "UNREGISTERED"):
                leaving.addAction(tr(code.label)).triggered.connect(partial(self._ask_to_end, code.code))
        opens(self.leave, leaving)
        top.addWidget(self.all_members)
        top.addStretch(1)
        top.addWidget(self.leave)
        lines.addLayout(top)
        lines.addWidget(self.member_view)
        member_page.setLayout(lines)
        self.history_here = QWidget()
        history_lines = column(gap=theme.INSIDE)
        history_lines.addWidget(Heading(tr("时间线")))
        self.history_here.setLayout(history_lines)
        self.stack = QStackedWidget()
        self._stacked: dict[str, int] = {}
        for name, widget in (
            ("household", self.household_view),
            ("members", self.members),
            ("member", member_page),
            ("visits", self.visits),
            ("card", self.card),
            ("history", self.history_here),
        ):
            scrolls_itself = name in ("household", "member")
            shown = widget if scrolls_itself else Sheet(widget, margin=theme.BETWEEN)
            self._stacked[name] = self.stack.addWidget(shown)
        self.history = surface("side")
        self.history.setFixedWidth(HISTORY_WIDTH)
        side = column(gap=0)
        head = row()
        head.setContentsMargins(theme.BETWEEN, 12, 6, 4)
        head.addWidget(label(tr("时间线"), "section"))
        self.history_count = label("", "note")
        head.addWidget(self.history_count)
        head.addStretch(1)
        fold = tool("fold", tr("收起时间线"))
        fold.clicked.connect(self._fold)
        head.addWidget(fold)
        side.addLayout(head)
        self._history_sheet = QWidget()
        self._history_lines = column()
        self._history_lines.addWidget(self.timeline)
        self._history_sheet.setLayout(self._history_lines)
        side.addWidget(Sheet(self._history_sheet, margin=theme.INSIDE), 1)
        self.history.setLayout(side)
        left = column(gap=0)
        left.setContentsMargins(theme.INSIDE, theme.BETWEEN, 0, 0)
        left.addWidget(self.sections)
        body = row(gap=0)
        body.addLayout(left)
        middle = column(gap=0)
        middle.addWidget(self.stack, 1)
        middle.addWidget(self.waiting)
        body.addLayout(middle, 1)
        body.addWidget(self.history)
        holder = column()
        holder.addLayout(body, 1)
        return holder

    # --- arriving and reading ---

    def arrive(self, destination: Destination) -> None:
        if destination.id is None:
            return
        if destination.id != self.household:
            self.household = destination.id
            self.dossier = None
            self.household_view.stop()
            self.member_view.stop()
            self._member = self._new_member = None
            self.revealer.hide()
            self.sections.setCurrentRow(0)
            self.unsaved.look(destination.id)
        if destination.rest:
            self.go_to_section(destination.rest[0].decode())
        self._read()

    def reread(self, touched: object) -> None:
        if isinstance(touched, Touched) and self.household in touched.roots:
            self._read()

    def hideEvent(self, event: QHideEvent) -> None:
        """Whatever the reason for leaving, what was typed is kept."""
        super().hideEvent(event)
        self.unsaved.keep(self.household, self._new_member)

    def may_leave(self) -> str:
        if self.household_view.touched() or self.member_view.touched():
            return tr("改了还没有保存，离开就丢了。")
        return ""

    def step_back(self) -> bool:
        view = self._open_view()
        if view is not None and view.editing:
            if not view.touched():
                view.stop()
                return True
            question = Question(
                self, tr("放弃这次修改？"), tr("改了的内容不会保存。"), tr("放弃修改"), refuse=tr("接着改")
            )
            question.answered.connect(lambda _reason: view.stop())
            question.open()
            return True
        if self._section() == "members" and self._member is not None:
            self._close_member()
            return True
        return False

    def save(self) -> None:
        view = self._open_view()
        if view is not None:
            view.submit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def go_to_section(self, name: str) -> None:
        """Show a section: household, members, visits, card, history."""
        if name in SECTIONS:
            self.sections.setCurrentRow(SECTIONS.index(name))

    def _read(self) -> None:
        assert self.household is not None
        self._background.desk.run(
            partial(dossiers.read, self._desk, self.household), self._show, self.say_error, owner=self
        )

    def _show(self, dossier: Dossier | None) -> None:
        if dossier is None:
            self.notice.say(tr("这一户不在本机了。"), "warning")
            return
        if dossier.row.id != self.household:
            return
        self.dossier = dossier
        now, household = self._desk.clock(), dossier.row
        self.name.setText(household.head_name or tr("没有户主"))
        self.name.ensurePolished()
        self.name.setFixedWidth(min(self.name.fontMetrics().horizontalAdvance(self.name.text()) + 4, 320))
        facts = [standing.place(household), tr("{count} 口人", count=household.size)]
        if household.household_no:
            facts.append(tr("户编号 {number}", number=household.household_no))
        self.where.setText(" · ".join(fact for fact in facts if fact))
        self.chips.clear()
        chips = standing.chips(household)
        for words, tone in chips:
            self.chips.addWidget(Chip(words, tone))
        self.chip_holder.setVisible(bool(chips))
        self.code.setVisible(dossier.card is not None and self.width() >= HISTORY_FROM)
        if dossier.card is not None:
            self.code.setIcon(QIcon(code_picture(dossier.card.payload, 48)))
        links = self._links(dossier)
        for view in (self.household_view, self.member_view):
            view.offer(links, demo=self._desk.demo, today=self._desk.today())
        self.household_view.tell(tr("基本情况"), _missing_words(household.missing, WANTED_OF_HOUSEHOLD))
        self.household_view.show_record(dossier.sheet, dossier.origins, dossier.names, now, dossier.seen)
        self.members.show_members(dossier.members, dossier.seen, self._desk.today())
        self._show_member()
        self.visits.show_visits(dossier, now)
        self.card.show_card(dossier, may_bind=self._may(Action.WRITE, "card"))
        self.timeline.show_happenings(act_words.happenings(dossier.acts, dossier.names, dossier.seen, now))
        self._permit()
        self._show_hidden()
        if dossier.proposed is not None:
            self.notice.say(
                tr("这份档案已提请作废，等另一个人会签：{reason}", reason=dossier.proposed.reason),
                "warning",
                action=tr("会签"),
                do=self.countersign,
            )
        self.history_count.setText(tr("{count} 次", count=dossier.acts_of_all))
        self._mark_sections(dossier)
        self._arrange()
        begun = self.unsaved.take_up(dossier)
        if begun is not None:
            do = partial(self._go_on, begun)
            self.notice.say(tr("有一位成员改了一半，没有保存。"), "info", action=tr("接着改"), do=do)

    def _go_on(self, begun: FormDraft) -> None:
        """A member whose form was left half filled."""
        self.go_to_section("members")
        if begun.ids:
            self._begin_member(begun.ids[0])
        else:
            self._open_member(begun.id)
        record = self._record()
        self.unsaved.type_in(self.member_view, begun.id, dict(record.values) if record is not None else {})

    def _may(self, action: Action, kind: str) -> bool:
        """Whether the person may do something with records of this household."""
        if self.dossier is None:
            return False
        return self._desk.rights.may(action, kind, (self.dossier.row.grid, self.dossier.row.village))

    def _permit(self) -> None:
        """Offer only what the person may do here, and say quietly that the rest is only to be read."""
        household, member = self._may(Action.WRITE, "household"), self._may(Action.WRITE, "member")
        self.household_view.permit(household)
        self.member_view.permit(member)
        self.members.add.setVisible(member)
        self.adding.setVisible(member)
        self.voiding.setVisible(self._may(Action.VOID, "household"))
        self.visit.setVisible(self._may(Action.WRITE, "visit"))
        self.print.setVisible(self._may(Action.PRINT, "household"))
        if not household:
            self.household_view.heading.remark.setText(tr("您的角色可以看这份档案，不能修改"))

    def countersign(self, _checked: bool = False) -> None:
        """End the file, by two people; go on where a proposal waits."""
        dossier = self.dossier
        if dossier is None:
            return
        waiting = dossier.proposed

        def make(reason: str) -> NewProposal:
            return NewProposal(id=self._desk.new_id(), matter=VOID_FILE, reason=reason, household=dossier.row.id)

        dialog = Countersign(
            self,
            self._desk,
            self._background,
            self._attempts,
            title=tr("作废{name}这一户的档案", name=dossier.row.head_name),
            text=tr("这一户和户里的人不再出现在名单里，记录都留着，查得到。要另一个人同意才算数。"),
            make=make,
            waiting=waiting.id if waiting is not None else None,
            reason=tr("已提请：{reason}", reason=waiting.reason) if waiting is not None else "",
        )
        dialog.decided.connect(self._on_decided)
        dialog.open()

    def _on_decided(self, _proposal: bytes, outcome: str) -> None:
        if outcome == AGREED:
            self.told.emit(tr("这份档案已作废，待上报"))
            self.wanted.emit(Destination(key="households"))
        else:
            self.notice.say(tr("会签的人不同意，档案没有动。"), "info")

    def _ask_reveal(self, view: SheetView, at: QWidget) -> None:
        record = self.dossier.sheet if view is self.household_view and self.dossier else self._record()
        if record is not None and self.household is not None:
            wanted = Hidden(household=self.household, kind=record.kind, object=record.id, fields=view.hidden)
            self.revealer.ask(wanted, at)

    def _show_hidden(self) -> None:
        """What is shown in full changed, or a second of it has passed."""
        left = self.revealer.left
        self.household_view.show_hidden(self.revealer.shows(self.household), left)
        self.member_view.show_hidden(self.revealer.shows(self._member), left)
        record = self._record()
        if record is not None and self.dossier is not None:
            seen = portrait(record, self.dossier.seen, self._desk.today())
            name = str(record["name"] or "") if self.revealer.shows(record.id) else seen.name
            self.member_view.tell(name, tr("未满 14 岁") if seen.child else seen.relation)
        known: list[bytes] = []
        if self.dossier is not None:
            known = [visit.id for visit in self.dossier.visits] + [photo.id for photo in self.dossier.photos]
        self.visits.show_hidden(next((each for each in known if self.revealer.shows(each)), None))

    def _links(self, dossier: Dossier) -> dict[str, Choices]:
        areas = dict(dossier.areas)
        return {
            "village": [(a.id, a.name) for a in areas.values() if a.level == "VILLAGE"],
            "grid": [(a.id, places.place_name(areas, a.id)) for a in areas.values() if a.level == "GRID"],
        }

    def _mark_sections(self, dossier: Dossier) -> None:
        missing = set(dossier.row.missing)
        states = {
            "household": "fault"
            if dossier.sheet.disputed
            else "missing"
            if missing & set(WANTED_OF_HOUSEHOLD)
            else "complete",
            "members": "fault"
            if any(member.disputed for member in dossier.members)
            else "missing"
            if missing & set(WANTED_OF_MEMBER) or not dossier.members
            else "complete",
            "visits": "complete" if dossier.visits else "missing",
            "card": "complete" if dossier.card is not None else "missing",
            "history": "",
        }
        counts = {"members": len(dossier.members), "visits": len(dossier.visits)}
        says = {"complete": tr("齐全"), "missing": tr("有缺项"), "fault": tr("有争议"), "": ""}
        for place, name in enumerate(SECTIONS):
            item = self.sections.item(place)
            count = counts.get(name)
            item.setText(self._name_of(name) + (f"  {count}" if count else ""))
            mark = QIcon(section_mark(states[name]))
            mark.addPixmap(section_mark(states[name]), QIcon.Mode.Selected)
            item.setIcon(mark)
            item.setToolTip(says[states[name]])

    @staticmethod
    def _name_of(section: str) -> str:
        return {
            "household": tr("基本情况"),
            "members": tr("家庭成员"),
            "visits": tr("走访"),
            "card": tr("户码"),
            "history": tr("时间线"),
        }[section]

    # --- sections ---

    def _section(self) -> str:
        return SECTIONS[max(0, self.sections.currentRow())]

    def _on_section(self, _place: int) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Show the chosen section; the timeline has a place at the side where there is room and none in the middle."""
        section = self._section()
        in_middle = section == "history"
        member_open = section == "members" and self._member is not None
        self._choose_accent()
        self.stack.setCurrentIndex(self._stacked["member" if member_open else section])
        wide = self.width() >= HISTORY_FROM
        self.history.setVisible(wide and not in_middle and not self._folded)
        target = self.history_here.layout() if in_middle else self._history_lines
        if target is not None and target.indexOf(self.timeline) < 0:
            target.addWidget(self.timeline)
        self.code.setVisible(wide and self.dossier is not None and self.dossier.card is not None)

    def _fold(self) -> None:
        self._folded = not self._folded
        self._arrange()

    def _choose_accent(self) -> None:
        """Enter saves while a form is open."""
        view = self._open_view()
        correcting = view is not None and view.editing
        self.accent = view.save if view is not None and correcting else self.visit
        # One accent button a page: what is sensible next is to save.
        kind = "plain" if correcting else "accent"
        restyle(self.visit, "kind", kind)
        colour = theme.active().second if correcting else theme.active().on_accent
        self.visit.setIcon(theme.picture("pen", colour))

    def _open_view(self) -> SheetView | None:
        section = self._section()
        if section == "household":
            return self.household_view
        return self.member_view if section == "members" and self._member is not None else None

    # --- the household ---

    def _save_household(self, values: object) -> None:
        assert isinstance(values, dict)
        assert self.dossier is not None
        seen = self.household_view.base or self.dossier.sheet
        self._write(partial(files.edit, self._desk, self.dossier.row.id, seen, values), self.household_view)

    def _settle_household(self, field: str, value: object) -> None:
        assert self.dossier is not None
        self._settle(self.dossier.sheet, field, value)

    def _settle(self, record: Record, field: str, value: object) -> None:
        assert self.dossier is not None
        self._write(partial(files.resolve, self._desk, self.dossier.row.id, record, field, value))  # type: ignore[arg-type]

    # --- members ---

    def _record(self) -> Record | None:
        members = self.dossier.members if self.dossier is not None else ()
        return next((member for member in members if member.id == self._member), None)

    def _open_member(self, member: bytes) -> None:
        self._member = member
        self._show_member()
        self._arrange()
        self.member_view.edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _close_member(self) -> None:
        if self.member_view.touched():
            self.step_back()
            return
        member, self._member, self._new_member = self._member, None, None
        self.revealer.hide()
        self.member_view.stop()
        self._arrange()
        self.members.focus(member)

    def _show_member(self) -> None:
        record = self._record()
        may_end = record is not None and record["relation"] != files.HEAD and self._may(Action.WRITE, "member")
        self.leave.setVisible(may_end)
        if record is None:
            if self._member is not None and self._new_member is None:
                self._member = None
                self._arrange()
            return
        assert self.dossier is not None
        dossier = self.dossier
        self.member_view.show_record(record, dossier.origins, dossier.names, self._desk.clock(), dossier.seen)
        self._show_hidden()

    def _begin_member(self, member: bytes | None = None) -> None:
        self.go_to_section("members")
        self._member = self._new_member = member or self._desk.new_id()
        self.member_view.tell(tr("添加成员"))
        self.leave.hide()
        self._arrange()
        self.member_view.begin_new({"household": self.household, "cert_type": "111"})

    def _on_member_editing(self, editing: bool) -> None:
        if not editing and self._new_member is not None:
            self._member = self._new_member = None
            self._arrange()

    def _save_member(self, values: object) -> None:
        assert isinstance(values, dict)
        assert self.dossier is not None
        assert self._member is not None
        household = self.dossier.row.id
        if self._new_member is not None:
            filled = {"cert_type": "111", **values}
            self._write(partial(files.add_member, self._desk, household, self._new_member, filled), self.member_view)
            return
        record = self.member_view.base
        assert record is not None
        self._write(partial(files.edit, self._desk, household, record, values), self.member_view)

    def _settle_member(self, field: str, value: object) -> None:
        record = self._record()
        assert record is not None
        self._settle(record, field, value)

    def _ask_to_end(self, status: str, _checked: bool = False) -> None:
        record = self._record()
        if record is None or self.dossier is None:
            return
        words = tr(codelist("member_status").label_of(status))
        name = portrait(record, self.dossier.seen, self._desk.today()).name
        question = Question(
            self,
            tr("把{name}记为“{status}”？", name=name, status=words),
            tr("这位成员不再算在户里。原来的资料和走访都留着，时间线里能看到。"),
            tr("记为{status}", status=words),
            dangerous=True,
        )
        verb = partial(files.end_member, self._desk, self.dossier.row.id, record, status)
        question.answered.connect(lambda _reason: self._write(verb))
        question.open()

    # --- card, acts ---

    def _bind(self, reason: str) -> None:
        assert self.household is not None
        verb = partial(_bind, self._desk, self.household, reason)
        if reason == "FIRST":
            self._write(verb)
            return
        question = Question(
            self,
            tr("给这户换一张新户码？"),
            tr("旧码从此只当旧码认。请把旧卡收回，再打印新码。"),
            tr("换发户码"),
        )
        question.answered.connect(lambda _reason: self._write(verb))
        question.open()

    def _open_act(self, entry: bytes) -> None:
        self._background.desk.run(
            partial(dossiers.open_act, self._desk, entry), self._show_act, self.say_error, owner=self
        )

    def _show_act(self, opened: OpenedAct | None) -> None:
        if opened is not None:
            ActDialog(self, opened).open()

    # --- writing ---

    def _write(self, verb: Callable[[], Touched], view: SheetView | None = None) -> None:
        self.waiting.begin(tr("正在保存"), stoppable=False)
        self._background.desk.run(
            partial(write, self._desk, verb),
            partial(self._on_written, view),
            partial(self._on_refused, view),
            owner=self,
        )

    def _on_written(self, view: SheetView | None, _written: Written) -> None:
        self.waiting.finish()
        self.notice.hide()
        if view is not None:
            if view is self.member_view and self._new_member is not None:
                self._new_member = None
            view.saved()
            view.edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self.say_saved()

    def _on_refused(self, view: SheetView | None, error: Exception) -> None:
        self.waiting.finish()
        if view is None or not view.refused(error):
            self.say_error(error)

    def _go(self, key: str) -> None:
        if self.household is not None:
            self.wanted.emit(Destination(key=key, id=self.household))


def _bind(desk: Desk, household: bytes, reason: str) -> Touched:
    return cards.bind(desk, household, reason=reason)[1]


def _missing_words(missing: Sequence[str], wanted: Sequence[str]) -> str:
    names = [tr(HOUSEHOLD.field(name).label) for name in missing if name in wanted]
    return tr("还缺：{fields}", fields=tr("、").join(names)) if names else ""
